"""Time collecting and reading rollouts.

`pytest tests/benchmarks/test_bench_rollouts.py -s`, two minutes; needs `pip install -e ".[doom]"`.

Collecting is in tics per CPU second of this process and the engine's, against the bare engine with nothing stored and
nothing shrunk. Reading is in frames per second, files in the page cache, against one memory-mapped array and NumPy's indexing.
"""

import resource
import shutil
import statistics
import time

import numpy as np
import pytest

from wmlib.envs.doom.scripted import sticky
from wmlib.envs.doom.take_cover import BUTTONS, ENV_ID, TakeCover, shrink
from wmlib.experiment import seeding
from wmlib.rollouts import collect

EPISODES = 100  # a shard
SEED = 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rollouts")


def collect_frame_by_frame(folder):
    return collect(folder / "collection", ENV_ID, sticky, EPISODES, SEED, workers=1)


def collect_in_blocks(folder):
    env_kwargs = {"shrunk": False}
    return collect(folder / "collection", ENV_ID, sticky, EPISODES, SEED, workers=1, env_kwargs=env_kwargs, prepare=shrink)


def bare_engine() -> int:
    """Play the same episodes with nothing but the engine's own calls; return the tics."""
    env = TakeCover()
    tics = 0
    for episode in range(EPISODES):
        env.reset(seed=seeding.entropy(SEED, "environment", episode) % 2**31)
        game = env._engine._game
        act = sticky(seeding.generator(SEED, "policy", episode))
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
        "frame by frame": lambda: collect_frame_by_frame(folder).lengths.sum(),
        "in blocks": lambda: collect_in_blocks(folder).lengths.sum(),
    }
    speeds = {name: [] for name in cases}

    def turn():
        for name, play in cases.items():
            shutil.rmtree(folder / "collection", ignore_errors=True)
            start = cpu_seconds()
            tics = play()
            speeds[name].append(tics / (cpu_seconds() - start))

    benchmark.pedantic(turn, rounds=3)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    benchmark.extra_info |= medians
    print()
    for name, speed in medians.items():
        print(f"{name:15s}{speed:6.0f} tics a CPU second   {speed / medians['bare engine']:.2f}x")


def test_reading(benchmark, folder):
    rollouts = collect_in_blocks(folder)
    rng = np.random.default_rng(0)
    np.save(folder / "frames.npy", rollouts.frames(np.arange(len(rollouts))))
    array = np.load(folder / "frames.npy", mmap_mode="r")

    def windows():
        return rng.integers(len(array) - 96, size=(32, 1)) + np.arange(97)

    cases = {
        "random 100": (100, lambda: rollouts.frames(rng.integers(len(array), size=100))),
        "random 100, one array": (100, lambda: array[rng.integers(len(array), size=100)]),
        "windows 32 x 97": (32 * 97, lambda: rollouts.frames(windows())),
        "windows 32 x 97, one array": (32 * 97, lambda: array[windows()]),
    }
    speeds = {name: [] for name in cases}

    def turn():
        for name, (count, read) in cases.items():
            repeats = 6400 // count
            start = time.perf_counter()
            for _ in range(repeats):
                read()
            speeds[name].append(repeats * count / (time.perf_counter() - start))

    benchmark.pedantic(turn, rounds=15, warmup_rounds=1)
    print()
    for name, values in speeds.items():
        print(f"{name:28s}{statistics.median(values) / 1e3:6.0f} thousand frames a second")
