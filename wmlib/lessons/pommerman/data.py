"""Recorded games as segments to learn from, and the trainer of next-state models on them.

Reading guide. `Views` lists what there is to learn in a `GameTable`: every step of every agent that lives, seen by that agent,
from the start of the game to its death; one such *life* after another. `read_batch` reads any places of that list. `Trainer`
reads the list in streams (see `wmlib.training.streams`) and trains any `SequenceModel`.

Axes: B streams, T time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wmlib.envs.pommerman.layout import AGENTS
from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.encoding import view_a
from wmlib.lessons.pommerman.games import GameTable, load_games, split
from wmlib.training.streams import StreamTrainer

ALIVE = 7 * BOARD + 5 + 6 * np.arange(AGENTS)  # places in view B
OTHERS = np.array([[i, *(j for j in range(AGENTS) if j != i)] for i in range(AGENTS)])  # the seeing agent first
TRAINING_PAIRS = 40_000  # consecutive states that are counted for tables and rules, at most


class Views(NamedTuple):
    """Hold S steps as living agents see them, one life after another."""

    rows: np.ndarray  # int64 (S,), row of the state
    agents: np.ndarray  # int64 (S,), who sees it
    resets: np.ndarray  # bool (S,), first step of a life
    games: np.ndarray  # int64 (S,), which game it is in

    @property
    def lives(self) -> list[np.ndarray]:
        """Return the places of each life."""
        return np.split(np.arange(len(self.rows)), np.flatnonzero(self.resets)[1:])

    def take(self, places: np.ndarray) -> Views:
        """Return the steps at some places, int64 (S,), in their order."""
        return Views(*(part[places] for part in self))


class Batch(NamedTuple):
    """Hold B segments of T steps, each seen by one agent."""

    vectors: Tensor  # uint8 (B, T, 372), view A
    following: Tensor  # uint8 (B, T, 372), one step later
    actions: Tensor  # int64 (B, T, 4), the seeing agent's first, then the others' in ascending order
    resets: Tensor  # bool (B, T), first step of a life
    full: Tensor | None = None  # uint8 (B, T, 871), view B


def list_views(table: GameTable, games: Sequence[int] | np.ndarray, rng: np.random.Generator | None = None) -> Views:
    """List the lives in some games.

    Args:
        table: all games.
        games: numbers of those whose lives are listed.
        rng: shuffles the lives; None: in order of game and agent.

    Raises:
        ValueError: no games.
    """
    if not len(games):
        raise ValueError("games: got none; name at least one game")
    lives = []  # game, agent, first row, steps
    for game in games:
        first = table.starts[game]
        last = table.starts[game + 1]
        alive = np.asarray(table.states[first : last - 1][:, ALIVE]) > 0  # without the last row: nothing follows it
        lives += [(game, agent, first, int(alive[:, agent].sum())) for agent in range(AGENTS)]
    if rng is not None:
        lives = [lives[i] for i in rng.permutation(len(lives))]
    lives = [life for life in lives if life[3]]
    lengths = [length for _, _, _, length in lives]
    rows = np.concatenate([first + np.arange(length) for _, _, first, length in lives])
    resets = np.zeros(len(rows), bool)
    resets[np.cumsum([0, *lengths[:-1]])] = True
    agents = np.repeat([agent for _, agent, _, _ in lives], lengths)
    return Views(rows, agents, resets, np.repeat([game for game, _, _, _ in lives], lengths))


def held_out_views(table: GameTable, max_steps: int) -> Views:
    """Return the steps that all models are evaluated on: those of the test games.

    Args:
        table: all games.
        max_steps: of each life only so many, the first ones.
    """
    views = list_views(table, split(table).test)
    return views.take(np.concatenate([life[:max_steps] for life in views.lives]))


def read_batch(table: GameTable, views: Views, places: np.ndarray, full: bool = False) -> Batch:
    """Read steps.

    Args:
        table: all games.
        views: a list of views of it.
        places: int64 (B, T), places in the list.
        full: True adds view B.
    """
    rows = views.rows[places].ravel()
    agents = views.agents[places].ravel()
    states = table.states[rows]
    shape = (*places.shape, -1)
    vectors, following = (torch.from_numpy(view_a(part, agents)).view(shape) for part in (states, table.states[rows + 1]))
    actions = np.take_along_axis(table.actions[rows].astype(np.int64), OTHERS[agents], 1)
    view_b = torch.from_numpy(states).view(shape) if full else None
    return Batch(vectors, following, torch.from_numpy(actions).view(shape), torch.from_numpy(views.resets[places]), view_b)


@functools.lru_cache(maxsize=2)  # a worker asks again at every block of a training
def training_steps(folder: Path) -> Batch:
    """Return steps of the training games, evenly spread, in one stream: B = 1, T <= `TRAINING_PAIRS`.

    Args:
        folder: of recorded games.
    """
    table = load_games(folder)
    views = list_views(table, split(table).train)
    places = np.linspace(0, len(views.rows) - 1, min(TRAINING_PAIRS, len(views.rows))).astype(int)
    return read_batch(table, views, places[None])


def training_pairs(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the states before and after these steps, uint8 (N, 372) each; argument as for `training_steps`."""
    steps = training_steps(folder)
    return steps.vectors[0].numpy(), steps.following[0].numpy()


class SequenceModel(nn.Module):
    """A model that is trained and evaluated on segments of lives, its state carried from one to the next.

    A state is a flat tuple of tensors, B in front.
    """

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life."""
        raise NotImplementedError

    def loss(self, batch: Any, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the loss of a batch, a scalar, and the new state."""
        raise NotImplementedError

    def predict(self, batch: Any, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the likeliest answers, integers (B, T, ...), and the new state."""
        raise NotImplementedError


class Trainer(StreamTrainer):
    """Train a `SequenceModel` with Adam on streams.

    Args:
        model: on the CPU.
        resets: bool (S,), where lives begin in the list that is read.
        read: makes a batch of places int64 (B, T).
        generator, batch_size, seq_len, lr, max_grad_norm, schedule: see `StreamTrainer`.
    """

    def __init__(
        self,
        model: SequenceModel,
        resets: np.ndarray,
        read: Callable[[np.ndarray], Any],
        *,
        generator: torch.Generator,
        batch_size: int,
        seq_len: int,
        lr: float,
        max_grad_norm: float = 10.0,
        schedule: Callable[[int], float] | None = None,
    ):
        self.model: SequenceModel
        self.read = read
        super().__init__(
            model,
            len(resets),
            generator=generator,
            batch_size=batch_size,
            seq_len=seq_len,
            lr=lr,
            max_grad_norm=max_grad_norm,
            schedule=schedule,
        )

    def _initial_state(self) -> tuple[Tensor, ...]:
        return self.model.initial_state(self.batch_size)

    def _loss(self, rows: np.ndarray, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], float]:
        loss, state = self.model.loss(self.read(rows), state)
        return loss, state, float(loss.detach())
