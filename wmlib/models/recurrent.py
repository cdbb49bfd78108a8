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

from wmlib.models.layers import check_precision, is_whole

State: TypeAlias = Any  # a NamedTuple of tensors, each core its own
Shapes: TypeAlias = tuple[tuple[int, ...], ...]


class RecurrentCore(nn.Module):
    """A network with a state that is carried from step to step.

    Attributes:
        input_size: D, length of an input vector.
        output_size: Y, length of an output vector.
        state_type: class of its states.

    A sequence in one call, in two calls with the state carried, or in T calls of `step` gives the same outputs. Inside
    `torch.autocast` a core computes in the precision of its parameters, see `layers.full_precision`.
    """

    input_size: int
    output_size: int
    state_type: type[State]

    def forward(self, inputs: Tensor, state: State = None, reset: Tensor | None = None) -> Any:
        """Run a sequence.

        Args:
            inputs: float (..., T, D), finite, dtype and device of the core. No rows, or T = 0, are as good as many.
            state: what the last call returned, dtype and device of the core; None starts an episode.
            reset: bool (..., T); True at t forgets the state before step t (the first step of an episode).

        Returns:
            outputs float (..., T, Y), and the state after the last step.

        Raises:
            ValueError: a wrong shape, dtype or device of inputs, reset or any part of the state; another core's state; inputs
                with NaN or infinity; parameters of 16 bits.
        """
        raise NotImplementedError

    def initial_state(self, batch_size: int | tuple[int, ...] = 1) -> State:
        """Return the state in which an episode starts: zeros, leading axes `batch_size`, dtype and device of the core."""
        return self._zeros(batch_size, self._shapes(None))

    def _weight(self) -> Tensor:
        """Return a parameter: the core has its dtype and device."""
        raise NotImplementedError

    def _shapes(self, state: State | None) -> Shapes:
        """Return the shapes of a state's parts, without leading axes.

        Args:
            state: what was given as one; if a size of it is free, such as the number of slots, the shapes are of that size.
        """
        raise NotImplementedError

    def _zeros(self, batch_size: int | tuple[int, ...], shapes: Shapes) -> State:
        batch = tuple(batch_size) if isinstance(batch_size, (tuple, list)) else (batch_size,)
        if not all(is_whole(size) and size >= 0 for size in batch):
            raise ValueError(f"batch_size is {batch_size!r}; it must be a whole number, at least 0, or a tuple of them")
        return self.state_type(*(self._weight().new_zeros(*map(int, batch), *shape) for shape in shapes))

    def features(self, state: State) -> dict[str, Tensor]:
        """Name the parts of a state that a controller may see, each float (..., F)."""
        raise NotImplementedError

    def step(self, inputs: Tensor, state: State, reset: Tensor | None = None) -> tuple[Tensor, State]:
        """Run one step: inputs (..., D), reset bool (...); returns outputs (..., Y) and the new state."""
        outputs, state = self(inputs.unsqueeze(-2), state, None if reset is None else reset.unsqueeze(-1))
        return outputs.squeeze(-2), state

    def _checked_state(self, inputs: Tensor, state: State, reset: Tensor | None) -> State:
        """Refuse arguments of a call that cannot be right; return the state to start from.

        What comes after may run in compiled code, which looks at no size again.
        """
        weight = self._weight()
        check_precision(self, weight.dtype)
        if type(inputs) is not Tensor and not isinstance(inputs, Tensor):  # the first question is the quicker one
            raise ValueError(f"inputs are a {type(inputs).__name__}; they must be a tensor: torch.as_tensor makes one")
        if inputs.ndim < 2 or inputs.shape[-1] != self.input_size:
            raise ValueError(f"inputs have shape {tuple(inputs.shape)}; they must be (..., T, D = {self.input_size})")
        if inputs.dtype != weight.dtype:
            raise ValueError(f"inputs are {inputs.dtype}, the core is {weight.dtype}; convert one of them")
        if inputs.device != weight.device:
            raise ValueError(f"inputs are on {inputs.device}, the core is on {weight.device}; move one of them")
        if not inputs.isfinite().all():
            where = tuple((~inputs.isfinite()).nonzero()[0].tolist())
            raise ValueError(
                f"inputs must be finite; at {where} they are {inputs[where].item()}. Mend the data before the core"
            )
        if reset is not None and not isinstance(reset, Tensor):
            raise ValueError(f"reset is a {type(reset).__name__}; it must be a tensor of dtype bool {tuple(inputs.shape[:-1])}")
        if reset is not None and (reset.shape != inputs.shape[:-1] or reset.dtype != torch.bool):
            raise ValueError(f"reset is {reset.dtype} {tuple(reset.shape)}; it must be bool {tuple(inputs.shape[:-1])}")
        batch = inputs.shape[:-2]
        if state is None:
            return self.initial_state(tuple(batch))
        if not isinstance(state, self.state_type):
            kind = type(self).__name__
            ours = self.state_type.__name__
            raise ValueError(f"state is a {type(state).__name__}; a {kind} takes the {ours} of its last call, or None")
        dtype = weight.dtype
        device = weight.device
        leading = tuple(batch)
        for i, shape in enumerate(self._shapes(state)):
            part = state[i]
            if getattr(part, "shape", None) != leading + shape or part.dtype is not dtype or part.device != device:
                self._refuse_part(state._fields[i], part, leading, shape)
        return state

    def _refuse_part(self, name: str, part: Any, batch: tuple[int, ...], shape: tuple[int, ...]) -> None:
        if not isinstance(part, Tensor):
            raise ValueError(f"state.{name} is a {type(part).__name__}; it must be a tensor")
        leading = tuple(part.shape[: part.ndim - len(shape)])
        if leading != batch and part.shape == leading + shape:
            raise ValueError(f"state has leading axes {leading}, inputs have {batch}; start with initial_state")
        weight = self._weight()
        raise ValueError(
            f"state.{name} is {part.dtype} {tuple(part.shape)} on {part.device}; it must be {weight.dtype} {batch + shape} on "
            f"{weight.device}: take a state of this {type(self).__name__}, or start with initial_state"
        )

    def _without_steps(self, inputs: Tensor, state: State, **options: Any) -> Any:
        """Answer a sequence of no steps, (..., 0, D): with what one step returns, less that step, and the state as it was."""
        time = inputs.ndim - 2
        outputs, _, *traces = self(inputs.new_zeros(*inputs.shape[:-2], 1, self.input_size), state, **options)
        none = [type(trace)(*(part.narrow(time, 0, 0) for part in trace)) for trace in traces]
        return outputs.narrow(time, 0, 0), state, *none


def reset_state(state: State, reset: Tensor) -> State:
    """Put the episodes marked in `reset`, bool (...), back to their start, whatever was in them (NaN too)."""
    return type(state)(*(part.masked_fill(reset.reshape(*reset.shape, *[1] * (part.ndim - reset.ndim)), 0) for part in state))
