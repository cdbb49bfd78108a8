"""Searches on the Schaffer toy, each run many times to count how often it succeeds: ours, pycma and random search.

Reading guide: each solver is a function of one generator and a few numbers that returns an `Outcome`; `repeat` calls one of
them for many generators in parallel processes. "Solved" is the author's criterion, fitness >= -1e-10 (so f <= 1e-5).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from wmlib.agents.cma_es import CMAES
from wmlib.agents.minimise import minimise
from wmlib.lessons.cma_es_toy.schaffer import OPTIMUM, schaffer_fitness
from wmlib.training.jobs import parallel_map

TARGET = 1e-10
AUTHOR = {"population": 64, "parents": 0.25, "sigma": 0.3}  # the settings in Mufti's toy (WorldModels repository, 2018)


class Outcome(NamedTuple):
    """How one run ended."""

    solved: bool
    evaluations: int  # spent, up to the generation that solved it
    x: np.ndarray  # (2,), best point
    loss: float  # its value, >= 0
    at_rest: bool  # the search has stopped by itself: neither solved nor out of budget


def loss(x: np.ndarray) -> np.ndarray:
    """Evaluate the function to minimise: minus the toy's fitness, (..., 2) -> (...)."""
    return -schaffer_fitness(x)


def start(rng: np.random.Generator) -> np.ndarray:
    """Draw the author's start: N(0, I), far from the optimum at (10, 10)."""
    return rng.standard_normal(2)


def cma_es(
    rng: np.random.Generator,
    population: int,
    parents: float,
    sigma: float,
    budget: int,
    restarts: int | None = 0,
    optimiser: type[CMAES] = CMAES,
    mirrored: bool = False,
) -> Outcome:
    """Run our CMA-ES.

    Args:
        rng, population, parents, sigma, budget: as for `minimise`.
        restarts: None restarts with twice the population until the budget is spent (IPOP).
        optimiser: `CMAES` or `ScalarRankOne`.
        mirrored: put the optimum at (10, -10); to a correct search that is the same problem.
    """
    flip = np.array([1.0, -1.0 if mirrored else 1.0])
    result = minimise(
        lambda x: loss(x * flip),
        start,
        sigma,
        budget,
        rng=rng,
        population=population,
        parents=parents,
        target=TARGET,
        restarts=restarts,
        optimiser=optimiser,
    )
    at_rest = result.stopped_by[0] not in ("target", "budget")
    return Outcome(result.f <= TARGET, result.evaluations, result.x, result.f, at_rest)


def make_ours(mean: np.ndarray, sigma: float, population: int, parents: int, rng: np.random.Generator) -> CMAES:
    """Make our search."""
    return CMAES(mean, sigma, population, parents, rng=rng)


def make_pycma(mean: np.ndarray, sigma: float, population: int, parents: int, rng: np.random.Generator):
    """Make pycma's search (package `cma`) with the same settings, without its active update, which ours does not have."""
    import cma

    options = {
        "popsize": population,
        "CMA_mu": parents,
        "CMA_active": False,
        "randn": lambda *shape: rng.standard_normal(shape),  # its own default is NumPy's global generator
        "seed": math.nan,
        "verbose": -9,
    }
    return cma.CMAEvolutionStrategy(mean, sigma, options)


def pycma(rng: np.random.Generator, population: int, parents: float, sigma: float, budget: int) -> Outcome:
    """Run pycma on the toy, as `cma_es` runs ours."""
    search = make_pycma(start(rng), sigma, population, max(1, int(parents * population)), rng)
    best, evaluations = math.inf, 0
    best_x = np.full(2, math.nan)
    while best > TARGET and evaluations < budget and not search.stop():
        points = np.asarray(search.ask())[: budget - evaluations]
        values = loss(points)
        evaluations += len(points)
        if values.min() < best:
            best = float(values.min())
            best_x = points[values.argmin()]
        if len(points) == population:
            search.tell(list(points), list(values))
    return Outcome(best <= TARGET, evaluations, best_x, best, best > TARGET and evaluations < budget)


def random_search(rng: np.random.Generator, budget: int, low: float, high: float) -> Outcome:
    """Draw all points uniformly from the square [low, high]^2, which contains the optimum; there is no start."""
    points = rng.uniform(low, high, (budget, 2))
    values = loss(points)
    hits = np.flatnonzero(values <= TARGET)
    best = values.argmin()
    evaluations = int(hits[0]) + 1 if len(hits) else budget
    return Outcome(len(hits) > 0, evaluations, points[best], float(values[best]), False)


def repeat(solver: Callable[..., Outcome], rngs: Sequence[np.random.Generator], **numbers: float) -> dict[str, np.ndarray]:
    """Run a solver once with each generator, in parallel processes; the result does not depend on their number.

    Args:
        solver: `cma_es`, `pycma` or `random_search`.
        rngs: one per run.
        numbers: the solver's other arguments.

    Returns:
        Arrays by field of `Outcome`, the first axis (runs,).
    """
    run = functools.partial(solver, **numbers)
    outcomes = parallel_map(run, [(rng,) for rng in rngs], parallel=len(rngs) >= 20)  # processes take a second to start
    return {name: np.array([getattr(o, name) for o in outcomes]) for name in Outcome._fields}


def spot_area() -> float:
    """Return the area of the region around the optimum in which a point counts as found.

    Source: ours. The fitness criterion is f <= 1e-5; its region lies within 0.12 of the optimum, measured on a fine grid.
    """
    offset = np.linspace(-0.12, 0.12, 2001)
    points = OPTIMUM + np.stack(np.meshgrid(offset, offset), -1)
    return float((loss(points) <= TARGET).mean() * (offset[-1] - offset[0]) ** 2)


def local_optima(low: float, high: float) -> np.ndarray:
    """Return where the toy's local optima lie (n, 2) inside the square: the optimum and the lowest points of its valleys.

    With a, b the distances from the optimum, the sine is zero on the curves a^2 - b^2 = k pi, the floors of the valleys. For
    k > 0 a floor is lowest where it is nearest to the optimum, at a = +-sqrt(k pi), b = 0; for k < 0 the other way round.
    The exact optima lie about 1e-4 nearer to the optimum, because the bowl tilts the floor.

    Source: ours, from the formula.
    """
    steps = np.sqrt(np.pi * np.arange(1, int((high - low) ** 2 / np.pi) + 1))
    distances = np.concatenate([-steps[::-1], [0.0], steps])
    cross = np.concatenate([np.stack([distances, 0 * distances], 1), np.stack([0 * distances, distances], 1)])
    points = OPTIMUM + np.unique(cross, axis=0)
    return points[((points > low) & (points < high)).all(axis=1)]


class ScalarRankOne(CMAES):
    """CMA-ES with a common slip: p_c . p_c, a number, in place of the outer product p_c p_c^T.

    Added to a matrix, the number raises every entry alike: C learns the direction (1, 1, ..., 1), whatever p_c is.

    Source: facts of a public implementation; the right line is (47) of the tutorial.
    """

    def _rank_one_direction(self) -> np.ndarray:
        return np.full_like(self.p_c, np.sqrt(self.p_c @ self.p_c))  # v v^T has |p_c|^2 in every entry


def best_by_generation(
    optimiser: type[CMAES], function: Callable, rngs: Sequence[np.random.Generator], n: int, budget: int
) -> np.ndarray:
    """Return the best value so far by generation (runs, generations) of searches from N(0, I) with sigma 1.

    Args:
        optimiser: `CMAES` or `ScalarRankOne`.
        function: (P, N) to (P,).
        rngs: one per run.
        n: dimension.
        budget: evaluations per run; population 4 + floor(3 ln n).
    """
    curves = []
    for rng in rngs:
        result = minimise(function, rng.standard_normal(n), 1.0, budget, rng=rng, keep_history=True, optimiser=optimiser)
        curves.append([s.best_f for s in result.history])
    length = max(map(len, curves))
    return np.array([c + [c[-1]] * (length - len(c)) for c in curves])  # a search that has stopped stays where it is


def film(rng: np.random.Generator, population: int, parents: float, sigma: float, budget: int) -> dict:
    """Record one run of our CMA-ES on the toy for an animation, to the end of the budget, also after success.

    Returns:
        population (G, P, 2) and mean (G, 2), rounded to a thousandth; sigma (G,), covariance (G, 2, 2), best loss so far
        (G,), solved. A budget below P makes one generation of that size.
    """
    result = minimise(loss, start, sigma, budget, rng=rng, keep_history=True, population=population, parents=parents)
    complete = [s for s in result.history if len(s.population) == population]  # the budget may cut the last one
    complete = complete or result.history  # or the only one
    columns = {name: np.array([getattr(s, name) for s in complete]) for name in ("population", "mean", "sigma", "covariance")}
    for name in ("population", "mean"):
        columns[name] = columns[name].round(3)
    return {**columns, "best": np.array([s.best_f for s in complete]), "solved": result.f <= TARGET}


def evaluations_to(
    target: float, make: Callable, function: Callable, rngs: Sequence[np.random.Generator], n: int, budget: int
) -> np.ndarray:
    """Return how many evaluations searches need to the target (runs,), from N(0, I) with sigma 1; `budget` if one fails.

    Args:
        target: value of the function.
        make: `(mean, sigma, population, parents, rng) -> search` with ask and tell: `make_ours` or `make_pycma`.
        function, rngs, n, budget: as for `best_by_generation`; parents are half of the population.
    """
    population = 4 + int(3 * math.log(n))
    counts = []
    for rng in rngs:
        search = make(rng.standard_normal(n), 1.0, population, population // 2, rng)
        evaluations, best = 0, math.inf
        while best > target and evaluations + population <= budget:
            points = np.asarray(search.ask())
            values = function(points)
            search.tell(points, values)
            evaluations = evaluations + population
            best = min(best, values.min())
        counts.append(evaluations if best <= target else budget)
    return np.array(counts)
