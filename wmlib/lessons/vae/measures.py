"""How a VAE is evaluated: the fireball test, which counts bright blobs that are detected; and frames through a VAE, in batches.

Reading guide: `match_blobs` compares two stacks of pictures blob by blob; `count_by_size` sorts the answer by size; `tally`
counts for whole episodes, whatever makes the pictures. Recall and precision are made of tallies in `estimates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy import ndimage

from wmlib.models.vae import VAE, Posterior

SIZES = (1, 6, 21, 61)  # pixels; the first of each class
THRESHOLD = 0.6  # mean brightness above which a pixel is bright


def match_blobs(pictures: np.ndarray, references: np.ndarray, threshold: float = THRESHOLD) -> tuple[np.ndarray, np.ndarray]:
    """Look for each bright blob of a picture in a reference picture.

    A blob is a set of touching pixels, sideways or at a corner, whose mean over the colours is above the threshold. It is
    matched if at least one of its pixels is bright in the reference too. With frames and their reconstructions this says
    which blobs are detected; with reconstructions and frames, the other way round, which drawn blobs are not invented.

    Args:
        pictures, references: (B, H, W, 3), uint8, or float in [0, 1]; each may be either.
        threshold: of brightness, in [0, 1).

    Returns:
        sizes int64 (blobs,), in pixels; matched bool (blobs,).

    Raises:
        ValueError: the shapes differ or are not of coloured pictures.

    Source: ours.

    Example:
        >>> picture = np.zeros((1, 5, 7, 3))
        >>> picture[0, 1, 1:4] = picture[0, 4, 6] = 1
        >>> match_blobs(picture, np.roll(picture, 1, 2))
        (array([3, 1]), array([ True, False]))
    """
    if pictures.shape != references.shape or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(
            f"pictures, references: got shapes {pictures.shape}, {references.shape}; both must be the same (B, H, W, 3)"
        )
    labels, sizes = blobs(pictures, threshold)
    bright_in_references = np.bincount(labels[_brightness(references) > threshold], minlength=len(sizes) + 1)[1:]
    return sizes, bright_in_references > 0


def blobs(pictures: np.ndarray, threshold: float = THRESHOLD) -> tuple[np.ndarray, np.ndarray]:
    """Number the bright blobs of all pictures (see `match_blobs`).

    Args:
        pictures: (B, H, W, 3), uint8, or float in [0, 1].
        threshold: of brightness, in [0, 1).

    Returns:
        labels int (B, H, W), the blob that each pixel belongs to, from 1; 0 for none; sizes int64 (blobs,), in pixels.
    """
    touching = np.zeros((3, 3, 3), bool)
    touching[1] = True  # within a picture, never from one to the next
    labels, count = ndimage.label(_brightness(pictures) > threshold, touching)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]


def largest_blobs(pictures: np.ndarray) -> np.ndarray:
    """Return the size of the largest bright blob of each picture, int64 (B,), in pixels; 0 where there is none."""
    labels, sizes = blobs(pictures)
    return np.append(0, sizes)[labels].max((1, 2))


def frames_with_blobs(frames: np.ndarray, largest: np.ndarray, sizes: Sequence[int], order: np.ndarray) -> list[int]:
    """Return, for each size, the number of a frame whose largest blob has it, or nearly, and that has no bright sides.

    Args:
        frames: uint8 (M, H, W, 3).
        largest: (M,), as returned by `largest_blobs`.
        sizes: wanted, in pixels.
        order: int64 (M,), a permutation: of equally good frames the first in this order is taken.
    """
    bright_sides = frames[:, :, [0, -1]].mean(-1).max((1, 2)) > 128
    in_order = np.where(bright_sides, 9999, largest)[order]
    return [int(order[np.abs(in_order - size).argmin()]) for size in sizes]


def count_by_size(sizes: np.ndarray, matched: np.ndarray, classes: Sequence[int] = SIZES) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each class of size, the number of blobs and how many of them are matched, int64 (C,) each.

    Args:
        sizes, matched: as returned by `match_blobs`.
        classes: smallest size of each class, rising; a class ends where the next begins. Smaller blobs do not count.

    Example:
        >>> count_by_size(np.array([2, 3, 7]), np.array([True, False, True]), classes=(1, 6))
        (array([2, 1]), array([1, 1]))
    """
    index = np.searchsorted(classes, sizes, "right") - 1
    counted = index >= 0
    counts = np.bincount(index[counted], minlength=len(classes))
    hits = np.bincount(index[counted & matched], minlength=len(classes))
    return counts, hits


def tally(episodes: Iterable[tuple[np.ndarray, np.ndarray]], classes: Sequence[int] = SIZES) -> dict[str, np.ndarray]:
    """Count what pictures detect and invent, episode by episode.

    Args:
        episodes: of each, frames and pictures of them, both (B, H, W, 3), uint8 or float in [0, 1].
        classes: as for `count_by_size`.

    Returns:
        by episode (E,) or by episode and class (E, C): frames (E,); squared_error (E,), summed over frames; blobs (E, C) in the
        frames and detected (E, C) of them in the pictures; drawn (E, C) in the pictures and matched (E, C) of them in the
        frames; bright (E, 3), bright pixels of the frames, of the pictures, and of both at once.
    """
    rows = []
    for frames, pictures in episodes:
        in_frames, detected = count_by_size(*match_blobs(frames, pictures), classes)
        drawn, matched = count_by_size(*match_blobs(pictures, frames), classes)
        bright = _brightness(frames) > THRESHOLD
        bright_drawn = _brightness(pictures) > THRESHOLD
        row = {
            "frames": len(frames),
            "squared_error": np.square(_scaled(pictures) - _scaled(frames)).sum(dtype=np.float64),
            "blobs": in_frames,
            "detected": detected,
            "drawn": drawn,
            "matched": matched,
            "bright": [bright.sum(), bright_drawn.sum(), (bright & bright_drawn).sum()],
        }
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@torch.no_grad()
def encode(vae: VAE, frames: np.ndarray, batch_size: int = 256) -> Posterior:
    """Return the posterior of many frames (M, 64, 64, 3), in batches."""
    parts = [vae.encode(frames[i : i + batch_size]) for i in range(0, len(frames), batch_size)]
    return Posterior(*(torch.cat(part) for part in zip(*parts, strict=True)))


@torch.no_grad()
def reconstruct(vae: VAE, frames: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Return the pictures of the frames' mean latents, float32 (M, 64, 64, 3)."""
    parts = [vae.decode(vae.encode(frames[i : i + batch_size]).mean) for i in range(0, len(frames), batch_size)]
    return torch.cat(parts).numpy()


@torch.no_grad()
def decode(vae: VAE, latents: np.ndarray) -> np.ndarray:
    """Return pictures of latents: (B, Z) -> float32 (B, 64, 64, 3)."""
    return vae.decode(torch.as_tensor(latents, dtype=torch.float32)).numpy()


def _scaled(pictures: np.ndarray) -> np.ndarray:
    return pictures / np.float32(255) if pictures.dtype == np.uint8 else pictures


def _brightness(pictures: np.ndarray) -> np.ndarray:
    """Return the mean over the colours, float32 (B, H, W) in [0, 1]."""
    return pictures.mean(-1, dtype=np.float32) / (255 if pictures.dtype == np.uint8 else 1)
