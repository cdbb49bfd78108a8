"""The tables of scrolling terrain against positions in a list, for many sizes; bad sizes."""

import numpy as np
import pytest

from wmlib.envs.pixelcopter.geometry import (
    AT_PLAYER,
    AT_PLAYER_END,
    COLUMNS,
    FEW_COLUMNS,
    FIRST,
    LATER_ROW,
    PLAYER_WIDTH,
    PLAYER_X,
    ROUNDINGS,
    SHOWN_END,
    Geometry,
)

WIDTHS = [*range(20, 60), 84, 97, 256, 1024]


def whole(x, rounding):
    return int(np.copysign(np.floor(abs(x) + (0.5 if rounding == "round" else 0)), x))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("width", "fps"), [(48, 30), (29, 60), (53, 7)])
def test_a_row_says_which_columns_are_left_at_the_player_and_on_the_screen(width, fps, rounding):
    geometry = Geometry(width, 48, fps, rounding)
    w = int(0.1 * width)
    player = int(0.35 * width) - (int(0.05 * width) >> 1)
    speed = 0.0004 * width * (1000.0 / fps)
    for start, row in ((0, 0), (width, int(geometry.sizes[LATER_ROW]))):
        xs = [float(x) for x in range(start + w // 2, start + 4 * width + w // 2, w)]
        while True:
            boxes = [whole(x, rounding) - (w >> 1) for x in xs]
            first, near, near_end, shown_end = geometry.scroll[row]
            assert geometry.positions[row].tolist() == xs and geometry.lefts[row].tolist() == boxes
            assert [x > -w for x in xs] == [k >= first for k in range(len(xs))]
            overlap = [left < player + int(0.05 * width) and player < left + w for left in boxes]
            assert overlap == [near <= k < near_end for k in range(len(xs))]
            assert [left < width for left in boxes] == [k < shown_end for k in range(len(xs))]
            row += 1
            if first == len(xs):
                break
            xs = [x - speed for x in xs]


@pytest.mark.parametrize("fps", [1, 30, 240])
def test_the_batch_before_the_last_has_left_when_a_new_one_is_made(fps):
    """What lets a game hold two batches only."""
    for width in WIDTHS if fps < 240 else WIDTHS[::7]:
        geometry = Geometry(width, 48, fps)
        left = int(geometry.sizes[COLUMNS]) - geometry.scroll[:, FIRST].astype(int)
        older, newer = len(left) - 1, 0
        for _ in range(3):
            while left[older] + left[newer] > FEW_COLUMNS:
                older += left[older] > 0
                newer += left[newer] > 0
            assert left[older] == 0, width
            older, newer = newer, int(geometry.sizes[LATER_ROW])


def test_gaps_are_those_that_a_long_game_meets():
    found = [width for width in WIDTHS if Geometry(width, 48).has_gaps]
    assert found == [25, 26, 27, 28, 29, 39]


def test_numbers_at_the_default_size():
    geometry = Geometry()
    assert geometry.sizes[[PLAYER_X, PLAYER_WIDTH, COLUMNS]].tolist() == [16, 2, 48]
    assert geometry.scroll.shape == (len(geometry.lefts), SHOWN_END + 1) and geometry.lefts.dtype == np.int16
    row = dict(zip((FIRST, AT_PLAYER, AT_PLAYER_END, SHOWN_END), geometry.scroll[0].tolist(), strict=True))
    # boxes of 4 pixels from 0 on; the player is at 15 and 16
    assert row == {FIRST: 0, AT_PLAYER: 3, AT_PLAYER_END: 5, SHOWN_END: 12}


def test_bad_sizes_are_named():
    for arguments, message in (
        ({"width": 19}, "width: got 19; allowed are whole numbers from 20 to 1024"),
        ({"height": 48.0}, "height: got 48.0"),
        ({"fps": 0}, "fps: got 0; allowed are whole numbers from 1 to 240"),
        ({"fps": True}, "fps: got True"),
        ({"rounding": "floor"}, "rounding: got 'floor'; allowed are 'trunc', 'round'"),
    ):
        with pytest.raises(ValueError, match=message):
            Geometry(**arguments)
