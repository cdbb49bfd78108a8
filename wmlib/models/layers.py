"""What all networks here share: first weights from a generator that is given, checked sizes, one precision.

PyTorch's own constructors draw from the global generator; `linear` and `conv2d` do not. `full_precision` is the rule for mixed
precision: what remembers over many steps, or computes densities, does so in 32 bits, whatever is around it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

F = TypeVar("F", bound=Callable[..., Any])

PRECISIONS = (torch.float32, torch.float64)  # of parameters
HALVES = (torch.float16, torch.bfloat16)


def empty_linear(input_size: int, output_size: int) -> nn.Linear:
    """Make a linear layer without drawing its weights."""
    return nn.utils.skip_init(nn.Linear, input_size, output_size)


def draw_uniform(module: nn.Module, size: int, generator: torch.Generator) -> None:
    """Draw all parameters of a layer from U(-1/√size, 1/√size), the rule of PyTorch's linear and LSTM layers."""
    check_generator(generator)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -1 / math.sqrt(size), 1 / math.sqrt(size), generator=generator)


def linear(input_size: int, output_size: int, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer with PyTorch's rule for the first weights, U(-1/√D, 1/√D) with D inputs."""
    input_size, output_size = check_sizes(input_size=input_size, output_size=output_size)
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

    Raises:
        ValueError: a size that is no whole number above 0, an even kernel_size.
    """
    check_generator(generator)
    in_channels, out_channels = check_sizes(in_channels=in_channels, out_channels=out_channels)
    kernel_size, dilation = check_sizes(kernel_size=kernel_size, dilation=dilation)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}; it must be odd, or the picture would not keep its size")
    padding = dilation * (kernel_size // 2)
    layer = nn.utils.skip_init(nn.Conv2d, in_channels, out_channels, kernel_size, padding=padding, dilation=dilation)
    bound = math.sqrt(1 / (in_channels * kernel_size * kernel_size))
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer


def check_sizes(**sizes: Any) -> list[int]:
    """Return sizes as Python's whole numbers, or refuse them.

    Args:
        sizes: by name; whole numbers of Python or NumPy, at least 1.

    Raises:
        ValueError: names the first that is none.
    """
    for name, size in sizes.items():
        if not is_whole(size):
            raise ValueError(f"{name} is {size!r}; it must be a whole number, at least 1")
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")
    return [int(size) for size in sizes.values()]


def is_whole(number: object) -> bool:
    """Return whether this is a whole number of Python or NumPy; True and False are none."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def check_generator(generator: object) -> None:
    """Refuse what is no generator: with None, PyTorch would draw from the global one, and no seed of ours would count.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(generator, torch.Generator):
        raise ValueError(f"generator is {generator!r}; pass a torch.Generator, e.g. torch.Generator().manual_seed(1)")


def check_precision(network: nn.Module, dtype: torch.dtype) -> None:
    """Refuse a network with parameters of 16 bits: small gradients become 0 in them, large ones infinite.

    Raises:
        ValueError: says what to do instead.
    """
    if dtype not in PRECISIONS:
        raise ValueError(
            f"the parameters of this {type(network).__name__} are {dtype}; they must be torch.float32 or torch.float64. Call "
            ".float(), and compute in 16 bits around it, if you want to, inside torch.autocast"
        )


def full_precision(forward: F) -> F:
    """Make a network's `forward` compute in the precision of its parameters inside `torch.autocast` too.

    There autocast is switched off, and arguments of 16 bits become those of the parameters: the results are those of the same
    call without autocast, dtype included. What comes after casts them as it needs. (As everywhere in PyTorch, `backward` is to
    be called outside of autocast.)
    """

    @functools.wraps(forward)
    def run(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_autocast_enabled("cpu") and not torch.is_autocast_enabled("cuda"):
            return forward(self, *args, **kwargs)
        dtype = next(self.parameters()).dtype

        def cast(value: Any) -> Any:
            return value.to(dtype) if isinstance(value, Tensor) and value.dtype in HALVES else value

        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return forward(self, *map(cast, args), **{name: cast(value) for name, value in kwargs.items()})

    return run  # type: ignore[return-value]


def num_parameters(module: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in module.parameters())
