"""Who is compared with whom: the networks of each comparison of notebook 03, as recipes by name.

Reading guide. `contestants` are the four of every task, before their search. `author_networks` are those of the author's own
size. `towards_far` lists what was tried to make the DNC accurate far beyond its training, and `race` is the appendix.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from wmlib.lessons.addition.recipes import Recipe, equal_parameters, with_default_initialization
from wmlib.models.specs import CoreConfig


def contestants(dnc: Recipe, task: str) -> dict[str, Recipe]:
    """Return the DNC and the LSTMs that it is compared with, all with the DNC's learning rate and clip, before the search.

    Args:
        dnc: the DNC.
        task: a name in `recipes.TASKS`.

    Returns:
        DNC; LSTM, of as many parameters; LSTM, equal cells, as many as the DNC's controller; LSTM, o · c, of as many
        parameters, whose read-out is not bounded. Forget gates start at +1.
    """
    equal_cells = replace(dnc, core=CoreConfig("lstm", dnc.core.hidden_size, forget_bias=1.0))
    lstm = equal_parameters(equal_cells, dnc, task)
    return {"DNC": dnc, "LSTM": lstm, "LSTM, equal cells": equal_cells, "LSTM, o · c": replace(lstm, unbounded=True)}


def author_networks(num_slots: int, hidden_size: int) -> dict[str, Recipe]:
    """Return the author's networks: his DNC, detached as in his code and exact, and his LSTM.

    Args:
        num_slots, hidden_size: N and H; 256 and 256 in his code.

    Source: Mufti's public DNC code (dnc.py): W = 64, R = 4, Adam at a constant 1e-4, one sequence an update, no clipping.
    Differs: the link and the precedence are updated in the paper's order, and the link is full.
    """
    exact = CoreConfig("dnc", hidden_size, num_slots, word_size=64, num_heads=4)
    cores = {
        "the author's DNC, detached": replace(exact, detach_addressing=True),
        "the author's DNC, exact": exact,
        "the author's LSTM": CoreConfig("lstm", hidden_size, forget_bias=None),
    }
    return {name: Recipe(core, 1e-4, math.inf, batch_size=1, final_lr=1.0) for name, core in cores.items()}


class Trial(NamedTuple):
    """Hold one thing that was tried."""

    recipe: Recipe
    practice: str = "addition"  # the task that is trained
    longer: int = 1  # times the training sequences of the others


def towards_far(dnc: Recipe) -> dict[str, Trial]:
    """Return what was tried to make a DNC that adds accurate to length 100.

    Args:
        dnc: where it starts from.
    """
    slots = 4 * dnc.core.num_slots
    larger = replace(dnc, core=replace(dnc.core, num_slots=slots))
    cut = replace(larger, cut_read_out=True)
    detached = replace(larger, core=replace(larger.core, detach_addressing=True, allocation_bias=None))
    even = "addition, even totals"
    return {
        f"{dnc.core.num_slots} slots": Trial(dnc),
        f"{slots} slots": Trial(larger),
        f"{slots} slots, even totals": Trial(larger, even),
        f"{slots} slots, answer from the memory alone": Trial(cut),
        f"{slots} slots, no clipping in the last tenth": Trial(replace(larger, clip_until=0.9)),
        f"{slots} slots, even totals, answer from the memory alone": Trial(cut, even),
        f"{slots} slots, four times as long": Trial(larger, longer=4),
        f"{slots} slots, detached": Trial(detached),
        f"{slots} slots, detached, four times as long": Trial(detached, longer=4),
    }


def race(dnc: Recipe) -> dict[str, Recipe]:
    """Return the recipes of the appendix: one that often fails and one that succeeds, each with a part off at first, or a sham.

    Args:
        dnc: the recipe that succeeds, with the allocation gate closed at first.

    Returns:
        A sham differs from the recipe beside it in one thing: nothing is switched off.
    """
    plain = with_default_initialization(dnc)
    slow = replace(plain, lr=6e-3, max_grad_norm=10.0)
    return {
        "6e-3": slow,
        "6e-3, LSTM off at first": replace(slow, off_at_first="lstm"),
        "6e-3, LSTM sham": replace(slow, off_at_first="lstm", sham=True),
        "2e-2, gate closed": dnc,
        "2e-2, memory off at first": replace(dnc, off_at_first="memory"),
        "2e-2, memory sham": replace(dnc, off_at_first="memory", sham=True),
        "2e-2, default initialization": plain,
        "2e-2, detached": replace(plain, core=replace(plain.core, detach_addressing=True)),
    }
