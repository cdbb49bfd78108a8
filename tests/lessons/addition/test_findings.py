"""Findings and tables against numbers computed by hand from small made-up results."""

import pytest

from wmlib.experiment.statistics import Evidence
from wmlib.lessons.addition import contestants, estimates, findings
from wmlib.lessons.addition.pipeline import Search
from wmlib.lessons.addition.recipes import Recipe, grid, with_default_initialization
from wmlib.models.specs import CLOSED, CoreConfig

DNC = Recipe(CoreConfig("dnc", allocation_bias=CLOSED))


def test_a_finding_is_an_estimate_with_its_measure():
    found = findings.finding("slope", Evidence("mean", {"values": [1.0, 2.0, 3.0]}))
    assert found["value"] == 2 and found["n"] == 3 and found["low"] < 2 < found["high"]
    assert findings.in_words(found) == "slope: **2** [-0.484, 4.48], n = 3"


def test_right_copies_and_what_is_left_of_old_levels(results):
    assert findings.of_copies(results, 3)["copy_DNC"]["value"] == 1 > findings.of_copies(results, 4)["copy_LSTM"]["value"] == 0
    assert findings.of_recalls(results, 4)["recall_DNC"]["value"] == pytest.approx(0.4)
    found = findings.of_retention(results, "disjoint")
    assert list(found) == ["old_disjoint_DNC_right", "old_disjoint_LSTM_right", "old_disjoint_LSTM_ratio"]
    assert found["old_disjoint_DNC_right"]["value"] == pytest.approx(0.4)  # of 0.2 and 0.6
    assert found["old_disjoint_LSTM_ratio"]["value"] == pytest.approx((2e6 / 0.014) ** (1 / 3), rel=1e-4)


def test_how_far_each_network_reaches(results):
    rows = findings.far_table({"five slots": results["DNC"]}, "addition", 16, 20)
    assert rows[0]["near"] == pytest.approx(3 * (0.1 * 0.2 * 0.7) ** (1 / 3)) and rows[0]["seeds"] == 3
    assert rows[0]["relative"] == pytest.approx(estimates.relative_error(results["DNC"], "addition", 20).estimate().value)
    line = findings.far_table_in_words([{**rows[0], "relative": 0.021, "low": 0.01, "high": 0.044}], 16, 20).splitlines()[2]
    assert line.startswith("| five slots | 0.72 | 0.96 | **2.1%** [1.0%, 4.4%]")


def test_the_race_compares_each_intervention_with_its_sham():
    learnt = {"error": [0.1] * 10}
    failed = {"error": [9.0] * 10}
    variants = dict.fromkeys(contestants.race(DNC), learnt) | {"6e-3": failed, "2e-2, memory off at first": failed}
    found = {name: part["value"] for name, part in findings.of_race(variants).items()}
    assert found["race_lstm_off"] == 0 and found["race_lstm_sham"] == 1  # what helps is the restart
    assert found["race_memory_off"] == 1 and found["race_memory_sham"] == 0 and found["race_closed"] == 1


def test_winners_in_words_mark_the_edge():
    lstm = Recipe(CoreConfig("lstm", 7, forget_bias=None), lr=0.08, max_grad_norm=10.0)
    tried = [*grid(DNC), with_default_initialization(DNC)]
    searches = {"DNC": Search(tried, [1.0] * len(tried), tried[-1], 0.5), "LSTM": Search([lstm], [2.0], lstm, 0.25)}
    tables = dict.fromkeys(("addition", "copy"), estimates.search_tables(searches))
    rows = findings.winners_in_words(tables).splitlines()
    assert rows[2] == "| addition | DNC | 0.02 | 1 | 0.5 |"
    assert rows[3] == "| addition | LSTM, default initialization | 0.08 (edge) | 10 | 0.25 |" and len(rows) == 6
