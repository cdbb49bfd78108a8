"""Intervals against plain loops, against their own equations, and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from wmlib.experiment import statistics


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 13])
def test_interquartile_mean_is_scipys_trimmed_mean(n):
    x = np.random.default_rng(n).normal(size=(n, 3)) ** 3
    assert statistics.interquartile_mean(x) == pytest.approx(stats.trim_mean(x.ravel(), 0.25))
    np.testing.assert_allclose(statistics.interquartile_mean(x, axis=0), stats.trim_mean(x, 0.25, axis=0))
    assert statistics.interquartile_mean(np.array([0, 1, 2, 3, 4, 5, 6, 1000.0])) == 3.5


def plain_stratified_bootstrap(scores, resamples, rng):
    """Loops: draw runs again within each task, take the interquartile mean of all."""
    runs, tasks = scores.shape
    values = []
    for _ in range(resamples):
        drawn = [scores[rng.integers(0, runs, runs), t] for t in range(tasks)]
        values.append(stats.trim_mean(np.concatenate(drawn), 0.25))
    return np.percentile(values, [2.5, 97.5])


@pytest.mark.parametrize("tasks", [1, 3])
def test_the_interval_is_that_of_a_plain_stratified_bootstrap(tasks):
    scores = np.random.default_rng(0).normal(size=(11, tasks)) + 10 * np.arange(tasks)
    ours = statistics.bootstrap(scores, np.random.default_rng(1), resamples=8000)
    low, high = plain_stratified_bootstrap(scores, 8000, np.random.default_rng(2))
    width = high - low
    assert ours.value == pytest.approx(statistics.interquartile_mean(scores))
    assert abs(ours.low - low) < 0.06 * width and abs(ours.high - high) < 0.06 * width
    assert ours.low < ours.value < ours.high and ours.n == 11


def test_the_interval_repeats_with_its_generator():
    scores = np.random.default_rng(0).normal(size=9)
    a, b, c = (statistics.bootstrap(scores, np.random.default_rng(s)) for s in (1, 1, 2))
    assert a == b != c


def test_one_run_has_no_interval():
    with pytest.raises(ValueError, match="got 1 run; an interval needs at least 2"):
        statistics.bootstrap(np.array([3.0]), np.random.default_rng(0))


@pytest.mark.parametrize("scores", [[], [1.0, np.nan], np.zeros((2, 2, 2))])
def test_bad_scores_are_refused(scores):
    with pytest.raises(ValueError, match="scores: got shape"):
        statistics.bootstrap(np.array(scores), np.random.default_rng(0))


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


def test_ratio_of_medians_covers_the_truth():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        estimate = statistics.ratio_of_medians(rng.lognormal(0.7, 1, 41), rng.lognormal(0, 1, 41), rng, resamples=500)
        hits += estimate.low <= np.exp(0.7) <= estimate.high
    assert hits >= 50  # 95 % of 60 is 57


def plain_two_way_bootstrap(hits, counts, resamples, rng):
    """Loops: draw runs and groups again, each with replacement."""
    runs, groups = hits.shape
    values = []
    for _ in range(resamples):
        r, g = rng.integers(runs, size=runs), rng.integers(groups, size=groups)
        values.append(hits[r][:, g].sum() / counts[r][:, g].sum())
    return np.percentile(values, [2.5, 97.5])


@pytest.mark.parametrize("runs, by_run", [(3, False), (5, True), (1, False)])
def test_a_ratio_of_sums_has_the_interval_of_a_plain_two_way_bootstrap(runs, by_run):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 20, size=(runs, 17) if by_run else 17)
    hits = rng.binomial(counts, rng.random((runs, 1)) * rng.random(17))
    ours = statistics.ratio_of_sums(hits, counts, np.random.default_rng(1), resamples=8000)
    every = np.broadcast_to(counts, hits.shape)
    low, high = plain_two_way_bootstrap(hits, every, 8000, np.random.default_rng(2))
    assert ours.value == hits.sum() / every.sum() and ours.n == runs
    assert abs(ours.low - low) < 0.07 * (high - low) and abs(ours.high - high) < 0.07 * (high - low)


def test_a_ratio_to_nothing_is_refused():
    for hits, counts in ((np.zeros((3, 5)), np.zeros(5)), (np.zeros((3, 5)), np.ones(3)), (np.zeros(5), np.ones(5))):
        with pytest.raises(ValueError, match="hits, counts: got shapes"):
            statistics.ratio_of_sums(hits, counts, np.random.default_rng(0))


def test_two_runs_give_intervals_that_are_too_short():
    """What notebook 05 says of its own intervals: runs 213 tics apart, games 350, two runs of 100 games."""
    rng, covered = np.random.default_rng(0), []
    for _ in range(300):
        tics = rng.normal(0, 213, (2, 1)) + rng.normal(0, 350, (2, 100))
        estimate = statistics.ratio_of_sums(tics, np.ones(100), rng, 400)
        covered.append(estimate.low <= 0 <= estimate.high)
    assert 0.55 < np.mean(covered) < 0.75
