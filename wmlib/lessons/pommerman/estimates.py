"""The numbers of notebook 06 that verdicts and figures use, made of tallies, one a training seed (see `measures.tally`).

Reading guide. Intervals know training seeds and test games; a rule that needs no training has one tally, and counts as fixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from wmlib.experiment.claims import Gate
from wmlib.experiment.statistics import Evidence
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
AHEAD = ("all right", "changed right")  # what is reported of dreams
COMPONENTS = 372
FEW = 20  # changed cells a training seed, below which a proportion says little
AGE_LABELS = [
    "as at\nthe start",
    *(f"{a}–{b - 1}" for a, b in itertools.pairwise(hidden_numbers.AGES)),
    f"{hidden_numbers.AGES[-1]}+",
]
MARGIN = 0.02  # of unchanged hidden numbers, by which a model may know fewer
FEW_CHANGES = 200  # changed components of a group, or hidden numbers, below which a column is drawn faint


def one_step(evaluated: Mapping[str, Sequence[Mapping]]) -> dict[str, list[Mapping[str, np.ndarray]]]:
    """Return by name the tallies of predictions one step ahead, of what `evaluation` returned for each training seed."""
    return {name: [result["one"] for result in results] for name, results in evaluated.items()}


def counts(tallies: Tallies, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and counts of one of `PARTS`, (training seeds, games) each; all groups of components together."""
    hits, totals = (
        np.stack([np.asarray(t[name]).reshape(len(t["steps"]), -1).sum(1) for t in tallies]) for name in PARTS[part]
    )
    return hits, totals * COMPONENTS if part == "all right" else totals


def proportion(tallies: Tallies, part: str) -> Evidence:
    """Return the evidence of a proportion, one of `PARTS`."""
    return _ratio(*counts(tallies, part))


def difference(a: Tallies, b: Tallies, part: str) -> Evidence:
    """Return the evidence of the difference of two proportions, a minus b, on the same games.

    Args:
        a: one a training seed.
        b: as many, paired with those of `a`; or that of a rule.
        part: one of `PARTS`.
    """
    hits, totals = counts(a, part)
    hits_of_b, _ = counts(b, part)
    return _ratio(hits - hits_of_b, totals)


def gates(tallies: Mapping[str, Tallies], models: Sequence[str], rules: Sequence[str], part: str) -> list[Gate]:
    """Return the gates "this model has more of these right than this rule", one for each pair of names."""
    return [
        Gate(f"the {model} beats the {rule}", difference(tallies[model], tallies[rule], part))
        for model in models
        for rule in rules
    ]


def _ratio(hits: np.ndarray, totals: np.ndarray) -> Evidence:
    return Evidence("ratio_of_sums", {"hits": hits, "counts": totals})


def score_rows(tallies: Mapping[str, Tallies], kinds: Mapping[str, str] | None = None) -> list[dict]:
    """Return a row for each predictor, for `figures.draw_scores`.

    Args:
        tallies: by name.
        kinds: by name, see `roster.kind`; None leaves them out.

    Returns:
        name, training_seeds, each of `PARTS` as [value, low, high], and kind.
    """
    rows = []
    for name, of_seeds in tallies.items():
        row = {"name": name, "training_seeds": len(of_seeds)}
        row |= {part: list(proportion(of_seeds, part).estimate()[:3]) for part in PARTS}
        rows.append(row if kinds is None else row | {"kind": kinds[name]})
    return rows


def by_group(tallies: Mapping[str, Tallies], kinds: Mapping[str, str]) -> dict:
    """Return what `figures.draw_groups` needs.

    Args:
        tallies: by name.
        kinds: by name, see `roster.kind`.

    Returns:
        changed (7,), how many components of each group changed; right: by name the proportions of them that were predicted
        (7,); kinds.
    """
    changed = next(iter(tallies.values()))[0]["changed"].sum(0)
    right = {name: np.mean([t["changed_right"].sum(0) for t in of_seeds], 0) for name, of_seeds in tallies.items()}
    right = {name: hits / np.maximum(changed, 1) for name, hits in right.items()}
    return {"changed": changed, "right": right, "kinds": {name: kinds[name] for name in tallies}}


def ahead(evaluated: Mapping[str, Sequence[Mapping]], horizons: Sequence[int], kinds: Mapping[str, str]) -> dict:
    """Return what `figures.draw_ahead` needs.

    Args:
        evaluated: by name, for each training seed what `evaluation.evaluate_model` returned.
        horizons: steps without correction.
        kinds: by name, see `roster.kind`.

    Returns:
        horizons; kinds; curves: by name for each of `AHEAD` the proportions (training seeds, horizons).
    """

    def curve(tallies: Tallies, part: str) -> list[float]:
        return [float(hits.sum() / totals.sum()) for hits, totals in (counts([t], part) for t in tallies)]

    curves = {
        name: {part: [curve(result["ahead"], part) for result in results] for part in AHEAD}
        for name, results in evaluated.items()
    }
    return {"horizons": list(horizons), "kinds": {name: kinds[name] for name in evaluated}, "curves": curves}


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
        hits, totals = (np.sum([t[part] for t in of_seeds], 0) for part in ("near_right", "near"))
        middle = slice(len(totals) // 2 - reach, len(totals) // 2 + reach + 1)
        hits = hits[middle, middle]
        totals = totals[middle, middle]
        tables[name] = np.where(totals >= FEW * len(of_seeds), hits / np.maximum(totals, 1), -1.0)
    return tables


def hidden_by_age(tallies: Tallies) -> list[list[list[float]]]:
    """Return the proportion of right answers for each of `hidden_numbers.KINDS`: still as at the start, then by age.

    Args:
        tallies: of `hidden_numbers.tally`, one a training seed.

    Returns:
        [value, low, high] for each kind and column: numbers that are still as at the start; then those that are not, by
        `hidden_numbers.AGES` of the last sighting. Zeros where nothing was counted.
    """
    rows = []
    for kind in range(len(hidden_numbers.KINDS)):
        columns = []
        for hits, totals in _columns(tallies, kind):
            columns.append(list(_ratio(hits, totals).estimate()[:3]) if totals.sum() else [0.0, 0.0, 0.0])
        rows.append(columns)
    return rows


def hidden_cases(tallies: Tallies) -> list[list[int]]:
    """Return how many numbers stand behind each kind and column of `hidden_by_age`, for one training seed."""
    return [[int(totals[0].sum()) for _, totals in _columns(tallies, kind)] for kind in range(len(hidden_numbers.KINDS))]


def _columns(tallies: Tallies, kind: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return hits and counts (training seeds, games) of each column of `hidden_by_age`."""
    right, total, changed_right, changed, aged_right, aged = (
        np.stack([t[part][:, kind] for t in tallies])
        for part in ("right", "all", "changed_right", "changed", "aged_right", "aged")
    )
    by_age = [(aged_right[..., g], aged[..., g]) for g in range(len(hidden_numbers.AGES))]
    return [(right - changed_right, total - changed), *by_age]


def hidden_proportion(tallies: Tallies) -> Evidence:
    """Return the evidence of the proportion of right answers among changed numbers with old clues, see `LONG_AGO`."""
    return _ratio(*_hidden_counts(tallies))


def hidden_difference(a: Tallies, b: Tallies) -> Evidence:
    """Return the evidence of the difference of two such proportions, a minus b; see `difference`."""
    hits, totals = _hidden_counts(a)
    hits_of_b, _ = _hidden_counts(b)
    return _ratio(hits - hits_of_b, totals)


def hidden_gates(hidden: Mapping[str, Tallies], models: Sequence[str], rules: Sequence[str]) -> list[Gate]:
    """Return the gates "this model knows more of all hidden numbers than this rule", one for each pair of names.

    Of all, not of those whose last clue is old: a core that forgets passes, one that learnt nothing does not. So the gates do
    not ask for what is to be judged.
    """
    gates = []
    for model in models:
        hits, totals = _all_counts(hidden[model])
        for rule in rules:
            hits_of_rule, _ = _all_counts(hidden[rule])
            text = f"of all hidden numbers the {model} knows more than the {rule}"
            gates.append(Gate(text, _ratio(hits - hits_of_rule, totals)))
    return gates


def unchanged_gate(a: Tallies, b: Tallies, names: Sequence[str]) -> Gate:
    """Return the gate "a keeps at most `MARGIN` fewer unchanged numbers than b": "always changed" is no knowledge.

    Args:
        a, b: of `hidden_numbers.tally`, one a training seed, paired.
        names: of a and of b.
    """
    hits, totals = _unchanged_counts(a)
    hits_of_b, _ = _unchanged_counts(b)
    text = f"of unchanged numbers the {names[0]} knows at most {MARGIN:g} fewer than the {names[1]}"
    return Gate(text, _ratio(hits - hits_of_b, totals), least=-MARGIN, flatters=True)


def _all_counts(tallies: Tallies) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as `_hidden_counts` of all numbers, changed or not, however old the last clue."""
    hits, totals = (np.stack([t[part].sum(1) for t in tallies]) for part in ("right", "all"))
    return hits, totals


def _unchanged_counts(tallies: Tallies) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as `_hidden_counts` of the numbers that are still as at the start, however old."""
    hits, totals = (
        np.stack([(t[part] - t[changed]).sum(1) for t in tallies])
        for part, changed in (("right", "changed_right"), ("all", "changed"))
    )
    return hits, totals


def _hidden_counts(tallies: Tallies) -> tuple[np.ndarray, np.ndarray]:
    """Return right answers and how many there were, (training seeds, games) each, all kinds together."""
    hits, totals = (
        np.stack([t[part][..., hidden_numbers.LONG_AGO :].sum((1, 2)) for t in tallies]) for part in ("aged_right", "aged")
    )
    return hits, totals
