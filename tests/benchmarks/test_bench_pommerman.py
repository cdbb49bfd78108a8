"""Time the Pommerman engine.

`pytest tests/benchmarks/test_bench_pommerman.py -s`, half a minute.

Steps of a game per CPU second of one thread, so that other work on the machine counts little. Actions are random and drawn
beforehand. A game that ends is replaced in the next call, which is timed but not counted as a step. All cases take turns; the
table is of medians over the turns, in millions.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import pytest

from wmlib.envs import pommerman
from wmlib.envs.pommerman import Games, act

TURNS = 9
BATCH = 1024  # games


class Case:
    """Play games, and do something with them after each step.

    Args:
        num_games: B.
        calls: steps of all games, a turn.
        variant: of the games.
        after: called with the games after each step.
    """

    def __init__(self, num_games: int, calls: int, variant: str = "ffa", after: Callable[[Games], object] | None = None):
        rng = np.random.default_rng(1)
        self.games = Games(num_games, rng, variant)
        self.calls = calls
        self.after = after
        self.actions = rng.integers(6, size=(61, num_games, 4), dtype=np.uint8)
        self.speeds: list[float] = []  # million steps a CPU second, of each turn

    def turn(self) -> None:
        replaced = self.games._turn[0]
        start = time.process_time()
        for k in range(self.calls):
            self.games.step(self.actions[k % 61])
            if self.after:
                self.after(self.games)
        seconds = time.process_time() - start
        steps = self.calls * len(self.games.rows) - (self.games._turn[0] - replaced)
        self.speeds.append(steps / seconds / 1e6)


@pytest.mark.parametrize("variant", ["ffa", "team"])
def test_steps_per_cpu_second(benchmark, variant):
    uint8 = np.empty((BATCH, 4, 372), np.uint8)
    float32 = np.empty((BATCH, 4, 372), np.float32)
    full = np.empty((BATCH, 871), np.uint8)
    one = np.empty((1, 4, 372), np.uint8)
    cases = {
        f"{BATCH} games, state only": Case(BATCH, 400, variant),
        f"{BATCH} games, four feature vectors uint8": Case(BATCH, 200, variant, lambda games: games.features(uint8)),
        f"{BATCH} games, four feature vectors float32": Case(BATCH, 100, variant, lambda games: games.features(float32)),
        f"{BATCH} games, full state": Case(BATCH, 200, variant, lambda games: games.full_states(full)),
        "one game a call, state only": Case(1, 50_000, variant),
        "one game a call, four feature vectors uint8": Case(1, 30_000, variant, lambda games: games.features(one)),
    }

    def turn():
        for case in cases.values():
            case.turn()

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    medians = {name: statistics.median(case.speeds[1:]) for name, case in cases.items()}
    benchmark.extra_info |= medians
    print(f"\n{variant}: million steps a CPU second")
    for name, speed in medians.items():
        print(f"  {name:46s} {speed:5.2f}   {min(cases[name].speeds[1:]):.2f} to {max(cases[name].speeds[1:]):.2f}")


def test_where_the_time_goes(benchmark):
    """Print what a step costs when nobody does anything, when all walk, and with players that blow things up."""
    rng = np.random.default_rng(2)
    kinds = {"all stop": [0], "all walk": [1, 2, 3, 4], "random": range(6)}
    cases = {name: Case(BATCH, 100) for name in kinds}
    for name, allowed in kinds.items():
        cases[name].actions = rng.choice(np.array(allowed, np.uint8), size=(61, BATCH, 4))

    def turn():
        for case in cases.values():
            case.turn()

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    print(
        "\n" + "   ".join(f"{name} {1000 / statistics.median(case.speeds[1:]):.0f} ns a step" for name, case in cases.items())
    )


@pytest.mark.parametrize("style", ["simple", "chaos"])
def test_scripted_players(benchmark, style):
    rng = np.random.default_rng(3)
    games = Games(BATCH, rng)
    seconds = []

    def turn():
        start = time.process_time()
        for _ in range(20):
            games.step(act(games.rows, rng, style))
        seconds.append((time.process_time() - start) / (20 * BATCH))

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    print(f"\nfour {style} players and the step: {1e-6 / statistics.median(seconds[1:]):.2f} million steps a CPU second")


def test_pettingzoo(benchmark):
    speeds = {}
    for observation in ("vector", "dict"):
        env = pommerman.parallel_env(observation=observation)
        env.reset(seed=1)
        actions = np.random.default_rng(1).integers(6, size=(2000, 4)).tolist()
        start = time.process_time()
        for joint_action in actions:
            if not env.agents:
                env.reset()
            env.step(dict(zip(env.agents, joint_action, strict=True)))
        speeds[observation] = len(actions) / (time.process_time() - start)
    benchmark.pedantic(lambda: None, rounds=1)
    print(
        "\nPettingZoo: " + "   ".join(f"{name} observations {speed:.0f} steps a CPU second" for name, speed in speeds.items())
    )
