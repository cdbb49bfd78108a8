"""Training a world model on a long table of experience.

Reading guide. `Experience` is the table: one row a frame, episodes one after another. `Trainer` cuts it in B streams and reads
all of them forward, T rows at a time; the core's state is carried from one reading to the next and forgotten where an episode
begins, so that no step is thrown away and memory may last longer than T. Latents are drawn anew from their posteriors at
every reading: the model never sees the same numbers twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.models.lstm import LSTM
from wmlib.models.cuda_graphs import record_training
from wmlib.training.streams import StreamTrainer
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


class Trainer(StreamTrainer):
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
        self.experience, self.done_weight = experience, done_weight
        own = {"batch": batch, "length": length, "learning_rate": learning_rate, "clip": clip, "ahead": 1}
        super().__init__(model, len(experience.resets), generator=generator, **own)
        if next(model.parameters()).is_cuda and not isinstance(model.core, LSTM):  # the LSTM's sequences are one call already
            record_training(model.core, batch, length)

    def _initial_state(self) -> tuple[Tensor, ...]:
        return self.model.core.initial_state(self.batch)

    def _loss(self, rows: np.ndarray, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], Losses]:
        data, device = self.experience, next(self.model.parameters()).device
        latents, now = data.sample(rows, self.generator).to(device), rows[:, :-1]
        names = ("actions", "rewards", "terminated", "acted", "resets")
        actions, rewards, done, acted, resets = (torch.from_numpy(getattr(data, name)[now]).to(device) for name in names)
        kind = type(self._initial_state())
        prediction, state = self.model(latents[:, :-1], actions, kind(*state), resets)
        losses = loss(prediction, latents[:, 1:], done, acted, rewards, done_weight=self.done_weight)
        return losses.total, state, Losses(*(value.detach() for value in losses))
