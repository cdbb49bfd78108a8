"""Pictures in colours and in grey, and the seven numbers."""

import numpy as np
import pytest
from PIL import Image

from wmlib.envs.pixelcopter import Games


def flown(pilot, steps=60, count=13, **arguments):
    games = Games(count, **arguments)
    games.reset(range(count))
    rng = np.random.default_rng(4)
    for _ in range(steps):
        games.step(pilot(games.states(), games.geometry.height, rng))
    return games


@pytest.mark.parametrize("size", [(48, 48), (20, 20), (33, 254), (31, 255), (84, 300)])
def test_grey_pictures_are_those_that_pillow_makes_of_the_coloured_ones(pilot, size):
    width, height = size
    games = flown(pilot, width=width, height=height)
    pictures = games.pictures()
    grey = games.pictures(channels=1)
    assert grey.shape == (13, height, width, 1)
    for coloured, one in zip(pictures, grey, strict=True):
        assert np.array_equal(np.asarray(Image.fromarray(coloured).convert("L")), one[..., 0])


def test_only_three_colours_appear_and_the_player_is_where_its_numbers_say(pilot):
    games = flown(pilot)
    pictures = games.pictures()
    colours = {tuple(colour) for colour in pictures.reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), (255, 255, 255), (120, 240, 80)}
    alive = np.flatnonzero(~games.terminated)
    for g in alive:
        rows, columns = np.nonzero((pictures[g] == 255).all(axis=-1))
        if len(rows) == 4:  # nothing covers it
            assert (rows.min(), columns.min()) == (int(games.y[g]) - 1, 15)


def test_the_picture_after_a_start_shows_the_start():
    games = Games(2)
    games.reset([3, 3])
    before = games.pictures()
    assert (before == 255).all(axis=-1).sum() == 2 * 4
    games.step(np.array([1, 1]))
    assert not np.array_equal(before, games.pictures())
    games.reset([3, 4])
    after = games.pictures()
    assert np.array_equal(before[0], after[0]) and not np.array_equal(before[1], after[1])


def test_pictures_and_states_are_written_where_they_are_wanted(pilot):
    games = flown(pilot)
    store = np.zeros((3, 13, 48, 48, 3), np.uint8)
    assert games.pictures(store[1]) is not None and np.array_equal(store[1], games.pictures())
    assert not store[0].any() and not store[2].any()
    narrow = games.states(np.zeros((13, 7), np.float32))
    assert np.array_equal(narrow, games.states().astype(np.float32))


def test_bad_places_are_refused():
    games = Games(3)
    games.reset(range(3))
    for call, message in (
        (
            lambda: games.pictures(np.zeros((3, 48, 48), np.uint8)),
            r"out: got uint8 \(3, 48, 48\); allowed is uint8 \(3, 48, 48, 3\)",
        ),
        (lambda: games.pictures(np.zeros((6, 48, 48, 3), np.uint8)[::2]), "C-contiguous"),
        (lambda: games.pictures(channels=2), "channels: got 2; allowed are 3"),
        (lambda: games.states(np.zeros((3, 7), int)), r"out: got int64 \(3, 7\); allowed is float64 or float32"),
        (lambda: games.states([0]), "out: got a list"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
