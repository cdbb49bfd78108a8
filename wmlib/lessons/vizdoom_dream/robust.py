"""Evolution that is harder to fool: candidates live in the dreams of several world models, and their shortest life counts.

Reading guide. A controller is tied to the memory of *its* world model: it cannot read another one's cells. So in a dream of
another model, `PairedModel` carries the agent's own model along: the other one decides what comes next and who dies, the own
one remembers. `RobustEvolution` takes the minimum over models, and lets candidates see features of equal standard deviation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wmlib.agents.dream import Dreams, dream_returns
from wmlib.agents.evolution import Evolution
from wmlib.models.recurrent import RecurrentCore
from wmlib.models.world_model import Prediction, WorldModel


class PairedState(tuple):
    """Hold the parts of two states, one after the other; built like a NamedTuple."""

    def __new__(cls, *parts: Tensor) -> PairedState:
        """Make a state of all parts."""
        return super().__new__(cls, parts)


class PairedCore:
    """Be the core of a `PairedModel`: states of both, features of the agent's own.

    Args:
        own, other: the two models' cores.
    """

    def __init__(self, own: RecurrentCore, other: RecurrentCore):
        self.own = own
        self.other = other
        self.own_type = type(own.initial_state(1))
        self.other_type = type(other.initial_state(1))
        self._own_parts = len(self.own_type._fields)

    def initial_state(self, batch_size: int = 1) -> PairedState:
        """Return the state in which an episode starts."""
        return self.join(self.own.initial_state(batch_size), self.other.initial_state(batch_size))

    def join(self, own: Iterable[Tensor], other: Iterable[Tensor]) -> PairedState:
        """Put two states together."""
        return PairedState(*own, *other)

    def split(self, state: PairedState) -> tuple[Any, Any]:
        """Return the two states."""
        return self.own_type(*state[: self._own_parts]), self.other_type(*state[self._own_parts :])

    def features(self, state: PairedState) -> dict[str, Tensor]:
        """Return what the agent's controller may see: the features of its own core."""
        return self.own.features(self.split(state)[0])


class PairedModel(nn.Module):
    """Dream with one world model and remember with another.

    Args:
        own: the agent's world model, whose state its controller sees; its predictions are not asked for.
        other: the world model that dreams.

    Raises:
        ValueError: latents or actions of other sizes.
    """

    def __init__(self, own: WorldModel, other: WorldModel):
        super().__init__()
        sizes = [(model.latent_size, model.action_size) for model in (own, other)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"own, other: latents and actions of {sizes[0]} and {sizes[1]} numbers; they must be equal")
        self.own = own
        self.other = other
        self.latent_size, self.action_size = sizes[0]
        self.core = PairedCore(own.core, other.core)

    def step(self, latents: Tensor, actions: Tensor, state: PairedState) -> tuple[Prediction, PairedState]:
        """Predict one step by the other model, and let both take it in; see `WorldModel.step`."""
        own, other = self.core.split(state)
        prediction, other = self.other.step(latents, actions, other)
        return prediction, self.core.join(self.own.next_state(latents, actions, own), other)


class RobustEvolution(Evolution):
    """Look for a controller whose shortest life among several world models is long.

    Args:
        dreams: of each model, the agent's own first; the others' are of a `PairedModel`.
        names: the features that the controllers see.
        scale: float (F,), by which each feature is divided before a candidate sees it.
        options: see `Evolution`.

    `best` and `validated` hold what candidates see with; `scaled` makes weights of them that act on the features as they are.
    """

    def __init__(self, dreams: Sequence[Dreams], names: Sequence[str], scale: np.ndarray, **options: Any):
        super().__init__(dreams[0], names, **options)
        self.all_dreams = list(dreams)
        self.scale = np.asarray(scale, np.float64)

    def scaled(self, weights: np.ndarray) -> np.ndarray:
        """Return weights for features as they are, (..., F): w · (x / scale) = (w / scale) · x."""
        return weights / self.scale

    def _returns(self, weights: np.ndarray, dream_ids: range) -> np.ndarray:
        controllers = torch.from_numpy(self.scaled(weights))
        returns = [dream_returns(dreams, controllers, self.names, dream_ids) for dreams in self.all_dreams]
        return shortest(np.stack(returns))


def shortest(returns: np.ndarray) -> np.ndarray:
    """Return each candidate's returns in the world model in which its mean is the smallest.

    Args:
        returns: float (models, P, E).

    Returns:
        float (P, E).
    """
    return returns[returns.mean(2).argmin(0), np.arange(returns.shape[1])]
