"""Sphere, ellipsoid and Rosenbrock against plain loops and their known minima."""

from itertools import pairwise

import numpy as np
import pytest

from wmlib.lessons.cma_es_toy.benchmark_functions import ellipsoid, rosenbrock, sphere

LOOPS = {
    sphere: lambda x: sum(v**2 for v in x),
    ellipsoid: lambda x: sum(10 ** (6 * i / max(1, len(x) - 1)) * v**2 for i, v in enumerate(x)),
    rosenbrock: lambda x: sum(100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in pairwise(x)),
}


@pytest.mark.parametrize("function", LOOPS)
@pytest.mark.parametrize("N", [1, 2, 7, 41])
def test_equals_a_plain_loop_in_any_shape(function, N):
    if function is rosenbrock and N == 1:
        with pytest.raises(ValueError, match="N >= 2"):
            function(np.ones((3, 1)))
        return
    x = np.random.default_rng(0).normal(size=(3, 5, N))
    expected = [[LOOPS[function](row) for row in rows] for rows in x]
    np.testing.assert_allclose(function(x), expected)
    assert np.shape(function(x[0, 0])) == ()


@pytest.mark.parametrize("function", LOOPS)
def test_minimum_is_zero_where_it_should_be(function):
    at = np.ones(7) if function is rosenbrock else np.zeros(7)
    assert function(at) == 0
    assert (function(at + np.random.default_rng(1).normal(0, 0.1, (1009, 7))) > 0).all()


def test_condition_of_the_ellipsoid():
    corners = ellipsoid(np.eye(5))
    assert corners.max() / corners.min() == pytest.approx(1e6)
