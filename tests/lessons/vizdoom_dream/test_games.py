"""Policies in the real game: the same games for all, found again by who plays, recorded, and learnt from."""

import numpy as np
import pytest
import torch

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.envs.doom.scripted import fresh, held, sticky
from wmlib.experiment import seeding
from wmlib.experiment.run import Run
from wmlib.lessons.vizdoom_dream import games, latents
from wmlib.lessons.vizdoom_dream.controllers import with_weights
from wmlib.lessons.vizdoom_dream.pipeline import ACTIONS
from wmlib.models.vae import VAE
from wmlib.rollouts import collection

Z, H, MAX_TICS = 3, 5, 60


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path / "out"))
    short = {**games.SHRUNK_IN_BATCHES, "env_kwargs": {"shrunk": False, "max_tics": MAX_TICS}}
    monkeypatch.setattr(games, "SHRUNK_IN_BATCHES", short)
    return Run("05_vizdoom_dream", "smoke", 3, "cpu")


def untrained(training):
    """An agent that has learnt nothing; its games end after `MAX_TICS`."""
    rng = torch.Generator().manual_seed(0)
    vae, model = VAE(generator=rng, latent_size=Z, channels=1), training.model.build(rng)
    return WorldModelsAgent(vae, model, torch.randn(Z + H, generator=rng), ("z", "h"), ACTIONS)


@pytest.fixture
def agent(dnc):
    return untrained(dnc)


def test_an_agent_plays_and_is_found_again(run, agent, monkeypatch):
    (tics,) = games.play(run, [agent], 3, "test")
    assert tics.shape == (3,) and ((tics > 1) & (tics <= MAX_TICS)).all()
    monkeypatch.setattr(collection, "score", None)  # nothing is played twice
    assert games.play(run, [agent], 3, "test")[0].tolist() == tics.tolist()
    with pytest.raises(TypeError):  # another agent, other games, or another number of them
        games.play(run, [with_weights(agent, agent.weights.numpy() + 1)], 3, "test")
    with pytest.raises(TypeError):
        games.play(run, [agent], 3, "recorded")


def test_all_policies_play_the_same_games(run):
    policies = [held, sticky, fresh]
    seed = seeding.entropy(3, "games", "test") % 2**31
    together = games.play(run, policies, 3, "test")
    alone = [collection.score("wmlib/TakeCover-v0", policy, 3, seed).lengths for policy in policies]
    assert [tics.tolist() for tics in together] == [tics.tolist() for tics in alone]
    each = games.play_each(run, {"a": [held, sticky], "b": [fresh]}, 3, "test")
    assert each["a"].tolist() == [tics.tolist() for tics in alone[:2]] and each["b"].tolist() == [alone[2].tolist()]


def test_the_number_of_environments_changes_no_game(lstm, dnc, run, monkeypatch):
    longer = {**games.SHRUNK_IN_BATCHES["env_kwargs"], "max_tics": 250}
    agents = [untrained(lstm), untrained(dnc)]
    tics = {}
    for num_envs in (games.NUM_ENVS, 8):
        monkeypatch.setattr(games, "SHRUNK_IN_BATCHES", {**games.SHRUNK_IN_BATCHES, "env_kwargs": longer, "num_envs": num_envs})
        tics[num_envs] = [games.survived_tics(agent, 18, 5).tolist() for agent in agents]
    assert tics[games.NUM_ENVS] == tics[8] and any(len(set(each)) > 1 for each in tics[8])
    assert games.survived_tics(agents[1], 9, 5).tolist() == tics[8][1][:9]


def test_recorded_latents_are_those_of_the_recorded_frames(run, agent, monkeypatch):
    (folder,) = games.record_latents(run, [agent], 11, "own")
    recorded = games.record_episodes(run, agent, 11, "own", shard_episodes=11)
    episodes = latents.read(folder)
    with torch.no_grad():
        expected = agent.vae.encode(recorded.frames(np.arange(len(recorded))))
    for ours, theirs in zip(episodes.experience[:2], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)
    assert np.array_equal(episodes.experience.actions, ACTIONS.numpy()[recorded.actions])
    for name in ("rewards", "terminated", "acted", "resets"):
        assert np.array_equal(getattr(episodes.experience, name), getattr(recorded, name)), name
    assert episodes.training == 9 and {path.suffix for path in folder.iterdir()} == {".npy", ".npz", ".json"}
    monkeypatch.setattr(games, "check", None)  # nothing is played twice
    assert games.record_latents(run, [agent], 11, "own") == [folder]
