"""Named random generators: one for each use, all from one seed.

`generator(seed, "data")` and `generator(seed, "init")` never share numbers, and adding a new name changes none of the others.
There is no global generator anywhere in wmlib.
"""

import hashlib

import numpy as np
import torch


def entropy(seed: int, *names: str | int) -> int:
    """Return 128 bits that depend on the seed and on every name.

    Args:
        seed: whole number >= 0.
        names: what the numbers are for, for example `"init"` or `"fit", 3`.

    Raises:
        ValueError: the seed is negative or no whole number.

    Source: ours. A hash, so that neighbouring seeds and names give unrelated streams.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed: got {seed!r}; allowed is a whole number >= 0, for example seed=1")
    text = "\x1f".join([str(int(seed)), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the NumPy generator for (seed, names).

    Example:
        >>> a, b = generator(1, "data"), generator(1, "data")
        >>> bool(a.random() == b.random() != generator(1, "init").random())
        True
    """
    return np.random.default_rng(entropy(seed, *names))


def torch_generator(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return the PyTorch generator for (seed, names) on a device.

    On a GPU the same seed gives the same distribution, not the same bits as on a CPU.
    """
    return torch.Generator(device=device).manual_seed(entropy(seed, *names) % 2**63)
