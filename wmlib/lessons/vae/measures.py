"""Does a reconstruction keep the small bright things? A count of blobs found again; and neighbours in a latent space.

Reading guide: `blobs_found` compares two stacks of pictures blob by blob; `hit_rates` sorts the answer by size; `tally` counts
for whole episodes, whatever makes the pictures. `nearest` and `walk` go from frame to frame by the distance of their latents.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy import ndimage

from wmlib.models.vae import VAE, Posterior

SIZES = (1, 6, 21, 61)  # pixels; the first of each class
THRESHOLD = 0.6  # mean brightness above which a pixel is bright


def blobs_found(pictures: np.ndarray, others: np.ndarray, threshold: float = THRESHOLD) -> tuple[np.ndarray, np.ndarray]:
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
    labels, sizes = blobs(pictures, threshold)
    seen = np.bincount(labels[_brightness(others) > threshold], minlength=len(sizes) + 1)[1:]
    return sizes, seen > 0


def blobs(pictures: np.ndarray, threshold: float = THRESHOLD) -> tuple[np.ndarray, np.ndarray]:
    """Number the bright blobs of all pictures (see `blobs_found`): labels int (B, H, W), 0 for none; sizes int64 (blobs,)."""
    touching = np.zeros((3, 3, 3), bool)
    touching[1] = True  # within a picture, never from one to the next
    labels, count = ndimage.label(_brightness(pictures) > threshold, touching)
    return labels, np.bincount(labels.ravel(), minlength=count + 1)[1:]


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


def tally(episodes: Iterable[tuple[np.ndarray, np.ndarray]], classes: Sequence[int] = SIZES) -> dict[str, np.ndarray]:
    """Count what pictures keep and invent, episode by episode.

    Args:
        episodes: of each, frames and pictures of them, both (B, H, W, 3), uint8 or float in [0, 1].
        classes: as for `hit_rates`.

    Returns:
        by episode (E,) or by episode and class (E, C): frames (E,); squared_error (E,), summed over frames; blobs (E, C) in the
        frames and kept (E, C) of them in the pictures; drawn (E, C) in the pictures and real (E, C) of them in the frames;
        bright (E, 3), bright pixels of the frames, of the pictures, and of both at once.
    """
    rows = []
    for frames, pictures in episodes:
        row = {"frames": len(frames), "squared_error": np.square(_scaled(pictures) - _scaled(frames)).sum(dtype=np.float64)}
        for of, share, pair in (("blobs", "kept", (frames, pictures)), ("drawn", "real", (pictures, frames))):
            rates, row[of] = hit_rates(*blobs_found(*pair), classes)
            row[share] = np.nan_to_num(rates * row[of]).round().astype(int)
        there, drawn = _brightness(frames) > THRESHOLD, _brightness(pictures) > THRESHOLD
        row["bright"] = [there.sum(), drawn.sum(), (there & drawn).sum()]
        rows.append(row)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def largest_blobs(pictures: np.ndarray) -> np.ndarray:
    """Return the size of the largest bright blob of each picture, int64 (B,), in pixels; 0 where there is none."""
    labels, sizes = blobs(pictures)
    return np.append(0, sizes)[labels].max((1, 2))


@torch.no_grad()
def encode(vae: VAE, frames: np.ndarray, batch: int = 256) -> Posterior:
    """Return the posterior of many frames, in batches."""
    parts = [vae.encode(frames[i : i + batch]) for i in range(0, len(frames), batch)]
    return Posterior(*(torch.cat(part) for part in zip(*parts, strict=True)))


@torch.no_grad()
def reconstruct(vae: VAE, frames: np.ndarray, batch: int = 256) -> np.ndarray:
    """Return the pictures of the frames' mean latents, float32 (B, 64, 64, 3)."""
    parts = [vae.decode(vae.encode(frames[i : i + batch]).mean) for i in range(0, len(frames), batch)]
    return torch.cat(parts).numpy()


@torch.no_grad()
def decode(vae: VAE, latents: np.ndarray) -> np.ndarray:
    """Return pictures of latents: (B, Z) -> float32 (B, 64, 64, 3)."""
    return vae.decode(torch.as_tensor(latents, dtype=torch.float32)).numpy()


def traverse(latent: np.ndarray, dimension: int, values: Sequence[float]) -> np.ndarray:
    """Return a latent (Z,) with one of its numbers set to each of the values: (len(values), Z)."""
    moved = np.repeat(latent[None], len(values), 0)
    moved[:, dimension] = values
    return moved


def between(a: np.ndarray, b: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Return points on the straight line from a to b, both (D,): at 0 a, at 1 b; (len(shares), D)."""
    t = np.asarray(shares, np.float32)[:, None]
    return (1 - t) * a + t * b


def nearest(latents: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Return, for each latent, the number of the nearest one of *another* episode: (M, Z), (M,) -> int64 (M,).

    (Within an episode the nearest one is nearly always the frame before or after.)
    """
    distances = _distances(latents, latents)
    distances[episodes[:, None] == episodes] = np.inf
    return distances.argmin(1)


def walk(latents: np.ndarray, episodes: np.ndarray, start: int, steps: int) -> list[int]:
    """Go from a frame to the nearest one of an episode not yet visited, and on; return the numbers of the frames.

    Args:
        latents: (M, Z).
        episodes: (M,), which episode each is from.
        start: number of the frame to start from.
        steps: how far; the walk ends earlier where no episode is left.
    """
    way = [start]
    for _ in range(min(steps, len(np.unique(episodes)) - 1)):
        distances = _distances(latents[way[-1:]], latents)[0]
        distances[np.isin(episodes, episodes[way])] = np.inf
        way.append(int(distances.argmin()))
    return way


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances (M, N) of rows (M, Z) and (N, Z), by one matrix product."""
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * (a @ b.T)


def _scaled(pictures: np.ndarray) -> np.ndarray:
    return pictures / np.float32(255) if pictures.dtype == np.uint8 else pictures


def _brightness(pictures: np.ndarray) -> np.ndarray:
    """Return the mean over the colours, float32 (B, H, W) in [0, 1]."""
    return pictures.mean(-1, dtype=np.float32) / (255 if pictures.dtype == np.uint8 else 1)
