"""Buttons under a picture: play a vector environment of one world by hand, in a notebook."""

import io
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from PIL import Image


def playable(env: gymnasium.vector.VectorEnv, actions: Mapping[str, int], steps: int, alt: str) -> Any:
    """Return a widget: the picture of an environment, a button for each action, and the score.

    Args:
        env: of one world, able to draw it.
        actions: label of a button -> action.
        steps: how often a press repeats its action.
        alt: what the picture shows, for readers who cannot see it.
    """
    import ipywidgets

    picture = ipywidgets.Image(format="png", width=320, height=320)
    text = ipywidgets.HTML(f"<small>{alt}</small>")
    lived = 0.0

    def show(said: str) -> None:
        buffer = io.BytesIO()
        Image.fromarray(env.render()[0]).resize((320, 320), Image.Resampling.NEAREST).save(buffer, "PNG")
        picture.value, text.value = buffer.getvalue(), f"<b>{said}</b>"

    def press(action: int) -> None:
        nonlocal lived
        for _ in range(steps):
            _, rewards, ends, stops, _ = env.step(np.array([action]))
            lived += float(rewards[0])
            if ends[0] or stops[0]:
                show(f"{'dead' if ends[0] else 'awake'} after {lived:.0f} steps; the next press begins a new one")
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
    return ipywidgets.VBox([picture, ipywidgets.HBox(buttons), text])
