"""Kinds of episodes: which of them are in the local optimum that Mufti reports.

Reading guide. `kinds` sorts episodes by `measures.numbers`. Module `pipeline` does not import this one, so a definition can
change without training again.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

KINDS = ("never", "hops", "rhythm", "other")
FEW_UPS = 10  # at most, of an episode of kind "hops"
IDLE_TAIL = 20  # frames without any up at its end, at least: a free fall from the middle takes 21
RHYTHM_UPS = 5  # at least, of an episode of kind "rhythm"
RHYTHM_GAP = 5  # frames between two ups of a rhythm, at least: hovering takes one up in 11, holding the button one in 1


def kinds(episodes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sort episodes.

    Args:
        episodes: of `measures.numbers`, (L,) each.

    Returns:
        int64 (L,), index into `KINDS`: 0 "never", no up at all; 1 "hops", 1 to 10 ups, then at least 20 frames without any, and
        an end at the floor; 2 "rhythm", at least 5 ups, 5 or more frames apart, whose distances differ by a frame at most;
        3 "other".
    """
    num_ups = episodes["num_ups"]
    tail = episodes["frames"] - 1 - episodes["last_up"]
    never = num_ups == 0
    hops = (num_ups <= FEW_UPS) & (tail >= IDLE_TAIL) & episodes["at_floor"]
    even = episodes["max_gap"] - episodes["min_gap"] <= 1
    rhythm = (num_ups >= RHYTHM_UPS) & (episodes["min_gap"] >= RHYTHM_GAP) & even
    return np.select([never, hops, rhythm], range(3), 3)


def shares(episodes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the proportion of episodes of each of `KINDS`, float64 (4,)."""
    sorts = kinds(episodes)
    return np.bincount(sorts, minlength=len(KINDS)) / len(sorts)


def stuck(episodes: Mapping[str, np.ndarray]) -> float:
    """Return the proportion of episodes in the local optimum: "never" or "hops"."""
    return float((kinds(episodes) <= KINDS.index("hops")).mean())
