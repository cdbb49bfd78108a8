"""Layers whose first weights come from a generator that is given: PyTorch's own constructors draw from the global one."""

from __future__ import annotations

import math

import torch
from torch import nn


def empty_linear(input_size: int, output_size: int) -> nn.Linear:
    """Make a linear layer without drawing its weights."""
    return nn.utils.skip_init(nn.Linear, input_size, output_size)


def draw_uniform(module: nn.Module, size: int, generator: torch.Generator) -> None:
    """Draw all parameters of a layer from U(-1/√size, 1/√size), the rule of PyTorch's linear and LSTM layers."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -1 / math.sqrt(size), 1 / math.sqrt(size), generator=generator)


def linear(input_size: int, output_size: int, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer with PyTorch's rule for the first weights, U(-1/√D, 1/√D) with D inputs."""
    layer = empty_linear(input_size, output_size)
    draw_uniform(layer, input_size, generator)
    return layer


def conv2d(in_channels: int, out_channels: int, kernel_size: int, generator: torch.Generator, dilation: int = 1) -> nn.Conv2d:
    """Make a convolution that keeps the size of the picture, with PyTorch's rule for the first weights.

    Args:
        in_channels, out_channels: numbers of planes.
        kernel_size: odd.
        generator: CPU generator.
        dilation: distance between the kernel's cells.
    """
    padding = dilation * (kernel_size // 2)
    layer = nn.utils.skip_init(nn.Conv2d, in_channels, out_channels, kernel_size, padding=padding, dilation=dilation)
    bound = math.sqrt(1 / (in_channels * kernel_size * kernel_size))
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


def check_sizes(**sizes: int) -> None:
    """Refuse sizes below 1.

    Raises:
        ValueError: names the first of them.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")


def num_parameters(module: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in module.parameters())
