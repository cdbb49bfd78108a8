"""What a small fireball is worth to a loss: what leaving it out costs, and how many nats its place takes.

Reading guide. `survey` looks through many frames once; `position_entropy` makes nats of the places that it found. The frames
with a single fireball are those on which `probe` reads its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from wmlib.lessons.vae import measures
from wmlib.rollouts import Rollouts

SMALLEST, LARGEST = 6, 20  # pixels of a small fireball
MOST_FRAMES = 20_000  # of the training frames are looked at
CHUNK = 1000  # frames in memory at once


class Entropy(NamedTuple):
    """Hold the entropy of a distribution, estimated from draws, in nats."""

    plug_in: float  # of the proportions themselves: too low
    corrected: float  # by Miller's correction


def survey(data: Rollouts, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Look for small fireballs, bright blobs of 6 to 20 pixels, in frames.

    Args:
        data: episodes.
        rows: int64 (M,), of the frames to look at.

    Returns:
        centers float (N, 2), row and column in pixels, of all small fireballs; costs float (N,), what a sum of squared errors
        loses if the mean picture stands in the place of each; singles int64 (S,), rows of the frames whose only bright blob
        is a small fireball; columns float (S,), where it is, in pixels from the left.
    """
    mean = sum(_scaled(data, part).sum(0, dtype=np.float64) for part in _chunks(rows)) / len(rows)
    found: dict[str, list[np.ndarray]] = {"centers": [], "costs": [], "singles": [], "columns": []}
    for part in _chunks(rows):
        frames = _scaled(data, part)
        labels, sizes = measures.blobs(frames)
        if not len(sizes):
            continue
        numbers = np.arange(1, len(sizes) + 1)
        centers = np.array(ndimage.center_of_mass(labels > 0, labels, numbers))  # picture, row, column
        costs = np.bincount(labels.ravel(), np.square(frames - mean).sum(-1).ravel())[1:]
        small = (sizes >= SMALLEST) & (sizes <= LARGEST)
        pictures = centers[:, 0].round().astype(int)
        alone = small & (np.bincount(pictures, minlength=len(part))[pictures] == 1)
        found["centers"].append(centers[small, 1:])
        found["costs"].append(costs[small])
        found["singles"].append(part[pictures[alone]])
        found["columns"].append(centers[alone, 2])
    empty = {"centers": np.zeros((0, 2)), "costs": np.zeros(0), "singles": np.zeros(0, np.int64), "columns": np.zeros(0)}
    return {name: np.concatenate([empty[name], *parts]) for name, parts in found.items()}


def position_entropy(centers: np.ndarray) -> Entropy:
    """Estimate how many nats it takes to say at which pixel a fireball is.

    Args:
        centers: float (N, 2), row and column; rounded to pixels.

    Raises:
        ValueError: there are none.

    Source: the correction, (occupied pixels - 1) / 2N: Miller 1955, Note on the bias of information estimates.

    Example:
        >>> position_entropy(np.array([[1.0, 2.0], [1.2, 2.1], [5.0, 2.0], [5.0, 1.8]]))
        Entropy(plug_in=0.6931471805599453, corrected=0.8181471805599453)
    """
    if not len(centers):
        raise ValueError("centers: got none; allowed are one and more: look at more frames")
    _, counts = np.unique(np.round(centers), axis=0, return_counts=True)
    proportions = counts / counts.sum()
    plug_in = -float((proportions * np.log(proportions)).sum())
    return Entropy(plug_in, plug_in + (len(counts) - 1) / (2 * len(centers)))


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), CHUNK):
        yield rows[first : first + CHUNK]


def _scaled(data: Rollouts, rows: np.ndarray) -> np.ndarray:
    return data.frames(rows) / np.float32(255)
