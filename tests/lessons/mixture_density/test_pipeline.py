"""Fits: which ones, from which seeds, how good, stored and restored; and the wrong loss for two dimensions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.experiment import seeding
from wmlib.lessons.mixture_density import pipeline
from wmlib.lessons.mixture_density.pipeline import AUTHOR, LEAST_SQUARES, LINEAR, SINGLE, FitConfig, FitSeeds
from wmlib.lessons.mixture_density.problems import AUTHOR_TOY, BISHOP_INVERSE
from wmlib.lessons.mixture_density.regressor import negative_log_likelihood
from wmlib.models.mdn import Mixture


def small(problem: str, num_components: int, nonlinearity: str = "tanh", steps: int = 200, lr: float = 5e-3) -> FitConfig:
    return FitConfig(problem, num_components, points=200, hidden_size=16, steps=steps, lr=lr, nonlinearity=nonlinearity)


SETTINGS = SimpleNamespace(num_components=5, points=11, hidden_size=7, steps=3, author_steps=9, search_lrs=2, search_fits=2)


def test_each_model_has_the_learning_rate_that_was_best_for_its_kind():
    searched = {
        LEAST_SQUARES: {0.1: 1.0, 0.2: 2.0},
        SINGLE: {0.1: 2.0, 0.2: 1.0},
        5: {0.1: 0.3, 0.2: 0.4},
        LINEAR: {0.1: 0.5, 0.2: 0.4},
    }
    configs = pipeline.configs(SETTINGS, "bishop", [1, 2, 5], searched)
    assert list(configs) == [LEAST_SQUARES, 1, 2, 5, LINEAR]
    assert configs[LEAST_SQUARES] == FitConfig("bishop", 0, 11, 7, steps=3, lr=0.1)
    assert configs[1] == FitConfig("bishop", 1, 11, 7, steps=3, lr=0.2)
    assert configs[2] == FitConfig("bishop", 2, 11, 7, steps=3, lr=0.1)
    assert configs[LINEAR] == FitConfig("bishop", 5, 11, 7, steps=3, lr=0.2, nonlinearity="none")
    authors = pipeline.configs(SETTINGS, "author", [5], searched)[AUTHOR]
    assert authors == FitConfig("author", 5, 11, 256, steps=9, lr=0.001, nonlinearity="none", batch_size=11)


def test_the_search_tries_every_kind_alike_on_seeds_of_its_own():
    calls = []

    def cached(function, config, seeds):
        calls.append((config, seeds))
        return {"excess": np.array([config.lr, 3 * config.lr])}

    run = SimpleNamespace(rng=lambda *names: seeding.generator(1, *names), cached=cached)
    table = pipeline.search(run, SETTINGS, "bishop")
    assert list(table) == [LEAST_SQUARES, SINGLE, 5, LINEAR]
    assert all(rates == {lr: pytest.approx(2 * lr) for lr in pipeline.LRS[:2]} for rates in table.values())
    assert len({tuple(seeds) for _, seeds in calls}) == 1
    assert not set(calls[0][1]) & set(pipeline.draw_seeds(run, "bishop", 5))


def test_a_config_builds_its_network():
    network = small("author", 3, "none").build(torch.Generator().manual_seed(0), target_size=2)
    assert network.nonlinearity == "none" and network.hidden.out_features == 16
    assert network.head.linear.out_features == 3 * 3 * 2


def test_seeds_come_from_the_named_streams():
    run = SimpleNamespace(rng=lambda *names: seeding.generator(1, *names))
    seeds = pipeline.draw_seeds(run, "bishop", 3)
    assert seeds[2] == FitSeeds(*(int(run.rng(use, "bishop", 2).integers(2**31)) for use in ("data", "init")))
    assert len({seed for pair in seeds for seed in pair}) == 6
    assert pipeline.draw_seeds(run, "author", 3)[0] != seeds[0]


def test_least_squares_as_a_density_is_one_gaussian_of_fixed_width():
    prediction = torch.tensor([[0.3], [0.7]])
    mixture = pipeline.least_squares_mixture(prediction, 0.2)
    expected = torch.distributions.Normal(prediction[:, 0], 0.2).log_prob(torch.tensor([0.1, 0.7]))
    torch.testing.assert_close(mixture.log_prob(torch.tensor([[0.1], [0.7]])), expected)


def test_the_width_of_least_squares_is_that_of_its_training_error():
    config = small("author", 0, lr=0.05)
    fitted = pipeline.fit(config, FitSeeds(1, 2))
    x, y = AUTHOR_TOY.sample(config.points, np.random.default_rng(1))
    error = fitted.mixture(x).mean()[:, 0].numpy() - y
    assert fitted.std == pytest.approx(np.sqrt((error**2).mean()), rel=1e-3)


def test_excess_is_the_gap_of_the_likelihood_on_fresh_data():
    fitted = pipeline.fit(small("bishop", 3), FitSeeds(1, 2))
    x, y = BISHOP_INVERSE.sample(200_000, np.random.default_rng(0))
    fresh = -fitted.mixture(x).log_prob(pipeline.column(y)).double().mean().item()
    assert fitted.excess(BISHOP_INVERSE) == pytest.approx(fresh - BISHOP_INVERSE.conditional_entropy, abs=0.02)


def test_a_fit_repeats_and_depends_on_both_seeds():
    seeds = [FitSeeds(1, 2), FitSeeds(1, 2), FitSeeds(3, 2), FitSeeds(1, 4)]
    excess = [pipeline.fit(small("author", 2), pair).excess(AUTHOR_TOY) for pair in seeds]
    assert excess[0] == excess[1] and len(set(excess)) == 3


@pytest.mark.parametrize(("num_components", "nonlinearity"), [(3, "tanh"), (0, "tanh"), (2, "none")])
def test_many_fits_are_single_fits_and_the_first_comes_back(num_components, nonlinearity):
    config = small("bishop", num_components, nonlinearity)
    seeds = [FitSeeds(1, 2), FitSeeds(3, 4)]
    many = pipeline.fit_many(config, seeds)
    assert many["excess"].tolist() == [pipeline.fit(config, pair).excess(BISHOP_INVERSE) for pair in seeds]
    assert pipeline.restore(many, config).excess(BISHOP_INVERSE) == many["excess"][0]
    assert (many["std"] is None) == (num_components > 0)


def test_processes_give_the_same_fits(monkeypatch):
    config = small("author", 2, steps=20)
    seeds = [FitSeeds(1, 2), FitSeeds(3, 4)]
    alone = pipeline.fit_many(config, seeds)
    monkeypatch.setattr(pipeline, "PARALLEL_FROM", 1)
    assert np.array_equal(pipeline.fit_many(config, seeds)["excess"], alone["excess"])


def test_a_mixture_comes_nearer_to_the_truth_than_least_squares():
    squares, mixture = (
        pipeline.fit(FitConfig("author", k, 500, 32, steps=steps, lr=lr), FitSeeds(1, 2)).excess(AUTHOR_TOY)
        for k, steps, lr in ((0, 2400, 0.05), (5, 600, 0.005))
    )
    assert mixture < 0.6 < 1.3 < squares < 1.7


def test_the_wrong_loss_is_the_logarithm_of_a_sum():
    generator = torch.Generator().manual_seed(0)
    mixture = Mixture(*(torch.randn(7, 3, 2, generator=generator) for _ in range(3)))
    y = torch.randn(7, 2, generator=generator)
    densities = mixture.marginal_log_prob(y).exp()
    torch.testing.assert_close(pipeline.summed_densities(mixture, y), -densities.sum(-1).log().mean())


def test_the_wrong_loss_neglects_the_hard_dimension():
    config = FitConfig("author", 5, 500, 32, steps=499, lr=5e-3)
    losses = (negative_log_likelihood, pipeline.summed_densities)
    right, wrong = (pipeline.fit_two_dimensions(config, FitSeeds(1, 2), loss)["excess"] for loss in losses)
    assert right < 0.8 and wrong > right + 1


def test_fits_of_two_dimensions_are_single_ones_and_the_first_is_shown():
    config = small("author", 2, steps=20)
    seeds = [FitSeeds(1, 2), FitSeeds(3, 4)]
    many = pipeline.fit_two_dimensions_many(config, seeds, negative_log_likelihood)
    single = [pipeline.fit_two_dimensions(config, pair, negative_log_likelihood) for pair in seeds]
    assert many["excess"].tolist() == [result["excess"] for result in single]
    assert np.array_equal(many["y"], single[0]["y"]) and many["x"].shape == many["y"].shape == (pipeline.SAMPLES,)
