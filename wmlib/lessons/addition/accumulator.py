"""An LSTM whose read-out sees the cells themselves: the control that asks what a memory is needed for.

Reading guide. An LSTM's cells can hold a number of any size, but what leaves a cell is `o · tanh(c)`, never beyond 1. Here the
output layer sees `o · c`. The recurrence is untouched: the gates still see `h = o · tanh(c)`. Read `UnboundedLSTM.forward`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from wmlib.models.layers import full_precision
from wmlib.models.lstm import LSTM, LSTMState
from wmlib.models.recurrent import reset_state


class UnboundedLSTM(LSTM):
    """The LSTM of `wmlib.models.lstm`, but its output layer sees `o · c` in place of `h = o · tanh(c)`.

    Args and Raises: as for `LSTM`.

    Source: ours, as a control. The LSTM is that of Gers et al. 2000, whose outer squashing function is left out here, for the
        read-out alone.
    Differs: the steps are PyTorch operations, because PyTorch's own LSTM returns no cell but the last.

    Example:
        >>> lstm = UnboundedLSTM(input_size=6, hidden_size=64, output_size=1, generator=torch.Generator().manual_seed(0))
        >>> outputs, state = lstm(torch.zeros(7, 13, 6))
        >>> outputs.shape, sum(p.numel() for p in lstm.parameters())
        (torch.Size([7, 13, 1]), 18497)
    """

    @full_precision
    def forward(self, inputs: Tensor, state: LSTMState | None = None, reset: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        """Run a sequence; arguments and results as in `RecurrentCore.forward`."""
        current: LSTMState = self._checked_state(inputs, state, reset)
        if inputs.shape[-2] == 0:
            return self._without_steps(inputs, current)
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weight_in, weight_back, bias_in, bias_back = (self.lstm.get_parameter(name) for name in names)
        driven = linear(inputs, weight_in, bias_in + bias_back)  # (..., T, 4H), all steps at once
        seen = []
        for t in range(inputs.shape[-2]):
            if reset is not None:
                current = reset_state(current, reset[..., t])
            gates = driven[..., t, :] + linear(current.h, weight_back)
            gate_in, gate_keep, candidate, gate_out = gates.chunk(4, -1)
            c = torch.sigmoid(gate_keep) * current.c + torch.sigmoid(gate_in) * torch.tanh(candidate)
            gate = torch.sigmoid(gate_out)
            current = LSTMState(gate * torch.tanh(c), c)
            seen.append(gate * c)
        return self.output(torch.stack(seen, -2)), current
