"""The shared stages on made-up episodes: split, training in blocks, resuming, stages, and what notebook 05 finds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.experiment import seeding
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.run import Run
from wmlib.lessons.vae import measures as vae_study
from wmlib.models.vae import VAE
from wmlib.training.vae import PAPER, SMALL_THINGS, Trainer
from wmlib.rollouts import Rollouts, store
from wmlib.rollouts.store import Episode
from wmlib.lessons.vae import pipeline as stages

FIT = stages.Fit(SMALL_THINGS, frames=5 * 17, latent=3, width=1, batch=5, rate=1e-3)


@pytest.fixture
def data(tmp_path):
    """Thirteen episodes of three to five random frames, as `stages.episodes` would leave them."""
    folder, rng = tmp_path / "episodes-0" / "episodes", np.random.default_rng(0)
    folder.mkdir(parents=True)

    def play(see, length):
        for _ in range(length + 1):
            see(rng.integers(256, size=(64, 64, 3), dtype=np.uint8))
        return Episode([np.int64(1)] * length, [1.0] * length, True)

    plays = [lambda see, n=n: play(see, 2 + n % 3) for n in range(13)]
    store.write_shard(folder, 0, (64, 64, 3), np.zeros((), np.int64), plays)
    (folder / "manifest.json").write_text('{"episodes": 13, "shard_episodes": 100}')
    return Rollouts(folder)


@pytest.fixture
def run(tmp_path):
    """What the stages need of a Run."""
    run = SimpleNamespace(cache=ArtifactCache(tmp_path / "cache"), seed=1, device=torch.device("cpu"), backend="loky")
    run.profile = "smoke"
    run.cached = lambda *a, **k: Run.cached(run, *a, **k)
    return run


def plain(data, fit) -> VAE:
    """Train in one go."""
    generator = seeding.torch_generator(1, "vae", fit.index)
    model = VAE(generator=generator, latent=fit.latent, width=fit.width)
    rows = stages.split(data)[0]
    trainer = Trainer(
        model, fit.objective, data.frames, rows, generator=generator, batch=fit.batch, learning_rate=fit.rate
    )  # fmt: skip
    for step in range(fit.steps):
        for group in trainer.optimizer.param_groups:
            group["lr"] = fit.rate_at(step)
        next(trainer.run(1))
    return model


def same(a: VAE, b: VAE) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_whole_episodes_are_held_out(data):
    rows, held_out = stages.split(data)
    assert len(held_out) == 2 and len(rows) + sum(map(len, held_out)) == len(data)
    assert rows[-1] + 1 == held_out[0][0] == data.starts[11] and held_out[1][-1] == len(data) - 1


def test_training_in_blocks_is_training_in_one_go(run, data, monkeypatch):
    monkeypatch.setattr(stages, "BLOCK", 4)
    fits = [FIT, replace(FIT, index=1), replace(FIT, objective=PAPER, frames=5 * 8), replace(FIT, decay=0.5)]
    folders = stages.train(run, data, fits)
    for fit, folder in zip(fits, folders, strict=True):
        assert same(stages.load(folder, fit), plain(data, fit))
        assert sorted(p.name for p in folder.iterdir()) == sorted({"manifest.json", *(f"{m}.safetensors" for m in fit.marks)})
    assert not same(stages.load(folders[0], FIT), stages.load(folders[1], fits[1]))
    half = replace(FIT, frames=5 * FIT.marks[3])
    assert same(stages.load(folders[0], FIT, 3), plain(data, half))


def test_the_rate_falls_at_the_end():
    fit = replace(FIT, frames=1000, batch=10, rate=2.0, decay=0.4)
    assert [fit.rate_at(step) for step in (0, 60, 80, 90, 99)] == pytest.approx([2, 2, 1, 0.5, 0.06])
    assert replace(fit, decay=0.0).rate_at(99) == 2


def test_a_stopped_training_goes_on(run, data, monkeypatch):
    monkeypatch.setattr(stages, "BLOCK", 4)
    seen = []
    save = stages.checkpoint.save

    def stop(path, *rest):
        seen.append(path.name)
        save(path, *rest)
        if seen.count("checkpoint.safetensors") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(stages.checkpoint, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        stages.train(run, data, [FIT])
    monkeypatch.setattr(stages.checkpoint, "save", lambda path, *rest: (seen.append(path.name), save(path, *rest)))
    (folder,) = stages.train(run, data, [FIT])
    assert same(stages.load(folder, FIT), plain(data, FIT))
    assert len([name for name in seen if name != "checkpoint.safetensors"]) == len(set(FIT.marks))  # nothing done twice
    done = len(seen)
    assert stages.train(run, data, [FIT]) == [folder] and len(seen) == done


def test_processes_change_nothing(run, data):
    fits = [replace(FIT, frames=210, batch=1, index=i) for i in range(2)]
    for fit, folder in zip(fits, stages.train(run, data, fits), strict=True):
        assert same(stages.load(folder, fit), plain(data, fit))


def test_measures_are_tallies_after_each_stage(run, data):
    folders, test = stages.train(run, data, [FIT]), [data.frames(rows) for rows in stages.split(data)[1]]
    ((first, last),) = stages.measure(run, [FIT], folders, test, [0, -1])
    for stage, found in ((0, first), (-1, last)):
        model = stages.load(folders[0], FIT, stage)
        expected = vae_study.tally((frames, vae_study.reconstruct(model, frames)) for frames in test)
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
        kl = model.encode(np.concatenate(test)).kl().mean(0).detach()
        np.testing.assert_allclose(found["kl"], kl, rtol=1e-4)


def test_each_fit_may_have_its_own_episodes(run, data):
    fits = [FIT, replace(FIT, index=1)]
    assert stages.train(run, [data, data], fits) == stages.train(run, data, fits)
    with pytest.raises(ValueError, match="zip"):
        stages.train(run, [data], fits)


def test_bad_requests_are_refused(run):
    with pytest.raises(ValueError, match="got 9, 'sticky'; allowed are 10 and above, and sticky, held"):
        stages.episodes(run, 9)
    with pytest.raises(ValueError, match="got 10, 'clever'"):
        stages.episodes(run, 10, "clever")


def test_episodes_are_made_once(run):
    first = stages.episodes(run, 10, "held")
    assert len(first.lengths) == 10 and first.frames(np.array([0])).shape == (1, 64, 64, 3)
    again = stages.episodes(run, 10, "held")
    assert again.folder == first.folder and first.manifest["policy"]["function"].endswith("held")
