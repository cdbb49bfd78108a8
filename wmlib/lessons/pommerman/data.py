"""Recorded games as stretches to learn from, and the training of next-state models on them.

Reading guide. `Record` is a table of full states, game after game. `Views` lists what there is to learn in it: every step of
every agent that lives, seen by that agent, from the start of the game to its death; one such *life* after another. `batch`
reads any places of that list. `Trainer` reads the list in streams (see `streams.py`) and trains whatever has a `loss` and an
`initial_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from wmlib.envs.pommerman.layout import AGENTS
from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.encoding import view_a
from wmlib.lessons.pommerman.models import Batch
from wmlib.training.streams import StreamTrainer

ALIVE = 7 * BOARD + 5 + 6 * np.arange(AGENTS)  # places in view B
OTHERS = np.array([[i, *(j for j in range(AGENTS) if j != i)] for i in range(AGENTS)])  # the seeing agent first


class Record(NamedTuple):
    """Hold M states of G games, one game after another; the last row of a game has no action."""

    states: np.ndarray  # uint8 (M, 871), view B
    actions: np.ndarray  # uint8 (M, 4)
    starts: np.ndarray  # int64 (G + 1,), where each game begins; the last is M


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


def views(record: Record, games: Sequence[int], rng: np.random.Generator | None = None) -> Views:
    """List the lives in some games.

    Args:
        record: the table.
        games: which ones.
        rng: shuffles the lives; None: in order of game and agent.

    Raises:
        ValueError: no games.
    """
    if not len(games):
        raise ValueError("games: got none; name at least one game")
    found = []
    for game in games:
        first, last = record.starts[game], record.starts[game + 1]
        alive = np.asarray(record.states[first : last - 1][:, ALIVE]) > 0  # without the last row: nothing follows it
        found += [(game, agent, first, int(alive[:, agent].sum())) for agent in range(AGENTS)]
    if rng is not None:
        found = [found[i] for i in rng.permutation(len(found))]
    found = [life for life in found if life[3]]
    rows = np.concatenate([first + np.arange(length) for _, _, first, length in found])
    lengths = [length for *_, length in found]
    resets = np.zeros(len(rows), bool)
    resets[np.cumsum([0, *lengths[:-1]])] = True
    return Views(rows, np.repeat([a for _, a, _, _ in found], lengths), resets, np.repeat([g for g, *_ in found], lengths))


def batch(record: Record, of: Views, places: np.ndarray, full: bool = False) -> Batch:
    """Read steps.

    Args:
        record, of: a table and a list of its views.
        places: int64 (B, T), places in the list.
        full: True adds view B.
    """
    rows, agents = of.rows[places].ravel(), of.agents[places].ravel()
    states = record.states[rows]
    shape = (*places.shape, -1)
    now, after = (torch.from_numpy(view_a(part, agents)).view(shape) for part in (states, record.states[rows + 1]))
    actions = np.take_along_axis(record.actions[rows].astype(np.int64), OTHERS[agents], 1)
    whole = torch.from_numpy(states).view(shape) if full else None
    return Batch(now, after, torch.from_numpy(actions).view(shape), torch.from_numpy(of.resets[places]), whole)


class Learner(Protocol):
    """What is trained: a module with a state that is a flat tuple of tensors, B in front."""

    def initial_state(self, batch: int) -> tuple[Tensor, ...]: ...

    def loss(self, batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]: ...


class Trainer(StreamTrainer):
    """Train a model with Adam on streams; see `StreamTrainer` for the rest of the arguments.

    Args:
        model: on the CPU.
        resets: bool (S,), where lives begin in the list that is read.
        read: makes a batch of places int64 (B, T).
    """

    def __init__(
        self,
        model: nn.Module,
        resets: np.ndarray,
        read: Callable[[np.ndarray], Any],
        *,
        generator: torch.Generator,
        batch: int = 8,
        length: int = 8,
        learning_rate: float = 4e-3,
        clip: float = 10.0,
    ):
        self.read = read
        own = {"batch": batch, "length": length, "learning_rate": learning_rate, "clip": clip}
        super().__init__(model, len(resets), generator=generator, **own)

    def _initial_state(self) -> tuple[Tensor, ...]:
        return self.model.initial_state(self.batch)

    def _loss(self, rows: np.ndarray, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], float]:
        loss, state = self.model.loss(self.read(rows), state)
        return loss, state, float(loss.detach())
