"""The exact densities of the toy inverse problems against quadrature, a million draws and plain loops."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize

from wmlib.lessons.mixture_density.problems import AUTHOR_TOY, BISHOP_INVERSE, PROBLEMS


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param]


def xs_inside(problem, count: int = 41) -> np.ndarray:
    low, high = problem.input_range
    return np.linspace(low, high, count + 2)[1:-1]


def test_formulas_of_the_two_problems():
    y = np.random.default_rng(0).random(101)
    np.testing.assert_allclose(AUTHOR_TOY.lower(y), np.sin(2 * np.pi * y), atol=1e-15)
    np.testing.assert_allclose(AUTHOR_TOY.width(y), 0.2 * (np.cos(2 * np.pi * y) + 2), atol=1e-15)
    centre = y + 0.3 * np.sin(2 * np.pi * y)
    np.testing.assert_allclose(BISHOP_INVERSE.lower(y), centre - 0.1, atol=1e-15)
    np.testing.assert_allclose(BISHOP_INVERSE.upper(y), centre + 0.1, atol=1e-15)


def test_stored_calculus_agrees_with_numerical_calculus(problem):
    """The three facts typed in by hand: antiderivative of 1/width, turning points, mean of ln width."""
    for y in np.linspace(0, 1, 13):
        exact = integrate.quad(lambda t: 1 / float(problem.width(np.float64(t))), 0, y, epsabs=1e-13)[0]
        assert problem.inverse_width(y) - problem.inverse_width(0.0) == pytest.approx(exact, abs=1e-12)
    assert integrate.quad(lambda t: np.log(problem.width(np.float64(t))), 0, 1)[0] == pytest.approx(
        problem.mean_log_width, abs=1e-12
    )
    grid = np.linspace(0, 1, 200_001)
    for curve, turns in ((problem.lower, problem.turns_lower), (problem.upper, problem.turns_upper)):
        slope = np.diff(curve(grid))
        measured = grid[1:-1][np.sign(slope[1:]) != np.sign(slope[:-1])]
        np.testing.assert_allclose(measured, turns, atol=1e-5)


def test_input_density_equals_a_fine_sum_and_integrates_to_one(problem):
    x = xs_inside(problem)
    y = (np.arange(400_000) + 0.5) / 400_000
    lower, upper, width = problem.lower(y), problem.upper(y), problem.width(y)
    summed = [np.mean(((lower <= value) & (value <= upper)) / width) for value in x]
    np.testing.assert_allclose(problem.input_density(x), summed, atol=1e-4)
    corners = problem._corners
    pieces = integrate.tanhsinh(problem.input_density, corners[:-1], corners[1:])
    assert pieces.integral.sum() == pytest.approx(1, abs=1e-10)
    low, high = problem.input_range
    assert (problem.input_density(np.array([low - 0.01, high + 0.01, -9.0])) == 0).all()


def test_conditional_density_integrates_to_one(problem):
    """Between the y where a bounding curve crosses x the density is smooth: find those by Brent's method, then Gauss."""
    grid, rule = np.linspace(0, 1, 2001), np.polynomial.legendre.leggauss(60)
    for x in xs_inside(problem, 17):
        ends = [0.0, 1.0]
        for curve in (problem.lower, problem.upper):
            for cell in np.nonzero(np.diff(np.sign(curve(grid) - x)))[0]:
                ends.append(optimize.brentq(lambda y: curve(y) - x, grid[cell], grid[cell + 1], xtol=1e-15))  # noqa: B023
        ends = np.sort(ends)
        points = 0.5 * (ends[:-1] + ends[1:]) + 0.5 * np.diff(ends) * rule[0][:, None]
        assert rule[1] @ problem.density(x, points) @ np.diff(ends) / 2 == pytest.approx(1, abs=1e-9)


def test_density_agrees_with_a_histogram_of_a_million_draws(problem):
    x, y = problem.sample(1_000_000, np.random.default_rng(7))
    low, high = problem.input_range
    assert x.shape == y.shape == (1_000_000,) and x.dtype == y.dtype == np.float64
    assert low <= x.min() and x.max() <= high and 0 <= y.min() and y.max() <= 1
    # joint counts on a coarse grid against the joint density summed over 50 × 50 points in each cell
    bins = 12
    counts = np.histogram2d(x, y, bins, range=((low, high), (0, 1)))[0]
    fine = (np.arange(50 * bins) + 0.5) / (50 * bins)
    fine_x = low + (high - low) * fine
    joint = problem.density(fine_x[:, None], fine) * problem.input_density(fine_x)[:, None] * (high - low)
    expected = joint.reshape(bins, 50, bins, 50).mean((1, 3)) * 1e6 / bins**2
    standard = (counts - expected) / np.sqrt(expected + 100)  # + 100: error of the 50 × 50 sum at the edges of the support
    assert np.abs(standard).max() < 6
    assert (counts[expected == 0] < 100).all()


def test_log_density_equals_bayes_rule_in_a_plain_loop(problem):
    rng = np.random.default_rng(3)
    x, y = problem.sample(23, rng)
    y[::2] = rng.random(12)  # every other pair is made impossible, or left possible by chance
    kinds = set()
    for one_x, one_y, log_density in zip(x, y, problem.log_density(x, y), strict=True):
        low = float(problem.lower(np.float64(one_y)))
        width = float(problem.width(np.float64(one_y)))
        possible = low <= one_x <= low + width
        expected = -math.log(width * float(problem.input_density(one_x))) if possible else -math.inf
        kinds.add(possible)
        assert log_density == pytest.approx(expected, rel=1e-12)
    assert kinds == {True, False}
    np.testing.assert_array_equal(problem.density(x, y), np.exp(problem.log_density(x, y)))


def test_density_edges(problem):
    low, high = problem.input_range
    assert np.isnan(problem.density(np.array([low - 1.0, high + 1.0]), 0.5)).all()
    middle = 0.5 * (low + high)
    outside = np.array([-0.01, 1.01])  # the curves go on there, the data do not
    assert (problem.density(problem.lower(outside) + 0.1, outside) == 0).all()
    assert problem.density(np.full((3, 1), middle), np.zeros(5)).shape == (3, 5)


def test_author_toy_has_three_answers_at_a_quarter():
    y = np.linspace(0, 1, 2001)
    positive = AUTHOR_TOY.density(0.25, y) > 0
    starts = y[1:][np.diff(positive.astype(int)) == 1]
    assert positive[0] and len(starts) == 2  # [0, …), one near a half, one that ends at 1
    assert AUTHOR_TOY.density(0.25, np.array([0.01, 0.47, 0.99])).min() > 0
    assert AUTHOR_TOY.density(0.25, np.array([0.2, 0.7])).max() == 0


def test_conditional_entropy_equals_its_sample_mean(problem):
    x, y = problem.sample(20_000, np.random.default_rng(11))
    negative_log = -problem.log_density(x, y)
    standard_error = negative_log.std() / math.sqrt(len(x))
    assert problem.conditional_entropy == pytest.approx(negative_log.mean(), abs=4 * standard_error)
    assert standard_error < 0.02


def test_conditional_entropy_equals_a_fine_sum(problem):
    """h(y|x) = ∫ p(x) · entropy of a density on a grid of y."""
    y = (np.arange(2000) + 0.5) / 2000
    low, high = problem.input_range
    x = low + (high - low) * (np.arange(1000) + 0.5) / 1000
    density = problem.density(x[:, None], y)
    inner = -np.where(density > 0, density * np.log(np.where(density > 0, density, 1)), 0).mean(1)
    total = (inner * problem.input_density(x)).mean() * (high - low)
    assert problem.conditional_entropy == pytest.approx(total, abs=2e-3)


def gaussian(centre: float, std: float):
    return lambda x, y: -0.5 * ((y - centre) / std) ** 2 - math.log(std) - 0.5 * math.log(2 * math.pi)


def test_mean_kl_of_models_with_a_known_answer(problem):
    # y itself is U(0, 1): a model that says U(0, 1) whatever x is off by h(y) - h(y|x) = -h(y|x), the mutual information
    flat = problem.mean_kl(lambda x, y: np.zeros_like(y))
    assert flat == pytest.approx(-problem.conditional_entropy, abs=1e-12)
    # a Gaussian that ignores x: the cross entropy of U(0, 1) with it, in closed form
    std = 0.31
    closed = (1 / 12 + (0.5 - 0.4) ** 2) / (2 * std**2) + math.log(std) + 0.5 * math.log(2 * math.pi)
    assert problem.mean_kl(gaussian(0.4, std)) == pytest.approx(closed - problem.conditional_entropy, abs=1e-12)


def test_mean_kl_equals_monte_carlo_and_has_converged(problem):
    def model(x, y):  # two components that move with x, as narrow as those of a trained network
        components = [gaussian(0.5 + 0.4 * np.sin(3 * x), 0.05)(x, y), gaussian(0.5 - 0.3 * x, 0.3)(x, y)]
        return np.logaddexp(*components) - math.log(2)

    x, y = problem.sample(20_000, np.random.default_rng(5))
    gap = problem.log_density(x, y) - model(x, y)
    assert problem.mean_kl(model) == pytest.approx(gap.mean(), abs=4 * gap.std() / math.sqrt(len(x)))
    assert problem.mean_kl(model) == pytest.approx(problem.mean_kl(model, nodes=800), abs=1e-5)
    assert problem.mean_kl(model) > 0


def test_sampling_is_determined_by_the_generator(problem):
    first, again, other = (problem.sample(17, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert problem.sample(0, np.random.default_rng(0))[0].shape == (0,)


def test_too_few_nodes_are_refused():
    with pytest.raises(ValueError, match="nodes is 3; it must be at least 4"):
        AUTHOR_TOY.mean_kl(lambda x, y: y, nodes=3)
