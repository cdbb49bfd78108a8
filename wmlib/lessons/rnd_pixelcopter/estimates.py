"""The numbers of notebook 08 that verdicts and figures use, from outputs of runs (`pipeline.output`, `pipeline.examine`)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from wmlib.envs.pixelcopter import Games
from wmlib.experiment.claims import Claim
from wmlib.experiment.statistics import Estimate, Evidence, mean
from wmlib.lessons.rnd_pixelcopter import measures
from wmlib.lessons.rnd_pixelcopter.blind import NOTHING, UP
from wmlib.lessons.rnd_pixelcopter.kinds import KINDS, shares, stuck
from wmlib.lessons.rnd_pixelcopter.pipeline import RASTER_FRAMES, RASTER_LEVELS

Result = Mapping[str, Any]  # the output of one run
Test = Mapping[str, Any]  # what `pipeline.examine` returned of it
CURVE_POINTS = 40
PUBLIC = (  # name, mean return, source
    ("hand-written rule", 17.0, "rule"),
    ("REINFORCE, model cards: median of 14", 35.5, "card"),
    ("REINFORCE, model cards: best", 124.5, "card"),
    ("PPO (SB3) from state, one card", 440.0, "card"),
    ("PPO (SB3) from state, best card", 531.0, "card"),
    ("the author's target (one fixed level)", 100.0, "author"),
)


def claims(needs: int = 3) -> dict[str, Claim]:
    """Return the claims of the notebook by id, with the rules that judge them."""
    author = partial(Claim, source="Mufti's post and public code (RL-RND, 2019)", needs=needs)
    ours = partial(Claim, source="ours", needs=needs)
    written = [
        author(
            "stuck",
            "Paid by curiosity alone, an agent with the author's choices falls into the local optimum: "
            "a few ups, then nothing.",
            reported="it does; no number given",
            measure="proportion of episodes in the local optimum (pixels, all five choices, sampled actions as his)",
            smallest=0.7,
            null=0.35,
        ),
        ours(
            "target",
            "From pixels the agent reaches a return of 100, the author's stopping target, on levels that it never saw.",
            reported="100 ends the author's training, on one fixed level; no score given",
            measure="mean test return (pixels, game's reward)",
            smallest=100.0,
            null=20.0,
        ),
        ours(
            "sees",
            "From the state the agent scores far above the best blind policy.",
            reported="-",
            measure="mean test return minus that of the best blind policy on the same levels (state, game's reward)",
            smallest=50.0,
        ),
        ours(
            "harmless",
            "Where rewards are dense, adding curiosity costs little.",
            reported="-",
            measure="frames survived on test levels, both / game's reward (state; geometric means of training seeds)",
            smallest=0.9,
            null=0.667,
        ),
        ours(
            "sparse",
            "Where only every third block pays, curiosity finds what the reward alone does not.",
            reported="-",
            measure="blocks passed per test level, both minus reward alone (state, episodic stream)",
            smallest=1.0,
        ),
    ]
    return {claim.id: claim for claim in written}


def per_seed(tests: Sequence[Test], measure: str, actions: str = "greedy") -> list[float]:
    """Return the mean over test levels of one of `measures.numbers`, or the proportion "stuck", seed by seed.

    Args:
        tests: of each seed.
        measure: its name.
        actions: "greedy" or "sampled".
    """
    episodes = [test[actions] for test in tests]
    return [stuck(each) if measure == "stuck" else float(np.mean(each[measure])) for each in episodes]


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
    returns = np.stack([test["greedy"]["returns"] for test in tests["state"][extrinsic]])
    blocks = {name: per_seed(tests["sparse"][name], "blocks") for name in (both, extrinsic)}
    return {
        "stuck": Evidence("mean", {"values": per_seed(tests["author"][author], "stuck", "sampled")}),
        "target": Evidence("mean", {"values": per_seed(tests["pixels"][extrinsic], "returns")}),
        "sees": Evidence("ratio_of_sums", {"hits": returns - blind, "counts": np.ones(len(blind))}),
        "harmless": Evidence(
            "ratio",
            {"above": per_seed(tests["state"][both], "frames"), "below": per_seed(tests["state"][extrinsic], "frames")},
        ),
        "sparse": Evidence("mean", {"values": np.subtract(blocks[both], blocks[extrinsic])}),
    }


def curve(results: Sequence[Result], points: int = CURVE_POINTS) -> dict[str, list]:
    """Return a learning curve of some runs: mean returns of the episodes that ended in as many windows of updates, by seed.

    Returns:
        env_steps, (points,), at the ends of the windows; values, (seeds, points), None where no episode ended in a window.
    """
    updates = len(results[0]["records"]["env_steps"])
    edges = np.unique(np.linspace(0, updates, min(points, updates) + 1).astype(int))
    steps = np.mean([result["records"]["env_steps"] for result in results], 0)[edges[1:] - 1]
    values = []
    for result in results:
        episodes = result["records"]["episodes"]
        sums = np.where(episodes > 0, result["records"]["return"] * episodes, 0.0)
        windows = [(sums[a:b].sum(), episodes[a:b].sum()) for a, b in itertools.pairwise(edges)]
        values.append([float(total / count) if count else None for total, count in windows])
    return {"env_steps": [round(float(step)) for step in steps], "values": values}


def curves(groups: Mapping[str, Sequence[Result]]) -> dict[str, dict]:
    """Return `curve` by arm."""
    return {name: curve(results) for name, results in groups.items()}


def choice_rows(tests: Mapping[str, Sequence[Test]], elsewhere: Mapping[str, Sequence[Test]]) -> list[dict[str, Any]]:
    """Return what `figures.draw_choices` shows of each arm, by seed, and the kinds of its episodes, mean of the seeds.

    Args:
        tests: by arm, of each seed; of agents of one fixed level, on it.
        elsewhere: by arm, the tests of these agents on the test levels.
    """
    return [
        {
            "name": name,
            "stuck": per_seed(tests[name], "stuck"),
            "sampled_stuck": per_seed(tests[name], "stuck", "sampled"),
            "returns": per_seed(tests[name], "returns"),
            "sampled": per_seed(tests[name], "returns", "sampled"),
            "elsewhere": per_seed(elsewhere.get(name, ()), "returns"),
            "kinds": np.mean([shares(test["greedy"]) for test in tests[name]], 0).tolist(),
            "sampled_kinds": np.mean([shares(test["sampled"]) for test in tests[name]], 0).tolist(),
        }
        for name in tests
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
        value, low, high, _ = mean(returns)
        rows.append({"name": name, "value": value, "kind": "blind", "seeds": [], "interval": [low, high]})
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
                "validation": float(each["episodes"]["returns"].mean()),
                "stuck": stuck(each["episodes"]),
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
        "frames": [int(min(frames, RASTER_FRAMES)) for frames in test["greedy"]["frames"][:RASTER_LEVELS]],
        "kinds": dict(zip(KINDS, map(float, shares(test["greedy"])), strict=True)),
    }


def best_agent(groups: Mapping[str, Sequence[Result]]) -> tuple[str, int]:
    """Return the arm and the number of the seed of the run with the best mean return on validation levels."""
    scores = {
        (name, number): max(float(each["episodes"]["returns"].mean()) for each in result["snapshots"])
        for name, results in groups.items()
        for number, result in enumerate(results)
    }
    return max(scores, key=lambda run: scores[run])


def seconds_to(results: Sequence[Result], score: float) -> list[float | None]:
    """Return after how many CPU seconds each run had a mean return of `score` on validation levels; None: it never had."""
    reached = []
    for result in results:
        times = [each["cpu_seconds"] for each in result["snapshots"] if each["episodes"]["returns"].mean() >= score]
        reached.append(min(times) if times else None)
    return reached


def coin_rows(tests: Mapping[float, Test]) -> list[dict[str, float]]:
    """Return of each coin, by its probability of up: "up", its mean "return", and the proportion "stuck"."""
    return [
        {"up": up, "return": float(test["sampled"]["returns"].mean()), "stuck": stuck(test["sampled"])}
        for up, test in tests.items()
    ]


def blind_replayed(tape: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Return what `measures.replayed` says of a blind policy: its actions up to each crash, on another level, float64 (L,).

    Args:
        tape: int64 (T,), its actions.
        seeds: (L,), of the levels.
    """
    games = Games(len(seeds))
    games.reset(seeds)
    frames = np.zeros(len(seeds), np.int64)
    playing = np.ones(len(seeds), bool)
    frame = 0
    while playing.any():
        games.step(np.full(len(seeds), tape[frame] if frame < len(tape) else NOTHING))
        frames += playing
        playing &= ~games.terminated
        frame += 1
    pressed = np.flatnonzero(tape == UP)
    ups = [pressed[pressed < length] for length in frames]
    nothing = np.zeros(len(seeds))
    return measures.replayed(measures.Played(nothing, frames, frames, playing, ups), seeds)


def effect(ratio: Estimate) -> str:
    """Return what curiosity does by a ratio: "helps", "hurts", or, if its interval holds 1, no effect that can be detected."""
    if ratio.low > 1:
        return "helps"
    return "hurts" if ratio.high < 1 else "has no effect that this run can detect"


def aim(name: str, target: float, tests: Sequence[Test], results: Sequence[Result]) -> dict[str, Any]:
    """Return an aim beside what was measured: the mean test return with its interval, and means of steps and CPU seconds.

    Args:
        name: of the aim.
        target: mean return that was aimed at.
        tests: of each seed's policy.
        results: "env_steps" and "cpu_seconds" of each seed, up to that policy.
    """
    estimate = mean(per_seed(tests, "returns"))
    means = {measure: float(np.mean([result[measure] for result in results])) for measure in ("env_steps", "cpu_seconds")}
    return {"name": name, "aim": target, "value": estimate.value, "low": estimate.low, "high": estimate.high, **means}
