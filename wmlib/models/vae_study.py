"""Does a reconstruction keep the small bright things? A count of blobs found again.

Reading guide: `blobs_found` compares two stacks of pictures blob by blob; `hit_rates` sorts the answer by size.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

SIZES = (1, 6, 21, 61)  # pixels; the first of each class


def blobs_found(pictures: np.ndarray, others: np.ndarray, threshold: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Look for each bright blob of a picture in another picture.

    A blob is a set of touching pixels, sideways or at a corner, whose mean over the colours is above the threshold. It is
    found if at least one of its pixels is bright in the other picture too. With frames and their reconstructions this says
    what is kept; with reconstructions and frames, the other way round, which bright blobs are not invented.

    Args:
        pictures, others: (B, H, W, 3), uint8, or float in [0, 1]; each may be either.
        threshold: of brightness, in [0, 1).

    Returns:
        sizes int64 (blobs,), in pixels; found bool (blobs,).

    Raises:
        ValueError: the shapes differ or are not of coloured pictures.

    Source: ours.

    Example:
        >>> picture = np.zeros((1, 5, 7, 3))
        >>> picture[0, 1, 1:4] = picture[0, 4, 6] = 1
        >>> blobs_found(picture, np.roll(picture, 1, 2))
        (array([3, 1]), array([ True, False]))
    """
    if pictures.shape != others.shape or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"pictures, others: got shapes {pictures.shape}, {others.shape}; both must be the same (B, H, W, 3)")
    touching = np.zeros((3, 3, 3), bool)
    touching[1] = True  # within a picture, never from one to the next
    labels, count = ndimage.label(_brightness(pictures) > threshold, touching)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    seen = np.bincount(labels[_brightness(others) > threshold], minlength=count + 1)[1:]
    return sizes, seen > 0


def hit_rates(sizes: np.ndarray, found: np.ndarray, classes: Sequence[int] = SIZES) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each class of size, the share of blobs found (NaN where there are none) and their number.

    Args:
        sizes, found: as returned by `blobs_found`.
        classes: smallest size of each class, rising; a class ends where the next begins.
    """
    index = np.searchsorted(classes, sizes, "right") - 1
    index, found = index[index >= 0], found[index >= 0]
    counts = np.bincount(index, minlength=len(classes))
    hits = np.bincount(index, found, minlength=len(classes))
    return np.divide(hits, counts, out=np.full(len(classes), np.nan), where=counts > 0), counts


def _brightness(pictures: np.ndarray) -> np.ndarray:
    """Return the mean over the colours, float32 (B, H, W) in [0, 1]."""
    return pictures.mean(-1, dtype=np.float32) / (255 if pictures.dtype == np.uint8 else 1)
