"""A training that diverges stops at the first bad step and says which, on the CPU at once."""

import math
import pickle

import pytest
import torch
from torch import nn

from wmlib.training.divergence import DivergenceWatch, TrainingDivergedError, gradient_norm


@pytest.fixture
def network():
    layer = nn.Linear(3, 2)
    layer(torch.ones(3)).sum().backward()
    return layer


def test_finite_steps_pass(network):
    watch = DivergenceWatch(network)
    watch.finish()  # before any step
    for step in range(3):
        watch.see(step, 0.1, torch.tensor(1.0), gradient_norm(network))
    watch.finish()


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_the_first_bad_step_is_named_with_its_numbers(network, loss, norm):
    watch = DivergenceWatch(network)
    watch.see(6, 0.1, torch.tensor(1.0), torch.tensor(1.0))
    with pytest.raises(
        TrainingDivergedError, match=r"step 7 \(from 0\): learning rate 0.1, loss .*, KL 3, gradient norm"
    ) as raised:
        watch.see(7, 0.1, torch.tensor(loss), torch.tensor(norm), {"KL": torch.tensor(3.0)})
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.step == 7 and again.values["learning rate"] == 0.1 and str(again) == str(raised.value)


def test_weights_that_the_last_update_spoiled_are_seen_at_the_end(network):
    watch = DivergenceWatch(network)
    watch.see(0, 0.1, torch.tensor(1.0))
    network.weight.detach()[0, 0] = math.nan
    with pytest.raises(TrainingDivergedError, match="the weights of weight"):
        watch.finish()
