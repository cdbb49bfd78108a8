"""A linear probe: can the place of the only fireball be read off the latents, and what happens if it is changed there?

Reading guide. `fit` is least squares, `r_squared` says how well it reads frames that it was not fitted to, and `examine` does
both for one model. `ways` and `moved` change the place: along the probe's weights, along the slope of the latents, or along
the curve of their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wmlib.lessons.vae import measures
from wmlib.lessons.vae.pca import PCA
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts

WIDTH = 64  # pixels
TERMS = 6  # cosines of a curve, the constant one among them


class Probe(NamedTuple):
    """Read a number off latents: weights · z + constant."""

    weights: np.ndarray  # (Z,)
    constant: float

    def read(self, latents: np.ndarray) -> np.ndarray:
        """Return the number for each of the latents (M, Z): (M,)."""
        return latents @ self.weights + self.constant


def fit(latents: np.ndarray, values: np.ndarray) -> Probe:
    """Fit a probe by least squares.

    Args:
        latents: (M, Z).
        values: (M,), what is to be read, such as columns in pixels.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"values: got {len(values)}; allowed are two and more: look at more frames")
    center = latents.mean(0)
    weights = np.linalg.lstsq(latents - center, values - values.mean(), rcond=None)[0]
    return Probe(weights, float(values.mean() - center @ weights))


def r_squared(read: np.ndarray, values: np.ndarray) -> float:
    """Return the proportion of the values' variance that a reading explains; below 0 if it is worse than their mean.

    Example:
        >>> r_squared(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
        0.5
    """
    return 1 - float(np.square(values - read).sum() / np.square(values - values.mean()).sum())


def slope(latents: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return how the latents change, on average, when the value is larger by one: float (Z,).

    The probe's own weights are another direction: they must also cancel whatever else differs between frames.

    Args:
        latents: (M, Z).
        values: (M,), not all the same.
    """
    deviations = values - values.mean()
    return deviations @ (latents - latents.mean(0)) / np.square(deviations).sum()


def fit_curve(latents: np.ndarray, columns: np.ndarray, terms: int = TERMS) -> np.ndarray:
    """Return the coefficients float (terms, Z) of the mean latent by the fireball's column, a sum of cosines.

    Args:
        latents: (M, Z).
        columns: (M,), in pixels, 0 … 63.
        terms: cosines, from the constant one on.
    """
    return np.linalg.lstsq(_cosines(columns, terms), latents, rcond=None)[0]


def along(coefficients: np.ndarray, columns: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the points (len(columns), Z) of a curve, see `fit_curve`, at some columns."""
    return _cosines(np.asarray(columns, float), len(coefficients)) @ coefficients


def _cosines(columns: np.ndarray, terms: int) -> np.ndarray:
    return np.cos(np.pi / WIDTH * np.outer(columns, np.arange(terms)))


def encode(model: VAE | PCA, frames: np.ndarray) -> np.ndarray:
    """Return latents float64 (M, Z) of frames uint8 (M, 64, 64, 3): a VAE's means, or principal components."""
    latents = model.encode(frames) if isinstance(model, PCA) else measures.encode(model, frames).mean.numpy()
    return latents.astype(np.float64)


def examine(
    model: VAE | PCA,
    data: Rollouts,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> dict[str, Any]:
    """Fit a probe to some frames and read others.

    Args:
        model: whose latents are read.
        data: episodes.
        train, test: of each, rows int64 (M,) of frames with a single fireball and its columns (M,), of different episodes.

    Returns:
        r_squared, of the test frames; read float (M,), in pixels, for each of them.
    """
    probe = fit(encode(model, data.frames(train[0])), train[1])
    read = probe.read(encode(model, data.frames(test[0])))
    return {"r_squared": r_squared(read, test[1]), "read": read}


def ways(model: VAE, data: Rollouts, train: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """Return three ways along which a fireball's place changes in a VAE's latents.

    Args:
        model: whose latents they are in.
        data, train: as for `examine`.

    Returns:
        weights (Z,), the shortest step that moves the probe's reading by one pixel; slope (Z,), see `slope`; curve (terms, Z),
        see `fit_curve`.
    """
    latents = encode(model, data.frames(train[0]))
    weights = fit(latents, train[1]).weights
    return {
        "weights": weights / np.square(weights).sum(),
        "slope": slope(latents, train[1]),
        "curve": fit_curve(latents, train[1]),
    }


def moved(latent: np.ndarray, column: float, columns: Sequence[float], way: np.ndarray) -> np.ndarray:
    """Return latents (len(columns), Z) of a frame whose fireball is sent to each of the columns.

    Args:
        latent: (Z,), of the frame.
        column: where its fireball is, in pixels.
        columns: where it should be.
        way: one of `ways`: (Z,), a straight one, or (terms, Z), a curve.
    """
    if way.ndim == 2:
        return latent + along(way, columns) - along(way, [column])
    return latent + np.outer(np.asarray(columns, float) - column, way)
