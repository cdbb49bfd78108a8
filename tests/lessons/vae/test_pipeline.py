"""The pipeline on made-up episodes: split, training in blocks, resuming, stages, and what notebook 05 finds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.experiment import checkpoint, records, seeding
from wmlib.experiment.cache import ArtifactCache
from wmlib.lessons.vae import measures, pca, pipeline
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts, store
from wmlib.rollouts.store import Episode
from wmlib.training.vae import PAPER, WEIGHTED, VAETrainer

CONFIG = pipeline.TrainingConfig(WEIGHTED, frames=5 * 17, latent_size=3, channels=1, batch_size=5, lr=1e-3)


@pytest.fixture
def run(tmp_path):
    """What the pipeline needs of a Run."""
    cache = ArtifactCache(tmp_path / "cache")
    return SimpleNamespace(
        cache=cache,
        seed=1,
        device=torch.device("cpu"),
        cached=cache.values,
        cached_folder=cache.folder,
        rng=lambda *names: seeding.generator(1, *names),
    )


@pytest.fixture
def data(run):
    """Thirteen episodes of three to five random frames, as `pipeline.episodes` would leave them."""
    folder, rng = run.cache.path / "episodes-0" / "episodes", np.random.default_rng(0)
    folder.mkdir(parents=True)

    def play(observe, length):
        for _ in range(length + 1):
            observe(rng.integers(256, size=(64, 64, 3), dtype=np.uint8))
        return Episode([np.int64(1)] * length, [1.0] * length, True)

    plays = [lambda observe, n=n: play(observe, 2 + n % 3) for n in range(13)]
    manifest = {"episodes": 13, "shard_episodes": 100}
    store.write_shard(folder, 0, manifest, (64, 64, 3), np.zeros((), np.int64), plays)
    records.write(folder / "manifest.json", manifest)
    return Rollouts(folder)


def train_in_one_go(data: Rollouts, config: pipeline.TrainingConfig) -> VAE:
    generator = seeding.torch_generator(1, "vae", config.training_seed)
    model = VAE(generator=generator, latent_size=config.latent_size, channels=config.channels)
    rows = pipeline.split(data)[0]
    trainer = VAETrainer(
        model, config.objective, data.frames, rows, generator=generator, batch_size=config.batch_size, lr=config.lr
    )
    for step in range(config.steps):
        for group in trainer.optimizer.param_groups:
            group["lr"] = config.schedule(step)
        next(trainer.run(1))
    return model


def same(a: VAE, b: VAE) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_whole_episodes_are_held_out(data):
    rows, held_out = pipeline.split(data)
    assert len(held_out) == 2 and len(rows) + sum(map(len, held_out)) == len(data)
    assert rows[-1] + 1 == held_out[0][0] == data.starts[11] and held_out[1][-1] == len(data) - 1


def test_test_rows_are_every_so_many(monkeypatch):
    held_out = [np.arange(100, 107), np.arange(110, 113)]
    assert all(np.array_equal(a, b) for a, b in zip(pipeline.choose_test_rows(held_out), held_out, strict=True))
    monkeypatch.setattr(pipeline, "TEST_FRAMES", 5)
    assert [rows.tolist() for rows in pipeline.choose_test_rows(held_out)] == [[100, 102, 104, 106], [110, 112]]


def test_training_in_blocks_is_training_in_one_go(run, data):
    configs = [
        CONFIG,
        replace(CONFIG, training_seed=1),
        replace(CONFIG, objective=PAPER, frames=5 * 8),
        replace(CONFIG, decay=0.5),
    ]
    folders = pipeline.train(run, data, configs, block=4)
    for config, folder in zip(configs, folders, strict=True):
        assert same(pipeline.load_vae(folder, config), train_in_one_go(data, config))
        outputs = {f"{step}.safetensors" for step in config.stage_steps}
        assert {path.name for path in folder.iterdir()} == {"manifest.json", *outputs}
    assert not same(pipeline.load_vae(folders[0], CONFIG), pipeline.load_vae(folders[1], configs[1]))
    half = replace(CONFIG, frames=5 * CONFIG.stage_steps[3])
    assert same(pipeline.load_vae(folders[0], CONFIG, 3), train_in_one_go(data, half))


def test_the_learning_rate_falls_at_the_end():
    config = replace(CONFIG, frames=1000, batch_size=10, lr=2.0, decay=0.4)
    assert [config.schedule(step) for step in (0, 60, 80, 90, 99)] == pytest.approx([2, 2, 1, 0.5, 0.06])
    assert replace(config, decay=0.0).schedule(99) == 2


def test_settings_become_a_training_for_each_seed():
    settings = SimpleNamespace(frames=700, latent_size=5, channels=2, batch_size=7, lr=0.01, decay=0.25, seeds=3)
    configs = pipeline.configs(settings, PAPER)
    assert [config.training_seed for config in configs] == [0, 1, 2]
    assert configs[2] == pipeline.TrainingConfig(PAPER, 700, 2, 5, 2, 7, 0.01, 0.25) and configs[2].steps == 100


def test_a_stopped_training_resumes_and_does_nothing_twice(run, data, monkeypatch):
    saved, save = [], checkpoint.save

    def save_and_stop(path, *rest):
        saved.append(path.name)
        save(path, *rest)
        if saved.count("checkpoint.safetensors") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(run, data, [CONFIG], block=4)
    monkeypatch.setattr(checkpoint, "save", lambda path, *rest: (saved.append(path.name), save(path, *rest)))
    (folder,) = pipeline.train(run, data, [CONFIG], block=4)
    assert same(pipeline.load_vae(folder, CONFIG), train_in_one_go(data, CONFIG))
    assert sum(name != "checkpoint.safetensors" for name in saved) == len(set(CONFIG.stage_steps))
    done = len(saved)
    assert pipeline.train(run, data, [CONFIG], block=4) == [folder] and len(saved) == done


def test_processes_change_nothing(run, data):
    configs = [replace(CONFIG, frames=210, batch_size=1, training_seed=i) for i in range(2)]
    for config, folder in zip(configs, pipeline.train(run, data, configs), strict=True):
        assert same(pipeline.load_vae(folder, config), train_in_one_go(data, config))


def test_measures_are_tallies_after_each_stage(run, data):
    folders = pipeline.train(run, data, [CONFIG])
    test_rows = pipeline.split(data)[1]
    test = [data.frames(rows) for rows in test_rows]
    ((first, last),) = pipeline.measure(run, [CONFIG], folders, data, test_rows, [0, -1])
    for stage, tally in ((0, first), (-1, last)):
        model = pipeline.load_vae(folders[0], CONFIG, stage)
        expected = measures.tally((frames, measures.reconstruct(model, frames)) for frames in test)
        assert all(np.array_equal(tally[name], expected[name]) for name in expected)
        kl = model.encode(np.concatenate(test)).kl().mean(0).detach()
        np.testing.assert_allclose(tally["kl"], kl, rtol=1e-4)


def test_each_training_may_have_its_own_episodes(run, data):
    configs = [CONFIG, replace(CONFIG, training_seed=1)]
    assert pipeline.train(run, [data, data], configs) == pipeline.train(run, data, configs)
    with pytest.raises(ValueError, match="zip"):
        pipeline.train(run, [data], configs)


def test_the_baseline_is_fitted_to_training_frames_and_evaluated_on_others(run, data):
    train_rows, test_rows = pipeline.split(data)
    linear = pipeline.fit_pca(run, data, train_rows, 7, max_frames=20)
    rows = seeding.generator(1, "pca").choice(train_rows, 20, replace=False)
    expected = pca.fit(data.frames(rows), 7, seeding.generator(1, "pca", "start"))
    assert np.array_equal(linear.components, expected.components) and np.array_equal(linear.variances, expected.variances)
    tallies = run.cached(pipeline.evaluate_baselines, {"PCA": linear, "mean": linear.truncated(0)}, data, test_rows)
    frames = [data.frames(rows) for rows in test_rows]
    assert tallies["PCA"]["frames"].tolist() == [len(each) for each in frames]
    by_hand = [np.square(linear.mean - pca.flat(each)).sum() for each in frames]
    np.testing.assert_allclose(tallies["mean"]["squared_error"], by_hand, rtol=1e-5)


def test_bad_requests_are_refused(run):
    with pytest.raises(ValueError, match="got 9, 'sticky'; allowed are 10 and above, and sticky, held"):
        pipeline.episodes(run, 9)
    with pytest.raises(ValueError, match="got 10, 'clever'"):
        pipeline.episodes(run, 10, "clever")


def test_episodes_are_made_once(run):
    first = pipeline.episodes(run, 10, "held")
    assert len(first.lengths) == 10 and first.frames(np.array([0])).shape == (1, 64, 64, 3)
    again = pipeline.episodes(run, 10, "held")
    assert again.folder == first.folder and first.manifest["policy"]["function"].endswith("held")
