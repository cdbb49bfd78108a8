"""Time Take Cover against the bare engine, and shrinking its frames against Pillow.

`pytest tests/benchmarks/test_bench_take_cover.py -s`, a minute; needs `pip install -e ".[doom,dev]"`.

Tics per CPU second, of this process and the engine's together, so that other work on the machine counts little. All take
turns; the table is of medians over the turns. "bare engine" is the loop of vizdoom's own examples with no preprocessing.
"""

import statistics
import time

import numpy as np
import psutil
import pytest
from PIL import Image

from wmlib.envs.doom.take_cover import TakeCover, shrink

TURNS = 7
EPISODES = 16


def cpu_seconds() -> float:
    process = psutil.Process()
    return sum(sum(p.cpu_times()[:2]) for p in (process, *process.children(recursive=True)))


def play_bare(env: TakeCover) -> int:
    """Play with nothing but the engine's own calls."""
    tics = 0
    game = env._engine._game
    for seed in range(EPISODES):
        game.set_seed(seed)
        game.new_episode()
        while not game.is_episode_finished():
            _ = game.get_state().screen_buffer
            game.make_action((1, 0))
            tics += 1
    env._engine._played = -1
    return tics


def play_wmlib(env: TakeCover) -> int:
    """Play with the environment's `step`."""
    tics = 0
    for seed in range(EPISODES):
        env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, _ = env.step(0)
            tics += 1
            over = terminated or truncated
    return tics


@pytest.mark.parametrize("variant", ["mufti", "world_models"])
def test_tics_per_cpu_second(benchmark, variant):
    env = TakeCover(variant)
    env.reset(seed=0)
    cases = {"bare engine": play_bare, "wmlib": play_wmlib}
    speeds = {name: [] for name in cases}

    def turn():
        for name, play in cases.items():
            start = cpu_seconds()
            tics = play(env)
            speeds[name].append(tics / (cpu_seconds() - start))

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    env.close()
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    benchmark.extra_info |= medians
    line = "   ".join(f"{name} {speed:6.0f} tics a CPU second" for name, speed in medians.items())
    print(f"\n{variant:14s}{line}   {medians['wmlib'] / medians['bare engine']:.2f}x")


def test_shrinking(benchmark):
    screen = np.random.default_rng(0).integers(256, size=(120, 160, 3), dtype=np.uint8)
    cases = {
        "wmlib": lambda: shrink(screen),
        "Pillow": lambda: np.asarray(Image.fromarray(screen).resize((64, 64), Image.Resampling.BILINEAR)),
    }
    seconds = {name: [] for name in cases}

    def turn():
        for name, call in cases.items():
            start = time.process_time()
            for _ in range(300):
                call()
            seconds[name].append((time.process_time() - start) / 300)

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    medians = {name: 1e6 * statistics.median(values) for name, values in seconds.items()}
    print("\nshrinking     " + "   ".join(f"{name} {median:6.1f} us of CPU a frame" for name, median in medians.items()))
