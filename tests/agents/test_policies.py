"""Policies: sequences equal steps, memory forgets at the start of episodes, pictures and vectors, wrong arguments."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmlib.agents.policies import ActorCritic, Encoder, PolicyConfig, Tanh, is_picture
from wmlib.models.specs import CoreConfig

BOX = spaces.Box(-1, 1, (5,), np.float32)
PICTURE = spaces.Box(0, 255, (13, 11, 3), np.uint8)
SMALL = ((7, 3, 2), (5, 2, 1))
CORES = {"none": None, "lstm": CoreConfig("lstm", 11), "dnc": CoreConfig("dnc", 11, 5, 3, 2)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def policy(space=BOX, core="none", num_values=2, seed=0):
    config = PolicyConfig((17,), SMALL, "tanh" if space is BOX else "relu", CORES[core])
    return ActorCritic(space, 3, config, num_values, generator=generator(seed))


def observations(space, *shape):
    if space is BOX:
        return torch.randn(*shape, 5, generator=generator(1))
    return torch.randint(256, (*shape, *space.shape), generator=generator(1), dtype=torch.uint8)


@pytest.mark.parametrize("space", [BOX, PICTURE], ids=["vector", "picture"])
@pytest.mark.parametrize("core", CORES)
def test_a_sequence_is_the_same_as_its_steps(space, core):
    net = policy(space, core)
    obs = observations(space, 3, 7)
    starts = torch.rand(3, 7, generator=generator(2)) < 0.3
    whole = net(obs, net.initial_state(3), starts)
    state = net.initial_state(3)
    for t in range(7):
        step = net.step(obs[:, t], state, starts[:, t])
        state = step.state
        torch.testing.assert_close(step.logits, whole.logits[:, t], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(step.values, whole.values[:, t], rtol=1e-4, atol=1e-6)
    assert whole.logits.shape == (3, 7, 3) and whole.values.shape == (3, 7, 2)


@pytest.mark.parametrize("core", ["lstm", "dnc"])
def test_nothing_is_remembered_across_the_start_of_an_episode(core):
    net = policy(core=core)
    obs = observations(BOX, 2, 6)
    starts = torch.zeros(2, 6, dtype=torch.bool)
    starts[:, 3] = True
    whole = net(obs, net.initial_state(2), starts)
    alone = net(obs[:, 3:], net.initial_state(2), starts[:, 3:])
    torch.testing.assert_close(whole.values[:, 3:], alone.values, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(net(obs, net.initial_state(2)).values[:, 3:], alone.values)


def test_pictures_are_read_row_by_row_and_divided_by_255():
    encoder = Encoder((13, 11, 3), True, PolicyConfig((17,), SMALL, "relu"), generator=generator())
    obs = observations(PICTURE, 4)
    plain = encoder.layers(obs.permute(0, 3, 1, 2).contiguous().float() / 255)
    torch.testing.assert_close(encoder(obs), plain)


def test_first_weights_are_orthogonal_and_the_policy_is_nearly_uniform():
    net = policy()
    weight = net.encoder.layers[0].weight  # (17, 5)
    torch.testing.assert_close(weight.T @ weight, 2 * torch.eye(5), atol=1e-5, rtol=0)
    output = net.step(observations(BOX, 50))
    assert (torch.softmax(output.logits, -1) - 1 / 3).abs().max() < 0.02
    assert torch.equal(weight, policy().encoder.layers[0].weight) and not torch.equal(
        weight, policy(seed=1).encoder.layers[0].weight
    )


@pytest.mark.parametrize("size", [10, 2**15])
def test_tanh_and_its_gradient(size):
    inputs = (4 * torch.randn(size, generator=generator())).requires_grad_()
    outputs = Tanh()(inputs)
    torch.testing.assert_close(outputs, torch.tanh(inputs.double()).float(), atol=5e-7, rtol=0)
    (grad,) = torch.autograd.grad(outputs.sum(), inputs)
    torch.testing.assert_close(grad, 1 - torch.tanh(inputs.double()).square().float(), atol=1e-6, rtol=0)


def test_what_is_a_picture():
    assert is_picture(PICTURE) and not is_picture(BOX)
    assert not is_picture(spaces.Box(0, 255, (13, 11, 3), np.float32))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PolicyConfig(activation="gelu"), "activation is 'gelu'; choose one of tanh, relu, leaky_relu"),
        (lambda: ActorCritic(spaces.Discrete(3), 2, generator=generator()), "must be a Box"),
        (lambda: ActorCritic(BOX, 0, generator=generator()), "num_actions is 0"),
        (lambda: ActorCritic(BOX, 2, generator=None), "generator is None"),
        (lambda: ActorCritic(PICTURE, 2, generator=generator()), "a kernel of 4 meets 2 x 1"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
