"""How good is a prediction of Pommerman's next state? Counts by game, baselines without a network, dreams.

Reading guide. `foretell` runs a model over lives, seeing the true state at every step; `dream` lets it go on from its own
answers. `tally` compares answers with what happened, game by game, so that intervals can be drawn over games; `GROUPS` are
the kinds of components. `copying`, `commonest` and the two `count_…` functions are what a model has to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.pommerman.layout import AGENT, AGENTS, FLAMES, SIZE
from wmlib.envs.pommerman.views import BOARD, FEATURES
from wmlib.lessons.pommerman.encoding import LARGEST, OWN, impossible
from wmlib.lessons.pommerman.models import Batch
from wmlib.lessons.pommerman.data import Record, Views, batch

GROUPS = ("board", "flames", "bombs", "position", "ammo", "blast strength", "kick")
REACH = SIZE - 1  # largest distance on the board, in rows and in columns
_PLACES = {"bombs": slice(BOARD, OWN), "position": slice(OWN, OWN + 2)}
_PLACES |= {name: OWN + 2 + i for i, name in enumerate(GROUPS[4:])}


def tally(now: np.ndarray, after: np.ndarray, said: np.ndarray, games: np.ndarray) -> dict[str, np.ndarray]:
    """Count what was foretold, for each game.

    Args:
        now, after, said: uint8 (N, 372): a true state, the true next one, and the one that was foretold.
        games: integers (N,), which game each is of.

    Returns:
        arrays with a row for each game, in order of its number: steps, right (of 372 a step), exact, impossible; changed and
        changed_right (G, 7), by `GROUPS`; kept, of same, the components that did not change; drawn, of living, the agents on
        the true board that are on the other exactly once. And by distance from the seeing agent, all games together: near,
        near_right (21, 21), changed cells of the board and those foretold.

    Raises:
        ValueError: shapes that do not fit.
    """
    if not now.shape == after.shape == said.shape == (len(games), FEATURES):
        shapes = f"{now.shape}, {after.shape}, {said.shape}"
        raise ValueError(f"now, after, said: got shapes {shapes}; allowed is ({len(games)}, {FEATURES}) for all")
    which, index = np.unique(games, return_inverse=True)
    right, changed = said == after, now != after
    burning = ((now[:, :BOARD] == FLAMES) | (after[:, :BOARD] == FLAMES)) & changed[:, :BOARD]
    parts = {"board": changed[:, :BOARD] & ~burning, "flames": burning}
    hit = {name: part & right[:, :BOARD] for name, part in parts.items()}
    for name, place in _PLACES.items():
        parts[name] = changed[:, place].reshape(len(now), -1)
        hit[name] = parts[name] & right[:, place].reshape(len(now), -1)

    def by_game(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values.reshape(len(now), -1).sum(1), len(which))

    near, near_right = (_by_distance(now, part[:, :BOARD]) for part in (changed, changed & right))
    codes = np.arange(AGENT, AGENT + AGENTS)[:, None, None]
    living, drawn = (((board[:, :BOARD] == codes).sum(2) == 1).T for board in (after, said))
    wrong = impossible(torch.from_numpy(now), torch.from_numpy(said)).numpy()
    return {
        "steps": by_game(np.ones(len(now))), "right": by_game(right), "exact": by_game(right.all(1)),
        "impossible": by_game(wrong), "kept": by_game(~changed & right), "same": by_game(~changed),
        "living": by_game(living), "drawn": by_game(living & drawn),
        "changed": np.stack([by_game(parts[name]) for name in GROUPS], 1),
        "changed_right": np.stack([by_game(hit[name]) for name in GROUPS], 1),
        "near": near, "near_right": near_right,
    }  # fmt: skip


def _by_distance(now: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Add up flags on the board, bool (N, 121), by row and column distance from the seeing agent: (21, 21)."""
    total = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    step, cell = np.nonzero(flags)
    row, column = now[step, OWN].astype(int), now[step, OWN + 1].astype(int)
    np.add.at(total, (cell // SIZE - row + REACH, cell % SIZE - column + REACH), 1)
    return total


def _groups(of: Views, width: int) -> Iterator[list[np.ndarray]]:
    """Yield lives, longest first, so many at a time."""
    lives = sorted(of.lives, key=len, reverse=True)
    for i in range(0, len(lives), width):
        yield lives[i : i + width]


def foretell(model, record: Record, of: Views, chunk: int = 8, width: int = 64) -> np.ndarray:
    """Predict every next state, the model seeing the true ones: uint8 (S, 372).

    Args:
        model: with `predict` and `initial_state`.
        record, of: a table and what is looked at in it.
        chunk, width: steps and lives read at once; the answers do not depend on them.
    """
    said = np.empty((len(of.rows), FEATURES), np.uint8)
    for lives in _groups(of, width):
        state = model.initial_state(len(lives))
        for t in range(0, len(lives[0]), chunk):
            active = [life for life in lives if len(life) > t]
            state = tuple(part[: len(active)] for part in state)
            places = np.stack([life[np.minimum(t + np.arange(chunk), len(life) - 1)] for life in active])
            found, state = model.predict(_read(model, record, of, places), state)
            for life, row in zip(active, found.numpy(), strict=True):
                part = life[t : t + chunk]
                said[part] = row[: len(part)]
    return said


def dream(model, record: Record, of: Views, horizons: Sequence[int], every: int = 50, width: int = 64) -> dict:
    """Predict on from one's own predictions: true actions, no correction.

    Args:
        model: with `predict` and `initial_state`.
        record, of: a table and what is looked at in it.
        horizons: after how many steps the dream is compared; the last is its length.
        every: a dream begins at every so many steps of a life, if it goes on long enough.
        width: lives read at once.

    Returns:
        start uint8 (D, 372); after and said uint8 (D, horizons, 372); games (D,).

    Raises:
        ValueError: no life is long enough.
    """
    longest, found = max(horizons), {"start": [], "after": [], "said": [], "games": []}
    for lives in _groups(of, width):
        state = model.initial_state(len(lives))
        for t in range(0, len(lives[0]) - longest + 1, every):
            active = [life for life in lives if len(life) >= t + longest]
            state = tuple(part[: len(active)] for part in state)
            places = np.stack([life[t : t + longest] for life in active])
            whole = batch(record, of, places)
            said, now, inner = [], whole.vectors[:, 0], state
            for h in range(longest):
                step = Batch(now[:, None], now[:, None], whole.actions[:, h : h + 1], whole.resets[:, h : h + 1])
                now, inner = model.predict(step, inner)
                now = now[:, 0]
                said.append(now.numpy())
            pick = np.array(horizons) - 1
            for name, part in (
                ("start", whole.vectors[:, 0].numpy()), ("after", whole.following.numpy()[:, pick]),
                ("said", np.stack(said, 1)[:, pick]), ("games", of.games[places[:, 0]]),
            ):  # fmt: skip
                found[name].append(part)
            going = [life for life in active if len(life) >= t + every + longest]
            if going:
                state = tuple(part[: len(going)] for part in state)
                steps = np.stack([life[t : t + every] for life in going])
                _, state = model.predict(_read(model, record, of, steps), state)
    if not found["start"]:
        raise ValueError(f"horizons: got {list(horizons)}; no life has {longest} steps, ask for fewer")
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _read(model, record: Record, of: Views, places: np.ndarray) -> Batch:
    return batch(record, of, places, full=getattr(model, "full", False))


class Rule:
    """A next state by a rule that looks at one state alone; it can be judged and can dream like a model.

    Args:
        rule: uint8 (N, 372) to uint8 (N, 372).
    """

    def __init__(self, rule: Callable[[np.ndarray], np.ndarray]):
        self.rule = rule

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        return ()

    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        flat = batch.vectors.flatten(0, 1).numpy()
        return torch.from_numpy(self.rule(flat)).unflatten(0, batch.resets.shape), state


def copying() -> Rule:
    """Return the rule "nothing changes"."""
    return Rule(lambda now: now.copy())


def commonest(after: np.ndarray) -> Rule:
    """Count how often each component has each value; return the rule "always the most frequent one", one board for all states.

    Args:
        after: uint8 (N, 372), states of training games.
    """
    best = np.array([np.bincount(values).argmax() for values in after.T], np.uint8)
    return Rule(lambda now: np.tile(best, (len(now), 1)))


_KINDS = np.r_[np.repeat([0, 1, 2], BOARD), 3, 3, 4, 5, 6, np.full(4, 7)]  # components that share a table
_VALUES = int(LARGEST.max()) + 1


def count_values(now: np.ndarray, after: np.ndarray) -> Rule:
    """Count, for each kind of component, which value follows which; return the rule "the most frequent one".

    Args:
        now, after: uint8 (N, 372), consecutive states of training games.
    """
    counts = np.bincount(((_KINDS * _VALUES + now) * _VALUES + after).ravel(), minlength=8 * _VALUES**2)
    counts = counts.reshape(8, _VALUES, _VALUES) + 0.5 * np.eye(_VALUES)  # a value never met stays
    best = counts.argmax(2).astype(np.uint8)
    return Rule(lambda states: best[_KINDS, states])


def count_cells(now: np.ndarray, after: np.ndarray) -> Rule:
    """Count what follows each combination of code, blast strength and life in a cell; else as `count_values`."""
    rule, sizes = count_values(now, after).rule, (14, 11, 10)

    def joint(states: np.ndarray) -> np.ndarray:
        board, blast, life = states[:, :OWN].reshape(-1, 3, BOARD).astype(np.int64).transpose(1, 0, 2)
        return (board * sizes[1] + blast) * sizes[2] + life

    total, cells, tables = np.prod(sizes), joint(now), []
    for plane, size in enumerate(sizes):
        value = after[:, plane * BOARD : (plane + 1) * BOARD]
        counts = np.bincount((cells * size + value).ravel(), minlength=total * size).reshape(total, size)
        tables.append(counts.argmax(1).astype(np.uint8))

    def apply(states: np.ndarray) -> np.ndarray:
        said, cells = rule(states), joint(states)
        for plane, table in enumerate(tables):
            said[:, plane * BOARD : (plane + 1) * BOARD] = table[cells]
        return said

    return Rule(apply)
