"""How good is a prediction of Pommerman's next state? Counts by game, and dreams.

Reading guide. `predict_views` runs a model over lives, seeing the true state at every step; `dream` lets it go on from its
own predictions. `tally` compares predictions with what happened, game by game, so that intervals can be drawn over games;
`GROUPS` are the kinds of components.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.pommerman.layout import AGENT, AGENTS, FLAMES, SIZE
from wmlib.envs.pommerman.views import BOARD, FEATURES
from wmlib.lessons.pommerman.data import Batch, Views, read_batch
from wmlib.lessons.pommerman.encoding import NUMBERS, impossible
from wmlib.lessons.pommerman.games import GameTable

GROUPS = ("board", "flames", "bombs", "position", "ammo", "blast strength", "kick")
REACH = SIZE - 1  # largest distance on the board, in rows and in columns
_PLACES: dict[str, slice | int] = {"bombs": slice(BOARD, NUMBERS), "position": slice(NUMBERS, NUMBERS + 2)}
_PLACES |= {name: NUMBERS + 2 + i for i, name in enumerate(GROUPS[4:])}


class Predictor(Protocol):
    """What can be evaluated: a `BoardModel`, a `VectorModel` or a `Rule`."""

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life, a flat tuple of tensors with B in front."""

    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the next states, uint8 (B, T, 372), and the new state."""


def tally(now: np.ndarray, after: np.ndarray, predicted: np.ndarray, games: np.ndarray) -> dict[str, np.ndarray]:
    """Count what was predicted, for each game.

    Args:
        now, after, predicted: uint8 (N, 372): a true state, the true next one, and the predicted one.
        games: integers (N,), which game each is of.

    Returns:
        arrays with a row for each of G games, in order of its number: steps, right (of 372 a step), exact, impossible; changed
        and changed_right (G, 7), by `GROUPS`; kept, of unchanged, the components that did not change; drawn, of living, the
        agents on the true board that are on the other exactly once. And by distance from the seeing agent, all games together:
        near, near_right (21, 21), changed cells of the board and those predicted.

    Raises:
        ValueError: shapes that do not fit.
    """
    if not now.shape == after.shape == predicted.shape == (len(games), FEATURES):
        shapes = f"{now.shape}, {after.shape}, {predicted.shape}"
        raise ValueError(f"now, after, predicted: got shapes {shapes}; allowed is ({len(games)}, {FEATURES}) for all")
    numbers, index = np.unique(games, return_inverse=True)
    right = predicted == after
    changed = now != after
    groups = _by_group(now, after, changed)
    groups_right = _by_group(now, after, changed & right)
    codes = np.arange(AGENT, AGENT + AGENTS)[:, None, None]
    living, drawn = (((board[:, :BOARD] == codes).sum(2) == 1).T for board in (after, predicted))
    wrong = impossible(torch.from_numpy(now), torch.from_numpy(predicted)).numpy()

    def by_game(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values.reshape(len(now), -1).sum(1), len(numbers))

    return {
        "steps": by_game(np.ones(len(now))),
        "right": by_game(right),
        "exact": by_game(right.all(1)),
        "impossible": by_game(wrong),
        "kept": by_game(~changed & right),
        "unchanged": by_game(~changed),
        "living": by_game(living),
        "drawn": by_game(living & drawn),
        "changed": np.stack([by_game(groups[name]) for name in GROUPS], 1),
        "changed_right": np.stack([by_game(groups_right[name]) for name in GROUPS], 1),
        "near": _by_distance(now, changed[:, :BOARD]),
        "near_right": _by_distance(now, (changed & right)[:, :BOARD]),
    }


def _by_group(now: np.ndarray, after: np.ndarray, flags: np.ndarray) -> dict[str, np.ndarray]:
    """Sort flags of components, bool (N, 372), into `GROUPS`; a cell where a flame is or was belongs to the flames."""
    flames = (now[:, :BOARD] == FLAMES) | (after[:, :BOARD] == FLAMES)
    board = flags[:, :BOARD]
    return {"board": board & ~flames, "flames": board & flames} | {name: flags[:, place] for name, place in _PLACES.items()}


def _by_distance(now: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Add up flags on the board, bool (N, 121), by row and column distance from the seeing agent: (21, 21)."""
    total = np.zeros((2 * REACH + 1, 2 * REACH + 1))
    step, cell = np.nonzero(flags)
    row = now[step, NUMBERS].astype(int)
    column = now[step, NUMBERS + 1].astype(int)
    np.add.at(total, (cell // SIZE - row + REACH, cell % SIZE - column + REACH), 1)
    return total


def _groups_of_lives(views: Views, width: int) -> Iterator[list[np.ndarray]]:
    """Yield lives, longest first, so many at a time."""
    lives = sorted(views.lives, key=len, reverse=True)
    for i in range(0, len(lives), width):
        yield lives[i : i + width]


def predict_views(model: Predictor, table: GameTable, views: Views, chunk: int = 8, width: int = 64) -> np.ndarray:
    """Predict every next state, the model seeing the true ones.

    Args:
        model: trained.
        table: all games.
        views: the steps that are read, S.
        chunk, width: steps and lives read at once; the predictions do not depend on them.

    Returns:
        uint8 (S, 372).
    """
    predicted = np.empty((len(views.rows), FEATURES), np.uint8)
    for lives in _groups_of_lives(views, width):
        state = model.initial_state(len(lives))
        for t in range(0, len(lives[0]), chunk):
            active = [life for life in lives if len(life) > t]
            state = _first(state, len(active))
            places = np.stack([life[np.minimum(t + np.arange(chunk), len(life) - 1)] for life in active])
            following, state = model.predict(_read(model, table, views, places), state)
            for life, row in zip(active, following.numpy(), strict=True):
                part = life[t : t + chunk]
                predicted[part] = row[: len(part)]
    return predicted


def dream(
    model: Predictor, table: GameTable, views: Views, horizons: Sequence[int], every: int = 50, width: int = 64
) -> dict[str, np.ndarray]:
    """Predict on from one's own predictions: true actions, no correction.

    Args:
        model: trained; it does not look at view B.
        table: all games.
        views: the steps that are read.
        horizons: after how many steps the dream is compared; the last is its length.
        every: a dream begins at every so many steps of a life, if it goes on long enough.
        width: lives read at once.

    Returns:
        start uint8 (D, 372); after and predicted uint8 (D, horizons, 372); games (D,).

    Raises:
        ValueError: no life is long enough.
    """
    longest = max(horizons)
    picked = np.array(horizons) - 1
    dreams: dict[str, list[np.ndarray]] = {"start": [], "after": [], "predicted": [], "games": []}
    for lives in _groups_of_lives(views, width):
        state = model.initial_state(len(lives))
        for t in range(0, len(lives[0]) - longest + 1, every):
            active = [life for life in lives if len(life) >= t + longest]
            state = _first(state, len(active))
            places = np.stack([life[t : t + longest] for life in active])
            batch = read_batch(table, views, places)
            dreams["start"].append(batch.vectors[:, 0].numpy())
            dreams["after"].append(batch.following.numpy()[:, picked])
            dreams["predicted"].append(_dream_on(model, batch, state)[:, picked])
            dreams["games"].append(views.games[places[:, 0]])
            remaining = [life for life in active if len(life) >= t + every + longest]
            if remaining:
                steps = np.stack([life[t : t + every] for life in remaining])
                _, state = model.predict(_read(model, table, views, steps), _first(state, len(remaining)))
    if not dreams["start"]:
        raise ValueError(f"horizons: got {list(horizons)}; no life has {longest} steps, ask for fewer")
    return {name: np.concatenate(parts) for name, parts in dreams.items()}


def _dream_on(model: Predictor, batch: Batch, state: tuple[Tensor, ...]) -> np.ndarray:
    """Return the states after each step of one dream for each segment, uint8 (B, T, 372)."""
    current = batch.vectors[:, :1]
    predicted = []
    for h in range(batch.resets.shape[1]):
        step = Batch(current, current, batch.actions[:, h : h + 1], batch.resets[:, h : h + 1])
        current, state = model.predict(step, state)
        predicted.append(current[:, 0].numpy())
    return np.stack(predicted, 1)


def _first(state: tuple[Tensor, ...], count: int) -> tuple[Tensor, ...]:
    return tuple(part[:count] for part in state)


def _read(model: Predictor, table: GameTable, views: Views, places: np.ndarray) -> Batch:
    return read_batch(table, views, places, full=getattr(model, "full", False))
