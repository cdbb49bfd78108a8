"""CMA-ES against pycma: how many evaluations each needs to a target of 1e-9, at the same population and parents.

The tests run a part; the whole table, N = 2, 10 and 40 (four minutes), is printed by

    python tests/agents/test_cma_es_peers.py
"""

import numpy as np
import pytest

from wmlib.experiment import statistics
from wmlib.lessons.cma_es_toy.benchmark_functions import ellipsoid, rosenbrock, sphere
from wmlib.lessons.cma_es_toy.solvers import make_ours, make_pycma

pytest.importorskip("cma")

TARGET = 1e-9


def evaluations_to_target(make, function, N, population, parents, seed):
    """Count evaluations in whole generations, +inf if it takes more than 2e6. Start 0.5 (1, ..., 1), sigma 0.5."""
    search = make(np.full(N, 0.5), 0.5, population, parents, np.random.default_rng(seed))
    for count in range(population, 2_000_000, population):
        x = np.asarray(search.ask())
        f = function(x)
        if f.min() <= TARGET:
            return count
        search.tell(x, f)
        if np.ptp(f) < 1e-12:
            return np.inf  # in Rosenbrock's second minimum, near (-1, 1, ..., 1)
    return np.inf


def compare(function, N, seeds, population=None, parents=None):
    population = population or 4 + int(3 * np.log(N))
    parents = parents or population // 2
    counts = [
        [evaluations_to_target(make, function, N, population, parents, seed) for seed in range(seeds)]
        for make in (make_ours, make_pycma)
    ]
    return np.array(counts), population, parents


@pytest.mark.parametrize(
    ("function", "N", "seeds"),
    [(sphere, 2, 20), (ellipsoid, 2, 20), (rosenbrock, 2, 20), (sphere, 10, 20), (ellipsoid, 10, 7)],
)
def test_needs_as_many_evaluations_as_pycma(function, N, seeds):
    (ours, theirs), _, _ = compare(function, N, seeds)
    ratio = statistics.ratio(ours[np.isfinite(ours)], theirs[np.isfinite(theirs)])
    assert 0.8 < ratio.value < 1.25  # the whole table: 1.00 to 1.05
    assert np.isfinite(ours).sum() >= np.isfinite(theirs).sum() - 3


def print_table(seeds=20):
    print("| function | N | P | mu | ours: median, reached | pycma: median, reached | ratio of geometric means [95 %] |")
    print("|---|---|---|---|---|---|---|")
    for function in (sphere, ellipsoid, rosenbrock):
        for N, population, parents in [(2, None, None), (10, None, None), (40, None, None), (10, 64, 16)]:
            (ours, theirs), P, mu = compare(function, N, seeds, population, parents)
            a, b = (counts[np.isfinite(counts)] for counts in (ours, theirs))
            ratio = statistics.ratio(a, b)
            print(
                f"| {function.__name__} | {N} | {P} | {mu} | {np.median(a):.0f}, {len(a)}/{seeds} "
                f"| {np.median(b):.0f}, {len(b)}/{seeds} "
                f"| {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}] |",
                flush=True,
            )


if __name__ == "__main__":
    print_table()
