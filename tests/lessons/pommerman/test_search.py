"""The wider search: which trials come next, when it ends, and that they are trained and judged as those of the search."""

from dataclasses import replace

import pytest

from wmlib.lessons.pommerman import pipeline, search
from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.models.specs import CoreConfig

CORE = CoreConfig("feedforward", hidden_size=5, num_slots=4, word_size=3, num_heads=2)
CONFIG = ModelConfig(CORE, channels=3, updates=2, batch_size=3, seq_len=4)
TRACKER = replace(CONFIG.with_core(kind="lstm"), family="tracker")


def test_all_models_of_a_family_get_the_rate_beyond_an_edge_of_one():
    models = {"edge": CONFIG, "rival": CONFIG.with_core(kind="lstm"), "other": TRACKER}
    inside = {0.1: 3.0, 0.2: 2.0, 0.4: 3.0}
    trials = search.further_trials(models, {"edge": {0.1: 1.0, 0.2: 2.0, 0.4: 3.0}, "rival": inside, "other": inside})
    assert [(name, config.lr) for name, config in trials] == [("edge", 0.05), ("rival", 0.05)]
    assert all(config == replace(models[name], lr=0.05, training_seed=pipeline.SEARCH_SEEDS) for name, config in trials)


def test_it_goes_on_until_the_best_lies_inside(world):
    first = 0.25
    trial = replace(CONFIG, lr=first / 2, training_seed=pipeline.SEARCH_SEEDS)
    (path,) = pipeline.train(world.run, world.folder, [trial])
    loss = pipeline.validation_loss(world.folder, trial, path, 25)
    losses = {"edge": {2 * first: loss + 2, first: loss + 1}}
    found = search.widen(world.run, world.folder, {"edge": CONFIG}, losses, more=1, validation_steps=25)
    assert found == {"edge": {**losses["edge"], first / 2: pytest.approx(loss)}}
    assert losses["edge"] == {2 * first: loss + 2, first: loss + 1}  # what came in is as it was
    low = {"edge": {2 * first: loss - 1, first: loss - 2}}
    ended = search.widen(world.run, world.folder, {"edge": CONFIG}, low, more=5, validation_steps=25)
    assert len(ended["edge"]) == 3  # half of the lowest is worse, so the best lies inside


def test_none_more_is_none_more(world):
    losses = {"edge": {0.5: 2.0, 0.25: 1.0}}
    assert search.widen(world.run, world.folder, {"edge": CONFIG}, losses, more=0, validation_steps=25) == losses
