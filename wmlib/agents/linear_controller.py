"""The controller of World Models: one matrix, from the features of latent and memory to an action.

Reading guide. `features` puts together what a controller sees, by name; `act` is the controller itself, for one set of weights
or for a whole population at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wmlib.models.recurrent import State
from wmlib.models.world_model import WorldModel


def features(model: WorldModel, latents: Tensor, state: State, names: Sequence[str]) -> Tensor:
    """Put together what a controller sees.

    Args:
        model: whose state it is.
        latents: float (..., Z).
        state: of the model's core, leading axes as the latents'.
        names: in this order: "z", the latents, and parts of the state by the core's names: "h", "c", and of a DNC "reads".

    Returns:
        float (..., F).

    Raises:
        ValueError: the core has no part of that name.
    """
    parts = {"z": latents, **model.core.features(state)}
    for name in names:
        if name not in parts:
            raise ValueError(f"names holds {name!r}; this world model has {', '.join(parts)}")
    return torch.cat([parts[name] for name in names], -1)


def num_features(model: WorldModel, names: Sequence[str]) -> int:
    """Return F, how many numbers `features` gives, which is how many weights a controller has."""
    state = model.core.initial_state(1)
    return features(model, state[0].new_zeros(1, model.latent_size), state, names).shape[-1]


def act(weights: Tensor, features: Tensor) -> Tensor:
    """Choose one of three actions by tanh(weights · features): below -1/3 action 0, above 1/3 action 2, else action 1.

    Args:
        weights: float (..., F); no bias.
        features: float (..., F); leading axes broadcast with the weights'.

    Returns:
        int64 (...), 0 … 2.

    Source: Ha & Schmidhuber 2018, Doom: a linear controller without bias, thirds of [-1, 1] (left, stay, right).
    """
    return thirds(torch.tanh((weights * features).sum(-1)))


def thirds(values: Tensor) -> Tensor:
    """Turn numbers from [-1, 1] into actions 0, 1, 2, a third of the range each: int64, of the same shape."""
    return 1 + (values > 1 / 3).long() - (values < -1 / 3).long()
