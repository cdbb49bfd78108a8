"""The numbers of notebook 03 that verdicts and figures use, from results of trainings (see `measures.train_and_measure`).

Reading guide. Functions named like a figure return what that figure draws. Those that return `Evidence` hold one number per
seed, for verdicts and `findings`. Errors are averaged over seeds as geometric means, everything else as means. `stored_search`
takes the recipes that the study's search chose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from wmlib.experiment.statistics import Estimate, Evidence, geometric_mean, mean
from wmlib.lessons.addition.measures import DIVERGED, draw_test_set
from wmlib.lessons.addition.recipes import Recipe, has_initial_bias
from wmlib.models.specs import CoreConfig

if TYPE_CHECKING:
    from wmlib.lessons.addition.pipeline import Search

EXACT = 0.95  # proportion of sequences without a mistake from which a network counts as exact at a length
LEARNT_LENGTH = 20  # of sums, beyond the trained lengths
LEARNT_BELOW = 1.0  # squared error at that length below which a seed counts as having learnt to add
ZERO = 1e-12  # stands in for an error of exactly zero, which has no logarithm
SEARCHED_FOR = ("task", "num_slots", "copy_slots", "hidden_size", "allocation_bias")  # settings for which a search holds

Results = Mapping[str, Sequence[dict]]  # by model, one result per seed
Intervals = dict[str, np.ndarray]  # value, low, high (points,)


def error_intervals(values: ArrayLike) -> Intervals:
    """Return the geometric mean over seeds of errors (seeds, points), with the t interval of its logarithm at each point."""
    return _intervals(np.maximum(values, ZERO), geometric_mean)


def mean_intervals(examined: Sequence[dict], key: str) -> dict[str, Intervals]:
    """Return the mean over networks of each part of one of their results, with t intervals; see `memory.examine`."""
    return {part: _intervals([each[key][part] for each in examined], mean) for part in examined[0][key]}


def _intervals(values: ArrayLike, estimator: Callable[[ArrayLike], Estimate]) -> Intervals:
    return _points([estimator(seeds) for seeds in np.asarray(values, float).T])


def _points(estimates: Sequence[Estimate]) -> Intervals:
    points = np.array([estimate[:3] for estimate in estimates])
    return dict(zip(("value", "low", "high"), points.T, strict=True))


def curves(results: Results, sequences: int, levels: int) -> dict:
    """Return what `figures.draw_curves` needs.

    Args:
        results: by model.
        sequences: of the training.
        levels: of the curriculum.
    """
    sequences_per_level = sequences // levels
    return {
        "switches": [sequences_per_level * k for k in range(1, levels)],
        "seen": next(iter(results.values()))[0]["seen"],
        "models": {name: error_intervals([each["curve"] for each in seeds]) for name, seeds in results.items()},
    }


def search_tables(searches: Mapping[str, Search]) -> dict:
    """Return what `figures.draw_search` needs, and what `winners` needs: a table of errors per model.

    Returns:
        By model: lrs (C,); rows (R,), labels; errors (R, C); winner [row, column]; recipe: the winner's values; error: the
        winner's, with the full training.
    """
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
            "recipe": asdict(winner),
            "error": search.error,
        }
    return tables


def winners(tables: Mapping[str, Mapping]) -> dict[str, Recipe]:
    """Return the winning recipe of each model; `tables` as from `search_tables`, also after they were stored."""
    recipes = {name: table["recipe"] for name, table in tables.items()}
    return {name: Recipe(**{**values, "core": CoreConfig(**values["core"])}) for name, values in recipes.items()}


def stored_search(
    study: Mapping[str, Any] | None, settings: Mapping[str, Any], models: Mapping[str, Sequence[str]]
) -> tuple[dict, str]:
    """Return the search tables of a study run, and why there are none that can be used.

    Args:
        study: its results; None: there is none.
        settings: of this run.
        models: by task, the names of those that were searched.

    Returns:
        by task, tables as from `search_tables`, and an empty text; or no tables and the reason.
    """
    if study is None:
        return {}, "there is no study run yet"
    its = study["settings"]
    others = [f"{name} = {its.get(name)}" for name in SEARCHED_FOR if its.get(name) != settings[name]]
    if others:
        return {}, f"the study's search was made with {', '.join(others)}"
    tables = study["data"].get("search", {})
    if any("recipe" not in tables.get(task, {}).get(name, {}) for task, names in models.items() for name in names):
        return {}, "the study's results do not say which recipes won"
    return {task: {name: tables[task][name] for name in names} for task, names in models.items()}, ""


def by_length(results: Results, longest: int, over: str = "") -> dict:
    """Return what `figures.draw_lengths` needs.

    Args:
        results: by model.
        longest: the longest trained length.
        over: the model by whose error those of the others are divided, at every length; "": none are.

    Returns:
        trained [low, high]; lengths (C,); errors, right, and with `over` ratios: by model, value, low, high (C,). Errors and
        ratios are of geometric means over seeds, proportions of right answers are means.
    """
    lengths = next(iter(results.values()))[0]["lengths"]
    panel = {
        "trained": [lengths[0], longest],
        "lengths": lengths,
        "errors": {name: error_intervals([each["errors"] for each in seeds]) for name, seeds in results.items()},
        "right": {name: _intervals([each["accuracies"] for each in seeds], mean) for name, seeds in results.items()},
    }
    if over:
        others = {name: seeds for name, seeds in results.items() if name != over}
        panel["over"] = over
        panel["ratios"] = {
            name: _points([error_ratio(seeds, results[over], n).estimate() for n in lengths]) for name, seeds in others.items()
        }
    return panel


def retention(levels: Sequence[tuple[int, int]], results: Results) -> dict:
    """Return one curriculum of `figures.draw_retention`: what is left of each level after the last one.

    Args:
        levels: of the curriculum.
        results: by model.

    Returns:
        levels: their names (L,); errors, right: by model, value, low, high (L,), as in `by_length`.
    """
    return {
        "levels": [f"{low}" if low == high else f"{low}–{high}" for low, high in levels],
        "errors": {name: error_intervals([each["retention_error"][-1] for each in seeds]) for name, seeds in results.items()},
        "right": {
            name: _intervals([each["retention_accuracy"][-1] for each in seeds], mean) for name, seeds in results.items()
        },
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
    learnt = learnt_proportion(errors).estimate()
    return {"effective": effective, "error": errors, "value": learnt.value, "low": learnt.low, "high": learnt.high}


def learnt_proportion(errors: ArrayLike) -> Evidence:
    """Return the evidence of the proportion of seeds that learnt to add, from the error of each at `LEARNT_LENGTH`."""
    return Evidence("proportion", _count_learnt(errors))


def learnt_more(better: ArrayLike, worse: ArrayLike) -> Evidence:
    """Return the evidence of the proportion of seeds that learnt with one recipe minus that with another; errors as above."""
    others = {f"other_{name}": count for name, count in _count_learnt(worse).items()}
    return Evidence("difference_of_proportions", {**_count_learnt(better), **others})


def _count_learnt(errors: ArrayLike) -> dict[str, int]:
    return {"successes": int((np.asarray(errors) < LEARNT_BELOW).sum()), "n": len(np.asarray(errors))}


def first_finite(results: Sequence[dict]) -> int:
    """Return the index of the first result whose training did not diverge; 0 if all did."""
    return next((i for i, result in enumerate(results) if result["error"] < DIVERGED), 0)


def inside_memory(examined: Sequence[dict], shown: int, alphas: Sequence[float], times: Sequence[int]) -> dict:
    """Return what `figures.draw_memory` needs.

    Args:
        examined: of each network, as from `memory.examine`.
        shown: index of the network whose read-out is drawn.
        alphas, times: with which they were examined.
    """
    return {
        "total": examined[shown]["total"],
        "predicted": examined[shown]["predicted"],
        "alphas": alphas,
        "moved": mean_intervals(examined, "moved"),
        "times": times,
        "contributions": mean_intervals(examined, "contributions"),
    }


def accuracies(results: Results, longest: int) -> dict:
    """Return one panel of `figures.draw_recall`; `longest` is the longest trained length."""
    return {
        "trained": longest,
        "lengths": next(iter(results.values()))[0]["lengths"],
        "models": {name: [each["accuracies"] for each in seeds] for name, seeds in results.items()},
    }


def errors_at(results: Sequence[dict], length: int) -> np.ndarray:
    """Return the squared error at a length, of each seed."""
    return np.array([each["errors"][each["lengths"].index(length)] for each in results])


def error_ratio(above: Sequence[dict], below: Sequence[dict], length: int) -> Evidence:
    """Return the evidence of the error of one model by that of another, at a length."""
    return _ratio(errors_at(above, length), errors_at(below, length))


def trained_ratio(above: Sequence[dict], below: Sequence[dict], longest: int) -> Evidence:
    """Return that evidence for all lengths to the longest trained one: each seed's geometric mean, so no length rules it."""

    def errors(results: Sequence[dict]) -> np.ndarray:
        end = results[0]["lengths"].index(longest) + 1
        return _geometric([each["errors"][:end] for each in results])

    return _ratio(errors(above), errors(below))


def retention_ratio(above: Sequence[dict], below: Sequence[dict]) -> Evidence:
    """Return that evidence for all levels but the last, after training on the last: each seed's geometric mean over levels."""
    return _ratio(*(_geometric([each["retention_error"][-1, :-1] for each in results]) for results in (above, below)))


def _ratio(above: ArrayLike, below: ArrayLike) -> Evidence:
    return Evidence("ratio", {"above": np.maximum(above, ZERO), "below": np.maximum(below, ZERO)})


def _geometric(errors: ArrayLike) -> np.ndarray:
    """Return the geometric mean of each row."""
    return np.exp(np.log(np.maximum(errors, ZERO)).mean(1))


def relative_error(results: Sequence[dict], task: str, length: int) -> Evidence:
    """Return the evidence of the root mean squared error at a length by the root mean square of the right answers."""
    test_set = draw_test_set(task, length, 0)
    answers = test_set.targets[test_set.answers]
    errors = np.sqrt(np.maximum(errors_at(results, length), ZERO)) / answers.square().mean().sqrt().item()
    return Evidence("geometric_mean", {"values": errors})


def old_level_accuracy(results: Sequence[dict]) -> Evidence:
    """Return the evidence of the mean accuracy on all levels but the last, after training on the last."""
    return Evidence("mean", {"values": _old_levels(results)})


def _old_levels(results: Sequence[dict]) -> np.ndarray:
    return np.array([each["retention_accuracy"][-1, :-1].mean() for each in results])


def exact_seeds(results: Sequence[dict], length: int) -> Evidence:
    """Return the evidence of the proportion of seeds that are exact at a length: right in at least `EXACT` of the sequences."""
    exact = [each["accuracies"][each["lengths"].index(length)] >= EXACT for each in results]
    return Evidence("proportion", {"successes": sum(exact), "n": len(exact)})


def accuracy_at(results: Sequence[dict], length: int) -> Evidence:
    """Return the evidence of the proportion of right answers at a length."""
    return Evidence("mean", {"values": [each["accuracies"][each["lengths"].index(length)] for each in results]})


def memory_slope(examined: Sequence[dict]) -> Evidence:
    """Return the evidence of the change of the answer by that predicted, when the memory is edited; see `memory.edit`."""
    return Evidence("mean", {"values": [each["slope"]["memory"] for each in examined]})


def mean_of(examined: Sequence[dict], key: str) -> float:
    """Return the mean over networks of one of their results; see `memory.examine`."""
    return float(np.mean([each[key] for each in examined]))


def means_of(examined: Sequence[dict], key: str) -> dict[str, float]:
    """Return the mean over networks of each part of one of their results, rounded to print; see `memory.examine`."""
    return {part: round(float(np.mean([each[key][part] for each in examined])), 2) for part in examined[0][key]}
