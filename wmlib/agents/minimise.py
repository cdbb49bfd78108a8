"""Run CMA-ES to a target within a budget, with restarts.

Reading guide: `minimise` is the loop that every user of ask and tell would write, and the restarts around it; `Snapshot`
is what a film of the run is drawn from.
"""

import math
from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np

from wmlib.agents.cma_es import CMAES, checked_fitness


class Snapshot(NamedTuple):
    """One generation: the Gaussian, what was drawn from it, and the best so far."""

    mean: np.ndarray  # (N,)
    sigma: float
    covariance: np.ndarray  # C (N, N); points are N(mean, sigma^2 C)
    population: np.ndarray  # (P, N)
    fitness: np.ndarray  # (P,)
    best_f: float  # of all generations up to this one


class Result(NamedTuple):
    """What `minimise` found."""

    x: np.ndarray  # (N,), best point
    f: float  # its value
    evaluations: int
    restarts: int
    stopped_by: list[str]  # ["target"], ["budget"], or the stop reasons of the last run
    history: list[Snapshot]  # one a generation, all runs in a row; empty unless keep_history=True


def minimise(
    function: Callable[[np.ndarray], np.ndarray],
    mean,
    sigma: float,
    budget: int,
    *,
    rng: np.random.Generator,
    population: int | None = None,
    parents: int | float = 0.5,
    target: float = -math.inf,
    restarts: int | None = 0,
    keep_history: bool = False,
    optimiser: Callable[..., CMAES] = CMAES,
) -> Result:
    """Run CMA-ES until the target, the budget or a dead end; from a dead end restart with twice the population (IPOP).

    Args:
        function: values (P,) of a whole population (P, N).
        mean: (N,), the start of every run, or `mean(rng) -> (N,)`, which draws one for each.
        sigma: first step size of every run.
        budget: evaluations, >= 1, never exceeded: the last population is cut to what is left (and not learned from).
        rng, population, parents: as for `CMAES`, of the first run. Each restart doubles the population and the parents.
        target: stop after the first generation with a value <= this.
        restarts: at most so many; None for as many as the budget allows.
        keep_history: keep a `Snapshot` of every generation (each holds a copy of C: for small N).
        optimiser: makes the search; a subclass of `CMAES` to compare with.

    Returns:
        Result.

    Source: Auger & Hansen 2005, "A restart CMA evolution strategy with increasing population size".

    Example:
        >>> from scipy.optimize import rosen
        >>> result = minimise(lambda x: rosen(x.T), [0.0, 0.0], 0.5, 5000, target=1e-9, rng=np.random.default_rng(0))
        >>> result.x.round(3).tolist(), result.stopped_by
        ([1.0, 1.0], ['target'])
    """
    if not isinstance(budget, Integral) or budget < 1:
        raise ValueError(f"budget must be a whole number of evaluations >= 1, got {budget}")
    x = None
    f = math.inf
    evaluations = 0
    restart = 0
    history = []
    while True:
        search = optimiser(mean(rng) if callable(mean) else mean, sigma, population, parents, rng=rng)
        stopped_by: list[str] = []
        while not stopped_by:
            xs = search.ask()[: budget - evaluations]
            fs = checked_fitness(function(xs), len(xs))
            evaluations += len(xs)
            if x is None or fs.min() < f:
                x = xs[fs.argmin()].copy()
                f = float(fs.min())
            if keep_history:
                history.append(Snapshot(search.mean, search.sigma, search.covariance, xs, fs, f))
            if f <= target:
                stopped_by = ["target"]
            elif evaluations == budget:
                stopped_by = ["budget"]
            else:
                search.tell(xs, fs)
                stopped_by = search.stop_reasons()
        if stopped_by in (["target"], ["budget"]) or restart == restarts:
            return Result(x, f, evaluations, restart, stopped_by, history)
        restart += 1
        population = 2 * search.population
        parents = 2 * parents if isinstance(parents, Integral) else parents
