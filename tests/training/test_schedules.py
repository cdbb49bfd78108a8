"""The learning rate over a training: constant, then a line down to 3 %."""

import numpy as np
import pytest

from wmlib.training.schedules import linear_decay


def test_it_is_constant_and_then_falls_on_a_line_to_three_percent():
    steps, lr, decay = 1000, 0.2, 0.4
    rates = np.array([linear_decay(step, steps, lr, decay) for step in range(steps)])
    assert (rates[:601] == lr).all() and (np.diff(rates[600:988]) < 0).all()
    assert rates[800] == pytest.approx(lr / 2)
    np.testing.assert_allclose(np.diff(rates[600:988]), -lr / 400)
    assert rates[-12:] == pytest.approx([0.03 * lr] * 12)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_it_never_falls_to_nothing_and_never_rises(steps):
    for decay in (0.01, 0.5, 1.0):
        rates = [linear_decay(step, steps, 0.1, decay) for step in range(steps)]
        assert all(0.003 <= rate <= 0.1 for rate in rates) and rates == sorted(rates, reverse=True)


def test_without_decay_it_is_constant():
    assert {linear_decay(step, 5, 0.1, 0.0) for step in range(5)} == {0.1}


def test_over_the_whole_training_it_falls_from_the_first_step():
    assert [linear_decay(step, 4, 1.0, 1.0) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
