import numpy as np
import pytest

from wmlib.envs.grid.drawing import AGENT, DOT, LINE, enlarge


def test_tiles_lines_agent_and_trail():
    tiles = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    picture = enlarge(tiles, 16, (1, 2), [(0, 1)])
    assert picture.shape == (32, 48, 3) and picture.dtype == np.uint8
    assert (picture[16] == LINE).all() and (picture[:, 32] == LINE).all()
    assert tuple(picture[24, 40]) == AGENT and tuple(picture[8, 24]) == DOT
    for row, column in np.ndindex(2, 3):
        assert np.array_equal(picture[16 * row + 2, 16 * column + 2], tiles[row, column])
    assert np.array_equal(picture[8, 8], tiles[0, 0])


def test_a_small_scale_is_refused():
    with pytest.raises(ValueError, match="scale: got 7; allowed is a whole number, 8 and above"):
        enlarge(np.zeros((2, 2, 3), np.uint8), 7)
