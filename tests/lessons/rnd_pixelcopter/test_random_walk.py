"""The walk stays in its square, and what it visited fades more than the rest."""

import numpy as np
import torch

from wmlib.lessons.rnd_pixelcopter import random_walk


def test_the_walk_stays_in_the_square():
    positions = random_walk.steps_of(3000, 1, size=0.2)
    assert positions.abs().max() <= 1 and torch.equal(positions[0], torch.zeros(2))
    assert (positions[1:] - positions[:-1]).norm(dim=1).mean() > 0.1


def test_a_place_code_is_largest_at_its_bump_and_local():
    code = random_walk.place_code(torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0]]))
    assert code.argmax(1).tolist() == [0, random_walk.CENTERS - 1, random_walk.CENTERS**2 - 1]
    torch.testing.assert_close(code.max(1).values, torch.ones(3))
    assert code[0] @ code[2] < 1e-6


def test_the_map_is_row_by_row_from_the_bottom():
    cells = random_walk.square().view(random_walk.CELLS, random_walk.CELLS, 2)
    assert (cells[0, :, 1] == cells[0, 0, 1]).all() and cells[0, 0, 1] < cells[1, 0, 1] and cells[0, 0, 0] < cells[0, 1, 0]


def test_what_was_visited_fades_and_the_rest_stays():
    film = random_walk.film(steps=700, looks=4, seed=3)
    first, last = film["maps"][0], film["maps"][-1]
    visited = film["visited"]
    assert film["at"] == [0, 233, 466, 699] and 0.1 < visited.mean() < 0.8
    assert last[visited].mean() < 0.5 * first[visited].mean()
    assert last[~visited].mean() > 0.7 * first[~visited].mean()
    again = random_walk.film(steps=700, looks=4, seed=3)
    assert np.array_equal(again["maps"], film["maps"])
