"""Finished agents in the real game: who plays is what counts, the same games for all, and what is asked of recordings."""

import functools
from dataclasses import asdict

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.lessons.vizdoom_dream import occlusion as seeing_study
from wmlib.envs.doom.scripted import fresh, held, shuttle, sticky
from wmlib.experiment import checkpoint, seeding
from wmlib.experiment.run import Run
from wmlib.models.vae import VAE
from wmlib.rollouts import collection
from wmlib.lessons.vizdoom_dream import games
from wmlib.lessons.vizdoom_dream.pipeline import Model

MODEL = Model("dnc", 5, slots=3, width=2, rows=0)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path / "out"))
    monkeypatch.setattr(games, "RAW", {**games.RAW, "env_kwargs": {"shrunk": False, "max_tics": 60}})
    return Run("05_vizdoom_dream", "smoke", 3, "cpu")


@pytest.fixture
def agent(tmp_path):
    """An agent that has learnt nothing."""
    rng = torch.Generator().manual_seed(0)
    checkpoint.save(tmp_path / "vae" / "7.safetensors", VAE(generator=rng, latent=3, width=1).state_dict())
    checkpoint.save(tmp_path / "mind" / "model.safetensors", MODEL.build(3, rng).state_dict())
    hands = torch.randn(2, 8, generator=rng, dtype=torch.float64).numpy()
    found = {"weights": hands[0], "score": 1.0, "trail": hands, "history": np.zeros((1, 3))}
    checkpoint.save(tmp_path / "hand" / "controller.safetensors", found)
    return functools.partial(
        games.crew, sight=str(tmp_path / "vae" / "7.safetensors"), latent=3, vae_width=1, memory=str(tmp_path / "mind"),
        model=asdict(MODEL), hand=str(tmp_path / "hand"), names=["z", "h"],
    )  # fmt: skip


def test_agents_are_named_by_what_made_them():
    def policy(rng):
        return None

    assert games._named(policy) == {"policy": "policy"}
    named = games._named(functools.partial(policy, hand="/a/b/controller-1", memory="/a/world-model-2", names=["z"]))
    assert named == {"policy": "policy", "hand": "b/controller-1", "memory": "a/world-model-2", "names": ["z"]}


def test_an_agent_is_asked_by_lanes_and_found_again(run, agent, monkeypatch):
    (tics,) = games.games(run, [agent], 3, "test")
    assert tics.shape == (3,) and ((tics > 1) & (tics <= 60)).all()
    monkeypatch.setattr(collection, "score", None)  # nothing is played twice
    assert games.games(run, [agent], 3, "test")[0].tolist() == tics.tolist()


def test_an_agent_of_the_kept_weights_plays_and_is_known_by_them(run):
    policy = games.published("vae", "world_model", "controller")
    assert games._named(policy)["digests"] == [weights.load(n)[1]["sha256"] for n in ("vae", "world_model", "controller")]
    (tics,) = games.games(run, [policy], 2, "test")
    assert ((tics > 1) & (tics <= 60)).all()
    with pytest.raises(ValueError, match="name is 'eye'; there are"):
        games.published("eye", "world_model", "controller")


def test_several_players_at_once_play_the_same_games(run):
    players = [held, sticky, fresh]
    together = games.games(run, players, 3, "test")
    alone = [games._play(run, player, 3, seeding.entropy(run.seed, "games", "test") % 2**31) for player in players]
    again = [collection.score(games.ENV, p, 3, seeding.entropy(run.seed, "games", "test") % 2**31).lengths for p in players]
    assert [tics.tolist() for tics in together] == [tics.tolist() for tics in alone] == [tics.tolist() for tics in again]


def test_a_mean_on_the_trail_is_another_agent(agent):
    assert torch.equal(games.parts(**_who(agent))[2], games.parts(**_who(agent), tried=0)[2])
    assert not torch.equal(games.parts(**_who(agent))[2], games.parts(**_who(agent), tried=1)[2])


def test_a_round_learns_from_all_games_so_far(run, agent):
    first = games.record(run, sticky, 4, "first", shard=2)
    both = games.experience_of(run, agent, first, 1)
    assert len(both.lengths) == 8 and np.array_equal(both.lengths[:4], first.lengths) and both.lengths[4:].max() <= 60
    three = games.experience_of(run, agent, both, 2)
    assert len(three.lengths) == 12 and np.array_equal(three.lengths[:8], both.lengths)
    assert not np.array_equal(three.lengths[4:8], three.lengths[8:]) or not np.array_equal(
        three.frames(three.episode(4)), three.frames(three.episode(8))
    )


def test_what_is_asked_of_recordings_adds_up(run, agent):
    found = games.seeing(run, agent, 2)
    played = games.record(run, agent, 2)
    assert found["tics"].sum() == np.maximum(played.lengths - seeing_study.SECOND, 0).sum()
    assert (found["away"] + found["towards"] <= found["counted"]).all() and (found["ball"] <= found["asked"]).all()
    assert "asked" not in games.seeing(run, shuttle, 1)


def _who(agent):
    return {k: v for k, v in agent.keywords.items() if k != "names"}
