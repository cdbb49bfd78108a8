"""Principal components of pictures: the best that a *linear* encoder and decoder of Z numbers can do, in squared error.

Reading guide: `fit` finds the mean picture and the directions in which pictures differ most; `PCA.decode` adds up.
"""

from __future__ import annotations

import numpy as np


class PCA:
    """Encode pictures as Z numbers, linearly, and decode them.

    Args:
        mean: float32 (D,), the mean picture.
        components: float32 (Z, D), orthonormal rows, the most varying first; Z = 0 leaves the mean alone.

    Attributes:
        mean, components: as given.
    """

    def __init__(self, mean: np.ndarray, components: np.ndarray) -> None:
        self.mean, self.components = mean, components

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Return latents float32 (B, Z) of frames (B, …), uint8 or float in [0, 1]."""
        return (_flat(frames) - self.mean) @ self.components.T

    def decode(self, latents: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return pictures float32 (B, *shape) of latents (B, Z), cut to [0, 1]."""
        return np.clip(latents @ self.components + self.mean, 0, 1).reshape(len(latents), *shape)

    def limited(self, variances: np.ndarray, nats: float) -> PCA:
        """Return the best linear code that says no more than so many nats about a picture: it shrinks, as a linear VAE would.

        Args:
            variances: float (Z,), all above 0, of the latents.
            nats: above 0, mutual information of picture and latents if these are normal.

        Source: reverse water-filling, Cover & Thomas 2006, section 10.3.3: every component gets noise of the same variance,
            found here by halving; those that vary less are dropped.
        """
        low, high = 0.0, float(variances.max())
        for _ in range(100):
            noise = (low + high) / 2
            said = 0.5 * np.log(np.maximum(variances / noise, 1)).sum()
            low, high = (noise, high) if said > nats else (low, noise)
        kept = np.maximum(1 - high / variances, 0)  # the mean of the posterior, as a share of the latent
        return PCA(self.mean, (np.sqrt(kept)[:, None] * self.components).astype(np.float32))  # once there, once back

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Encode and decode: pictures float32 like the frames."""
        return self.decode(self.encode(frames), frames.shape[1:])


def fit(frames: np.ndarray, latent: int, rng: np.random.Generator, rounds: int = 3) -> PCA:
    """Find the mean and the first components by subspace iteration: a few products with the frames, no D x D matrix.

    Args:
        frames: (M, …), uint8 or float in [0, 1].
        latent: Z, number of components, 0 … min(M, D).
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
    x = _flat(frames)
    if not 0 <= latent <= min(x.shape):
        raise ValueError(f"latent: got {latent}; allowed is 0 to {min(x.shape)}, the smaller of frames and values in a frame")
    mean = x.mean(0)
    x = x - mean
    found = rng.standard_normal((x.shape[1], min(latent + 10, *x.shape)), np.float32)  # some more than asked for
    for _ in range(rounds):
        found = np.linalg.qr(x.T @ np.linalg.qr(x @ found)[0])[0]  # (D, Z + 10)
    _, _, within = np.linalg.svd(x @ found, full_matrices=False)
    return PCA(mean, np.ascontiguousarray((within @ found.T)[:latent]))


def _flat(frames: np.ndarray) -> np.ndarray:
    scale = np.float32(255 if frames.dtype == np.uint8 else 1)
    return frames.reshape(len(frames), -1).astype(np.float32) / scale
