"""Schaffer's function against its textbook form and its known minimum."""

import numpy as np
import pytest

from wmlib.lessons.cma_es_toy.schaffer import OPTIMUM, schaffer, schaffer_fitness


def textbook(x, y):
    return 0.5 + (np.sin(x**2 - y**2) ** 2 - 0.5) / (1 + 0.001 * (x**2 + y**2)) ** 2


def test_equals_the_textbook_form_moved_by_ten():
    x = np.random.default_rng(0).uniform(-30, 40, (3, 7, 2))
    np.testing.assert_allclose(schaffer(x), textbook(x[..., 0] - 10, x[..., 1] - 10), rtol=1e-9)
    assert schaffer(x).shape == (3, 7)


def test_known_values_and_the_only_minimum():
    assert schaffer(OPTIMUM) == 0 and schaffer([10, 10]).shape == ()
    x = np.random.default_rng(1).uniform(-90, 110, (100_000, 2))
    f = schaffer(x)
    assert 0 < f.min() and f.max() < 1
    assert schaffer([110.0, 10.0]) == pytest.approx(textbook(100.0, 0.0))


def test_keeps_its_digits_near_the_minimum():
    """On the diagonal the sine vanishes and f = q + q^2/2 over (1 + q)^2 with q = 0.002 d^2; d is a power of two."""
    d = 2.0**-20
    q = 0.002 * d**2
    assert schaffer([10 + d, 10 + d]) == pytest.approx(q, rel=1e-9)


def test_fitness_is_minus_the_squared_distance_from_the_optimal_value():
    x = np.random.default_rng(2).uniform(-1, 20, (11, 2))
    np.testing.assert_allclose(schaffer_fitness(x), -(schaffer(x) ** 2))
    assert schaffer_fitness(OPTIMUM) == 0
    solved = schaffer_fitness(x := np.random.default_rng(3).normal(10, 0.1, (1009, 2))) >= -1e-10
    np.testing.assert_array_equal(solved, schaffer(x) <= 1e-5)
    assert 0.01 < solved.mean() < 0.99


def test_bad_shapes_are_refused():
    for x in ([1.0, 2.0, 3.0], 1.0, np.ones((2, 3))):
        with pytest.raises(ValueError, match=r"x must have shape \(..., 2\)"):
            schaffer(x)
