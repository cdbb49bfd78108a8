"""The numbers of notebook 07 that verdicts and figures use, from outputs of runs (see `pipeline.output`, `baselines`).

Reading guide. `matrix` makes of one run what the measures of lifelong learning need: a row after each level solved, a column
for each level. `backward_transfer` and `forward_transfer` are those measures. From `arm_row` on, the functions return what
verdicts and figures use.

Source: backward transfer: Lopez-Paz & Ranzato 2017, arXiv 1706.08840. Forgetting and forward transfer: Wolczyk et al. 2021
    (Continual World), arXiv 2105.10919, with live steps until a level is solved in place of their learning curves.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmlib.experiment.statistics import Evidence
from wmlib.lessons.neural_computer_agent.pipeline import live_steps

Result = Mapping[str, Any]  # the output of one run


def matrix(result: Result, measure: str) -> np.ndarray:
    """Return what a run could do on level j (column) when level i (row) had just been solved, (L, L); NaN: i was not solved.

    Args:
        result: of the agent.
        measure: "exact", proportion of all moves that the model predicts exactly; or "greedy_solved", 0 or 1.
    """
    count = len(result["solved_at"])
    rows = np.full((count, count), np.nan)
    for record in result["records"]:
        if record["stage"] == "act" and record["live_steps"] == result["solved_at"][record["level"]]:
            rows[record["level"]] = record[measure]
    return rows


def final(result: Result, measure: str) -> np.ndarray:
    """Return the last row of a run, whether its last level is solved or not, (L,); zeros if nothing was measured."""
    rows = [record[measure] for record in result["records"] if measure in record]
    return np.asarray(rows[-1], float) if rows else np.zeros(len(result["solved_at"]))


def backward_transfer(result: Result, measure: str) -> float:
    """Return the mean change on each level from when it was solved to the end of the run: below 0 is forgetting.

    The level that was solved last is left out: nothing came after it. 0 where fewer than two were solved.
    """
    rows = matrix(result, measure)
    solved = [level for level, at in enumerate(result["solved_at"]) if at is not None]
    old = [level for level in solved if level < max(solved) or max(solved) < len(rows) - 1]
    if not old:
        return 0.0
    return float(np.mean(final(result, measure)[old] - rows[old, old]))


def area(steps: float | None, budget: int) -> float:
    """Return the area under "solved or not" over `budget` live steps: 1 solved at once, 0 never."""
    return 0.0 if steps is None else max(0.0, 1 - steps / budget)


def steps_by_level(result: Result) -> list[int | None]:
    """Return the live steps that each level took, from the end of the one before."""
    ends = [0, *result["solved_at"]]
    return [None if end is None else end - begin for begin, end in itertools.pairwise(ends)]


def forward_transfer(result: Result, alone: Sequence[Result], budget: int) -> float:
    """Return how much sooner levels are solved after the earlier ones than alone, mean over all levels but the first.

    For each level (area - area alone) / (1 - area alone), see `area`; 1 would be at once, 0 no gain, below 0 harm.

    Args:
        result: of the agent on all levels.
        alone: of agents that met one level only, level by level.
        budget: live steps over which the area is taken.
    """
    gains = []
    for taken, single in list(zip(steps_by_level(result), alone, strict=True))[1:]:
        reference = area(single["solved_at"][0], budget)
        gains.append((area(taken, budget) - reference) / (1 - reference))
    return float(np.mean(gains)) if gains else 0.0


def arm_row(name: str, results: Sequence[Result], budget: int) -> dict[str, Any]:
    """Return what `figures.draw_cost` shows of an arm.

    Args:
        name: of the arm.
        results: by seed.
        budget: live steps that a run which does not solve all levels counts with.

    Returns:
        name; live_steps, cpu_seconds, levels, each (seeds,): until all levels were solved, and how many were; whole: bool
        (seeds,), whether that were all; solved_at: (seeds, levels), None where a level was not solved.
    """
    solved = [[at for at in result["solved_at"] if at is not None] for result in results]
    return {
        "name": name,
        "live_steps": [live_steps(result, budget) for result in results],
        "cpu_seconds": [result["cpu_seconds"] for result in results],
        "levels": [len(each) for each in solved],
        "whole": [len(each) == len(result["solved_at"]) for each, result in zip(solved, results, strict=True)],
        "solved_at": [list(result["solved_at"]) for result in results],
    }


def matrix_panel(results: Sequence[Result], measure: str) -> list[list[float | None]]:
    """Return the mean matrix of some runs as nested lists; None where no run came so far."""
    stacked = np.stack([matrix(result, measure) for result in results])
    reached = ~np.isnan(stacked)
    count = reached.sum(0)
    mean = np.where(reached, stacked, 0).sum(0) / np.maximum(count, 1)
    return [
        [float(m) if c else None for m, c in zip(row, counts, strict=True)] for row, counts in zip(mean, count, strict=True)
    ]


def adequate(results: Sequence[Result]) -> Evidence:
    """Return the evidence that the model is adequate: at the end of each run, exact proportions, mean over all levels."""
    return _mean([float(final(result, "exact").mean()) for result in results])


def solved(results: Sequence[Result]) -> Evidence:
    """Return the evidence that all is solved: proportion of levels that each run solved."""
    return _mean([float(np.mean([at is not None for at in result["solved_at"]])) for result in results])


def kept(results: Sequence[Result], measure: str) -> Evidence:
    """Return the evidence that nothing is forgotten: backward transfer of each run."""
    return _mean([backward_transfer(result, measure) for result in results])


def times_fewer(agent: Mapping[str, Any], ppo: Mapping[str, Any]) -> Evidence:
    """Return the evidence that dreams save live steps: those of model-free PPO over those of the agent, of `arm_row`."""
    return Evidence("ratio", {"above": ppo["live_steps"], "below": agent["live_steps"]})


def _mean(values: Sequence[float]) -> Evidence:
    return Evidence("mean", {"values": np.asarray(values, float)})


def story(result: Result) -> list[dict[str, Any]]:
    """Return a run stage by stage, for `figures.draw_loop`.

    Returns:
        a dict a stage: stage, level, round, live_steps, exact (by level, None before the first model), solved (levels so
        far), words: what happened.
    """
    told = []
    exact = None
    for record in result["records"]:
        exact = record.get("exact", exact)
        told.append(
            {
                "stage": record["stage"],
                "level": record["level"],
                "round": record["round"],
                "live_steps": record["live_steps"],
                "exact": exact,
                "solved": sum(at is not None and at <= record["live_steps"] for at in result["solved_at"]),
                "words": words(record),
            }
        )
    return told


def words(record: Mapping[str, Any]) -> str:
    """Return in a few words what happened in a stage."""
    if record["stage"] == "explore":
        return f"random moves reach the goal in {record['success']:.0%} of episodes"
    if record["stage"] == "model":
        return f"{record['accuracy']:.0%} of the last live episodes' frames predicted exactly"
    if record["stage"] == "dream":
        return f"{record['steps']:,} dreamt steps; {record['success']:.0%} of dreams reach the goal"
    if record["solved"]:
        return f"greedy path of {record['greedy']} steps, the shortest: solved"
    return f"greedy path of {record['greedy']} steps" if record["greedy"] else "the greedy policy does not arrive"


def dreams(result: Result) -> list[dict[str, Any]]:
    """Return the dreams of a run, in order: those of `measures.dream_beside_reality`, with level and iteration."""
    counts: dict[int, int] = {}
    kept_dreams = []
    for record in result["records"]:
        if "beside" in record:
            counts[record["level"]] = counts.get(record["level"], 0) + 1
            iteration = counts[record["level"]]
            kept_dreams.append({"level": record["level"], "iteration": iteration, **record["beside"]})
    return kept_dreams
