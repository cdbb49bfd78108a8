"""Judging on the test games: as many steps as asked for, rules that are what they say, films."""

from dataclasses import replace

import numpy as np
import pytest

from wmlib.lessons.pommerman import evaluation, pipeline
from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.lessons.pommerman.data import held_out_views
from wmlib.lessons.pommerman.games import load_games
from wmlib.models.specs import CoreConfig

CONFIG = ModelConfig(CoreConfig("feedforward", hidden_size=5), channels=3, updates=2, batch_size=3, seq_len=4)
MAX_STEPS = 30


@pytest.fixture(scope="module")
def trained(world):
    """Return the folder of one small trained model."""
    return pipeline.train(world.run, world.folder, [CONFIG])[0]


def test_models_are_evaluated_on_all_held_out_steps(world, trained):
    oracle = replace(CONFIG, full=True, known_actions=4)
    (oracle_folder,) = pipeline.train(world.run, world.folder, [oracle])
    ours, theirs = evaluation.measure_models(world.run, world.folder, [CONFIG, oracle], [trained, oracle_folder], MAX_STEPS)
    assert ours["one"]["steps"].sum() == len(held_out_views(load_games(world.folder), MAX_STEPS).rows)
    assert len(ours["ahead"]) == len(evaluation.HORIZONS) and theirs["ahead"] == []  # it does not predict what it sees


def test_baselines_are_evaluated_likewise(world):
    baselines = evaluation.measure_baselines(world.run, world.folder, MAX_STEPS)
    names = ["copy baseline", "most common board", "table of values", "table of cells", "table of cells + own action"]
    assert list(baselines) == names
    copied = baselines["copy baseline"][0]["one"]
    assert copied["changed_right"].sum() == 0 and np.array_equal(copied["kept"], copied["unchanged"])


def test_trackers_and_hidden_rules(world):
    tracker = replace(CONFIG.with_core(kind="lstm"), family="tracker")
    folders = pipeline.train(world.run, world.folder, [tracker])
    (counts,) = evaluation.measure_trackers(world.run, world.folder, [tracker], folders, MAX_STEPS)
    rules = evaluation.evaluate_hidden_rules(world.folder, MAX_STEPS)
    assert rules["start values"]["changed_right"].sum() == 0
    guess = rules["constant guess"]
    assert np.array_equal(guess["changed_right"], guess["right"])  # never the number of the start
    assert np.array_equal(guess["changed_right"][:, 2], guess["changed"][:, 2])  # a kick that changed is 1
    assert rules["counting by hand"]["right"].sum() > 0.9 * rules["counting by hand"]["all"].sum()
    assert np.array_equal(counts["all"], rules["start values"]["all"])


def test_a_film_shows_the_liveliest_life(world, trained):
    shown = {"first": 2, "steps": 5, "every": 2, "max_steps": MAX_STEPS}
    film = evaluation.film(world.folder, {"feed-forward": (CONFIG, trained)}, **shown)
    assert film["truth"].shape == film["predicted"]["feed-forward"].shape == (5, 121)
    assert film["starts"].tolist() == [2, 4, 6] and film["dreamt"]["feed-forward"].shape == (3, 20, 121)
    assert np.array_equal(film["dream_truth"][0, 0], film["truth"][0])  # the dream from step 2, one step on
    assert np.array_equal(film["dream_truth"][1, 0], film["truth"][2])
    table = load_games(world.folder)
    views = held_out_views(table, MAX_STEPS)
    lives = [table.states[views.rows[life[2:8]]][:, :121] for life in views.lives if len(life) >= 27]
    changes = [np.count_nonzero(boards[1:] != boards[:-1]) for boards in lives]
    assert np.array_equal(film["truth"], lives[int(np.argmax(changes))][1:])


def test_a_film_longer_than_every_life_is_refused(world, trained):
    with pytest.raises(ValueError, match="first, steps: got 100, 5"):
        evaluation.film(world.folder, {"a": (CONFIG, trained)}, first=100, steps=5, every=2, max_steps=MAX_STEPS)
