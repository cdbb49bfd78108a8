"""Intervals for small numbers of runs, computed by SciPy.

Source: Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice": interquartile mean, stratified bootstrap.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A number with its 95 % interval and the number of runs behind it."""

    value: float
    low: float
    high: float
    n: int


def interquartile_mean(scores: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return the mean of the middle half of the scores (over all of them if `axis` is None)."""
    scores = np.asarray(scores, dtype=float)
    return stats.trim_mean(scores.ravel() if axis is None else scores, 0.25, axis=0 if axis is None else axis)


def bootstrap(
    scores: np.ndarray, rng: np.random.Generator, statistic: Callable = interquartile_mean, resamples: int = 2000
) -> Estimate:
    """Estimate a statistic of runs x tasks with its stratified percentile-bootstrap 95 % interval.

    Args:
        scores: (runs,) or (runs, tasks); within each task the runs are drawn again with replacement, so that every
            resample holds every task equally often.
        rng: makes the resamples, and so the interval, repeatable.
        statistic: of an array, by keyword `axis` (None: over all).
        resamples: number of resamples.

    Raises:
        ValueError: no score at all, or one that is not finite.

    Example:
        >>> bootstrap(np.arange(8.0), np.random.default_rng(0)).value
        3.5
    """
    scores = np.asarray(scores, dtype=float)
    scores = scores[:, None] if scores.ndim == 1 else scores
    if scores.ndim != 2 or scores.size == 0 or not np.isfinite(scores).all():
        raise ValueError(f"scores: got shape {scores.shape}; allowed is (runs,) or (runs, tasks), all finite, not empty")
    value = float(statistic(scores, axis=None))
    runs = len(scores)
    if runs == 1:
        raise ValueError("scores: got 1 run; an interval needs at least 2")

    def pooled(*columns: np.ndarray, axis: int = -1) -> np.ndarray:
        return statistic(np.concatenate(np.broadcast_arrays(*columns), axis=axis), axis=axis)

    interval = stats.bootstrap(
        tuple(scores.T), pooled, n_resamples=resamples, vectorized=True, method="percentile", rng=rng
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high), runs)


def smallest_detectable(estimate: Estimate) -> float:
    """Return about the smallest true difference that four of five repetitions of a comparison would find.

    That is 2.8 standard errors: 1.96 for 95 % confidence and 0.84 for a power of 80 %. Half an interval is 1.96 of them.

    Args:
        estimate: of a difference, with its 95 % interval.

    Example:
        >>> round(smallest_detectable(Estimate(0.1, -0.1, 0.3, 5)), 2)
        0.28
    """
    return 1.4 * (estimate.high - estimate.low) / 2


def proportion(successes: int, n: int) -> Estimate:
    """Estimate a success rate with Wilson's 95 % interval, which is sane at 0 of n and n of n.

    Example:
        >>> [round(v, 3) for v in proportion(100, 100)[:3]]
        [1.0, 0.963, 1.0]
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes: got {successes} of {n}; allowed is 0 <= successes <= n with n >= 1")
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high), int(n))


def difference_of_proportions(successes: int, n: int, other_successes: int, other_n: int) -> Estimate:
    """Estimate a success rate minus another, with Newcombe's 95 % interval: sane where all or none succeed.

    Source: Newcombe 1998, Statistics in Medicine 17, 873-890, method 10; its example is 56 of 70 and 48 of 80.

    Example:
        >>> [round(v, 4) for v in difference_of_proportions(56, 70, 48, 80)[:3]]
        [0.2, 0.0524, 0.3339]
    """
    a = proportion(successes, n)
    b = proportion(other_successes, other_n)
    below = ((a.value - a.low) ** 2 + (b.high - b.value) ** 2) ** 0.5
    above = ((a.high - a.value) ** 2 + (b.value - b.low) ** 2) ** 0.5
    return Estimate(a.value - b.value, a.value - b.value - below, a.value - b.value + above, min(a.n, b.n))


def ratio_of_medians(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, resamples: int = 2000) -> Estimate:
    """Estimate median(a) / median(b) of two independent samples with a percentile-bootstrap 95 % interval."""
    a = np.asarray(a, dtype=float)
    b = np.asarray(b, dtype=float)

    def ratio(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.median(x, axis=axis) / np.median(y, axis=axis)

    interval = stats.bootstrap(
        (a, b), ratio, n_resamples=resamples, vectorized=True, method="percentile", rng=rng
    ).confidence_interval
    return Estimate(float(ratio(a, b)), float(interval.low), float(interval.high), min(len(a), len(b)))


def ratio_of_sums(hits: np.ndarray, counts: np.ndarray, rng: np.random.Generator, resamples: int = 2000) -> Estimate:
    """Estimate Σ hits / Σ counts with a percentile-bootstrap 95 % interval in which runs *and* groups are drawn again.

    For counts that hang together within a group, such as what is seen in one episode, and depend on the run, such as a
    random start: every run meets every group.

    Args:
        hits: (runs, groups), at most the counts.
        counts: (groups,) or (runs, groups).

    Returns:
        with n the number of runs.

    Raises:
        ValueError: shapes that do not fit, or nothing counted.

    Source: two-way ("pigeonhole") bootstrap: Owen 2007, Annals of Applied Statistics 1(2), 386-411.

    Example:
        >>> ratio_of_sums(np.full((3, 5), 2), np.full(5, 4), np.random.default_rng(0))
        Estimate(value=0.5, low=0.5, high=0.5, n=3)
    """
    hits = np.asarray(hits, float)
    if hits.ndim != 2 or np.shape(counts) not in (hits.shape, hits.shape[1:]) or not np.sum(counts) > 0:
        raise ValueError(
            f"hits, counts: got shapes {hits.shape}, {np.shape(counts)}, sum of counts {np.sum(counts):g}; allowed are (runs, "
            "groups) with (groups,) or (runs, groups), and something counted"
        )
    counts = np.broadcast_to(np.asarray(counts, float), hits.shape)
    runs, groups = (rng.multinomial(n, np.full(n, 1 / n), resamples) for n in hits.shape)  # how often each is drawn
    above, below = (np.einsum("br,rg,bg->b", runs, values, groups, optimize=True) for values in (hits, counts))
    low, high = np.quantile(above[below > 0] / below[below > 0], (0.025, 0.975))
    return Estimate(float(hits.sum() / counts.sum()), float(low), float(high), len(hits))
