"""Training a network with a memory on one long table: read as B streams side by side, T rows at a time, the state carried.

Reading guide. `StreamTrainer._step` is the loop. The table is a ring: a pass begins at a random row, cuts the ring in B
streams and reads all of them forward, so that no row is thrown away and memory may last longer than T. What is read and
the loss are in the trainers that are built on it, such as `wmlib.training.world_model.WorldModelTrainer`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_

from wmlib.models.layers import check_generator, check_sizes
from wmlib.training.divergence import DivergenceWatch, gradient_norm


class StreamTrainer:
    """Train a model with Adam on streams; a subclass defines the loss of a segment of rows.

    Args:
        model: it is trained in place.
        size: M, rows of the table.
        generator: CPU generator, for where a pass begins; it is used up in training.
        batch_size: B, streams read side by side.
        seq_len: T, rows a step goes forward in each stream: as far as the gradient goes back.
        ahead: rows read beyond these, because the last one's answer stands there.
        lr: learning rate, above 0.
        max_grad_norm: gradients are scaled down to this norm, above 0.
        schedule: learning rate by step (0, 1, …); None: it stays at `lr`.

    Raises:
        ValueError: batch_size and seq_len ask for more rows than there are, or are no whole numbers above 0; no generator;
            max_grad_norm not above 0. While it runs, `TrainingDivergedError`, a RuntimeError, see `run`.
    """

    def __init__(
        self,
        model: nn.Module,
        size: int,
        *,
        generator: torch.Generator,
        batch_size: int,
        seq_len: int,
        lr: float,
        max_grad_norm: float,
        ahead: int = 0,
        schedule: Callable[[int], float] | None = None,
    ):
        check_generator(generator)
        batch_size, seq_len = check_sizes(batch_size=batch_size, seq_len=seq_len)
        if not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm is {max_grad_norm}; it must be above 0")
        if batch_size * (seq_len + ahead) > size:
            raise ValueError(
                f"batch_size, seq_len: got {batch_size}, {seq_len}; {batch_size} streams of {seq_len + ahead} rows need more "
                f"than the {size} rows of the table"
            )
        self.model, self.size, self.generator = model, size, generator
        self.batch_size, self.seq_len, self.ahead = batch_size, seq_len, ahead
        self.max_grad_norm, self.schedule = max_grad_norm, schedule
        self.optimizer = torch.optim.Adam(model.parameters(), lr, fused=True)
        self.step = 0
        self._watch = DivergenceWatch(model)
        self._state: tuple[Tensor, ...] = ()
        self._start_pass()

    def _loss(self, rows: np.ndarray, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], Any]:
        """Return the loss of rows int64 (B, T + ahead), the state after T of them, and what `run` yields."""
        raise NotImplementedError

    def _initial_state(self) -> tuple[Tensor, ...]:
        """Return the state at the start of a pass, B in front."""
        raise NotImplementedError

    def run(self, steps: int) -> Iterator[Any]:
        """Take steps, and yield the loss before each; between two the state may be saved.

        Raises:
            TrainingDivergedError: loss or gradient is not finite.
        """
        for _ in range(steps):
            yield self._step()
        self._watch.finish()

    def _step(self) -> Any:
        if self.schedule is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(self.step)
        stream = self.size // self.batch_size
        if self._position + self.seq_len + self.ahead > stream:  # what is left is too short
            self._start_pass()
        time = self._position + np.arange(self.seq_len + self.ahead)
        rows = (self._offset + stream * np.arange(self.batch_size)[:, None] + time) % self.size  # (B, T + ahead)
        self.optimizer.zero_grad()
        total, state, losses = self._loss(rows, self._state)
        total.backward()
        parts = {name: value for name, value in getattr(losses, "_asdict", dict)().items() if name != "total"}
        norm = gradient_norm(self.model)
        self._watch.see(self.step, self.optimizer.param_groups[0]["lr"], total, norm, parts)
        clip_grads_with_norm_(self.model.parameters(), self.max_grad_norm, norm)
        self.optimizer.step()
        self._state = tuple(part.detach() for part in state)
        self._position += self.seq_len
        self.step += 1
        return losses

    def _start_pass(self) -> None:
        """Begin again at another row, so that streams and segments are cut at other places."""
        self._offset = int(torch.randint(self.size, (), generator=self.generator))
        self._position = 0
        self._state = self._initial_state()

    def state_dict(self) -> dict:
        """Return a copy of all that a later `load_state_dict` needs to go on to the same bits: the table is not in it."""
        self._watch.finish()
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer")}
        place = {"offset": self._offset, "position": self._position, "step": self.step}
        return copy.deepcopy({**parts, **place, "state": list(self._state), "generator": self.generator.get_state()})

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from a trainer built with the same arguments."""
        for name in ("model", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self._offset = state["offset"]
        self._position = state["position"]
        self.step = state["step"]
        self._state = tuple(new.to(old) for new, old in zip(state["state"], self._initial_state(), strict=True))
