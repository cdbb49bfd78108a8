"""Training a world model on a long table of experience.

Reading guide. `Experience` is the table: one row a frame, episodes one after another. `WorldModelTrainer` cuts it in B streams
and reads all of them forward, T rows at a time; the core's state is carried from one reading to the next and forgotten where
an episode begins, so that no step is thrown away and memory may last longer than T. Latents are drawn anew from their
posteriors at every reading: the model never sees the same numbers twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.models.cuda_graphs import capture_training
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import Losses, WorldModel, loss
from wmlib.training.streams import StreamTrainer


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
        return self.posterior(rows).sample(generator)

    def posterior(self, rows: np.ndarray) -> Posterior:
        """Return the posterior of each row, float32 (*rows.shape, Z)."""
        return Posterior(*(torch.from_numpy(part[rows].astype(np.float32)) for part in (self.mean, self.log_variance)))


class WorldModelTrainer(StreamTrainer):
    """Train a world model with Adam.

    Args:
        model: it is trained in place.
        experience: leave out the episodes you test on.
        generator: CPU generator, for the latents and for where a pass begins; it is used up in training.
        batch_size: B, streams read side by side.
        seq_len: T, rows a step reads from each stream: as far as the gradient goes back.
        lr, max_grad_norm, schedule: see `StreamTrainer`.
        done_weight: see `world_model.loss`.

    Raises:
        ValueError: see `StreamTrainer`.

    Source: Ha & Schmidhuber 2018 (public code): packed episodes, state carried, latents drawn anew; batch 100, length 500,
        rate 0.001. Differs: the norm is clipped, not each value.
    """

    def __init__(
        self,
        model: WorldModel,
        experience: Experience,
        *,
        generator: torch.Generator,
        batch_size: int = 32,
        seq_len: int = 96,
        lr: float = 1e-3,
        max_grad_norm: float = 1.0,
        schedule: Callable[[int], float] | None = None,
        done_weight: float = 10.0,
    ):
        self.model: WorldModel
        self.experience, self.done_weight = experience, done_weight
        super().__init__(
            model,
            len(experience.resets),
            generator=generator,
            batch_size=batch_size,
            seq_len=seq_len,
            lr=lr,
            max_grad_norm=max_grad_norm,
            ahead=1,
            schedule=schedule,
        )
        if next(model.parameters()).is_cuda and not isinstance(model.core, LSTM):  # the LSTM's sequences are one call already
            capture_training(model.core, batch_size, seq_len)

    def _initial_state(self) -> tuple[Tensor, ...]:
        return self.model.core.initial_state(self.batch_size)

    def _loss(self, rows: np.ndarray, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...], Losses]:
        data = self.experience
        device = next(self.model.parameters()).device
        latents = data.sample(rows, self.generator).to(device)
        now = rows[:, :-1]
        names = ("actions", "rewards", "terminated", "acted", "resets")
        actions, rewards, done, acted, resets = (torch.from_numpy(getattr(data, name)[now]).to(device) for name in names)
        state_type = type(self._initial_state())
        prediction, state = self.model(latents[:, :-1], actions, state_type(*state), resets)
        losses = loss(prediction, latents[:, 1:], done, acted, rewards, done_weight=self.done_weight)
        return losses.total, state, Losses(*(value.detach() for value in losses))
