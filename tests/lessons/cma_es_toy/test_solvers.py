"""Searches on the toy: outcomes, the slip and its mirror image, curves and counts of evaluations."""

import numpy as np
import pytest
from scipy.optimize import minimize

from wmlib.agents.cma_es import CMAES
from wmlib.lessons.cma_es_toy import figures, solvers
from wmlib.lessons.cma_es_toy.benchmark_functions import ellipsoid
from wmlib.lessons.cma_es_toy.schaffer import OPTIMUM, schaffer

TOY = {"population": 64, "parents": 0.25, "sigma": 0.3, "budget": 4000}


def rngs(n, seed=0):
    return [np.random.default_rng([seed, i]) for i in range(n)]


def test_local_optima_are_where_a_local_search_stays():
    points = solvers.local_optima(4, 16)
    assert len(points) == 1 + 4 * 11  # sqrt(k pi) < 6 for k = 1 ... 11, in four directions
    for point in points:
        simplex = point + 0.01 * np.array([[0, 0], [1, 0], [0, 1]])
        options = {"xatol": 1e-9, "fatol": 1e-15, "initial_simplex": simplex}
        end = minimize(schaffer, point, method="Nelder-Mead", options=options).x
        assert np.abs(end - point).max() < 5e-4
        # and it is a minimum: all around it is higher
        circle = np.stack([np.cos(np.arange(0, 6.28, 0.1)), np.sin(np.arange(0, 6.28, 0.1))], 1)
        assert (schaffer(end + 0.02 * circle) > schaffer(end)).all()


def test_the_spot_is_what_random_points_hit():
    draws = np.random.default_rng(0).uniform(-0.12, 0.12, (400_000, 2)) + OPTIMUM
    proportion = (solvers.loss(draws) <= solvers.TARGET).mean()
    assert solvers.spot_area() == pytest.approx(proportion * 0.24**2, rel=0.02)
    edge = OPTIMUM + np.array([[0.12, t] for t in np.linspace(-0.12, 0.12, 99)])
    assert (solvers.loss(edge) > solvers.TARGET).all()  # the spot lies inside the square that is measured


@pytest.mark.parametrize("solver, numbers", [(solvers.cma_es, TOY), (solvers.pycma, TOY)])
def test_outcomes_are_what_they_say(solver, numbers):
    outcomes = solvers.repeat(solver, rngs(12), **numbers)
    assert set(outcomes["solved"]) == {True, False}
    assert np.array_equal(outcomes["solved"], outcomes["loss"] <= solvers.TARGET)
    assert (outcomes["evaluations"] <= 4000).all() and (outcomes["evaluations"][outcomes["solved"]] < 4000).any()
    np.testing.assert_allclose(solvers.loss(outcomes["x"]), outcomes["loss"])
    assert not (outcomes["solved"] & outcomes["at_rest"]).any()


def test_runs_repeat_and_do_not_depend_on_their_company():
    five = solvers.repeat(solvers.cma_es, rngs(5), **TOY)
    last_two = solvers.repeat(solvers.cma_es, rngs(5)[3:], **TOY)
    for name in five:
        assert np.array_equal(five[name][3:], last_two[name])


def test_random_search_says_when_it_hit():
    outcomes = solvers.repeat(solvers.random_search, rngs(40), budget=20_000, low=9, high=11)
    assert outcomes["solved"].all() and outcomes["evaluations"].mean() == pytest.approx(4 / solvers.spot_area(), rel=0.5)
    assert not solvers.random_search(np.random.default_rng(0), 1000, 0.0, 1.0).solved


def test_restarts_find_what_single_runs_miss():
    one = solvers.repeat(solvers.cma_es, rngs(12), **TOY)
    many = solvers.repeat(solvers.cma_es, rngs(12), **{**TOY, "budget": 100_000}, restarts=None)
    assert one["solved"].sum() <= 8 and many["solved"].sum() >= 11


def test_the_mirror_image_is_the_same_problem_to_the_right_code_only():
    plain = solvers.cma_es(np.random.default_rng(5), **TOY)
    flipped = solvers.cma_es(_Mirrored(5), **TOY, mirrored=True)  # start and draws mirrored too
    assert flipped.evaluations == plain.evaluations and flipped.loss == pytest.approx(plain.loss, rel=1e-3, abs=1e-12)
    slip = solvers.cma_es(np.random.default_rng(5), **TOY, optimiser=solvers.ScalarRankOne)
    flipped_slip = solvers.cma_es(_Mirrored(5), **TOY, optimiser=solvers.ScalarRankOne, mirrored=True)
    assert not np.allclose(slip.x * [1, -1], flipped_slip.x, atol=1e-3)


class _Mirrored(np.random.Generator):
    """A generator whose second coordinates have the other sign."""

    def __init__(self, seed):
        super().__init__(np.random.PCG64(np.random.SeedSequence(seed)))

    def standard_normal(self, size):
        return super().standard_normal(size) * np.array([1.0, -1.0])


def test_the_slip_is_far_behind_on_the_ellipsoid():
    right, slip = (solvers.best_by_generation(o, ellipsoid, rngs(3), 10, 6000)[:, -1] for o in (CMAES, solvers.ScalarRankOne))
    assert right.max() < 1e-3 < 1 < slip.min()


def test_curves_never_rise_and_start_from_the_first_generation():
    best = solvers.best_by_generation(CMAES, ellipsoid, rngs(2), 5, 400)
    assert best.shape == (2, 400 // 8) and (np.diff(best, axis=1) <= 0).all()


def test_evaluations_are_counted_alike_for_both_searches():
    counts = [
        solvers.evaluations_to(1e-6, make, ellipsoid, rngs(5), 3, 5000) for make in (solvers.make_ours, solvers.make_pycma)
    ]
    for count in counts:
        assert (count % 7 == 0).all() and (count > 100).all() and (count < 5000).all()  # population 7 for N = 3
    assert solvers.evaluations_to(1e-300, solvers.make_ours, ellipsoid, rngs(1), 3, 100).tolist() == [100]


def test_a_film_of_a_budget_below_the_population_shows_what_there_is():
    film = solvers.film(np.random.default_rng(7), **{**TOY, "budget": 11})
    assert film["population"].shape == (1, 11, 2) and film["best"].shape == (1,)
    assert len(figures.draw_films([film], 5).axes) == 1


def test_a_film_shows_the_run_to_the_end_of_its_budget():
    film = solvers.film(np.random.default_rng(7), **TOY)
    assert film["population"].shape == (62, 64, 2) and film["covariance"].shape == (62, 2, 2)
    assert (np.diff(film["best"]) <= 0).all() and film["solved"] == (film["best"][-1] <= solvers.TARGET)
