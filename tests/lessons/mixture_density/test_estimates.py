"""Numbers of the verdicts and figures against sampling, closed forms and arithmetic by hand."""

import math

import numpy as np
import pytest
import torch

from wmlib.lessons.mixture_density import estimates
from wmlib.lessons.mixture_density.pipeline import AUTHOR, LEAST_SQUARES, LINEAR, SINGLE, FittedDensity, least_squares_mixture
from wmlib.lessons.mixture_density.problems import BISHOP_INVERSE, PROBLEMS
from wmlib.models.mdn import Mixture

EXCESS = {
    ("bishop", LEAST_SQUARES): np.array([1.0, 1.2, 1.4]),
    ("bishop", SINGLE): np.array([0.8, 0.9, 1.3]),
    ("bishop", 3): np.array([0.5, 0.3, 0.4]),
    ("author", 3): np.array([0.2, 0.3, 0.1]),
    ("author", LINEAR): np.array([0.6, 0.9, 0.3]),
    ("author", AUTHOR): np.array([0.4, 0.6, 0.5]),
}


class TwoGaussians(torch.nn.Module):
    """Answer, whatever x is, with means 0.2 and 0.7, weights 3/4 and 1/4, both of width 0.1."""

    def forward(self, x):
        shape = (len(x), 2, 1)
        logits = torch.tensor([0.75, 0.25]).log()[:, None].expand(shape)
        return Mixture(logits, torch.tensor([0.2, 0.7])[:, None].expand(shape), torch.full(shape, math.log(0.1)))


class Constant(torch.nn.Module):
    """Predict 0.4."""

    def forward(self, x):
        return torch.full_like(x, 0.4)


TWO = FittedDensity(TwoGaussians(), None)
LINE = FittedDensity(Constant(), 0.3)


def test_distances_are_differences_fit_by_fit():
    evidence = estimates.distances(EXCESS, 3, single_gaussian=0.7)
    distances = estimates.Distances(*(each.estimate() for each in evidence))
    assert distances.width.value == pytest.approx(0.2)  # fit by fit: 0.2, 0.3, 0.1
    assert distances.pieces.value == pytest.approx(0.3)  # 0.2, 0.4, 0.3
    assert distances.linear_loss.value == pytest.approx(0.4)
    assert distances.author.value == pytest.approx(0.5)
    assert distances.mixture.value == pytest.approx(0.4)
    for estimate in distances:
        assert estimate.low < estimate.value < estimate.high and estimate.n == 3


def test_the_panel_of_distances_holds_each_model_once():
    excess = {**EXCESS, ("author", LEAST_SQUARES): np.array([2.0]), ("author", 1): np.array([0.7])}
    panel = estimates.excess_panel(excess, "author", [1, 3], 0.9)
    assert panel["components"] == [1, 3] and panel["single_gaussian"] == 0.9
    assert [fits.tolist() for fits in panel["excess"]] == [[0.7], [0.2, 0.3, 0.1]]
    assert panel["least_squares"] == [2.0]


def test_the_rows_go_from_coarse_to_fine_with_the_exact_one_between():
    rows = estimates.step_rows(EXCESS, "bishop", 3, 0.7)
    assert [row["value"] for row in rows] == pytest.approx([1.2, 1.0, 0.7, 0.4])
    assert [len(row["fits"]) for row in rows] == [3, 3, 0, 3]
    assert rows[0]["low"] < 1.2 < rows[0]["high"]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_best_single_gaussian_is_the_sampled_one(name):
    problem = PROBLEMS[name]
    x, y = problem.sample(2_000_000, np.random.default_rng(0))
    bins = np.digitize(x, np.quantile(x, np.linspace(0, 1, 801)[1:-1]))
    count = np.bincount(bins)
    mean = np.bincount(bins, y) / count
    variance = np.bincount(bins, (y - mean[bins]) ** 2) / count
    entropy = 0.5 * (count * np.log(2 * np.pi * np.e * variance)).sum() / count.sum()
    assert estimates.best_single_gaussian(problem) == pytest.approx(entropy - problem.conditional_entropy, abs=0.01)


def test_a_row_of_fits_shows_the_data_the_line_and_the_samples():
    rngs = [np.random.default_rng(seed) for seed in (1, 2)]
    panel = estimates.fit_panel(BISHOP_INVERSE, LINE, {"two": TWO, "line": LINE}, 13, *rngs, torch.Generator().manual_seed(3))
    np.testing.assert_array_equal(panel["x"], BISHOP_INVERSE.sample(13, np.random.default_rng(1))[0])
    np.testing.assert_array_equal(panel["samples"]["two"]["x"], BISHOP_INVERSE.sample(500, np.random.default_rng(2))[0])
    assert len(panel["y"]) == 13 and len(panel["grid"]) == len(panel["line"]) == 121
    assert panel["grid"][0] == BISHOP_INVERSE.input_range[0] and (np.asarray(panel["line"]) == np.float32(0.4)).all()
    two = panel["samples"]["two"]
    low = two["y"] < 0.45  # between the two means
    assert low.mean() == pytest.approx(0.75, abs=0.08)
    outside = (two["x"] < BISHOP_INVERSE.lower(two["y"])) | (two["x"] > BISHOP_INVERSE.upper(two["y"]))
    assert two["impossible"] >= outside.mean() > 0.1  # and those below 0 or above 1


def test_the_components_on_a_grid():
    panel = estimates.component_panel(BISHOP_INVERSE, TWO)
    assert panel["grid"].shape == (121,) and panel["means"].shape == (121, 2)
    np.testing.assert_allclose(panel["weights"][60], [0.75, 0.25], rtol=1e-6)
    np.testing.assert_allclose(panel["means"][7], [0.2, 0.7], rtol=1e-6)
    np.testing.assert_allclose(panel["stds"][7], [0.1, 0.1], rtol=1e-6)


def test_samples_of_the_linear_model_are_at_even_inputs():
    panel = estimates.linear_panel(BISHOP_INVERSE, TWO, torch.Generator().manual_seed(0))
    assert (panel["x"][0], panel["x"][-1]) == BISHOP_INVERSE.input_range and len(panel["x"]) == 500
    assert np.asarray(panel["y"]).mean() == pytest.approx(0.75 * 0.2 + 0.25 * 0.7, abs=0.05)


def test_the_true_density_on_a_grid_is_that_of_each_pair():
    x, y = np.array([0.2, 0.35, 0.6]), np.linspace(0, 1, 7)
    density = estimates.true_density(BISHOP_INVERSE, x, y)
    assert density.shape == (3, 7)
    for i, j in ((0, 0), (1, 3), (2, 6)):
        assert density[i, j] == BISHOP_INVERSE.density(x[i], y[j])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_density_of_a_fit_on_a_grid_with_temperature(temperature):
    y = np.linspace(-1, 2, 601)
    density = estimates.model_density(TWO, np.array([0.3, 0.9]), y, temperature)
    weights = np.array([0.75, 0.25]) ** (1 / temperature)
    weights /= weights.sum()
    std = 0.1 * math.sqrt(temperature)
    parts = [w * np.exp(-0.5 * ((y - m) / std) ** 2) for w, m in zip(weights, (0.2, 0.7), strict=True)]
    expected = sum(parts) / (std * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(density, [expected, expected], rtol=1e-3, atol=1e-5)


def test_the_panel_of_densities_is_on_the_common_grid():
    panel = estimates.density_panel(BISHOP_INVERSE, LINE)
    assert panel["true"].shape == panel["model"].shape == (len(panel["x"]), len(panel["y"])) == (97, 121)
    assert panel["x"][panel["cut"]] == pytest.approx(0.35)
    gaussian = least_squares_mixture(torch.tensor([[0.4]]), 0.3).log_prob(torch.tensor([[0.0]])).exp()
    assert panel["model"][5, 10] == pytest.approx(float(gaussian), abs=0.006)  # y = 0, two digits
    masses = panel["true"].sum(1) * (panel["y"][1] - panel["y"][0])
    assert np.median(masses) == pytest.approx(1, abs=0.02)  # of a coarse sum


def test_mass_below_a_limit_by_hand():
    panel = {"y": [0.0, 0.5, 1.0], "cut": 1, "true": [[9, 9, 9], [1.0, 0.6, 0.4]], "model": [[9, 9, 9], [0.2, 0.8, 1.0]]}
    assert estimates.mass_below(panel, 0.7) == pytest.approx({"true": 0.8, "model": 0.5})
