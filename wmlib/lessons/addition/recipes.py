"""What is trained, and how: tasks, recipes, and the search for the best recipe, the same for every network.

Reading guide. `Recipe` is one network with its training, in plain values; `build` makes the network for one of the `TASKS`.
`grid` lists the recipes that a search tries, `survivors` the best of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.addition.accumulator import UnboundedLSTM
from wmlib.lessons.addition.sequences import Sequences
from wmlib.models import specs
from wmlib.models.dnc import DNC
from wmlib.models.layers import num_parameters
from wmlib.models.recurrent import RecurrentCore
from wmlib.models.specs import CoreConfig

LEARNING_RATES = (5e-3, 1e-2, 2e-2, 4e-2, 8e-2, 1.6e-1)  # for the search
MAX_GRAD_NORMS = (1.0, 10.0)  # for the search
SWITCHES = {"dnc": ("", "lstm", "memory"), "lstm": ("",)}  # by kind of core: what can be off at first


class Task(NamedTuple):
    """A task with the lengths at which it is trained and tested."""

    make: Callable[..., Sequences]
    input_size: int  # D
    output_size: int  # Y
    levels: int  # of the curriculum; the longest trained length is twice that
    beyond: tuple[int, ...]  # lengths that are never trained

    @property
    def longest(self) -> int:
        """The longest trained length."""
        return 2 * self.levels


TASKS = {
    "addition": Task(tasks.addition, 6, 1, 6, (16, 20, 25, 30, 60, 100)),
    "addition, even totals": Task(partial(tasks.addition, even_totals=True), 6, 1, 6, (16, 20, 25, 30, 60, 100)),
    "repeat": Task(tasks.repeat, 6, 6, 3, (8, 10, 12, 16, 20)),
    "priority_sort": Task(tasks.priority_sort, 6, 4, 3, (8, 10, 12, 16, 20)),
    "copy": Task(tasks.copy, 6, 5, 3, (8, 10, 12, 16, 20)),
    "associative_recall": Task(partial(tasks.associative_recall, rows=1), 8, 6, 3, (8, 10, 12)),
}


@dataclass(frozen=True)
class Recipe:
    """Describe a network and how it is trained, in plain values, so that it can name a result in a cache.

    Args:
        core: the network.
        lr: learning rate of Adam at the start.
        max_grad_norm: gradients are scaled down to this norm; infinite: never.
        unbounded: an LSTM whose read-out sees `o · c`, see `accumulator`.
        off_at_first: "lstm" or "memory": this one of the DNC's two ways to remember is switched off during the first level;
            then its weights and Adam start again from their initial values. "": none.
        sham: nothing is switched off, but after the first level the weights that `off_at_first` would have held, and Adam,
            start again.
        cut_read_out: the DNC's answer comes from the vectors read alone; its output layer does not see the controller.
        clip_until: the last update at which gradients are scaled down, as a proportion of the training.
        batch_size: sequences an update, at least 1.
        final_lr: proportion of itself to which the learning rate falls, linearly; 1: it stays.
    """

    core: CoreConfig
    lr: float = 2e-2
    max_grad_norm: float = 1.0
    unbounded: bool = False
    off_at_first: str = ""
    sham: bool = False
    cut_read_out: bool = False
    clip_until: float = 1.0
    batch_size: int = 16
    final_lr: float = 0.02


def build(recipe: Recipe, task: str, generator: torch.Generator) -> RecurrentCore:
    """Make the recipe's network for a task.

    Args:
        recipe: which network.
        task: a name in `TASKS`.
        generator: CPU generator for the initial weights.

    Raises:
        ValueError: an unknown core or task, or an option that this core does not have.
    """
    kind = recipe.core.kind
    if kind not in SWITCHES or recipe.off_at_first not in SWITCHES[kind] or task not in TASKS:
        raise ValueError(
            f"core, off_at_first, task: got {kind!r}, {recipe.off_at_first!r}, {task!r}; allowed are dnc (off_at_first: lstm, "
            f"memory or nothing) or lstm (off_at_first: nothing), and a task of {', '.join(TASKS)}"
        )
    if recipe.unbounded if kind == "dnc" else recipe.cut_read_out:
        raise ValueError(f"unbounded is for an lstm and cut_read_out for a dnc; the core is a {kind}")
    sizes = TASKS[task].input_size, TASKS[task].output_size
    if recipe.unbounded:
        h = recipe.core.hidden_size
        return UnboundedLSTM(sizes[0], h, sizes[1], generator=generator, forget_bias=recipe.core.forget_bias)
    return specs.make_core(recipe.core, *sizes, generator=generator)


def restore(recipe: Recipe, task: str, weights: Mapping[str, Tensor]) -> RecurrentCore:
    """Return the recipe's network with stored weights."""
    core = build(recipe, task, torch.Generator())
    core.load_state_dict(weights)
    return core.eval()


def restore_adder(recipe: Recipe, weights: Mapping[str, Tensor]) -> DNC:
    """Return the recipe's DNC, trained on addition, with stored weights.

    Raises:
        ValueError: the recipe is that of another kind of network.
    """
    core = restore(recipe, "addition", weights)
    if not isinstance(core, DNC):
        raise ValueError(f"core: got {recipe.core.kind!r}; only a dnc has a memory to look into")
    return core


def parameter_count(recipe: Recipe, task: str) -> int:
    """Return how many numbers the recipe's network learns."""
    return num_parameters(build(recipe, task, torch.Generator()))


def equal_parameters(recipe: Recipe, other: Recipe, task: str) -> Recipe:
    """Return a recipe with the hidden size at which its network has as many parameters as the other's, or nearest to it.

    Example:
        >>> equal_parameters(Recipe(CoreConfig("lstm")), Recipe(CoreConfig("dnc")), "addition").core.hidden_size
        78
    """

    def resized(hidden_size: int) -> Recipe:
        return replace(recipe, core=replace(recipe.core, hidden_size=hidden_size))

    wanted = parameter_count(other, task)
    return resized(specs.equal_hidden(wanted, lambda hidden_size: build(resized(hidden_size), task, torch.Generator())))


def with_default_initialization(recipe: Recipe) -> Recipe:
    """Return a recipe whose network starts without the bias that helps its family."""
    if recipe.core.kind == "dnc":
        return replace(recipe, core=replace(recipe.core, allocation_bias=None))
    return replace(recipe, core=replace(recipe.core, forget_bias=None))


def has_initial_bias(recipe: Recipe) -> bool:
    """Return whether the network starts with the bias that helps its family: of allocation gate or forget gates."""
    return recipe != with_default_initialization(recipe)


def middle_learning_rates(count: int) -> tuple[float, ...]:
    """Return as many of `LEARNING_RATES`, the middle ones.

    Example:
        >>> middle_learning_rates(2)
        (0.02, 0.04)
    """
    first = (len(LEARNING_RATES) - count) // 2
    return LEARNING_RATES[first : first + count]


def grid(base: Recipe, lrs: Sequence[float] = LEARNING_RATES, search_default_initialization: bool = False) -> list[Recipe]:
    """Return every combination of learning rate and gradient norm for a network: the same search for all.

    Args:
        base: the network.
        lrs: learning rates.
        search_default_initialization: try each combination also without the network's initial bias.
    """
    bases = [with_default_initialization(base), base] if search_default_initialization else [base]
    return [
        replace(recipe, lr=lr, max_grad_norm=max_grad_norm)
        for lr, max_grad_norm, recipe in itertools.product(lrs, MAX_GRAD_NORMS, bases)
    ]


def survivors(errors: Mapping[Recipe, Sequence[float]], keep: int) -> list[Recipe]:
    """Return the recipes with the lowest median error, best first; the first in the grid wins a tie.

    Args:
        errors: of each recipe, one per search seed.
        keep: how many.
    """
    return sorted(errors, key=lambda recipe: float(np.median(errors[recipe])))[:keep]


def on_edge(recipe: Recipe, lrs: Sequence[float] = LEARNING_RATES) -> bool:
    """Return whether a recipe's learning rate is the lowest or highest of those tried: a better one may lie outside of them."""
    return recipe.lr in (min(lrs), max(lrs))
