"""A whole sequence of the DNC in one call, forward and backward, with compiled steps: the fast path on the CPU.

Reading guide. `run` is what `DNC.forward` calls. `_Pass` holds the buffers of one sequence and calls the two loops over time,
`kernels.forward` and `kernels.backward`; what is one matrix product for all steps, the inputs' part of the gates and the
weight gradients, is done here. Memory and link are kept before every √T-th step only (sixth, in short
sequences) and made again from there on the way back, so that long sequences fit and short ones move less memory.

Buffers have time in front: (T, B, ...). `seen` is what the controller sees beside the input, [reads; h].
"""

from __future__ import annotations

import math

import numba
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wmlib.models.dnc import kernels
from wmlib.models.dnc.memory import DNCState, Trace, interface_sizes

COMPILED = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]


def run(
    inputs: Tensor,
    reset: Tensor | None,
    weights: tuple[Tensor, ...],
    state: DNCState,
    heads: int,
    detach_addressing: bool,
    trace: bool = False,
) -> tuple[Tensor, DNCState, Trace | None]:
    """Run a sequence on the CPU: what `DNC` computes with a full link or none, to rounding, with every gradient.

    Args:
        inputs: float32 or float64 (..., T, D).
        reset: bool (..., T) or None.
        weights: weight and bias of the controller, weight and bias of the interface.
        state: with the leading axes of the inputs.
        heads: R.
        detach_addressing: as in `DNC`.
        trace: as in the call of `DNC`.

    Returns:
        The features [h; reads] of every step, (..., T, H + R·W), the last state, and the trace if asked for.

    Raises:
        ValueError: a weight has another size or dtype than inputs and state ask for. The compiled code looks at no size again.

    Source: ours; the equations are those of `memory.access`.
    """
    _check_weights(weights, inputs, state, heads)
    batch = inputs.shape[:-2]
    count = math.prod(batch)
    flat = [part.reshape(count, *part.shape[len(batch) :]) for part in state]
    inputs = inputs.reshape(count, *inputs.shape[-2:]).transpose(0, 1)
    if reset is not None:
        reset = reset.reshape(count, len(inputs)).transpose(0, 1)
    tensors = (inputs, *weights, *flat)
    needed = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    passing = _Pass(heads, reset, *(tensor.detach() for tensor in tensors), keep=needed or trace, trace=trace)
    seen, *last = _Sequence.apply(passing, detach_addressing, *tensors) if needed else passing.forward()
    wide = seen.shape[-1] - flat[0].shape[-1]
    features = torch.cat([seen[..., wide:], seen[..., :wide]], -1).transpose(0, 1)

    def shaped(part: Tensor) -> Tensor:
        return part.reshape(*batch, *part.shape[1:])

    record = Trace(*(shaped(part.transpose(0, 1)) for part in passing.trace())) if trace else None
    return shaped(features), DNCState(*map(shaped, last)), record


def _check_weights(weights: tuple[Tensor, ...], inputs: Tensor, state: DNCState, heads: int) -> None:
    hidden, width = state.h.shape[-1], state.memory.shape[-1]
    size = sum(interface_sizes(width, heads, "full" if state.link.shape[-1] else "none").values())
    shapes = (4 * hidden, inputs.shape[-1] + heads * width + hidden), (4 * hidden,), (size, hidden), (size,)
    names = "controller.weight", "controller.bias", "interface.weight", "interface.bias"
    for name, weight, shape in zip(names, weights, shapes, strict=True):
        if weight is None or weight.shape != shape or weight.dtype != inputs.dtype:
            got = None if weight is None else f"{weight.dtype} {tuple(weight.shape)}"
            raise ValueError(f"{name} is {got}; it must be {inputs.dtype} {shape}, as this DNC was made with")


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, passing, detached, *tensors):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.passing, ctx.detached = passing, detached
        return passing.forward()

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        _ = ctx.saved_tensors  # raises if a weight was changed in place since the way forward
        with torch.autocast("cpu", enabled=False):  # its products are the loops' business, whatever is around them
            return None, None, *ctx.passing.backward(ctx.detached, ctx.needs_input_grad[2], *gradients)


class _Pass:
    """One way through a sequence: inputs (T, B, D), reset bool (T, B) or None, then the weights, then the parts of the state.

    With `keep` all is kept that the way back needs; without, of most things only the last step.
    """

    def __init__(self, heads, reset, inputs, w_controller, b_controller, w_interface, b_interface, *state, keep, trace=False):
        self.heads = heads
        self.keep = keep
        self.state = DNCState(*state)
        self.weights = (w_controller, w_interface, b_interface.contiguous())
        steps, batch, depth = inputs.shape
        self.inputs = inputs.reshape(-1, depth)
        slots, width = self.state.memory.shape[1:]
        self.steps = steps
        self.depth = depth
        self.wide = heads * width
        self.every = max(math.isqrt(steps), 6)  # steps from one kept memory to the next
        self.resets = reset is not None
        self.reset = torch.zeros(steps, batch, dtype=torch.bool) if reset is None else reset.contiguous()
        kept, count = (steps, (steps - 1) // self.every) if keep else (1, 0)
        new = inputs.new_empty
        self.gates = torch.addmm(b_controller, self.inputs, w_controller[:, :depth].t()).view(steps, batch, len(b_controller))
        self.seen = new(steps + 1, batch, w_controller.shape[1] - depth)
        self.cells = new(kept + 1, *self.state.c.shape)
        self.slots = new(kept + 1, batch, kernels.READ + kernels.PER_HEAD * heads, slots)
        self.order = torch.empty(kept + 1, batch, slots, dtype=torch.int32)
        self.orders = new(kept, batch, len(b_interface))
        self.memories, self.links = (new(count, *part.shape) for part in self.state[2:6:3])
        self.traced = [new(steps if trace else 0, *part.shape) for part in self.state[2:6:3]]

    def forward(self) -> tuple[Tensor, ...]:
        """Return seen after each step (T, B, R·W + H), then the parts of the last state."""
        state = self.state
        heads = self.heads
        wide = self.wide
        rows = self.slots[0]
        self.seen[0, :, :wide] = state.reads.flatten(1)
        self.seen[0, :, wide:] = state.h
        self.cells[0] = state.c
        rows[:, kernels.USAGE], rows[:, kernels.WRITE] = state.usage, state.write
        rows[:, kernels.PRECEDENCE] = state.precedence if state.link.shape[1] else 0
        rows[:, kernels.READ : kernels.READ + heads] = state.read
        self.order[0] = torch.arange(rows.shape[-1])

        memory, link = (part.clone(memory_format=torch.contiguous_format) for part in (state.memory, state.link))
        w_controller, w_interface, b_interface = self.weights
        w_seen, w_interface = (weight.t().contiguous() for weight in (w_controller[:, self.depth :], w_interface))
        buffers = (self.gates, self.seen, self.cells, self.slots, self.order, self.orders, self.reset)
        memories = (memory, self.memories, self.traced[0], link, self.links, self.traced[1])
        arrays = _arrays(*buffers, w_seen, w_interface, b_interface)
        kernels.forward(*arrays, self.every, *_arrays(*memories), heads)

        after = self.steps if self.keep else self.steps % 2
        rows = self.slots[after]
        precedence = rows[:, kernels.PRECEDENCE, : link.shape[1]]
        read = rows[:, kernels.READ : kernels.READ + heads]
        seen = self.seen[-1]
        reads = self.seen[-1, :, :wide].reshape_as(state.reads)
        h = seen[:, wide:].clone()
        c = self.cells[after].clone()
        usage = rows[:, kernels.USAGE].clone()
        write = rows[:, kernels.WRITE].clone()
        return self.seen[1:], h, c, memory, usage, precedence.clone(), link, write, read.clone(), reads.clone()

    def backward(self, detached, inputs_too, d_out, *d_last) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs, weights and state, from those of what `forward` returned (None is zero)."""
        state, heads, wide = self.state, self.heads, self.wide
        d = DNCState(*(torch.zeros_like(part) if g is None else g.clone() for g, part in zip(d_last, state, strict=True)))
        d_cells, d_memory, d_link = (part.contiguous() for part in (d.c, d.memory, d.link))
        d_precedence = d.precedence if d_link.shape[1] else torch.zeros_like(d.usage)
        carried = torch.cat([torch.stack([d.usage, d.write, d_precedence], 1), d.read], 1)
        d_seen = torch.zeros_like(self.seen)
        if d_out is not None:
            d_seen[1:] = d_out
        d_seen[-1, :, :wide] += d.reads.flatten(1)
        d_seen[-1, :, wide:] += d.h
        d_gates = torch.empty_like(self.gates)
        d_raw = torch.empty_like(self.orders)

        w_controller, w_interface, _ = self.weights
        buffers = (self.gates, self.cells, self.slots, self.order, self.orders, self.reset)
        weights = w_controller[:, self.depth :].contiguous(), w_interface.contiguous()
        gradients = d_seen, d_cells, carried, d_memory, d_link, d_gates, d_raw
        memories = state.memory.contiguous(), self.memories, state.link.contiguous(), self.links
        arrays = _arrays(*buffers, *weights)
        more = _arrays(*memories, *gradients)
        kernels.backward(*arrays, self.every, *more, heads, detached)

        d_start = DNCState(
            d_seen[0, :, wide:],
            d_cells,
            d_memory,
            carried[:, 0],
            carried[:, 2, : d_link.shape[1]],
            d_link,
            carried[:, 1],
            carried[:, kernels.CARRIED :],
            d_seen[0, :, :wide].reshape_as(state.reads),
        )
        seen = self.seen[:-1].flatten(0, 1)
        if self.resets:
            seen = seen.masked_fill(self.reset.view(-1, 1), 0)
        hidden = self.seen[1:, :, wide:].flatten(0, 1)
        d_gates = d_gates.flatten(0, 1)
        d_raw = d_raw.flatten(0, 1)
        d_inputs = (d_gates @ w_controller[:, : self.depth]).view(*self.reset.shape, self.depth) if inputs_too else None
        d_controller = torch.cat([d_gates.t() @ self.inputs, d_gates.t() @ seen], 1)
        return d_inputs, d_controller, d_gates.sum(0), d_raw.t() @ hidden, d_raw.sum(0), *d_start

    def trace(self) -> Trace:
        """Return what happened at each step, time first."""
        memory, link = self.traced
        heads = self.heads
        slots = self.slots[1:].clone()  # the way back needs its own, whatever is done to a trace
        sizes = interface_sizes(memory.shape[-1], heads, "full" if link.shape[-1] else "none")
        parts = dict(zip(sizes, self.orders.clone().split(list(sizes.values()), -1), strict=True))
        modes = parts["read_modes"].unflatten(-1, (heads, sizes["read_modes"] // heads))
        return Trace(
            slots[:, :, kernels.WRITE],
            slots[:, :, kernels.READ : kernels.READ + heads],
            slots[:, :, kernels.ALLOCATION],
            slots[:, :, kernels.USAGE],
            parts["free_gates"],
            parts["allocation_gate"].squeeze(-1),
            parts["write_gate"].squeeze(-1),
            modes,
            link,
            memory,
        )


def _arrays(*tensors: Tensor) -> list:
    """Return NumPy arrays on the tensors' memory."""
    return [tensor.numpy() for tensor in tensors]
