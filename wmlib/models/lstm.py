"""The LSTM, behind the same interface as the DNC: what the DNC is measured against.

Reading guide. The recurrence is PyTorch's own `torch.nn.LSTM`; this file only carries the state, starts new episodes inside
a sequence, and puts a linear layer on top. Read `LSTM.forward`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wmlib.models.layers import check_sizes, draw_uniform, empty_linear, full_precision
from wmlib.models.recurrent import RecurrentCore, Shapes, reset_state


class LSTMState(NamedTuple):
    """Hold what an LSTM remembers: hidden vector `h` and cell `c`, both float (..., H)."""

    h: Tensor
    c: Tensor


class LSTM(RecurrentCore):
    """One layer of LSTM cells and a linear output.

    Args:
        input_size: D, length of an input vector.
        hidden_size: H, number of cells.
        output_size: Y, length of an output vector; None returns the hidden vector itself (Y = H), for a head of your own.
        generator: CPU generator for the initial weights, U(-1/√H, 1/√H) as in PyTorch.
        forget_bias: the constant at which the forget gates' bias starts, e.g. 1.0: cells keep what they hold, until the
            network learns to forget. None: default initialization.

    Raises:
        ValueError: a size that is no whole number above 0, no generator; in the call, see `RecurrentCore.forward`.

    Example:
        >>> lstm = LSTM(input_size=6, hidden_size=64, output_size=1, generator=torch.Generator().manual_seed(0))
        >>> outputs, state = lstm(torch.zeros(7, 13, 6))
        >>> outputs.shape, sum(p.numel() for p in lstm.parameters())
        (torch.Size([7, 13, 1]), 18497)
    """

    state_type = LSTMState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int | None = None,
        *,
        generator: torch.Generator,
        forget_bias: float | None = None,
    ):
        super().__init__()
        input_size, hidden_size = check_sizes(input_size=input_size, hidden_size=hidden_size)
        if output_size is not None:
            (output_size,) = check_sizes(output_size=output_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = output_size or hidden_size
        self.forget_bias = forget_bias
        # made without storage first, because the layer's own constructor would draw from the global generator
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True, device="meta").to_empty(device="cpu")
        self.output: nn.Module = nn.Identity() if output_size is None else empty_linear(hidden_size, output_size)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw all weights anew, and set the forget gates' bias if asked for."""
        draw_uniform(self.lstm, self.hidden_size, generator)
        draw_uniform(self.output, self.hidden_size, generator)
        if self.forget_bias is not None:
            forget = slice(self.hidden_size, 2 * self.hidden_size)  # torch's order: input, forget, cell, output
            biases = self.lstm.get_parameter("bias_ih_l0"), self.lstm.get_parameter("bias_hh_l0")  # the two are added
            biases[0].detach()[forget] = self.forget_bias
            biases[1].detach()[forget] = 0.0

    def _weight(self) -> Tensor:
        return self.lstm.get_parameter("weight_hh_l0")

    def _shapes(self, state: LSTMState | None) -> Shapes:
        return (self.hidden_size,), (self.hidden_size,)

    def features(self, state: LSTMState) -> dict[str, Tensor]:
        """Return `h` and `c`, each (..., H)."""
        return {"h": state.h, "c": state.c}

    @full_precision
    def forward(self, inputs: Tensor, state: LSTMState | None = None, reset: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        """Run a sequence; arguments and results as in `RecurrentCore.forward`."""
        current: LSTMState = self._checked_state(inputs, state, reset)
        if inputs.shape[-2] == 0:
            return self._without_steps(inputs, current)
        starts = [0]  # of the segments in which no episode begins: torch's LSTM cannot forget in the middle of one
        if reset is not None:
            starts = sorted({0, *reset.reshape(-1, reset.shape[-1]).any(0).nonzero().flatten().tolist()})
        hidden = []
        for start, end in zip(starts, [*starts[1:], inputs.shape[-2]], strict=True):
            if reset is not None:
                current = reset_state(current, reset[..., start])
            segment, current = self._run(inputs[..., start:end, :], current)
            hidden.append(segment)
        return self.output(torch.cat(hidden, -2)), current

    def _run(self, inputs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Call torch's LSTM, which knows one batch axis only and wants a layer axis in the state."""
        batch = inputs.shape[:-2]
        if inputs.shape[-2] == 1:  # one step: the sequence's machinery costs more than the step
            weights = (getattr(self.lstm, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
            last = torch.lstm_cell(inputs.flatten(0, -2), [part.reshape(-1, self.hidden_size) for part in state], *weights)
            last = LSTMState(*(part.reshape(*batch, self.hidden_size) for part in last))
            return last.h.unsqueeze(-2), last
        flat = [part.reshape(1, -1, self.hidden_size).contiguous() for part in state]
        hidden, last = self.lstm(inputs.reshape(-1, *inputs.shape[-2:]), tuple(flat))
        return hidden.reshape(*batch, *hidden.shape[1:]), LSTMState(*(part.reshape(*batch, self.hidden_size) for part in last))
