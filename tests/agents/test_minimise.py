"""The loop around CMA-ES: budget, target, restarts, record."""

import numpy as np
import pytest

from wmlib.agents.cma_es import CMAES
from wmlib.agents.minimise import minimise
from wmlib.lessons.cma_es_toy.benchmark_functions import sphere


class Counted:
    """Count the points that a function is asked for, and remember the sizes of the populations."""

    def __init__(self, function):
        self.function, self.sizes, self.best = function, [], np.inf

    def __call__(self, x):
        self.sizes.append(len(x))
        f = self.function(x)
        self.best = min(self.best, f.min())
        return f


def rastrigin(x):
    return (x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum(axis=-1)


@pytest.mark.parametrize("budget", [1, 5, 11, 12, 97])
@pytest.mark.parametrize("restarts", [0, None])
def test_budget_is_spent_and_never_exceeded(budget, restarts):
    counted = Counted(lambda x: np.ones(len(x)) if restarts is None else sphere(x))  # flat: restarts all the time
    found = minimise(counted, np.ones(3), 0.5, budget, population=11, restarts=restarts, rng=np.random.default_rng(0))
    assert sum(counted.sizes) == found.evaluations == budget
    assert found.stopped_by == ["budget"] and found.f == counted.best
    assert np.array_equal(sphere(found.x), found.f) or restarts is None


def test_stops_after_the_first_generation_that_reaches_the_target():
    counted = Counted(sphere)
    found = minimise(counted, np.ones(3), 0.5, 10_000, target=1e-3, population=11, rng=np.random.default_rng(0))
    assert found.stopped_by == ["target"] and found.f <= 1e-3 and sphere(found.x) == found.f
    assert found.evaluations == sum(counted.sizes) and found.evaluations % 11 == 0 and found.restarts == 0
    early = minimise(sphere, np.ones(3), 0.5, found.evaluations - 11, target=1e-3, population=11, rng=np.random.default_rng(0))
    assert early.f > 1e-3 and early.stopped_by == ["budget"]


@pytest.mark.parametrize(("parents", "counts"), [(3, [3, 6, 12]), (0.25, [2, 5, 11])])
def test_restarts_double_the_population_and_the_parents(parents, counts):
    made = []

    def remembered(*arguments, **options):
        made.append(CMAES(*arguments, **options))
        return made[-1]

    found = minimise(
        rastrigin,
        np.full(5, 3.0),
        0.1,
        10**6,
        population=11,
        parents=parents,
        restarts=2,
        optimiser=remembered,
        rng=np.random.default_rng(1),
    )
    assert [search.population for search in made] == [11, 22, 44]
    assert [search.parents for search in made] == counts
    assert found.restarts == 2 and set(found.stopped_by) & {"TolFun", "EqualFunValues"}
    assert found.f == min(search.best_f for search in made)


def test_restarts_solve_what_one_run_does_not():
    def solved(restarts, seed):
        start = lambda rng: rng.uniform(-5, 5, 3)  # noqa: E731
        return (
            minimise(rastrigin, start, 2.0, 40_000, target=1e-8, restarts=restarts, rng=np.random.default_rng(seed)).f <= 1e-8
        )

    assert sum(solved(0, seed) for seed in range(8)) <= 4
    assert sum(solved(None, seed) for seed in range(8)) == 8


def test_each_restart_draws_its_own_start():
    drawn = []

    def start(rng):
        drawn.append(rng.normal(size=2))
        return drawn[-1]

    found = minimise(lambda x: np.ones(len(x)), start, 1.0, 10_000, restarts=3, rng=np.random.default_rng(0))
    assert len(drawn) == 4 and len(np.unique(drawn)) == 8
    assert found.stopped_by[0] == "EqualFunValues" and found.restarts == 3


def test_the_history_is_the_run_itself():
    found = minimise(sphere, np.ones(3), 0.5, 200, population=11, keep_history=True, rng=np.random.default_rng(0))
    again = CMAES(np.ones(3), 0.5, 11, rng=np.random.default_rng(0))
    assert sum(len(snapshot.population) for snapshot in found.history) == 200
    for snapshot in found.history[:-1]:  # the last population is cut
        np.testing.assert_array_equal(snapshot.mean, again.mean)
        np.testing.assert_array_equal(snapshot.covariance, again.covariance)
        assert snapshot.sigma == again.sigma
        np.testing.assert_array_equal(snapshot.population, again.ask())
        again.tell(snapshot.population, snapshot.fitness)
        assert snapshot.best_f == again.best_f
    assert minimise(sphere, np.ones(3), 0.5, 50, rng=np.random.default_rng(0)).history == []


def test_bad_arguments_are_refused():
    for budget in (0, 10.0):
        with pytest.raises(ValueError, match="budget must"):
            minimise(sphere, np.ones(2), 1.0, budget, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"fitness must have shape \(6,\)"):
        minimise(lambda x: x, np.ones(2), 1.0, 100, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="NaN"):  # in the last, cut population too
        minimise(lambda x: np.full(len(x), np.nan), np.ones(2), 1.0, 3, rng=np.random.default_rng(0))
