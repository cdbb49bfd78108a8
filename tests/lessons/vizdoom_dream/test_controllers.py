"""Controllers evolved in the dreams of a small world model, and agents that are put together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.agents.dream import Dreams, dream_returns
from wmlib.agents.evolution import VALIDATION, Evolution
from wmlib.experiment import seeding, settings
from wmlib.lessons.vizdoom_dream import controllers, latents
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.pipeline import ACTIONS

Z, H = 3, 5


@pytest.fixture
def model(lstm):
    """A world model in whose dreams one dies."""
    net = lstm.model.build(torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        net.done.weight.mul_(20)
        net.done.bias.fill_(-0.5)
    return net


def test_dreams_begin_at_first_frames(world):
    _, encoded = world
    begin = controllers.starts(encoded.latents)
    table = latents.read(encoded.latents).experience
    assert begin.mean.shape == (13, Z) and begin.mean.dtype == torch.float32
    for ours, column in zip(begin, (table.mean, table.log_variance), strict=True):
        assert np.array_equal(ours.half(), column[table.resets])


def test_dreams_are_as_configured(world, model):
    _, encoded = world
    begin = controllers.starts(encoded.latents)
    dreams = controllers.dreams(EvolutionConfig(temperature=0.7, max_steps=9), model, begin, 5)
    assert (dreams.temperature, dreams.max_steps, dreams.seed) == (0.7, 9, 5)
    assert torch.equal(dreams.actions, ACTIONS)


def test_who_stands_still_lives_as_a_controller_of_zeros(world, model, evolution):
    run, encoded = world
    steps = controllers.standing_still(run, encoded, model, evolution, count=20)
    seed = seeding.entropy(1, "standing still") % 2**31
    begin = controllers.starts(encoded.latents)
    dreams = Dreams(model, ACTIONS, begin, seed=seed, max_steps=7)
    assert np.array_equal(steps, dream_returns(dreams, torch.zeros(1, Z + H), ("z", "h"), range(20))[0])
    assert steps.shape == (20,) and 1 < steps.mean() < 7


def test_an_evolution_is_a_plain_one(world, model, evolution):
    run, encoded = world
    config = replace(evolution, training_seed=3, validate_every=2)
    (folder,) = controllers.evolve(run, [encoded], [model], [config])
    evolved = controllers.load_controller(folder, config)
    begin = controllers.starts(encoded.latents)
    plain = Evolution(
        Dreams(model, ACTIONS, begin, seed=seeding.entropy(1, "dreams", 3) % 2**31, max_steps=7),
        ("z", "h"),
        rng=seeding.generator(1, "controller", 3),
        population=5,
        trials=2,
        validate_every=2,
    )
    list(plain.run(6))
    assert np.array_equal(evolved.weights, plain.best) and evolved.score == plain.best_score
    np.testing.assert_array_equal(evolved.history, plain.history)
    np.testing.assert_array_equal(evolved.validated, plain.validated)
    assert evolved.names == ("z", "h") and evolved.validated.shape == (3, Z + H)
    score = dream_returns(plain.dreams, torch.from_numpy(evolved.weights[None]), ("z", "h"), range(VALIDATION, VALIDATION + 64))
    assert evolved.score == score.mean()


def test_every_training_seed_has_a_controller_and_an_agent_of_each_name(world, model, dnc, evolution):
    run, encoded = world
    other = dnc.model.build(torch.Generator().manual_seed(1))
    world_models = {"LSTM": [model, model], "DNC": [other, other]}
    evolutions = {
        "z alone": ("LSTM", replace(evolution, names=("z",))),
        "DNC with reads": ("DNC", replace(evolution, names=("z", "h", "reads"))),
    }
    evolved = controllers.evolve_each(run, [encoded, encoded], world_models, evolutions)
    sizes = {name: [len(each.weights) for each in of] for name, of in evolved.items()}
    assert sizes == {"z alone": [Z, Z], "DNC with reads": [Z + H + 2, Z + H + 2]}
    assert not np.array_equal(evolved["z alone"][0].weights, evolved["z alone"][1].weights)
    agents = controllers.make_agents([encoded, encoded], world_models, evolutions, evolved)
    agent = agents["DNC with reads"][1]
    assert agent.world_model is other and agent.vae is encoded.vae and agent.names == ("z", "h", "reads")
    assert torch.equal(agent.weights, torch.from_numpy(evolved["DNC with reads"][1].weights).float())


def test_some_agents_have_fewer_training_seeds(world, model, evolution):
    run, encoded = world
    evolutions = {name: ("LSTM", replace(evolution, names=("z",))) for name in ("all", "one", "none")}
    evolutions["no model"] = ("DNC", evolution)
    seeds = {"one": 1, "none": 0}
    evolved = controllers.evolve_each(run, [encoded] * 2, {"LSTM": [model, model]}, evolutions, seeds)
    assert {name: len(each) for name, each in evolved.items()} == {"all": 2, "one": 1}
    assert np.array_equal(evolved["all"][0].weights, evolved["one"][0].weights)
    agents = controllers.make_agents([encoded] * 2, {"LSTM": [model, model]}, evolutions, evolved)
    assert {name: len(each) for name, each in agents.items()} == {"all": 2, "one": 1}


def test_other_weights_make_another_agent(world, model):
    _, encoded = world
    controller = EvolvedController(("z", "h"), np.linspace(-1, 1, Z + H), 1.0, np.zeros((1, 3)), np.zeros((1, Z + H)))
    agent = controllers.make_agent(encoded, model, controller)
    assert controllers.with_weights(agent, controller.weights).describe() == agent.describe()
    other = controllers.with_weights(agent, controller.weights + 1)
    assert other.describe() != agent.describe() and other.world_model is model and other.names == agent.names


def test_the_settings_of_the_notebook():
    resolved = settings.resolve(settings.read("05_vizdoom_dream"), "quick", {"temperature": 0.5})
    config = controllers.evolution_config(resolved)
    assert config == EvolutionConfig(("z", "h", "c"), 35, 32, 8, temperature=0.5, max_steps=1000)
