"""Where a search for a learning rate goes on, if the best of those tried is the lowest or the highest."""

from __future__ import annotations

from collections.abc import Collection


def beyond_the_edges(best: Collection[float], tried: Collection[float]) -> list[float]:
    """Return the learning rates to try next: half the lowest one tried, if it is a best one, and twice the highest, if that is.

    Args:
        best: learning rate of each model that was searched for.
        tried: all that they were tried with, at least one.

    Returns:
        none, one or two learning rates; none where each best one lies between two others.

    Example:
        >>> beyond_the_edges([0.02, 0.01], [0.02, 0.01, 0.04])
        [0.005]
    """
    lowest = min(tried)
    highest = max(tried)
    beyond = []
    if lowest in best:
        beyond.append(lowest / 2)
    if highest in best:
        beyond.append(highest * 2)
    return beyond
