"""Latents, the training of world models and their evaluation, on made-up episodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.experiment import seeding, settings
from wmlib.lessons.vae import pipeline as vae_pipeline
from wmlib.lessons.vizdoom_dream import latents, measures, pipeline
from wmlib.models.dnc import DNC
from wmlib.models.layers import num_parameters
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CoreConfig
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModelConfig
from wmlib.training.vae import WEIGHTED
from wmlib.training.world_model import Experience, WorldModelTrainer


def assert_equal_weights(one, other):
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def assert_same(one, other):
    assert list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_a_training_is_a_plain_loop(world, data, request, kind):
    run, encoded = world
    training = replace(request.getfixturevalue(kind), training_seed=2)
    assert training.steps == 3
    (folder,) = pipeline.train(run, [encoded], [training])
    plain = training.model.build(seeding.torch_generator(1, "world model", 2))
    generator = seeding.torch_generator(1, "streams", 2)
    rows = len(vae_pipeline.split(data)[0])
    table = Experience(*(part[:rows] for part in latents.read(encoded.latents).experience))
    trainer = WorldModelTrainer(plain, table, generator=generator, batch_size=4, seq_len=6)
    for lr in (2e-3, 2e-3, 2e-3 * 2 / 3):  # one step of the three is left of the last half, which has one and a half
        for group in trainer.optimizer.param_groups:
            group["lr"] = lr
        next(trainer.run(1))
    for ours, theirs in zip(pipeline.load_world_model(folder, training).parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)


def test_an_untrained_model_keeps_its_default_initialization(world, lstm):
    run, encoded = world
    training = replace(lstm, rows=0)
    (folder,) = pipeline.train(run, [encoded], [training])
    assert_equal_weights(
        pipeline.load_world_model(folder, training), training.model.build(seeding.torch_generator(1, "world model", 0))
    )


def test_every_training_seed_has_a_model_of_each_name(world, lstm, dnc):
    run, encoded = world
    models = pipeline.train_each(run, [encoded, encoded], {"an LSTM": lstm, "a DNC": dnc})
    assert {name: [type(model.core) for model in each] for name, each in models.items()} == {
        "an LSTM": [LSTM, LSTM],
        "a DNC": [DNC, DNC],
    }
    (folder,) = pipeline.train(run, [encoded], [replace(dnc, training_seed=1)])
    assert_equal_weights(models["a DNC"][1], pipeline.load_world_model(folder, dnc))
    assert not torch.equal(*(model.mixture.linear.weight for model in models["an LSTM"]))


def test_predictions_are_those_of_the_measures(world, lstm, dnc):
    run, encoded = world
    trainings = {"untrained": replace(lstm, rows=0), "DNC": dnc}
    models = pipeline.train_each(run, [encoded, encoded], trainings)
    result = pipeline.predictions(run, [encoded, encoded], models, trainings, seen=3, ahead=4)
    assert list(result["evaluated"]) == ["untrained", "DNC"] and list(result["ahead"]) == ["DNC", "copy baseline"]
    episodes = latents.read(encoded.latents)
    test = episodes.part("test")
    draws = run.torch_rng("held-out latents")
    for stored, model in zip(result["evaluated"]["untrained"], models["untrained"], strict=True):
        assert_same(stored, measures.evaluate(model, episodes.experience, test, draws))
    entropy = measures.posterior_entropy(episodes.experience, np.concatenate(test))
    assert result["entropy"] == [entropy, entropy] and len(result["copy"]) == 2 and len(set(result["copy"])) == 1
    assert result["ahead"]["DNC"].shape == result["ahead"]["copy baseline"].shape == (4,)


def test_an_lstm_of_equal_size():
    dnc = pipeline.WorldModelTraining(WorldModelConfig(CoreConfig("dnc", 13, num_slots=7, word_size=5, num_heads=2), 3))
    lstm = pipeline.lstm_of_equal_size(dnc)
    assert replace(lstm, model=dnc.model) == dnc and lstm.model.core.kind == "lstm"
    hidden_size = lstm.model.core.hidden_size

    def gap(size):
        model = WorldModelConfig(CoreConfig("lstm", size), 3).build(torch.Generator())
        return abs(num_parameters(model) - num_parameters(dnc.model.build(torch.Generator())))

    assert hidden_size > 13 and gap(hidden_size) == min(gap(hidden_size + d) for d in (-1, 0, 1))


def test_models_of_one_training_seed_read_the_same_rows_and_draws(world, lstm, dnc):
    run, encoded = world
    trainers = [
        pipeline.begin_training(encoded.latents, training, run.seed, run.device)
        for training in (lstm, dnc, replace(lstm, training_seed=1))
    ]
    places = np.arange(4)[None]
    draws = [trainer.experience.sample(places, trainer.generator) for trainer in trainers]
    assert trainers[0]._offset == trainers[1]._offset and torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_some_models_have_fewer_training_seeds(world, lstm, dnc):
    run, encoded = world
    models = pipeline.train_each(run, [encoded, encoded], {"a": lstm, "b": dnc, "c": dnc}, {"b": 1, "c": 0})
    assert {name: len(each) for name, each in models.items()} == {"a": 2, "b": 1}
    results = pipeline.predictions(run, [encoded, encoded], models, {"a": lstm, "b": dnc}, seen=3, ahead=4)
    assert [len(results["evaluated"][name]) for name in "ab"] == [2, 1]


def test_one_model_is_evaluated_on_held_out_or_all_episodes(world, data, lstm):
    _, encoded = world
    model = lstm.model.build(torch.Generator().manual_seed(2)).eval()
    one = pipeline.evaluate_model(encoded.latents, model, 5, "held out")
    held_out = vae_pipeline.split(data)[1]
    draws = seeding.torch_generator(5, "evaluation")
    assert_same(one, measures.evaluate(model, latents.read(encoded.latents).experience, held_out, draws))
    every = pipeline.evaluate_model(encoded.latents, model, 5, "all")
    assert every["deaths"] + every["steps"] == data.lengths.sum() and len(every["steps_by_episode"]) == 13


def test_the_settings_of_the_notebook():
    resolved = settings.resolve(settings.read("05_vizdoom_dream"), "quick", {"num_heads": 3})
    trainings = pipeline.trainings(resolved, 64)
    assert list(trainings) == [pipeline.LSTM, pipeline.LARGE_LSTM, pipeline.DNC]
    lstm, large, dnc = trainings.values()
    assert lstm.model.core == CoreConfig("lstm", 128) and large == pipeline.lstm_of_equal_size(dnc)
    assert dnc.model.core == CoreConfig("dnc", 128, 16, 16, 3) and dnc.steps == 4_000_000 // (32 * 64)
    assert lstm.model.latent_size == 64 and lstm.decay == resolved.decay


@pytest.mark.parametrize("profile", settings.PROFILES)
def test_the_vaes_are_those_of_notebook_04(profile):
    """The two blocks agree, so that 05 finds the episodes and VAEs of 04 in the cache."""
    of_04, of_05 = (settings.read(name) for name in ("04_vae", "05_vizdoom_dream"))
    names = [name for name in of_05 if name.startswith("vae_")]
    only_in_04 = ("seeds", "paper_seeds", "paper_frames", "paper_channels")
    assert names == [f"vae_{name}" for name in of_04 if name not in only_in_04]
    for name in names:
        ours, theirs = of_05[name], of_04[name.removeprefix("vae_")]
        assert getattr(ours, profile) == getattr(theirs, profile), name
        assert (ours.min, ours.max, ours.choices) == (theirs.min, theirs.max, theirs.choices)
    resolved = settings.resolve(of_05, profile, {"seeds": 2})
    expected = vae_pipeline.configs(settings.resolve(of_04, profile, {"seeds": 2}), WEIGHTED)
    assert pipeline.vae_configs(resolved) == expected


def test_the_settings_reach_the_vaes():
    overrides = {"vae_latent_size": 5, "vae_frames": 700, "vae_lr": 0.5, "vae_decay": 0.25, "seeds": 2}
    resolved = settings.resolve(settings.read("05_vizdoom_dream"), "smoke", overrides)
    one, other = pipeline.vae_configs(resolved)
    assert (one.latent_size, one.frames, one.lr, one.decay) == (5, 700, 0.5, 0.25)
    assert (one.channels, one.batch_size) == (resolved.vae_channels, resolved.vae_batch_size)
    assert other == replace(one, training_seed=1)


@pytest.mark.parametrize("vae", ["kept", "trained"])
def test_the_kept_vae_has_seen_none_of_the_episodes(world, data, monkeypatch, vae):
    run, _ = world
    asked = []

    def cached_folder(make, policy, count, seed):
        asked.append((make, policy, count, seed))
        return data.folder.parent

    monkeypatch.setattr(run, "cached_folder", cached_folder)
    monkeypatch.setattr(run, "settings", replace(run.settings, vae=vae))
    assert pipeline.episodes(run).folder == data.folder
    of_04 = vae_pipeline.episodes(run, run.settings.episodes, run.settings.vae_policy)
    ours, theirs = asked
    assert of_04.folder == data.folder and ours[:3] == theirs[:3]
    assert (ours[3] == theirs[3]) == (vae == "trained")
    kept = weights.load("vae_10000_episodes")[1]
    assert "seed 1" in kept["made"] and "10,000 episodes" in kept["made"] and theirs[3] == 1


def test_frames_are_encoded_by_the_vae_of_each_training_seed(world, data):
    run, encoded = world
    other = VAE(generator=torch.Generator().manual_seed(1), latent_size=3, channels=1).eval()
    parts = pipeline.encode(run, [data] * 3, [encoded.vae, other, encoded.vae])
    assert [part.vae for part in parts] == [encoded.vae, other, encoded.vae]
    for part in parts:
        with torch.no_grad():
            expected = part.vae.encode(data.frames(np.arange(len(data)))).mean
        np.testing.assert_allclose(latents.read(part.latents).experience.mean, expected, rtol=2e-3, atol=2e-3)
    assert parts[0].latents == parts[2].latents != parts[1].latents


def test_a_vae_is_trained_for_each_training_seed(world, data, monkeypatch):
    run, _ = world
    asked = []

    def train(run, data, configs, label):
        asked.extend(configs)
        return [f"folder {config.training_seed}" for config in configs]

    monkeypatch.setattr(vae_pipeline, "episodes", lambda run, count, policy: data)
    monkeypatch.setattr(vae_pipeline, "train", train)
    monkeypatch.setattr(vae_pipeline, "load_vae", lambda folder, config: (folder, config.training_seed))
    assert pipeline.trained_vaes(run) == [("folder 0", 0)] and asked == pipeline.vae_configs(run.settings)


def test_detected_blobs_are_counted_once_for_each_vae(world, data):
    run, encoded = world
    other = VAE(generator=torch.Generator().manual_seed(1), latent_size=3, channels=1).eval()
    tallies = pipeline.detected_blobs(run, data, [encoded.vae, encoded.vae, other])
    held_out = vae_pipeline.split(data)[1]
    assert len(tallies) == 2 and all(tally["frames"].tolist() == [len(rows) for rows in held_out] for tally in tallies)
