"""Where a search goes on: beyond an edge at which a best rate lies."""

import pytest

from wmlib.training.learning_rates import beyond_the_edges

TRIED = [2.0, 1.0, 4.0]


@pytest.mark.parametrize(
    "best, beyond",
    [([2.0, 2.0], []), ([2.0, 1.0], [0.5]), ([4.0, 4.0], [8.0]), ([4.0, 1.0], [0.5, 8.0])],
)
def test_a_best_rate_at_an_edge_leads_beyond_it(best, beyond):
    assert beyond_the_edges(best, TRIED) == beyond


def test_a_single_rate_has_two_edges():
    assert beyond_the_edges([2.0], [2.0]) == [1.0, 4.0]
