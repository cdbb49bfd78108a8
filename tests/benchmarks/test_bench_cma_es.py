"""CPU time of one generation (ask + tell) of CMA-ES, pycma and cmaes, taken in turn in one run.

    python -m pytest tests/benchmarks/test_bench_cma_es.py --benchmark-only -s

Population 64. Means, not minima: C is decomposed in only every k-th generation, and that is where the time goes. cmaes has
no setting for the parents (always half), and takes some seconds a generation at N = 1088, so it gets two there.
"""

import time

import numpy as np
import pytest

from wmlib.agents.cma_es import CMAES
from wmlib.lessons.cma_es_toy.benchmark_functions import sphere

POPULATION = 64


def ours(N, parents):
    search = CMAES(np.ones(N), 0.5, POPULATION, parents, rng=np.random.default_rng(0))

    def generation():
        x = search.ask()
        search.tell(x, sphere(x))

    return generation


def pycma(N, parents):
    cma = pytest.importorskip("cma")
    options = dict(popsize=POPULATION, CMA_mu=parents, CMA_active=False, verbose=-9, seed=1)
    search = cma.CMAEvolutionStrategy(np.ones(N), 0.5, options)

    def generation():
        x = search.ask()
        search.tell(x, sphere(x))

    return generation


def cmaes(N, parents):
    search = pytest.importorskip("cmaes").CMA(np.ones(N), 0.5, population_size=POPULATION, seed=1)

    def generation():
        x = np.array([search.ask() for _ in range(POPULATION)])
        search.tell(list(zip(x, sphere(x), strict=True)))

    return generation


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("parents", [16, 32])
@pytest.mark.parametrize(("N", "generations", "generations_of_cmaes"), [(2, 280, 280), (100, 140, 140), (1088, 56, 2)])
def test_generation(benchmark, N, generations, generations_of_cmaes, parents):
    peers = {make.__name__: (make(N, parents), []) for make in (pycma, cmaes)}

    def let_the_peers_go_first():
        for name, (generation, seconds) in peers.items():
            if len(seconds) < (generations_of_cmaes if name == "cmaes" else generations):
                start = time.process_time()
                generation()
                seconds.append(time.process_time() - start)

    benchmark.pedantic(ours(N, parents), setup=let_the_peers_go_first, rounds=generations)
    mean = benchmark.stats.stats.mean
    line = f"\nN {N:4}, parents {parents}: ours {1e3 * mean:8.3f} ms"
    for name, (_, seconds) in peers.items():
        benchmark.extra_info[name] = float(np.mean(seconds))
        line += f" | {name} {1e3 * np.mean(seconds):8.3f} ms, ours / {name} {mean / np.mean(seconds):.3f}"
    print(line)
