"""Time the Pixelcopter engine.

`pytest tests/benchmarks/test_bench_pixelcopter.py -s`, half a minute.

Frames per CPU second of one thread, so that other work on the machine counts little. Actions are a tape of a decent pilot
whose lives last about 115 frames, recorded beforehand, or random ones, whose lives last 7. The call that starts an episode is
timed and counted like any other, as an agent pays for it like for any other. All cases take turns; the tables are of medians
over the turns.

The reference, PyGame-Learning-Environment under gym-ple, at 48 x 48: 14,200 frames a CPU second, 10,900 with the picture in
colours, 11,600 with the seven numbers, 6,800 by its wrapper. It was measured once, on a busy machine: take the factors as
+/- 40 %.
"""

import statistics
import time
from collections.abc import Callable

import gymnasium
import numpy as np

import wmlib.envs  # noqa: F401, registers
from wmlib.envs.pixelcopter import Games, PixelCopterVector

TURNS = 7
REFERENCE = {"nothing": 14_200, "state": 11_600, "grey": None, "pixels": 10_900}  # frames a CPU second
SEEN: dict[str, Callable[[Games, dict[str, np.ndarray]], object]] = {
    "nothing": lambda games, store: None,
    "state": lambda games, store: games.states(store["state"]),
    "grey": lambda games, store: games.pictures(store["grey"], channels=1),
    "pixels": lambda games, store: games.pictures(store["pixels"]),
}


def tape_of(num_games: int, frames: int, height: int = 48) -> tuple[np.ndarray, float]:
    """Return a decent pilot's actions, int64 (frames, num_games), and how long its lives last."""
    games = Games(num_games, height, height)
    games.reset(range(num_games))
    rng = np.random.default_rng(0)
    tape = np.ones((frames, num_games), np.int64)
    ends = 0
    for actions in tape:
        velocity, to_ceiling, to_floor = games.states()[:, 1:4].T
        low = (to_ceiling - to_floor) / 2 + 8 * velocity > height / 48
        actions[low ^ (rng.random(num_games) < 0.02)] = 0
        games.step(actions)
        ends += games.terminated.sum()
    return tape, tape.size / max(ends, 1)


class Case:
    """Play a tape from the start, and look at every frame.

    Args:
        num_games: B.
        seen: a name of `SEEN`.
        tape: actions.
        size: W and H.
    """

    def __init__(self, num_games: int, seen: str, tape: np.ndarray, size: int = 48):
        self.games = Games(num_games, size, size)
        self.look = SEEN[seen]
        self.tape = tape
        self.store = {
            "state": np.empty((num_games, 7)),
            "grey": np.empty((num_games, size, size, 1), np.uint8),
            "pixels": np.empty((num_games, size, size, 3), np.uint8),
        }
        self.speeds: list[float] = []  # frames a CPU second, of each turn

    def turn(self) -> None:
        self.games.reset(range(self.games.num_games))
        start = time.process_time()
        for actions in self.tape:
            self.games.step(actions)
            self.look(self.games, self.store)
        self.speeds.append(self.tape.size / (time.process_time() - start))


def take_turns(benchmark, cases):
    """Return the medians by case."""

    def turn():
        for case in cases.values():
            case.turn()

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    return {name: statistics.median(case.speeds[1:]) for name, case in cases.items()}


def test_frames_per_cpu_second(benchmark):
    cases = {}
    for num_games, frames in ((1, 4000), (16, 1000), (256, 300), (1024, 100)):
        tape, life = tape_of(num_games, frames)
        cases |= {(num_games, seen): Case(num_games, seen, tape) for seen in SEEN}
        print(f"\n{num_games} games: lives of {life:.0f} frames", end="")
    medians = take_turns(benchmark, cases)
    print("\n48 x 48, frames a CPU second (times the reference)\n  games " + "".join(f"{seen:>22}" for seen in SEEN))
    for num_games in dict.fromkeys(number for number, _ in cases):
        line = f"  {num_games:5} "
        for seen, reference in REFERENCE.items():
            speed = medians[num_games, seen]
            line += f"{speed:14,.0f} " + (f"({speed / reference:5.0f})" if reference else " " * 7)
        print(line)


def test_random_play_and_larger_pictures(benchmark):
    rng = np.random.default_rng(1)
    random = rng.integers(2, size=(200, 256))
    cases = {("48 x 48, random play", seen): Case(256, seen, random) for seen in SEEN}
    for size in (84, 256):
        tape, _ = tape_of(256, 40, size)
        cases |= {(f"{size} x {size}", seen): Case(256, seen, tape, size) for seen in SEEN}
    medians = take_turns(benchmark, cases)
    print("\n256 games, frames a CPU second")
    for kind in dict.fromkeys(kind for kind, _ in cases):
        print(f"  {kind:22}" + "   ".join(f"{seen} {medians[kind, seen]:12,.0f}" for seen in SEEN))


def test_gymnasiums_interfaces(benchmark):
    """The vector environment makes new arrays in each call; the single one goes through Gymnasium's wrappers."""
    lines = []
    tape, _ = tape_of(256, 300)
    for observation in ("state", "grey", "pixels"):
        envs = PixelCopterVector(256, observation)
        speeds = []
        for _ in range(TURNS):
            envs.reset(seed=0)
            start = time.process_time()
            for actions in tape:
                envs.step(actions)
            speeds.append(tape.size / (time.process_time() - start))
        lines.append(f"PixelCopterVector, 256 games, {observation:7} {statistics.median(speeds):12,.0f}")
    for observation in ("state", "pixels"):
        env = gymnasium.make("wmlib/PixelCopter-v0", observation=observation)
        env.reset(seed=0)
        start = time.process_time()
        for action in tape[:, :20].T.ravel().tolist():
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        lines.append(f"gymnasium.make, one game,     {observation:7} {20 * len(tape) / (time.process_time() - start):12,.0f}")
    benchmark.pedantic(lambda: None, rounds=1)
    print("\nframes a CPU second\n  " + "\n  ".join(lines))
