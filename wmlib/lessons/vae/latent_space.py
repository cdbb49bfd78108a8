"""Ways through a latent space: along a dimension, between two points, and from frame to nearest frame of another episode.

Reading guide. `traverse` and `interpolate` make latents to be decoded. `nearest` and `walk` go from frame to frame by the
distance of their latents; `tally_neighbours` counts how often a neighbour shows the same fireball.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wmlib.lessons.vae import measures
from wmlib.lessons.vae.pca import PCA, flat
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts


def traverse(latent: np.ndarray, dimension: int, values: Sequence[float]) -> np.ndarray:
    """Return a latent (Z,) with one of its numbers set to each of the values: (len(values), Z)."""
    moved = np.repeat(latent[None], len(values), 0)
    moved[:, dimension] = values
    return moved


def interpolate(a: np.ndarray, b: np.ndarray, proportions: Sequence[float]) -> np.ndarray:
    """Return points on the straight line from a to b, both (D,): at 0 a, at 1 b; (len(proportions), D)."""
    t = np.asarray(proportions, np.float32)[:, None]
    return (1 - t) * a + t * b


def nearest(latents: np.ndarray, episodes: np.ndarray) -> np.ndarray:
    """Return, for each latent, the number of the nearest one of *another* episode.

    Within an episode the nearest one is nearly always the frame before or after.

    Args:
        latents: float (M, Z).
        episodes: int (M,), which episode each is from.

    Returns:
        int64 (M,).
    """
    distances = _distances(latents, latents)
    distances[episodes[:, None] == episodes] = np.inf
    return distances.argmin(1)


def walk(latents: np.ndarray, episodes: np.ndarray, start: int, steps: int) -> list[int]:
    """Go from a frame to the nearest one of an episode not yet visited, and on; return the numbers of the frames.

    Args:
        latents: float (M, Z).
        episodes: int (M,), which episode each is from.
        start: number of the frame to start from.
        steps: how far; the walk ends earlier where no episode is left.
    """
    visited = [start]
    for _ in range(min(steps, len(np.unique(episodes)) - 1)):
        distances = _distances(latents[visited[-1:]], latents)[0]
        distances[np.isin(episodes, episodes[visited])] = np.inf
        visited.append(int(distances.argmin()))
    return visited


def tally_neighbours(
    linear: PCA,
    vaes: Mapping[str, Sequence[VAE]],
    data: Rollouts,
    test_rows: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> dict[str, list[dict[str, np.ndarray]]]:
    """Tally each frame's neighbour as if it were a picture of it, for neighbours in several spaces.

    Args:
        linear: one of the spaces, "PCA".
        vaes: more spaces, by name those of each training seed.
        data: episodes to test on.
        test_rows: of each held-out episode, rows int64 (T,) of the frames to test on.
        rng: shuffles the frames, for "a random frame" in place of a neighbour.

    Returns:
        by name of the space ("pixels" first), `measures.tally` for each training seed.
    """
    frames = data.frames(np.concatenate(test_rows))
    episodes = np.repeat(np.arange(len(test_rows)), [len(rows) for rows in test_rows])
    spaces = {"pixels": [flat(frames)], "PCA": [linear.encode(frames)]}
    for name, models in vaes.items():
        spaces[name] = [measures.encode(model, frames).mean.numpy() for model in models]
    neighbours = {name: [nearest(latents, episodes) for latents in each] for name, each in spaces.items()}
    neighbours["a random frame"] = [rng.permutation(len(frames))]
    return {name: [_tally_pairs(frames, frames[numbers], episodes) for numbers in each] for name, each in neighbours.items()}


def _tally_pairs(frames: np.ndarray, pictures: np.ndarray, episodes: np.ndarray) -> dict[str, np.ndarray]:
    """Tally pictures of frames, both (M, H, W, 3), by the episodes (M,) of the frames."""
    return measures.tally((frames[episodes == e], pictures[episodes == e]) for e in np.unique(episodes))


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return squared distances (M, N) of rows (M, Z) and (N, Z), by one matrix product."""
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * (a @ b.T)
