"""Numbers of verdicts and figures from made-up outputs, by hand."""

import numpy as np
import pytest

from wmlib.experiment.claims import judge
from wmlib.lessons.rnd_pixelcopter import estimates


def made(score=30.0, blocks=2.0, frames=150, stuck=0.0, levels=4):
    """Return what `pipeline.examine` might return."""
    spread = np.arange(levels) - (levels - 1) / 2
    return {
        "returns": score + spread,
        "blocks": np.full(levels, blocks),
        "frames": np.full(levels, frames),
        "kinds": np.array([stuck, 0.0, 0.0, 1 - stuck]),
        "stuck": stuck,
        "sampled": score / 2,
        "sampled_kinds": np.array([0.0, 0.0, 0.0, 1.0]),
        "sampled_stuck": stuck / 2,
        "same_actions": 0.8,
        "replayed": 5.0,
        "capped": 0.0,
        "ups": [np.array([3, 9])] * levels,
    }


def result(returns, snapshots=()):
    steps = 100.0 * np.arange(1, len(returns) + 1)
    return {"records": {"env_steps": steps, "return": np.array(returns, float)}, "snapshots": list(snapshots), "env_steps": 7}


def test_claims_are_five_and_say_their_rules():
    claims = estimates.claims()
    assert list(claims) == ["stuck", "target", "sees", "harmless", "sparse"]
    assert all("reproduced if" in claim.rule() for claim in claims.values())


def test_evidence_of_each_claim():
    tests = {
        "state": {"game": [made(300), made(200)], "both": [made(frames=100), made(frames=400)]},
        "pixels": {"game": [made(20), made(40)]},
        "author": {"all": [made(stuck=0.25), made(stuck=0.75)]},
        "sparse": {"game": [made(blocks=0), made(blocks=1)], "both": [made(blocks=3), made(blocks=2)]},
    }
    blind = np.array([10.0, 20.0, 30.0, 40.0])
    names = {"extrinsic": "game", "both": "both", "author": "all"}
    values = {name: each.estimate().value for name, each in estimates.evidence(tests, blind, names).items()}
    assert values == pytest.approx({"stuck": 0.25, "target": 30, "sees": 225, "harmless": 200 / 150, "sparse": 2})
    record = judge(estimates.claims()["sees"], estimates.evidence(tests, blind, names)["sees"])
    assert record["verdict"] == "undecided" and record["reason"].startswith("2 of the 3")


def test_a_curve_is_of_window_means():
    curve = estimates.curve([result([1, 3, np.nan, 5, np.nan, np.nan]), result([0, 0, 0, 0, 2, 2])], points=3)
    assert curve == {"env_steps": [200, 400, 600], "values": [[2.0, 5.0, None], [0.0, 0.0, 2.0]]}
    assert estimates.curve([result([1, 2])], points=40)["env_steps"] == [100, 200]
    assert list(estimates.curves({"a": [result([1, 2])]})) == ["a"]


def test_rows_of_choices():
    (row,) = estimates.choice_rows({"x": [result([1]), result([2])]}, {"x": [made(1, stuck=1.0), made(3, stuck=0.5)]})
    assert row["stuck"] == [1.0, 0.5] and row["returns"] == [1.0, 3.0] and row["kinds"] == [0.75, 0.0, 0.0, 0.25]


def test_rows_of_scores_are_sorted_and_have_their_sources():
    rows = estimates.score_rows({"ours": [made(50), made(70)], "one": [made(1)]}, {"tape": np.array([1.0, 3.0, 5.0])})
    values = [row["value"] for row in rows]
    by_name = {row["name"]: row for row in rows}
    assert values == sorted(values) and len(rows) == len(estimates.PUBLIC) + 3
    assert by_name["ours"]["seeds"] == [50, 70] and by_name["ours"]["interval"][0] < 50 and by_name["one"]["interval"] is None
    assert by_name["tape"]["value"] == 3 and by_name["tape"]["interval"][1] == pytest.approx(3 + 1.96 * 2 / 3**0.5)


def shot(seconds, validation, novelty=None):
    return {
        "env_steps": 5,
        "cpu_seconds": seconds,
        "validation": validation,
        "stuck": 0.0,
        "ups": [np.array([1, 4])],
        "frames": np.array([30]),
        "novelty": novelty,
    }


def test_snapshots_and_rasters_are_plain():
    (first, second) = estimates.snapshots(result([1], [shot(1, 2.0), shot(2, 3.0, np.array([[1.0, np.nan]]))]))
    assert first["novelty"] is None and second["novelty"] == [[1.0, None]] and second["ups"] == [[1, 4]]
    raster = estimates.raster(made(frames=900))
    assert raster["frames"] == [200] * 4 and raster["ups"][0] == [3, 9] and raster["kinds"]["other"] == 1.0


def test_the_best_agent_is_that_of_the_validation_levels():
    groups = {"a": [result([1], [shot(1, 3.0), shot(2, 9.0)]), result([1], [shot(1, 4.0)])], "b": [result([1], [shot(1, 8.0)])]}
    assert estimates.best_agent(groups) == ("a", 0)


def test_seconds_to_a_score():
    results = [result([1], [shot(1.0, 20.0), shot(5.0, 120.0), shot(9.0, 110.0)]), result([1], [shot(1.0, 20.0)])]
    assert estimates.seconds_to(results, 100.0) == [5.0, None]
