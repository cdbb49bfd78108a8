"""Principal components of pictures: the best that a *linear* encoder and decoder of Z numbers can do, in squared error.

Reading guide: `fit` finds the mean picture and the directions in which pictures differ most; `PCA.decode` adds up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class PCA:
    """Encode pictures as Z numbers, linearly, and decode them.

    Args:
        mean: float32 (D,), the mean picture.
        components: float32 (Z, D), orthonormal rows, the most varying first; Z = 0 leaves the mean alone.
        variances: float (Z,), all above 0, of the latents of the pictures it was fitted to.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Return latents float32 (B, Z) of frames (B, …), uint8 or float in [0, 1]."""
        return (flat(frames) - self.mean) @ self.components.T

    def decode(self, latents: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return pictures float32 (B, *shape) of latents (B, Z), cut to [0, 1]."""
        return np.clip(latents @ self.components + self.mean, 0, 1).reshape(len(latents), *shape)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Encode and decode: pictures float32 like the frames."""
        return self.decode(self.encode(frames), frames.shape[1:])

    def truncated(self, latent_size: int) -> PCA:
        """Return the code of the first components only; with 0 of them, the mean picture."""
        return PCA(self.mean, self.components[:latent_size], self.variances[:latent_size])

    def limited(self, nats: float) -> PCA:
        """Return the best linear code that says no more than so many nats about a picture: it shrinks, as a linear VAE would.

        Args:
            nats: above 0, mutual information of picture and latents if these are normal.

        Source: reverse water-filling, Cover & Thomas 2006, section 10.3.3: every component gets noise of the same variance,
            found here by halving; those that vary less are dropped.
        """
        low = 0.0
        high = float(self.variances.max())
        for _ in range(100):
            noise = (low + high) / 2
            information = 0.5 * np.log(np.maximum(self.variances / noise, 1)).sum()
            low, high = (noise, high) if information > nats else (low, noise)
        shrinkage = np.maximum(1 - high / self.variances, 0)  # the mean of the posterior, as a proportion of the latent
        components = np.sqrt(shrinkage)[:, None] * self.components  # the root: once to encode, once to decode
        return PCA(self.mean, components.astype(np.float32), shrinkage * self.variances)


def fit(frames: np.ndarray, latent_size: int, rng: np.random.Generator, rounds: int = 3) -> PCA:
    """Find the mean and the first components by subspace iteration: a few products with the frames, no D x D matrix.

    Args:
        frames: (M, …), uint8 or float in [0, 1].
        latent_size: Z, number of components, 0 … min(M, D).
        rng: draws the subspace to start from.
        rounds: of the iteration; three are enough where the variances fall off.

    Raises:
        ValueError: more components than frames or values.

    Source: Halko, Martinsson & Tropp 2011, SIAM Review 53, 217-288, algorithm 4.4.

    Example:
        >>> line = np.outer(np.linspace(0, 1, 7), [0.6, 0.8])
        >>> fit(line, 1, np.random.default_rng(0))(line).round(2)[-1].tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    x = flat(frames)
    if not 0 <= latent_size <= min(x.shape):
        raise ValueError(
            f"latent_size: got {latent_size}; allowed is 0 to {min(x.shape)}, the smaller of frames and values in a frame"
        )
    mean = x.mean(0)
    x = x - mean
    basis = rng.standard_normal((x.shape[1], min(latent_size + 10, *x.shape)), np.float32)  # some more than asked for
    for _ in range(rounds):
        basis = np.linalg.qr(x.T @ np.linalg.qr(x @ basis)[0])[0]  # (D, Z + 10)
    _, _, within = np.linalg.svd(x @ basis, full_matrices=False)
    components = np.ascontiguousarray((within @ basis.T)[:latent_size])
    return PCA(mean, components, (x @ components.T).var(0) + 1e-9)


def flat(frames: np.ndarray) -> np.ndarray:
    """Return frames (B, …), uint8 or float in [0, 1], as rows float32 (B, D) in [0, 1]."""
    scale = np.float32(255 if frames.dtype == np.uint8 else 1)
    return frames.reshape(len(frames), -1).astype(np.float32) / scale
