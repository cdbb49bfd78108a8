"""Does a player look at what comes flying? Three questions to recorded games.

Reading guide. `balls` finds the largest bright blob of each frame. `occlusion` paints it out and asks the agent again: whoever
looks at fireballs answers otherwise more often than when an equal patch elsewhere is painted out. `dodging` counts moves away
from the ball and towards it, and `danger` deaths by how many balls were in the air a second before; both need no agent, so
they can be asked of a player that is known to be blind. All answers are counts by game, for `statistics.share`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from wmlib.agents import linear_controller as controller
from wmlib.agents.world_models_agent import values
from wmlib.lessons.vae import measures as vae_study
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

CLASSES = (6, 21, 61)  # pixels of a ball, smallest of each class: far, nearer, near
LARGEST = 400  # pixels; above that it is a flash over the picture
CENTRE = 0.1  # of half the picture: a ball closer to the middle is neither left nor right
SECOND = 35  # tics


class Balls(NamedTuple):
    """Hold the largest bright blob of each frame; see `vae_study.blobs_found` for what a blob is."""

    size: np.ndarray  # int64 (T,), pixels; 0 where there is none of a size that counts
    place: np.ndarray  # float (T,), of its middle, -1 left edge … 1 right edge
    mask: np.ndarray  # bool (T, H, W), its pixels
    count: np.ndarray  # int64 (T,), blobs of a size that counts


def balls(frames: np.ndarray) -> Balls:
    """Find the largest blob of each frame, uint8 (T, H, W, 3)."""
    labels, sizes = vae_study.blobs(frames)
    counted = np.append(0, np.where((sizes >= CLASSES[0]) & (sizes <= LARGEST), sizes, 0))
    by_pixel = counted[labels]
    largest = by_pixel.max((1, 2))
    number = np.where(by_pixel == largest[:, None, None], labels, 0).max((1, 2))  # one, if two are equally large
    mask = (labels == number[:, None, None]) & (largest > 0)[:, None, None]
    x = np.linspace(-1, 1, frames.shape[2])
    place = (mask * x).sum((1, 2)) / np.maximum(mask.sum((1, 2)), 1)
    # a label lies within one frame, so the frames' counts are those of the labels' first pixels
    own = labels.reshape(len(labels), -1)
    count = np.array([np.count_nonzero(counted[np.unique(row)]) for row in own])
    return Balls(largest, place, mask, count)


def classes(sizes: np.ndarray) -> np.ndarray:
    """Return the class of each size, int64: 0 for the smallest balls, -1 for no ball."""
    return np.searchsorted(CLASSES, sizes, "right") - 1


def paint_out(frames: np.ndarray, masks: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return frames in which what a mask covers, and a margin of two pixels, is the background.

    Args:
        frames: uint8 (T, H, W, 3).
        masks: bool (T, H, W).
        background: uint8 (H, W, 3), such as the mean frame.
    """
    wide = ndimage.binary_dilation(masks, np.ones((1, 3, 3), bool), iterations=2)
    return np.where(wide[..., None], background, frames)


def occlusion(
    eye: VAE,
    mind: WorldModel,
    weights: Tensor,
    names: Sequence[str],
    frames: np.ndarray,
    actions: Tensor,
    background: np.ndarray,
) -> dict[str, np.ndarray]:
    """Ask an agent again, along one of its games, with the largest ball painted out.

    The control is a patch of the same shape on the other side of the picture. Frames where that side is bright too, or where
    ball and patch would touch, are left out.

    Args:
        eye, mind, weights, names: the agent, see `player.Player`.
        frames: uint8 (T, 64, 64, 3), of the game.
        actions: float (T, A), as M is told of them.
        background: see `paint_out`.

    Returns:
        int64 (classes,): counted, frames asked; ball, answers that change without the ball; patch, without the patch. And
        push, float (classes,): sum of the change of the answer away from the ball, before thirds are taken, by the ball.
    """
    found = balls(frames)
    other = found.mask[:, :, ::-1]
    bright = frames.mean(-1) > 255 * vae_study.THRESHOLD
    clear = ~(other & (bright | found.mask)).any((1, 2)) & (np.abs(found.place) > CENTRE) & (found.size > 0)
    shown = [frames, paint_out(frames, found.mask, background), paint_out(frames, other, background)]
    seen = [vae_study.encode(eye, each).mean for each in shown]
    answers = values(mind, weights, names, seen[0], actions, seen)
    chosen = controller.thirds(torch.from_numpy(answers)).numpy()
    group = classes(found.size)[clear]

    def by_class(weight: np.ndarray) -> np.ndarray:
        return np.bincount(group, weight[clear].astype(float), len(CLASSES))

    push = -np.sign(found.place) * (answers[0] - answers[1])  # what the ball adds to moving away from it
    whole = {"counted": clear, "ball": chosen[1] != chosen[0], "patch": chosen[2] != chosen[0]}
    return {**{name: by_class(part).astype(int) for name, part in whole.items()}, "push": by_class(push)}


def dodging(found: Balls, actions: np.ndarray) -> dict[str, np.ndarray]:
    """Count moves away from the largest ball and towards it, by its size: int64 (classes,) each of counted, away, towards.

    Args:
        found: of the frames of a game.
        actions: int (T,), what was done on seeing each: 0 left, 1 stay, 2 right.
    """
    side, group = np.sign(found.place) * (np.abs(found.place) > CENTRE), classes(found.size)
    asked = (side != 0) & (group >= 0)
    move = np.sign(np.asarray(actions) - controller.STAY)

    def by_class(which: np.ndarray) -> np.ndarray:
        return np.bincount(group[asked & which], minlength=len(CLASSES))

    return {"counted": by_class(side != 0), "away": by_class(move == -side), "towards": by_class(move == side)}


def danger(count: np.ndarray, died: bool, most: int = 3) -> dict[str, np.ndarray]:
    """Count tics and deaths of a game by how many balls were to be seen a second before: int64 (most + 1,) each.

    Args:
        count: int (T,), balls in each frame of the game.
        died: the last action was fatal.
        most: so many balls or more are one class.
    """
    before = np.minimum(count[: max(len(count) - SECOND, 0)], most)
    tics = np.bincount(before, minlength=most + 1)
    deaths = np.bincount(before[-1:] if died else before[:0], minlength=most + 1)
    return {"tics": tics, "deaths": deaths}
