"""The core without memory: the same at each step, whatever came before."""

import pytest
import torch

from wmlib.models.feedforward import FeedForward
from wmlib.models.specs import CoreConfig, make_core


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_it_is_one_hidden_layer_at_each_step():
    core = FeedForward(3, 5, 2, generator=generator())
    inputs = torch.randn(4, 6, 3, generator=generator(1))
    outputs, state = core(inputs)
    expected = core.output(torch.tanh(inputs @ core.hidden.weight.T + core.hidden.bias))
    assert torch.allclose(outputs, expected) and state.nothing.shape == (4, 0)


def test_what_came_before_changes_nothing():
    core = make_core(CoreConfig("feedforward", hidden_size=5), 3, generator=generator())
    inputs = torch.randn(4, 6, 3, generator=generator(1))
    whole, _ = core(inputs)
    alone, _ = core(inputs[:, 3:])
    step, _ = core.step(inputs[:, 5], core.initial_state(4))
    assert torch.equal(whole[:, 3:], alone) and torch.allclose(step, whole[:, 5])
    assert core.features(core.initial_state(4)) == {} and core.output_size == 5


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="hidden_size is 0"):
        FeedForward(3, 0, generator=generator())
    core = FeedForward(3, 5, generator=generator())
    with pytest.raises(ValueError, match=r"inputs have shape"):
        core(torch.zeros(2, 4, 2))
