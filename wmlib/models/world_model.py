"""A world model predicts what comes next from what was seen and done: the MDN-RNN of World Models, around any recurrent core.

Reading guide. `WorldModel.forward` is the whole model, four lines: latents and actions go into a core (an LSTM or a DNC), and
what comes out of it is read by heads: a mixture density for the next latent, a number for "this action ends the episode",
and, if asked for, the reward. `loss` compares them with what happened. Training is in `wmlib/training/world_model.py`;
dreaming, which is this model fed with its own predictions, in `wmlib/agents/dream.py`.

Axes: free leading axes (a batch B), then time T, then Z latent dimensions or A numbers of an action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.models.layers import check_sizes, full_precision, linear
from wmlib.models.mdn import Mixture, MixtureHead
from wmlib.models.recurrent import RecurrentCore, State
from wmlib.models.specs import CoreConfig, make_core


class Prediction(NamedTuple):
    """Hold what a model expects of each step."""

    mixture: Mixture  # of the next latent, parameters (..., T, K, Z)
    done: Tensor  # logit that this action ends the episode, (..., T)
    reward: Tensor | None  # of this action, (..., T); None without a reward head


class Losses(NamedTuple):
    """Hold means over the steps that count, scalars."""

    total: Tensor  # the loss
    nll: Tensor  # of the next latent, nats a dimension
    done: Tensor  # cross-entropy, ends weighted
    reward: Tensor  # squared error; 0 without a reward head


class WorldModel(nn.Module):
    """Predict the next latent, the end of the episode and the reward from latents and actions up to now.

    Args:
        core: the memory; its inputs are Z + A numbers, its outputs whatever the heads are to see (give a core no outputs
            of its own: an LSTM shows h, a DNC shows h and what it read).
        latent_size: Z, length of a latent vector, below the core's inputs: the rest is A.
        num_components: K of each dimension's mixture.
        reward: True adds a reward head.
        normalize: True puts a layer normalisation between the latents and the core.
        generator: CPU generator for the initial weights of the heads.

    Inside `torch.autocast` all of it computes in the precision of its parameters: predictions are sampled over many steps.

    Raises:
        ValueError: a size that is no whole number above 0, a core whose inputs leave no room for an action, no generator; in
            the call, wrong shapes or dtypes.

    Source: Ha & Schmidhuber 2018, the MDN-RNN: mixtures of 5, separate for each dimension; with an LSTM of 512, Z = 64 and
        two numbers beside it 1,678,785 parameters, theirs (and 2,048 more: PyTorch's LSTM keeps two biases and adds them).
    Differs: the model of an episode that starts anew is told so by an empty state, not by one more input. The public code
        predicts "the next frame is a first one", we "this action was the last": the same event. Standard deviations have a
        floor, see `MixtureHead`.

    Example:
        >>> from wmlib.models.lstm import LSTM
        >>> generator = torch.Generator().manual_seed(0)
        >>> model = WorldModel(LSTM(66, 512, generator=generator), latent_size=64, normalize=False, generator=generator)
        >>> prediction, state = model(torch.zeros(7, 11, 64), torch.zeros(7, 11, 2))
        >>> prediction.mixture.mean().shape, prediction.done.shape, sum(p.numel() for p in model.parameters()) - 4 * 512
        (torch.Size([7, 11, 64]), torch.Size([7, 11]), 1678785)
    """

    def __init__(
        self,
        core: RecurrentCore,
        latent_size: int,
        *,
        num_components: int = 5,
        reward: bool = False,
        normalize: bool = True,
        generator: torch.Generator,
    ):
        super().__init__()
        (latent_size,) = check_sizes(latent_size=latent_size)
        if latent_size >= core.input_size:
            raise ValueError(
                f"latent_size is {latent_size}; it must be 1 to {core.input_size - 1}, as the core takes {core.input_size} "
                "numbers: a latent vector and an action"
            )
        self.core = core
        self.latent_size = latent_size
        self.action_size = core.input_size - latent_size
        self.normalize = nn.LayerNorm(latent_size) if normalize else nn.Identity()
        self.mixture = MixtureHead(core.output_size, latent_size, num_components, generator=generator)
        self.done = linear(core.output_size, 1, generator)
        self.reward = linear(core.output_size, 1, generator) if reward else None

    @full_precision
    def forward(
        self, latents: Tensor, actions: Tensor, state: State = None, reset: Tensor | None = None
    ) -> tuple[Prediction, State]:
        """Predict, along a sequence, each next step.

        Args:
            latents: float (..., T, Z), what is seen.
            actions: float (..., T, A), what is done on seeing it.
            state: of the core, as the last call returned it; None starts an episode.
            reset: bool (..., T), True at the first step of an episode.

        Returns:
            what follows each action, and the core's state after the last one.
        """
        for name, value, size in (("latents", latents, self.latent_size), ("actions", actions, self.action_size)):
            if value.shape[-1:] != (size,) or value.shape[:-1] != latents.shape[:-1]:
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}; it must be (..., T, {size}), the same ... and T for both"
                )
            if value.dtype != self.done.weight.dtype:
                raise ValueError(f"{name} are {value.dtype}, the model is {self.done.weight.dtype}; convert one of them")
        features, state = self.core(torch.cat([self.normalize(latents), actions], -1), state, reset)
        reward = None if self.reward is None else self.reward(features).squeeze(-1)
        return Prediction(self.mixture(features), self.done(features).squeeze(-1), reward), state

    def step(self, latents: Tensor, actions: Tensor, state: State) -> tuple[Prediction, State]:
        """Predict one step: latents (..., Z), actions (..., A); the prediction has no time axis."""
        prediction, state = self(latents.unsqueeze(-2), actions.unsqueeze(-2), state)
        time = latents.ndim - 1
        mixture = Mixture(*(part.squeeze(time) for part in prediction.mixture))
        reward = None if prediction.reward is None else prediction.reward.squeeze(-1)
        return Prediction(mixture, prediction.done.squeeze(-1), reward), state

    @full_precision
    def next_state(self, latents: Tensor, actions: Tensor, state: State) -> NamedTuple:
        """Take in one step without predicting anything: latents (..., Z), actions (..., A); returns the new state."""
        return self.core.step(torch.cat([self.normalize(latents), actions], -1), state)[1]


@dataclass(frozen=True)
class WorldModelConfig:
    """Describe a world model.

    Args:
        core: its recurrent core.
        latent_size: Z.
        action_size: A, numbers that an action is given as.
        normalize: see `WorldModel`.
    """

    core: CoreConfig
    latent_size: int = 64
    action_size: int = 2
    normalize: bool = True

    def build(self, generator: torch.Generator) -> WorldModel:
        """Make the model, its weights drawn by the generator."""
        core = make_core(self.core, self.latent_size + self.action_size, generator=generator)
        return WorldModel(core, self.latent_size, normalize=self.normalize, generator=generator)


def loss(
    prediction: Prediction,
    following: Tensor,
    done: Tensor,
    acted: Tensor,
    rewards: Tensor | None = None,
    *,
    done_weight: float = 10.0,
) -> Losses:
    """Compare predictions with what happened.

    The likelihood is a mean over dimensions: as a sum over 64 of them it would drown the one number that says whether the
    episode ends. After an end there is no next latent; that step counts for `done` and reward alone.

    Args:
        prediction: parameters (B, T, ...).
        following: float (B, T, Z), the next latents.
        done: bool (B, T), the action ended the episode.
        acted: bool (B, T), there was an action; steps without count for nothing.
        rewards: float (B, T), needed by a model with a reward head.
        done_weight: how many times an end counts; ends are rare.

    Raises:
        ValueError: a model with a reward head and no rewards.

    Source: Ha & Schmidhuber 2018 (public code): ends weighted 10, means over batch, time and dimensions.
    """
    seen, acts = (flags.to(following.dtype) for flags in (acted & ~done, acted))
    nll = -(prediction.mixture.marginal_log_prob(following).mean(-1) * seen).sum() / seen.sum().clamp(min=1)
    count = acts.sum().clamp(min=1)
    weight = torch.where(done, done_weight, 1.0) * acts
    ends = F.binary_cross_entropy_with_logits(prediction.done, done.to(acts), weight, reduction="sum") / count
    error = nll.new_zeros(())
    if prediction.reward is not None:
        if rewards is None:
            raise ValueError("rewards is None; this model has a reward head and must be told the rewards")
        error = ((prediction.reward - rewards).square() * acts).sum() / count
    return Losses(nll + ends + error, nll, ends, error)
