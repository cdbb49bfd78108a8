"""Rehearsal in notebook 07: a policy that dreams of the newest level alone, with and without rehearsal after each level.

Reading guide. `run_arms` makes the runs; `kept_row` says of an arm how much of what it had solved it still solves, and what
that cost. The model is trained on all levels in every arm, so what is lost here is the policy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wmlib.agents.rehearsal import RehearsalConfig, RehearsingAgent
from wmlib.lessons.neural_computer_agent.pipeline import AgentRun, RunConfig, live_steps, output, run_agents, seed_of
from wmlib.training.jobs import Job, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

OLD_DREAMS, FORGETFUL, REHEARSED = "dreams of old levels", "newest level alone", "newest level, then rehearsal"


class RehearsalRun(AgentRun):
    """Run a rehearsing agent stage by stage; as `AgentRun`, with the greedy test after each rehearsal too.

    Args:
        config: which run.
        rehearsal: its numbers.
        seed: of all draws.
    """

    def __init__(self, config: RunConfig, rehearsal: RehearsalConfig, seed: int):
        self.rehearsal = rehearsal
        super().__init__(config, seed)

    def _make_agent(self, seed: int) -> RehearsingAgent:
        numbers = self.config.agent, self.rehearsal
        return RehearsingAgent(self._live, len(self.layouts), self._is_solved, *numbers, seed=seed)

    def _measure(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if record["stage"] == "rehearse":
            return {"greedy_solved": [self.agent.greedy(level) == shortest for level, shortest in enumerate(self.shortest)]}
        return super()._measure(record)


def forgetful(config: RunConfig) -> RunConfig:
    """Return the same run with a policy that never dreams of old levels, and is not asked whether it keeps them."""
    return replace(config, agent=replace(config.agent, old_levels=0.0, check_greedy=False))


def run_arms(
    run: Run, config: RunConfig, rehearsal: RehearsalConfig, numbers: Sequence[int], block: int
) -> dict[str, list[dict]]:
    """Run the forgetful agent without and with rehearsal, or find the runs in the cache.

    Args:
        run: the notebook's run.
        config: of the agent that dreams of old levels.
        rehearsal: its numbers.
        numbers: of the seeds.
        block: stages between two checkpoints.

    Returns:
        by arm, the output of each seed, see `pipeline.output`.
    """
    changed = forgetful(config)
    stages = config.stages + len(config.levels)
    jobs = [
        Job(RehearsalRun, {"config": changed, "rehearsal": rehearsal, "seed": seed_of(run.seed, number)}, stages, output)
        for number in numbers
    ]
    plain = run_agents(run, {FORGETFUL: changed}, numbers, block)
    folders = run_jobs(run.cache, jobs, "rehearsal", block=block, parallel_from=4)
    return {**plain, REHEARSED: [load_output(folder, stages) for folder in folders]}


def kept_curve(result: Mapping[str, Any], stage: str) -> list[float | None]:
    """Return which proportion of the levels solved so far the greedy policy solves, when each level has just been solved.

    Args:
        result: output of a run.
        stage: "act", before rehearsal, or "rehearse", after it.

    Returns:
        by level; None where it was not solved, or never came to this stage.
    """
    curve: list[float | None] = [None] * len(result["solved_at"])
    for record in result["records"]:
        if record["stage"] == stage and record["live_steps"] in result["solved_at"]:
            level = result["solved_at"].index(record["live_steps"])
            curve[level] = float(np.mean(record["greedy_solved"][: level + 1]))
    return curve


def kept_row(name: str, results: Sequence[Mapping[str, Any]], budget: int) -> dict[str, Any]:
    """Return what `extension_figures.draw_kept` shows of an arm.

    Args:
        name: of the arm.
        results: by seed.
        budget: live steps that a run which does not solve all levels counts with.

    Returns:
        name; before, after: `kept_curve` by seed, after for the arm that rehearses alone (else empty); live_steps, cpu_seconds,
        whole: by seed, until all levels are solved, and whether they are.
    """
    return {
        "name": name,
        "before": [kept_curve(result, "act") for result in results],
        "after": [kept_curve(result, "rehearse") for result in results] if name == REHEARSED else [],
        "live_steps": [live_steps(result, budget) for result in results],
        "cpu_seconds": [result["cpu_seconds"] for result in results],
        "whole": [result["solved_at"][-1] is not None for result in results],
    }
