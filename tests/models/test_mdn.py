"""The mixture head against torch.distributions, SciPy and slow plain loops."""

import math

import numpy as np
import pytest
import torch
import torch.distributions as D
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wmlib.models.mdn import Mixture, MixtureHead

B, T, K, Z = 7, 3, 5, 11  # distinct primes: a swapped axis cannot pass


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_mixture(*leading: int, k: int = K, z: int = Z, shared: bool = False, dtype=torch.float64, seed: int = 0):
    draw = generator(seed)
    logits = torch.randn(*leading, k, 1 if shared else z, generator=draw, dtype=dtype)
    means, log_stds = (torch.randn(*leading, k, z, generator=draw, dtype=dtype) for _ in range(2))
    return Mixture(logits, means, log_stds)


def oracle(mixture: Mixture, shared: bool) -> D.MixtureSameFamily:
    """The same mixture as torch.distributions has it: K last, and batch (..., Z) when the weights are separate."""
    means, stds = mixture.means, mixture.log_stds.exp()
    if shared:
        components = D.Independent(D.Normal(means, stds), 1)
        return D.MixtureSameFamily(D.Categorical(logits=mixture.logits.squeeze(-1)), components)
    components = D.Normal(means.transpose(-1, -2), stds.transpose(-1, -2))
    return D.MixtureSameFamily(D.Categorical(logits=mixture.logits.transpose(-1, -2)), components)


def oracle_log_prob(mixture: Mixture, target: torch.Tensor, shared: bool) -> torch.Tensor:
    log_prob = oracle(mixture, shared).log_prob(target)
    return log_prob if shared else log_prob.sum(-1)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_log_prob_and_gradient_equal_torch_distributions(shared, dtype, tolerance):
    exact = random_mixture(B, T, shared=shared)
    exact = exact._replace(log_stds=0.3 * exact.log_stds)  # far tails cost float32 digits in any formula
    target = torch.randn(B, T, Z, generator=generator(1), dtype=torch.float64)
    results = []
    for use_oracle, kind in ((True, torch.float64), (False, dtype)):
        leaves = [part.to(kind, copy=True).requires_grad_() for part in (*exact, target)]
        mixture, leaf_target = Mixture(*leaves[:3]), leaves[3]
        value = oracle_log_prob(mixture, leaf_target, shared) if use_oracle else mixture.log_prob(leaf_target)
        value.mean().backward()
        results.append([value.detach(), *(leaf.grad for leaf in leaves)])
    for expected, ours in zip(*results, strict=True):
        assert ours.dtype == dtype
        torch.testing.assert_close(ours.double(), expected, rtol=tolerance, atol=tolerance)


def test_log_prob_equals_a_plain_loop():
    mixture = random_mixture(2, k=3, z=2)
    target = torch.tensor([[0.3, -0.7], [1.1, 0.2]], dtype=torch.float64)
    for row in range(2):
        total = 0.0
        for dim in range(2):
            weights = [math.exp(mixture.logits[row, k, dim]) for k in range(3)]
            density = 0.0
            for k in range(3):
                std = math.exp(mixture.log_stds[row, k, dim])
                z = (float(target[row, dim]) - float(mixture.means[row, k, dim])) / std
                density += weights[k] / sum(weights) * math.exp(-z * z / 2) / (std * math.sqrt(2 * math.pi))
            total += math.log(density)
        assert float(mixture.log_prob(target)[row]) == pytest.approx(total, rel=1e-13)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("k", "z"), [(3, 2), (1, 2), (3, 1), (1, 1)])
def test_gradcheck(shared, k, z):
    mixture = random_mixture(2, k=k, z=z, shared=shared)
    target = torch.randn(2, z, generator=generator(1), dtype=torch.float64)
    leaves = [part.requires_grad_() for part in (*mixture, target)]
    assert torch.autograd.gradcheck(lambda *parts: Mixture(*parts[:3]).log_prob(parts[3]), leaves)
    assert torch.autograd.gradcheck(lambda *parts: Mixture(*parts[:3]).marginal_log_prob(parts[3]), leaves)


def test_marginals_sum_to_the_joint_only_when_weights_are_separate():
    target = torch.randn(B, Z, generator=generator(1), dtype=torch.float64)
    separate, shared = random_mixture(B), random_mixture(B, shared=True)
    torch.testing.assert_close(separate.marginal_log_prob(target).sum(-1), separate.log_prob(target))
    assert not torch.allclose(shared.marginal_log_prob(target).sum(-1), shared.log_prob(target))
    one_dimension = D.MixtureSameFamily(
        D.Categorical(logits=shared.logits[..., 0]), D.Normal(shared.means[..., 4], shared.log_stds[..., 4].exp())
    )
    torch.testing.assert_close(shared.marginal_log_prob(target)[:, 4], one_dimension.log_prob(target[:, 4]))


@pytest.mark.parametrize("shared", [False, True])
def test_target_broadcasts_and_gradients_are_summed_back(shared):
    leaves = [part.requires_grad_() for part in random_mixture(B, shared=shared)]
    grid = torch.randn(T, 1, Z, generator=generator(1), dtype=torch.float64)
    value = Mixture(*leaves).log_prob(grid)
    assert value.shape == (T, B)
    gradients = torch.autograd.grad(value.sum(), leaves)
    looped = [Mixture(*leaves).log_prob(row.expand(B, Z)) for row in grid]
    torch.testing.assert_close(value, torch.stack(looped))
    for ours, expected in zip(gradients, torch.autograd.grad(sum(looped).sum(), leaves), strict=True):
        torch.testing.assert_close(ours, expected)


EXTREMES = {
    "logits": {"logits": [1e4, -1e4, 0.0]},
    "equal huge logits": {"logits": [-1e4, -1e4, -1e4]},
    "far target": {"target": 1e4},
    "far target, narrow": {"target": -1e4, "log_stds": [-1e4, -1e4, -1e4]},
    "on target, narrow": {"target": 0.0, "means": [0.0, 0.0, 0.0], "log_stds": [-1e4, -50.0, -1e30]},
    "wide": {"log_stds": [1e4, 1e4, 1e4]},
    "all": {"logits": [1e4, -1e4, -1e4], "log_stds": [-1e4, 1e4, 0.0], "target": 1e4},
}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_are_finite_in_float32(name, shared):
    case, z = EXTREMES[name], 2
    head = MixtureHead(3, z, 3, generator=generator(), shared=shared)
    parts = [case.get(part, [0.5, -0.5, 0.0]) for part in ("logits", "means", "log_stds")]
    widths = (1 if shared else z, z, z)
    bias = torch.cat([torch.tensor(part).repeat_interleave(width) for part, width in zip(parts, widths, strict=True)])
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(bias)
    features = torch.ones(B, 3, requires_grad=True)
    target = torch.full((B, z), case.get("target", 0.25), requires_grad=True)
    value = head(features).log_prob(target)
    value.sum().backward()
    assert value.isfinite().all()
    assert all(leaf.grad.isfinite().all() for leaf in (target, features, head.linear.weight, head.linear.bias))


def test_far_tail_is_exact_where_densities_underflow():
    mixture = Mixture(torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([[0.0], [-1.0]]))
    expected = math.log(0.5) - 0.5 * 1e8 - 0.5 * math.log(2 * math.pi)  # only the wide component is left at 1e4
    assert float(mixture.log_prob(torch.tensor([1e4]))) == pytest.approx(expected, rel=1e-6)


def test_floor_of_the_standard_deviation():
    head = MixtureHead(2, 3, 2, generator=generator(), min_std=0.05)
    with torch.no_grad():
        head.linear.bias[-6:] = -100.0
    mixture = head(torch.zeros(1, 2))
    torch.testing.assert_close(mixture.log_stds.exp(), torch.full((1, 2, 3), 0.05))


@pytest.mark.parametrize("shared", [False, True])
def test_moments_equal_torch_distributions(shared):
    mixture = random_mixture(B, shared=shared)
    expected = oracle(mixture, shared)
    torch.testing.assert_close(mixture.mean(), expected.mean)
    torch.testing.assert_close(mixture.variance(), expected.variance)
    torch.testing.assert_close(mixture.weights().sum(-2), torch.ones(B, 1 if shared else Z, dtype=torch.float64))


def test_mode_is_the_tallest_component_not_the_likeliest():
    logits, log_stds = torch.tensor([[0.6], [0.4]]).log(), torch.tensor([[1.0], [0.1]]).log()
    mixture = Mixture(logits, torch.tensor([[-5.0], [5.0]]), log_stds)
    assert mixture.mode().tolist() == [5.0]
    grid = torch.linspace(-9, 9, 1801)[:, None]
    assert float(grid[mixture.log_prob(grid).argmax()]) == pytest.approx(5.0, abs=0.011)


def test_mode_per_dimension_and_shared():
    means, log_stds = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, -1.0], [0.0, 0.5]])
    separate = Mixture(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), means, log_stds)
    assert separate.mode().tolist() == [3.0, 2.0]
    assert Mixture(torch.tensor([[0.0], [1.0]]), means, log_stds).mode().tolist() == [1.0, 2.0]  # 0 + 1 beats 1 - 0.5


def repeated(mixture: Mixture, count: int) -> Mixture:
    return Mixture(*(part.expand(count, *part.shape) for part in mixture))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.15])
def test_samples_follow_the_tempered_distribution(temperature):
    """Kolmogorov-Smirnov against the exact CDF, in float32, at the 0.001 level for this fixed seed."""
    mixture = random_mixture(k=3, z=2, dtype=torch.float32)
    draws = repeated(mixture, 40_000).sample(generator(1), temperature).numpy()
    for dim in range(2):
        weights = torch.softmax(mixture.logits[:, dim].double() / temperature, 0).numpy()
        means, stds = mixture.means[:, dim].numpy(), mixture.log_stds[:, dim].exp().numpy() * math.sqrt(temperature)
        test = stats.kstest(draws[:, dim], lambda x: stats.norm.cdf(x[:, None], means, stds) @ weights)  # noqa: B023
        assert test.pvalue > 1e-3


def test_temperature_scales_the_variance_of_one_component():
    one = repeated(Mixture(torch.zeros(1, 1), torch.full((1, 1), 3.0), torch.full((1, 1), math.log(0.2))), 100_000)
    for temperature in (0.25, 1.0, 4.0):
        draws = one.sample(generator(), temperature)
        assert float(draws.mean()) == pytest.approx(3.0, abs=5 * 0.2 * math.sqrt(temperature / 1e5))
        assert float(draws.var()) == pytest.approx(0.04 * temperature, rel=5 * math.sqrt(2 / 1e5))


def test_shared_weights_choose_once_for_all_dimensions_and_separate_ones_do_not():
    means = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    narrow = torch.full((2, 2), -9.0)
    shared = repeated(Mixture(torch.zeros(2, 1), means, narrow), 4001).sample(generator()).sign()
    separate = repeated(Mixture(torch.zeros(2, 2), means, narrow), 4001).sample(generator()).sign()
    assert (shared[:, 0] == shared[:, 1]).all()
    assert abs(float((separate[:, 0] * separate[:, 1]).mean())) < 5 / math.sqrt(4001)


def test_component_frequencies_equal_the_weights():
    logits = torch.tensor([0.1, 0.0, 0.6, 0.3, 0.0]).log()[:, None].clamp(min=-200)  # weight 0 first, inside and last
    mixture = Mixture(logits, torch.arange(5.0)[:, None], torch.full((5, 1), -9.0))
    counts = np.bincount(repeated(mixture, 50_000).sample(generator()).round().long().ravel().numpy(), minlength=5)
    assert counts[1] == counts[4] == 0
    assert stats.chisquare(counts[[0, 2, 3]], 50_000 * np.array([0.1, 0.6, 0.3])).pvalue > 1e-3


@pytest.mark.parametrize("certain", [0, 2, 4])
def test_a_component_of_weight_zero_is_never_drawn(certain):
    logits = torch.full((5, 1), -1e4)
    logits[certain] = 1e4
    mixture = Mixture(logits, torch.arange(5.0)[:, None], torch.full((5, 1), -9.0))
    draws = repeated(mixture, 1_000_000).sample(generator())
    assert ((draws - certain).abs() < 0.5).all()


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_the_ends_of_the_uniform_draw_pick_a_component_with_weight(monkeypatch, uniform):
    """`torch.rand` can return 0 and the largest float below 1; the outer components have weight 0, the inner 1/3 each."""
    logits = torch.tensor([-1e4, 0.0, 0.0, 0.0, -1e4])[:, None]
    mixture = Mixture(logits, torch.arange(5.0)[:, None], torch.full((5, 1), -9.0))
    fixed = {torch.rand: torch.full((1, 1), uniform), torch.randn: torch.zeros(1)}
    monkeypatch.setattr("wmlib.models.mdn._draw", lambda draw, shape, like, generator: fixed[draw].expand(shape))
    assert float(mixture.sample(generator())) in (1.0, 2.0, 3.0)


def test_low_temperature_reaches_the_centre_of_the_likeliest_component():
    mixture = random_mixture(B)
    likeliest = mixture.means.gather(-2, mixture.logits.argmax(-2, keepdim=True)).squeeze(-2)
    torch.testing.assert_close(mixture.sample(generator(), 1e-12), likeliest, atol=1e-4, rtol=0)


def test_sampling_is_determined_by_the_generator_alone():
    mixture = random_mixture(B, T)
    torch.manual_seed(1)
    first = mixture.sample(generator(5), 1.15)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(first, mixture.sample(generator(5), 1.15))
    assert not torch.equal(first, mixture.sample(generator(6), 1.15))
    head = MixtureHead(3, Z, K, generator=generator(5))
    assert torch.equal(before, torch.get_rng_state())  # neither draws from the global generator
    assert torch.equal(head.linear.weight, MixtureHead(3, Z, K, generator=generator(5)).linear.weight)


def test_float32_samples_equal_float64_given_the_same_noise(monkeypatch):
    draws = iter([torch.rand(B, 1, Z, generator=generator(1)), torch.randn(B, Z, generator=generator(2))] * 2)
    monkeypatch.setattr("wmlib.models.mdn._draw", lambda draw, shape, like, generator: next(draws).to(like.dtype))
    exact = random_mixture(B)
    single = Mixture(*(part.float() for part in exact))
    torch.testing.assert_close(single.sample(generator()).double(), exact.sample(generator()), rtol=1e-5, atol=1e-5)


def test_world_models_head_has_960_outputs_and_shared_645():
    head = MixtureHead(512, 64, 5, generator=generator())
    # World Models: 512·961 + 961 = 492,993 weights, one output of which is the end-of-episode logit
    assert sum(parameter.numel() for parameter in head.parameters()) == 492_993 - 513
    assert MixtureHead(512, 64, 5, generator=generator(), shared=True).linear.out_features == 5 + 2 * 5 * 64


@pytest.mark.parametrize("shared", [False, True])
def test_head_cuts_its_output_as_documented(shared):
    head = MixtureHead(2, Z, K, generator=generator(), shared=shared)
    raw = head.linear(torch.ones(2))
    mixture = head(torch.ones(2))
    assert torch.equal(torch.cat([part.flatten() for part in mixture]), raw)
    assert mixture.logits.shape == (K, 1 if shared else Z)


def test_head_answers_in_float32_under_bfloat16_autocast():
    head = MixtureHead(13, Z, K, generator=generator())
    features = torch.randn(B, 13, generator=generator())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixture = head(features)
        value = mixture.log_prob(torch.zeros(B, Z))
    assert {part.dtype for part in mixture} == {torch.float32} and value.dtype == torch.float32
    torch.testing.assert_close(value, head(features).log_prob(torch.zeros(B, Z)), rtol=0.02, atol=0.3)


@settings(max_examples=40, deadline=None)
@given(
    leading=st.lists(st.integers(0, 4), max_size=3),
    k=st.integers(1, 4),
    z=st.integers(1, 4),
    shared=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_leading_axes(leading, k, z, shared, seed):
    head = MixtureHead(3, z, k, generator=generator(seed), shared=shared).double()
    features = torch.randn(*leading, 3, generator=generator(seed), dtype=torch.float64)
    target = torch.randn(*leading, z, generator=generator(seed + 1), dtype=torch.float64)
    mixture = head(features)
    log_prob = mixture.log_prob(target)
    assert log_prob.shape == tuple(leading)
    assert mixture.marginal_log_prob(target).shape == mixture.sample(generator()).shape == (*leading, z)
    assert mixture.mean().shape == mixture.variance().shape == mixture.mode().shape == (*leading, z)
    if 0 not in leading:
        torch.testing.assert_close(log_prob, oracle_log_prob(mixture, target, shared))
    log_prob.sum().backward()
    assert head.linear.weight.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MixtureHead(3, 2, 0, generator=generator()), "num_components is 0; it must be at least 1"),
        (lambda: MixtureHead(3, 0, 2, generator=generator()), "target_size is 0; it must be at least 1"),
        (lambda: MixtureHead(0, 2, 2, generator=generator()), "input_size is 0; it must be at least 1"),
        (lambda: MixtureHead(3, 2, 2, generator=generator(), min_std=0.0), "min_std is 0.0; it must be above 0"),
        (lambda: MixtureHead(3, 2, 2, generator=generator())(torch.ones(7, 5)), "the last axis must be 3"),
        (lambda: random_mixture(B).log_prob(torch.zeros(B, 2)), "last axis must be Z = 11"),
        (lambda: random_mixture(B, shared=True).log_prob(torch.zeros(B, 2)), "last axis must be Z = 11"),
        (lambda: random_mixture(B).log_prob(torch.zeros(())), "last axis must be Z = 11"),
        (lambda: random_mixture(B).log_prob(torch.zeros(B, Z)), "target is torch.float32, the mixture is torch.float64"),
        (lambda: random_mixture(B).sample(generator(), 0.0), "temperature is 0.0; it must be above 0"),
        (lambda: random_mixture(B).sample(generator(), float("nan")), "temperature is nan; it must be above 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_at_the_floor_the_gradient_passes_where_it_leads_up():
    head = MixtureHead(1, 1, 1, generator=torch.Generator().manual_seed(0), min_std=0.1)
    for depth, target, passes in ((0.5, 3.0, True), (0.5, 0.0, False), (-0.5, 3.0, True), (-0.5, 0.0, True), (50.0, 3.0, True)):
        with torch.no_grad():
            head.linear.weight.zero_()
            head.linear.bias.copy_(torch.tensor([0.0, 0.0, math.log(0.1) - depth]))
        head.zero_grad()
        mixture = head(torch.ones(1, 1))
        (-mixture.log_prob(torch.full((1, 1), target))).sum().backward()
        assert mixture.log_stds.item() == pytest.approx(max(math.log(0.1), math.log(0.1) - depth))
        assert (head.linear.bias.grad[2].item() != 0) == passes, (depth, target)
