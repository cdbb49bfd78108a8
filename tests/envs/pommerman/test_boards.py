"""Start boards: the fixed parts, the counts, and how the rest is drawn."""

import numpy as np
import pytest

from wmlib.envs import pommerman
from wmlib.envs.pommerman import boards


def test_start_boards_follow_section_3():
    board, hidden = pommerman.start_boards(300, np.random.default_rng(2))
    assert (np.stack([board[:, r, c] for r, c in ((1, 1), (9, 1), (9, 9), (1, 9))], axis=1) == (10, 11, 12, 13)).all()
    walls = np.where(board > 2, 0, board)
    assert np.array_equal(walls, walls.transpose(0, 2, 1)) and not walls[:, range(11), range(11)].any()
    for r, c in ((1, 2), (1, 3), (9, 8), (9, 7), (1, 8), (1, 7), (8, 1), (7, 1)):
        assert not board[:, r, c].any() and not board[:, c, r].any()
    for r, c in ((1, 4), (1, 5), (1, 6), (9, 4), (9, 5), (9, 6)):
        assert (board[:, r, c] == 2).all() and (board[:, c, r] == 2).all()
    assert ((board == 1).sum(axis=(1, 2)) == 36).all() and ((board == 2).sum(axis=(1, 2)) == 36).all()
    assert ((hidden > 0).sum(axis=(1, 2)) == 20).all() and (board[hidden > 0] == 2).all()
    for one in board:  # a slow plain walk
        reached, todo = {(9, 9)}, [(9, 9)]
        while todo:
            y, x = todo.pop()
            for cell in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= min(cell) and max(cell) < 11 and one[cell] != 1 and cell not in reached:
                    reached.add(cell)
                    todo.append(cell)
        assert sum(one[cell] == 0 and cell not in reached for cell in np.ndindex(11, 11)) <= 4
        assert {(1, 1), (9, 1), (1, 9)} <= reached


def test_start_boards_are_drawn_evenly():
    board, hidden = pommerman.start_boards(3000, np.random.default_rng(9))
    flat = board.reshape(3000, 121)[:, boards.PAIRS[:, 0]]
    for code, share in ((1, 18 / 40), (2, 12 / 40)):  # nearly: thrown away boards favour some places a little
        assert np.abs((flat == code).mean(axis=0) - share).max() < 0.06
    kinds = np.bincount(hidden.ravel(), minlength=9)[6:] / hidden.astype(bool).sum()
    assert np.abs(kinds - 1 / 3).max() < 0.01
    share = (hidden > 0).sum(axis=0)[board[0] == 2] / (board == 2).sum(axis=0)[board[0] == 2]
    assert np.abs(share - 20 / 36).max() < 0.07
    cut = np.bincount(boards._cut_off(board), minlength=5) / 3000
    assert np.abs(cut - (0.091, 0.257, 0.328, 0.201, 0.123)).max() < 0.04 and len(cut) == 5


def test_boards_depend_on_the_generator_alone_and_counts_are_checked():
    a, b, c = (pommerman.start_rows(5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    with pytest.raises(ValueError, match="count: got 0; allowed is 1 and above"):
        pommerman.start_rows(0, np.random.default_rng(1))
    with pytest.raises(ValueError, match="variant: got 'solo'; allowed are 'ffa', 'team', 'team_full_view'"):
        pommerman.start_rows(1, np.random.default_rng(1), "solo")
