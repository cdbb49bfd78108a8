import numpy as np
import pytest
import torch

from wmlib.lessons.mixture_density import pipeline as toy_study
from wmlib.models.mdn import Mixture

SMALL = {"points": 200, "hidden": 16, "steps": 200}


def test_least_squares_as_a_density_is_one_bell_of_fixed_width():
    prediction = torch.tensor([[0.3], [0.7]])
    bell = toy_study.least_squares_mixture(prediction, 0.2)
    expected = torch.distributions.Normal(prediction[:, 0], 0.2).log_prob(torch.tensor([0.1, 0.7]))
    torch.testing.assert_close(bell.log_prob(torch.tensor([[0.1], [0.7]])), expected)


def test_excess_is_the_gap_of_the_likelihood_on_fresh_data():
    fit = toy_study.fit("bishop", 3, (1, 2), **SMALL)
    problem = toy_study.PROBLEMS["bishop"]
    x, y = problem.sample(200_000, np.random.default_rng(0))
    fresh = -fit.mixture(x).log_prob(toy_study.column(y)).double().mean().item()
    assert fit.excess(problem) == pytest.approx(fresh - problem.conditional_entropy, abs=0.02)


def test_a_fit_repeats_and_depends_on_both_seeds():
    fits = [
        toy_study.fit("author", 2, seeds, **SMALL).excess(toy_study.PROBLEMS["author"])
        for seeds in ((1, 2), (1, 2), (3, 2), (1, 4))
    ]
    assert fits[0] == fits[1] and len(set(fits)) == 3


def test_stored_fits_come_back():
    pairs = [(1, 2), (3, 4)]
    for components, kind in ((3, "tanh"), (0, "tanh"), (2, "none")):
        many = toy_study.fit_many("bishop", components, pairs, nonlinearity=kind, **SMALL)
        again = toy_study.restore(many, components, SMALL["hidden"], kind)
        assert again.excess(toy_study.PROBLEMS["bishop"]) == pytest.approx(many["excess"][0], rel=1e-6)
        assert (many["std"] is None) == (components > 0) and many["excess"].shape == (2,)


def test_a_mixture_comes_nearer_to_the_truth_than_least_squares():
    longer = {"points": 500, "hidden": 32, "steps": 600}
    squares, mixture = (toy_study.fit("author", k, (1, 2), **longer).excess(toy_study.PROBLEMS["author"]) for k in (0, 5))
    assert mixture < 0.6 < 1.3 < squares < 1.7


def test_the_wrong_loss_is_the_logarithm_of_a_sum():
    mixture = Mixture(torch.randn(7, 3, 2), torch.randn(7, 3, 2), torch.randn(7, 3, 2))
    y = torch.randn(7, 2)
    densities = mixture.marginal_log_prob(y).exp()
    torch.testing.assert_close(toy_study.summed_densities(mixture, y), -densities.sum(-1).log().mean())


def test_the_wrong_loss_neglects_the_hard_dimension():
    right, wrong = (toy_study.two_dimensions(r, (1, 2), 500, 5, 32, 500)["excess"] for r in (True, False))
    assert right < 0.8 and wrong > right + 1


@pytest.mark.parametrize("name", ["author", "bishop"])
def test_the_best_single_bell_is_the_sampled_one(name):
    problem = toy_study.PROBLEMS[name]
    x, y = problem.sample(2_000_000, np.random.default_rng(0))
    bins = np.digitize(x, np.quantile(x, np.linspace(0, 1, 801)[1:-1]))
    count = np.bincount(bins)
    mean = np.bincount(bins, y) / count
    variance = np.bincount(bins, (y - mean[bins]) ** 2) / count
    entropy = 0.5 * (count * np.log(2 * np.pi * np.e * variance)).sum() / count.sum()
    assert toy_study.best_single_bell(name) == pytest.approx(entropy - problem.conditional_entropy, abs=0.01)
