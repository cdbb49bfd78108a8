"""Training a world model on a long table of experience.

Reading guide. `Experience` is the table: one row a frame, episodes one after another. `Trainer` cuts it in B streams and reads
all of them forward, T rows at a time; the core's state is carried from one reading to the next and forgotten where an episode
begins, so that no step is thrown away and memory may last longer than T. Latents are drawn anew from their posteriors at
every reading: the model never sees the same numbers twice.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.models.recurrent import detach_state
from wmlib.models.world_model import Losses, WorldModel, loss


class Experience(NamedTuple):
    """Hold M rows; a row is a frame's posterior, and what was done on seeing it.

    The last row of an episode has no action (`acted` is False): it is there as the target of the row before.
    """

    mean: np.ndarray  # float (M, Z)
    log_variance: np.ndarray  # float (M, Z)
    actions: np.ndarray  # float32 (M, A), as the model takes them
    rewards: np.ndarray  # float32 (M,)
    terminated: np.ndarray  # bool (M,), the action ended the episode
    acted: np.ndarray  # bool (M,)
    resets: np.ndarray  # bool (M,), first row of an episode

    def sample(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        """Draw a latent for each row, float32 (*rows.shape, Z)."""
        mean, log_variance = (torch.from_numpy(part[rows].astype(np.float32)) for part in (self.mean, self.log_variance))
        return mean + torch.exp(0.5 * log_variance) * torch.randn(mean.shape, generator=generator)


class Trainer:
    """Train a world model with Adam.

    Args:
        model: it is trained in place.
        experience: leave out the episodes you test on.
        generator: CPU generator, for the latents and for where a pass begins; it is used up in training.
        batch: B, streams read side by side.
        length: T, rows a step reads from each stream: as far as the gradient goes back.
        learning_rate: above 0; may be changed between steps in `optimizer.param_groups`.
        clip: largest norm of the gradient.
        done_weight: see `world_model.loss`.

    Raises:
        ValueError: batch and length ask for more rows than there are.

    Source: Ha & Schmidhuber 2018 (public code): packed episodes, state carried, latents drawn anew; batch 100, length 500,
        rate 0.001. Differs: the norm is clipped, not each value.
    """

    def __init__(
        self,
        model: WorldModel,
        experience: Experience,
        *,
        generator: torch.Generator,
        batch: int = 32,
        length: int = 96,
        learning_rate: float = 1e-3,
        clip: float = 1.0,
        done_weight: float = 10.0,
    ):
        rows = len(experience.resets)
        if batch < 1 or length < 1 or batch * (length + 1) > rows:
            raise ValueError(
                f"batch, length: got {batch}, {length}; {batch} streams of {length + 1} rows need more than {rows}"
            )
        self.model, self.experience, self.generator = model, experience, generator
        self.batch, self.length, self.clip, self.done_weight = batch, length, clip, done_weight
        self.optimizer = torch.optim.Adam(model.parameters(), learning_rate, fused=True)
        self.step = 0
        self._start_pass()

    def run(self, steps: int) -> Iterator[Losses]:
        """Take steps, and yield the losses before each; between two the state may be saved."""
        for _ in range(steps):
            yield self._step()

    def _step(self) -> Losses:
        data, device = self.experience, next(self.model.parameters()).device
        stream = len(data.resets) // self.batch
        if self._position + self.length + 1 > stream:  # what is left is too short
            self._start_pass()
        time = self._position + np.arange(self.length + 1)
        rows = (self._offset + stream * np.arange(self.batch)[:, None] + time) % len(data.resets)  # (B, T + 1)
        latents, now = data.sample(rows, self.generator).to(device), rows[:, :-1]
        names = ("actions", "rewards", "terminated", "acted", "resets")
        actions, rewards, done, acted, resets = (torch.from_numpy(getattr(data, name)[now]).to(device) for name in names)
        self.optimizer.zero_grad()
        prediction, state = self.model(latents[:, :-1], actions, self._state, resets)
        losses = loss(prediction, latents[:, 1:], done, acted, rewards, done_weight=self.done_weight)
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self._state = detach_state(state)
        self._position += self.length
        self.step += 1
        return Losses(*(value.detach() for value in losses))

    def _start_pass(self) -> None:
        """Begin again at another row, so that streams and stretches are cut at other places."""
        self._offset = int(torch.randint(len(self.experience.resets), (), generator=self.generator))
        self._position, self._state = 0, None

    def state_dict(self) -> dict:
        """Return a copy of all that a later `load_state_dict` needs to go on to the same bits: the table is not in it."""
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer")}
        place = {"offset": self._offset, "position": self._position, "step": self.step}
        core = None if self._state is None else list(self._state)
        return copy.deepcopy({**parts, **place, "core": core, "generator": self.generator.get_state()})

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from a trainer built with the same arguments."""
        for name in ("model", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["generator"])
        self._offset, self._position, self.step = state["offset"], state["position"], state["step"]
        empty = self.model.core.initial_state(self.batch)
        core = state["core"]
        self._state = None if core is None else type(empty)(*(new.to(old) for new, old in zip(core, empty, strict=True)))
