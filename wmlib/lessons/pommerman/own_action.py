"""The best predictor that needs no network: a table that counts, and what one's own action does.

Reading guide. Every model is given the action of the agent that sees, so a fair table is given it too. `table_with_action` is
the table of cells, corrected by `carry_out`: you go where you press if the cell is free, and lay a bomb if you have one.
`RULES` are all predictors without a network, by name.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB, BOMB_LIFE, EXTRA_BOMB, FREE, KICK, LAY, MORE_RANGE, SIZE
from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.baselines import BASELINES, Rule, table_of_cells
from wmlib.lessons.pommerman.data import Batch
from wmlib.lessons.pommerman.encoding import NUMBERS

BEST_TABLE = "table of cells + own action"
MAY_ENTER = (FREE, EXTRA_BOMB, MORE_RANGE, KICK)
STEPS = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]])  # rows and columns, by action


def carry_out(states: np.ndarray, actions: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return predictions in which the seeing agent has done what it pressed; everybody else is as predicted.

    The agent goes to a cell that is free or shows an item. Bombs, flames, walls, wood and agents stop it: nothing is kicked.
    It lays a bomb if it has ammo and does not stand on one.

    Args:
        states: uint8 (N, 372), now.
        actions: int64 (N,), of the agent that sees.
        predicted: uint8 (N, 372), the next states.
    """
    predicted = predicted.copy()
    each = np.arange(len(states))
    place = states[:, NUMBERS : NUMBERS + 2].astype(np.int64)
    cell = place @ [SIZE, 1]
    ahead = place + STEPS[actions]
    inside = ((ahead >= 0) & (ahead < SIZE)).all(1)
    end = np.where(inside, ahead @ [SIZE, 1], cell)
    end = np.where(np.isin(states[each, end], MAY_ENTER), end, cell)
    code = AGENT * AGENTS + 6 - states[:, NUMBERS + 6 :].sum(1, dtype=np.int64)  # the fourth of 10, 11, 12, 13
    code = code.clip(AGENT, AGENT + AGENTS - 1)  # in a dream the other three may be wrong
    on_bomb = states[each, 2 * BOARD + cell] > 0
    predicted[each, cell] = np.where(on_bomb, BOMB, FREE)
    predicted[each, end] = code
    predicted[:, NUMBERS] = end // SIZE
    predicted[:, NUMBERS + 1] = end % SIZE
    lays = (actions == LAY) & (states[:, NUMBERS + 2] > 0) & ~on_bomb
    predicted[lays, BOARD + cell[lays]] = states[lays, NUMBERS + 3]
    predicted[lays, 2 * BOARD + cell[lays]] = BOMB_LIFE - 1
    predicted[lays, NUMBERS + 2] = states[lays, NUMBERS + 2] - 1
    return predicted


class RuleWithAction(Rule):
    """A rule that is corrected by `carry_out`; else as `Rule`."""

    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the next states, uint8 (B, T, 372), and the state as it was."""
        flat = batch.vectors.flatten(0, 1).numpy()
        predicted = carry_out(flat, batch.actions[..., 0].flatten().numpy(), self.rule(flat))
        return torch.from_numpy(predicted).unflatten(0, batch.resets.shape), state


def table_with_action(now: np.ndarray, after: np.ndarray) -> Rule:
    """Count as `table_of_cells`; return its rule, corrected by `carry_out`."""
    return RuleWithAction(table_of_cells(now, after).rule)


RULES: dict[str, Callable[[np.ndarray, np.ndarray], Rule]] = BASELINES | {BEST_TABLE: table_with_action}
