"""A notebook's run: settings refused or taken, generators, the cache, and what is stored."""

import json
import time

import numpy as np
import pytest
import torch

from wmlib.experiment import paths, results
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.fingerprint import FingerprintError
from wmlib.experiment.results import ResultsError
from wmlib.experiment.run import Run, choose_device
from wmlib.experiment.settings import SettingError
from wmlib.experiment.statistics import Evidence

CALLS = []  # of the functions below, which stand at the top of this module as functions that are cached must


@pytest.fixture(autouse=True)
def no_calls_yet():
    CALLS.clear()


@pytest.fixture(autouse=True)
def notebook(project):
    project.notebook("01_good")


def start(seed=1, profile="quick", overrides=None, **parameters) -> Run:
    return Run("01_good", profile, seed, "cpu", overrides=overrides, **parameters)


def draw(seed, steps=2):
    CALLS.append((seed, steps))
    return {"values": np.random.default_rng(seed).random(steps)}


def fill(folder, text):
    CALLS.append(text)
    (folder / "text").write_text(text)


# Settings


@pytest.mark.parametrize(
    ("overrides", "parameters", "expected"),
    [
        (None, {}, {"steps": 3, "rate": 0.5, "task": "copy"}),
        ({}, {"steps": None, "task": None}, {"steps": 3, "rate": 0.5, "task": "copy"}),
        (None, {"steps": 7}, {"steps": 7, "rate": 0.5, "task": "copy"}),
        ({"rate": 2}, {"steps": 7}, {"steps": 7, "rate": 2.0, "task": "copy"}),
        ({"task": "repeat", "rate": None}, {"steps": None}, {"steps": 3, "rate": 0.5, "task": "repeat"}),
        ({"steps": 8}, {"steps": 7}, {"steps": 8, "rate": 0.5, "task": "copy"}),
    ],
)
def test_parameters_and_overrides_change_the_profiles_values(overrides, parameters, expected):
    run = start(overrides=overrides, **parameters)
    assert vars(run.settings) == expected
    with pytest.raises(AttributeError):
        run.settings.steps = 1


def test_each_profile_has_its_values():
    assert [start(profile=profile).settings.steps for profile in ("smoke", "quick", "study", "paper")] == [1, 3, 5, 9]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overrides": {"stepz": 3}}, "parameter: got 'stepz'; allowed are steps, rate, task. Did you mean 'steps'?"),
        ({"stepz": 3}, "parameter: got 'stepz'; allowed are steps, rate, task. Did you mean 'steps'?"),
        ({"stepz": None}, "parameter: got 'stepz'"),
        ({"overrides": {"steps": 11}}, "steps: got 11; allowed is 1 to 10"),
        ({"overrides": {"task": "cpoy"}}, "Did you mean 'copy'?"),
        ({"steps": "7"}, "steps: got '7'; allowed is a whole number"),
        ({"profile": "quik"}, "profile: got 'quik'; allowed are smoke, quick, study, paper. Did you mean 'quick'?"),
        ({"seed": -1}, "seed: got -1"),
        ({"seed": 1.5}, "seed: got 1.5"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line_with_the_nearest(arguments, message):
    with pytest.raises(ValueError) as error:
        start(**arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_notebook_or_device_is_refused():
    with pytest.raises(SettingError, match=r"notebook: got '01_god'.*Did you mean '01_good'"):
        Run("01_god", "quick", 1, "cpu")
    with pytest.raises(SettingError, match="device: got 'gpu'; allowed are auto, cpu, cuda"):
        Run("01_good", "quick", 1, "gpu")


def test_the_notebook_shows_the_table_and_the_run():
    shown = start(seed=7, steps=5)._repr_html_()
    for text in ("profile <b>quick</b>", "seed <b>7</b>", "device <b>cpu</b>", "<b>5</b> (yours)", "how fast"):
        assert text in shown


def test_on_a_cpu_a_run_computes_on_one_thread(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    start()
    assert asked == [1]


@pytest.mark.parametrize("there", [False, True])
def test_a_device_is_chosen_or_refused(monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto") == torch.device("cuda" if there else "cpu")
    if there:
        assert choose_device("cuda") == torch.device("cuda")
    else:
        with pytest.raises(SettingError, match="device: got 'cuda', but PyTorch finds no CUDA GPU here; use auto or cpu"):
            choose_device("cuda")
    with pytest.raises(SettingError, match=r"device: got 'cud'; .* Did you mean 'cuda'"):
        choose_device("cud")


# Generators


def test_generators_repeat_by_seed_and_name():
    def draws(seed, *names):
        run = start(seed)
        return run.rng(*names).random(), torch.rand(1, generator=run.torch_rng(*names)).item()

    assert draws(1, "data", 2) == draws(1, "data", 2)
    different = [draws(1, "data", 2), draws(1, "data", 3), draws(1, "init"), draws(2, "data", 2)]
    assert len({a for a, _ in different}) == len({b for _, b in different}) == 4


# The cache


def test_a_call_is_done_once_in_all_runs_and_again_for_other_arguments():
    for seed, steps in ((1, 2), (1, 2), (2, 2), (1, 3)):
        run = start(seed)
        expected = np.random.default_rng(seed).random(steps)
        assert np.array_equal(run.cached(draw, run.seed, steps=steps)["values"], expected)
    assert CALLS == [(1, 2), (2, 2), (1, 3)]
    start().cached(draw, 1)  # a default is an argument too
    assert len(CALLS) == 3


def test_a_notebooks_settings_are_no_part_of_the_key_unless_they_are_passed():
    start(steps=5).cached(draw, 1)
    start(steps=6).cached(draw, 1)
    assert CALLS == [(1, 2)]


def test_each_profile_has_a_cache_of_its_own():
    for profile in ("smoke", "quick"):
        run = start(profile=profile)
        run.cached(draw, 1)
        assert run.cache.path == paths.output(profile) / "cache"
    assert len(CALLS) == 2


def test_a_folder_is_filled_once():
    folder = start().cached_folder(fill, "hello")
    assert (folder / "text").read_text() == "hello"
    assert start().cached_folder(fill, text="hello") == folder and CALLS == ["hello"]
    other = start().cached_folder(fill, "other")
    assert other != folder and (other / "text").read_text() == "other"


def test_fresh_makes_what_is_older_again(monkeypatch):
    start().cached(draw, 1)
    monkeypatch.setenv("WMLIB_FRESH", "today")
    for _ in range(2):
        start().cached(draw, 1)
    assert CALLS == [(1, 2), (1, 2)]


def test_a_lambda_is_refused():
    with pytest.raises(FingerprintError, match="function: got a lambda"):
        start().cached(lambda: 1)


# Results


CLAIM = Claim("works", "It works.", "ours", "90 %", "success rate", smallest=0.9, null=0.4)
EVIDENCE = Evidence("proportion", {"successes": 8, "n": 10})


def store(run, data=None):
    headline = ("success rate", EVIDENCE.estimate(), "8 of 10")
    return run.store(headline, [judge(CLAIM, EVIDENCE)], data or {}, seeds={"runs": range(10)})


def test_stored_results_are_in_their_folder_and_complete(project):
    run = start(seed=4, overrides={"rate": 0.25}, steps=5)
    stored = store(run, {"x": np.arange(3), "third": 1 / 3})
    assert run.figures == project.path / "figures/01_good" and run.results_file == run.figures / "results.json"
    assert json.loads(run.results_file.read_text()) == stored == results.read(run.results_file)
    assert stored["headline"] == {
        "label": "success rate",
        "value": 0.8,
        "interval": [0.490162, 0.943318],
        "n": 10,
        "text": "8 of 10",
    }
    assert stored["settings"] == {"steps": 5, "rate": 0.25, "task": "copy"}
    assert (stored["notebook"], stored["profile"], stored["seed"], stored["device"]) == ("01_good", "quick", 4, "cpu")
    assert stored["data"] == {"x": [0, 1, 2], "third": 0.333333} and stored["figures"] == []
    assert stored["claims"][0]["verdict"] == "partly" and stored["seeds"] == {"runs": list(range(10))}
    assert (stored["commit"], stored["dirty"]) == (None, None)  # a project outside git


def test_the_study_is_the_committed_one(project):
    run = start()
    assert run.study is None
    stored = store(start(profile="study"))
    assert run.study == stored and stored["profile"] == "study"
    assert (project.path / "figures/01_good/study/results.json").is_file()


def test_results_that_are_no_numbers_are_refused_and_nothing_is_written():
    run = start()
    with pytest.raises(ResultsError, match="a result is nan"):
        store(run, {"x": np.array([1.0, np.nan])})
    assert not run.results_file.exists()


def test_the_clock_counts_what_earlier_runs_did():
    def slow(run):
        return run.cached(wait, 0.3)

    first = start()
    slow(first)
    assert first.clock()["wall_time_s"] >= 0.3 and first.clock()["from_scratch_s"] == first.clock()["wall_time_s"]
    second = start()
    slow(second)
    clock = second.clock()
    assert clock["from_scratch_s"] >= clock["wall_time_s"] + 0.2
    assert store(second)["from_scratch_s"] >= 0.3


def wait(seconds):
    time.sleep(seconds)
    return seconds


def test_a_notebook_for_the_cpu_stays_there_where_a_gpu_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert Run("01_good", "quick", 1, "auto").device.type == "cuda"
    assert Run("01_good", "quick", 1, "auto", cpu_only=True).device.type == "cpu"
