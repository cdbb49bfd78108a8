"""Train DNCs and LSTMs on a curriculum of sequences, many times and under equal conditions, and measure what they learn.

Reading guide. `Recipe` says which network and how it is trained; `train` is one training run; `measure` tests a network at
every length; `run` is both, `run_many` does it for a list of recipes and seeds in parallel. `grid` and `survivors` are
the search for the best recipe, the same for every network. What happens inside the memory is in `memory_study`.

All data of a run come from its first seed, so networks with the same first seed see the same sequences in the same order.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.recurrent import RecurrentCore
from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.addition.sequences import Sequences

RATES = (5e-3, 1e-2, 2e-2, 4e-2, 8e-2, 1.6e-1)
CLIPS = (1.0, 10.0)
BATCH = 16  # sequences an update
BLOCK = 64  # batches drawn at once: to make many small tensors takes longer than to fill a large one
PER_LENGTH = 64  # test sequences of each length
LAST_RATE = 0.02  # the learning rate falls linearly to this share of itself
DIVERGED = 1e6  # the error that stands for "not a number"


class Task(NamedTuple):
    """A task with the lengths at which it is trained and tested."""

    make: Callable[..., Sequences]
    inputs: int  # D
    outputs: int  # Y
    levels: int  # of the curriculum; the longest trained length is twice that
    beyond: tuple[int, ...]  # lengths that are never trained


TASKS = {
    "addition": Task(tasks.addition, 6, 1, 6, (16, 20, 25, 30, 60, 100)),
    "repeat": Task(tasks.repeat, 6, 6, 3, (8, 10, 12, 16, 20)),
    "priority_sort": Task(tasks.priority_sort, 6, 4, 3, (8, 10, 12, 16, 20)),
    "copy": Task(tasks.copy, 6, 5, 3, (7, 8, 10, 12, 16)),
    "associative_recall": Task(partial(tasks.associative_recall, rows=1), 8, 6, 3, (8, 10, 12, 16, 20)),
}


@dataclass(frozen=True)
class Recipe:
    """Say which network is trained and how; plain values, so that it can name a result in a cache.

    Args:
        core: "dnc" or "lstm".
        hidden: H, LSTM cells (of the controller, in a DNC).
        rate: learning rate of Adam at the start.
        clip: gradients are scaled down to this norm.
        bias: start with the bias that helps this family: a DNC's allocation gate at -3, an LSTM's forget gate at +1.
        slots, width: N and W of a DNC.
        detach: no gradient through the DNC's addressing.
        off: "lstm" or "memory": this one of the DNC's two ways to remember is switched off during the first level; its
            weights then start as drawn, and so does Adam. "redraw" is the sham: nothing is switched off, but after the
            first level the weights that "lstm" would have held start as drawn, and so does Adam.
    """

    core: str = "dnc"
    hidden: int = 64
    rate: float = 2e-2
    clip: float = 1.0
    bias: bool = True
    slots: int = 16
    width: int = 16
    detach: bool = False
    off: str = ""


def build(recipe: Recipe, task: str, generator: torch.Generator) -> RecurrentCore:
    """Make the recipe's network for a task.

    Raises:
        ValueError: an unknown core or task, or a way to remember that this core does not have.
    """
    known = {"dnc": ("", "lstm", "memory", "redraw"), "lstm": ("",)}
    if recipe.core not in known or recipe.off not in known[recipe.core] or task not in TASKS:
        raise ValueError(
            f"core, off, task are {recipe.core!r}, {recipe.off!r}, {task!r}; choose dnc (off: lstm, memory, redraw or nothing) "
            f"or lstm (off: nothing), and a task of {', '.join(TASKS)}"
        )
    inputs, outputs = TASKS[task].inputs, TASKS[task].outputs
    if recipe.core == "lstm":
        return LSTM(inputs, recipe.hidden, outputs, generator=generator, forget_bias=1.0 if recipe.bias else None)
    options = {"detach_addressing": recipe.detach, "biases": {"allocation_gate": -3.0} if recipe.bias else None}
    return DNC(inputs, recipe.hidden, recipe.slots, recipe.width, outputs=outputs, generator=generator, **options)


def parameter_count(recipe: Recipe, task: str) -> int:
    """Return how many numbers the recipe's network learns."""
    return sum(p.numel() for p in build(recipe, task, torch.Generator()).parameters())


def equal_hidden(recipe: Recipe, task: str) -> int:
    """Return the hidden size at which an LSTM has the same number of parameters as the recipe's network, or nearest to it.

    Example:
        >>> equal_hidden(Recipe(), "addition")
        78
    """
    wanted = parameter_count(recipe, task)
    d, y = TASKS[task].inputs, TASKS[task].outputs

    def distance(h: int) -> int:
        return abs(4 * h * (d + h + 2) + y * (h + 1) - wanted)

    return min(range(1, math.isqrt(wanted) + 2), key=distance)


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
    count: int,
    watch: Callable[[RecurrentCore, int], None] = lambda core, seen: None,
) -> RecurrentCore:
    """Train one network, level after level.

    Args:
        recipe: which and how.
        seeds: of the data and of the initial weights.
        task: a name in `TASKS`.
        levels: shortest and longest length of each, as from `curriculum`.
        count: training sequences, the same share for every level.
        watch: called with the network and the number of sequences seen so far, before the first update and after each.

    Returns:
        The trained network. If its gradient stops being a number, training ends there and so do all weights.

    Raises:
        ValueError: fewer sequences than a batch a level; see also `build`.
    """
    if count < BATCH * len(levels):
        raise ValueError(f"count is {count}; it must be at least {BATCH * len(levels)}, one batch a level")
    torch.set_num_threads(1)
    core = build(recipe, task, torch.Generator().manual_seed(seeds[1]))
    updates = count // BATCH
    held = _held(core, recipe.off)
    optimiser = torch.optim.Adam(core.parameters(), recipe.rate, fused=True)
    watch(core, 0)
    for update, (level, batch) in enumerate(_batches(task, levels, count, torch.Generator().manual_seed(seeds[0]))):
        if held and level > 0:
            for part in held:
                part.weight.detach()[part.place] = part.drawn
            held = []
            optimiser = torch.optim.Adam(core.parameters(), recipe.rate, fused=True)  # its averages knew another network
        for part in held:
            part.hold()
        optimiser.param_groups[0]["lr"] = recipe.rate * (1 - (1 - LAST_RATE) * update / updates)
        optimiser.zero_grad()
        now = loss(core(batch.inputs)[0], batch)
        now.backward()
        for part in held:
            part.hold_gradient()
        norm = torch.nn.utils.clip_grad_norm_(core.parameters(), recipe.clip)
        if not norm.isfinite():
            for parameter in core.parameters():
                parameter.detach().fill_(math.nan)
            break
        optimiser.step()
        watch(core, (update + 1) * BATCH)
    return core


def _batches(
    task: str, levels: Sequence[tuple[int, int]], count: int, generator: torch.Generator
) -> Iterator[tuple[int, Sequences]]:
    """Yield the level and the sequences of each update, no longer than the longest of its batch."""
    of_update = [tasks.level_at(u * BATCH, count // len(levels), len(levels)) for u in range(count // BATCH)]
    for level, same in itertools.groupby(of_update):
        left = len(list(same))
        while left:
            size = min(left, BLOCK)
            left -= size
            block = TASKS[task].make(tasks.lengths(size * BATCH, *levels[level], generator=generator), generator=generator)
            longest = block.rows.sum(1).view(size, BATCH).amax(1).tolist()
            for i, rows in enumerate(longest):
                yield level, Sequences(*(part[i * BATCH : (i + 1) * BATCH, :rows] for part in block))


class _Held(NamedTuple):
    """A part of a weight that is held at a value (None: only watched) during the first level."""

    weight: Tensor
    place: tuple
    value: float | None
    drawn: Tensor

    def hold(self) -> None:
        if self.value is not None:
            self.weight.detach()[self.place] = self.value

    def hold_gradient(self) -> None:
        """Keep it out of the gradient's norm, and so out of what clipping does to all others."""
        if self.value is not None:
            self.weight.grad[self.place] = 0.0


def _held(core: RecurrentCore, off: str) -> list[_Held]:
    """Return the weights that switch off a way to remember: where they are, the value that does it, and what was drawn."""
    if not off:
        return []
    weight, bias, output, h = core.controller.weight, core.controller.bias, core.output.weight, core.hidden_size
    every, forget = slice(None), slice(h, 2 * h)
    if off == "memory":  # what is read reaches neither the controller nor the answer
        parts = [(weight, (every, slice(core.input_size, -h)), 0.0), (output, (every, slice(h, None)), 0.0)]
    else:  # nothing of the last h is seen, nothing of the last c is kept: only the memory crosses a step
        parts = [(weight, (every, slice(-h, None)), 0.0), (weight, (forget,), 0.0), (bias, (forget,), -20.0)]
    return [_Held(w, at, None if off == "redraw" else value, w.detach()[at].clone()) for w, at, value in parts]


class Score(NamedTuple):
    """Hold how well one length is answered."""

    error: float  # mean squared error of the rows where an answer is due
    right: float  # share of sequences with every number of the answer within 0.5


@torch.no_grad()
def measure(
    core: RecurrentCore, task: str, lengths: Sequence[int], seed: int, *, slots: int | None = None, per_length: int = PER_LENGTH
) -> list[Score]:
    """Test a network on fresh sequences, the same for everybody with this seed.

    Args:
        core: the network.
        task: a name in `TASKS`.
        lengths: which ones.
        seed: of the test sequences; each length has its own.
        slots: memory slots, if other than in training.
        per_length: test sequences of each length.

    Returns:
        One `Score` a length.
    """
    return [_score(core, test_set(task, length, seed, per_length), slots) for length in lengths]


def test_set(task: str, length: int, seed: int, per_length: int = PER_LENGTH) -> Sequences:
    """Return the test sequences of one length."""
    generator = torch.Generator().manual_seed(seed * 1009 + length)
    return TASKS[task].make(torch.full((per_length,), length), generator=generator)


test_set.__test__ = False  # not a test, whatever pytest makes of its name


def _score(core: RecurrentCore, batch: Sequences, slots: int | None) -> Score:
    start = core.initial_state(len(batch.inputs), slots=slots) if slots else None
    answers, _ = core(batch.inputs, start)
    difference = (answers - batch.targets)[batch.answers].reshape(len(answers), -1)  # equal lengths: equally many rows each
    error = difference.square().mean().item()
    right = (difference.abs() < 0.5).all(1).float().mean().item()
    return Score(error if math.isfinite(error) else DIVERGED, right)


def run(
    recipe: Recipe,
    seeds: tuple[int, int],
    *,
    task: str,
    levels: Sequence[tuple[int, int]],
    count: int,
    test_seed: int,
    details: bool = True,
) -> dict:
    """Train one network and measure it.

    Args:
        recipe, seeds, task, levels, count: as for `train`.
        test_seed: of the test sequences.
        details: also the curve, the retention matrix, the lengths beyond and the weights.

    Returns:
        error: mean squared error over all lengths of the last level; and with details:
        seen (C,), curve (C,): that error for the level of the moment, against the sequences seen;
        retention, kept (L, L): error and share of right answers on level j (column) after stage i (row);
        lengths, errors, rights: for every trained length and those beyond; weights: the network's.
    """
    curve, stages = [], []
    every = BATCH * max(4, count // 30 // BATCH)
    level_at = partial(tasks.level_at, every=count // len(levels), levels=len(levels))

    def level_scores(core: RecurrentCore, wanted: Sequence[tuple[int, int]], per_length: int) -> list[np.ndarray]:
        lengths = range(min(wanted)[0], max(high for _, high in wanted) + 1)
        scores = np.array(measure(core, task, lengths, test_seed, per_length=per_length))
        return [scores[low - lengths[0] : high + 1 - lengths[0]].mean(0) for low, high in wanted]

    def watch(core: RecurrentCore, seen: int) -> None:
        level = level_at(max(seen - BATCH, 0))  # of the batch just seen
        last = seen == count // BATCH * BATCH
        if seen % every == 0:
            curve.append((seen, level_scores(core, [levels[level]], PER_LENGTH // 4)[0][0]))
        if seen and (last or level_at(seen) > level):
            stages.append(level_scores(core, levels, PER_LENGTH // 2))

    core = train(recipe, seeds, task=task, levels=levels, count=count, watch=watch if details else lambda core, seen: None)
    result = {"error": float(level_scores(core, levels[-1:], PER_LENGTH)[0][0])}
    if details:
        lengths = [*range(levels[0][0], levels[-1][1] + 1), *TASKS[task].beyond]
        errors, rights = zip(*measure(core, task, lengths, test_seed), strict=True)
        while len(stages) < len(levels):  # a run that diverged
            stages.append([(DIVERGED, 0.0)] * len(levels))
        table = np.array(stages)
        seen, values = zip(*curve, strict=True)
        result |= {"seen": np.array(seen), "curve": np.array(values), "retention": table[..., 0], "kept": table[..., 1]}
        result |= {"lengths": lengths, "errors": errors, "rights": rights, "weights": core.state_dict()}
    return result


Job = tuple[Recipe, tuple[int, int]]


def run_many(jobs: Sequence[Job], **numbers) -> list[dict]:
    """Do `run` for each pair of recipe and seeds, in parallel processes; the results do not depend on how many.

    Args:
        jobs: recipes with their seeds.
        numbers: the other arguments of `run`.
    """
    processes = -1 if numbers["count"] >= 2000 and len(jobs) > 1 else 1  # processes take seconds to start
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")  # joblib takes loading torch for a memory leak
        return Parallel(n_jobs=processes)(delayed(run)(recipe, seeds, **numbers) for recipe, seeds in jobs)


def grid(base: Recipe, rates: Sequence[float] = RATES, biases: Sequence[bool] = (False, True)) -> list[Recipe]:
    """Return every combination of learning rate, clip and initial bias for a network: the same search for all."""
    return [replace(base, rate=r, clip=c, bias=b) for r, c, b in itertools.product(rates, CLIPS, biases)]


def survivors(errors: dict[Recipe, list[float]], keep: int) -> list[Recipe]:
    """Return the recipes with the lowest median error, best first; the first in the grid wins a tie."""
    return sorted(errors, key=lambda recipe: float(np.median(errors[recipe])))[:keep]


def on_edge(recipe: Recipe, rates: Sequence[float] = RATES) -> bool:
    """Return whether a recipe's learning rate is the lowest or highest of those tried: a better one may lie outside."""
    return recipe.rate in (min(rates), max(rates))


def restore(recipe: Recipe, task: str, weights: dict[str, Tensor]) -> RecurrentCore:
    """Return a network with stored weights."""
    core = build(recipe, task, torch.Generator())
    core.load_state_dict(weights)
    return core.eval()
