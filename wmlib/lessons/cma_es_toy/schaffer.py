"""The toy of notebook 01: Schaffer's second function, moved away from the origin.

Reading guide: `schaffer` is the landscape, ripples on a bowl, with one deepest point; `schaffer_fitness` is what the
author of the toy maximised on it. `LOW`, `HIGH` and `NEAR` are the squares of it that the notebook looks at.
"""

import numpy as np

OPTIMUM = np.array([10.0, 10.0])  # far from N(0, I), where the search starts
LOW, HIGH = -5.0, 20.0  # the square [LOW, HIGH]² that is drawn, and in which random search draws its points
NEAR = (4.0, 16.0)  # low and high end of the square around the optimum in which the single valleys can be seen


def schaffer(x) -> np.ndarray:
    """Evaluate Schaffer's function N. 2 with its minimum moved to (10, 10).

    Args:
        x: (..., 2).

    Returns:
        (...), in [0, 1]; 0 only at `OPTIMUM`.

    Raises:
        ValueError: the last axis is not 2.

    Source: Schaffer et al. 1989, "A study of control parameters affecting online performance of genetic algorithms".
    Differs: the usual 0.5 + (sin^2(u) - 0.5) / (1 + q)^2 is written as one fraction without its cancellation near the
        minimum, so that small values keep all their digits.

    Example:
        >>> schaffer([[10.0, 10.0], [0.0, 0.0]])
        array([0.        , 0.15277778])
    """
    x = np.asarray(x, dtype=float)
    if x.shape[-1:] != (2,):
        raise ValueError(f"x must have shape (..., 2), got {x.shape}")
    a = x[..., 0] - OPTIMUM[0]
    b = x[..., 1] - OPTIMUM[1]
    q = 0.001 * (a**2 + b**2)
    # = 0.5 + (sin(a^2 - b^2)^2 - 0.5) / (1 + q)^2
    return (np.sin((a - b) * (a + b)) ** 2 + q + q**2 / 2) / (1 + q) ** 2


def schaffer_fitness(x) -> np.ndarray:
    """Evaluate -(f(x) - f(optimum))^2, to be maximised: 0 at best; the toy counts >= -1e-10 (f <= 1e-5) as solved.

    Args:
        x: (..., 2).

    Returns:
        (...), <= 0.

    Source: Mufti's toy for World Models, 2018.
    """
    return -((schaffer(x) - schaffer(OPTIMUM)) ** 2)
