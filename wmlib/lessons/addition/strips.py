"""One sequence through a trained DNC, step by step: what the memory strips and the slider of notebook 03 show.

Reading guide. `watch` runs one test sequence and returns all of it; `strip` keeps what `memory_inspector.draw_strip` needs.
`in_order_of_writing` renumbers the slots, so that a network that writes to one slot after another draws a diagonal.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from wmlib.lessons.addition.measures import draw_test_set
from wmlib.models.dnc import DNC
from wmlib.models.dnc.memory import Trace
from wmlib.viz import memory_inspector

STRONG = 0.3  # a write weight from which a slot counts as written


class Watched(NamedTuple):
    """Hold one sequence of T steps and what a DNC did."""

    inputs: Tensor  # (T, D)
    targets: Tensor  # (T, Y)
    outputs: Tensor  # (T, Y)
    answers: Tensor  # bool (T,): where the answer is due
    trace: Trace  # of (T, ...)

    @property
    def rows_right(self) -> int:
        """How many rows of the answer have every number within 0.5."""
        near = ((self.outputs - self.targets).abs() < 0.5).all(-1)
        return int((near & self.answers).sum())


@torch.no_grad()
def watch(core: DNC, task: str, length: int, seed: int, num_slots: int | None = None) -> Watched:
    """Run a network on the first test sequence of a length.

    Args:
        core: a trained DNC.
        task: a name in `recipes.TASKS`.
        length: of the sequence.
        seed: of the test sequences.
        num_slots: N, if other than in training.

    Returns:
        The sequence, its slots `in_order_of_writing`.
    """
    batch = draw_test_set(task, length, seed, 1)
    outputs, _, trace = core(batch.inputs, core.initial_state(1, num_slots=num_slots), trace=True)
    single = Trace(*(part[0] for part in trace))
    return Watched(batch.inputs[0], batch.targets[0], outputs[0], batch.answers[0], in_order_of_writing(single))


def in_order_of_writing(trace: Trace) -> Trace:
    """Renumber the slots of a trace (T, ...) by the step that first wrote each: no number but their order changes.

    Slots that no step writes with a weight of at least `STRONG` come last, in their own order.
    """
    steps = len(trace.write)
    strong = trace.write >= STRONG
    first = torch.where(strong.any(0), strong.int().argmax(0), steps)
    order = first.argsort(stable=True)
    link = trace.link[:, order][:, :, order] if trace.link.numel() else trace.link
    return trace._replace(
        write=trace.write[:, order],
        read=trace.read[..., order],
        allocation=trace.allocation[:, order],
        usage=trace.usage[:, order],
        link=link,
        memory=trace.memory[:, order],
    )


def strip(watched: Watched, low: float = -torch.inf, high: float = torch.inf) -> dict:
    """Return what `memory_inspector.draw_strip` needs; outputs are drawn within `low` and `high`."""
    outputs = watched.outputs.clamp(low, high)
    return memory_inspector.record(watched.inputs, outputs, watched.trace, every_step=False)
