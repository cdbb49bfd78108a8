"""The numbers of notebook 01 that verdicts and figures use, computed from outcomes of runs (see `solvers.repeat`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wmlib.experiment.statistics import Estimate, Evidence
from wmlib.lessons.cma_es_toy.schaffer import NEAR
from wmlib.lessons.cma_es_toy.solvers import local_optima

Outcomes = Mapping[str, np.ndarray]  # by field of `solvers.Outcome`, (runs,) each


def success_rate(outcomes: Outcomes) -> Evidence:
    """Return the evidence of the proportion of runs that are solved."""
    return Evidence("proportion", {"successes": int(outcomes["solved"].sum()), "n": len(outcomes["solved"])})


def success_row(label: str, kind: str, outcomes: Outcomes) -> dict:
    """Return a row for `figures.draw_success`."""
    return {"label": label, "kind": kind, **success_rate(outcomes).estimate()._asdict()}


def success_difference(a: Outcomes, b: Outcomes) -> Evidence:
    """Return the evidence of the success rate of `a` minus that of `b`, runs with the same number paired."""
    return Evidence("mean", {"values": a["solved"].astype(float) - b["solved"].astype(float)})


def difference(a: Outcomes, b: Outcomes) -> Estimate:
    """Return the estimate of `success_difference`."""
    return success_difference(a, b).estimate()


def sweep(settings: Sequence[float], outcomes: Sequence[Outcomes], author: float) -> dict:
    """Return one panel for `figures.draw_sweeps`: success rate against the values of one setting.

    Args:
        settings: the values.
        outcomes: of the runs with each value.
        author: the author's value, whatever this run's is.
    """
    rates = [success_rate(each).estimate() for each in outcomes]
    ends = {name: [getattr(rate, name) for rate in rates] for name in ("value", "low", "high")}
    return {"settings": settings, "author": author, **ends}


def quartiles(best: np.ndarray, population: int, step: int = 20) -> dict:
    """Return one curve for `figures.draw_slip`.

    Args:
        best: best value so far, (runs, generations).
        population: evaluations per generation.
        step: generations from one point of the curve to the next.

    Returns:
        evaluations, and the quartiles over runs: low, median, high; one entry for each point of the curve.
    """
    low, median, high = np.percentile(best[:, ::step], [25, 50, 75], axis=0)
    return {"evaluations": population * (1 + np.arange(0, best.shape[1], step)), "low": low, "median": median, "high": high}


def count_ends(outcomes: Outcomes) -> dict[str, int]:
    """Count how runs end: found or missed; and of those that missed, on a predicted local optimum, at rest, inside `NEAR`."""
    away = outcomes["x"][~outcomes["solved"]]
    distance = np.linalg.norm(away[:, None] - local_optima(-200, 220), axis=-1).min(axis=1)
    return {
        "found": int(outcomes["solved"].sum()),
        "missed": len(away),
        "on a cross": int((distance < 0.05).sum()),
        "at rest": int(outcomes["at_rest"].sum()),
        "on the map": int(((away > NEAR[0]) & (away < NEAR[1])).all(axis=1).sum()),
    }
