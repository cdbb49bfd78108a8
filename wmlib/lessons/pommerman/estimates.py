"""The numbers of notebook 06 that verdicts and figures use, made of tallies, one a training seed (see `measures.tally`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wmlib.experiment.statistics import Estimate, ratio_of_sums
from wmlib.lessons.pommerman import hidden_numbers

Tallies = Sequence[Mapping[str, np.ndarray]]
PARTS = {  # what is reported: name -> hits and counts of a tally
    "all right": ("right", "steps"),
    "changed right": ("changed_right", "changed"),
    "kept": ("kept", "unchanged"),
    "exact": ("exact", "steps"),
    "impossible": ("impossible", "steps"),
    "agents drawn": ("drawn", "living"),
}
AHEAD = ("all right", "changed right", "agents drawn")  # what is reported of dreams
COMPONENTS = 372
FEW = 20  # changed cells a training seed, below which a proportion says little


def one_step(judged: Mapping[str, Sequence[Mapping]]) -> dict[str, list[Mapping[str, np.ndarray]]]:
    """Return by name the tallies of predictions one step ahead, of what `evaluation` returned for each training seed."""
    return {name: [result["one"] for result in results] for name, results in judged.items()}


def counts(tallies: Tallies, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and counts of one of `PARTS`, (training seeds, games) each; all groups of components together."""
    hits, of = (np.stack([np.asarray(t[name]).reshape(len(t["steps"]), -1).sum(1) for t in tallies]) for name in PARTS[part])
    return hits, of * COMPONENTS if part == "all right" else of


def proportion(tallies: Tallies, part: str, rng: np.random.Generator) -> Estimate:
    """Return a proportion with its interval over training seeds and games."""
    return _estimate(*counts(tallies, part), rng)


def difference(a: Tallies, b: Tallies, part: str, rng: np.random.Generator) -> Estimate:
    """Return the difference of two proportions, a minus b, training seeds and games paired."""
    hits, of = counts(a, part)
    others, _ = counts(b, part)
    return ratio_of_sums(hits - others, of, rng)


def _estimate(hits: np.ndarray, of: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Return Σ hits / Σ of; a rule without chance counts as one training seed twice."""
    twice = 2 if len(hits) == 1 else 1
    return ratio_of_sums(np.repeat(hits, twice, 0), np.repeat(of, twice, 0), rng)


def score_rows(tallies: Mapping[str, Tallies], rng: np.random.Generator, kinds: Mapping[str, str] | None = None) -> list[dict]:
    """Return a row for each predictor, for `figures.draw_scores`.

    Args:
        tallies: by name.
        rng: for the intervals.
        kinds: by name, see `roster.kind`; None leaves them out.

    Returns:
        name, training_seeds, each of `PARTS` as [value, low, high], and kind.
    """
    rows = []
    for name, of_seeds in tallies.items():
        row = {"name": name, "training_seeds": len(of_seeds)}
        row |= {part: list(proportion(of_seeds, part, rng)[:3]) for part in PARTS}
        rows.append(row if kinds is None else row | {"kind": kinds[name]})
    return rows


def by_group(tallies: Mapping[str, Tallies]) -> dict:
    """Return what `figures.draw_groups` needs: changed (7,), how many components of each group changed; right: by name the
    proportions of them that were predicted (7,).
    """
    changed = next(iter(tallies.values()))[0]["changed"].sum(0)
    right = {name: np.mean([t["changed_right"].sum(0) for t in of_seeds], 0) for name, of_seeds in tallies.items()}
    return {"changed": changed, "right": {name: hits / np.maximum(changed, 1) for name, hits in right.items()}}


def ahead(judged: Mapping[str, Sequence[Mapping]], horizons: Sequence[int], kinds: Mapping[str, str]) -> dict:
    """Return what `figures.draw_ahead` needs.

    Args:
        judged: by name, for each training seed what `evaluation.judge_model` returned.
        horizons: steps without correction.
        kinds: by name, see `roster.kind`.

    Returns:
        horizons; kinds; curves: by name for each of `AHEAD` the proportions (training seeds, horizons).
    """

    def curve(tallies: Tallies, part: str) -> list[float]:
        return [float(hits.sum() / of.sum()) for hits, of in (counts([t], part) for t in tallies)]

    curves = {
        name: {part: [curve(result["ahead"], part) for result in results] for part in AHEAD} for name, results in judged.items()
    }
    return {"horizons": list(horizons), "kinds": {name: kinds[name] for name in judged}, "curves": curves}


def near(tallies: Mapping[str, Tallies], reach: int = 6) -> dict[str, np.ndarray]:
    """Return by name the proportion of changed cells that were predicted, by distance from the seeing agent.

    Args:
        tallies: by name.
        reach: largest distance in rows and columns.

    Returns:
        (2 reach + 1, 2 reach + 1) each; -1 where fewer than `FEW` changed for each training seed.
    """
    tables = {}
    for name, of_seeds in tallies.items():
        hits, of = (np.sum([t[part] for t in of_seeds], 0) for part in ("near_right", "near"))
        middle = slice(len(of) // 2 - reach, len(of) // 2 + reach + 1)
        hits, of = hits[middle, middle], of[middle, middle]
        tables[name] = np.where(of >= FEW * len(of_seeds), hits / np.maximum(of, 1), -1.0)
    return tables


def hidden_proportions(tallies: Tallies, rng: np.random.Generator, changed: bool = True) -> list[list[float]]:
    """Return the proportion of right answers for each of `hidden_numbers.KINDS`.

    Args:
        tallies: of `hidden_numbers.tally`, one a training seed.
        rng: for the intervals.
        changed: True, among the numbers that are no longer as at the start; False, among those that still are.

    Returns:
        [value, low, high] for each kind; zeros where nothing was counted.
    """
    rows = []
    for kind in range(len(hidden_numbers.KINDS)):
        hits, of = (np.stack([t[part][:, kind] for t in tallies]) for part in ("changed_right", "changed"))
        if not changed:
            all_hits, all_of = (np.stack([t[part][:, kind] for t in tallies]) for part in ("right", "all"))
            hits, of = all_hits - hits, all_of - of
        rows.append(list(_estimate(hits, of, rng)[:3]) if of.sum() else [0.0, 0.0, 0.0])
    return rows


def hidden_proportion(tallies: Tallies, rng: np.random.Generator) -> Estimate:
    """Return the proportion of right answers among all hidden numbers that are no longer as at the start."""
    return ratio_of_sums(*_hidden_counts(tallies), rng)


def hidden_difference(a: Tallies, b: Tallies, rng: np.random.Generator) -> Estimate:
    """Return the difference of two such proportions, a minus b, training seeds and games paired."""
    hits, of = _hidden_counts(a)
    others, _ = _hidden_counts(b)
    return ratio_of_sums(hits - others, of, rng)


def _hidden_counts(tallies: Tallies) -> tuple[np.ndarray, np.ndarray]:
    """Return right answers and how many there were, (training seeds, games) each, all kinds together."""
    hits, of = (np.stack([t[part].sum(1) for t in tallies]) for part in ("changed_right", "changed"))
    return hits, of


def magnitude(estimate: Estimate) -> Estimate:
    """Return the size of a difference, whatever its sign, with an interval that begins at 0 if 0 is inside."""
    low, high = sorted((abs(estimate.low), abs(estimate.high)))
    return Estimate(abs(estimate.value), 0.0 if estimate.low <= 0 <= estimate.high else low, high, estimate.n)


def detectable(estimate: Estimate) -> float:
    """Return the true difference that four of five repetitions would find: 2.8 standard errors, 1.4 half widths."""
    return 1.4 * (estimate.high - estimate.low) / 2
