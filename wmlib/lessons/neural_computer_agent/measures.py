"""What one model and one policy of notebook 07 can do on a level: exact predictions, a dream beside reality.

Reading guide. `exact_accuracy` asks the model for every move from every cell. `dream_beside_reality` lets the greedy policy act
in a dream, and does the same in the live environment. Frames are kept as texts, a digit a cell, see `encode`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.agents.frame_dreams import FrameDreams, observe
from wmlib.agents.policies import ActorCritic
from wmlib.envs.grid.levels import MOVES, moves
from wmlib.envs.grid.navigation import GridNavigation, draw
from wmlib.models.frame_model import FrameModel

PLACES = np.array([1, 2, 4])  # of red, green, blue in a digit


class Transitions(NamedTuple):
    """Hold every move from every free cell but the goal, M of them."""

    frames: Tensor  # float (M, 3, S, S)
    actions: Tensor  # int64 (M,)
    following: Tensor  # float (M, 3, S, S)


def encode(frame: np.ndarray) -> str:
    """Write a frame as a text, a digit a cell row by row: red + 2 green + 4 blue.

    Args:
        frame: (S, S, 3), every value 0 or above 0.

    Example:
        >>> encode(np.array([[[255, 0, 0], [0, 0, 0]], [[0, 0, 255], [0, 255, 0]]]))
        '1042'
    """
    return "".join(map(str, ((np.asarray(frame) > 0) @ PLACES).ravel()))


def _as_input(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


def transitions(layout: np.ndarray) -> Transitions:
    """Return every move on a level.

    Args:
        layout: bool (S, S), True where an obstacle is.
    """
    free = [cell for cell in range(layout.size - 1) if not layout.flat[cell]]
    to = moves(layout)
    pictures = np.stack([draw(layout, cell) for cell in range(layout.size)])
    cells = np.repeat(free, len(MOVES))
    actions = np.tile(np.arange(len(MOVES)), len(free))
    return Transitions(_as_input(pictures[cells]), torch.from_numpy(actions), _as_input(pictures[to[cells, actions]]))


@torch.no_grad()
def exact_accuracy(model: FrameModel, layout: np.ndarray, heard: bool = True) -> float:
    """Return the proportion of all moves on a level whose next frame the model predicts right in every pixel.

    Args:
        model: it sees each frame as the first of an episode.
        layout: bool (S, S).
        heard: whether the predictions hear the core.
    """
    steps = transitions(layout)
    hears = torch.full_like(steps.actions, heard, dtype=torch.bool)
    prediction, _ = model(steps.frames.unsqueeze(1), steps.actions.unsqueeze(1), heard=hears)
    right = ((prediction.frames[:, 0] > 0) == (steps.following > 0.5)).flatten(1).all(1)
    return float(right.float().mean())


@torch.no_grad()
def dream_beside_reality(dreams: FrameDreams, policy: ActorCritic, layout: np.ndarray, with_memory: bool = False) -> dict:
    """Act greedily in a dream that begins at a level's first frame, and do the same moves on the level.

    Args:
        dreams: of the model, beginning with that frame.
        policy: what acts.
        layout: bool (S, S).
        with_memory: whether the policy sees the core's vector.

    Returns:
        actions; dreamt, real: frames as texts, one more than actions; a world that has ended keeps its last frame. predicted:
        the model's next frame from each real one, until that world ends.
        dream_ends, real_ends: after how many steps, None if not.
    """
    env = GridNavigation(layout, size=len(layout), max_steps=dreams.max_steps + 1)
    frame, _ = env.reset()
    dreams.begin([0])
    record: dict = {
        "actions": [],
        "dreamt": [_text(dreams.frames)],
        "real": [encode(frame)],
        "predicted": [],
        "dream_ends": None,
        "real_ends": None,
    }
    for step in range(1, dreams.max_steps + 1):
        action = policy.step(observe(dreams.frames, dreams.memory, with_memory)).logits.argmax(-1)
        done, _ = dreams.step(action)
        if record["real_ends"] is None:
            prediction, _ = dreams.model(_as_input(frame[None]).unsqueeze(1), action.unsqueeze(1))
            record["predicted"].append(_text((prediction.frames[:, 0] > 0).float()))
        if record["real_ends"] is None:
            frame, _, terminated, _, _ = env.step(int(action))
            record["real_ends"] = step if terminated else None
        record["actions"].append(int(action))
        record["dreamt"].append(_text(dreams.frames))
        record["real"].append(encode(frame))
        if bool(done[0]):
            record["dream_ends"] = step
            break
    return record


def _text(frames: Tensor) -> str:
    return encode((frames[0] > 0.5).permute(1, 2, 0).numpy())
