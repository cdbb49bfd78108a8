"""The stages of the dream on made-up episodes: latents, training, breeding, and a finished agent as a player."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.agents import linear_controller as controller
from wmlib.experiment import checkpoint, seeding
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.run import Run
from wmlib.models.vae import VAE
from wmlib.training.vae import SMALL_THINGS
from wmlib.training.world_model import Experience, Trainer
from wmlib.rollouts import Rollouts, store
from wmlib.rollouts.store import Episode
from wmlib.lessons.vae import pipeline as take_cover
from wmlib.lessons.vizdoom_dream import pipeline as stages
from wmlib.lessons.vizdoom_dream import games

FIT = take_cover.Fit(SMALL_THINGS, frames=5, latent=3, width=1, batch=5)
MODEL = stages.Model("lstm", 5, rows=4 * 6 * 3, batch=4, length=6)
PLAN = stages.Breeding(names=("z", "h"), generations=6, population=5, trials=2, cap=7)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Thirteen episodes of random frames, a VAE, and what the stages need of a Run."""
    folder = tmp_path_factory.mktemp("dream")
    data, rng = folder / "episodes-0" / "episodes", np.random.default_rng(0)
    data.mkdir(parents=True)

    def play(see, length):
        for _ in range(length + 1):
            see(rng.integers(256, size=(64, 64, 3), dtype=np.uint8))
        return Episode([np.int64(i % 3) for i in range(length)], [1.0] * length, length % 2 == 0)

    store.write_shard(data, 0, (64, 64, 3), np.zeros((), np.int64), [lambda see, n=n: play(see, 8 + n % 3) for n in range(13)])
    (data / "manifest.json").write_text('{"episodes": 13, "shard_episodes": 100}')
    vae = VAE(generator=torch.Generator().manual_seed(0), latent=3, width=1)
    checkpoint.save(folder / "vae-0" / f"{FIT.marks[-1]}.safetensors", vae.state_dict())
    run = SimpleNamespace(cache=ArtifactCache(folder / "cache"), seed=1, device=torch.device("cpu"), profile="smoke")
    run.cached = lambda *a, **k: Run.cached(run, *a, **k)
    rollouts = Rollouts(data)
    encoded = stages.latents(run, rollouts, folder / "vae-0", vae)
    return run, stages.Sight(rollouts, FIT, folder / "vae-0", vae, encoded)


def test_latents_are_what_the_vae_says(world):
    sight = world[1]
    table = stages.experience(sight.encoded, sight.data)
    with torch.no_grad():
        expected = sight.vae.encode(sight.data.frames(np.arange(len(sight.data))))
    for ours, theirs in zip(table[:2], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)
    assert table.mean.dtype == np.float16 and np.array_equal(table.resets, sight.data.resets)
    assert table.actions[:3].tolist() == [[1, 0], [0, 0], [0, 1]]  # left, stay, right
    first = stages.starts(sight.encoded, sight.data)
    assert first.mean.shape == (13, 3) and np.array_equal(first.mean.half(), table.mean[table.resets])


@pytest.mark.parametrize("core", ["lstm", "dnc"])
def test_training_in_blocks_is_training_in_one_go(world, core):
    run, sight = world
    model = replace(MODEL, core=core, slots=3, width=2)
    (folder,) = stages.train(run, [sight], [model])
    generator = seeding.torch_generator(1, "world model", 0)
    plain = model.build(3, generator)
    table = Experience(*(part[: len(take_cover.split(sight.data)[0])] for part in stages.experience(sight.encoded, sight.data)))
    trainer = Trainer(plain, table, generator=generator, batch=4, length=6)
    for step in range(3):
        for group in trainer.optimizer.param_groups:
            group["lr"] = model.rate_at(step)
        next(trainer.run(1))
    for ours, theirs in zip(stages.load(folder, model, 3).parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_untrained_model_stays_as_drawn(world):
    run, sight = world
    model = replace(MODEL, rows=0)
    (folder,) = stages.train(run, [sight], [model])
    drawn = model.build(3, seeding.torch_generator(1, "world model", 0))
    for ours, theirs in zip(stages.load(folder, model, 3).parameters(), drawn.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_bred_agent_plays_as_a_plain_loop(world):
    run, sight = world
    (mind,) = stages.train(run, [sight], [MODEL])
    (hand,) = stages.breed(run, [sight], [(mind, MODEL)], [PLAN])
    found = stages.bred(hand)
    assert found["history"].shape == (6, 3) and found["weights"].shape == (3 + 5,) and 1 <= found["score"] <= 7
    assert found["trail"].shape == (1, 3 + 5) and np.array_equal(found["trail"][0], found["weights"])
    checkpoint.save(hand / "controller.safetensors", {**found, "weights": np.linspace(-9, 9, 8)})
    policy = games.agent(sight, mind, MODEL, hand, PLAN)
    player, twin = policy(2), policy(1)
    for lane, made in ((1, player), (0, twin)):
        made.begin(lane, np.random.default_rng(3))
    player.begin(0, np.random.default_rng(4))
    noise = torch.from_numpy(np.random.default_rng(3).standard_normal((64, 3), np.float32))
    model, weights = stages.load(mind, MODEL, 3), torch.linspace(-9, 9, 8)
    state, actions = model.core.initial_state(1), []
    frames = sight.data.frames(sight.data.episode(2))
    with torch.no_grad():
        for t, frame in enumerate(frames):
            posterior = sight.vae.encode(frame[None])
            z = posterior.mean + torch.exp(0.5 * posterior.log_variance) * noise[t]
            action = int(controller.act(weights, torch.cat([z, state.h], -1)))
            _, state = model.step(z, stages.BUTTONS[[action]], state)
            assert player.act(np.stack([frames[0], frame]))[1] == action == twin.act(frame[None])[0]
            actions.append(action)
    assert len(set(actions)) > 1


def test_equal_parameters():
    dnc = stages.Model("dnc", 13, slots=7, width=5)
    hidden = stages.equal_hidden(dnc, 3)

    def size(model):
        return sum(p.numel() for p in model.build(3, torch.Generator()).parameters())

    wanted = size(dnc)
    gaps = [abs(size(replace(dnc, core="lstm", hidden=h)) - wanted) for h in (hidden - 1, hidden, hidden + 1)]
    assert hidden > 13 and min(gaps) == gaps[1]
    with pytest.raises(ValueError, match="core is 'gru'"):
        stages.Model("gru").build(3, torch.Generator())
