"""Numbers of things: whole numbers of Python or NumPy; True and False are none."""

from typing import Any

import numpy as np


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number >= 1."""
    return _is_whole(value) and bool(value >= 1)


def is_number_of_workers(value: Any) -> bool:
    """Return whether a value is a number of processes as joblib knows it: -1, one for each core; -2, one less; never 0."""
    return _is_whole(value) and bool(value != 0)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
