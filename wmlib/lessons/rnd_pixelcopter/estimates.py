"""The numbers of notebook 08 that verdicts and figures use, from outputs of runs (`pipeline.output`, `pipeline.examine`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from wmlib.experiment.claims import Claim
from wmlib.experiment.statistics import Evidence, mean
from wmlib.lessons.rnd_pixelcopter.measures import KINDS
from wmlib.lessons.rnd_pixelcopter.pipeline import RASTER_FRAMES, RASTER_LEVELS

Result = Mapping[str, Any]  # the output of one run
Test = Mapping[str, Any]  # what `pipeline.examine` returned of it
CURVE_POINTS = 40
PUBLIC = (  # name, mean return, source
    ("up or nothing by a coin", -4.8, "blind"),
    ("rhythm of whole frames", 10.0, "blind"),
    ("hand-written rule", 17.0, "rule"),
    ("REINFORCE, model cards: usual", 20.0, "card"),
    ("REINFORCE, model cards: good", 87.0, "card"),
    ("REINFORCE, model cards: best", 124.0, "card"),
    ("PPO (SB3) from state, one card", 440.0, "card"),
    ("PPO (SB3) from state, best card", 531.0, "card"),
    ("the author's target (one fixed level)", 100.0, "author"),
)


def claims(needs: int = 3) -> dict[str, Claim]:
    """Return the claims of the notebook by id, with the rules that judge them."""
    author = partial(Claim, source="Mufti's post and public code (RL-RND, 2019)", needs=needs)
    ours = partial(Claim, source="ours", reported="-", needs=needs)
    made = [
        author(
            "stuck",
            "Paid by curiosity alone, the author's agent falls into the local optimum: a few ups, then nothing.",
            reported="it does; no number given",
            measure="proportion of episodes in the local optimum (pixels, all five choices, sampled actions as his)",
            smallest=0.5,
            null=0.1,
        ),
        author(
            "target",
            "From pixels the agent reaches the author's target, a return of 100, on levels that it never saw.",
            reported="100 ends his training, on one fixed level; no score given",
            measure="mean test return (pixels, game's reward)",
            smallest=100.0,
            null=20.0,
        ),
        ours(
            "sees",
            "From the seven numbers the agent does far better than the best policy that never looks.",
            measure="mean test return minus that of the best blind policy on the same levels (state, game's reward)",
            smallest=50.0,
        ),
        ours(
            "harmless",
            "Where rewards are dense, adding curiosity does not hurt.",
            measure="frames survived on test levels, both / game's reward (state; geometric means of training seeds)",
            smallest=0.8,
            null=0.4,
        ),
        ours(
            "sparse",
            "Where only every third block pays, curiosity finds what the reward alone does not.",
            measure="blocks passed per test level, both minus reward alone (state, episodic stream)",
            smallest=1.0,
        ),
    ]
    return {claim.id: claim for claim in made}


def per_seed(tests: Sequence[Test], measure: str) -> list[float]:
    """Return the mean over test levels of a measure of `pipeline.examine`, seed by seed."""
    return [float(np.mean(test[measure])) for test in tests]


def evidence(
    tests: Mapping[str, Mapping[str, Sequence[Test]]], blind: np.ndarray, names: Mapping[str, str]
) -> dict[str, Evidence]:
    """Return the evidence of each claim.

    Args:
        tests: by group ("state", "pixels", "author", "sparse") and arm, the tests of each seed.
        blind: (L,), returns of the best blind policy on the same test levels.
        names: of the arms "extrinsic", "both" and "author".
    """
    extrinsic, both, author = names["extrinsic"], names["both"], names["author"]
    returns = np.stack([test["returns"] for test in tests["state"][extrinsic]])
    blocks = {name: per_seed(tests["sparse"][name], "blocks") for name in (both, extrinsic)}
    return {
        "stuck": Evidence("mean", {"values": per_seed(tests["author"][author], "sampled_stuck")}),
        "target": Evidence("mean", {"values": per_seed(tests["pixels"][extrinsic], "returns")}),
        "sees": Evidence("ratio_of_sums", {"hits": returns - blind, "counts": np.ones(len(blind))}),
        "harmless": Evidence(
            "ratio",
            {"above": per_seed(tests["state"][both], "frames"), "below": per_seed(tests["state"][extrinsic], "frames")},
        ),
        "sparse": Evidence("mean", {"values": np.subtract(blocks[both], blocks[extrinsic])}),
    }


def curve(results: Sequence[Result], measure: str = "return", points: int = CURVE_POINTS) -> dict[str, list]:
    """Return a learning curve of some runs: means over as many windows of updates, seed by seed.

    Returns:
        env_steps, (points,), at the ends of the windows; values, (seeds, points), None where no episode ended in a window.
    """
    updates = len(results[0]["records"]["env_steps"])
    edges = np.unique(np.linspace(0, updates, min(points, updates) + 1).astype(int))
    steps = np.mean([result["records"]["env_steps"] for result in results], 0)[edges[1:] - 1]
    values = []
    for result in results:
        numbers = result["records"][measure]
        windows = [numbers[a:b][np.isfinite(numbers[a:b])] for a, b in itertools.pairwise(edges)]
        values.append([float(window.mean()) if len(window) else None for window in windows])
    return {"env_steps": [round(float(step)) for step in steps], "values": values}


def curves(groups: Mapping[str, Sequence[Result]], measure: str = "return") -> dict[str, dict]:
    """Return `curve` by arm."""
    return {name: curve(results, measure) for name, results in groups.items()}


def choice_rows(results: Mapping[str, Sequence[Result]], tests: Mapping[str, Sequence[Test]]) -> list[dict[str, Any]]:
    """Return what `figures.draw_choices` shows of each cell, by seed, and the kinds of its episodes, mean of the seeds."""
    return [
        {
            "name": name,
            "stuck": per_seed(tests[name], "stuck"),
            "sampled_stuck": per_seed(tests[name], "sampled_stuck"),
            "returns": per_seed(tests[name], "returns"),
            "frames": per_seed(tests[name], "frames"),
            "kinds": np.mean([test["kinds"] for test in tests[name]], 0).tolist(),
            "sampled": per_seed(tests[name], "sampled"),
            "sampled_kinds": np.mean([test["sampled_kinds"] for test in tests[name]], 0).tolist(),
            "same_actions": per_seed(tests[name], "same_actions"),
            "replayed": per_seed(tests[name], "replayed"),
            "env_steps": results[name][0]["env_steps"],
        }
        for name in results
    ]


def score_rows(
    agents: Mapping[str, Sequence[Test]], blind: Mapping[str, np.ndarray], target: float = 100.0
) -> list[dict[str, Any]]:
    """Return what `figures.draw_scores` shows, lowest first: our agents and blind policies with intervals, and known scores.

    Args:
        agents: by name, the tests of each seed.
        blind: by name, returns on test levels.
        target: the author's.
    """
    rows: list[dict[str, Any]]
    rows = [{"name": name, "value": value, "kind": kind, "seeds": [], "interval": None} for name, value, kind in PUBLIC]
    for name, returns in blind.items():
        half = 1.96 * returns.std(ddof=1) / len(returns) ** 0.5
        value = float(returns.mean())
        rows.append({"name": name, "value": value, "kind": "blind", "seeds": [], "interval": [value - half, value + half]})
    for name, tests in agents.items():
        seeds = per_seed(tests, "returns")
        estimate = mean(seeds) if len(seeds) > 1 else None
        interval = None if estimate is None else [estimate.low, estimate.high]
        rows.append({"name": name, "value": float(np.mean(seeds)), "kind": "ours", "seeds": seeds, "interval": interval})
    return sorted(rows, key=lambda row: row["value"])


def snapshots(result: Result) -> list[dict[str, Any]]:
    """Return the snapshots of a run as `figures.draw_snapshot` and `figures.draw_novelty` read them."""
    kept = []
    for each in result["snapshots"]:
        novelty = each["novelty"]
        kept.append(
            {
                "env_steps": int(each["env_steps"]),
                "validation": each["validation"],
                "stuck": each["stuck"],
                "ups": [list(map(int, ups)) for ups in each["ups"]],
                "frames": [int(frames) for frames in each["frames"]],
                "novelty": None if novelty is None else [[None if np.isnan(v) else float(v) for v in row] for row in novelty],
            }
        )
    return kept


def raster(test: Test) -> dict[str, Any]:
    """Return the first test episodes of an agent: the frames with an up, lengths, and the kinds of all."""
    return {
        "ups": [list(map(int, ups)) for ups in test["ups"]],
        "frames": [int(min(frames, RASTER_FRAMES)) for frames in test["frames"][:RASTER_LEVELS]],
        "kinds": dict(zip(KINDS, map(float, test["kinds"]), strict=True)),
    }


def best_agent(groups: Mapping[str, Sequence[Result]]) -> tuple[str, int]:
    """Return the arm and the number of the seed of the run with the best mean return on validation levels."""
    scores = {
        (name, number): max(each["validation"] for each in result["snapshots"])
        for name, results in groups.items()
        for number, result in enumerate(results)
    }
    return max(scores, key=lambda run: scores[run])


def seconds_to(results: Sequence[Result], score: float) -> list[float | None]:
    """Return after how many CPU seconds each run had a mean return of `score` on validation levels; None: it never had."""
    reached = []
    for result in results:
        times = [each["cpu_seconds"] for each in result["snapshots"] if each["validation"] >= score]
        reached.append(min(times) if times else None)
    return reached
