"""A core without memory, behind the same interface as the LSTM and the DNC: what both are measured against."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from wmlib.models.layers import check_sizes, full_precision, linear
from wmlib.models.recurrent import RecurrentCore, Shapes


class FeedForwardState(NamedTuple):
    """Hold nothing: `nothing` is float (..., 0)."""

    nothing: Tensor


class FeedForward(RecurrentCore):
    """One hidden layer of tanh units and a linear output, the same at each step.

    Args:
        input_size: D, length of an input vector.
        hidden_size: H, number of units.
        output_size: Y, length of an output vector; None returns the hidden vector itself (Y = H).
        generator: CPU generator for the initial weights.

    Raises:
        ValueError: a size that is no whole number above 0, no generator; in the call, see `RecurrentCore.forward`.

    Example:
        >>> core = FeedForward(6, 64, generator=torch.Generator().manual_seed(0))
        >>> core(torch.zeros(7, 13, 6))[0].shape
        torch.Size([7, 13, 64])
    """

    state_type = FeedForwardState

    def __init__(self, input_size: int, hidden_size: int, output_size: int | None = None, *, generator: torch.Generator):
        super().__init__()
        self.input_size, self.hidden_size = check_sizes(input_size=input_size, hidden_size=hidden_size)
        self.hidden = linear(self.input_size, self.hidden_size, generator)
        self.output: torch.nn.Module = torch.nn.Identity()
        self.output_size = self.hidden_size
        if output_size is not None:
            self.output = linear(self.hidden_size, output_size, generator)
            self.output_size = output_size

    def _weight(self) -> Tensor:
        return self.hidden.weight

    def _shapes(self, state: FeedForwardState | None) -> Shapes:
        return ((0,),)

    def features(self, state: FeedForwardState) -> dict[str, Tensor]:
        """Return nothing: there is no state to see."""
        return {}

    @full_precision
    def forward(
        self, inputs: Tensor, state: FeedForwardState | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, FeedForwardState]:
        """Run a sequence; arguments and results as in `RecurrentCore.forward`."""
        current: FeedForwardState = self._checked_state(inputs, state, reset)
        return self.output(torch.tanh(self.hidden(inputs))), current
