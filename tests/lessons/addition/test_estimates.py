"""Estimates against numbers computed by hand from small made-up results."""

from dataclasses import replace

import numpy as np
import pytest

from wmlib.experiment.results import plain
from wmlib.experiment.statistics import difference_of_proportions
from wmlib.lessons.addition import estimates, figures, measures, pipeline
from wmlib.lessons.addition.pipeline import Search
from wmlib.lessons.addition.recipes import Recipe, grid
from wmlib.models.specs import CLOSED, CoreConfig
from wmlib.viz.figures import to_png

DNC = Recipe(CoreConfig("dnc", allocation_bias=CLOSED))


def rng():
    return np.random.default_rng(0)


def test_the_interval_of_a_median_holds_it():
    interval = estimates.median_interval(rng().normal(size=(11, 5)), rng())
    assert (interval["low"] < interval["median"]).all() and (interval["median"] < interval["high"]).all()
    same = estimates.median_interval(np.ones((3, 2)), rng())
    assert (same["low"] == 1).all() and (same["high"] == 1).all()


def test_curves_have_switches_and_medians(results):
    curves = estimates.curves(results, sequences=49, levels=3, rng=rng())
    assert curves["switches"] == [16, 32] and list(curves["seen"]) == [0, 16, 32, 48]
    np.testing.assert_allclose(curves["models"]["DNC"]["median"], [0, 0.2, 0.4, 0.6])


def test_the_search_puts_each_error_in_its_place():
    tried = grid(DNC, (0.01, 0.02), search_default_initialization=True)
    search = Search(tried, [float(i) for i in range(8)], tried[3], 0.5)
    table = estimates.search_tables({"DNC": search})["DNC"]
    assert table["rows"] == ["clip 1", "clip 1 *", "clip 10", "clip 10 *"] and table["lrs"] == [0.01, 0.02]
    np.testing.assert_array_equal(table["errors"], np.arange(8.0).reshape(2, 4).T)
    assert table["winner"] == [3, 0]
    biased = grid(DNC, (0.01, 0.02))
    assert estimates.search_tables({"DNC": Search(biased, [1.0] * 4, biased[0], 1.0)})["DNC"]["rows"] == ["clip 1", "clip 10"]


def test_errors_by_length_and_at_one(results):
    panel = estimates.errors_by_length("title", results, 4, rng())
    assert panel["trained"] == [2, 4] and panel["lengths"] == [2, 3, 4, 16, 20]
    np.testing.assert_allclose(panel["lines"]["LSTM"]["median"], [0, 2, 4, 6, 8])
    np.testing.assert_allclose(estimates.errors_at(results["DNC"], 16), [0.3, 0.6, 2.1])
    results["LSTM"] = results["LSTM"][:2]
    for result in [*results["DNC"], *results["LSTM"]]:
        result["errors"][0] = 1.0
    assert estimates.ratios_by_length(results["LSTM"], results["DNC"], 4) == pytest.approx([1, 1.5 / 0.2, 3 / 0.4])


def test_relative_errors_are_of_the_answers_size(results):
    size = measures.draw_test_set("addition", 20, 0).targets.sum((1, 2)).square().mean().sqrt().item()
    assert 35 < size < 45  # the sum of 20 digits, 2 each on average
    expected = np.sqrt([0.4, 0.8, 2.8]) / size
    np.testing.assert_allclose(estimates.relative_errors(results["DNC"], "addition", 20), expected, rtol=1e-6)


def test_retention_names_its_levels(results):
    retention = estimates.retention([(1, 1), (2, 2), (2, 3)], results)
    assert retention["levels"] == ["1", "2", "2–3"]
    np.testing.assert_allclose(retention["models"]["DNC"], 0.2 * np.arange(9).reshape(3, 3))


def test_accuracies(results):
    panel = estimates.accuracies(results, 4)
    assert panel["trained"] == 4 and panel["variants"]["DNC"] == [[1.0, 1.0, 0.4, 0.0, 0.0]] * 3
    np.testing.assert_allclose(estimates.trained_accuracies(results["DNC"], 4), [0.8] * 3)
    np.testing.assert_allclose(estimates.old_level_accuracies(results["DNC"]), [0.4] * 3)  # of 0.2 and 0.6


def test_a_variant_counts_the_seeds_that_learnt(results):
    variants = {name: estimates.variant([1.0, 2.0, 3.0], seeds) for name, seeds in results.items()}
    part = variants["DNC"]
    np.testing.assert_allclose(part["error"], [0.4, 0.8, 2.8])
    assert part["effective"] == [1.0, 2.0, 3.0] and part["value"] == pytest.approx(2 / 3)
    assert 0 < part["low"] < part["value"] < part["high"] < 1
    counts = estimates.count_learnt(variants)
    assert counts == {"DNC": (2, 3), "LSTM": (0, 3)}
    assert estimates.learnt_more(counts, "DNC", "LSTM") == difference_of_proportions(2, 3, 0, 3)


def test_medians_over_networks():
    examined = [
        {
            "total": [1.0, 2.0],
            "predicted": [1.0, 2.1 + k],
            "moved": {"memory": np.array([k, 2.0 * k])},
            "contributions": {"memory": np.array([0.5, k])},
            "transfer": 0.1 * k,
            "slope": {"memory": k / 3},
        }
        for k in (0.0, 1.0, 5.0)
    ]
    panel = estimates.inside_memory(examined, 1, [-1, 1], [2, 4], rng())
    assert panel["predicted"] == [1.0, 3.1] and panel["alphas"] == [-1, 1] and panel["times"] == [2, 4]
    np.testing.assert_allclose(panel["moved"]["memory"]["median"], [1, 2])
    np.testing.assert_allclose(panel["contributions"]["memory"]["median"], [0.5, 1])
    assert estimates.median_of(examined, "transfer") == pytest.approx(0.1)
    assert estimates.medians_of(examined, "slope") == {"memory": 0.33}


def test_the_first_finite_result_is_that_of_a_training_that_did_not_diverge(results):
    assert estimates.first_finite(results["DNC"]) == 0
    assert estimates.first_finite(results["LSTM"][::-1]) == 1
    assert estimates.first_finite(results["LSTM"][2:]) == 0


def test_one_diverged_seed_goes_through_to_stored_numbers(run):
    recipe = Recipe(CoreConfig("dnc", 7, 5, 3, allocation_bias=CLOSED))
    recipes = {"finite": recipe, "diverged": replace(recipe, lr=1e30, max_grad_norm=1e30)}
    levels = [(1, 1), (2, 2), (3, 3)]
    trained = pipeline.fit(run, recipes, [(1, 2)], "training", task="addition", levels=levels, sequences=200)
    seeds = [*trained["diverged"], *trained["finite"]]
    assert trained["diverged"][0]["weights"]["output.weight"].isnan().all()
    assert estimates.first_finite(seeds) == 1

    effective = pipeline.effective_slots(recipe, seeds, 5)
    examined = pipeline.examine(run, recipe, seeds, seed=5, alphas=[-2, 2], times=[2], samples=64)
    data = plain(
        {
            "curves": estimates.curves({"DNC": seeds}, 200, 3, rng()),
            "lengths": [estimates.errors_by_length("DNC", {"DNC": seeds}, 3, rng())] * 2,
            "retention": {"disjoint": estimates.retention(levels, {"DNC": seeds, "again": seeds})},
            "seeds": {"limit": 1.0, "num_slots": 5, "variants": {"DNC": estimates.variant(effective, seeds)}},
            "memory": estimates.inside_memory(examined, 1, [-2, 2], [2], rng()),
            "recall": {"task": estimates.accuracies({"DNC": seeds}, 3)},
        }
    )
    assert data["seeds"]["variants"]["DNC"]["effective"][0] == 0 < data["seeds"]["variants"]["DNC"]["effective"][1]
    assert data["curves"]["models"]["DNC"]["median"][-1] > measures.DIVERGED / 3  # of two seeds, one of them diverged
    for name in data:
        assert to_png(getattr(figures, f"draw_{name}")(data[name]), dpi=50)
    verdicts = [estimates.relative_errors(seeds, "addition", 100), estimates.old_level_accuracies(seeds)]
    assert np.isfinite([*verdicts, estimates.trained_accuracies(seeds, 3)]).all()
