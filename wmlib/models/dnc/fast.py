"""A whole sequence of the DNC in one call, forward and backward, with compiled steps: the fast path on the CPU.

Reading guide. `run` is what `DNC.forward` calls. `_Pass.forward` goes through time: a matrix product, the LSTM's cells, a
matrix product, the memory. `_Pass.backward` goes the same way back; the weight gradients of all steps are one product at the
end. Memory and link are kept before every √T-th step only and made again from there, so that long sequences fit.

Buffers have time in front: (T, B, ...). `seen` is what the controller sees beside the input, [reads; h].
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wmlib.models.dnc import kernels
from wmlib.models.dnc.memory import DNCState, Trace, interface_sizes

DTYPES = (torch.float32, torch.float64)


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

    Source: ours; the equations are those of `memory.access`.
    """
    batch = inputs.shape[:-2]
    flat = [part.reshape(math.prod(batch), *part.shape[len(batch) :]) for part in state]
    inputs = inputs.reshape(math.prod(batch), *inputs.shape[-2:]).transpose(0, 1)
    if reset is not None:
        reset = reset.reshape(math.prod(batch), -1).transpose(0, 1)
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
        return None, None, *ctx.passing.backward(ctx.detached, ctx.needs_input_grad[2], *gradients)


def _cleared(part: Tensor, fresh: Tensor) -> Tensor:
    """Return part (B, ...) with zeros where fresh (B,) is True."""
    return part.masked_fill(fresh.view(-1, *[1] * (part.ndim - 1)), 0)


class _Pass:
    """One way through a sequence: inputs (T, B, D), reset bool (T, B) or None, then the weights, then the parts of the state.

    With `keep` all is kept that the way back needs; without, of most things only the last step.
    """

    def __init__(self, heads, reset, inputs, w_controller, b_controller, w_interface, b_interface, *state, keep, trace=False):
        self.heads, self.keep, self.state = heads, keep, DNCState(*state)
        self.w_interface, self.b_interface = w_interface, b_interface
        self.inputs = inputs.reshape(-1, inputs.shape[-1])  # (T·B, D)
        steps, batch, depth = inputs.shape
        self.w_input, self.w_seen = w_controller[:, :depth], w_controller[:, depth:]
        slots, width = self.state.memory.shape[1:]
        hidden = self.state.h.shape[1]
        self.steps, self.wide = steps, heads * width
        self.traced = [] if trace else None  # memory and link after each step
        self.every = math.isqrt(steps)  # steps from one kept memory to the next
        self.fresh = {} if reset is None else {t: reset[t] for t in reset.any(1).nonzero().flatten().tolist()}

        kept = steps if keep else 1
        new = inputs.new_empty
        self.gates = torch.addmm(b_controller, self.inputs, self.w_input.t()).view(steps, batch, -1)  # (T, B, 4H)
        self.seen = new(steps + 1, batch, self.wide + hidden)  # before each step, and after the last
        self.cells = new(kept + 1, batch, hidden)
        self.slots = new(kept + 1, batch, kernels.READ + kernels.PER_HEAD * heads, slots)
        self.order = torch.empty(kept + 1, batch, slots, dtype=torch.int32)  # slots by usage
        self.orders = new(kept, batch, len(w_interface))  # the interface vector's parts in their ranges
        count = -(-steps // self.every) if keep else 0
        self.memories = new(count, *self.state.memory.shape)  # before steps 0, every, 2 · every, ...
        self.links = new(count, *self.state.link.shape)
        self.starts = {}  # a step with a reset -> (seen, cells, slots) it starts from

    def forward(self) -> tuple[Tensor, ...]:
        """Return seen after each step (T, B, R·W + H), then the parts of the last state."""
        heads = self.heads
        self._set_start()
        memories, links = self._places()
        tensors = (self.gates, self.seen, self.cells, self.slots, self.order, self.orders)
        gates, seen, cells, slots, order, orders = (list(part.numpy()) for part in tensors)
        gates_t, seen_t, hidden_t = self.gates.unbind(), self.seen.unbind(), self.seen[:, :, self.wide :].unbind()
        raw = torch.empty_like(self.orders[0])
        raw_array, w_seen, w_interface = raw.numpy(), self.w_seen.t(), self.w_interface.t()
        for t in range(self.steps):
            now, before, after = (t, t, t + 1) if self.keep else (0, t % 2, (t + 1) % 2)
            seen_before, cells_before, slots_before = seen_t[t], cells[before], slots[before]
            if t in self.fresh:
                seen_before, cells_before, slots_before = self._start_again(t, before, memories[t], links[t])
            gates_t[t].addmm_(seen_before, w_seen)
            kernels.cells(gates[t], cells_before, cells[after], seen[t + 1], self.wide)
            torch.addmm(self.b_interface, hidden_t[t + 1], w_interface, out=raw)
            kernels.write_and_read(
                raw_array, orders[now], slots_before, slots[after], order[before], order[after],
                *memories[t : t + 2], *links[t : t + 2], seen[t + 1], heads,
            )  # fmt: skip
            if self.traced is not None:
                self.traced.append((memories[t + 1].copy(), links[t + 1].copy()))
        after = self.steps if self.keep else self.steps % 2
        return self.seen[1:], *self._state_from(self.seen[-1], self.cells[after], self.slots[after], memories[-1], links[-1])

    def _places(self) -> tuple[list, list]:
        """Return where memory and link stand before each step and after the last: a place to keep, or the one that moves on."""
        places = []
        for first, kept in ((self.state.memory, self.memories), (self.state.link, self.links)):
            moving = first.clone()
            kept[:1] = first
            place = [kept[t // self.every] if self.keep and t % self.every == 0 else moving for t in range(self.steps)]
            places.append([part.numpy() for part in (*place, moving)])
        return places[0], places[1]

    def _start_again(self, t: int, before: int, memory, link) -> tuple:
        """Clear what the elements with a reset at step t bring along; return seen, cells and slots to start from."""
        fresh = self.fresh[t]
        memory[fresh.numpy()], link[fresh.numpy()] = 0, 0
        seen, cells, slots = (_cleared(part, fresh) for part in (self.seen[t], self.cells[before], self.slots[before]))
        start = seen, cells.numpy(), slots.numpy()
        if self.keep:
            self.starts[t] = start
        return start

    def _set_start(self) -> None:
        state, rows = self.state, self.slots[0]
        self.seen[0, :, : self.wide], self.seen[0, :, self.wide :] = state.reads.flatten(1), state.h
        self.cells[0] = state.c
        rows[:, kernels.USAGE], rows[:, kernels.WRITE] = state.usage, state.write
        rows[:, kernels.PRECEDENCE] = state.precedence if state.link.shape[1] else 0
        rows[:, kernels.READ : kernels.READ + self.heads] = state.read
        self.order[0] = torch.arange(rows.shape[-1])

    def _state_from(self, seen, cells, rows, memory, link) -> DNCState:
        """Return copies of the parts, out of the buffers."""
        precedence = rows[:, kernels.PRECEDENCE, : link.shape[1]]
        read = rows[:, kernels.READ : kernels.READ + self.heads]
        memory, link = torch.from_numpy(memory), torch.from_numpy(link)
        parts = seen[:, self.wide :], cells, memory, rows[:, kernels.USAGE], precedence, link, rows[:, kernels.WRITE], read
        return DNCState(*(part.clone() for part in parts), seen[:, : self.wide].reshape_as(self.state.reads).clone())

    def backward(self, detached, inputs_too, d_out, *d_last) -> tuple[Tensor | None, ...]:
        """Return the gradients of inputs, weights and state, from those of what `forward` returned (None is zero)."""
        state, heads, wide = self.state, self.heads, self.wide
        d_state = DNCState(*(torch.zeros_like(part) if d is None else d.clone() for d, part in zip(d_last, state, strict=True)))
        d_seen = torch.zeros_like(self.seen[1:]) if d_out is None else d_out.clone(memory_format=torch.contiguous_format)
        d_seen[-1, :, :wide] += d_state.reads.flatten(1)
        d_seen[-1, :, wide:] += d_state.h
        d_cells, d_memory, d_link = (part.contiguous() for part in (d_state.c, d_state.memory, d_state.link))
        rows = (d_state.usage, d_state.write, d_state.precedence if d_link.shape[1] else torch.zeros_like(d_state.usage))
        carried = torch.cat([torch.stack(rows, 1), d_state.read], 1)
        d_gates, d_raw = torch.empty_like(self.gates), torch.empty_like(self.orders)
        d_hidden = torch.empty_like(state.h)

        parts = (self.gates, self.cells, self.slots, self.order, self.orders, d_seen, d_gates, d_raw)
        gates, cells, slots, order, orders, d_seen_arrays, d_gates_arrays, d_raw_arrays = (list(p.numpy()) for p in parts)
        carrying = [part.numpy() for part in (carried, d_memory, d_link)]
        d_cells_array, d_hidden_array = d_cells.numpy(), d_hidden.numpy()
        scratch = [part.new_empty(self.every - 1, *part.shape[1:]).numpy() for part in (self.memories, self.links)]
        d_gates_t, d_raw_t, d_seen_t, d_shown_t = (p.unbind() for p in (d_gates, d_raw, d_seen, d_seen[:, :, wide:]))
        for t in reversed(range(self.steps)):
            at = t % self.every
            if t == self.steps - 1 or at == self.every - 1:
                memories, links = self._remember(t, *scratch)
            _, cells_before, slots_before = self.starts.get(t, (None, cells[t], slots[t]))
            kernels.write_and_read_backward(
                orders[t], slots_before, slots[t + 1], order[t + 1], memories[at], links[at],
                d_seen_arrays[t], *carrying, d_raw_arrays[t], heads, detached,
            )  # fmt: skip
            torch.addmm(d_shown_t[t], d_raw_t[t], self.w_interface, out=d_hidden)
            kernels.cells_backward(gates[t], cells_before, cells[t + 1], d_hidden_array, d_cells_array, d_gates_arrays[t])
            if t and t not in self.fresh:
                d_seen_t[t - 1].addmm_(d_gates_t[t], self.w_seen)
                continue
            d_before = d_gates_t[t] @ self.w_seen
            if t in self.fresh:  # what was before a reset has no part in what came after
                for part in (d_cells, carried, d_memory, d_link, d_before):
                    part[self.fresh[t]] = 0
            if t:
                d_seen_t[t - 1].add_(d_before)

        d_start = DNCState(
            d_before[:, wide:], d_cells, d_memory, carried[:, 0], carried[:, 2, : d_link.shape[1]], d_link,
            carried[:, 1], carried[:, kernels.CARRIED :], d_before[:, :wide].view_as(state.reads),
        )  # fmt: skip
        return *self._weight_gradients(d_gates, d_raw, inputs_too), *d_start

    def _remember(self, last: int, memories, links) -> tuple[list, list]:
        """Make memory and link before each step again, from the last kept ones up to step `last`; the rest is scratch."""
        start = last - last % self.every
        memories = [self.memories[start // self.every].numpy(), *memories]
        links = [self.links[start // self.every].numpy(), *links]
        for i, t in enumerate(range(start, last)):
            _, _, before = self.starts.get(t, (None, None, self.slots[t].numpy()))
            after = self.slots[t + 1].numpy()
            kernels.replay(self.orders[t].numpy(), before, after, *memories[i : i + 2], *links[i : i + 2], self.heads)
            if t + 1 in self.fresh:
                fresh = self.fresh[t + 1].numpy()
                memories[i + 1][fresh], links[i + 1][fresh] = 0, 0
        return memories, links

    def trace(self) -> Trace:
        """Return what happened at each step, time first."""
        heads, slots, orders = self.heads, self.slots[1:], self.orders
        memory, link = (torch.from_numpy(np.stack(parts)) for parts in zip(*self.traced, strict=True))
        sizes = interface_sizes(memory.shape[-1], heads, "full" if link.shape[-1] else "none")
        parts = dict(zip(sizes, orders.split(list(sizes.values()), -1), strict=True))
        return Trace(
            slots[:, :, kernels.WRITE], slots[:, :, kernels.READ : kernels.READ + heads], slots[:, :, kernels.ALLOCATION],
            slots[:, :, kernels.USAGE], parts["free_gates"], parts["allocation_gate"].squeeze(-1),
            parts["write_gate"].squeeze(-1), parts["read_modes"].unflatten(-1, (heads, -1)), link, memory,
        )  # fmt: skip

    def _weight_gradients(self, d_gates: Tensor, d_raw: Tensor, inputs_too: bool) -> tuple[Tensor, ...]:
        """Return the gradients of inputs, controller weight and bias, interface weight and bias."""
        seen = self.seen[:-1]
        if self.starts:
            seen = seen.clone()
            for t, (start, _, _) in self.starts.items():
                seen[t] = start
        hidden = self.seen[1:, :, self.wide :].flatten(0, 1)
        d_gates, d_raw = d_gates.flatten(0, 1), d_raw.flatten(0, 1)
        d_inputs = (d_gates @ self.w_input).view(self.steps, -1, self.inputs.shape[-1]) if inputs_too else None
        d_controller = torch.cat([d_gates.t() @ self.inputs, d_gates.t() @ seen.flatten(0, 1)], 1)
        return d_inputs, d_controller, d_gates.sum(0), d_raw.t() @ hidden, d_raw.sum(0)
