"""What notebook 07 says of the cue corridor: its claim, the evidence, and the numbers of the figures, from measured success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wmlib.envs.grid.cue_corridor import LENGTHS, MAX_SYMBOLS, Level
from wmlib.experiment.claims import Claim
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.neural_computer_agent.corridor import CUES

SOLVED = 0.9  # success above which a training seed has solved a level
NEEDS = 10  # training seeds


def claim(cues: int, updates: int) -> Claim:
    """Return the claim of the corridor.

    Args:
        cues: n on which the arms are compared, the largest that was trained.
        updates: of a level of the curriculum, at most.
    """
    return Claim(
        "corridor",
        f"A world model with a DNC learns to recall {cues} cues in order where one with an LSTM of equal parameters does not.",
        "ours",
        "no number given",
        f"proportion of training seeds with more than {SOLVED:.0%} success at n = {cues}, after at most {updates:,} updates a "
        "level, DNC minus LSTM of equal parameters",
        smallest=0.5,
        null=0.0,
        needs=NEEDS,
    )


def evidence(dnc: np.ndarray, lstm: np.ndarray) -> Evidence:
    """Return the evidence for the claim, from the success of each training seed at the largest n, (seeds,) each."""
    return Evidence(
        "difference_of_proportions",
        {
            "successes": int((dnc > SOLVED).sum()),
            "n": len(dnc),
            "other_successes": int((lstm > SOLVED).sum()),
            "other_n": len(lstm),
        },
    )


def tested_levels(cues: int, length: int) -> list[Level]:
    """Return the levels of a test: every n to `cues` at L = 1, then every longer L to `length` at the largest n."""
    return [(n, 1) for n in CUES if n <= cues] + [(cues, each) for each in LENGTHS if 1 < each <= length]


def success_panels(
    arms: Mapping[str, Mapping[str, Any]], longer: Mapping[str, Mapping[str, Any]], cues: int, length: int
) -> list[dict[str, Any]]:
    """Return the panels of `corridor_figures.draw_success`.

    Args:
        arms: as `corridor.compare` returns it, trained at L = 1 and tested on `tested_levels(cues, length)`.
        longer: the same for arms whose curriculum goes on to longer corridors; empty: no panel for them.
        cues, length: the largest n and L.
    """
    levels = tested_levels(cues, length)
    numbers = [n for n, each in levels if each == 1]
    lengths = [each for n, each in levels if n == cues]
    panels = [
        {
            "title": "more cues, L = 1",
            "xlabel": "cues to recall in order (n)",
            "x": numbers,
            "arms": {name: arm["success"][:, : len(numbers)] for name, arm in arms.items()},
            "chance": [MAX_SYMBOLS**-n for n in numbers],
        }
    ]
    for title, of in (("longer corridors, trained at L = 1", arms), ("longer corridors, trained on them", longer)):
        if of and len(lengths) > 1:
            success = {name: arm["success"][:, -len(lengths) :] for name, arm in of.items()}
            panels.append({"title": title, "xlabel": f"length of the corridor (L), n = {cues}", "x": lengths, "arms": success})
    return panels


def solved_words(arms: Mapping[str, Mapping[str, Any]], column: int) -> str:
    """Return in words how many training seeds of each arm solve the level of a column, for example "DNC 2 of 2"."""
    counts = {name: np.asarray(arm["success"])[:, column] > SOLVED for name, arm in arms.items()}
    return "; ".join(f"{name} {solved.sum()} of {len(solved)}" for name, solved in counts.items())


def updates_table(arms: Mapping[str, Mapping[str, Any]], levels: Sequence[Level], most: int) -> dict[str, Any]:
    """Return the data of `corridor_figures.draw_updates`; the last column is the revision."""
    labels = [f"n = {n}" if length == 1 else f"n = {n}\nL = {length}" for n, length in levels]
    return {"levels": [*labels, "all"], "most": most, "arms": {name: arm["updates"] for name, arm in arms.items()}}
