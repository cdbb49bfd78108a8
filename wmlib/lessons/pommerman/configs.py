"""Which model, and how it is trained, in plain values that can name a result in the cache.

Reading guide. `ModelConfig` holds the values; its `build` makes the network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from wmlib.envs.pommerman.views import FEATURES
from wmlib.lessons.pommerman import hidden_numbers, one_hot
from wmlib.lessons.pommerman.data import Batch, SequenceModel
from wmlib.lessons.pommerman.encoding import ACTIONS
from wmlib.lessons.pommerman.hidden_numbers import Tracker
from wmlib.lessons.pommerman.models import BoardModel, VectorModel, count_tables, uniform_tables
from wmlib.lessons.pommerman.one_hot import OneHotModel
from wmlib.models.layers import num_parameters
from wmlib.models.specs import CoreConfig, equal_hidden, make_core
from wmlib.training.schedules import linear_decay

CORE_INPUTS = {
    "board": BoardModel.CORE_INPUTS,
    "vector": FEATURES + ACTIONS,
    "one-hot": one_hot.INPUTS,
    "tracker": hidden_numbers.INPUTS,
}
COUNTING = ("board", "one-hot")  # families that start from what is counted in the training games
DECAY = 0.6  # proportion of the updates, the last ones, over which the learning rate falls


@dataclass(frozen=True)
class ModelConfig:
    """Describe a model and its training, the data aside.

    Args:
        core: see `make_core`.
        family: "board" (`BoardModel`), "vector" (`VectorModel`, the thesis by its word), "one-hot" (`OneHotModel`, the thesis
            given a fair trial) or "tracker" (`Tracker`).
        channels: of a board model's convolutions.
        window, known_actions, full: see `BoardModel`.
        head: see `OneHotModel`.
        num_components: K of a mixture, see `VectorModel`.
        updates: of the whole training.
        batch_size, seq_len, lr: see `Trainer`.
        training_seed: number of the training seed; equal numbers see the same lives in the same order.
    """

    core: CoreConfig
    family: str = "board"
    channels: int = 16
    window: bool = False
    known_actions: int = 1
    full: bool = False
    head: str = "mixture"
    num_components: int = 3
    updates: int = 3000
    batch_size: int = 8
    seq_len: int = 8
    lr: float = 4e-3
    training_seed: int = 0

    def schedule(self, step: int) -> float:
        """Return the learning rate of a step."""
        return linear_decay(step, self.updates, self.lr, DECAY)

    def build(self, tables: Any, generator: torch.Generator) -> SequenceModel:
        """Make the model, its weights drawn by the generator.

        Args:
            tables: as from `count_for`; None: nothing was counted.
            generator: CPU generator.

        Raises:
            ValueError: no such family or core.
        """
        if self.family not in CORE_INPUTS:
            raise ValueError(f"family: got {self.family!r}; allowed are {', '.join(CORE_INPUTS)}")
        core = make_core(self.core, CORE_INPUTS[self.family], generator=generator)
        if self.family == "board":
            return BoardModel(
                core,
                self.channels,
                uniform_tables() if tables is None else tables,
                generator=generator,
                window=self.window,
                known_actions=self.known_actions,
                full=self.full,
            )
        if self.family == "vector":
            return VectorModel(core, self.num_components, generator=generator)
        if self.family == "one-hot":
            counts = one_hot.no_counts() if tables is None else tables
            return OneHotModel(core, self.head, counts, num_components=self.num_components, generator=generator)
        return Tracker(core, generator=generator)

    def num_parameters(self) -> int:
        """Return how many numbers the model learns."""
        return num_parameters(self.build(None, torch.Generator()))

    def summary(self) -> dict[str, int | float]:
        """Return what the results say about a model: parameters, hidden_size, lr."""
        return {"parameters": self.num_parameters(), "hidden_size": self.core.hidden_size, "lr": self.lr}

    def with_core(self, **values: Any) -> ModelConfig:
        """Return this with other values of the core, for example `kind="dnc"`."""
        return replace(self, core=replace(self.core, **values))

    def as_large_as(self, other: ModelConfig) -> ModelConfig:
        """Return this with the hidden size at which it has as many parameters as another, or nearest to it."""
        hidden_size = equal_hidden(
            other.num_parameters(), lambda size: self.with_core(hidden_size=size).build(None, torch.Generator())
        )
        return self.with_core(hidden_size=hidden_size)


def count_for(family: str, steps: Batch) -> Any:
    """Return what models of a family take from the training games: a board model's tables, a one-hot model's counts.

    Args:
        family: one of `COUNTING`.
        steps: of these games, in one stream.
    """
    if family == "one-hot":
        return one_hot.count(steps.vectors[0].numpy(), steps.actions[0, :, 0].numpy(), steps.following[0].numpy())
    return count_tables(steps.vectors[0], steps.following[0])
