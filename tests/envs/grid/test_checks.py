import numpy as np
import pytest

from wmlib.envs.grid.checks import (
    check_count,
    checked_action,
    checked_actions,
    checked_integers,
    checked_levels,
    checked_mask,
    checked_options,
)


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "2", None])
def test_what_is_no_count_is_refused(count):
    check_count(b=np.int64(1))
    with pytest.raises(ValueError, match=r"b: got .*; allowed is a whole number, 1 and above"):
        check_count(b=count)


def test_options():
    assert checked_options(None, "a") == {} and checked_options({"a": 1}, "a", "b") == {"a": 1}
    with pytest.raises(ValueError, match="options: got 'c'; allowed are 'a', 'b'"):
        checked_options({"a": 1, "c": 2}, "a", "b")


def test_masks():
    assert checked_mask(None, 3).tolist() == [True] * 3
    assert checked_mask([True, False], 2).tolist() == [True, False]
    for wrong in ([True], [1, 0], [False, False]):
        with pytest.raises(ValueError, match="reset_mask: got"):
            checked_mask(wrong, 2)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_actions_of_any_integer_dtype(dtype):
    actions = checked_actions(np.array([0, 3, 2], dtype), 3, 4)
    assert actions.tolist() == [0, 3, 2] and actions.dtype == np.int64
    assert checked_actions(np.arange(4, dtype=dtype)[::2], 2, 4).tolist() == [0, 2]
    assert checked_action(dtype(3), 4) == 3


@pytest.mark.parametrize("wrong", [4, -1, -(2**62)])
def test_actions_out_of_range(wrong):
    with pytest.raises(ValueError, match=f"actions: got {wrong}; allowed is 0 to 3"):
        checked_actions(np.array([0, wrong]), 2, 4)
    with pytest.raises(ValueError, match=f"action: got {wrong}; allowed is 0 to 3"):
        checked_action(wrong, 4)


def test_integers_and_levels():
    with pytest.raises(ValueError, match=r"x: got float64 \(2,\); allowed are integers \(2,\)"):
        checked_integers("x", [0.5, 1], (2,))
    with pytest.raises(ValueError, match=r"x: got int64 \(3,\)"):
        checked_integers("x", [0, 1, 2], (2,))
    assert checked_levels([1, "..\n.."], 2) == [1, "..\n.."]
    for wrong in ("..", 2, [1, 2, 3]):
        with pytest.raises(ValueError, match=r"levels: got .*; allowed is a sequence of 2"):
            checked_levels(wrong, 2)
