"""The world model: its loss against torch.distributions, steps against sequences, for an LSTM and a DNC."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal

from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CoreConfig
from wmlib.models.world_model import Prediction, WorldModel, WorldModelConfig, loss

Z, A, B, T = 5, 2, 3, 7


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(kind: str = "lstm", **options) -> WorldModel:
    rng = generator()
    core = LSTM(Z + A, 11, generator=rng) if kind == "lstm" else DNC(Z + A, 11, 4, 3, 2, generator=rng)
    return WorldModel(core, Z, num_components=2, generator=rng, **options).double()


def data(seed: int = 1) -> tuple:
    rng = generator(seed)
    latents = torch.randn(B, T + 1, Z, generator=rng, dtype=torch.float64)
    actions = torch.randn(B, T, A, generator=rng, dtype=torch.float64)
    acted, done = torch.ones(B, T, dtype=torch.bool), torch.zeros(B, T, dtype=torch.bool)
    done[1, 3], acted[1, 4] = True, False  # dead at 3; the row after is the last of the episode
    return latents, actions, done, acted


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_one_call_two_calls_and_steps_agree(kind):
    latents, actions, _, _ = data()
    net, whole = model(kind, reward=True), slice(0, T)
    expected, last = net(latents[:, whole], actions)
    first, state = net(latents[:, :3], actions[:, :3])
    second, end = net(latents[:, 3:T], actions[:, 3:], state)
    torch.testing.assert_close(torch.cat([first.done, second.done], 1), expected.done)
    for ours, theirs in zip(end, last, strict=True):
        torch.testing.assert_close(ours, theirs)
    state = net.core.initial_state(B)
    for t in range(T):
        step, state = net.step(latents[:, t], actions[:, t], state)
        torch.testing.assert_close(step.mixture.means, expected.mixture.means[:, t])
        torch.testing.assert_close(step.done, expected.done[:, t])
        torch.testing.assert_close(step.reward, expected.reward[:, t])


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_the_next_state_is_that_of_a_step(kind):
    latents, actions, _, _ = data()
    net = model(kind)
    _, state = net(latents[:, :3], actions[:, :3])
    _, expected = net.step(latents[:, 3], actions[:, 3], state)
    for ours, theirs in zip(net.next_state(latents[:, 3], actions[:, 3], state), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_an_episode_that_begins_inside_is_one_of_its_own():
    latents, actions, _, _ = data()
    reset = torch.zeros(B, T, dtype=torch.bool)
    reset[:, 4] = True
    net = model("dnc")
    together, _ = net(latents[:, :T], actions, reset=reset)
    alone, _ = net(latents[:, 4:T], actions[:, 4:])
    torch.testing.assert_close(together.mixture.log_stds[:, 4:], alone.mixture.log_stds)


def test_loss_equals_torch_distributions():
    latents, actions, done, acted = data()
    prediction, _ = model(reward=True)(latents[:, :T], actions)
    rewards = torch.randn(B, T, generator=generator(5), dtype=torch.float64)
    losses = loss(prediction, latents[:, 1:], done, acted, rewards, done_weight=10.0)
    nll, ends, error, steps, count = 0.0, 0.0, 0.0, 0, 0
    for b, t in ((b, t) for b in range(B) for t in range(T) if acted[b, t]):
        count += 1
        ends -= (10.0 if done[b, t] else 1.0) * Bernoulli(logits=prediction.done[b, t]).log_prob(done[b, t].double())
        error += (prediction.reward[b, t] - rewards[b, t]) ** 2
        if not done[b, t]:
            steps += 1
            for d in range(Z):
                logits, mean, log_std = (part[b, t, :, d] for part in prediction.mixture)
                density = MixtureSameFamily(Categorical(logits=logits), Normal(mean, log_std.exp()))
                nll -= density.log_prob(latents[b, t + 1, d]) / Z
    assert count == B * T - 1 and steps == count - 1
    torch.testing.assert_close(losses.nll, nll / steps)
    torch.testing.assert_close(losses.done, ends / count)
    torch.testing.assert_close(losses.reward, error / count)
    torch.testing.assert_close(losses.total, nll / steps + ends / count + error / count)


def test_what_follows_an_end_or_no_action_teaches_nothing():
    latents, actions, done, acted = data()
    net = model()

    def gradient(following):
        net.zero_grad()
        loss(net(latents[:, :T], actions)[0], following, done, acted).total.backward()
        return net.mixture.linear.weight.grad.clone()

    changed = latents[:, 1:].clone()
    changed[1, 3:5] += 100.0
    torch.testing.assert_close(gradient(latents[:, 1:]), gradient(changed))
    changed[1, 5] += 1.0
    assert not torch.allclose(gradient(latents[:, 1:]), gradient(changed))


def test_a_batch_of_ends_alone_has_a_finite_loss():
    latents, actions, _, acted = data()
    losses = loss(model()(latents[:, :T], actions)[0], latents[:, 1:], torch.ones_like(acted), acted)
    assert losses.nll == 0 and losses.total.isfinite()


def test_normalisation_is_of_the_latents_alone():
    latents, actions, _, _ = data()
    scaled = 10 * latents + 3
    for net, same in ((model(), True), (model(normalize=False), False)):
        one, other = (net(x[:, :T], actions)[0].done for x in (latents, scaled))
        assert torch.allclose(one, other, atol=1e-4) == same
        assert not torch.allclose(one, net(latents[:, :T], 10 * actions)[0].done, atol=1e-4)


def test_clear_errors():
    rng = generator()
    with pytest.raises(ValueError, match="latent_size is 7; it must be 1 to 6"):
        WorldModel(LSTM(7, 3, generator=rng), 7, generator=rng)
    latents, actions, done, acted = data()
    with pytest.raises(ValueError, match="actions has shape"):
        model()(latents, actions)
    with pytest.raises(ValueError, match="latents has shape"):
        model()(latents[..., :-1], actions)
    prediction = model(reward=True)(latents[:, :T], actions)[0]
    with pytest.raises(ValueError, match="rewards is None"):
        loss(prediction, latents[:, 1:], done, acted)
    assert isinstance(prediction, Prediction)


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_configuration_builds_the_model_it_describes(kind, normalize):
    config = WorldModelConfig(CoreConfig(kind, 11, 4, 3, 2), Z, A, normalize)
    net = config.build(generator(4))
    rng = generator(4)
    if kind == "lstm":
        core = LSTM(Z + A, 11, generator=rng, forget_bias=1.0)
    else:
        core = DNC(Z + A, 11, 4, 3, 2, generator=rng)
    expected = WorldModel(core, Z, normalize=normalize, generator=rng)
    assert net.state_dict().keys() == expected.state_dict().keys()
    for name, part in expected.state_dict().items():
        assert torch.equal(net.state_dict()[name], part), name
    assert (net.latent_size, net.action_size, net.reward) == (Z, A, None)
