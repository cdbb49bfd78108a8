"""Policies with values (actor-critics): from observations to logits of discrete actions and to one or two values.

Reading guide. `ActorCritic.forward` is the whole path: encoder, core, heads. Vectors without a core get two separate encoders,
one for the policy and one for the values, as is usual for small control tasks; pictures and cores share one trunk.

Axes: N environments, T steps, A actions, V values (extrinsic, and intrinsic if there is one).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from wmlib.models.layers import check_generator, check_sizes, empty_linear
from wmlib.models.recurrent import RecurrentCore, State
from wmlib.models.specs import CoreConfig, make_core

LARGE = 2**14  # numbers from which `Tanh` is worth its overhead


class _FastTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        outputs = torch.sigmoid(inputs + inputs).mul_(2).sub_(1)
        ctx.save_for_backward(outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (outputs,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, outputs)


class Tanh(nn.Module):
    """Compute tanh; for many numbers as 2 σ(2x) - 1, equal but for rounding, which a CPU computes much faster."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return tanh(inputs), of the same shape."""
        return torch.tanh(inputs) if inputs.numel() < LARGE else _FastTanh.apply(inputs)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": Tanh, "relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


@dataclass(frozen=True)
class PolicyConfig:
    """Describe a policy's network.

    Args:
        hidden_sizes: sizes of the linear layers; with pictures, of those after the convolutions.
        convolutions: for pictures, (channels, kernel size, stride) of each layer.
        activation: "tanh", "relu" or "leaky_relu" (slope 0.2), after every layer but the heads.
        core: a recurrent core between encoder and heads; None: a feed-forward policy.
    """

    hidden_sizes: tuple[int, ...] = (64, 64)
    convolutions: tuple[tuple[int, int, int], ...] = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # Mnih et al. 2015
    activation: str = "tanh"
    core: CoreConfig | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is {self.activation!r}; choose one of {', '.join(ACTIVATIONS)}")


class Output(NamedTuple):
    """Hold what a policy says."""

    logits: Tensor  # (N, T, A), or (N, A) of one step
    values: Tensor  # (N, T, V), or (N, V)
    state: State  # of the core after the last step; () without a core


def orthogonal(layer: nn.Module, gain: float, generator: torch.Generator) -> nn.Module:
    """Draw a layer's weights as a scaled orthogonal matrix, biases 0, and return the layer."""
    nn.init.orthogonal_(layer.get_parameter("weight"), gain, generator=generator)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def is_picture(space: spaces.Space) -> bool:
    """Return whether observations are pictures, uint8 (H, W, C); vectors (anything else of a Box) are not.

    Raises:
        ValueError: the space is no Box.
    """
    if not isinstance(space, spaces.Box):
        raise ValueError(
            f"observation space is {space}; it must be a Box: Gymnasium's FlattenObservation makes one of most others"
        )
    return space.dtype == np.uint8 and len(space.shape) == 3


class Encoder(nn.Module):
    """Turn observations (B, ...) into features (B, F), F = `output_size`.

    Args:
        shape: of an observation; (H, W, C) of a picture.
        picture: whether it is one, uint8; else the observation is flattened.
        config: layers and activation.
        generator: CPU generator for the weights, orthogonal with gain √2.
        scale: what a picture is divided by.

    Raises:
        ValueError: a size that is no whole number above 0; a picture that is smaller than the convolutions need.
    """

    def __init__(
        self,
        shape: Sequence[int],
        picture: bool,
        config: PolicyConfig,
        *,
        generator: torch.Generator,
        scale: float = 255.0,
    ):
        super().__init__()
        check_generator(generator)
        self.picture = picture
        self.scale = scale
        if not picture and not config.hidden_sizes:
            raise ValueError("hidden_sizes is empty; vectors need at least one layer, e.g. (64,)")
        layers: list[nn.Module] = []
        size = math.prod(shape)
        if picture:
            height, width, channels = shape
            for out_channels, kernel, stride in config.convolutions:
                if min(height, width) < kernel:
                    raise ValueError(
                        f"convolutions {config.convolutions} do not fit pictures of {tuple(shape)}: a kernel of {kernel} meets "
                        f"{height} x {width}; take smaller kernels or strides"
                    )
                check_sizes(channels=out_channels, kernel=kernel, stride=stride)
                layer = nn.utils.skip_init(nn.Conv2d, channels, out_channels, kernel, stride)
                layers += [orthogonal(layer, math.sqrt(2), generator), ACTIVATIONS[config.activation]()]
                height = (height - kernel) // stride + 1
                width = (width - kernel) // stride + 1
                channels = out_channels
            layers.append(nn.Flatten())
            size = height * width * channels
        for hidden_size in config.hidden_sizes:
            (hidden_size,) = check_sizes(hidden_size=hidden_size)
            layer = empty_linear(size, hidden_size)
            layers += [orthogonal(layer, math.sqrt(2), generator), ACTIVATIONS[config.activation]()]
            size = hidden_size
        self.layers = nn.Sequential(*layers)
        self.output_size = size

    def forward(self, obs: Tensor) -> Tensor:
        """Encode: obs (B, ...); returns (B, F)."""
        dtype = self.layers[0].get_parameter("weight").dtype
        if self.picture:
            # (B, H, W, C) seen as (B, C, H, W) is what PyTorch calls channels-last: the fast layout, for free
            return self.layers(obs.permute(0, 3, 1, 2).to(dtype) / self.scale)
        return self.layers(obs.flatten(1).to(dtype))


class ActorCritic(nn.Module):
    """A policy and its values.

    Args:
        observation_space: of one environment: a Box, of uint8 pictures (H, W, C) or of numbers.
        num_actions: A.
        config: layers and core.
        num_values: V, 1 or 2: with a second one for intrinsic rewards.
        generator: CPU generator for the weights: orthogonal, gain √2 in the layers, .01 in the policy's head, 1 in the values'.

    Raises:
        ValueError: another space, sizes out of range, no generator.

    Example:
        >>> box = spaces.Box(-1, 1, (5,), np.float32)
        >>> policy = ActorCritic(box, 3, generator=torch.Generator().manual_seed(0))
        >>> output = policy(torch.zeros(2, 7, 5))
        >>> output.logits.shape, output.values.shape
        (torch.Size([2, 7, 3]), torch.Size([2, 7, 1]))
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        num_actions: int,
        config: PolicyConfig | None = None,
        num_values: int = 1,
        *,
        generator: torch.Generator,
    ):
        super().__init__()
        config = config or PolicyConfig()
        picture = is_picture(observation_space)
        shape = observation_space.shape or (1,)
        self.num_actions, self.num_values = check_sizes(num_actions=num_actions, num_values=num_values)
        self.encoder = Encoder(shape, picture, config, generator=generator)
        self.value_encoder: Encoder | None = None
        self.core: RecurrentCore | None = None
        size = self.encoder.output_size
        if config.core is not None:
            self.core = make_core(config.core, size, generator=generator)
            size = self.core.output_size
        elif not picture:
            self.value_encoder = Encoder(shape, picture, config, generator=generator)
        self.policy_head = orthogonal(empty_linear(size, self.num_actions), 0.01, generator)
        self.value_head = orthogonal(empty_linear(size, self.num_values), 1.0, generator)

    def initial_state(self, num_envs: int) -> State:
        """Return the state in which episodes start, () without a core."""
        return () if self.core is None else self.core.initial_state(num_envs)

    def forward(self, obs: Tensor, state: State = (), starts: Tensor | None = None) -> Output:
        """Run a sequence.

        Args:
            obs: (N, T, ...).
            state: of the core before the first step, see `initial_state`.
            starts: bool (N, T), True at the first step of an episode: the core forgets before it.

        Returns:
            logits (N, T, A), values (N, T, V), state.
        """
        num_envs, num_steps = obs.shape[:2]
        flat = obs.flatten(0, 1)
        features = self.encoder(flat)
        if self.core is not None:
            features, state = self.core(features.unflatten(0, (num_envs, num_steps)), state or None, starts)
            features = features.flatten(0, 1)
        logits, values = self._heads(flat, features)
        return Output(logits.unflatten(0, (num_envs, num_steps)), values.unflatten(0, (num_envs, num_steps)), state)

    def step(self, obs: Tensor, state: State = (), starts: Tensor | None = None) -> Output:
        """Run one step: obs (N, ...), starts bool (N,); returns logits (N, A), values (N, V), state."""
        features = self.encoder(obs)
        if self.core is not None:
            features, state = self.core.step(features, state or None, starts)
        return Output(*self._heads(obs, features), state)

    def _heads(self, obs: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        for_values = features if self.value_encoder is None else self.value_encoder(obs)
        return self.policy_head(features), self.value_head(for_values)
