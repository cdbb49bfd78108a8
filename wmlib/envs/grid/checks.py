"""Checks of what callers give to the grid environments; each refuses with one line that says what is allowed."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np


def check_count(least: int = 1, **counts: Any) -> None:
    """Refuse what is not a whole number, `least` and above."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < least:
            raise ValueError(f"{name}: got {count!r}; allowed is a whole number, {least} and above")


def check_render_mode(mode: str | None, allowed: Sequence[str]) -> None:
    """Refuse a render mode that the environment does not have."""
    if mode is not None and mode not in allowed:
        raise ValueError(f"render_mode: got {mode!r}; allowed are None, {', '.join(map(repr, allowed))}")


def checked_options(options: dict[str, Any] | None, *allowed: str) -> dict[str, Any]:
    """Return the options of a reset, {} for None.

    Raises:
        ValueError: one that there is not.
    """
    for name in options or {}:
        if name not in allowed:
            raise ValueError(f"options: got {name!r}; allowed are {', '.join(map(repr, allowed))}")
    return options or {}


def checked_mask(mask: Any, num_envs: int) -> np.ndarray:
    """Return which copies to reset, bool (B,): all of them for None.

    Raises:
        ValueError: no bool (B,), or nothing to reset.
    """
    if mask is None:
        return np.ones(num_envs, bool)
    mask = np.asarray(mask)
    if mask.shape != (num_envs,) or mask.dtype != bool or not mask.any():
        raise ValueError(f"reset_mask: got {mask.dtype} {mask.shape}; allowed is bool ({num_envs},) with at least one True")
    return mask


def checked_integers(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return integers of a given shape as int64.

    Raises:
        ValueError: another shape or dtype.
    """
    values = np.asarray(values)
    if values.shape != shape or values.dtype.kind not in "iu":
        raise ValueError(f"{name}: got {values.dtype} {values.shape}; allowed are integers {shape}")
    return values.astype(np.int64, copy=False)


def checked_action(action: Any, num_actions: int) -> int:
    """Return the action of a single environment.

    Raises:
        ValueError: not 0 … num_actions - 1.
    """
    if np.shape(action) != () or np.asarray(action).dtype.kind not in "iu" or not 0 <= action < num_actions:
        raise ValueError(f"action: got {action!r}; allowed is 0 to {num_actions - 1}")
    return int(action)


def checked_actions(actions: Any, num_envs: int, num_actions: int) -> np.ndarray:
    """Return the actions of a vector environment, int64 (B,).

    Raises:
        ValueError: another shape or dtype, or an action out of range.
    """
    actions = checked_integers("actions", actions, (num_envs,))
    if (actions.view(np.uint64) >= num_actions).any():  # the negative ones are large as uint64
        wrong = actions[(actions < 0) | (actions >= num_actions)][0]
        raise ValueError(f"actions: got {wrong}; allowed is 0 to {num_actions - 1}")
    return actions


def checked_levels(levels: Any, num_envs: int) -> Sequence[Any]:
    """Return the levels of all copies, a sequence of as many as there are.

    Raises:
        ValueError: another number, or a text, which would be taken letter by letter.
    """
    if isinstance(levels, str) or not hasattr(levels, "__len__") or len(levels) != num_envs:
        given = f"{len(levels)} levels" if hasattr(levels, "__len__") and not isinstance(levels, str) else repr(levels)
        raise ValueError(f"levels: got {given}; allowed is a sequence of {num_envs}, one level for each copy")
    return levels
