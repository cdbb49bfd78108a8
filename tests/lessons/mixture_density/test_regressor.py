"""The toy network: shapes, its linear special case, its training, and that it learns what least squares cannot."""

import numpy as np
import pytest
import torch

from wmlib.lessons.mixture_density.problems import AUTHOR_TOY, BISHOP_INVERSE
from wmlib.lessons.mixture_density.regressor import ToyNetwork, negative_log_likelihood, squared_error, train
from wmlib.models.mdn import Mixture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def toy_data(problem, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = problem.sample(count, np.random.default_rng(seed))
    return torch.tensor(x, dtype=torch.float32)[:, None], torch.tensor(y, dtype=torch.float32)[:, None]


def log_density(network):
    def model(x, y):
        with torch.no_grad():
            x, y = (torch.tensor(axis, dtype=torch.float32)[:, None] for axis in (x, y))
            return network(x).log_prob(y).numpy()

    return model


@pytest.mark.parametrize("nonlinearity", ["tanh", "none"])
def test_shapes_and_the_twin(nonlinearity):
    sizes = {"hidden_size": 5, "target_size": 3, "nonlinearity": nonlinearity}
    mixture = ToyNetwork(7, generator=generator(), **sizes)(torch.zeros(11, 1))
    assert isinstance(mixture, Mixture) and mixture.means.shape == mixture.logits.shape == (11, 7, 3)
    twin = ToyNetwork(0, generator=generator(), **sizes)
    assert twin(torch.zeros(11, 1)).shape == (11, 3)
    first, second = ToyNetwork(1, generator=generator(), **sizes).hidden, twin.hidden
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)


def test_forward_equals_a_plain_loop():
    network = ToyNetwork(0, generator=generator(), hidden_size=3).double()
    x = 0.7
    network.requires_grad_(False)
    expected = float(network.head.bias[0])
    for unit in range(3):
        activation = np.tanh(float(network.hidden.weight[unit, 0]) * x + float(network.hidden.bias[unit]))
        expected += float(network.head.weight[0, unit]) * activation
    assert float(network(torch.tensor([[x]], dtype=torch.float64))) == pytest.approx(expected, rel=1e-12)


def test_bishops_network_has_nine_outputs():
    assert ToyNetwork(3, generator=generator(), hidden_size=5).head.linear.out_features == 9


def test_without_a_nonlinearity_every_mean_is_a_straight_line():
    x = torch.linspace(-2, 2, 13)[:, None]
    straight, bent = (ToyNetwork(5, generator=generator(), nonlinearity=kind)(x).means for kind in ("none", "tanh"))
    assert torch.diff(straight, n=2, dim=0).abs().max() < 1e-6 < 1e-3 < torch.diff(bent, n=2, dim=0).abs().max()


def test_losses_equal_their_definitions():
    mixture = ToyNetwork(3, generator=generator(), target_size=2)(torch.zeros(7, 1))
    y = torch.randn(7, 2, generator=generator())
    torch.testing.assert_close(negative_log_likelihood(mixture, y), -mixture.marginal_log_prob(y).sum() / 7)
    torch.testing.assert_close(squared_error(y, torch.ones(7, 2)), torch.nn.functional.mse_loss(y, torch.ones(7, 2)))


def test_training_is_adam_on_all_the_data_with_a_cosine_learning_rate():
    x, y = toy_data(BISHOP_INVERSE, 23)
    network, plain = (ToyNetwork(2, generator=generator(), hidden_size=3) for _ in range(2))
    losses = train(network, negative_log_likelihood, x, y, steps=5, lr=0.01)
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    for step in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * 0.5 * (1 + np.cos(np.pi * step / 5))
        optimizer.zero_grad()
        value = negative_log_likelihood(plain(x), y)
        assert float(losses[step]) == pytest.approx(float(value.detach()), rel=1e-5)
        value.backward()
        optimizer.step()
    for parameter, expected in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)


def test_training_is_determined_by_the_seed():
    x, y = toy_data(AUTHOR_TOY, 31)
    state = torch.get_rng_state()
    runs = []
    for seed in (4, 4, 5):
        network = ToyNetwork(3, generator=generator(seed))
        runs.append(train(network, negative_log_likelihood, x, y, steps=7, lr=0.005))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])
    assert torch.equal(state, torch.get_rng_state())


def test_a_mixture_learns_the_inverse_problem_and_a_single_gaussian_does_not():
    """Mean KL from the truth after 400 steps: near 0.33 with five components, 1.18 with one (five seeds); bound between."""
    x, y = toy_data(BISHOP_INVERSE, 300)
    kl = {}
    for num_components in (1, 5):
        network = ToyNetwork(num_components, generator=generator(), hidden_size=16)
        train(network, negative_log_likelihood, x, y, steps=400, lr=0.01)
        kl[num_components] = BISHOP_INVERSE.mean_kl(log_density(network))
    assert 0 < kl[5] < 0.6 < 0.9 < kl[1]


def test_least_squares_solves_the_forward_problem_and_averages_the_inverse():
    x, y = toy_data(BISHOP_INVERSE, 300)
    error = {}
    for name, (given, wanted) in {"forward": (y, x), "inverse": (x, y)}.items():
        network = ToyNetwork(0, generator=generator())
        error[name] = float(train(network, squared_error, given, wanted, steps=1000, lr=0.05)[-1])
    assert error["forward"] < 0.006  # the noise alone is 0.1²/3 = 0.0033
    assert error["inverse"] > 0.02


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ToyNetwork(3, generator=generator(), nonlinearity="sine"), "choose one of tanh, none"),
        (lambda: ToyNetwork(-1, generator=generator()), "num_components is -1; it must be at least 0"),
        (lambda: ToyNetwork(3, generator=generator(), hidden_size=0), "hidden_size is 0; it must be at least 1"),
        (lambda: ToyNetwork(0, generator=generator(), target_size=0), "target_size is 0; it must be at least 1"),
        (lambda: squared_error(torch.zeros(5, 1), torch.zeros(5)), r"y has shape \(5,\); it must be that of the prediction"),
        (lambda: train_zeros(5, 7, steps=3), "x has 5 rows and y has 7"),
        (lambda: train_zeros(5, 5, steps=0), "steps is 0; it must be at least 1"),
        (lambda: train_zeros(5, 5, steps=3, batch_size=6), "batch_size is 6; it must be from 1 to the number of pairs, 5"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def train_zeros(inputs: int, targets: int, steps: int, batch_size: int | None = None):
    network = ToyNetwork(0, generator=generator())
    pairs = torch.zeros(inputs, 1), torch.zeros(targets, 1)
    return train(network, squared_error, *pairs, steps=steps, lr=0.05, batch_size=batch_size)


def test_batches_use_every_pair_once_before_any_again_at_a_constant_rate():
    seen = []

    class Ask(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            seen.extend(x[:, 0].tolist())
            return x * 0 + self.weight

    network = Ask()
    x = torch.arange(6.0)[:, None]
    train(network, lambda prediction, y: prediction.mean(), x, x, 6, 0.01, batch_size=2, generator=generator())
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6)) and seen[:6] != seen[6:]
    assert network.weight.item() == pytest.approx(-0.06)  # Adam under a constant gradient: one rate a step
