"""Time the grid environments.

`pytest tests/benchmarks/test_bench_grid.py -s`, some seconds.

Steps per CPU second of one thread, in millions, so that other work on the machine counts little; frames are made, pictures for
people are not. Actions are random and drawn beforehand; episodes that end start anew. All cases take turns, the table is of
medians over the turns.
"""

import statistics
import time

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv

from wmlib.envs.grid import CueCorridor, CueCorridorVector, GridNavigation, GridNavigationVector

TURNS = 9
STEPS = 60_000  # a turn and case, of all copies together


class Case:
    """Step a vector environment."""

    def __init__(self, env: gymnasium.vector.VectorEnv, steps: int = STEPS):
        self.env = env
        self.calls = max(steps // env.num_envs, 1)
        self.actions = np.random.default_rng(1).integers(4, size=(61, env.num_envs))
        self.speeds: list[float] = []  # million steps a CPU second, of each turn
        env.reset(seed=1)

    def turn(self) -> None:
        start = time.process_time()
        for k in range(self.calls):
            self.env.step(self.actions[k % 61])
        self.speeds.append(self.calls * self.env.num_envs / (time.process_time() - start) / 1e6)


def test_steps_per_cpu_second(benchmark):
    series = [i % 7 for i in range(1024)]
    cases = {
        "grid 6x6, 16 copies": Case(GridNavigationVector(16)),
        "grid 6x6, 64 copies": Case(GridNavigationVector(64)),
        "grid 6x6, 256 copies": Case(GridNavigationVector(256)),
        "grid 6x6, 1024 copies": Case(GridNavigationVector(1024), 4 * STEPS),
        "grid 6x6, 1024 copies on 7 levels": Case(GridNavigationVector(1024, levels=series), 4 * STEPS),
        "grid 8x8, 1024 copies": Case(GridNavigationVector(1024, size=8), 4 * STEPS),
        "grid 6x6, view 3, 1024 copies": Case(GridNavigationVector(1024, view=3), 4 * STEPS),
        "grid 6x6, 4 pixels a cell, 256 copies": Case(GridNavigationVector(256, cell=4)),
        "corridor (8, 1), 64 copies": Case(CueCorridorVector(64, (8, 1))),
        "corridor (8, 1), 1024 copies": Case(CueCorridorVector(1024, (8, 1)), 4 * STEPS),
        "corridor (12, 32), 1024 copies": Case(CueCorridorVector(1024, (12, 32)), 4 * STEPS),
        "grid 6x6, 64 single ones in SyncVectorEnv": Case(SyncVectorEnv([GridNavigation] * 64), 2000),
        "corridor (1, 1), 64 single ones in SyncVectorEnv": Case(SyncVectorEnv([CueCorridor] * 64), 2000),
    }

    def turn():
        for case in cases.values():
            case.turn()

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    medians = {name: statistics.median(case.speeds[1:]) for name, case in cases.items()}
    benchmark.extra_info |= medians
    print("\nmillion steps a CPU second")
    for name, speed in medians.items():
        speeds = cases[name].speeds[1:]
        print(f"  {name:50s} {speed:6.3f}   {min(speeds):.3f} to {max(speeds):.3f}")
