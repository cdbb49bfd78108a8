"""results.json: what breaks its schema or a claim's own rule is refused, when written and when read."""

import copy
import json

import numpy as np
import pytest
import torch

from wmlib.experiment import results
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.results import ResultsError
from wmlib.experiment.run import Run
from wmlib.experiment.statistics import Evidence


@pytest.fixture
def run(project):
    project.notebook("01_good")
    return Run("01_good", "quick", 1, "cpu", steps=5)


@pytest.fixture
def stored(run):
    claim = Claim("works", "It works.", "ours", "90 %", "success rate", smallest=0.9, null=0.4)
    evidence = Evidence("proportion", {"successes": 8, "n": 10})
    data = {"x": np.arange(3), "t": torch.ones(2)}
    return run.store(("success rate", evidence.estimate(), "8 of 10"), [judge(claim, evidence)], data, {"runs": range(10)})


def test_stored_results_say_what_made_them(stored, run):
    assert stored["settings"] == {"steps": 5, "rate": 0.5, "task": "copy"}
    assert stored["title"] == "01_good title" and stored["seed"] == 1 and stored["device"] == "cpu"
    assert stored["data"] == {"x": [0, 1, 2], "t": [1.0, 1.0]}
    assert stored["claims"][0]["verdict"] == "partly" and stored["seeds"] == {"runs": list(range(10))}
    assert {"python", "numpy", "torch"} <= set(stored["versions"])
    assert results.read(run.results_file) == stored


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: r.pop("seed"), "seed"),
        (lambda r: r.update(extra=1), "extra"),
        (lambda r: r["headline"].update(value="high"), "headline.value"),
        (lambda r: r["claims"][0].update(verdict="reproduced"), "its rule and numbers give 'partly'"),
        (lambda r: r["claims"][0].update(rule="reproduced if we say so"), "claim works"),
        (lambda r: r["figures"].append({"name": "a", "file": "a.png", "alt": "short", "caption": "c"}), "figures"),
        (lambda r: r.update(schema=1), "schema"),
    ],
)
def test_broken_results_are_refused_when_written_and_when_read(stored, run, change, message):
    broken = copy.deepcopy(stored)
    change(broken)
    with pytest.raises(ResultsError, match=message):
        results.write(run.results_file, broken)
    assert results.read(run.results_file) == stored  # the good file is still there
    run.results_file.write_text(json.dumps(broken))
    with pytest.raises(ResultsError, match=message):
        results.read(run.results_file)


def test_unreadable_results_are_one_clear_error(run):
    with pytest.raises(ResultsError, match=r"cannot be read.*run its notebook again"):
        results.read(run.results_file)


def test_numbers_keep_six_digits_and_must_be_finite():
    assert results.plain({"a": np.float32(1 / 3), 2: [1e-9 / 3, 123456789.0, 0.0, True, None, "x"]}) == {
        "a": 0.333333,
        "2": [3.33333e-10, 123457000.0, 0.0, True, None, "x"],
    }
    with pytest.raises(ResultsError, match="a result is nan"):
        results.plain([float("nan")])


def test_the_same_results_are_the_same_bytes(stored, run):
    before = run.results_file.read_bytes()
    results.write(run.results_file, stored)
    assert run.results_file.read_bytes() == before


def test_many_negative_numbers_are_written_at_once_and_texts_are_left_alone(run, stored):
    stored["data"] = {"x": [-1.5] * 5000 + [None], "text": "[ 1, 2 ]", "y": [[-1, -2.5e-7], [3, 4]]}
    results.write(run.results_file, stored)
    assert results.read(run.results_file)["data"] == stored["data"]
    assert "[3, 4]" in run.results_file.read_text()
