"""Adam on one vector against PyTorch's on all parameters."""

import pytest
import torch
from torch import nn

from wmlib.agents.flat_adam import FlatAdam
from wmlib.models.layers import linear


def network():
    rng = torch.Generator().manual_seed(0)
    return nn.Sequential(linear(5, 7, rng), nn.Tanh(), linear(7, 3, rng))


def batch(i):
    return torch.randn(11, 5, generator=torch.Generator().manual_seed(i))


def train(net, optimizer, count, start=0):
    for i in range(start, start + count):
        net(batch(i)).square().sum().backward()
        optimizer.step(0.01 / (i + 1))


@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_it_moves_like_adam_with_clipping(max_grad_norm):
    net, other = network(), network()
    adam = torch.optim.Adam(other.parameters(), eps=1e-5)
    flat = FlatAdam(net, max_grad_norm)
    for i in range(5):
        net(batch(i)).square().sum().backward()
        norm = flat.step(0.01 / (i + 1))
        other(batch(i)).square().sum().backward()
        expected = nn.utils.clip_grad_norm_(other.parameters(), max_grad_norm or 1e9)
        adam.param_groups[0]["lr"] = 0.01 / (i + 1)
        adam.step()
        adam.zero_grad()
        assert norm.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, theirs in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_it_goes_on_from_a_state_to_the_bit():
    net = network()
    flat = FlatAdam(net, 0.5)
    train(net, flat, 3)
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    state = flat.state_dict()
    train(net, flat, 3, start=3)
    again = network()
    resumed = FlatAdam(again, 0.5)
    again.load_state_dict(weights)
    resumed.load_state_dict(state)
    train(again, resumed, 3, start=3)
    assert torch.equal(flat.vector, resumed.vector)
    assert torch.equal(torch.cat([p.detach().flatten() for p in again.parameters()]), resumed.vector)
