"""What the agent of notebook 07 is measured against: PPO without a model, and a table of moves with a search.

Reading guide. `play_ppo` is one run of model-free PPO; `search_ppo` tunes it on other seeds. `play_table` is the dullest
planner: it writes down which frame followed which, goes to the nearest move that it has not tried, and looks for the shortest
way in what it has written. It needs frames that tell all, and no chance; there it says how few live steps are enough.

Rules, levels and "solved" are those of `pipeline`: the greedy way is a shortest path, and to test that costs no live step.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.wrappers.vector import TransformObservation

from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.ppo import PPO, PPOConfig
from wmlib.envs.grid.levels import LEVELS, MOVES, shortest_path
from wmlib.envs.grid.navigation import GridNavigation, GridNavigationVector
from wmlib.lessons.neural_computer_agent.pipeline import live_steps, seed_of
from wmlib.training.jobs import cached_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

Table = dict[bytes, dict[int, bytes]]  # by frame and action, the frame that followed
PPO_ARM, TABLE_ARM = "PPO", "table and search"
ENVS = 8  # of model-free PPO
SEARCH_SEEDS = 1000  # added to the numbers of seeds that are searched on, so that they are other ones


class PPOTuning(NamedTuple):
    """Describe model-free PPO by what the search chooses: steps of a copy between two updates, learning rate, entropy bonus."""

    num_steps: int
    lr: float
    entropy: float

    def config(self) -> PPOConfig:
        """Return all its numbers; discount and λ are those of the agent's PPO."""
        return PPOConfig(num_steps=self.num_steps, minibatch_size=128, lr=self.lr, gamma=0.97, entropy_coef=self.entropy)


TUNINGS = [  # of the search, the likelier ones first
    PPOTuning(num_steps, lr, entropy)
    for lr, entropy, num_steps in itertools.product((3e-3, 1e-2, 1e-3), (0.3, 0.1, 1.0, 0.03), (16, 64, 8))
]


def play_ppo(tuning: PPOTuning, levels: tuple[int, ...], size: int, seed: int, max_live_steps: int) -> dict[str, Any]:
    """Learn levels one after another in the live environment, with no model.

    Args:
        tuning: numbers of PPO.
        levels: in their order.
        size: S.
        seed: of all draws.
        max_live_steps: on all levels together.

    Returns:
        solved_at: live steps when each level was solved, None if it was not; live_steps; cpu_seconds; greedy_solved: (levels
        solved, levels), whether the greedy policy takes each level's shortest path after each level that it solved.
    """
    start = time.process_time()
    generator = torch.Generator().manual_seed(seed)
    layouts = [LEVELS[size][level] for level in levels]
    policy = ActorCritic(_flat_space(size), len(MOVES), PolicyConfig(), generator=generator)
    solved_at: list[int | None] = [None] * len(levels)
    rows = []
    steps = 0
    for i, layout in enumerate(layouts):
        ppo = PPO(flat_envs(layout, ENVS), policy, tuning.config(), generator=generator, seed=seed + i)
        while steps + ppo.env_steps < max_live_steps:
            ppo.update(ppo.collector.collect())
            if greedy_solves(policy, layout):
                solved_at[i] = steps + ppo.env_steps
                break
        steps += ppo.env_steps
        if solved_at[i] is None:
            break
        rows.append([greedy_solves(policy, each) for each in layouts])
    seconds = time.process_time() - start
    return {"solved_at": solved_at, "live_steps": steps, "cpu_seconds": seconds, "greedy_solved": rows}


def _flat_space(size: int) -> spaces.Box:
    return spaces.Box(0.0, 1.0, (size * size * 3,), np.float32)


def _flat(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(len(frames), -1).astype(np.float32) / 255


def flat_envs(layout: np.ndarray, num_envs: int) -> gymnasium.vector.VectorEnv:
    """Return copies of a level whose frames are vectors with values in [0, 1], as the agent's policy sees them in dreams."""
    envs = GridNavigationVector(num_envs, layout, size=len(layout))
    return TransformObservation(envs, _flat, single_observation_space=_flat_space(len(layout)))


@torch.no_grad()
def greedy_solves(policy: ActorCritic, layout: np.ndarray) -> bool:
    """Return whether the greedy policy on flat frames takes a shortest path."""
    env = GridNavigation(layout, size=len(layout), max_steps=len(shortest_path(layout, len(layout))))
    frame, _ = env.reset()
    while True:
        action = policy.step(torch.from_numpy(_flat(frame[None]))).logits.argmax(-1)
        frame, _, terminated, truncated, _ = env.step(int(action))
        if terminated or truncated:
            return terminated


def search_ppo(run: Run, levels: tuple[int, ...], size: int, max_live_steps: int, num_seeds: int, tried: int) -> list[dict]:
    """Try tunings of PPO on seeds that are used for nothing else.

    Args:
        levels, size, max_live_steps: see `play_ppo`.
        num_seeds: seeds of each.
        tried: the first so many of `TUNINGS`.

    Returns:
        num_steps, lr, entropy and live_steps, (seeds,): a run that does not solve all levels counts with `max_live_steps`; best
        first.
    """
    tunings = TUNINGS[:tried]
    outputs = iter(run_ppo(run, tunings, levels, size, max_live_steps, range(SEARCH_SEEDS, SEARCH_SEEDS + num_seeds)))
    rows = []
    for tuning in tunings:
        needed = [live_steps(next(outputs), max_live_steps) for _ in range(num_seeds)]
        rows.append({**tuning._asdict(), "live_steps": needed})
    return sorted(rows, key=lambda row: float(np.mean(np.log(row["live_steps"]))))


def run_ppo(
    run: Run, tunings: Sequence[PPOTuning], levels: tuple[int, ...], size: int, max_live_steps: int, numbers: Sequence[int]
) -> list[dict]:
    """Return the runs of model-free PPO, seed by seed for each tuning; see `play_ppo`."""
    calls = [
        {
            "tuning": tuning,
            "levels": levels,
            "size": size,
            "seed": seed_of(run.seed, number),
            "max_live_steps": max_live_steps,
        }
        for tuning in tunings
        for number in numbers
    ]
    return cached_map(run.cache, play_ppo, calls, "PPO")


def run_table(run: Run, levels: tuple[int, ...], size: int, max_live_steps: int, numbers: Sequence[int]) -> list[dict]:
    """Return the runs of the table with a search, seed by seed; see `play_table`."""
    calls = [
        {"levels": levels, "size": size, "seed": seed_of(run.seed, number), "max_live_steps": max_live_steps}
        for number in numbers
    ]
    return cached_map(run.cache, play_table, calls, "table", parallel=False)


def play_table(levels: tuple[int, ...], size: int, seed: int, max_live_steps: int) -> dict[str, Any]:
    """Solve levels one after another by writing down what each move does.

    Args:
        levels, size, max_live_steps: see `play_ppo`.
        seed: of the order in which moves that were not tried are tried.

    Returns:
        solved_at, live_steps, cpu_seconds as `play_ppo`.

    Source: ours.
    """
    start = time.process_time()
    rng = np.random.default_rng(seed)
    solved_at: list[int | None] = [None] * len(levels)
    steps = 0
    for i, level in enumerate(levels):
        env = GridNavigation(LEVELS[size][level], size=size)
        wanted = len(shortest_path(LEVELS[size][level], size))
        table: Table = {}
        goal = None
        while solved_at[i] is None and steps < max_live_steps:
            first, _ = env.reset()
            here = first.tobytes()
            terminated = truncated = False
            while not (terminated or truncated):
                action = _towards_the_unknown(table, here, rng)
                frame, _, terminated, truncated, _ = env.step(action)
                steps += 1
                table.setdefault(here, {})[action] = frame.tobytes()
                here = frame.tobytes()
            goal = here if terminated else goal
            if goal is not None and len(_ways(table, first.tobytes())[goal]) == wanted:
                solved_at[i] = steps
        if solved_at[i] is None:
            break
    return {"solved_at": solved_at, "live_steps": steps, "cpu_seconds": time.process_time() - start}


def _ways(table: Table, here: bytes) -> dict[bytes, list[int]]:
    """Return the actions of a shortest way to every frame that the table leads to, nearest first."""
    ways: dict[bytes, list[int]] = {here: []}
    queue = deque([here])
    while queue:
        frame = queue.popleft()
        for action, following in table.get(frame, {}).items():
            if following not in ways:
                ways[following] = [*ways[frame], action]
                queue.append(following)
    return ways


def _towards_the_unknown(table: Table, here: bytes, rng: np.random.Generator) -> int:
    """Return the first action on the way to the nearest move that was not tried; a random one if all were."""
    for frame, way in _ways(table, here).items():
        untried = [action for action in range(len(MOVES)) if action not in table.get(frame, {})]
        if untried:
            return way[0] if way else int(rng.choice(untried))
    return int(rng.integers(len(MOVES)))
