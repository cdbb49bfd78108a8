"""Estimates with 95 % intervals that hold for a handful of training seeds, and what they are made of.

Reading guide. The functions from `mean` to `ratio_of_sums` each return an `Estimate`. `Evidence` names one of them together
with the numbers that it is given, one for each run, so that an estimate can be stored, computed again and simulated.

No interval here is a bootstrap: of two or three training seeds a bootstrap makes intervals that hold the truth two times in
three (`tests/experiment/test_statistics.py` counts). Student's t makes honest ones, which are wide where there are few runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Estimate(NamedTuple):
    """A number with its 95 % interval and the number of runs behind it."""

    value: float
    low: float
    high: float
    n: int


def mean(values: ArrayLike) -> Estimate:
    """Estimate the mean of runs with Student's t interval; of differences, if each value is one of a pair of runs.

    Args:
        values: (runs,), at least 2.

    Raises:
        ValueError: another shape, fewer than 2 runs, or a value that is not finite.

    Example:
        >>> [round(float(v), 2) for v in mean([1.0, 2.0, 3.0])]
        [2.0, -0.48, 4.48, 3.0]
    """
    values = _runs("values", values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return Estimate(float(values.mean()), float(values.mean() - half), float(values.mean() + half), len(values))


def ratio(above: ArrayLike, below: ArrayLike) -> Estimate:
    """Estimate the ratio of two positive quantities of independent runs: of geometric means, with Welch's interval.

    Args:
        above, below: (runs,), (other runs,), at least 2 each, above 0.

    Raises:
        ValueError: another shape, fewer than 2 runs, or a value that is not above 0.

    Example:
        >>> round(ratio([2.0, 8.0], [1.0, 4.0]).value, 3)
        2.0
    """
    logs = [_logs("above", above), _logs("below", below)]
    variances = [runs.var(ddof=1) / len(runs) for runs in logs]
    total = sum(variances)
    half = 0.0
    if total > 0:
        freedom = total**2 / sum(v**2 / (len(runs) - 1) for v, runs in zip(variances, logs, strict=True))
        half = stats.t.ppf(0.975, freedom) * math.sqrt(total)
    difference = logs[0].mean() - logs[1].mean()
    value, low, high = (math.exp(min(end, 700.0)) for end in (difference, difference - half, difference + half))
    return Estimate(value, low, high, min(map(len, logs)))


def geometric_mean(values: ArrayLike) -> Estimate:
    """Estimate the geometric mean of a positive quantity, such as an error, with Student's t interval for its logarithm.

    Args:
        values: (runs,), at least 2, above 0.

    Raises:
        ValueError: another shape, fewer than 2 runs, or a value that is not above 0.

    Example:
        >>> round(geometric_mean([1.0, 4.0]).value, 3)
        2.0
    """
    logs = mean(_logs("values", values))
    value, low, high = (math.exp(min(end, 700.0)) for end in logs[:3])
    return Estimate(value, low, high, logs.n)


def proportion(successes: int, n: int) -> Estimate:
    """Estimate a success rate with Wilson's 95 % interval, which is sane at 0 of n and n of n.

    Raises:
        ValueError: more successes than runs, or none of either.

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


def ratio_of_sums(hits: ArrayLike, counts: ArrayLike) -> Estimate:
    """Estimate Σ hits / Σ counts where every run meets every group, such as training seeds and test games.

    Both are random: another seed and other games would have given other numbers. Each makes a t interval of its own, from the
    spread between runs and from that between groups, and the two half widths are added as squares. That is a little too wide
    (each spread holds the cells' own noise), never too narrow, and with two runs as wide as it must be. One run counts as
    fixed: a rule without chance, or one trained model, and then the interval knows no other training seed.

    Args:
        hits: (runs, groups); differences of two models' hits on the same groups are allowed.
        counts: (groups,) or (runs, groups).

    Returns:
        with n the number of runs.

    Raises:
        ValueError: shapes that do not fit, fewer than 2 groups, or nothing counted.

    Source: both spreads at once: Owen 2007, Annals of Applied Statistics 1(2), 386-411; half widths as squares: Zou & Donner
    2008, Statistics in Medicine 27, 1693-1702.

    Example:
        >>> ratio_of_sums(np.full((3, 5), 2), np.full(5, 4))
        Estimate(value=0.5, low=0.5, high=0.5, n=3)
    """
    hits, counts = _crossed(hits, counts)
    value = hits.sum() / counts.sum()
    residuals = hits - value * counts  # a ratio's deviation is its residuals' sum over the counts' sum, to first order
    halves = []
    for sums in (residuals.sum(1), residuals.sum(0)):
        n = len(sums)
        halves.append(stats.t.ppf(0.975, n - 1) * math.sqrt(n * sums.var(ddof=1)) / counts.sum() if n > 1 else 0.0)
    half = math.hypot(*halves)
    return Estimate(float(value), float(value - half), float(value + half), len(hits))


def _runs(name: str, values: ArrayLike) -> np.ndarray:
    runs = np.asarray(values, float)
    if runs.ndim != 1 or len(runs) < 2 or not np.isfinite(runs).all():
        raise ValueError(f"{name}: got shape {runs.shape}; allowed is (runs,) with at least 2 runs, all finite")
    return runs


def _logs(name: str, values: ArrayLike) -> np.ndarray:
    runs = _runs(name, values)
    if (runs <= 0).any():
        raise ValueError(f"{name}: got {runs.min():g} among the values; a geometric mean needs values above 0")
    return np.log(runs)


def _crossed(hits: ArrayLike, counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    hits = np.asarray(hits, float)
    counts = np.asarray(counts, float)
    fits = hits.ndim == 2 and hits.shape[1] > 1 and counts.shape in (hits.shape, hits.shape[1:])
    if not fits or not counts.sum() > 0 or not np.isfinite(hits).all():
        raise ValueError(
            f"hits, counts: got shapes {hits.shape}, {counts.shape}, sum of counts {counts.sum():g}; allowed are (runs, "
            "groups) and (groups,) or (runs, groups), at least 2 groups, all finite, and something counted"
        )
    return hits, np.broadcast_to(counts, hits.shape)


def smallest_detectable(estimate: Estimate) -> float:
    """Return about the smallest true difference that four of five repetitions of a comparison would find.

    That is 2.8 standard errors: 1.96 for 95 % confidence and 0.84 for a power of 80 %. Half an interval is about 1.96 of them.

    Args:
        estimate: of a difference, with its 95 % interval.

    Example:
        >>> round(smallest_detectable(Estimate(0.1, -0.1, 0.3, 5)), 2)
        0.28
    """
    return 1.4 * (estimate.high - estimate.low) / 2


ESTIMATORS: dict[str, Callable[..., Estimate]] = {
    function.__name__: function
    for function in (mean, geometric_mean, ratio, proportion, difference_of_proportions, ratio_of_sums)
}


@dataclass(frozen=True)
class Evidence:
    """The numbers behind an estimate, one for each run, and how they become one.

    Args:
        estimator: a name in `ESTIMATORS`.
        values: its arguments by name; arrays are kept as nested lists of numbers with six significant digits, which is what
            is stored and computed with.

    Example:
        >>> Evidence("proportion", {"successes": 3, "n": 4}).estimate().value
        0.75
    """

    estimator: str
    values: dict[str, Any]

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"estimator: got {self.estimator!r}; allowed are {', '.join(ESTIMATORS)}")
        object.__setattr__(self, "values", {name: _six_digits(values) for name, values in self.values.items()})

    def estimate(self) -> Estimate:
        """Return the estimate of these numbers."""
        return ESTIMATORS[self.estimator](**self.values)

    def simulated(self, effect: float, n: int, rng: np.random.Generator) -> Estimate:
        """Return the estimate of `n` runs as it would come if the truth were `effect` and the noise that of these numbers.

        Args:
            effect: the true value of what is estimated.
            n: runs, or trials of a proportion.
            rng: of the noise.
        """
        return ESTIMATORS[self.estimator](**_SIMULATORS[self.estimator](effect, n, rng, **self.values))


def _six_digits(values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return array.astype(int).tolist()
    return np.vectorize(lambda v: float(f"{v:.6g}"), otypes=[float])(array).tolist() if array.size else array.tolist()


def _simulated_mean(effect: float, trials: int, rng: np.random.Generator, values: list) -> dict:
    return {"values": rng.normal(effect, np.std(values, ddof=1), trials)}


def _simulated_geometric_mean(effect: float, trials: int, rng: np.random.Generator, values: list) -> dict:
    return {"values": np.exp(rng.normal(math.log(effect), np.log(values).std(ddof=1), trials))}


def _simulated_ratio(effect: float, trials: int, rng: np.random.Generator, above: list, below: list) -> dict:
    spreads = (np.log(values).std(ddof=1) for values in (above, below))
    a, b = (np.exp(rng.normal(center, spread, trials)) for center, spread in zip((math.log(effect), 0.0), spreads, strict=True))
    return {"above": a, "below": b}


def _simulated_proportion(effect: float, trials: int, rng: np.random.Generator, **values: int) -> dict:
    return {"successes": int(rng.binomial(trials, min(max(effect, 0.0), 1.0))), "n": trials}


def _simulated_difference(
    effect: float, trials: int, rng: np.random.Generator, other_successes: int, other_n: int, **_: int
) -> dict:
    base = min(max(other_successes / other_n, -effect, 0.0), 1.0 - max(effect, 0.0))  # room for the effect on either side
    counts = {"successes": int(rng.binomial(trials, min(max(base + effect, 0.0), 1.0))), "n": trials}
    return {**counts, "other_successes": int(rng.binomial(trials, base)), "other_n": trials}


def _simulated_ratio_of_sums(effect: float, trials: int, rng: np.random.Generator, hits: list, counts: list) -> dict:
    """Draw run effects, group effects and noise of cells with the variances that the numbers show: of one run, none of runs."""
    h, c = _crossed(hits, counts)
    rates = np.divide(h, c, out=np.full(h.shape, h.sum() / c.sum()), where=c > 0)
    runs, groups = rates.shape
    by_group = rates.mean(0)
    by_run = rates.mean(1)
    cells = rates - by_group - by_run[:, None] + rates.mean()
    noise = cells.var() * rates.size / max((runs - 1) * (groups - 1), 1)
    between_runs = max(by_run.var(ddof=1) - noise / groups, 0.0) if runs > 1 else 0.0
    between_groups = max(by_group.var(ddof=1) - noise / runs, 0.0)
    total = c.mean(0)
    simulated = (
        effect
        + rng.normal(0, math.sqrt(between_runs), (trials, 1))
        + rng.normal(0, math.sqrt(between_groups), groups)
        + rng.normal(0, math.sqrt(noise), (trials, groups))
    )
    return {"hits": simulated * total, "counts": total}


_SIMULATORS: dict[str, Callable[..., dict]] = {
    "mean": _simulated_mean,
    "geometric_mean": _simulated_geometric_mean,
    "ratio": _simulated_ratio,
    "proportion": _simulated_proportion,
    "difference_of_proportions": _simulated_difference,
    "ratio_of_sums": _simulated_ratio_of_sums,
}
