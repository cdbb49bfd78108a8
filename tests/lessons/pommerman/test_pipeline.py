"""Trainings on ten short games: the same in blocks or in one go, the same data for all models, search."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman import pipeline
from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.models.specs import CLOSED, CoreConfig

CORE = CoreConfig("feedforward", hidden_size=5, num_slots=4, word_size=3, num_heads=2, allocation_bias=CLOSED)
CONFIG = ModelConfig(CORE, channels=3, updates=6, batch_size=3, seq_len=4)
TRACKER = replace(CONFIG.with_core(kind="lstm"), family="tracker")


@pytest.mark.parametrize(
    "config",
    [
        CONFIG.with_core(kind="dnc"),
        replace(CONFIG.with_core(kind="lstm"), family="vector"),
        replace(CONFIG.with_core(kind="dnc"), family="one-hot"),
    ],
)
def test_training_in_blocks_is_training_in_one_go(world, config):
    (path,) = pipeline.train(world.run, world.folder, [config])
    other = world.again(f"blocks-{config.family}")
    (again,) = pipeline.train(other.run, other.folder, [config], block=2)
    ours, theirs = pipeline.load_model(path, config), pipeline.load_model(again, config)
    assert path != again and all(map(torch.equal, ours.parameters(), theirs.parameters()))


def test_models_of_one_training_seed_see_the_same_steps(world):
    lstm, dnc, other = (
        pipeline.begin_training(world.folder, config, 1)
        for config in (CONFIG.with_core(kind="lstm"), CONFIG.with_core(kind="dnc"), replace(CONFIG, training_seed=1))
    )
    places = np.array([[0, 1, 2]])
    assert torch.equal(lstm.read(places).vectors, dnc.read(places).vectors)
    assert lstm._offset == dnc._offset and lstm._offset != other._offset
    assert not torch.equal(lstm.read(places).vectors, other.read(places).vectors)


def test_a_loaded_model_is_the_trained_one(world):
    (path,) = pipeline.train(world.run, world.folder, [TRACKER])
    trainer = pipeline.begin_training(world.folder, TRACKER, 1)
    list(trainer.run(6))
    loaded = pipeline.load_model(path, TRACKER).state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in pipeline.model_weights(trainer).items())


def test_the_search_tries_the_learning_rates_of_each_family_in_full_trainings(world):
    models = {"a": CONFIG, "b": TRACKER}
    losses = pipeline.search(world.run, world.folder, models, num_lrs=2, validation_steps=25)
    assert list(losses["a"]) == list(pipeline.LRS["board"][:2]) and list(losses["b"]) == list(pipeline.LRS["tracker"][:2])
    assert all(np.isfinite(loss) and loss > 0 for tried in losses.values() for loss in tried.values())
    assert len(set(losses["a"].values())) == 2
    trial = replace(CONFIG, lr=pipeline.LRS["board"][0], training_seed=pipeline.SEARCH_SEEDS)
    (path,) = pipeline.train(world.run, world.folder, [trial])  # as many updates as the model itself
    assert pipeline.validation_loss(world.folder, trial, path, 25) == pytest.approx(losses["a"][trial.lr])


def test_validation_reads_whole_segments_up_to_the_steps_asked_for(world, monkeypatch):
    (path,) = pipeline.train(world.run, world.folder, [CONFIG])
    shapes = []

    def count(folder, views, config, part):
        read = reader(folder, views, config, part)
        return lambda places: shapes.append(places.shape) or read(places)

    reader = pipeline.reader
    monkeypatch.setattr(pipeline, "reader", count)
    for steps, expected in ((25, 1), (49, 1), (50, 2)):
        shapes.clear()
        pipeline.validation_loss(world.folder, CONFIG, path, steps)
        assert shapes == [(16, 25)] * expected
