"""The numbers behind verdicts and figures, against ones that are computed by hand."""

import numpy as np
import pytest

from wmlib.lessons.neural_computer_agent import estimates

ACTS = [
    # level, live steps, exact, greedy_solved
    (0, 50, [0.5, 0.0, 0.0], [False, False, False]),
    (0, 100, [0.8, 0.1, 0.0], [True, False, False]),
    (1, 300, [0.9, 0.7, 0.2], [True, True, False]),
    (2, 600, [0.6, 0.9, 0.5], [False, True, False]),
]


def result(solved_at=(100, 300, None)):
    """A run that solves two levels of three, and then loses the first."""
    records = [{"stage": "explore", "level": 0, "round": 0, "live_steps": 40, "success": 0.5}]
    for level, steps, exact, greedy in ACTS:
        solved = steps == solved_at[level]
        records.append(
            {
                "stage": "act",
                "level": level,
                "round": 0,
                "live_steps": steps,
                "exact": exact,
                "greedy_solved": greedy,
                "greedy": 10 if solved else None,
                "solved": solved,
                "beside": {"actions": [1], "dreamt": ["1"], "real": ["1"], "predicted": [], "dream_ends": 1, "real_ends": None},
            }
        )
    return {"records": records, "solved_at": list(solved_at), "live_steps": 600, "cpu_seconds": 2.5}


def test_a_row_for_each_level_solved():
    rows = estimates.matrix(result(), "exact")
    assert rows[0].tolist() == [0.8, 0.1, 0.0] and rows[1].tolist() == [0.9, 0.7, 0.2] and np.isnan(rows[2]).all()
    assert estimates.final(result(), "exact").tolist() == [0.6, 0.9, 0.5]
    panel = estimates.matrix_panel([result(), result((100, None, None))], "exact")
    assert panel[0] == [0.8, 0.1, 0.0] and panel[2] == [None] * 3


def test_backward_transfer_compares_the_end_with_when_a_level_was_solved():
    assert estimates.backward_transfer(result(), "exact") == pytest.approx(((0.6 - 0.8) + (0.9 - 0.7)) / 2)
    assert estimates.backward_transfer(result(), "greedy_solved") == -0.5
    whole = result((100, 300, 600))
    assert estimates.backward_transfer(whole, "exact") == pytest.approx(0.0)  # the last level has nothing after it
    assert estimates.backward_transfer(result((None, None, None)), "exact") == 0.0


def test_forward_transfer_is_gained_area_over_what_was_to_be_gained():
    alone = [{"solved_at": [100]}, {"solved_at": [400]}, {"solved_at": [None]}]
    assert estimates.steps_by_level(result()) == [100, 200, None]
    # level 1: areas 0.8 and 0.6 alone; level 2: 0 and 0
    assert estimates.forward_transfer(result(), alone, 1000) == pytest.approx(((0.8 - 0.6) / 0.4 + 0.0) / 2)


def test_rows_count_the_budget_where_not_all_is_solved():
    row = estimates.arm_row("DNC", [result(), result((100, 300, 600))], budget=5000)
    assert row["live_steps"] == [5000, 600] and row["levels"] == [2, 3] and row["whole"] == [False, True]
    ppo = estimates.arm_row("PPO", [result((100, 300, 6000))] * 2, budget=9000)
    assert estimates.times_fewer(row, ppo).estimate().value == pytest.approx(6000 / (5000 * 600) ** 0.5)


def test_evidence_of_the_claims():
    results = [result(), result((100, 300, 600))]
    assert estimates.adequate(results).values == {"values": [0.666667, 0.666667]}
    assert estimates.solved(results).values == {"values": [0.666667, 1.0]}
    assert estimates.kept(results, "greedy_solved").values == {"values": [-0.5, -0.5]}


def test_story_and_dreams_follow_the_run():
    told = estimates.story(result())
    assert [each["solved"] for each in told] == [0, 0, 1, 2, 2] and told[0]["exact"] is None and told[1]["exact"] == [0.5, 0, 0]
    assert told[0]["words"] == "random moves reach the goal in 50% of episodes"
    assert told[2]["words"] == "greedy path of 10 steps, the shortest: solved"
    assert [(d["level"], d["iteration"]) for d in estimates.dreams(result())] == [(0, 1), (0, 2), (1, 1), (2, 1)]
