"""Estimates against numbers computed by hand from small made-up results."""

import json
from dataclasses import replace

import numpy as np
import pytest

from wmlib.experiment.results import plain
from wmlib.experiment.statistics import difference_of_proportions, mean
from wmlib.lessons.addition import estimates, figures, measures, pipeline
from wmlib.lessons.addition.pipeline import Search
from wmlib.lessons.addition.recipes import Recipe, grid, with_default_initialization
from wmlib.models.specs import CLOSED, CoreConfig
from wmlib.viz.figures import to_png

DNC = Recipe(CoreConfig("dnc", allocation_bias=CLOSED))


def test_intervals_are_those_of_each_point():
    intervals = estimates.error_intervals([[0.1, 1.0], [10.0, 1.0]])
    np.testing.assert_allclose(intervals["value"], [1, 1])
    assert intervals["low"][0] < 0.1 and intervals["high"][0] > 10
    assert intervals["low"][1] == intervals["high"][1] == 1


def test_an_error_of_zero_has_a_logarithm():
    assert estimates.error_intervals([[0.0], [0.0]])["value"] == pytest.approx([estimates.ZERO])


def test_curves_have_switches_and_means(results):
    curves = estimates.curves(results, sequences=49, levels=3)
    assert curves["switches"] == [16, 32] and list(curves["seen"]) == [0, 16, 32, 48]
    scale = (0.1 * 0.2 * 0.7) ** (1 / 3)
    np.testing.assert_allclose(curves["models"]["DNC"]["value"][1:], [scale, 2 * scale, 3 * scale])


def test_the_search_puts_each_error_in_its_place():
    tried = grid(DNC, (0.01, 0.02), search_default_initialization=True)
    search = Search(tried, [float(i) for i in range(8)], tried[3], 0.5)
    table = estimates.search_tables({"DNC": search})["DNC"]
    assert table["rows"] == ["clip 1", "clip 1 *", "clip 10", "clip 10 *"] and table["lrs"] == [0.01, 0.02]
    np.testing.assert_array_equal(table["errors"], np.arange(8.0).reshape(2, 4).T)
    assert table["winner"] == [3, 0] and table["error"] == 0.5
    biased = grid(DNC, (0.01, 0.02))
    assert estimates.search_tables({"DNC": Search(biased, [1.0] * 4, biased[0], 1.0)})["DNC"]["rows"] == ["clip 1", "clip 10"]


LSTM = Recipe(CoreConfig("lstm", 7, forget_bias=None), lr=0.08, max_grad_norm=10.0)
SETTINGS = {"task": "addition", "num_slots": 5, "copy_slots": 6, "hidden_size": 7, "allocation_bias": -3.0, "sequences": 100}
MODELS = {"addition": ["DNC", "LSTM"], "copy": ["LSTM"]}


def made_up_study() -> dict:
    """Return what a study run would have stored of a search, after it was written and read again."""
    tried = [*grid(DNC), with_default_initialization(DNC)]
    searches = {"DNC": Search(tried, [1.0] * len(tried), tried[-1], 0.5), "LSTM": Search([LSTM], [2.0], LSTM, 0.25)}
    tables = estimates.search_tables(searches)
    return json.loads(json.dumps(plain({"settings": SETTINGS, "data": {"search": {"addition": tables, "copy": tables}}})))


def test_winners_come_back_from_a_stored_search():
    tables, reason = estimates.stored_search(made_up_study(), {**SETTINGS, "sequences": 7}, MODELS)
    assert estimates.winners(tables["addition"]) == {"DNC": with_default_initialization(DNC), "LSTM": LSTM} and not reason
    assert list(tables["copy"]) == ["LSTM"] and tables["copy"]["LSTM"]["error"] == 0.25


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"task": "repeat"}, "the study's search was made with task = addition"),
        ({"num_slots": 6, "hidden_size": 8}, "the study's search was made with num_slots = 5, hidden_size = 7"),
        ({"allocation_bias": -2.0}, "the study's search was made with allocation_bias = -3.0"),
    ],
)
def test_a_search_for_other_networks_is_not_taken(changed, reason):
    assert estimates.stored_search(made_up_study(), {**SETTINGS, **changed}, MODELS) == ({}, reason)


def test_a_search_that_is_not_there_is_not_taken():
    assert estimates.stored_search(None, SETTINGS, MODELS) == ({}, "there is no study run yet")
    study = made_up_study()
    del study["data"]["search"]["copy"]["LSTM"]["recipe"]
    for models in (MODELS, {"addition": ["another"]}, {"repeat": ["DNC"]}):
        assert "do not say which recipes won" in estimates.stored_search(study, SETTINGS, models)[1]
    assert not estimates.stored_search(study, SETTINGS, {"addition": ["DNC"]})[1]


def test_results_by_length(results):
    panel = estimates.by_length(results, 4)
    assert panel["trained"] == [2, 4] and panel["lengths"] == [2, 3, 4, 16, 20] and "ratios" not in panel
    scale = (2 * measures.DIVERGED) ** (1 / 3)
    np.testing.assert_allclose(panel["errors"]["LSTM"]["value"][1:], scale * np.arange(1, 5))
    np.testing.assert_allclose(panel["right"]["DNC"]["value"], [1, 1, 0.4, 0, 0])
    np.testing.assert_allclose(estimates.errors_at(results["DNC"], 16), [0.3, 0.6, 2.1])
    ratios = estimates.by_length(results, 4, over="DNC")["ratios"]
    assert list(ratios) == ["LSTM"]
    np.testing.assert_allclose(ratios["LSTM"]["value"], [1, *[scale / (0.1 * 0.2 * 0.7) ** (1 / 3)] * 4])
    assert (ratios["LSTM"]["low"] <= ratios["LSTM"]["value"]).all()


def test_ratios_of_errors(results):
    finite = results["LSTM"][:2]
    scale = 2**0.5 / (0.1 * 0.2 * 0.7) ** (1 / 3)
    at_16 = estimates.error_ratio(finite, results["DNC"], 16)
    np.testing.assert_allclose(at_16.values["above"], [3, 6])
    np.testing.assert_allclose(at_16.values["below"], [0.3, 0.6, 2.1])
    assert at_16.estimate().value == pytest.approx(scale) and at_16.estimate().n == 2
    trained = estimates.trained_ratio(finite, results["DNC"], 4)  # lengths 2, 3, 4: errors 0, scale, 2 scale
    np.testing.assert_allclose(trained.values["above"], [(estimates.ZERO * n * 2 * n) ** (1 / 3) for n in (1, 2)], rtol=1e-5)
    assert trained.estimate().value == pytest.approx(scale ** (2 / 3))
    old = estimates.retention_ratio(finite, results["DNC"])  # levels 1 and 2 of the last row: errors 6 scale, 7 scale
    np.testing.assert_allclose(old.values["above"], np.array([1, 2]) * 42**0.5, rtol=1e-5)


def test_relative_errors_are_of_the_answers_size(results):
    size = measures.draw_test_set("addition", 20, 0).targets.sum((1, 2)).square().mean().sqrt().item()
    assert 35 < size < 45  # the sum of 20 digits, 2 each on average
    expected = np.sqrt([0.4, 0.8, 2.8]) / size
    evidence = estimates.relative_error(results["DNC"], "addition", 20)
    assert evidence.estimator == "geometric_mean"
    np.testing.assert_allclose(evidence.values["values"], expected, rtol=1e-5)


def test_retention_is_what_is_left_after_the_last_level(results):
    retention = estimates.retention([(1, 1), (2, 2), (2, 3)], results)
    assert retention["levels"] == ["1", "2", "2–3"]
    np.testing.assert_allclose(retention["errors"]["DNC"]["value"], (0.1 * 0.2 * 0.7) ** (1 / 3) * np.arange(6, 9))
    np.testing.assert_allclose(retention["right"]["DNC"]["value"], [0.2, 0.6, 1.0])


def test_accuracies(results):
    panel = estimates.accuracies(results, 4)
    assert panel["trained"] == 4 and panel["models"]["DNC"] == [[1.0, 1.0, 0.4, 0.0, 0.0]] * 3
    assert estimates.old_level_accuracy(results["DNC"]).values == {"values": [0.4] * 3}
    assert estimates.accuracy_at(results["DNC"], 4).values == {"values": [0.4] * 3}
    assert estimates.exact_seeds(results["DNC"], 3).values == {"successes": 3, "n": 3}
    assert estimates.exact_seeds(results["DNC"], 4).values == {"successes": 0, "n": 3}


def test_a_variant_counts_the_seeds_that_learnt(results):
    variants = {name: estimates.variant([1.0, 2.0, 3.0], seeds) for name, seeds in results.items()}
    part = variants["DNC"]
    np.testing.assert_allclose(part["error"], [0.4, 0.8, 2.8])
    assert part["effective"] == [1.0, 2.0, 3.0] and part["value"] == pytest.approx(2 / 3)
    assert 0 < part["low"] < part["value"] < part["high"] < 1
    errors = {name: each["error"] for name, each in variants.items()}
    assert estimates.learnt_proportion(errors["DNC"]).values == {"successes": 2, "n": 3}
    assert estimates.learnt_more(errors["DNC"], errors["LSTM"]).estimate() == difference_of_proportions(2, 3, 0, 3)


def test_means_over_networks():
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
    panel = estimates.inside_memory(examined, 1, [-1, 1], [2, 4])
    assert panel["predicted"] == [1.0, 3.1] and panel["alphas"] == [-1, 1] and panel["times"] == [2, 4]
    np.testing.assert_allclose(panel["moved"]["memory"]["value"], [2, 4])
    assert panel["moved"]["memory"]["low"][0] == pytest.approx(mean([0, 1, 5]).low)
    np.testing.assert_allclose(panel["contributions"]["memory"]["value"], [0.5, 2])
    assert estimates.mean_of(examined, "transfer") == pytest.approx(0.2)
    assert estimates.means_of(examined, "slope") == {"memory": 0.67}
    assert estimates.memory_slope(examined).estimate().value == pytest.approx(2 / 3, rel=1e-5)


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
            "curves": estimates.curves({"DNC": seeds}, 200, 3),
            "lengths": estimates.by_length({"DNC": seeds, "LSTM": seeds}, 3, over="DNC"),
            "retention": {"disjoint": estimates.retention(levels, {"DNC": seeds, "LSTM": seeds})},
            "seeds": {"limit": 1.0, "num_slots": 5, "variants": {"DNC": estimates.variant(effective, seeds)}},
            "memory": estimates.inside_memory(examined, 1, [-2, 2], [2]),
            "recall": {"task": estimates.accuracies({"DNC": seeds}, 3)},
        }
    )
    assert data["seeds"]["variants"]["DNC"]["effective"][0] == 0 < data["seeds"]["variants"]["DNC"]["effective"][1]
    assert data["curves"]["models"]["DNC"]["value"][-1] > measures.DIVERGED**0.5 / 10  # of two seeds, one of them diverged
    for name in data:
        assert to_png(getattr(figures, f"draw_{name}")(data[name]), dpi=50)
    verdicts = [estimates.relative_error(seeds, "addition", 100), estimates.old_level_accuracy(seeds)]
    verdicts += [estimates.trained_ratio(seeds, seeds, 3), estimates.error_ratio(seeds, seeds, 100)]
    assert np.isfinite([evidence.estimate() for evidence in verdicts]).all()
