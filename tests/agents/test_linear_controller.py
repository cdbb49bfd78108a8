"""The controller of World Models: what it sees, by name, and thirds of [-1, 1] as actions."""

import numpy as np
import pytest
import torch

from wmlib.agents import linear_controller
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.world_model import WorldModel

Z, H = 5, 11


def model(kind: str) -> WorldModel:
    rng = torch.Generator().manual_seed(0)
    core = LSTM(Z + 2, H, generator=rng) if kind == "lstm" else DNC(Z + 2, H, 4, 3, 2, generator=rng)
    return WorldModel(core, Z, num_components=3, generator=rng)


def test_features_by_name():
    net = model("dnc")
    state = net.core.initial_state(2)._replace(h=torch.full((2, H), 7.0))
    seen = linear_controller.features(net, torch.arange(2.0 * Z).reshape(2, Z), state, ("h", "z", "reads"))
    assert seen.shape == (2, H + Z + 6)
    assert (seen[:, :H] == 7).all() and seen[1, H : H + Z].tolist() == [5, 6, 7, 8, 9] and (seen[:, H + Z :] == 0).all()


@pytest.mark.parametrize("names, size", [(("z",), Z), (("z", "c"), Z + H), (("z", "h", "c", "reads"), Z + 2 * H + 6)])
def test_the_number_of_weights(names, size):
    assert linear_controller.num_features(model("dnc"), names) == size


def test_a_part_that_is_not_there_is_named():
    net = model("lstm")
    with pytest.raises(ValueError, match="names holds 'reads'; this world model has z, h, c"):
        linear_controller.features(net, torch.zeros(2, Z), net.core.initial_state(2), ("z", "reads"))


def test_thirds():
    assert linear_controller.thirds(torch.tensor([-1.0, -0.34, -0.33, 0.0, 0.33, 0.34, 1.0])).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_an_action_is_a_third_of_the_squashed_sum():
    weights = torch.tensor([0.5, -1.0])
    for features, action in (([1.0, 0.2], 1), ([1.0, 0.0], 2), ([-1.0, 0.0], 0)):
        assert linear_controller.act(weights, torch.tensor(features)) == action
    edge = float(np.arctanh(1 / 3))
    features = torch.tensor([[-edge - 1e-3], [-edge + 1e-3], [edge - 1e-3], [edge + 1e-3], [0.0]])
    assert linear_controller.act(torch.ones(1), features).tolist() == [0, 1, 1, 2, 1]


def test_a_population_acts_as_each_controller_alone():
    rng = torch.Generator().manual_seed(1)
    weights, features = torch.randn(7, 1, 3, generator=rng), torch.randn(5, 3, generator=rng)
    together = linear_controller.act(weights, features)
    assert together.shape == (7, 5) and set(together.flatten().tolist()) == {0, 1, 2}
    for p in range(7):
        for b in range(5):
            assert together[p, b] == linear_controller.act(weights[p, 0], features[b])
