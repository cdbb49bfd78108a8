"""Numbers of verdicts and figures from made-up outputs, by hand."""

import numpy as np
import pytest

from wmlib.experiment.claims import judge
from wmlib.experiment.statistics import Estimate
from wmlib.lessons.rnd_pixelcopter import blind, estimates


def episodes(score, blocks=2.0, frames=150, stuck=0.0, levels=4):
    """Return episodes, the first of which have no up."""
    never = np.arange(levels) < stuck * levels
    return {
        "returns": score + np.arange(levels) - (levels - 1) / 2,
        "blocks": np.full(levels, blocks),
        "frames": np.full(levels, frames),
        "at_floor": np.ones(levels, bool),
        "num_ups": np.where(never, 0, 30),
        "last_up": np.where(never, -1, 140),
        "min_gap": np.where(never, 0, 1),
        "max_gap": np.where(never, 0, 9),
    }


def examined(score=30.0, stuck=0.0, sampled_stuck=0.0, **more):
    """Return what `pipeline.examine` might return."""
    return {
        "greedy": episodes(score, stuck=stuck, **more),
        "sampled": episodes(score / 2, stuck=sampled_stuck, **more),
        "replayed": np.full(4, 5.0),
        "ups": [np.array([3, 9])] * 4,
    }


def result(returns, snapshots=(), counts=None):
    steps = 100.0 * np.arange(1, len(returns) + 1)
    returns = np.array(returns, float)
    counts = np.isfinite(returns).astype(float) if counts is None else np.array(counts, float)
    return {"records": {"env_steps": steps, "return": returns, "episodes": counts}, "snapshots": list(snapshots)}


def test_claims_are_five_and_say_their_rules():
    claims = estimates.claims()
    assert list(claims) == ["stuck", "target", "sees", "harmless", "sparse"]
    assert all("reproduced if" in claim.rule() for claim in claims.values())


def test_evidence_of_each_claim():
    tests = {
        "state": {"game": [examined(300), examined(200)], "both": [examined(frames=100), examined(frames=400)]},
        "pixels": {"game": [examined(20), examined(40)]},
        "author": {"all": [examined(sampled_stuck=0.5), examined(sampled_stuck=1.0)]},
        "sparse": {"game": [examined(blocks=0), examined(blocks=1)], "both": [examined(blocks=3), examined(blocks=2)]},
    }
    blind = np.array([10.0, 20.0, 30.0, 40.0])
    names = {"extrinsic": "game", "both": "both", "author": "all"}
    values = {name: each.estimate().value for name, each in estimates.evidence(tests, blind, names).items()}
    assert values == pytest.approx({"stuck": 0.75, "target": 30, "sees": 225, "harmless": 200 / 150, "sparse": 2})
    record = judge(estimates.claims()["sees"], estimates.evidence(tests, blind, names)["sees"])
    assert record["verdict"] == "undecided" and record["reason"].startswith("2 of the 3")


def test_a_curve_is_of_window_means():
    curve = estimates.curve([result([1, 3, np.nan, 5, np.nan, np.nan]), result([0, 0, 0, 0, 2, 2])], points=3)
    assert curve == {"env_steps": [200, 400, 600], "values": [[2.0, 5.0, None], [0.0, 0.0, 2.0]]}
    assert estimates.curve([result([1, 2])], points=40)["env_steps"] == [100, 200]
    assert list(estimates.curves({"a": [result([1, 2])]})) == ["a"]


def test_a_curve_counts_every_episode_once():
    curve = estimates.curve([result([10, 1, np.nan, 4], counts=[1, 9, 0, 2])], points=2)
    assert curve["values"] == [[1.9, 4.0]]


def test_rows_of_choices():
    tests = {"x": [examined(1, stuck=1.0, sampled_stuck=0.25), examined(3, stuck=0.5)], "y": [examined(7)]}
    x, y = estimates.choice_rows(tests, {"y": [examined(2)]})
    assert x["stuck"] == [1.0, 0.5] and x["sampled_stuck"] == [0.25, 0.0] and x["kinds"] == [0.75, 0.0, 0.0, 0.25]
    assert x["returns"] == [1.0, 3.0] and x["sampled"] == [0.5, 1.5] and x["elsewhere"] == []
    assert y["sampled_kinds"] == [0.0, 0.0, 0.0, 1.0] and y["elsewhere"] == [2.0]


def test_an_aim_stands_beside_what_was_measured():
    aim = estimates.aim("x", 100, [examined(90), examined(110)], [{"env_steps": s, "cpu_seconds": s / 2} for s in (4, 8)])
    assert aim["value"] == 100 and aim["low"] < 0 < 200 < aim["high"]
    assert (aim["name"], aim["aim"], aim["env_steps"], aim["cpu_seconds"]) == ("x", 100, 6, 3)


def test_coins():
    (row,) = estimates.coin_rows({0.09: examined(-2.0, sampled_stuck=0.25)})
    assert row == {"up": 0.09, "return": -1.0, "stuck": 0.25}


def test_a_blind_policy_loses_by_a_replay_as_its_actions_end_where_it_died():
    seeds = np.arange(8)
    never = np.full(40, blind.NOTHING)
    np.testing.assert_array_equal(estimates.blind_replayed(never, seeds), blind.play_tapes(never[None], np.roll(seeds, -1))[0])
    rhythm = blind.rhythm(10.8, 0.5)
    np.testing.assert_array_equal(estimates.blind_replayed(rhythm, seeds[:1]), blind.play_tapes(rhythm[None], seeds[:1])[0])
    elsewhere = blind.play_tapes(rhythm[None], np.roll(seeds, -1))[0]
    assert estimates.blind_replayed(rhythm, seeds).mean() < elsewhere.mean()


@pytest.mark.parametrize(
    ("low", "high", "word"), [(1.1, 2.0, "helps"), (0.4, 0.9, "hurts"), (0.9, 2.0, "has no effect that this run can detect")]
)
def test_what_a_ratio_says(low, high, word):
    assert estimates.effect(Estimate(1.0, low, high, 3)) == word


def test_rows_of_scores_are_sorted_and_have_their_sources():
    rows = estimates.score_rows(
        {"ours": [examined(50), examined(70)], "one": [examined(1)]}, {"tape": np.array([1.0, 3.0, 5.0])}
    )
    values = [row["value"] for row in rows]
    by_name = {row["name"]: row for row in rows}
    assert values == sorted(values) and len(rows) == len(estimates.PUBLIC) + 3
    assert by_name["ours"]["seeds"] == [50, 70] and by_name["ours"]["interval"][0] < 50 and by_name["one"]["interval"] is None
    assert by_name["tape"]["value"] == 3 and by_name["tape"]["interval"][1] == pytest.approx(
        3 + 4.3026527 * 2 / 3**0.5
    )  # t, two degrees of freedom


def shot(seconds, validation, novelty=None):
    return {
        "env_steps": 5,
        "cpu_seconds": seconds,
        "episodes": episodes(validation),
        "ups": [np.array([1, 4])],
        "frames": np.array([30]),
        "novelty": novelty,
    }


def test_snapshots_and_rasters_are_plain():
    (first, second) = estimates.snapshots(result([1], [shot(1, 2.0), shot(2, 3.0, np.array([[1.0, np.nan]]))]))
    assert first["novelty"] is None and second["novelty"] == [[1.0, None]] and second["ups"] == [[1, 4]]
    raster = estimates.raster(examined(frames=900))
    assert raster["frames"] == [200] * 4 and raster["ups"][0] == [3, 9] and raster["kinds"]["other"] == 1.0


def test_the_best_agent_is_that_of_the_validation_levels():
    groups = {"a": [result([1], [shot(1, 3.0), shot(2, 9.0)]), result([1], [shot(1, 4.0)])], "b": [result([1], [shot(1, 8.0)])]}
    assert estimates.best_agent(groups) == ("a", 0)


def test_seconds_to_a_score():
    results = [result([1], [shot(1.0, 20.0), shot(5.0, 120.0), shot(9.0, 110.0)]), result([1], [shot(1.0, 20.0)])]
    assert estimates.seconds_to(results, 100.0) == [5.0, None]
