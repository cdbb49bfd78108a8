"""The pipeline: many trainings, each of them cached; the search; what is measured inside."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.lessons.addition import measures, memory, pipeline, recipes
from wmlib.lessons.addition.recipes import Recipe
from wmlib.models.specs import CLOSED, CoreConfig

DNC = Recipe(CoreConfig("dnc", 7, 5, 3, allocation_bias=CLOSED))
LSTM = Recipe(CoreConfig("lstm", 7))
SHORT = {"task": "addition", "levels": [(1, 2)], "sequences": 32}


def count_cached(run, name: str) -> int:
    """Return how many results of a function are in the cache."""
    return sum(path.is_dir() for path in run.cache.path.glob(f"{name}-*"))


def test_seeds_are_those_of_their_use(run):
    pairs = pipeline.draw_seeds(1, "final", 3)
    assert pairs == pipeline.draw_seeds(1, "final", 5)[:3]
    assert len({seed for pair in pairs for seed in pair}) == 6
    assert pairs[1] == tuple(int(run.rng("final", kind, 1).integers(2**31)) for kind in ("data", "init"))
    assert not set(pairs) & set(pipeline.draw_seeds(1, "search", 3)) and pairs != pipeline.draw_seeds(2, "final", 3)


def test_fit_is_train_and_measure_and_each_training_is_done_once(run):
    seeds = [(1, 2), (3, 4)]
    results = pipeline.fit(run, {"a": DNC, "b": LSTM, "c": DNC}, seeds, "training", **SHORT)
    assert count_cached(run, "train_and_measure") == 4  # a and c are the same
    test_seed = pipeline.draw_seed(1, "test", "final")
    for name, recipe in {"a": DNC, "b": LSTM, "c": DNC}.items():
        expected = [measures.train_and_measure(recipe, pair, **SHORT, test_seed=test_seed) for pair in seeds]
        assert [each["error"] for each in results[name]] == [each["error"] for each in expected]
        assert torch.equal(results[name][1]["weights"]["output.weight"], expected[1]["weights"]["output.weight"])
    pipeline.fit(run, {"again": DNC}, [*seeds, (5, 6)], "one more seed", **SHORT)
    assert count_cached(run, "train_and_measure") == 5


@pytest.mark.parametrize(
    "changed",
    [
        {"task": "repeat"},
        {"levels": [(2, 2)]},
        {"sequences": 48},
        {"test": "search"},
        {"details": False},
        {"practice": "addition, even totals"},
    ],
)
def test_whatever_changes_the_result_is_another_training(run, changed):
    pipeline.fit(run, {"a": LSTM}, [(1, 2)], "training", **SHORT)
    pipeline.fit(run, {"a": LSTM}, [(1, 2)], "training", **{**SHORT, **changed})
    assert count_cached(run, "train_and_measure") == 2


@pytest.mark.parametrize(("sequences", "seeds", "expected"), [(1999, 2, False), (2000, 2, True), (2000, 1, False)])
def test_processes_are_started_for_long_trainings_only(run, monkeypatch, sequences, seeds, expected):
    parallel = []

    def remember(cache, function, calls, label, **options):
        parallel.append(options["parallel"])
        return [{}] * len(calls)

    monkeypatch.setattr(pipeline, "cached_map", remember)
    pairs = [(1, 2), (3, 4)][:seeds]
    pipeline.fit(run, {"a": DNC}, pairs, "training", task="addition", levels=[(1, 2)], sequences=sequences)
    assert parallel == [expected]


def test_the_search_follows_its_rule(run, monkeypatch):
    calls = []

    def fake(recipe, seeds, task, levels, sequences, test_seed, details, practice):
        calls.append((recipe, seeds, sequences, test_seed, details))
        best = 2e-2 if sequences == 16 else 4e-2  # with half of the training another one is the best
        return {"error": abs(np.log(recipe.lr / best)) + 0.1 * recipe.max_grad_norm + 0.01 * recipe.core.hidden_size}

    monkeypatch.setattr(pipeline, "train_and_measure", fake)
    monkeypatch.setattr(
        pipeline, "cached_map", lambda cache, function, calls, label, parallel: [function(**call) for call in calls]
    )
    models = {"DNC": DNC, "LSTM": LSTM, "the same LSTM": LSTM}
    options = {"lrs": (1e-2, 2e-2, 4e-2), "search_default_initialization": False, "search_seeds": 3}
    searches = pipeline.search(run, models, **SHORT, **options)
    first_seed, *other_seeds = pipeline.draw_seeds(1, "search", 4)
    assert [(seeds, sequences) for _, seeds, sequences, _, _ in calls] == [(first_seed, 16)] * 12 + [
        (pair, 32) for _ in range(4) for pair in other_seeds
    ]
    assert {test_seed for *_, test_seed, _ in calls} == {pipeline.draw_seed(1, "test", "search")}
    assert not any(details for *_, details in calls)
    for name, search in searches.items():
        assert search.recipes == recipes.grid(models[name], (1e-2, 2e-2, 4e-2))
        assert search.errors[2] == min(search.errors) and search.recipes[2].lr == 2e-2
        # the best two of the first stage are those at 1e-2 and 2e-2: the first of two that tie
        assert search.winner == replace(models[name], lr=2e-2)
        assert search.error == pytest.approx(np.log(2) + 0.1 + 0.07)


def test_examine_is_that_of_each_network(run):
    results = pipeline.fit(run, {"DNC": DNC}, [(1, 2), (3, 4)], "training", **SHORT)["DNC"]
    arguments = {"seed": 5, "alphas": [-1, 1], "times": [2], "samples": 64}
    examined = pipeline.examine(run, DNC, results, **arguments)
    core = recipes.restore_adder(DNC, results[1]["weights"])
    untrained = recipes.build(DNC, "addition", run.torch_rng("untrained", 1))
    expected = memory.examine(core, untrained, **arguments)
    assert examined[1]["slope"] == expected["slope"] and examined[1]["untrained"] == expected["untrained"]
    assert examined[0]["slope"] != examined[1]["slope"]
    effective = pipeline.effective_slots(DNC, results, 5)
    assert effective == [each["memory_use"]["effective_slots"] for each in examined]


@pytest.mark.parametrize("changed", [{"seed": 6}, {"alphas": [-2, 2]}, {"times": [3]}, {"samples": 65}])
def test_whatever_changes_an_examination_is_cached_anew(run, monkeypatch, changed):
    keys = []

    def remember(cache, function, calls, label, parallel):
        keys.extend(cache.artifact(function, (), call).name for call in calls)
        return []

    monkeypatch.setattr(pipeline, "cached_map", remember)
    core = recipes.build(DNC, "addition", torch.Generator().manual_seed(0))
    arguments = {"seed": 5, "alphas": [-1, 1], "times": [2], "samples": 64}
    for each in (arguments, arguments, {**arguments, **changed}):
        pipeline.examine(run, DNC, [{"weights": core.state_dict()}], **each)
    assert keys[0] == keys[1] != keys[2]
