"""The grid seen through a small window in notebook 07: a frame no longer says where the agent is, so the model needs a memory.

Reading guide. `ViewRun` is the run of `pipeline` with a window of `VIEW` x `VIEW` cells; `view_configs` says what changes in
the agent: the policy sees the core's vector, the model always hears the core, and dreams begin where its memory is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wmlib.agents.experience import Episode
from wmlib.agents.frame_dreams import FrameDreams
from wmlib.envs.grid.levels import MOVES, shortest_path
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


def play(level: int, layout: np.ndarray, actions: Sequence[int] | np.ndarray) -> Episode:
    """Play one episode of given moves through the small view; those after its end are left out.

    Args:
        level: number that the episode gets.
        layout: bool (S, S).
        actions: int (T,).
    """
    env = GridNavigation(layout, size=len(layout), view=VIEW, max_steps=len(actions))
    frames = [env.reset()[0]]
    rewards: list[float] = []
    terminated = False
    for action in actions:
        frame, reward, terminated, _, _ = env.step(int(action))
        frames.append(frame)
        rewards.append(reward)
        if terminated:
            break
    taken = np.asarray(actions, np.int64)[: len(rewards)]
    return Episode(level, np.stack(frames), taken, np.array(rewards, np.float32), terminated)


def dreamt_right(dreams: FrameDreams, episode: Episode) -> float:
    """Return the proportion of an episode that is dreamt right, up to the first mistake: a wrong frame, or a wrong end.

    Args:
        dreams: they begin with the episode's first frame, and are fed with their own predictions.
        episode: what happened.
    """
    dreams.begin([0])
    for step, action in enumerate(episode.actions.tolist()):
        done, _ = dreams.step(torch.tensor([action]))
        dreamt = dreams.frames[0].permute(1, 2, 0).numpy() * 255
        ends = episode.terminated and step == episode.length - 1
        if bool(done[0]) != ends or (dreamt != episode.frames[step + 1]).any():
            return step / episode.length
    return 1.0


class ViewRun(AgentRun):
    """Run the agent stage by stage with a small view.

    Args:
        config: which run.
        seed: of all draws.
    """

    def __init__(self, config: RunConfig, seed: int):
        super().__init__(config, seed)
        rng = np.random.default_rng(0)
        self.walks = [
            [play(level, layout, rng.integers(len(MOVES), size=WALK_LENGTH)) for _ in range(WALKS)]
            for level, layout in enumerate(self.layouts)
        ]
        self.paths = [play(level, layout, shortest_path(layout, config.size)) for level, layout in enumerate(self.layouts)]

    def _live(self, level: int) -> GridNavigation:
        return GridNavigation(self.layouts[level], size=self.config.size, view=VIEW)

    def _measure(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is measured after "act".

        walks: by level, proportion of the next frames of random test episodes that the model predicts right in every pixel;
        paths: by level, proportion of the shortest path that is dreamt right, see `dreamt_right`; greedy_solved: by level,
        whether the greedy policy takes the shortest path.
        """
        if record["stage"] != "act":
            return {}
        agent = self.agent
        solved = [agent.greedy(level) == shortest for level, shortest in enumerate(self.shortest)]
        return {
            "walks": [agent.accuracy(walks) for walks in self.walks],
            "paths": [self._dreamt_right(path) for path in self.paths],
            "greedy_solved": solved,
        }

    def _dreamt_right(self, path: Episode) -> float:
        return dreamt_right(self.agent.dreams(lambda count, rng: path.frames[:1], seed=0), path)


def run_view(run: Run, configs: Mapping[str, RunConfig], numbers: Sequence[int], block: int) -> dict[str, list[dict]]:
    """Run every arm and seed with a small view, or find the runs in the cache; see `pipeline.run_agents`."""
    jobs = [
        Job(ViewRun, {"config": config, "seed": seed_of(run.seed, number)}, config.stages, output)
        for config in configs.values()
        for number in numbers
    ]
    folders = iter(run_jobs(run.cache, jobs, "small view", block=block, parallel_from=4))
    return {arm: [load_output(next(folders), config.stages) for _ in numbers] for arm, config in configs.items()}


def curves(results: Sequence[Mapping[str, Any]], measure: str) -> list[list[list[float]]]:
    """Return by seed the live steps, and what was measured on the level that was being learnt, after each round of play.

    Args:
        results: outputs of runs.
        measure: "walks" or "paths", see `ViewRun`.
    """
    pairs = []
    for result in results:
        acts = [record for record in result["records"] if record["stage"] == "act"]
        pairs.append([[float(record["live_steps"]) for record in acts], [record[measure][record["level"]] for record in acts]])
    return pairs
