"""Which recurrent core: one small description and one factory, for all lessons and agents.

Reading guide. `CoreConfig` says which core in plain values, so that it can name a result in a cache; `make_core` builds it.
`equal_hidden` finds the hidden size at which another network has as many parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from wmlib.models.dnc import DNC
from wmlib.models.feedforward import FeedForward
from wmlib.models.layers import check_sizes, num_parameters
from wmlib.models.lstm import LSTM
from wmlib.models.recurrent import RecurrentCore

KINDS = ("lstm", "dnc", "feedforward")
CLOSED = -3.0  # a bias at which the DNC's allocation gate starts nearly closed
ALLOCATION_GATES = {"default": None, "closed": CLOSED}  # `CoreConfig.allocation_bias` by the word in a notebook's settings


@dataclass(frozen=True)
class CoreConfig:
    """Describe a recurrent core.

    Args:
        kind: "lstm", "dnc" or "feedforward", which has no memory.
        hidden_size: H, LSTM cells (of the controller, in a DNC), or units of the feed-forward layer.
        num_slots, word_size, num_heads: N, W, R of a DNC; an LSTM ignores them.
        forget_bias: at which an LSTM's forget gates start; None: default initialization. A DNC ignores it.
        allocation_bias: at which a DNC's allocation gate starts, `CLOSED` or another number; None: default initialization. An
            LSTM ignores it.
        detach_addressing: see `DNC`.
    """

    kind: str = "lstm"
    hidden_size: int = 64
    num_slots: int = 16
    word_size: int = 16
    num_heads: int = 1
    forget_bias: float | None = 1.0
    allocation_bias: float | None = None
    detach_addressing: bool = False


def make_core(
    config: CoreConfig, input_size: int, output_size: int | None = None, *, generator: torch.Generator
) -> RecurrentCore:
    """Make the core that a configuration describes, its weights drawn by the generator.

    Args:
        config: which.
        input_size: D, length of an input vector.
        output_size: Y, length of an output vector; None: the core's own features, see `LSTM` and `DNC`.
        generator: CPU generator for the initial weights.

    Raises:
        ValueError: an unknown kind, a size that is no whole number above 0, no generator.

    Example:
        >>> core = make_core(CoreConfig("dnc", hidden_size=32), 6, 1, generator=torch.Generator().manual_seed(0))
        >>> core(torch.zeros(7, 13, 6))[0].shape
        torch.Size([7, 13, 1])
    """
    if config.kind == "lstm":
        return LSTM(input_size, config.hidden_size, output_size, generator=generator, forget_bias=config.forget_bias)
    if config.kind == "feedforward":
        return FeedForward(input_size, config.hidden_size, output_size, generator=generator)
    if config.kind == "dnc":
        return DNC(
            input_size,
            config.hidden_size,
            config.num_slots,
            config.word_size,
            config.num_heads,
            output_size,
            generator=generator,
            detach_addressing=config.detach_addressing,
            biases=None if config.allocation_bias is None else {"allocation_gate": config.allocation_bias},
        )
    raise ValueError(f"kind: got {config.kind!r}; allowed are {', '.join(KINDS)}")


def equal_hidden(wanted: int, build: Callable[[int], nn.Module]) -> int:
    """Return the hidden size at which a network has `wanted` parameters, or nearest to it (the smaller one of two).

    Args:
        wanted: number of parameters.
        build: makes the network of a hidden size; a larger size has more parameters.

    Example:
        >>> from wmlib.models.layers import linear
        >>> equal_hidden(100, lambda hidden_size: linear(9, hidden_size, torch.Generator()))
        10
    """
    (wanted,) = check_sizes(wanted=wanted)

    def size(hidden_size: int) -> int:
        return num_parameters(build(hidden_size))

    low, high = 1, 2
    while size(high) < wanted:
        low = high
        high = 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < wanted else (low, middle)
    return min((low, high), key=lambda hidden_size: abs(size(hidden_size) - wanted))
