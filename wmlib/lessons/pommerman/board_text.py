"""Boards as text, one sign a cell: small and readable in results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

SIGNS = "0123456789abcd"  # by board code


def pack(boards: np.ndarray) -> str | list:
    """Return boards as text.

    Args:
        boards: integers (..., 121), codes 0 … 13.

    Returns:
        A nesting of lists of texts of 121 signs; one text for one board.

    Example:
        >>> pack(np.arange(14))
        '0123456789abcd'
    """
    boards = np.asarray(boards)
    if boards.ndim == 1:
        return "".join(SIGNS[code] for code in boards)
    return [pack(part) for part in boards]


def unpack(texts: str | list) -> np.ndarray:
    """Return the boards of `pack` again, int64 (..., 121)."""
    if isinstance(texts, str):
        return np.array([SIGNS.index(sign) for sign in texts])
    return np.stack([unpack(text) for text in texts])


def pack_film(film: Mapping[str, Any], first_step: int) -> dict[str, Any]:
    """Return what `figures.draw_film` needs.

    Args:
        film: as from `evaluation.film`.
        first_step: number of the first step.
    """
    predicted = {name: pack(boards) for name, boards in film["predicted"].items()}
    return {"first_step": first_step, "truth": pack(film["truth"]), "predicted": predicted}


def pack_dreams(film: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `figures.draw_dream` and `draw_strip` need of what `evaluation.film` returned."""
    predicted = {name: pack(boards) for name, boards in film["dreamt"].items()}
    return {"starts": film["starts"], "truth": pack(film["dream_truth"]), "predicted": predicted}
