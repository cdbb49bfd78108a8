"""The loss of a VAE, and the loop that trains it.

Reading guide. `Objective` is the loss: the paper's with its defaults, or one under which small things that stand out survive.
`VAETrainer.run` is the training loop; everything random in it comes from one generator, so it can be stopped and resumed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.models.layers import check_generator, is_whole
from wmlib.models.vae import VAE, Posterior
from wmlib.training.divergence import DivergenceWatch


class Losses(NamedTuple):
    """Hold means over the frames of a batch, scalars."""

    total: Tensor  # the loss
    squared_error: Tensor  # a frame, summed over pixels and colours, unweighted: comparable between objectives
    kl: Tensor  # nats a frame, before the tolerance


@dataclass(frozen=True)
class Objective:
    """Compute Σ w (frame - picture)² + β max(KL, tolerance), a frame; the defaults are the paper's loss.

    Squared error counts pixels. What matters may be a few: a ball of ten pixels in a thousand is worth less to this sum than
    the grain of a wall, and the VAE leaves it out. With `gain` above 0 a value counts w = min(1 + gain d², cap) times, where d
    is its distance from the mean picture: what is seldom there counts more, whatever it is.

    As a likelihood, squared error is a normal distribution of variance β/2 around each value: with β = 1 a standard deviation
    of 0.7, where black and white are 1 apart. A smaller β asks for sharper pictures.

    Args:
        gain: at least 0; 0 counts all values alike.
        cap: largest weight, at least 1.
        beta: β, weight of the KL divergence, at least 0.
        kl_tolerance: nats a dimension. The KL of a whole frame is free up to `kl_tolerance` times Z.

    Raises:
        ValueError: a number out of its range.

    Source: Ha & Schmidhuber 2018 (public code): sum of squares, KL with a tolerance of 0.5 a dimension. The weight is ours.
    """

    gain: float = 0.0
    cap: float = 16.0
    beta: float = 1.0
    kl_tolerance: float = 0.5

    def __post_init__(self) -> None:
        for name, least in {"gain": 0, "cap": 1, "beta": 0, "kl_tolerance": 0}.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")

    def __call__(self, frames: Tensor, pictures: Tensor, posterior: Posterior) -> Losses:
        """Compare frames with what came out of the VAE.

        Args:
            frames, pictures: float (B, 64, 64, 3), in [0, 1]; any shape, if it is the same.
            posterior: of the frames, (B, Z).

        Raises:
            ValueError: the shapes differ.
        """
        if frames.shape != pictures.shape:
            raise ValueError(f"pictures has shape {tuple(pictures.shape)}; it must be that of frames, {tuple(frames.shape)}")
        squares = (frames - pictures).square()
        kl = posterior.kl().sum(-1)
        free = self.kl_tolerance * posterior.mean.shape[-1]  # nats
        weighted = squares * self.weights(frames) if self.gain else squares
        total = weighted.sum() / len(frames) + self.beta * kl.clamp(min=free).mean()
        return Losses(total, squares.detach().sum() / len(frames), kl.detach().mean())

    def weights(self, frames: Tensor) -> Tensor:
        """Return how much each value of the frames counts, (B, …) like the frames; the mean picture is the batch's."""
        return (1 + self.gain * (frames - frames.mean(0)).square()).clamp(max=self.cap)


AHEAD = 8  # steps that the disk has to bring a batch
PAPER = Objective()
WEIGHTED = Objective(gain=240.0, cap=64.0, beta=0.1)


class VAETrainer:
    """Train a VAE with Adam on frames read in random order, every frame once in each pass.

    Args:
        vae: it is trained in place.
        objective: called with frames, pictures and posterior; `PAPER`, `WEIGHTED`, or your own `Objective`.
        read: returns frames, uint8 (B, 64, 64, 3), for row numbers int64 (B,): `rollouts.frames`, or `array.__getitem__`.
        rows: int64 (M,), the rows to train on; leave out those you test on.
        generator: CPU generator for the order of the rows and for the noise; it is used up in training.
        batch_size: B, frames a step, 1 … M.
        lr: learning rate, above 0.
        schedule: learning rate by step (0, 1, …); None: it stays at `lr`.
        fetch: called with the rows of a batch some steps before they are read: `rollouts.fetch`.

    Raises:
        ValueError: batch_size out of its range, no generator. While it runs, `TrainingDivergedError`, a RuntimeError, see
            `run`.

    Source: Ha & Schmidhuber 2018: Adam, batches of 100, a learning rate of 0.0001. Differs: the defaults, which learn more
        from few frames.

    Example:
        >>> frames = np.zeros((11, 64, 64, 3), np.uint8)
        >>> generator = torch.Generator().manual_seed(0)
        >>> vae = VAE(generator=generator, latent_size=2, channels=1)
        >>> trainer = VAETrainer(vae, PAPER, frames.__getitem__, np.arange(11), generator=generator, batch_size=5)
        >>> [round(float(losses.squared_error)) for losses in trainer.run(3)]
        [3072, 3069, 3065]
    """

    def __init__(
        self,
        vae: VAE,
        objective: Callable[[Tensor, Tensor, Posterior], Losses],
        read: Callable[[np.ndarray], np.ndarray],
        rows: np.ndarray,
        *,
        generator: torch.Generator,
        batch_size: int = 32,
        lr: float = 1e-3,
        schedule: Callable[[int], float] | None = None,
        fetch: Callable[[np.ndarray], None] | None = None,
    ) -> None:
        check_generator(generator)
        if not is_whole(batch_size) or not 1 <= batch_size <= len(rows):
            raise ValueError(f"batch_size is {batch_size!r}; it must be 1 to {len(rows)}, the number of rows, and whole")
        self.vae = vae
        self.objective = objective
        self.read = read
        self.rows = np.asarray(rows)
        self.generator = generator
        self.batch_size = int(batch_size)
        self.schedule = schedule
        self.fetch = fetch
        self.optimizer = torch.optim.Adam(vae.parameters(), lr, fused=True)
        self.step = 0
        self._watch = DivergenceWatch(vae)
        self._start_pass()

    def run(self, steps: int) -> Iterator[Losses]:
        """Take steps, and yield the losses before each; between two the state may be saved.

        Raises:
            TrainingDivergedError: a loss is not finite, or after the last step a weight.
        """
        for _ in range(steps):
            yield self._step()
        self._watch.finish()

    def _step(self) -> Losses:
        if self.schedule is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(self.step)
        if self._position + self.batch_size > len(self.rows):  # what is too few for a batch is left out of this pass
            self._start_pass()
        if self.fetch is not None:
            self.fetch(self._batch(AHEAD))
        frames = self.vae.scaled(self.read(self._batch(0)))
        self.optimizer.zero_grad()
        losses = self.objective(frames, *self.vae(frames, self.generator))
        losses.total.backward()
        parts = {"squared error": losses.squared_error, "KL": losses.kl}
        self._watch.see(self.step, self.optimizer.param_groups[0]["lr"], losses.total, None, parts)
        self.optimizer.step()
        self._position += self.batch_size
        self.step += 1
        return Losses(*(value.detach() for value in losses))

    def _batch(self, ahead: int) -> np.ndarray:
        """Return the rows of this step's batch, or of one that comes so many steps later in this pass."""
        first = self._position + ahead * self.batch_size
        return self.rows[self._order[first : first + self.batch_size]]

    def _start_pass(self) -> None:
        self._pass_start = self.generator.get_state()  # the order follows from it: no need to store millions of numbers
        self._order = torch.randperm(len(self.rows), generator=self.generator).numpy()
        self._position = 0

    def state_dict(self) -> dict:
        """Return a copy of all that a later `load_state_dict` needs to go on to the same bits: the frames are not in it."""
        self._watch.finish()
        parts = {name: getattr(self, name).state_dict() for name in ("vae", "optimizer")}
        generators = {"generator": self.generator.get_state(), "pass_start": self._pass_start}
        return copy.deepcopy({**parts, **generators, "position": self._position, "step": self.step})

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from a trainer built with the same arguments."""
        for name in ("vae", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.generator.set_state(state["pass_start"])
        self._start_pass()
        self.generator.set_state(state["generator"])
        self._position = state["position"]
        self.step = state["step"]
