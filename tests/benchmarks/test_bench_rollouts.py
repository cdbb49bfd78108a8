"""Time collecting and reading: `pytest tests/benchmarks/test_bench_rollouts.py -s`.

Collecting is in tics per CPU second of this process and the engine's, against the bare engine with nothing stored and
nothing shrunk. Reading is in frames a second, files in the page cache, against one memory-mapped array and NumPy's indexing.
"""

import resource
import shutil
import statistics
import time

import numpy as np
import pytest

from wmlib.envs.doom.take_cover import BUTTONS, TakeCover, shrink
from wmlib.envs.doom.scripted import sticky
from wmlib.experiment import seeding
from wmlib.rollouts import collect

EPISODES, SEED = 100, 1  # a shard


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rollouts")


def collected(folder, blocks):
    arguments = {"env_kwargs": {"shrunk": False}, "prepare": shrink} if blocks else {}
    return collect(folder / "c", "wmlib/TakeCover-v0", sticky, EPISODES, SEED, workers=1, **arguments)


def bare_engine() -> int:
    """Play the same episodes with nothing but the engine's own calls; return the tics."""
    env, tics = TakeCover(), 0
    for episode in range(EPISODES):
        env.reset(seed=seeding.entropy(SEED, "environment", episode) % 2**31)
        game, act = env._engine._game, sticky(seeding.generator(SEED, "policy", episode))
        while not game.is_episode_finished():
            _ = game.get_state().screen_buffer
            game.make_action(BUTTONS[act(None)])
            tics += 1
    env.close()
    return tics


def cpu_seconds() -> float:
    """Return CPU seconds of this process and of the engines that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def test_collecting(benchmark, folder):
    cases = {
        "bare engine": bare_engine,
        "frame by frame": lambda: collected(folder, False).lengths.sum(),
        "in blocks": lambda: collected(folder, True).lengths.sum(),
    }
    rates = {name: [] for name in cases}

    def turn():
        for name, play in cases.items():
            shutil.rmtree(folder / "c", ignore_errors=True)
            start = cpu_seconds()
            tics = play()
            rates[name].append(tics / (cpu_seconds() - start))

    benchmark.pedantic(turn, rounds=3)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    benchmark.extra_info |= medians
    print()
    for name, rate in medians.items():
        print(f"{name:15s}{rate:6.0f} tics a CPU second   {rate / medians['bare engine']:.2f}x")


def test_reading(benchmark, folder):
    rollouts, rng = collected(folder, True), np.random.default_rng(0)
    np.save(folder / "one.npy", rollouts.frames(np.arange(len(rollouts))))
    one = np.load(folder / "one.npy", mmap_mode="r")
    cases = {
        "random 100": (100, lambda: rollouts.frames(rollouts.random_rows(100, rng))),
        "random 100, one array": (100, lambda: one[rng.integers(len(one), size=100)]),
        "windows 32 x 97": (32 * 97, lambda: rollouts.steps(rollouts.windows(32, 97, rng))),
        "windows 32 x 97, one array": (32 * 97, lambda: one[rollouts.windows(32, 97, rng)]),
    }
    rates = {name: [] for name in cases}

    def turn():
        for name, (count, read) in cases.items():
            repeats = 6400 // count
            start = time.perf_counter()
            for _ in range(repeats):
                read()
            rates[name].append(repeats * count / (time.perf_counter() - start))

    benchmark.pedantic(turn, rounds=15, warmup_rounds=1)
    print()
    for name, values in rates.items():
        print(f"{name:28s}{statistics.median(values) / 1e3:6.0f} thousand frames a second")
