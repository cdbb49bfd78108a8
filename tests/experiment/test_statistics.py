"""Intervals against SciPy, against their own equations, and by how often they hold the truth."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from wmlib.experiment import statistics
from wmlib.experiment.statistics import Evidence


@pytest.mark.parametrize("n", [2, 5, 40])
def test_the_mean_has_scipys_t_interval(n):
    values = np.random.default_rng(n).normal(3, 2, n)
    ours = statistics.mean(values)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert ours == pytest.approx((values.mean(), interval.low, interval.high, n))


@pytest.mark.parametrize("n, m", [(2, 2), (5, 9)])
def test_a_ratio_is_welchs_interval_of_the_logarithms(n, m):
    rng = np.random.default_rng(n)
    a, b = rng.lognormal(1, 0.5, n), rng.lognormal(0, 1.5, m)
    ours = statistics.ratio(a, b)
    interval = stats.ttest_ind(np.log(a), np.log(b), equal_var=False).confidence_interval(0.95)
    center = np.log(a).mean() - np.log(b).mean()
    assert ours == pytest.approx((*np.exp([center, interval.low, interval.high]), min(n, m)))
    other = statistics.ratio(b, a)
    assert (other.low, other.high) == pytest.approx((1 / ours.high, 1 / ours.low))
    assert statistics.ratio([2.0, 2.0], [1.0, 1.0]) == (2.0, 2.0, 2.0, 2)


@pytest.mark.parametrize("values", [[], [3.0], [1.0, np.nan], np.zeros((2, 2))])
def test_what_has_no_interval_is_refused(values):
    with pytest.raises(ValueError, match=r"values: got shape .*; allowed is \(runs,\) with at least 2 runs"):
        statistics.mean(values)
    with pytest.raises(ValueError, match="below: got shape"):
        statistics.ratio([1.0, 2.0], values)


def test_a_ratio_of_what_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="above: got -1 among the values; a geometric mean needs values above 0"):
        statistics.ratio([1.0, -1.0], [1.0, 2.0])


def test_the_smallest_detectable_difference_is_found_in_four_of_five_repetitions():
    rng, error = np.random.default_rng(0), 0.3
    interval = statistics.Estimate(7.0, 7.0 - 1.96 * error, 7.0 + 1.96 * error, 5)
    difference = statistics.smallest_detectable(interval)
    assert difference == pytest.approx(2.8 * error, rel=0.03)
    observed = rng.normal(difference, error, 20_000)
    assert np.mean(observed - 1.96 * error > 0) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("successes, n", [(0, 7), (7, 7), (13, 40), (1, 1)])
def test_wilson_interval_solves_its_equation(successes, n):
    estimate = statistics.proportion(successes, n)
    z = stats.norm.ppf(0.975)
    for p in (estimate.low, estimate.high):
        if 0 < p < 1:
            assert abs(successes / n - p) == pytest.approx(z * np.sqrt(p * (1 - p) / n))
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_a_bad_proportion_is_refused():
    with pytest.raises(ValueError, match="got 5 of 4"):
        statistics.proportion(5, 4)


@pytest.mark.parametrize("counts", [(56, 70, 48, 80), (0, 9, 7, 7), (5, 5, 5, 5), (1, 40, 3, 11)])
def test_a_difference_of_proportions_combines_their_wilson_intervals(counts):
    difference = statistics.difference_of_proportions(*counts)
    a, b = statistics.proportion(*counts[:2]), statistics.proportion(*counts[2:])
    assert difference.value == pytest.approx(a.value - b.value) and difference.n == min(a.n, b.n)
    assert difference.value - difference.low == pytest.approx(np.hypot(a.value - a.low, b.high - b.value))
    assert difference.high - difference.value == pytest.approx(np.hypot(a.high - a.value, b.value - b.low))
    assert -1 <= difference.low <= difference.value <= difference.high <= 1
    other = statistics.difference_of_proportions(*counts[2:], *counts[:2])
    assert (other.low, other.high) == pytest.approx((-difference.high, -difference.low))


@pytest.mark.parametrize("by_run", [False, True])
def test_a_ratio_of_sums_adds_the_half_widths_of_runs_and_groups_as_squares(by_run):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 20, size=(3, 17) if by_run else 17)
    hits = rng.binomial(counts, rng.random((3, 1)) * rng.random(17))
    ours = statistics.ratio_of_sums(hits, counts)
    every = np.broadcast_to(counts, hits.shape)
    value = hits.sum() / every.sum()
    squares = 0.0
    for axis, n in ((1, 3), (0, 17)):
        deviations = n * (hits - value * every).sum(axis) / every.sum()  # of each run's or group's own ratio, to first order
        squares += (stats.t.ppf(0.975, n - 1) * deviations.std(ddof=1) / np.sqrt(n)) ** 2
    assert ours == pytest.approx((value, value - np.sqrt(squares), value + np.sqrt(squares), 3))


def test_of_one_run_a_ratio_of_sums_has_the_interval_of_its_groups():
    tics = np.random.default_rng(0).normal(300, 100, (1, 40))
    assert statistics.ratio_of_sums(tics, np.ones(40))[:3] == pytest.approx(statistics.mean(tics[0])[:3])


@pytest.mark.parametrize(
    "runs, groups, between_runs, between_groups, noise",
    [(2, 100, 213, 0, 350), (2, 100, 213, 200, 300), (3, 16, 1, 1, 1), (5, 30, 1, 0, 1), (8, 100, 1, 1, 1), (3, 20, 0, 0, 1)],
)
def test_intervals_of_few_runs_hold_the_truth(runs, groups, between_runs, between_groups, noise):
    """Runs 213 tics apart, games 350: what two agents of notebook 05 and 100 games are like."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(1000):
        scores = rng.normal(0, between_runs, (runs, 1)) + rng.normal(0, between_groups, groups)
        scores = scores + rng.normal(0, noise, (runs, groups))
        estimate = statistics.ratio_of_sums(scores, np.ones(groups))
        covered.append(estimate.low <= 0 <= estimate.high)
    assert np.mean(covered) > 0.93  # 0.95 and three standard errors


def test_a_bootstrap_of_two_runs_would_not():
    """Why there is none here: two runs drawn again are the same run twice half the time."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        scores = rng.normal(0, 213, (2, 1)) + rng.normal(0, 350, (2, 100))
        means = scores.mean(1)[rng.integers(2, size=(400, 2))].mean(1)
        covered.append(np.quantile(means, 0.025) <= 0 <= np.quantile(means, 0.975))
    assert np.mean(covered) < 0.75


def test_a_ratio_to_nothing_is_refused():
    for hits, counts in ((np.zeros((3, 5)), np.zeros(5)), (np.zeros((3, 5)), np.ones(3)), (np.zeros(5), np.ones(5))):
        with pytest.raises(ValueError, match="hits, counts: got shapes"):
            statistics.ratio_of_sums(hits, counts)


# --- evidence --------------------------------------------------------------------------------------------------------------

EVIDENCE = {
    "mean": ({"values": [1.0, 2.5, 3.0]}, 2.0),
    "geometric_mean": ({"values": [1.0, 2.0, 4.0]}, 2.0),
    "ratio": ({"above": [2.0, 3.0, 5.0], "below": [1.0, 2.0]}, 2.0),
    "proportion": ({"successes": 7, "n": 9}, 0.7),
    "difference_of_proportions": ({"successes": 7, "n": 9, "other_successes": 2, "other_n": 9}, 0.4),
    "ratio_of_sums": (
        {"hits": np.random.default_rng(0).normal([[3], [4], [5]], 1, (3, 12)), "counts": np.full(12, 2.0)},
        2.0,
    ),
}


@pytest.mark.parametrize("estimator", statistics.ESTIMATORS)
def test_evidence_is_its_estimate_stored_or_not(estimator):
    values, _ = EVIDENCE[estimator]
    evidence = Evidence(estimator, values)
    stored = json.loads(json.dumps(dataclasses.asdict(evidence)))
    assert Evidence(**stored) == evidence
    assert evidence.estimate() == pytest.approx(statistics.ESTIMATORS[estimator](**values), rel=1e-4)


@pytest.mark.parametrize("estimator", statistics.ESTIMATORS)
def test_simulated_evidence_lies_around_its_truth_with_the_noise_of_the_evidence(estimator):
    values, effect = EVIDENCE[estimator]
    evidence = Evidence(estimator, values)
    rng = np.random.default_rng(0)
    estimates = [evidence.simulated(effect, 6, rng) for _ in range(1500)]
    assert all(estimate.n == 6 for estimate in estimates)
    center = np.median([estimate.value for estimate in estimates])
    assert center == pytest.approx(effect, abs=0.1)
    covered = np.mean([estimate.low <= effect <= estimate.high for estimate in estimates])
    assert covered > 0.9


def test_an_unknown_estimator_is_refused():
    with pytest.raises(ValueError, match="estimator: got 'bootstrap'; allowed are mean, geometric_mean, ratio"):
        Evidence("bootstrap", {})


def test_evidence_keeps_six_digits():
    assert Evidence("mean", {"values": np.array([1 / 3, 2e6 / 3], np.float32)}).values == {"values": [0.333333, 666667.0]}
