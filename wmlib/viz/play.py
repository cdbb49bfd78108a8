"""Buttons under a picture: play a single vectorized environment by hand, in a notebook."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from PIL import Image


def playable(env: gymnasium.vector.VectorEnv, actions: Mapping[str, int], steps: int, alt: str) -> Any:
    """Return a widget: the picture of an environment, a button for each action, and the score.

    Args:
        env: a vector environment of one, able to draw it.
        actions: label of a button -> action.
        steps: how often a press repeats its action.
        alt: what the picture shows, for readers who cannot see it.
    """
    import ipywidgets

    picture = ipywidgets.Image(format="png", width=320, height=320)
    caption = ipywidgets.HTML(f"<small>{html.escape(alt)}</small>")
    text = ipywidgets.HTML()
    lived = 0.0

    def show(message: str) -> None:
        buffer = io.BytesIO()
        frames: Any = env.render()
        Image.fromarray(frames[0]).resize((320, 320), Image.Resampling.NEAREST).save(buffer, "PNG")
        picture.value = buffer.getvalue()
        text.value = f"<b>{message}</b>"

    def press(action: int) -> None:
        nonlocal lived
        for _ in range(steps):
            _, rewards, terminated, truncated, _ = env.step(np.array([action]))
            lived += float(rewards[0])
            if terminated[0] or truncated[0]:
                state = "dead" if terminated[0] else "still alive"
                show(f"{state} after {lived:.0f} steps; the next press begins a new episode")
                lived = 0.0
                return
        show(f"{lived:.0f} steps")

    buttons = []
    for label, action in actions.items():
        button = ipywidgets.Button(description=label)
        button.on_click(lambda _, action=action: press(action))
        buttons.append(button)
    env.reset()
    show("0 steps")
    return ipywidgets.VBox([picture, ipywidgets.HBox(buttons), text, caption])
