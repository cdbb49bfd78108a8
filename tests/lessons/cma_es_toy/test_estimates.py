"""The numbers of notebook 01, against counts by hand."""

import numpy as np
import pytest

from wmlib.experiment.statistics import proportion
from wmlib.lessons.cma_es_toy import estimates, solvers
from wmlib.lessons.cma_es_toy.schaffer import NEAR

CROSS = solvers.local_optima(*NEAR)[0]


def outcomes(solved, x=None):
    solved = np.array(solved, bool)
    x = np.full((len(solved), 2), 10.0) if x is None else np.array(x, float)
    return {"solved": solved, "x": x, "at_rest": ~solved}


def test_a_success_rate_is_a_proportion_with_wilson_s_interval():
    assert estimates.success_rate(outcomes([1, 0, 0, 1])).estimate() == proportion(2, 4)
    row = estimates.success_row("ours", "peer", outcomes([1, 0]))
    assert (row["label"], row["kind"], row["value"], row["n"]) == ("ours", "peer", 0.5, 2)


def test_a_difference_pairs_runs_of_the_same_number():
    a, b = outcomes([1, 1, 0, 1] * 5), outcomes([0, 1, 0, 1] * 5)
    difference = estimates.difference(a, b)
    assert difference.value == pytest.approx(0.25) and 0 < difference.low < 0.25 < difference.high
    none = estimates.difference(a, a)
    assert none[:3] == (0.0, 0.0, 0.0)  # paired: no chance is left


def test_a_sweep_marks_the_author_s_value_whatever_this_run_s_is():
    panel = estimates.sweep([0.3, 3.0], [outcomes([1, 1]), outcomes([0, 1])], author=0.3)
    assert panel["author"] == 0.3 and panel["settings"] == [0.3, 3.0]
    assert panel["value"] == [1.0, 0.5] and all(
        low <= v <= high for low, v, high in zip(*map(panel.get, ("low", "value", "high")), strict=True)
    )


def test_quartiles_have_a_point_every_so_many_generations():
    best = np.array([[4.0, 1, 1], [8, 2, 2], [12, 3, 3], [16, 4, 4], [20, 5, 5]])
    curve = estimates.quartiles(best, population=10, step=2)
    assert curve["evaluations"].tolist() == [10, 30]
    assert curve["low"].tolist() == [8, 2] and curve["median"].tolist() == [12, 3] and curve["high"].tolist() == [16, 4]


def test_where_runs_end_is_counted():
    near, off = CROSS + np.array([0.04, 0]), CROSS + np.array([0.06, 0])
    x = [(10, 10), CROSS, near, off, (50, 50)]
    ends = outcomes([1, 0, 0, 0, 0], x)
    ends["at_rest"] = np.array([0, 1, 1, 0, 1], bool)
    assert estimates.count_ends(ends) == {"found": 1, "missed": 4, "on a cross": 2, "at rest": 3, "on the map": 3}
