"""The pipeline of notebook 03: many trainings under equal conditions, the search, and what is measured inside; all are cached.

Reading guide. `fit` trains and measures recipes with pairs of seeds (`draw_seeds`), or loads the cached results. `search` finds
the best recipe of each model by the same rule. `examine` measures what is inside trained DNCs.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from wmlib.experiment import seeding
from wmlib.lessons.addition import memory
from wmlib.lessons.addition.measures import train_and_measure
from wmlib.lessons.addition.recipes import Recipe, build, grid, restore_adder, survivors
from wmlib.training.jobs import cached_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

PARALLEL_FROM = 2000  # sequences a training from which processes are started; that takes seconds
FINALISTS = 2  # recipes of each model that get the full training in a search

K = TypeVar("K", bound=Hashable)
Seeds = tuple[int, int]  # of the data and of the initial weights


def draw_seeds(seed: int, use: str, n: int) -> list[Seeds]:
    """Return n pairs of seeds, of the data and of the initial weights.

    Args:
        seed: of the run.
        use: their purpose; other purposes have other seeds.
        n: how many.
    """
    return [(draw_seed(seed, use, "data", i), draw_seed(seed, use, "init", i)) for i in range(n)]


def draw_seed(seed: int, *names: str | int) -> int:
    """Return a seed below 2³¹ for a named purpose, derived from that of the run."""
    return int(seeding.generator(seed, *names).integers(2**31))


def fit(
    run: Run,
    recipes: Mapping[K, Recipe],
    seeds: Sequence[Seeds],
    label: str,
    *,
    task: str,
    levels: Sequence[tuple[int, int]],
    sequences: int,
    test: str = "final",
    details: bool = True,
    practice: str = "",
) -> dict[K, list[dict]]:
    """Train and measure each recipe with each pair of seeds, in parallel; each result is cached as soon as it is done.

    Args:
        run: its cache is used, and its seed determines the test sequences.
        recipes: by name, or by any other key that the results shall have.
        seeds: as from `draw_seeds`.
        label: for the progress bar.
        task, levels, sequences, details, practice: as for `train_and_measure`.
        test: "search" or "final", which have no test sequences in common.

    Returns:
        By the same keys, the results of `train_and_measure` in the order of the seeds.
    """
    calls = [
        {
            "recipe": recipe,
            "seeds": pair,
            "task": task,
            "levels": list(levels),
            "sequences": sequences,
            "test_seed": draw_seed(run.seed, "test", test),
            "details": details,
            "practice": practice,
        }
        for recipe in recipes.values()
        for pair in seeds
    ]
    parallel = sequences >= PARALLEL_FROM and len(calls) > 1
    results = cached_map(run.cache, train_and_measure, calls, label, parallel=parallel)
    return {name: results[i * len(seeds) : (i + 1) * len(seeds)] for i, name in enumerate(recipes)}


class Search(NamedTuple):
    """Hold what a search tried for one model, and its winner."""

    recipes: list[Recipe]  # all that were tried
    errors: list[float]  # of each of these, with one search seed and half of the training
    winner: Recipe
    error: float  # of the winner: the median over the other search seeds, with the full training


def search(
    run: Run,
    models: Mapping[str, Recipe],
    *,
    task: str,
    levels: Sequence[tuple[int, int]],
    sequences: int,
    lrs: Sequence[float],
    search_default_initialization: bool,
    search_seeds: int,
) -> dict[str, Search]:
    """Find the best recipe of each model, by the same rule for all.

    All combinations run once, with half of the training; the best two get all of it with other search seeds; the lowest median
    error on the last level wins. No sequence of the search is used in the later comparison.

    Args:
        run, task, levels, sequences: as for `fit`.
        models: by name.
        lrs, search_default_initialization: as for `grid`.
        search_seeds: seeds of the second stage.
    """
    first_seed, *other_seeds = draw_seeds(run.seed, "search", 1 + search_seeds)
    tried = {name: grid(recipe, lrs, search_default_initialization) for name, recipe in models.items()}
    combinations = {recipe: recipe for recipes in tried.values() for recipe in recipes}
    half = fit(
        run,
        combinations,
        [first_seed],
        f"{task}: all, half training",
        task=task,
        levels=levels,
        sequences=sequences // 2,
        test="search",
        details=False,
    )
    half_errors = {recipe: results[0]["error"] for recipe, results in half.items()}
    best = {
        name: survivors({recipe: [half_errors[recipe]] for recipe in recipes}, FINALISTS) for name, recipes in tried.items()
    }
    finalists = {recipe: recipe for recipes in best.values() for recipe in recipes}
    full = fit(
        run,
        finalists,
        other_seeds,
        f"{task}: best two",
        task=task,
        levels=levels,
        sequences=sequences,
        test="search",
        details=False,
    )
    full_errors = {recipe: [each["error"] for each in results] for recipe, results in full.items()}
    searches = {}
    for name, recipes in tried.items():
        (winner,) = survivors({recipe: full_errors[recipe] for recipe in best[name]}, 1)
        error = float(np.median(full_errors[winner]))
        searches[name] = Search(recipes, [half_errors[recipe] for recipe in recipes], winner, error)
    return searches


def examine(
    run: Run,
    recipe: Recipe,
    results: Sequence[dict],
    *,
    seed: int,
    alphas: Sequence[float],
    times: Sequence[int],
    samples: int,
) -> list[dict]:
    """Examine trained DNCs that add; each result is cached.

    Args:
        run: its cache is used, and its seed determines the untrained networks.
        recipe: of the networks.
        results: of `train_and_measure`, with weights.
        seed, alphas, times, samples: as for `memory.examine`.

    Returns:
        For each network what `memory.examine` returns.
    """
    calls = [
        {
            "core": restore_adder(recipe, result["weights"]),
            "untrained": build(recipe, "addition", run.torch_rng("untrained", i)),
            "seed": seed,
            "alphas": list(alphas),
            "times": list(times),
            "samples": samples,
        }
        for i, result in enumerate(results)
    ]
    return cached_map(run.cache, memory.examine, calls, "inside the memory", parallel=len(calls) > 4)


def effective_slots(recipe: Recipe, results: Sequence[dict], seed: int) -> list[float]:
    """Return the number of slots over which each network spreads a write; see `memory.memory_use`.

    Args:
        recipe: of DNCs that add.
        results: of `train_and_measure`, with weights.
        seed: of the sequences.
    """
    cores = [restore_adder(recipe, result["weights"]) for result in results]
    return [memory.memory_use(core, seed)["effective_slots"] for core in cores]
