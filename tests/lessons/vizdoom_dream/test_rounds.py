"""Rounds of learning from the agents' own games: games are added, M and C are made anew, the best of the trail is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import settings
from wmlib.lessons.vizdoom_dream import closed_loop, controllers, games, latents, pipeline, rounds
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.latents import ACTIONS
from wmlib.lessons.vizdoom_dream.rounds import Player, RoundConfig
from wmlib.models.vae import VAE

Z, H = 3, 5


@pytest.fixture
def agent(dnc):
    """An agent that has learnt nothing."""
    rng = torch.Generator().manual_seed(0)
    vae = VAE(generator=rng, latent_size=Z, channels=1)
    return WorldModelsAgent(vae, dnc.model.build(rng), torch.randn(Z + H, generator=rng), ("z", "h"), ACTIONS)


@pytest.fixture
def players(world, lstm, dnc, agent):
    """Two agents with an LSTM and one with a DNC."""
    controller = EvolvedController(("z", "h"), np.zeros(Z + H), 12.5, np.zeros((1, 3)), np.zeros((1, Z + H)))
    kinds = [("LSTM", lstm), ("LSTM", replace(lstm, training_seed=1)), ("DNC", dnc)]
    return [Player(name, training, world[1], controller, agent) for name, training in kinds]


@pytest.fixture
def config(evolution):
    return RoundConfig(replace(evolution, generations=10), games=3, models=2, trail_games=4)


def test_another_round_makes_m_and_c_anew_and_keeps_v(world, config, players, monkeypatch):
    run, encoded = world
    asked = []

    def play(run, policies, count, name):  # of each agent the last mean lives longest
        asked.append((len(policies), count, name))
        return [np.full(count, i % 2) for i in range(len(policies))]

    monkeypatch.setattr(games, "play", play)
    own = [encoded.latents] * 3
    new, held_out = rounds.another_round(run, players, own, config)
    assert asked == [(6, 4, "round validation")]  # two means of each, all in one list
    assert [player.name for player in new] == ["LSTM", "LSTM", "DNC"]
    assert [len(held_out["LSTM"]), len(held_out["DNC"])] == [2, 1]
    joined = latents.read(new[0].encoded.latents)
    assert len(joined.starts) == 26 and joined.training == 22  # of both halves 11 are trained on
    for before, player in zip(players, new, strict=True):
        assert player.training == before.training and player.agent.vae is encoded.vae
        (folder,) = pipeline.train(run, [player.encoded], [before.training])
        model = pipeline.load_world_model(folder, before.training)
        for ours, theirs in zip(player.agent.world_model.parameters(), model.parameters(), strict=True):
            assert torch.equal(ours, theirs)
        controller = player.controller
        assert np.array_equal(controller.weights, controller.validated[1])
        assert controller.score == controller.history[9, 2]  # of the second validation, after ten generations
        assert torch.equal(player.agent.weights, torch.from_numpy(controller.weights).float())
    expected = rounds.recalls(run, own[:1], [new[0].agent.world_model], "held out")
    assert held_out["LSTM"][:1] == expected


def test_the_evolution_is_that_of_two_models_and_scaled_features(world, lstm, dnc, players, config):
    run, encoded = world
    own, other = (each.model.build(torch.Generator().manual_seed(3)).eval() for each in (lstm, dnc))
    one = ([encoded], [encoded.latents])
    evolved = rounds.evolve(run, players[:1], *one, [[own, other]], config)
    scale = rounds.feature_scale(encoded.latents, own, ("z", "h"), run.seed)
    again = controllers.evolve(run, [encoded], [own], [config.evolution], [[other]], [scale])
    assert np.array_equal(evolved[0].weights, controllers.load_controller(again[0], config.evolution).weights)
    plain = rounds.evolve(run, players[:1], *one, [[own]], replace(config, scaled=False))
    assert not np.array_equal(plain[0].weights, evolved[0].weights)


def test_the_gate_of_a_round():
    one = rounds.held_out_gate("DNC", 2, [0.6])
    assert one.text == "DNC, round 2: recall of own deaths above 50%" and one.evidence.estimate()[:3] == (0.6, 0.6, 0.6)
    assert rounds.held_out_gate("DNC", 1, [0.4, 0.8]).evidence.estimate().value == pytest.approx(0.6)


def test_rows_of_rounds(world, config, players, monkeypatch):
    run, encoded = world
    recorded = []

    def play_each(run, policies, count, name):
        lives = {}
        for kind, each in policies.items():
            blind = isinstance(each[0], closed_loop.HandicappedAgent)
            assert not blind or each[0].handicap == closed_loop.BLINDFOLD
            lives[kind] = np.full((len(each), count), 30 if blind else 100) + np.arange(count)
        return lives

    def record_latents(run, agents, count, name):
        recorded.append((len(agents), count, name))
        return [encoded.latents] * len(agents)

    monkeypatch.setattr(games, "play_each", play_each)
    monkeypatch.setattr(games, "record_latents", record_latents)
    monkeypatch.setattr(
        rounds, "another_round", lambda run, players, own, config: (players, {"LSTM": [0.1, 0.2], "DNC": [0.3]})
    )
    rows = rounds.run_rounds(run, players, replace(config, games=300), 2, np.zeros((64, 64, 3), np.uint8))
    assert recorded == [(3, 300, "round 1"), (3, 300, "round 2"), (3, rounds.RECALL_GAMES, "round 3")]
    assert list(rows) == ["LSTM", "DNC"] and [row["round"] for row in rows["DNC"]] == [0, 1, 2]
    assert [row["held_out"] for row in rows["LSTM"]] == [[], [0.1, 0.2], [0.1, 0.2]]
    first = rows["DNC"][0]
    assert (
        first["dream"] == [12.5] and first["tics"].tolist() == [[100, 101, 102, 103]] and first["lost"].tolist() == [[70] * 4]
    )
    expected = rounds.recalls(run, [encoded.latents], [players[2].agent.world_model], "all")
    assert first["recall"] == expected and 0 <= expected[0] <= 1 and len(rows["LSTM"][0]["recall"]) == 2


def test_the_settings_of_the_notebook():
    resolved = settings.resolve(settings.read("05_vizdoom_dream"), "study", {"round_models": 3, "scale_features": False})
    config = rounds.round_config(resolved, EvolutionConfig(population=7, generations=99))
    assert config == RoundConfig(EvolutionConfig(population=7, generations=20), 300, 3, False, 60)
