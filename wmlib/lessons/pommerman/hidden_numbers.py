"""Where long memory must pay: what the opponents have, inferred from what they were seen to do.

Reading guide. An opponent's ammo, blast strength and kick are not in view A (a blast strength shows in the bombs that it
lays, and nowhere else). They follow from what it picked up, perhaps a hundred steps ago, and from the bombs it laid.
`find_clues` writes down, for each step of a life, what was just seen of the three others: `FLAGS` flags, no more than two
consecutive views hold; what is true; and how long ago something was last seen that tells about it (`steps_since`).
`count_by_hand` counts, with the rules known: the baseline that a memory can be compared with. `Tracker` is the model: flags
into a core, three softmaxes an opponent out. `tally` counts right answers, by the age of the last sighting too.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB_LIFE, EXTRA_BOMB, MOST, SIZE
from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.data import OTHERS, SequenceModel, Views
from wmlib.lessons.pommerman.games import GameTable, load_games, split
from wmlib.models.layers import linear
from wmlib.models.recurrent import RecurrentCore

OPPONENTS = AGENTS - 1
FLAGS = 5  # of each opponent: lives; laid a bomb; took an extra bomb, more range, a kick
INPUTS = OPPONENTS * FLAGS + 1  # and how many bombs exploded since the last view
KINDS = ("ammo", "blast strength", "kick")
CLASSES = (MOST + 1, MOST + 1, 2)
START = np.array([1, 2, 0])  # what everybody has in the beginning
TELLING = ((1, 2), (3,), (4,))  # the flags that tell about each kind: a bomb laid or an extra bomb; more range; a kick
AGES = (0, 8, 32, 128)  # steps since the last of them at which each group begins
LONG_AGO = 2  # the first group that is longer ago than any two states, or a short memory, can bridge: 32 steps


class GameClues(NamedTuple):
    """Hold the T states of one game."""

    flags: np.ndarray  # float64 (T, 4, FLAGS)
    exploded: np.ndarray  # float64 (T,), bombs since the last state
    truth: np.ndarray  # int64 (T, 4, 3), by `KINDS`
    counted: np.ndarray  # int64 (T, 4, 3), what `count_by_hand` says
    alive: np.ndarray  # bool (T, 4)
    ages: np.ndarray  # int64 (T, 4, 3), see `steps_since`


class Clues(NamedTuple):
    """Hold S steps of lives, in the order of a list of views."""

    inputs: np.ndarray  # float32 (S, INPUTS), what a `Tracker` sees
    truth: np.ndarray  # int64 (S, 3, 3): opponent, kind
    counted: np.ndarray  # int64 (S, 3, 3): what `count_by_hand` says
    alive: np.ndarray  # bool (S, 3): the opponent lives
    resets: np.ndarray  # bool (S,)
    ages: np.ndarray  # int64 (S, 3, 3): steps since the number was last told about


def find_clues(table: GameTable, views: Views, games: dict[int, GameClues] | None = None) -> Clues:
    """Write down what is seen and what is true, for every step of every life in a list of views.

    Args:
        table: all games; free for all, without fog.
        views: a list of views of it.
        games: `by_game` of these games, and maybe of more; None: it is computed.
    """
    games = by_game(table, np.unique(views.games)) if games is None else games
    inputs = []
    truth = []
    counted = []
    alive = []
    ages = []
    for life in views.lives:
        game = views.games[life[0]]
        agent = views.agents[life[0]]
        rows = views.rows[life] - table.starts[game]
        opponents = OTHERS[agent, 1:]
        clues = games[game]
        flags = clues.flags[rows][:, opponents].reshape(len(rows), -1)
        inputs.append(np.concatenate([flags, clues.exploded[rows, None] / 4], 1).astype(np.float32))
        truth.append(clues.truth[rows][:, opponents])
        counted.append(clues.counted[rows][:, opponents])
        alive.append(clues.alive[rows][:, opponents])
        ages.append(clues.ages[rows][:, opponents])
    seen, true, by_hand, living, age = (np.concatenate(part) for part in (inputs, truth, counted, alive, ages))
    return Clues(seen, true, by_hand, living, views.resets, age)


def by_game(table: GameTable, games: Sequence[int] | np.ndarray) -> dict[int, GameClues]:
    """Return, for some games, what `find_clues` cuts lives out of."""
    return {game: _of_game(np.asarray(table.states[table.starts[game] : table.starts[game + 1]])) for game in games}


@functools.lru_cache(maxsize=4)  # a worker asks again at every block of a training
def clues_of_part(folder: Path, part: str) -> dict[int, GameClues]:
    """Return `by_game` of one part of recorded games: "train", "validation" or "test"."""
    table = load_games(folder)
    return by_game(table, getattr(split(table), part))


def _of_game(states: np.ndarray) -> GameClues:
    """Return the clues in the states of one game, uint8 (T, 871)."""
    steps = len(states)
    players = states[:, 7 * BOARD :].reshape(-1, AGENTS, 6)
    board = states[:, :BOARD]
    life = states[:, BOARD : 2 * BOARD]
    alive = players[..., 5] > 0
    flags = np.zeros((steps, AGENTS, FLAGS))
    exploded = np.zeros(steps)
    flags[..., 0] = alive
    for t in range(1, steps):
        laid = 0
        for i in range(AGENTS):
            cells = np.flatnonzero(board[t] == AGENT + i)
            if len(cells):
                cell = cells[0]
                flags[t, i, 1] = life[t, cell] == BOMB_LIFE - 1
                if EXTRA_BOMB <= board[t - 1, cell] < EXTRA_BOMB + 3:
                    flags[t, i, 2 + board[t - 1, cell] - EXTRA_BOMB] = 1
                laid += flags[t, i, 1]
        exploded[t] = np.count_nonzero(life[t - 1]) + laid - np.count_nonzero(life[t])
    truth = players[..., 2:5].astype(np.int64)
    return GameClues(flags, exploded, truth, count_by_hand(board, life, flags), alive, steps_since(flags))


def steps_since(flags: np.ndarray) -> np.ndarray:
    """Return how many steps ago something was last seen that tells about each number.

    That is a bomb laid or an extra bomb taken (ammo), more range taken (blast strength), a kick taken (kick).

    Args:
        flags: (T, 4, FLAGS), see `GameClues`.

    Returns:
        int64 (T, 4, 3); before the first sighting the steps since the start of the game.

    Example:
        >>> flags = np.zeros((4, 4, FLAGS))
        >>> flags[2, 0, 4] = 1
        >>> steps_since(flags)[:, 0, 2].tolist()
        [0, 1, 0, 1]
    """
    step = np.arange(len(flags))[:, None, None]
    told = np.stack([flags[..., list(kind)].any(-1) for kind in TELLING], -1)  # (T, 4, 3)
    return step - np.maximum.accumulate(np.where(told, step, 0), 0)


def count_by_hand(board: np.ndarray, life: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Count what each agent has, from what is seen alone.

    Pickups add up. A bomb belongs to the agent that was on it when it was new; it is followed from cell to cell as its life
    counts down, and gives its ammo back when it is gone.

    Args:
        board, life: uint8 (T, 121), as seen.
        flags: (T, 4, FLAGS), see `GameClues`.

    Returns:
        int64 (T, 4, 3): ammo, blast strength, kick.
    """
    numbers = np.tile(START, (AGENTS, 1))
    owners: dict[int, int] = {}  # by the cell of a bomb
    counted = np.empty((len(board), AGENTS, 3), np.int64)
    for t in range(len(board)):
        left: dict[int, int] = {}
        for cell, owner in owners.items():
            place = _bomb_now(cell, life[t - 1], life[t])
            if place is None:
                numbers[owner, 0] = min(numbers[owner, 0] + 1, MOST)
            else:
                left[place] = owner
        for i in range(AGENTS):
            _, laid, extra_bomb, more_range, kick = flags[t, i]
            numbers[i] = np.minimum(numbers[i] + (extra_bomb, more_range, kick), (MOST, MOST, 1))
            if laid:
                left[int(np.flatnonzero(board[t] == AGENT + i)[0])] = i
                numbers[i, 0] = max(numbers[i, 0] - 1, 0)
        owners = left
        counted[t] = numbers
    return counted


def _bomb_now(cell: int, life_before: np.ndarray, life: np.ndarray) -> int | None:
    """Return where a bomb is one step later; None: nowhere."""
    steps_left = life_before[cell] - 1
    candidates = [cell] + [c for c in _beside(cell) if not life_before[c]]  # a moving bomb is one cell on
    return next((c for c in candidates if steps_left > 0 and life[c] == steps_left), None)


def _beside(cell: int) -> list[int]:
    row, column = divmod(cell, SIZE)
    neighbours = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return [SIZE * r + c for r, c in neighbours if 0 <= r < SIZE and 0 <= c < SIZE]


class ClueBatch(NamedTuple):
    """Hold B segments of T steps for a `Tracker`."""

    inputs: Tensor  # float32 (B, T, INPUTS)
    truth: Tensor  # int64 (B, T, 3, 3)
    alive: Tensor  # bool (B, T, 3)
    resets: Tensor  # bool (B, T)


def read_clues(clues: Clues, places: np.ndarray) -> ClueBatch:
    """Read segments: places int64 (B, T)."""
    parts = (clues.inputs, clues.truth, clues.alive, clues.resets)
    return ClueBatch(*(torch.from_numpy(np.ascontiguousarray(part[places])) for part in parts))


class Tracker(SequenceModel):
    """Say what three opponents have, from what was seen of them.

    Args:
        core: takes `INPUTS` numbers.
        generator: CPU generator for the initial weights of the head.

    Source: ours.
    """

    def __init__(self, core: RecurrentCore, *, generator: torch.Generator):
        super().__init__()
        self.core = core
        self.head = linear(core.output_size, OPPONENTS * sum(CLASSES), generator)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life, a flat tuple of tensors with B in front."""
        return tuple(self.core.initial_state(batch_size))

    def _logits(self, batch: ClueBatch, state: tuple[Tensor, ...]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Return logits by kind, each (B, T, 3, classes), and the new state."""
        state_type = self.core.state_type
        outputs, core_state = self.core(batch.inputs, state_type(*state), batch.resets)
        return list(self.head(outputs).unflatten(-1, (OPPONENTS, -1)).split(CLASSES, -1)), tuple(core_state)

    def loss(self, batch: ClueBatch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return -ln p of what the living opponents have, nats a number, and the new state."""
        logits, state = self._logits(batch, state)
        living = batch.alive.flatten()
        parts = [
            F.cross_entropy(part.flatten(0, 2)[living], batch.truth[..., k].flatten()[living], reduction="sum")
            for k, part in enumerate(logits)
        ]
        return sum(parts) / (3 * living.sum()).clamp(min=1), state

    @torch.no_grad()
    def predict(self, batch: ClueBatch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the likeliest numbers, int64 (B, T, 3, 3), and the new state."""
        logits, state = self._logits(batch, state)
        return torch.stack([part.argmax(-1) for part in logits], -1), state


def predict_numbers(model: SequenceModel, clues: Clues, chunk: int = 64) -> np.ndarray:
    """Let a model say, life after life, what the opponents have: int64 (S, 3, 3).

    Args:
        model: a trained `Tracker`.
        clues: what it sees.
        chunk: steps read at once; the answers do not depend on it.
    """
    predicted = np.empty(clues.truth.shape, np.int64)
    for life in np.split(np.arange(len(clues.resets)), np.flatnonzero(clues.resets)[1:]):
        state = model.initial_state(1)
        for part in np.split(life, range(chunk, len(life), chunk)):
            numbers, state = model.predict(read_clues(clues, part[None]), state)
            predicted[part] = numbers[0].numpy()
    return predicted


def tally(clues: Clues, predicted: np.ndarray, games: np.ndarray) -> dict[str, np.ndarray]:
    """Count right answers about living opponents, for each game.

    Args:
        clues: S steps.
        predicted: int64 (S, 3, 3).
        games: integers (S,), which game each step is of.

    Returns:
        float64 (G, 3) each, in order of the games' numbers, by `KINDS`: all and right; and of those numbers that are no longer
        what everybody starts with, changed and changed_right. The same two by the age of the last sighting, by `AGES`: aged
        and aged_right (G, 3, 4).
    """
    numbers, index = np.unique(games, return_inverse=True)
    living = clues.alive[..., None] & np.ones(3, bool)
    changed = living & (clues.truth != START)
    right = predicted == clues.truth
    parts = {"all": living, "right": living & right, "changed": changed, "changed_right": changed & right}
    totals = {name: np.zeros((len(numbers), 3)) for name in parts}
    for name, flags in parts.items():
        np.add.at(totals[name], index, flags.sum(1))
    group = np.searchsorted(AGES, clues.ages, "right") - 1  # (S, 3, 3)
    for name, flags in (("aged", changed), ("aged_right", changed & right)):
        by_age = [(flags & (group == g)).sum(1) for g in range(len(AGES))]  # (S, 3) each
        totals[name] = np.zeros((len(numbers), 3, len(AGES)))
        np.add.at(totals[name], index, np.stack(by_age, -1))
    return totals
