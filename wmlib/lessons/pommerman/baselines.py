"""Predictors of the next state that need no network: what a model has to beat.

Reading guide. Each function counts consecutive states of training games, uint8 (N, 372) before and after, and returns a
`Rule`: `copy` predicts "nothing changes", `most_common_board` one board for all states, `table_of_values` and
`table_of_cells` what most often follows. `BASELINES` names them.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.data import Batch
from wmlib.lessons.pommerman.encoding import LARGEST, NUMBERS


class Rule:
    """A next state by a rule that looks at one state alone; it can be evaluated and can dream like a model.

    Args:
        rule: uint8 (N, 372) to uint8 (N, 372).
    """

    def __init__(self, rule: Callable[[np.ndarray], np.ndarray]):
        self.rule = rule

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return nothing: a rule has no memory."""
        return ()

    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the next states, uint8 (B, T, 372), and the state as it was."""
        flat = batch.vectors.flatten(0, 1).numpy()
        return torch.from_numpy(self.rule(flat)).unflatten(0, batch.resets.shape), state


def copy(now: np.ndarray, after: np.ndarray) -> Rule:
    """Return the rule "nothing changes"."""
    return Rule(lambda states: states.copy())


def most_common_board(now: np.ndarray, after: np.ndarray) -> Rule:
    """Count how often each component has each value; return the rule "always the most frequent one": one board for all."""
    best = np.array([np.bincount(values).argmax() for values in after.T], np.uint8)
    return Rule(lambda states: np.tile(best, (len(states), 1)))


_KINDS = np.r_[np.repeat([0, 1, 2], BOARD), 3, 3, 4, 5, 6, np.full(4, 7)]  # components that share a table
_VALUES = int(LARGEST.max()) + 1


def table_of_values(now: np.ndarray, after: np.ndarray) -> Rule:
    """Count, for each kind of component, which value follows which; return the rule "the most frequent one"."""
    counts = np.bincount(((_KINDS * _VALUES + now) * _VALUES + after).ravel(), minlength=8 * _VALUES**2)
    by_value = counts.reshape(8, _VALUES, _VALUES) + 0.5 * np.eye(_VALUES)  # a value never met stays
    best = by_value.argmax(2).astype(np.uint8)
    return Rule(lambda states: best[_KINDS, states])


CELL_VALUES = (14, 11, 10)  # of the code, blast strength and life in a cell


def cell_index(states: np.ndarray) -> np.ndarray:
    """Number the combinations of code, blast strength and life: int64 (N, 121)."""
    board, blast, life = states[:, :NUMBERS].reshape(-1, 3, BOARD).astype(np.int64).transpose(1, 0, 2)
    return (board * CELL_VALUES[1] + blast) * CELL_VALUES[2] + life


def table_of_cells(now: np.ndarray, after: np.ndarray) -> Rule:
    """Count what follows each combination of code, blast strength and life in a cell; else as `table_of_values`."""
    values = table_of_values(now, after).rule
    total = np.prod(CELL_VALUES)
    cells = cell_index(now)
    tables = []
    for plane, size in enumerate(CELL_VALUES):
        following = after[:, plane * BOARD : (plane + 1) * BOARD]
        counts = np.bincount((cells * size + following).ravel(), minlength=total * size).reshape(total, size)
        tables.append(counts.argmax(1).astype(np.uint8))

    def apply(states: np.ndarray) -> np.ndarray:
        predicted = values(states)
        cells = cell_index(states)
        for plane, table in enumerate(tables):
            predicted[:, plane * BOARD : (plane + 1) * BOARD] = table[cells]
        return predicted

    return Rule(apply)


BASELINES: dict[str, Callable[[np.ndarray, np.ndarray], Rule]] = {
    "copy baseline": copy,
    "most common board": most_common_board,
    "table of values": table_of_values,
    "table of cells": table_of_cells,
}
