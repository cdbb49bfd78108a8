"""Ways through a latent space, to be decoded: along a dimension, and between two points. `probe` has those of a fireball."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def traverse(latent: np.ndarray, dimension: int, values: Sequence[float]) -> np.ndarray:
    """Return a latent (Z,) with one of its numbers set to each of the values: (len(values), Z)."""
    moved = np.repeat(latent[None], len(values), 0)
    moved[:, dimension] = values
    return moved


def interpolate(a: np.ndarray, b: np.ndarray, proportions: Sequence[float]) -> np.ndarray:
    """Return points on the straight line from a to b, both (D,): at 0 a, at 1 b; (len(proportions), D)."""
    t = np.asarray(proportions, np.float32)[:, None]
    return (1 - t) * a + t * b
