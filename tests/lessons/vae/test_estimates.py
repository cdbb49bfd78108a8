"""Recall, precision and errors of made-up tallies, against numbers computed by hand."""

import numpy as np
import pytest

from wmlib.lessons.vae import estimates
from wmlib.lessons.vae.measures import SIZES

ONE = {
    "frames": np.array([3, 2]),
    "squared_error": np.array([6.0, 9.0]),
    "kl": np.array([0.5, 0.01, 0.06]),
    "blobs": np.array([[9, 20, 0, 1], [9, 20, 0, 1]]),
    "detected": np.array([[0, 10, 0, 1], [0, 20, 0, 1]]),
    "drawn": np.array([[0, 30, 0, 0], [0, 0, 0, 0]]),
    "matched": np.array([[0, 27, 0, 0], [0, 0, 0, 0]]),
    "bright": np.array([[100, 140, 70], [100, 60, 50]]),
}
NONE = {**ONE, **{name: 0 * ONE[name] for name in ("blobs", "detected", "drawn", "matched", "bright")}}


def test_recall_and_precision_are_proportions_of_all_blobs_of_a_class():
    assert estimates.recall([ONE, ONE]).estimate().value == 30 / 40
    assert estimates.precision([ONE, ONE]).estimate().value == 27 / 30
    blind = {**ONE, "detected": 0 * ONE["detected"]}
    both = estimates.recall([ONE, blind]).estimate()
    assert both.value == 30 / 80 and both.n == 2
    assert both.low < 0 and both.high > 0.75  # two training seeds that differ so much say nothing
    assert estimates.recall([ONE], size=0).estimate().value == 0


def test_the_claim_on_precision_weighs_training_seeds_alike():
    wild = {**ONE, "drawn": 10 * ONE["drawn"]}  # draws ten times as many, nine of ten where nothing is
    precision = estimates.precision_of_seeds([ONE, wild, NONE]).estimate()
    assert precision.value == pytest.approx((0.9 + 0.09) / 2, abs=1e-6)
    assert precision.n == 2  # who draws nothing has no precision
    assert estimates.precision([ONE, wild, NONE]).estimate().value == pytest.approx(54 / 330)
    assert estimates.precision_of_seeds([NONE]) is None


def test_too_few_blobs_give_no_estimate():
    assert estimates.recall([ONE, ONE], size=2) is None
    assert estimates.recall([ONE, ONE], size=3, least=5) is None
    assert estimates.recall([ONE, ONE], size=3, least=4).estimate().value == 1
    assert estimates.precision([NONE]) is None


def test_the_squared_error_is_that_of_a_frame():
    assert estimates.squared_error([ONE, ONE]).estimate().value == 15 / 5
    assert estimates.squared_error_of_one(ONE) == 3


def test_a_row_of_classes_leaves_out_those_with_few_blobs():
    data = estimates.by_size({"PCA": [ONE, ONE]})
    assert len(data["classes"]) == len(SIZES) == 4
    assert [triple and triple[0] for triple in data["recall"]["PCA"]] == [0, 0.75, None, None]
    assert [triple and triple[0] for triple in data["precision"]["PCA"]] == [None, 0.9, None, None]


def test_learning_curves_have_a_row_for_each_stage():
    worse = {**ONE, "detected": ONE["detected"] // 2, "squared_error": 2 * ONE["squared_error"]}
    data = estimates.learning_curves([10, 20, 40], {"PCA": [[worse, worse, ONE], [worse, ONE, ONE]]}, {"PCA": 4.0})
    curve = data["models"]["PCA"]
    assert curve["recall"].tolist() == [[0.375, 0.375], [0.375, 0.75], [0.75, 0.75]]
    assert curve["squared_error"].tolist() == [[6, 6], [6, 3], [3, 3]]
    assert data["frames"] == [10, 20, 40] and data["baselines"] == {"PCA": 4.0}
    assert estimates.recall_of_one(NONE) == 0


def test_the_two_by_two_has_means_and_training_seeds():
    blind = {**ONE, "detected": 0 * ONE["detected"], "squared_error": 2 * ONE["squared_error"]}
    data = estimates.two_by_two({"a": [ONE, blind], "b": [blind, blind]}, {"PCA": ONE})
    assert data["losses"]["a"]["recall"][0] == 0.375 and data["losses"]["a"]["recalls"] == [0.75, 0]
    assert data["losses"]["b"]["squared_error"][0] == 6 and data["losses"]["a"]["squared_errors"] == [3, 6]
    assert data["baselines"] == {"PCA": {"recall": 0.75, "squared_error": 3}}


def test_a_difference_of_recalls_is_taken_seed_by_seed_on_the_same_blobs():
    blind = {**ONE, "detected": 0 * ONE["detected"]}
    evidence = estimates.recall_difference([ONE, ONE], [blind, ONE])
    assert evidence.values["hits"] == [[10, 20], [0, 0]] and evidence.values["counts"] == [20, 20]
    assert evidence.estimate().value == 0.375 and evidence.estimate().n == 2
    assert estimates.recall_difference([ONE, blind], [ONE, blind]).estimate()[:3] == (0, 0, 0)
    assert estimates.recall_difference([NONE], [NONE]) is None
    of_baseline = estimates.recall_difference([ONE, blind], [ONE])  # one for both seeds
    assert of_baseline.values["hits"] == [[0, 0], [-10, -20]] and of_baseline.estimate().n == 2


def test_scores_by_name_are_those_of_small_blobs():
    rows = estimates.score_rows({"PCA": [ONE], "nothing": [NONE]})
    assert rows["PCA"]["recall"][0] == 0.75 and rows["PCA"]["precision"][0] == 0.9 and rows["PCA"]["squared_error"] == 3
    assert rows["nothing"] == {"recall": None, "precision": None, "squared_error": 3}
    *_, first, second = estimates.score_table_in_words(rows).splitlines()
    assert first.startswith("| PCA | 75.0% [") and "| 90.0% [" in first and second == "| nothing | – | – | 3.0 |"


def test_a_table_of_stages_has_the_means_of_the_training_seeds():
    blind = {**ONE, "detected": 0 * ONE["detected"]}
    rows = estimates.stage_table([500.0, 1000.0], [[blind, ONE], [blind, blind]])
    assert [(row["frames"], row["recall"], row["squared_error"], row["seeds"]) for row in rows] == [
        (500, 0, 3, 2),
        (1000, 0.375, 3, 2),
    ]
    _, _, *lines = estimates.stage_table_in_words(rows).splitlines()
    assert lines == ["| 500 | 0.0 % | 3.0 | 2 |", "| 1,000 | 37.5 % | 3.0 | 2 |"]


def test_no_interval_of_a_proportion_goes_beyond_0_or_1():
    blind = {**ONE, "detected": 0 * ONE["detected"]}
    models = {"a": [ONE, blind]}
    assert estimates.score_rows(models)["a"]["recall"] == (0.375, 0, 1)
    assert estimates.two_by_two(models, {})["losses"]["a"]["recall"] == (0.375, 0, 1)
    assert estimates.by_size(models)["recall"]["a"][1] == (0.375, 0, 1)


def test_rows_are_compared_in_words():
    worse = {**ONE, "detected": ONE["detected"] // 2, "squared_error": 2 * ONE["squared_error"]}
    rows = estimates.score_rows({"PCA": [ONE], "VAE": [worse], "nothing": [NONE]})
    words = "PCA minus VAE: recall +37.5 percentage points, precision +0.0 percentage points, squared error -3.0 a frame."
    assert estimates.difference_in_words(rows, "PCA", "VAE") == words
    assert estimates.difference_in_words(rows, "PCA", "nothing") == "PCA minus nothing: squared error +0.0 a frame."


def test_nats_are_sorted_and_those_in_use_counted():
    (nats,) = estimates.sorted_kl([ONE])
    assert nats.tolist() == [0.5, 0.06, 0.01] and estimates.num_active(ONE) == 2


def test_bright_pixels_are_those_of_all_episodes():
    assert estimates.bright_pixels([ONE, ONE]) == (1.0, 0.6)
    assert estimates.bright_pixels([NONE]) == (0, 0)


def test_the_training_seed_with_the_median_recall():
    tallies = [{"detected": np.array([[9, detected, 0], [9, 1, 0]])} for detected in (5, 2, 9, 2, 7)]
    assert estimates.median_seed(tallies, 1) == 0
    assert estimates.median_seed(tallies[:2], 1) == 0 and estimates.median_seed(tallies[:1], 1) == 0
