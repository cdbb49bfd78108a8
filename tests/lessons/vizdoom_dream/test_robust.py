"""Evolution against several world models: pairs of models, the minimum, scaled features."""

import numpy as np
import pytest
import torch

from wmlib.agents.dream import dream_returns
from wmlib.agents.evolution import Evolution
from wmlib.lessons.vizdoom_dream import controllers
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig
from wmlib.lessons.vizdoom_dream.pipeline import ACTIONS
from wmlib.lessons.vizdoom_dream.robust import PairedModel, RobustEvolution, shortest
from wmlib.models.vae import Posterior

Z, H = 3, 5
NAMES = ("z", "h", "c")
CONFIG = EvolutionConfig(names=NAMES, max_steps=12)


@pytest.fixture
def models(lstm, dnc):
    """A model with an LSTM and one with a DNC, in whose dreams one dies."""
    built = [each.model.build(torch.Generator().manual_seed(i)).eval() for i, each in enumerate((lstm, dnc))]
    with torch.no_grad():
        for net in built:
            net.done.weight.mul_(20)
            net.done.bias.fill_(-0.5)
    return built


def dreams(model):
    begin = Posterior(torch.zeros(1, Z), torch.zeros(1, Z))
    return controllers.dreams(CONFIG, model, begin, 5)


def test_a_paired_dream_is_the_other_model_s_with_the_own_one_s_memory(models):
    """Step by step: what is dreamt comes from the other model, h and c from the own one along the same latents."""
    own, other = models
    paired = dreams(PairedModel(own, other))
    alone = dreams(other)
    paired.begin([7])
    alone.begin([7])
    state = own.core.initial_state(1)
    for action in (0, 2, 1, 1, 0):
        chosen = torch.tensor([action])
        assert torch.equal(paired.latents, alone.latents)
        with torch.no_grad():
            state = own.next_state(paired.latents, ACTIONS[chosen], state)
        done, _ = paired.step(chosen)
        assert torch.equal(done, alone.step(chosen)[0])
        for name, part in own.core.features(state).items():
            assert torch.equal(paired.model.core.features(paired.state)[name], part)


def test_a_model_paired_with_itself_changes_nothing(models):
    own, _ = models
    weights = torch.randn(4, Z + 2 * H, generator=torch.Generator().manual_seed(0))
    alone = dream_returns(dreams(own), weights, NAMES, range(6))
    assert np.array_equal(dream_returns(dreams(PairedModel(own, own)), weights, NAMES, range(6)), alone)
    assert len(np.unique(alone)) > 1


def test_models_of_other_sizes_are_no_pair(models, lstm):
    wide = lstm.model.__class__(lstm.model.core, Z + 1).build(torch.Generator())
    with pytest.raises(ValueError, match="own, other"):
        PairedModel(models[0], wide)


def test_the_shortest_life_counts_for_each_candidate():
    returns = np.array([[[1.0, 9.0], [4.0, 4.0]], [[6.0, 6.0], [2.0, 3.0]]])  # two models, two candidates, two dreams
    assert shortest(returns).tolist() == [[1.0, 9.0], [2.0, 3.0]]


def test_without_scale_and_others_it_is_the_plain_evolution(models):
    options = {"population": 5, "trials": 2, "validate_every": 2}
    plain = Evolution(dreams(models[0]), NAMES, rng=np.random.default_rng(3), **options)
    robust = RobustEvolution([dreams(models[0])], NAMES, np.ones(Z + 2 * H), rng=np.random.default_rng(3), **options)
    list(plain.run(4))
    list(robust.run(4))
    assert np.array_equal(plain.best, robust.scaled(robust.best)) and plain.history == robust.history


def test_candidates_see_scaled_features_and_the_minimum_over_models(models):
    own, other = models
    scale = np.linspace(0.5, 3, Z + 2 * H)
    both = [dreams(own), dreams(PairedModel(own, other))]
    robust = RobustEvolution(both, NAMES, scale, rng=np.random.default_rng(3), population=5, trials=2)
    candidates = np.random.default_rng(0).standard_normal((3, Z + 2 * H))
    weights = torch.from_numpy(candidates / scale)
    expected = np.stack([dream_returns(each, weights, NAMES, range(4)) for each in both])
    returns = robust._returns(candidates, range(4))
    assert np.array_equal(returns.mean(1), expected.mean(2).min(0))
    state = robust.state_dict()
    list(robust.run(1))
    again = RobustEvolution(both, NAMES, scale, rng=np.random.default_rng(9), population=5, trials=2)
    again.load_state_dict(state)
    list(again.run(1))
    assert again.history == robust.history
