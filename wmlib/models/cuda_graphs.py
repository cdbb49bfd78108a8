"""Recurrent networks on a GPU: hundreds of small operations captured once and replayed as one (CUDA graphs).

Reading guide. A step of a DNC is about two hundred small operations, and a GPU is done with each before Python has asked for
the next. `capture` records a function that works in place on tensors that stay where they are; `capture_training` records the
forward and the backward pass of a core along a sequence. Both compute what the plain call computes.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wmlib.models.layers import check_sizes, full_precision
from wmlib.models.recurrent import RecurrentCore


def capture(function: Callable[[], Any], device: torch.device) -> Callable[[], Any]:
    """Return a callable that does what `function` does: on a GPU its captured graph, elsewhere itself.

    Args:
        function: works in place, on tensors that stay where they are and that the caller keeps alive. On a GPU it is called
            here, three times to warm up and once to record; it must not ask the GPU for anything that Python has to wait for.
    """
    if device.type != "cuda":
        return function
    gc.collect()  # graphs that are no longer used hold memory, and hold each other
    stream = torch.cuda.Stream(device)
    usual = torch.cuda.current_stream(device)
    stream.wait_stream(usual)
    with torch.cuda.stream(stream):  # CUDA wants the warm-up of a capture on a side stream
        for _ in range(3):
            function()
    usual.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay


@contextmanager
def unchecked(core: RecurrentCore) -> Iterator[None]:
    """Let a core take its inputs as they are: to look at them, Python would have to wait."""
    core._checked_state = lambda inputs, state, reset: state  # type: ignore[method-assign]
    try:
        yield
    finally:
        del core._checked_state


def capture_training(core: RecurrentCore, batch_size: int, seq_len: int) -> None:
    """Capture a core's forward and backward pass along (B, T, D), and use them for calls of this shape with state and resets.

    Outputs and state of such a call are overwritten by the next: call `backward` before the next call. A state through which a
    gradient flows, and calls of other shapes, are answered as before. The core can no longer be copied or pickled; take its
    `state_dict`.

    Args:
        core: on a GPU.
        batch_size, seq_len: B and T.
    """
    batch_size, seq_len = check_sizes(batch_size=batch_size, seq_len=seq_len)
    gc.collect()  # see `capture`
    like = next(core.parameters())
    plain = type(core).forward.__get__(core)
    start = core.initial_state(batch_size)
    inputs = like.new_zeros(batch_size, seq_len, core.input_size).requires_grad_()
    reset = torch.zeros(batch_size, seq_len, dtype=torch.bool, device=like.device)
    graphed: Any = torch.cuda.make_graphed_callables(_Sequence(core, plain, type(start)), (inputs, reset, *start))

    @full_precision
    def forward(core: RecurrentCore, inputs: Tensor, state: Any = None, reset: Tensor | None = None, **options: Any):
        matches = isinstance(state, type(start)) and reset is not None and not options and torch.is_grad_enabled()
        matches = matches and inputs.is_cuda
        if not matches or inputs.shape[:-1] != (batch_size, seq_len) or any(part.requires_grad for part in state):
            return plain(inputs, state, reset, **options)
        core._checked_state(inputs, state, reset)
        if any(new.shape != old.shape for new, old in zip(state, start, strict=True)):
            return plain(inputs, state, reset)
        outputs, *new = graphed(inputs, reset, *state)
        return outputs, type(state)(*new)

    core.forward = forward.__get__(core)  # type: ignore[method-assign]


class _Sequence(nn.Module):
    """A core's `forward` with tensors alone as arguments and results."""

    def __init__(self, core: RecurrentCore, plain: Callable, kind: type):
        super().__init__()
        self.core, self.plain, self.kind = core, plain, kind

    def forward(self, inputs: Tensor, reset: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        with unchecked(self.core), _WithoutSync():
            outputs, new = self.plain(inputs, self.kind(*state), reset)
        return outputs, *new


class _WithoutSync(TorchFunctionMode):
    """Take products in a way whose gradient does not ask the GPU first whether a factor is 0, and wait for its answer.

    Two places need it: `addressing.update_usage` and `addressing.allocation`.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.prod:  # over a few read heads
            return functools.reduce(torch.mul, args[0].unbind(args[1]))
        if function is torch.cumprod:  # of usages, which are above 0
            return args[0].log().cumsum(args[1]).exp()
        return function(*args, **(kwargs or {}))
