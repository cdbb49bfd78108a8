"""Three functions on which optimisers are compared, in any number of dimensions, all with minimum 0.

Reading guide: `sphere` is easy for everyone; `ellipsoid` needs a learned covariance; `rosenbrock` needs one that keeps
changing. Each takes (..., N) and returns (...).

Source: Hansen et al. 2009, "Real-parameter black-box optimization benchmarking 2009: noiseless functions definitions"
(f1, f2, f8, without its shifts, rotations and oscillations).
"""

import numpy as np


def sphere(x) -> np.ndarray:
    """Evaluate sum_i x_i^2; minimum at 0.

    Example:
        >>> sphere([[3.0, 4.0], [0.0, 0.0]])
        array([25.,  0.])
    """
    return (np.asarray(x, dtype=float) ** 2).sum(axis=-1)


def ellipsoid(x) -> np.ndarray:
    """Evaluate sum_i 10^(6 (i-1)/(N-1)) x_i^2, of condition 1e6 (the sphere if N = 1); minimum at 0.

    Example:
        >>> ellipsoid([1.0, 1.0, 1.0])
        np.float64(1001001.0)
    """
    x = np.asarray(x, dtype=float)
    return x**2 @ np.logspace(0, 6, x.shape[-1])


def rosenbrock(x) -> np.ndarray:
    """Evaluate sum_i 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2; minimum at (1, ..., 1), along a bent valley.

    Raises:
        ValueError: N < 2.

    Example:
        >>> rosenbrock([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
        array([0., 2.])
    """
    x = np.asarray(x, dtype=float)
    if x.ndim == 0 or x.shape[-1] < 2:
        raise ValueError(f"x must have shape (..., N) with N >= 2, got {x.shape}")
    return (100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2).sum(axis=-1)
