"""The pipeline of notebook 03: many trainings under equal conditions, the search, and a look inside; each result is kept.

Reading guide. `fit` trains and measures recipes with pairs of seeds (`draw_seeds`), or finds the results again. `search` finds
the best recipe of each model by the same rule. `examine` looks into trained DNCs.
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
FINALISTS = 2  # recipes of each model that get the whole training in a search

K = TypeVar("K", bound=Hashable)
Seeds = tuple[int, int]  # of the data and of the initial weights


def draw_seeds(seed: int, use: str, n: int) -> list[Seeds]:
    """Return n pairs of seeds, of the data and of the initial weights.

    Args:
        seed: of the run.
        use: what they are for; other uses have other seeds.
        n: how many.
    """
    return [(draw_seed(seed, use, "data", i), draw_seed(seed, use, "init", i)) for i in range(n)]


def draw_seed(seed: int, *names: str | int) -> int:
    """Return a seed below 2³¹ for a named use, made from that of the run."""
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
) -> dict[K, list[dict]]:
    """Train and measure each recipe with each pair of seeds, in parallel; each result is cached as soon as it is there.

    Args:
        run: has the cache, and the seed of the test sequences.
        recipes: by name, or by whatever shall name the results.
        seeds: as from `draw_seeds`.
        label: for the progress bar.
        task, levels, sequences, details: as for `train_and_measure`.
        test: what the test sequences are for, "search" or "final": the two share none.

    Returns:
        By name, the results of `train_and_measure` in the order of the seeds.
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
        }
        for recipe in recipes.values()
        for pair in seeds
    ]
    parallel = sequences >= PARALLEL_FROM and len(calls) > 1
    results = cached_map(run.cache, train_and_measure, calls, label, parallel=parallel)
    return {name: results[i * len(seeds) : (i + 1) * len(seeds)] for i, name in enumerate(recipes)}


class Search(NamedTuple):
    """What a search tried for one model, and what it found."""

    recipes: list[Recipe]  # all that were tried
    errors: list[float]  # of each of these, with one search seed and half of the training
    winner: Recipe
    error: float  # of the winner: the median over the other search seeds, with the whole training


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

    All combinations run once, with half of the training; the best two get the whole of it with other search seeds; the lowest
    median error on the last level wins. Its sequences are none of those of the later comparison.

    Args:
        run, task, levels, sequences: as for `fit`.
        models: by name.
        lrs, search_default_initialization: as for `grid`.
        search_seeds: seeds of the second stage.
    """
    first, *others = draw_seeds(run.seed, "search", 1 + search_seeds)
    tried = {name: grid(recipe, lrs, search_default_initialization) for name, recipe in models.items()}
    every = {recipe: recipe for recipes in tried.values() for recipe in recipes}
    half = fit(
        run,
        every,
        [first],
        "all, half training",
        task=task,
        levels=levels,
        sequences=sequences // 2,
        test="search",
        details=False,
    )
    rough = {recipe: results[0]["error"] for recipe, results in half.items()}
    best = {name: survivors({recipe: [rough[recipe]] for recipe in recipes}, FINALISTS) for name, recipes in tried.items()}
    finalists = {recipe: recipe for recipes in best.values() for recipe in recipes}
    full = fit(run, finalists, others, "best two", task=task, levels=levels, sequences=sequences, test="search", details=False)
    errors = {recipe: [each["error"] for each in results] for recipe, results in full.items()}
    searches = {}
    for name, recipes in tried.items():
        (winner,) = survivors({recipe: errors[recipe] for recipe in best[name]}, 1)
        searches[name] = Search(recipes, [rough[recipe] for recipe in recipes], winner, float(np.median(errors[winner])))
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
    """Look into trained DNCs that add; each look is cached.

    Args:
        run: has the cache, and the seed of the untrained networks.
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
    """Return over how many slots each network spreads a write; see `memory.memory_use`.

    Args:
        recipe: of DNCs that add.
        results: of `train_and_measure`, with weights.
        seed: of the sequences.
    """
    cores = [restore_adder(recipe, result["weights"]) for result in results]
    return [memory.memory_use(core, seed)["effective_slots"] for core in cores]
