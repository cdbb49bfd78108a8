"""Where long memory must pay: what the others have, told from what they were seen to do.

Reading guide. An opponent's ammo, blast strength and kick are not written in view A (a blast strength shows
in the bombs that it lays, and nowhere else). They follow from what it picked up, perhaps a
hundred steps ago, and from the bombs it laid. `events` writes down, for each step of a life, what was just seen of the three
others: `SEEN` flags, no more than two consecutive views hold. `truth` is what they really have. `track` counts by hand, with
the rules known: the baseline that a memory can be compared with. `Tracker` is the model: events into a core, three softmaxes
an opponent out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB_LIFE, EXTRA_BOMB, MOST, SIZE
from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.data import OTHERS, Record, Views
from wmlib.models.recurrent import RecurrentCore, draw_uniform, empty_linear

FOES = AGENTS - 1
SEEN = 5  # of each opponent: lives; laid a bomb; took an extra bomb, more range, a kick
INPUTS = FOES * SEEN + 1  # and how many bombs went off since the last view
KINDS = ("ammo", "blast strength", "kick")
CLASSES = (MOST + 1, MOST + 1, 2)
START = np.array([1, 2, 0])  # what everybody has in the beginning


class Clues(NamedTuple):
    """Hold S steps of lives, in the order of a list of views."""

    events: np.ndarray  # float32 (S, INPUTS)
    truth: np.ndarray  # int64 (S, 3, 3): opponent, kind
    tracked: np.ndarray  # int64 (S, 3, 3): what `track` says
    alive: np.ndarray  # bool (S, 3): the opponent lives
    resets: np.ndarray  # bool (S,)


def clues(record: Record, of: Views, table: dict | None = None) -> Clues:
    """Write down what is seen and what is true, for every step of every life in a list of views.

    Args:
        record, of: a table and what is looked at in it; of free-for-all games, without fog.
        table: `by_game` of these games at least, if it is there already.
    """
    table = by_game(record, np.unique(of.games)) if table is None else table
    found = {"events": [], "truth": [], "tracked": [], "alive": []}
    for life in of.lives:
        seen, burst, have, counted, alive = table[of.games[life[0]]]
        rows, others = of.rows[life] - record.starts[of.games[life[0]]], OTHERS[of.agents[life[0]], 1:]
        flags = [seen[rows][:, others].reshape(len(rows), -1), burst[rows, None] / 4]
        found["events"].append(np.concatenate(flags, 1).astype(np.float32))
        for name, part in (("truth", have), ("tracked", counted), ("alive", alive)):
            found[name].append(part[rows][:, others])
    return Clues(**{name: np.concatenate(parts) for name, parts in found.items()}, resets=of.resets)


def by_game(record: Record, games: Sequence[int]) -> dict[int, tuple[np.ndarray, ...]]:
    """Return, for some games, what `clues` cuts lives out of."""
    return {game: _of_game(np.asarray(record.states[record.starts[game] : record.starts[game + 1]])) for game in games}


def _of_game(states: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return of one game, for T states: flags (T, 4, SEEN), bombs gone off (T,), truth and tracked (T, 4, 3), alive (T, 4)."""
    steps, players = len(states), states[:, 7 * BOARD :].reshape(-1, AGENTS, 6)
    board, life = states[:, :BOARD], states[:, BOARD : 2 * BOARD]
    alive = players[..., 5] > 0
    seen, burst = np.zeros((steps, AGENTS, SEEN)), np.zeros(steps)
    seen[..., 0] = alive
    for t in range(1, steps):
        laid = 0
        for i in range(AGENTS):
            found = np.flatnonzero(board[t] == AGENT + i)
            if len(found):
                cell = found[0]
                seen[t, i, 1] = life[t, cell] == BOMB_LIFE - 1
                if EXTRA_BOMB <= board[t - 1, cell] < EXTRA_BOMB + 3:
                    seen[t, i, 2 + board[t - 1, cell] - EXTRA_BOMB] = 1
                laid += seen[t, i, 1]
        burst[t] = np.count_nonzero(life[t - 1]) + laid - np.count_nonzero(life[t])
    return seen, burst, players[..., 2:5].astype(np.int64), track(board, life, seen), alive


def track(board: np.ndarray, life: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Count what each agent has, from what is seen alone.

    Pickups add up. A bomb is its owner's who stood on it when it was new; it is followed from cell to cell as its life counts
    down, and gives its ammo back when it is gone.

    Args:
        board, life: uint8 (T, 121), as seen.
        seen: (T, 4, SEEN), see `events`.

    Returns:
        int64 (T, 4, 3): ammo, blast strength, kick.
    """
    have, bombs = np.tile(START, (AGENTS, 1)), {}  # cell -> owner
    made = np.empty((len(board), AGENTS, 3), np.int64)
    for t in range(len(board)):
        there = {}
        for cell, owner in bombs.items():
            left = life[t - 1, cell] - 1
            near = [cell] + [c for c in _beside(cell) if not life[t - 1, c]]  # a moving bomb is one cell on
            place = next((c for c in near if left > 0 and life[t, c] == left), None)
            if place is None:
                have[owner, 0] = min(have[owner, 0] + 1, MOST)
            else:
                there[place] = owner
        for i in range(AGENTS):
            _, laid, more, wider, kick = seen[t, i]
            have[i] = np.minimum(have[i] + (more, wider, kick), (MOST, MOST, 1))
            if laid:
                there[int(np.flatnonzero(board[t] == AGENT + i)[0])] = i
                have[i, 0] = max(have[i, 0] - 1, 0)
        bombs, made[t] = there, have
    return made


def _beside(cell: int) -> list[int]:
    row, column = divmod(cell, SIZE)
    near = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return [SIZE * r + c for r, c in near if 0 <= r < SIZE and 0 <= c < SIZE]


class Events(NamedTuple):
    """Hold a batch of stretches for `Tracker`."""

    events: Tensor  # float32 (B, T, INPUTS)
    truth: Tensor  # int64 (B, T, 3, 3)
    alive: Tensor  # bool (B, T, 3)
    resets: Tensor  # bool (B, T)


def read(of: Clues, places: np.ndarray) -> Events:
    """Read stretches: places int64 (B, T)."""
    return Events(*(torch.from_numpy(np.ascontiguousarray(p[places])) for p in (of.events, of.truth, of.alive, of.resets)))


class Tracker(nn.Module):
    """Tell what three opponents have from what was seen of them.

    Args:
        core: takes `INPUTS` numbers.
        generator: CPU generator for the initial weights of the answers.

    Source: ours.
    """

    def __init__(self, core: RecurrentCore, *, generator: torch.Generator):
        super().__init__()
        self.core = core
        self.answer = empty_linear(core.output_size, FOES * sum(CLASSES))
        draw_uniform(self.answer, core.output_size, generator)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life, a flat tuple of tensors with B in front."""
        return tuple(self.core.initial_state(batch))

    def _logits(self, batch: Events, state: tuple[Tensor, ...]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        said, state = self.core(batch.events, type(self.core.initial_state(1))(*state), batch.resets)
        return list(self.answer(said).unflatten(-1, (FOES, -1)).split(CLASSES, -1)), tuple(state)  # (B, T, 3, classes)

    def loss(self, batch: Events, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return -ln p of what the living opponents have, nats a number, and the new state."""
        logits, state = self._logits(batch, state)
        living = batch.alive.flatten()
        parts = [F.cross_entropy(part.flatten(0, 2)[living], batch.truth[..., k].flatten()[living], reduction="sum")
                 for k, part in enumerate(logits)]  # fmt: skip
        return sum(parts) / (3 * living.sum()).clamp(min=1), state

    @torch.no_grad()
    def predict(self, batch: Events, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the likeliest numbers, int64 (B, T, 3, 3), and the new state."""
        logits, state = self._logits(batch, state)
        return torch.stack([part.argmax(-1) for part in logits], -1), state


def answers(model: Tracker, of: Clues, chunk: int = 64) -> np.ndarray:
    """Let a model tell, life after life, what the opponents have: int64 (S, 3, 3)."""
    said = np.empty(of.truth.shape, np.int64)
    for life in np.split(np.arange(len(of.resets)), np.flatnonzero(of.resets)[1:]):
        state = model.initial_state(1)
        for part in np.split(life, range(chunk, len(life), chunk)):
            found, state = model.predict(read(of, part[None]), state)
            said[part] = found[0].numpy()
    return said


def tally(of: Clues, said: np.ndarray, games: np.ndarray) -> dict[str, np.ndarray]:
    """Count right answers about living opponents by game: all and right (G, 3), by `KINDS`; and the same for those numbers
    that are no longer what everybody starts with: moved and moved_right (G, 3)."""
    which, index = np.unique(games, return_inverse=True)
    living = of.alive[..., None] & np.ones(3, bool)
    moved, right = living & (of.truth != START), said == of.truth
    parts = {"all": living, "right": living & right, "moved": moved, "moved_right": moved & right}
    totals = {name: np.zeros((len(which), 3)) for name in parts}
    for name, flags in parts.items():
        np.add.at(totals[name], index, flags.sum(1))
    return totals
