"""The numbers of notebook 03 that verdicts and figures use, from results of trainings (see `measures.train_and_measure`).

Reading guide. Functions named like a figure return what that figure draws; the others return one number per seed, for verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from wmlib.experiment.statistics import Estimate, difference_of_proportions, proportion
from wmlib.lessons.addition.measures import DIVERGED, draw_test_set
from wmlib.lessons.addition.recipes import has_initial_bias

if TYPE_CHECKING:
    from wmlib.lessons.addition.pipeline import Search

LEARNT_LENGTH = 20  # of sums, beyond the trained lengths
LEARNT_BELOW = 1.0  # squared error at that length below which a seed counts as having learnt to add

Results = Mapping[str, Sequence[dict]]  # by model, one result per seed


def median_interval(values: ArrayLike, rng: np.random.Generator, resamples: int = 1000) -> dict[str, np.ndarray]:
    """Return median, low and high of (seeds, points): the median over seeds and its percentile-bootstrap 95 % interval."""
    scores = np.asarray(values, float)
    resampled = scores[rng.integers(len(scores), size=(resamples, len(scores)))]
    low, high = np.percentile(np.median(resampled, axis=1), [2.5, 97.5], axis=0)
    return {"median": np.median(scores, axis=0), "low": low, "high": high}


def median_intervals(examined: Sequence[dict], key: str, rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Return the `median_interval` over networks of each part of one of their results; see `memory.examine`."""
    return {part: median_interval([each[key][part] for each in examined], rng) for part in examined[0][key]}


def curves(results: Results, sequences: int, levels: int, rng: np.random.Generator) -> dict:
    """Return what `figures.draw_curves` needs.

    Args:
        results: by model.
        sequences: of the training.
        levels: of the curriculum.
        rng: for the intervals.
    """
    sequences_per_level = sequences // levels
    return {
        "switches": [sequences_per_level * k for k in range(1, levels)],
        "seen": next(iter(results.values()))[0]["seen"],
        "models": {name: median_interval([each["curve"] for each in seeds], rng) for name, seeds in results.items()},
    }


def search_tables(searches: Mapping[str, Search]) -> dict:
    """Return what `figures.draw_search` needs: a table of errors per model, one column per learning rate."""
    tables = {}
    for model, search in searches.items():
        kinds = [(recipe.max_grad_norm, has_initial_bias(recipe)) for recipe in search.recipes]
        rows = sorted(set(kinds))
        lrs = sorted({recipe.lr for recipe in search.recipes})
        table = np.zeros((len(rows), len(lrs)))
        for recipe, kind, error in zip(search.recipes, kinds, search.errors, strict=True):
            table[rows.index(kind), lrs.index(recipe.lr)] = error
        with_and_without_bias = len({bias for _, bias in rows}) > 1
        winner = search.winner
        tables[model] = {
            "lrs": lrs,
            "rows": [f"clip {norm:g}{' *' if bias and with_and_without_bias else ''}" for norm, bias in rows],
            "errors": table,
            "winner": [rows.index((winner.max_grad_norm, has_initial_bias(winner))), lrs.index(winner.lr)],
        }
    return tables


def errors_by_length(title: str, results: Results, longest: int, rng: np.random.Generator) -> dict:
    """Return one panel of `figures.draw_lengths`.

    Args:
        title: of the panel.
        results: by model.
        longest: the longest trained length.
        rng: for the intervals.
    """
    lengths = next(iter(results.values()))[0]["lengths"]
    lines = {name: median_interval([each["errors"] for each in seeds], rng) for name, seeds in results.items()}
    return {"title": title, "trained": [lengths[0], longest], "lengths": lengths, "lines": lines}


def retention(levels: Sequence[tuple[int, int]], results: Results) -> dict:
    """Return one curriculum of `figures.draw_retention`: its levels by name, and the median matrix by model."""
    return {
        "levels": [f"{low}" if low == high else f"{low}–{high}" for low, high in levels],
        "models": {name: np.median([each["retention_error"] for each in seeds], axis=0) for name, seeds in results.items()},
    }


def variant(effective: Sequence[float], results: Sequence[dict]) -> dict:
    """Return one recipe of `figures.draw_seeds`.

    Args:
        effective: effective slots of each seed.
        results: of each seed, on addition.

    Returns:
        effective and error, of each seed; value, low, high: the proportion of seeds that learnt to add, and its interval.
    """
    errors = errors_at(results, LEARNT_LENGTH)
    learnt = proportion(int((errors < LEARNT_BELOW).sum()), len(errors))
    return {"effective": effective, "error": errors, "value": learnt.value, "low": learnt.low, "high": learnt.high}


def count_learnt(variants: Mapping[str, dict]) -> dict[str, tuple[int, int]]:
    """Return by recipe how many seeds learnt to add, and of how many; see `variant`."""
    return {name: (int((np.array(each["error"]) < LEARNT_BELOW).sum()), len(each["error"])) for name, each in variants.items()}


def learnt_more(counts: Mapping[str, tuple[int, int]], better: str, worse: str) -> Estimate:
    """Return the proportion of seeds that learnt with one recipe minus that with another; `counts` as from `count_learnt`."""
    return difference_of_proportions(*counts[better], *counts[worse])


def first_finite(results: Sequence[dict]) -> int:
    """Return the index of the first result whose training did not diverge; 0 if all did."""
    return next((i for i, result in enumerate(results) if result["error"] < DIVERGED), 0)


def inside_memory(
    examined: Sequence[dict], shown: int, alphas: Sequence[float], times: Sequence[int], rng: np.random.Generator
) -> dict:
    """Return what `figures.draw_memory` needs.

    Args:
        examined: of each network, as from `memory.examine`.
        shown: index of the network whose read-out is drawn.
        alphas, times: with which they were examined.
        rng: for the intervals.
    """
    return {
        "total": examined[shown]["total"],
        "predicted": examined[shown]["predicted"],
        "alphas": alphas,
        "moved": median_intervals(examined, "moved", rng),
        "times": times,
        "contributions": median_intervals(examined, "contributions", rng),
    }


def accuracies(results: Results, longest: int) -> dict:
    """Return one panel of `figures.draw_recall`; `longest` is the longest trained length."""
    return {
        "trained": longest,
        "lengths": next(iter(results.values()))[0]["lengths"],
        "variants": {name: [each["accuracies"] for each in seeds] for name, seeds in results.items()},
    }


def errors_at(results: Sequence[dict], length: int) -> np.ndarray:
    """Return the squared error at a length, of each seed."""
    return np.array([each["errors"][each["lengths"].index(length)] for each in results])


def ratios_by_length(a: Sequence[dict], b: Sequence[dict], longest: int) -> list[float]:
    """Return the median error of `a` by that of `b`, for each trained length."""
    shortest = b[0]["lengths"][0]
    return [np.median(errors_at(a, n)) / np.median(errors_at(b, n)) for n in range(shortest, longest + 1)]


def relative_errors(results: Sequence[dict], task: str, length: int) -> np.ndarray:
    """Return the root mean squared error at a length by the root mean square of the right answers, of each seed."""
    test_set = draw_test_set(task, length, 0)
    answers = test_set.targets[test_set.answers]
    return np.sqrt(errors_at(results, length)) / answers.square().mean().sqrt().item()


def old_level_accuracies(results: Sequence[dict]) -> np.ndarray:
    """Return the mean accuracy on all levels but the last, after training on the last, of each seed."""
    return np.array([each["retention_accuracy"][-1, :-1].mean() for each in results])


def trained_accuracies(results: Sequence[dict], longest: int) -> np.ndarray:
    """Return the mean accuracy on the trained lengths, of each seed."""
    return np.array([np.mean(each["accuracies"][: each["lengths"].index(longest) + 1]) for each in results])


def median_of(examined: Sequence[dict], key: str) -> float:
    """Return the median over networks of one of their results; see `memory.examine`."""
    return float(np.median([each[key] for each in examined]))


def medians_of(examined: Sequence[dict], key: str) -> dict[str, float]:
    """Return the median over networks of each part of one of their results, rounded to print; see `memory.examine`."""
    return {part: round(float(np.median([each[key][part] for each in examined])), 2) for part in examined[0][key]}
