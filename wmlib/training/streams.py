"""Training a network with a memory on one long table: read as B streams side by side, T rows at a time, the state carried.

Reading guide. `StreamTrainer._step` is the loop. The table is a ring: a pass begins at a row drawn anew, cuts the ring in B
streams and reads all of them forward, so that no row is thrown away and memory may last longer than T. What is read and what
is made small is in the two trainers that are built on it: of world models and of next-state models.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class StreamTrainer:
    """Train a model with Adam on streams; a subclass says in `_loss` what a stretch of rows is worth.

    Args:
        model: it is trained in place.
        size: M, rows of the table.
        generator: CPU generator, for where a pass begins; it is used up in training.
        batch: B, streams read side by side.
        length: T, rows a step goes forward in each stream: as far as the gradient goes back.
        ahead: rows read beyond these, because the last one's answer stands there.
        learning_rate: above 0; may be changed between steps in `optimizer.param_groups`.
        clip: largest norm of the gradient.

    Raises:
        ValueError: batch and length ask for more rows than there are.
    """

    def __init__(
        self,
        model: nn.Module,
        size: int,
        *,
        generator: torch.Generator,
        batch: int,
        length: int,
        learning_rate: float,
        clip: float,
        ahead: int = 0,
    ):
        if batch < 1 or length < 1 or batch * (length + ahead) > size:
            raise ValueError(
                f"batch, length: got {batch}, {length}; {batch} streams of {length + ahead} rows need more than {size}"
            )
        self.model, self.size, self.generator = model, size, generator
        self.batch, self.length, self.ahead, self.clip = batch, length, ahead, clip
        self.optimizer = torch.optim.Adam(model.parameters(), learning_rate, fused=True)
        self.step = 0
        self._start_pass()

    def _loss(self, rows: np.ndarray, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], Any]:
        """Return what is made small for rows int64 (B, T + ahead), the state after T of them, and what `run` yields."""
        raise NotImplementedError

    def _initial_state(self) -> tuple[Tensor, ...]:
        """Return the state at the start of a pass, B in front."""
        raise NotImplementedError

    def run(self, steps: int) -> Iterator[Any]:
        """Take steps, and yield the loss before each; between two the state may be saved."""
        for _ in range(steps):
            yield self._step()

    def _step(self) -> Any:
        stream = self.size // self.batch
        if self._position + self.length + self.ahead > stream:  # what is left is too short
            self._start_pass()
        time = self._position + np.arange(self.length + self.ahead)
        rows = (self._offset + stream * np.arange(self.batch)[:, None] + time) % self.size  # (B, T + ahead)
        self.optimizer.zero_grad()
        total, state, told = self._loss(rows, self._state)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self._state = tuple(part.detach() for part in state)
        self._position += self.length
        self.step += 1
        return told

    def _start_pass(self) -> None:
        """Begin again at another row, so that streams and stretches are cut at other places."""
        self._offset = int(torch.randint(self.size, (), generator=self.generator))
        self._position, self._state = 0, self._initial_state()

    def state_dict(self) -> dict:
        """Return a copy of all that a later `load_state_dict` needs to go on to the same bits: the table is not in it."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer")}
        place = {"offset": self._offset, "position": self._position, "step": self.step}
        return copy.deepcopy({**parts, **place, "state": list(self._state), "generator": self.generator.get_state()})

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from a trainer built with the same arguments."""
        for name in ("model", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self._offset, self._position, self.step = state["offset"], state["position"], state["step"]
        self._state = tuple(new.to(old) for new, old in zip(state["state"], self._initial_state(), strict=True))
