"""Kinds of episodes by hand."""

import numpy as np
import pytest

from wmlib.lessons.rnd_pixelcopter.kinds import KINDS, kinds, shares, stuck
from wmlib.lessons.rnd_pixelcopter.measures import Played, numbers


def episodes(*rows, at_floor=True):
    """Return the numbers of episodes of (frames with an up, frames)."""
    count = len(rows)
    ups = [np.array(up, np.int64) for up, _ in rows]
    frames = np.array([frames for _, frames in rows])
    return numbers(Played(np.zeros(count), np.zeros(count, int), frames, np.full(count, at_floor), ups))


@pytest.mark.parametrize(
    ("ups", "frames", "kind"),
    [
        ([], 21, "never"),
        ([3], 24, "hops"),
        ([3], 23, "other"),  # its tail is 19 frames
        ([5, 6, 7, 30], 60, "hops"),
        (list(range(0, 100, 10)), 111, "hops"),
        (list(range(0, 110, 10)), 131, "rhythm"),  # 11 ups
        ([0, 10, 21, 31, 42], 46, "rhythm"),
        ([0, 10, 22, 31, 42], 46, "other"),
        ([0, 10, 21, 31], 35, "other"),  # 4 ups
        (list(range(0, 25, 5)), 26, "rhythm"),
        (list(range(0, 20, 4)), 26, "other"),
        ([0, 1], 7, "other"),
        (list(range(7)), 7, "other"),  # the button is held, up into the ceiling
    ],
)
def test_kinds(ups, frames, kind):
    assert KINDS[kinds(episodes((ups, frames)))[0]] == kind


def test_who_dies_elsewhere_is_not_stuck():
    rows = (([3], 40), ([], 21))
    assert stuck(episodes(*rows)) == 1.0
    assert stuck(episodes(*rows, at_floor=False)) == 0.5
    assert shares(episodes(*rows, at_floor=False)).tolist() == [0.5, 0.0, 0.0, 0.5]
