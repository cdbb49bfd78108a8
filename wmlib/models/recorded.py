"""Recurrent networks on a GPU: hundreds of small operations recorded once, and then asked for as one (CUDA graphs).

Reading guide. A step of a DNC is about a hundred small operations, and a GPU is done with each before Python has asked for the
next. `replayed` records a function that works in place on tensors that stay where they are; `record_training` records a
core's way along a sequence and the way of the gradient back. Both compute what the plain call computes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wmlib.models.recurrent import RecurrentCore


def replayed(function: Callable[[], Any], device: torch.device) -> Callable[[], Any]:
    """Return what does as `function` does: on a GPU a recording of it, elsewhere itself.

    Args:
        function: works in place, on tensors that stay where they are; it is called three times to warm up, and asks the GPU
            for nothing that Python would have to wait for.
    """
    if device.type != "cuda":
        return function
    with _warm_stream(device):
        for _ in range(3):
            function()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay


@contextmanager
def unchecked(core: RecurrentCore) -> Iterator[None]:
    """Let a core take its inputs as they are: to look at them, Python would have to wait."""
    core._checked_state = lambda inputs, state, reset: state
    try:
        yield
    finally:
        del core._checked_state


def record_training(core: RecurrentCore, batch: int, length: int) -> None:
    """Let a core on a GPU answer calls with gradient and inputs (batch, length, D), a state and resets, from a recording.

    The outputs of a call are overwritten by the next one. All other calls are done as before.
    """
    like = next(core.parameters())
    plain, state = core.forward, core.initial_state(batch)
    inputs = like.new_zeros(batch, length, core.input_size).requires_grad_()
    reset = torch.zeros(batch, length, dtype=torch.bool, device=like.device)
    graphed = torch.cuda.make_graphed_callables(_Sequence(core, plain, type(state)), (inputs, reset, *state))

    def forward(inputs: Tensor, state: Any = None, reset: Tensor | None = None, **options: Any):
        fits = inputs.shape[:-1] == (batch, length) and inputs.requires_grad and torch.is_grad_enabled()
        if options or not fits or state is None or reset is None:
            return plain(inputs, state, reset, **options)
        outputs, *new = graphed(inputs, reset, *state)
        return outputs, type(state)(*new)

    core.forward = forward


class _Sequence(nn.Module):
    """A core's `forward` with tensors alone as arguments and results."""

    def __init__(self, core: RecurrentCore, plain: Callable, kind: type):
        super().__init__()
        self.core, self.plain, self.kind = core, plain, kind

    def forward(self, inputs: Tensor, reset: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        with unchecked(self.core), _WithoutWaiting():
            outputs, new = self.plain(inputs, self.kind(*state), reset)
        return outputs, *new


class _WithoutWaiting(TorchFunctionMode):
    """Take products in a way whose gradient does not ask the GPU first whether a factor is 0, and wait for its answer."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.Tensor.prod:  # over a few read heads
            return functools.reduce(torch.mul, args[0].unbind(args[1]))
        if function is torch.cumprod:  # of usages, which are above 0
            return args[0].log().cumsum(args[1]).exp()
        return function(*args, **(kwargs or {}))


@contextmanager
def _warm_stream(device: torch.device) -> Iterator[None]:
    """Do something beside what the GPU is asked for otherwise, as a recording wants it of the calls before."""
    stream, usual = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(usual)
    with torch.cuda.stream(stream):
        yield
    usual.wait_stream(stream)
