"""What every recurrent core can do, so that an LSTM and a DNC can take each other's place.

Reading guide. `RecurrentCore` is the whole interface: a call runs a sequence, `step` runs one step, `initial_state` starts an
episode, `features` names the parts of the state an agent may look at. A state is a NamedTuple of tensors, every one with the
batch in front and zeros at the start of an episode; that is why `reset_state` fits all of them.

Axes: free leading axes (a batch B, or seeds and batch, ...), then T time, then features: `(..., T, D)`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

State: TypeAlias = Any  # a NamedTuple of tensors, each core its own


class RecurrentCore(nn.Module):
    """A network with a state that is carried from step to step.

    Attributes:
        input_size: D, length of an input vector.
        output_size: Y, length of an output vector.

    A sequence in one call, in two calls with the state carried, or in T calls of `step` gives the same outputs.
    """

    input_size: int
    output_size: int

    def forward(self, inputs: Tensor, state: State = None, reset: Tensor | None = None) -> Any:
        """Run a sequence.

        Args:
            inputs: float (..., T, D), T at least 1, finite, dtype of the core.
            state: what the last call returned; None starts an episode.
            reset: bool (..., T); True at t forgets the state before step t (the first step of an episode).

        Returns:
            outputs float (..., T, Y), and the state after the last step.

        Raises:
            ValueError: a wrong shape or dtype, inputs with NaN or infinity.
        """
        raise NotImplementedError

    def initial_state(self, batch_size: int | tuple[int, ...] = 1) -> State:
        """Return the state in which an episode starts: zeros, leading axes `batch_size`, dtype and device of the core."""
        raise NotImplementedError

    def features(self, state: State) -> dict[str, Tensor]:
        """Name the parts of a state that a controller may see, each float (..., F)."""
        raise NotImplementedError

    def step(self, inputs: Tensor, state: State, reset: Tensor | None = None) -> tuple[Tensor, State]:
        """Run one step: inputs (..., D), reset bool (...); returns outputs (..., Y) and the new state."""
        outputs, state = self(inputs.unsqueeze(-2), state, None if reset is None else reset.unsqueeze(-1))
        return outputs.squeeze(-2), state

    def _checked_state(self, inputs: Tensor, state: State, reset: Tensor | None) -> State:
        """Refuse arguments of a call that cannot be right; return the state to start from."""
        if inputs.ndim < 2 or inputs.shape[-1] != self.input_size or inputs.shape[-2] < 1:
            raise ValueError(f"inputs have shape {tuple(inputs.shape)}; they must be (..., T >= 1, D = {self.input_size})")
        dtype = next(self.parameters()).dtype
        if inputs.dtype != dtype:
            raise ValueError(f"inputs are {inputs.dtype}, the core is {dtype}; convert one of them")
        bad = ~inputs.isfinite()
        if bad.any():
            where = tuple(bad.nonzero()[0].tolist())
            raise ValueError(
                f"inputs must be finite; at {where} they are {inputs[where].item()}. Mend the data before the core"
            )
        if reset is not None and (reset.shape != inputs.shape[:-1] or reset.dtype != torch.bool):
            raise ValueError(f"reset is {reset.dtype} {tuple(reset.shape)}; it must be bool {tuple(inputs.shape[:-1])}")
        batch = inputs.shape[:-2]
        if state is None:
            return self.initial_state(tuple(batch))
        if state[0].shape[:-1] != batch:
            got = tuple(state[0].shape[:-1])
            raise ValueError(f"state has leading axes {got}, inputs have {tuple(batch)}; start with initial_state")
        return state


def reset_state(state: State, reset: Tensor) -> State:
    """Put the episodes marked in `reset`, bool (...), back to their start, whatever was in them (NaN too)."""
    return type(state)(*(part.masked_fill(reset.reshape(*reset.shape, *[1] * (part.ndim - reset.ndim)), 0) for part in state))
