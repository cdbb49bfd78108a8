"""The wider search: which rate comes next, when it ends, and that its trials are those of the search."""

from dataclasses import replace

import pytest

from wmlib.lessons.pommerman import pipeline, search
from wmlib.lessons.pommerman.configs import NO_CORE, ModelConfig
from wmlib.models.specs import CoreConfig

CORE = CoreConfig(NO_CORE, hidden_size=5, num_slots=4, word_size=3, num_heads=2)
CONFIG = ModelConfig(CORE, channels=3, updates=2, batch_size=3, seq_len=4)


def test_the_next_rate_lies_beyond_the_edge_where_the_best_is():
    assert search.beyond_the_edge({0.4: 3.0, 0.2: 2.0, 0.8: 4.0}) == 0.1
    assert search.beyond_the_edge({0.4: 3.0, 0.2: 5.0, 0.8: 1.0}) == 1.6
    assert search.beyond_the_edge({0.4: 1.0, 0.2: 2.0, 0.8: 4.0}) is None


def test_it_goes_on_until_the_best_lies_inside(world):
    first = 0.25
    trial = replace(CONFIG, lr=first / 2, training_seed=pipeline.SEARCH_SEEDS)
    (path,) = pipeline.train(world.run, world.folder, [trial])
    loss = pipeline.validation_loss(world.folder, trial, path, 25)
    models = {"edge": CONFIG, "inside": CONFIG}
    losses = {"edge": {2 * first: loss + 2, first: loss + 1}, "inside": {0.1: 3.0, 0.2: 2.0, 0.4: 3.0}}
    found = search.widen(world.run, world.folder, models, losses, more=1, validation_steps=25)
    assert found["inside"] == losses["inside"]
    assert found["edge"] == {**losses["edge"], first / 2: pytest.approx(loss)}
    low = {"edge": {2 * first: loss - 1, first: loss - 2}}
    ended = search.widen(world.run, world.folder, {"edge": CONFIG}, low, more=5, validation_steps=25)
    assert len(ended["edge"]) == 3  # half of the lowest is worse, so the best lies inside
    assert losses["edge"] == {2 * first: loss + 2, first: loss + 1}  # what came in is as it was


def test_none_more_is_none_more(world):
    losses = {"edge": {0.5: 2.0, 0.25: 1.0}}
    assert search.widen(world.run, world.folder, {"edge": CONFIG}, losses, more=0, validation_steps=25) == losses
