"""Training one network on a curriculum of sequences.

Reading guide. `train` is the loop: level after level, batch after batch. `loss` is the author's. `held_weights` is an
experiment: it returns the weights to hold during the first level, so that one of the DNC's two ways to remember is off.
`cut_read_out` returns those that keep the controller out of the answer, which are never released.

All data come from the first of two seeds, so networks with the same first seed see the same sequences in the same order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_

from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.addition.recipes import TASKS, Recipe, build
from wmlib.lessons.addition.sequences import Sequences
from wmlib.models.recurrent import RecurrentCore
from wmlib.training.divergence import DivergenceWatch, TrainingDivergedError, gradient_norm

BLOCK = 64  # batches drawn at once: to make many small tensors takes longer than to fill a large one

Watch = Callable[[RecurrentCore, int], None]


def loss(outputs: Tensor, batch: Sequences) -> Tensor:
    """Return the squared error, summed over all rows inside a sequence, averaged over the batch.

    Source: Mufti's public DNC code: the rows before the answer count too, with target 0.
    """
    return ((outputs - batch.targets).square().sum(-1) * batch.rows).sum() / len(outputs)


def train(
    recipe: Recipe,
    seeds: tuple[int, int],
    *,
    task: str,
    levels: Sequence[tuple[int, int]],
    sequences: int,
    watch: Watch | None = None,
) -> RecurrentCore:
    """Train one network, level after level.

    Args:
        recipe: the network and how it is trained.
        seeds: of the data and of the initial weights.
        task: a name in `TASKS`.
        levels: shortest and longest length of each, as from `curriculum`.
        sequences: training sequences, the same number for every level.
        watch: called with the network and the number of sequences seen so far, before the first update and after each.

    Returns:
        The trained network. A training that diverges is a result here, of its recipe: it ends there, and all weights are NaN.

    Raises:
        ValueError: fewer sequences than a batch a level; see also `build`.
    """
    size = recipe.batch_size
    if sequences < size * len(levels):
        raise ValueError(f"sequences: got {sequences}; it must be at least {size * len(levels)}, one batch a level")
    core = build(recipe, task, torch.Generator().manual_seed(seeds[1]))
    updates = sequences // size
    at_first = held_weights(core, recipe.off_at_first, recipe.sham)
    always = cut_read_out(core) if recipe.cut_read_out else []
    optimizer = torch.optim.Adam(core.parameters(), recipe.lr, fused=True)
    divergence = DivergenceWatch(core)
    if watch is not None:
        watch(core, 0)
    data = batches(task, levels, sequences, torch.Generator().manual_seed(seeds[0]), size)
    for update, (level, batch) in enumerate(data):
        if at_first and level > 0:
            for part in at_first:
                part.release()
            at_first = []
            optimizer = torch.optim.Adam(core.parameters(), recipe.lr, fused=True)  # its averages were of other weights
        optimizer.param_groups[0]["lr"] = recipe.lr * (1 - (1 - recipe.final_lr) * update / updates)
        max_grad_norm = recipe.max_grad_norm if update <= recipe.clip_until * updates else math.inf
        try:
            _update(update, core, batch, optimizer, max_grad_norm, [*at_first, *always], divergence)
        except TrainingDivergedError:
            for parameter in core.parameters():
                parameter.detach().fill_(math.nan)
            break
        if watch is not None:
            watch(core, (update + 1) * size)
    return core


def _update(
    step: int,
    core: RecurrentCore,
    batch: Sequences,
    optimizer: torch.optim.Optimizer,
    max_grad_norm: float,
    held: Sequence[HeldWeight],
    divergence: DivergenceWatch,
) -> None:
    """Do one update, or raise `TrainingDivergedError` before anything is changed."""
    for part in held:
        part.hold()
    optimizer.zero_grad()
    outputs, _ = core(batch.inputs)
    total = loss(outputs, batch)
    total.backward()
    for part in held:
        part.hold_gradient()
    norm = gradient_norm(core)
    divergence.see(step, optimizer.param_groups[0]["lr"], total, norm)
    clip_grads_with_norm_(core.parameters(), max_grad_norm, norm)
    optimizer.step()


def batches(
    task: str, levels: Sequence[tuple[int, int]], sequences: int, generator: torch.Generator, batch_size: int = 16
) -> Iterator[tuple[int, Sequences]]:
    """Yield the level and the sequences of each update, no longer than the longest of its batch.

    Args:
        task, levels, sequences: as for `train`.
        generator: draws lengths and sequences.
        batch_size: sequences an update.
    """
    sequences_per_level = sequences // len(levels)
    first_sequences = range(0, sequences // batch_size * batch_size, batch_size)  # of each update
    level_of_update = [tasks.level_at(first, sequences_per_level, len(levels)) for first in first_sequences]
    for level, updates in itertools.groupby(level_of_update):
        remaining = len(list(updates))
        while remaining:
            size = min(remaining, BLOCK)
            remaining -= size
            lengths = tasks.sample_lengths(size * batch_size, *levels[level], generator=generator)
            block = TASKS[task].make(lengths, generator=generator)
            longest = block.rows.sum(1).view(size, batch_size).amax(1).tolist()
            for i, rows in enumerate(longest):
                yield level, Sequences(*(part[i * batch_size : (i + 1) * batch_size, :rows] for part in block))


class HeldWeight(NamedTuple):
    """A part of a weight that is held at a value until it is released.

    Args:
        weight: the tensor.
        place: index of the part.
        value: at which the part is held; None: it is trained like the others, but released all the same.
        initial: the part's initial values, which it gets back when it is released.
    """

    weight: Tensor
    place: tuple[slice, ...]
    value: float | None
    initial: Tensor

    def hold(self) -> None:
        """Set the part to its value."""
        if self.value is not None:
            self.weight.detach()[self.place] = self.value

    def hold_gradient(self) -> None:
        """Zero the part's gradient, so that it does not count in the norm by which all gradients are clipped."""
        if self.value is not None and self.weight.grad is not None:
            self.weight.grad[self.place] = 0.0

    def release(self) -> None:
        """Restore the initial values."""
        self.weight.detach()[self.place] = self.initial


def held_weights(core: Any, off_at_first: str, sham: bool = False) -> list[HeldWeight]:
    """Return the weights that switch off a way to remember, and the values at which they do so.

    Args:
        core: a new network; a DNC, unless nothing is off.
        off_at_first, sham: see `Recipe`.
    """
    if not off_at_first:
        return []
    weight = core.controller.weight
    bias = core.controller.bias
    output = core.output.weight
    h = core.hidden_size
    all_rows = slice(None)
    parts: list[tuple[Tensor, tuple[slice, ...], float]]
    forget = slice(h, 2 * h)
    if off_at_first == "memory":  # what is read reaches neither the controller nor the answer
        parts = [(weight, (all_rows, slice(core.input_size, -h)), 0.0), (output, (all_rows, slice(h, None)), 0.0)]
    else:  # the controller sees nothing of the last h and keeps nothing of the last c: only the memory crosses a step
        parts = [(weight, (all_rows, slice(-h, None)), 0.0), (weight, (forget,), 0.0), (bias, (forget,), -20.0)]
    return [
        HeldWeight(tensor, place, None if sham else value, tensor.detach()[place].clone()) for tensor, place, value in parts
    ]


def cut_read_out(core: Any) -> list[HeldWeight]:
    """Return the weights by which a DNC's output layer sees the controller, to be held at 0 in every update.

    Adam never moves them: their gradient is 0 from the first update on.
    """
    place = (slice(None), slice(core.hidden_size))
    return [HeldWeight(core.output.weight, place, 0.0, core.output.weight.detach()[place].clone())]
