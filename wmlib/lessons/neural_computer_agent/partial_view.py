"""The grid seen through a small window in notebook 07: a frame no longer says where the agent is, so the model needs a memory.

Reading guide. `ViewRun` is the run of `pipeline` with a window of `VIEW` x `VIEW` cells; `view_configs` says what changes in
the agent: the policy sees the core's vector, the model always hears the core, and dreams begin where its memory is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlib.agents.experience import Episode
from wmlib.agents.neural_computer_agent import NeuralComputerAgent
from wmlib.envs.grid.levels import MOVES
from wmlib.envs.grid.navigation import GridNavigation
from wmlib.lessons.neural_computer_agent.pipeline import (
    DNC,
    FEEDFORWARD,
    LSTM,
    AgentRun,
    RunConfig,
    output,
    seed_of,
)
from wmlib.training.jobs import Job, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

VIEW = 3  # cells a side that are seen
VIEW_ARMS = (DNC, LSTM, FEEDFORWARD)
WINDOW = 32  # steps of a window of training, in which the core remembers; a full view does with 8
WALKS = 8  # random test episodes of a level
WALK_LENGTH = 48


def view_configs(configs: Mapping[str, RunConfig], levels: int, max_live_steps: int) -> dict[str, RunConfig]:
    """Return the runs with a small view, by arm.

    Args:
        configs: of the full view, by arm.
        levels: the first so many.
        max_live_steps: of a run.
    """
    return {
        arm: replace(
            configs[arm],
            agent=replace(configs[arm].agent, with_memory=True, anywhere=0.0, core_dropout=0.0, seq_len=WINDOW),
            levels=tuple(range(levels)),
            max_live_steps=max_live_steps,
        )
        for arm in VIEW_ARMS
    }


def random_walk(level: int, layout: np.ndarray, length: int, rng: np.random.Generator) -> Episode:
    """Play one episode of random moves through the small view.

    Args:
        level: number that the episode gets.
        layout: bool (S, S).
        length: steps, at most.
        rng: draws them.
    """
    env = GridNavigation(layout, size=len(layout), view=VIEW, max_steps=length)
    frames = [env.reset()[0]]
    actions: list[int] = []
    rewards: list[float] = []
    terminated = truncated = False
    while not (terminated or truncated):
        actions.append(int(rng.integers(len(MOVES))))
        frame, reward, terminated, truncated, _ = env.step(actions[-1])
        frames.append(frame)
        rewards.append(reward)
    return Episode(level, np.stack(frames), np.array(actions, np.int64), np.array(rewards, np.float32), terminated)


class ViewRun(AgentRun):
    """Run the agent stage by stage with a small view.

    Args:
        config: which run.
        seed: of all draws.
    """

    def __init__(self, config: RunConfig, seed: int):
        super().__init__(config, seed)
        self.agent = NeuralComputerAgent(
            lambda level: GridNavigation(self.layouts[level], size=config.size, view=VIEW),
            len(config.levels),
            lambda level, length: length == self.shortest[level],
            config.agent,
            seed=seed,
        )
        rng = np.random.default_rng(0)
        self.walks = [
            [random_walk(level, layout, WALK_LENGTH, rng) for _ in range(WALKS)] for level, layout in enumerate(self.layouts)
        ]

    def _measure(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is measured after "act".

        walks: by level, proportion of the next frames of random test episodes that the model predicts right in every pixel;
        greedy_solved: by level, whether the greedy policy takes the shortest path.
        """
        if record["stage"] != "act":
            return {}
        solved = [self.agent.greedy(level) == shortest for level, shortest in enumerate(self.shortest)]
        return {"walks": [self.agent.accuracy(walks) for walks in self.walks], "greedy_solved": solved}


def run_view(run: Run, configs: Mapping[str, RunConfig], numbers: Sequence[int], block: int) -> dict[str, list[dict]]:
    """Run every arm and seed with a small view, or find the runs in the cache; see `pipeline.run_agents`."""
    jobs = [
        Job(ViewRun, {"config": config, "seed": seed_of(run.seed, number)}, config.stages, output)
        for config in configs.values()
        for number in numbers
    ]
    folders = iter(run_jobs(run.cache, jobs, "small view", block=block, parallel_from=4))
    return {arm: [load_output(next(folders), config.stages) for _ in numbers] for arm, config in configs.items()}


def walk_curves(results: Sequence[Mapping[str, Any]]) -> list[list[list[float]]]:
    """Return by seed the live steps and the accuracy on walks of the level that was being learnt, after each round of play."""
    curves = []
    for result in results:
        acts = [record for record in result["records"] if record["stage"] == "act"]
        steps = [float(record["live_steps"]) for record in acts]
        curves.append([steps, [record["walks"][record["level"]] for record in acts]])
    return curves
