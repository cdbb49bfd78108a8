"""The same search for every world model: what is tried, what is chosen, and where it is put."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from wmlib.experiment import seeding, settings
from wmlib.lessons.vizdoom_dream import controllers, pipeline, search
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig
from wmlib.lessons.vizdoom_dream.pipeline import DNC, LARGE_LSTM, LSTM
from wmlib.lessons.vizdoom_dream.search import BIASED, DEFAULT, Tuning
from wmlib.models.specs import CLOSED
from wmlib.training.divergence import TrainingDivergedError
from wmlib.training.jobs import cached_map


def test_every_family_has_equally_many_tunings():
    assert search.tunings([2e-3, 1e-3]) == [(2e-3, DEFAULT), (2e-3, BIASED), (1e-3, DEFAULT), (1e-3, BIASED)]


def test_the_search_ends_where_all_best_rates_lie_inside(monkeypatch):
    best = {LSTM: 2e-3, DNC: 3e-4}
    asked = []

    def try_all(run, encoded, trainings, lrs, rows, seeds):
        asked.append(list(lrs))
        nearest = {name: min(lrs, key=lambda lr, of=best[name]: abs(lr - of)) for name in trainings}
        return {name: [row(lr, [0.5], [0.5])] for name, lr in nearest.items()}

    monkeypatch.setattr(search, "try_all", try_all)
    found = search.search(None, None, {LSTM: None, DNC: None}, lrs=3, more=5, rows=1, seeds=1)
    assert asked == [
        [2e-3, 1e-3, 4e-3],
        [2e-3, 1e-3, 4e-3, 5e-4],
        [2e-3, 1e-3, 4e-3, 5e-4, 2.5e-4],
        [2e-3, 1e-3, 4e-3, 5e-4, 2.5e-4, 1.25e-4],
    ]
    assert found[DNC][0]["lr"] == 2.5e-4
    asked.clear()
    search.search(None, None, {DNC: None}, lrs=3, more=1, rows=1, seeds=1)
    assert len(asked) == 2


def test_a_tuning_is_put_into_a_training(lstm, dnc):
    one, other = (search.tuned(each, Tuning(0.5, BIASED)) for each in (lstm, dnc))
    assert one.lr == other.lr == 0.5
    assert one.model.core.forget_bias == 1.0 and one.model.core.allocation_bias is None
    assert other.model.core.allocation_bias == CLOSED and other.model.core.hidden_size == dnc.model.core.hidden_size
    one, other = (search.tuned(each, Tuning(0.5, DEFAULT)) for each in (lstm, dnc))
    assert one.model.core.forget_bias is None and other.model.core.allocation_bias is None


def row(lr, nll, recall):
    return {"lr": lr, "gate": DEFAULT, "nll": nll, "strict_recall": recall}


def test_of_nearly_equal_likelihoods_the_recall_decides():
    best = row(1, [0.500, 0.502], [0.3, 0.3])
    near = row(2, [0.503, 0.503], [0.2, 0.6])
    far, farther = row(3, [0.6, 0.6], [0.9, 0.9]), row(4, [0.7, 0.7], [1.0, 1.0])
    assert search.ordered([farther, far, best, near]) == [near, best, far, farther]
    assert search.choose({"a": [near, best], "b": [best]}) == {"a": Tuning(2, DEFAULT), "b": Tuning(1, DEFAULT)}


@pytest.fixture
def asked(monkeypatch):
    """The trainings that a search asks for, all done in this process."""
    trainings = []

    def note(cache, function, calls, label):
        trainings.extend(call["training"] for call in calls)
        return cached_map(cache, function, calls, label, parallel=False)

    monkeypatch.setattr(search, "cached_map", note)
    return trainings


def test_the_search_trains_on_seeds_of_its_own(world, lstm, dnc, asked):
    run, encoded = world
    found = search.search(run, encoded, {LSTM: lstm, DNC: dnc}, lrs=1, more=0, rows=48, seeds=2)
    assert {(each.training_seed, each.rows) for each in asked} == {(1000, 48), (1001, 48)} and len(asked) == 8
    assert list(found) == [LSTM, DNC] and {each["gate"] for each in found[DNC]} == {DEFAULT, BIASED}
    training = next(each for each in asked if each.training_seed == 1001 and each.model.core.kind == "dnc")
    (folder,) = pipeline.train(run, [encoded], [training])
    model = pipeline.load_world_model(folder, training)
    alone = pipeline.evaluate_model(encoded.latents, model, run.seed, "search")
    gate = BIASED if training.model.core.allocation_bias == CLOSED else DEFAULT
    (of_gate,) = (each for each in found[DNC] if each["gate"] == gate)
    assert of_gate["nll"][1] == alone["nll"] and len(of_gate["strict_recall"]) == 2


def test_trainings_of_full_length_choose_by_the_life_of_one_who_stands_still(world, lstm, dnc, asked):
    run, encoded = world
    config = EvolutionConfig(temperature=1.15, max_steps=20)
    chosen = {LSTM: Tuning(0.004, DEFAULT), DNC: Tuning(0.002, BIASED)}
    found = search.finals(run, encoded, {LSTM: lstm, DNC: dnc}, chosen, config, 10.0, seeds=2, dreams=3)
    assert {each.lr for each in asked if each.model.core.kind == "lstm"} == {0.004, 0.002, 0.001}
    assert {(each.training_seed, each.rows) for each in asked} == {(1000, lstm.rows), (1001, lstm.rows)} and len(asked) == 12
    assert {row["gate"] for row in found[DNC]} == {BIASED}
    distances = [abs(np.log(np.mean(row["still"]) / 10)) for row in found[LSTM]]
    assert distances == sorted(distances)
    row = found[LSTM][0]
    training = replace(search.tuned(lstm, search.choose(found)[LSTM]), training_seed=1001)
    (folder,) = pipeline.train(run, [encoded], [training])
    model = pipeline.load_world_model(folder, training)
    dreams_seed = seeding.entropy(run.seed, "search, standing still") % 2**31
    lives = controllers.noop_dream_lengths(config, model, controllers.starts(encoded.latents), dreams_seed, 3)
    assert row["still"][1] == lives.mean()
    assert row["nll"][1] == pipeline.evaluate_model(encoded.latents, model, run.seed, "search")["nll"]


def test_a_full_training_that_diverges_is_left_out(world, lstm, monkeypatch):
    run, encoded = world
    monkeypatch.setattr(search, "cached_map", partial(cached_map, parallel=False))
    config = EvolutionConfig(max_steps=20)
    long = replace(lstm, rows=480)
    finals = partial(search.finals, run, encoded, {LSTM: long}, {LSTM: Tuning(1e30, DEFAULT)}, config, 10.0, seeds=1, dreams=3)
    found = finals(rates=(1, 1e-33))
    assert [row["lr"] for row in found[LSTM]] == [pytest.approx(1e-3)]
    with pytest.raises(TrainingDivergedError, match=f"{LSTM}: with each tuning tried"):
        finals(rates=(1,))


def test_the_stored_tunings_are_those_of_the_settings():
    overrides = {"lstm_lr": 0.5, "dnc_gate": "biased", "large_lstm_lr": 0.25}
    resolved = settings.resolve(settings.read("05_vizdoom_dream"), "quick", overrides)
    assert search.stored(resolved) == {
        LSTM: Tuning(0.5, BIASED),
        LARGE_LSTM: Tuning(0.25, BIASED),
        DNC: Tuning(resolved.dnc_lr, BIASED),
    }


@pytest.mark.parametrize("profile", settings.PROFILES)
def test_the_stored_tunings_are_the_first_ones(profile):
    stored = search.stored(settings.resolve(settings.read("05_vizdoom_dream"), profile, {}))
    lr = search.LRS[0]
    assert stored == {LSTM: Tuning(lr, BIASED), LARGE_LSTM: Tuning(lr, BIASED), DNC: Tuning(lr, DEFAULT)}


def test_a_tuning_that_diverges_is_left_out(world, lstm, monkeypatch):
    run, encoded = world
    monkeypatch.setattr(search, "cached_map", partial(cached_map, parallel=False))
    monkeypatch.setattr(search, "LRS", (1e-3, 1e30))
    found = search.search(run, encoded, {LSTM: lstm}, lrs=2, more=0, rows=480, seeds=1)
    assert {row["lr"] for row in found[LSTM]} == {1e-3}
    monkeypatch.setattr(search, "LRS", (1e30,))
    with pytest.raises(TrainingDivergedError, match=f"{LSTM}: with each tuning tried"):
        search.search(run, encoded, {LSTM: lstm}, lrs=1, more=0, rows=480, seeds=1)
