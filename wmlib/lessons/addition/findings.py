"""What notebook 03 stores and says without a verdict: findings with their intervals, and tables in Markdown.

Reading guide. A `finding` is what was measured, its value, interval and number of seeds; `in_words` prints it. `of_copies`,
`of_recalls`, `of_retention` and `of_race` return the findings of one section by name. `far_table` has a row for each network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmlib.experiment.statistics import Evidence, geometric_mean
from wmlib.lessons.addition.estimates import (
    EXACT,
    ZERO,
    Results,
    accuracy_at,
    errors_at,
    exact_seeds,
    learnt_more,
    learnt_proportion,
    old_level_accuracy,
    relative_error,
    retention_ratio,
    winners,
)
from wmlib.lessons.addition.recipes import has_initial_bias, on_edge


def finding(measure: str, evidence: Evidence) -> dict[str, Any]:
    """Return a number that is stored without a verdict: what was measured, value, low, high, n."""
    return {"measure": measure, **evidence.estimate()._asdict()}


def in_words(found: Mapping[str, Any]) -> str:
    """Return a finding as a line of Markdown.

    Example:
        >>> in_words({"measure": "error", "value": 0.12, "low": 0.1, "high": 0.14, "n": 5})
        'error: **0.12** [0.1, 0.14], n = 5'
    """
    return f"{found['measure']}: **{found['value']:.3g}** [{found['low']:.3g}, {found['high']:.3g}], n = {found['n']}"


def of_copies(results: Results, length: int) -> dict[str, dict]:
    """Return by name, of each model, the proportion of seeds that copy a length exactly (see `estimates.exact_seeds`)."""
    return {
        f"copy_{name}": finding(
            f"{name}: seeds that copy {length} rows (right in at least {EXACT:.0%} of the tests)", exact_seeds(seeds, length)
        )
        for name, seeds in results.items()
    }


def of_recalls(results: Results, length: int) -> dict[str, dict]:
    """Return by name, of each model, the proportion of items recalled without a mistake at a length."""
    return {
        f"recall_{name}": finding(
            f"{name}: proportion of recalls of {length} items without a mistake", accuracy_at(seeds, length)
        )
        for name, seeds in results.items()
    }


def of_retention(results: Results, curriculum: str) -> dict[str, dict]:
    """Return by name what is left of the old levels after the last one: errors by the DNC's, and right answers.

    Args:
        results: DNC and others, by model.
        curriculum: its name.
    """
    found = {}
    for name, seeds in results.items():
        key = f"old_{curriculum}_{name}"
        found[f"{key}_right"] = finding(f"old levels, {curriculum}, right answers, {name}", old_level_accuracy(seeds))
        if name != "DNC":
            ratio = retention_ratio(seeds, results["DNC"])
            found[f"{key}_ratio"] = finding(f"old levels, {curriculum}, squared error, {name} / DNC", ratio)
    return found


def of_race(variants: Mapping[str, dict]) -> dict[str, dict]:
    """Return by name what each intervention of `contestants.race` does to the proportion of seeds that learn, and its sham."""
    errors = {name: part["error"] for name, part in variants.items()}
    closed = errors["2e-2, gate closed"]
    pairs = {
        "lstm_off": ("LSTM off at first minus its sham", errors["6e-3, LSTM off at first"], errors["6e-3, LSTM sham"]),
        "lstm_sham": ("LSTM sham minus nothing", errors["6e-3, LSTM sham"], errors["6e-3"]),
        "memory_off": (
            "memory sham minus memory off at first",
            errors["2e-2, memory sham"],
            errors["2e-2, memory off at first"],
        ),
        "memory_sham": ("nothing minus memory sham", closed, errors["2e-2, memory sham"]),
        "gate": ("gate closed minus default initialization", closed, errors["2e-2, default initialization"]),
        "detached": ("detached minus gate closed", errors["2e-2, detached"], closed),
    }
    found = {
        f"race_{key}": finding(f"proportion of seeds that learn, {text}", learnt_more(better, worse))
        for key, (text, better, worse) in pairs.items()
    }
    return {"race_closed": finding("proportion of seeds that learn, gate closed", learnt_proportion(closed)), **found}


def far_table(results: Results, task: str, near: int, far: int) -> list[dict]:
    """Return one row a network: how well it answers at two lengths beyond the trained ones, to be stored and printed.

    Args:
        results: by the network's description.
        task: of the tests.
        near, far: lengths.

    Returns:
        name; near, far: geometric mean of the squared error; relative, low, high: `relative_error` at `far`; seeds.
    """
    rows = []
    for name, seeds in results.items():
        relative = relative_error(seeds, task, far).estimate()
        errors = {key: geometric_mean(np.maximum(errors_at(seeds, n), ZERO)).value for key, n in (("near", near), ("far", far))}
        interval = {"relative": relative.value, "low": relative.low, "high": relative.high}
        rows.append({"name": name, **errors, **interval, "seeds": len(seeds)})
    return rows


def far_table_in_words(rows: Sequence[Mapping], near: int, far: int) -> str:
    """Return the rows of `far_table` as a table in Markdown."""
    lines = [
        f"| network | squared error at {near} | at {far} | relative error at {far} [95 % interval] | seeds |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        relative = f"**{row['relative']:.1%}** [{row['low']:.1%}, {row['high']:.1%}]"
        lines.append(f"| {row['name']} | {row['near']:.2g} | {row['far']:.2g} | {relative} | {row['seeds']} |")
    return "\n".join(lines)


def winners_in_words(searches: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Return what won on each task as a table in Markdown; `searches` are `search_tables` by task.

    A winner at the lowest or highest learning rate tried is marked: a better one may lie outside.
    """
    lines = ["| task | model | learning rate | clip | error |", "|---|---|---|---|---|"]
    for task, tables in searches.items():
        for name, recipe in winners(tables).items():
            mark = " (edge)" if on_edge(recipe, tables[name]["lrs"]) else ""
            default = "" if has_initial_bias(recipe) or recipe.core.kind == "dnc" else ", default initialization"
            row = (task, name + default, f"{recipe.lr:g}{mark}", f"{recipe.max_grad_norm:g}", f"{tables[name]['error']:.2g}")
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)
