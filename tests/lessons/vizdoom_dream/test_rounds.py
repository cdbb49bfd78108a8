"""Rounds of learning from the agents' own games: games are added, M and C are made anew, the best of the trail is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.envs.doom.scripted import sticky
from wmlib.experiment import settings
from wmlib.experiment.run import Run
from wmlib.lessons.vizdoom_dream import closed_loop, controllers, games, pipeline, rounds
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.pipeline import ACTIONS
from wmlib.lessons.vizdoom_dream.rounds import Players, RoundConfig
from wmlib.models.vae import VAE

Z, H, MAX_TICS = 3, 5, 60


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path / "out"))
    short = {**games.SHRUNK_IN_BATCHES, "env_kwargs": {"shrunk": False, "max_tics": MAX_TICS}}
    monkeypatch.setattr(games, "SHRUNK_IN_BATCHES", short)
    return Run("05_vizdoom_dream", "smoke", 3, "cpu")


@pytest.fixture
def agent(dnc):
    """An agent that has learnt nothing; its games end after `MAX_TICS`."""
    rng = torch.Generator().manual_seed(0)
    vae = VAE(generator=rng, latent_size=Z, channels=1)
    return WorldModelsAgent(vae, dnc.model.build(rng), torch.randn(Z + H, generator=rng), ("z", "h"), ACTIONS)


@pytest.fixture
def config(evolution):
    return RoundConfig(replace(evolution, generations=10), games=3, models=2, trail_games=4)


def test_a_round_learns_from_all_games_so_far(run, agent):
    first = games.record_episodes(run, sticky, 4, "first", shard_episodes=2)
    both = rounds.more_experience(run, agent, first, 1, 3)  # whole shards of two: four games
    assert len(both.lengths) == 8 and np.array_equal(both.lengths[:4], first.lengths) and both.lengths[4:].max() <= MAX_TICS
    own = rounds.own_games(run, agent, first, 1, 3)
    assert np.array_equal(both.lengths[4:], own.lengths)
    three = rounds.more_experience(run, agent, both, 2, 2)
    assert len(three.lengths) == 10 and np.array_equal(three.lengths[:8], both.lengths)


def test_another_round_makes_m_and_c_anew_and_keeps_v(world, lstm, config, agent, monkeypatch):
    run, encoded = world
    asked = []

    def more_experience(run, agent, before, number, count):
        asked.append((number, count))
        return encoded.data

    def play(run, policies, count, name):  # the last mean lives longest
        asked.append((len(policies), count, name))
        return [np.full(count, i) for i in range(len(policies))]

    monkeypatch.setattr(rounds, "more_experience", more_experience)
    monkeypatch.setattr(games, "play", play)
    controller = EvolvedController(("z", "h"), np.zeros(Z + H), 1.0, np.zeros((1, 3)), np.zeros((1, Z + H)))
    players = Players([encoded] * 2, [agent] * 2, [controller] * 2)
    new, held_out = rounds.another_round(run, players, lstm, config, 2)
    assert asked == [(2, 3), (2, 3), (2, 4, "round validation"), (2, 4, "round validation")]
    assert len(held_out) == 2 and all(each.vae is encoded.vae for each in new.agents)
    models = pipeline.train_each(run, [encoded] * 2, {"M": lstm})["M"]
    for made, model, controller in zip(new.agents, models, new.controllers, strict=True):
        for ours, theirs in zip(made.world_model.parameters(), model.parameters(), strict=True):
            assert torch.equal(ours, theirs)
        assert np.array_equal(controller.weights, controller.validated[1])
        assert controller.score == controller.history[9, 2]  # of the second validation, after ten generations
        assert torch.equal(made.weights, torch.from_numpy(controller.weights).float())


def test_the_evolution_is_that_of_two_models_and_scaled_features(world, lstm, dnc, config):
    run, encoded = world
    own, other = (each.model.build(torch.Generator().manual_seed(3)).eval() for each in (lstm, dnc))
    evolved = rounds.evolve(run, [encoded], [[own], [other]], config)
    scale = rounds.feature_scale(encoded.latents, encoded.data.folder, own, ("z", "h"), run.seed)
    again = controllers.evolve(run, [encoded], [own], [config.evolution], [[other]], [scale])
    assert np.array_equal(evolved[0].weights, controllers.load_controller(again[0], config.evolution).weights)
    plain = rounds.evolve(run, [encoded], [[own]], replace(config, scaled=False))
    assert not np.array_equal(plain[0].weights, evolved[0].weights)


def test_the_gate_of_a_round():
    one = rounds.held_out_gate(2, [0.6])
    assert one.text == "round 2: recall of own deaths above 50%" and one.evidence.estimate()[:3] == (0.6, 0.6, 0.6)
    assert rounds.held_out_gate(1, [0.4, 0.8]).evidence.estimate().value == pytest.approx(0.6)


def test_rows_of_rounds(world, lstm, config, agent, monkeypatch):
    run, encoded = world
    background = np.zeros((64, 64, 3), np.uint8)

    def play_each(run, policies, count, name):
        (policy,) = policies["tics"]
        blind = isinstance(policy, closed_loop.HandicappedAgent)
        assert not blind or policy.handicap == closed_loop.BLINDFOLD
        return {"tics": np.full((1, count), 30 if blind else 100) + np.arange(count)}

    monkeypatch.setattr(games, "play_each", play_each)
    monkeypatch.setattr(rounds, "own_games", lambda run, agent, before, number, count: encoded.data)
    monkeypatch.setattr(rounds, "another_round", lambda run, players, training, config, number: (players, [0.1 * number]))
    controller = EvolvedController(("z", "h"), np.zeros(Z + H), 12.5, np.zeros((1, 3)), np.zeros((1, Z + H)))
    players = Players([encoded], [agent], [controller])
    rows = rounds.run_rounds(run, players, lstm, config, 2, background)
    assert [row["round"] for row in rows] == [0, 1, 2] and [row["held_out"] for row in rows] == [[], [0.1], [0.2]]
    assert rows[0]["dream"] == [12.5] and rows[0]["tics"].tolist() == [[100, 101, 102, 103]]
    assert rows[0]["lost"].tolist() == [[70] * 4]
    expected = rounds.recalls(run, [encoded], [agent.world_model], "all")
    assert rows[0]["recall"] == expected and 0 <= expected[0] <= 1


def test_the_settings_of_the_notebook():
    resolved = settings.resolve(settings.read("05_vizdoom_dream"), "study", {"round_models": 3, "scale_features": False})
    config = rounds.round_config(resolved, EvolutionConfig(population=7, generations=99))
    assert config == RoundConfig(EvolutionConfig(population=7, generations=20), 1000, 3, False, 100)
