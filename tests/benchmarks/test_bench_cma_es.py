"""Time one generation (ask + tell) of CMA-ES against pycma and cmaes.

`pytest tests/benchmarks/test_bench_cma_es.py -s`, two minutes; the peers come with `pip install -e ".[bench,notebooks]"`.

CPU time, population 64; the three take turns in one run. Means, not minima: C is decomposed in only every k-th generation, and
that is where the time goes. cmaes has no setting for the parents (always half), and takes some seconds a generation at
N = 1088, so it gets two there.
"""

import time

import numpy as np
import pytest

from wmlib.agents.cma_es import CMAES
from wmlib.lessons.cma_es_toy.benchmark_functions import sphere

POPULATION = 64


def wmlib(N, parents):
    solver = CMAES(np.ones(N), 0.5, POPULATION, parents, rng=np.random.default_rng(0))

    def generation():
        x = solver.ask()
        solver.tell(x, sphere(x))

    return generation


def pycma(N, parents):
    cma = pytest.importorskip("cma")
    options = {"popsize": POPULATION, "CMA_mu": parents, "CMA_active": False, "verbose": -9, "seed": 1}
    solver = cma.CMAEvolutionStrategy(np.ones(N), 0.5, options)

    def generation():
        x = solver.ask()
        solver.tell(x, sphere(x))

    return generation


def cmaes(N, parents):
    solver = pytest.importorskip("cmaes").CMA(np.ones(N), 0.5, population_size=POPULATION, seed=1)

    def generation():
        x = np.array([solver.ask() for _ in range(POPULATION)])
        solver.tell(list(zip(x, sphere(x), strict=True)))

    return generation


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("parents", [16, 32])
@pytest.mark.parametrize(("N", "generations", "generations_of_cmaes"), [(2, 280, 280), (100, 140, 140), (1088, 56, 2)])
def test_generation(benchmark, N, generations, generations_of_cmaes, parents):
    peers = {"pycma": pycma(N, parents), "cmaes": cmaes(N, parents)}
    rounds = {"pycma": generations, "cmaes": generations_of_cmaes}
    seconds = {name: [] for name in peers}

    def run_peers():
        for name, generation in peers.items():
            if len(seconds[name]) < rounds[name]:
                start = time.process_time()
                generation()
                seconds[name].append(time.process_time() - start)

    benchmark.pedantic(wmlib(N, parents), setup=run_peers, rounds=generations)
    mean = benchmark.stats.stats.mean
    line = f"\nN {N:4}, parents {parents}: wmlib {1e3 * mean:8.3f} ms"
    for name in peers:
        peer_mean = float(np.mean(seconds[name]))
        benchmark.extra_info[name] = peer_mean
        line += f" | {name} {1e3 * peer_mean:8.3f} ms, wmlib / {name} {mean / peer_mean:.3f}"
    print(line)
