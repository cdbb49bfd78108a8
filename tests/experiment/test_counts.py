"""Numbers of things."""

import numpy as np
import pytest

from wmlib.experiment.counts import is_count, is_number_of_workers


@pytest.mark.parametrize("value", [1, np.int64(7), np.uint8(1), 10**30])
def test_whole_numbers_count(value):
    assert is_count(value) is True and is_number_of_workers(value) is True


@pytest.mark.parametrize("value", [0, np.int32(0), True, np.True_, 1.0, np.float64(2), "3", None, [1]])
def test_other_things_do_not(value):
    assert is_count(value) is False and is_number_of_workers(value) is False


def test_workers_are_counted_from_the_cores_too():
    assert is_number_of_workers(-1) and not is_count(-1)
