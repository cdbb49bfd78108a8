"""Does a player look at fireballs? Three questions to recorded games.

Reading guide. `largest_balls` finds the largest bright blob of each frame. `occlusion` paints it out and asks the agent again:
whoever looks at fireballs chooses another action more often than when an equal patch elsewhere is painted out. `dodging` counts
moves away from the ball and towards it, and `danger` deaths by how many balls were in the air a second before; both need no
agent, so they can be asked of a player that is known to be blind. All results are counts by game, for
`statistics.ratio_of_sums`; `count_reactions` makes them for several games.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from wmlib.agents import linear_controller
from wmlib.agents.world_models_agent import WorldModelsAgent, answers
from wmlib.envs.doom.scripted import STAY
from wmlib.lessons.vae import measures as vae_measures
from wmlib.rollouts import Rollouts

CLASSES = (6, 21, 61)  # pixels of a ball, smallest of each class: far, nearer, near
LARGEST = 400  # pixels; above that it is a flash over the picture
CENTRE = 0.1  # of half the picture: a ball closer to the middle is neither left nor right
SECOND = 35  # tics


class Balls(NamedTuple):
    """Hold the largest bright blob of each frame; see `vae.measures.blobs` for what a blob is."""

    size: np.ndarray  # int64 (T,), pixels; 0 where there is none of a size that counts
    place: np.ndarray  # float (T,), of its middle, -1 left edge … 1 right edge
    mask: np.ndarray  # bool (T, H, W), its pixels
    in_sight: np.ndarray  # int64 (T,), blobs of a size that counts


def largest_balls(frames: np.ndarray) -> Balls:
    """Find the largest blob of each frame, uint8 (T, H, W, 3)."""
    labels, sizes = vae_measures.blobs(frames)
    counted = np.append(0, np.where((sizes >= CLASSES[0]) & (sizes <= LARGEST), sizes, 0))
    by_pixel = counted[labels]
    largest = by_pixel.max((1, 2))
    number = np.where(by_pixel == largest[:, None, None], labels, 0).max((1, 2))  # one, if two are equally large
    mask = (labels == number[:, None, None]) & (largest > 0)[:, None, None]
    x = np.linspace(-1, 1, frames.shape[2])
    place = (mask * x).sum((1, 2)) / np.maximum(mask.sum((1, 2)), 1)
    # a label lies within one frame
    in_sight = np.array([np.count_nonzero(counted[np.unique(frame)]) for frame in labels.reshape(len(labels), -1)])
    return Balls(largest, place, mask, in_sight)


def size_classes(sizes: np.ndarray) -> np.ndarray:
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
    agent: WorldModelsAgent, frames: np.ndarray, actions: Tensor, background: np.ndarray, balls: Balls
) -> dict[str, np.ndarray]:
    """Ask an agent again, along one of its games, with the largest ball painted out.

    The control is a patch of the same shape on the other side of the picture. Frames where that side is bright too, or where
    ball and patch would touch, are left out.

    Args:
        agent: VAE, world model and controller.
        frames: uint8 (T, 64, 64, 3), of the game.
        actions: float (T, A), as the world model is given them.
        background: see `paint_out`.
        balls: of the frames.

    Returns:
        int64 (classes,): asked, frames; ball, actions that change without the ball; patch, without the patch. And push, float
        (classes,): sum of the change of the controller's answer away from the ball, before thirds are taken, by the ball.
    """
    other = balls.mask[:, :, ::-1]
    bright = frames.mean(-1) > 255 * vae_measures.THRESHOLD
    is_clear = ~(other & (bright | balls.mask)).any((1, 2)) & (np.abs(balls.place) > CENTRE) & (balls.size > 0)
    shown = [frames, paint_out(frames, balls.mask, background), paint_out(frames, other, background)]
    latents = [vae_measures.encode(agent.vae, pictures).mean for pictures in shown]
    values = answers(agent, latents[0], actions, latents)
    chosen = linear_controller.thirds(torch.from_numpy(values)).numpy()
    group = size_classes(balls.size)[is_clear]

    def by_class(weight: np.ndarray) -> np.ndarray:
        return np.bincount(group, weight[is_clear].astype(float), len(CLASSES))

    push = -np.sign(balls.place) * (values[0] - values[1])  # what the ball adds to moving away from it
    return {
        "asked": by_class(is_clear).astype(int),
        "ball": by_class(chosen[1] != chosen[0]).astype(int),
        "patch": by_class(chosen[2] != chosen[0]).astype(int),
        "push": by_class(push),
    }


def dodging(balls: Balls, actions: np.ndarray) -> dict[str, np.ndarray]:
    """Count moves away from the largest ball and towards it, by its size.

    Args:
        balls: of the frames of a game.
        actions: int (T,), what was done on seeing each: 0 left, 1 stay, 2 right.

    Returns:
        int64 (classes,) each: frames with a ball to the left or to the right; away, towards: moves in these.
    """
    side = np.sign(balls.place) * (np.abs(balls.place) > CENTRE)
    group = size_classes(balls.size)
    counts = (side != 0) & (group >= 0)
    move = np.sign(np.asarray(actions) - STAY)

    def by_class(frames: np.ndarray) -> np.ndarray:
        return np.bincount(group[counts & frames], minlength=len(CLASSES))

    return {"frames": by_class(side != 0), "away": by_class(move == -side), "towards": by_class(move == side)}


def danger(in_sight: np.ndarray, died: bool, most: int = 3) -> dict[str, np.ndarray]:
    """Count tics and deaths of a game by how many balls were to be seen a second before: int64 (most + 1,) each.

    Args:
        in_sight: int (T,), balls in each frame of the game.
        died: the last action was fatal.
        most: so many balls or more are one class.
    """
    before = np.minimum(in_sight[: max(len(in_sight) - SECOND, 0)], most)
    tics = np.bincount(before, minlength=most + 1)
    deaths = np.bincount(before[-1:] if died else before[:0], minlength=most + 1)
    return {"tics": tics, "deaths": deaths}


def count_reactions(played: Rollouts, agent: WorldModelsAgent | None) -> list[dict[str, np.ndarray]]:
    """Ask all three questions of recorded games.

    Args:
        played: the games.
        agent: who played them; None: a scripted player, which cannot be asked again.

    Returns:
        of each game, what `dodging`, `danger` and (of an agent) `occlusion` return.
    """
    sample = played.frames(np.arange(0, len(played), max(1, len(played) // 500)))
    background = sample.mean(0).round().astype(np.uint8)
    results = []
    for number in range(len(played.lengths)):
        rows = played.episode(number)[:-1]  # at the last row nothing is done
        frames = played.frames(rows)
        actions = played.actions[rows]
        balls = largest_balls(frames)
        counts = {**dodging(balls, actions), **danger(balls.in_sight, bool(played.terminated[rows[-1]]))}
        if agent is not None:
            counts |= occlusion(agent, frames, agent.actions[torch.from_numpy(actions)], background, balls)
        results.append(counts)
    return results
