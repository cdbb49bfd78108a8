"""The rules, one by one, against the plain game, and as digests that hold without any recordings."""

import hashlib

import numpy as np
import pytest

from wmlib.envs.pixelcopter import Games
from wmlib.envs.pixelcopter.geometry import ROUNDINGS
from wmlib.envs.pixelcopter.rules import BLOCK_X, BLOCK_Y, BLOCKS, VELOCITY, Y

UP, NOTHING = np.array([0]), np.array([1])


def one_game(seed=3, **arguments):
    games = Games(1, **arguments)
    games.reset([seed])
    return games


def put(games, y=None, velocity=None, blocks=None):
    """Change a game by hand."""
    if y is not None:
        games._bodies[0, Y] = y
    if velocity is not None:
        games._bodies[0, VELOCITY] = velocity
    if blocks is not None:
        games._facts[0, BLOCKS] = len(blocks)
        for b, (x, block_y) in enumerate(blocks):
            games._bodies[0, BLOCK_X + b] = x
            games._facts[0, BLOCK_Y + b] = block_y


def level(games, middle=24):
    """Make the cave straight."""
    games._heights[:] = middle


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(
    ("width", "height", "fps"),
    [(48, 48, 30), (20, 20, 30), (29, 41, 60), (97, 53, 12), (48, 300, 3), (64, 96, 1), (39, 24, 240)],
)
def test_every_frame_is_that_of_the_plain_game(plain_game, pilot, width, height, fps, rounding):
    """State, reward, end, numbers, random draws, picture; long games are made by giving crashed players their life back."""
    rng = np.random.default_rng(5)
    for seed in (0, 2**32 - 1, 77):
        games = one_game(seed, width=width, height=height, fps=fps, rounding=rounding)
        plain = plain_game(seed, width, height, fps, rounding)
        for t in range(400):
            assert games.y[0] == plain.y and games.velocity[0] == plain.v, t
            assert games.blocks(0).tolist() == plain.blocks and games.columns(0).tolist() == plain.columns, t
            assert np.array_equal(games.states()[0], plain.state(), equal_nan=True), t
            if t % 5 == 0 or games.terminated[0]:
                assert np.array_equal(games.pictures()[0], plain.picture()), t
            if games.terminated[0]:
                games._terminated[0] = False
                plain.lives = 1.0
                put(games, height / 2, 0.0)
                plain.y, plain.v = height / 2, 0.0
            action = pilot(games.states(), height, rng)
            games.step(action)
            assert games.rewards[0] == plain.step(action[0]) and games.lives[0] == plain.lives, t
            assert games.terminated[0] == (plain.lives <= 0) and games.scores[0] == plain.score, t
        assert games.random_state(0).random_sample() == plain.rng.random_sample()


def test_6_3_motion_is_damped_after_acceleration_and_not_scaled_by_dt():
    games = one_game()
    games.step(NOTHING)
    fall = 0.0004 * 48 * 0.09 * (1000 / 30) * 0.99
    assert games.velocity[0] == pytest.approx(fall) and games.y[0] == pytest.approx(24 + fall)
    put(games, 24.0, 0.0)
    games.step(UP)
    assert games.velocity[0] == pytest.approx(-0.56 * 0.99)


@pytest.mark.parametrize(
    ("y", "lives"),
    # nominal height 2.4, half a gap 12, cave at 24: the ceiling kills up to 14.4, the floor from 36
    [(14.39, 0), (14.41, 1), (35.99, 1), (36.01, 0)],
)
def test_6_4_ceiling_and_floor_are_compared_with_the_exact_y(y, lives):
    games = one_game()
    level(games)
    put(games, y, -0.0576)  # which the fall makes 0
    games.step(NOTHING)
    assert games.y[0] == pytest.approx(y, abs=1e-9)
    # two columns can be at the player, and each costs a life
    assert (games.lives[0] == 1) == (lives == 1) and games.terminated[0] == (lives == 0)
    assert games.rewards[0] == (0 if lives else -5)


def test_6_4_a_block_hits_only_if_a_pixel_is_shared():
    # player 2 x 2 at (15, 23); block 4 x 9, its top is 4 above the centre
    beside = ((19.05, 24, False), (18.95, 24, True))
    below_and_above = ((16, 29, False), (16, 28, True), (16, 18, False), (16, 19, True))
    for x, y, crash in beside + below_and_above:
        games = one_game()
        level(games)
        put(games, 24.0, -0.0576, [(x + 0.64, y)])
        games.step(NOTHING)
        assert games.terminated[0] == crash, (x, y)


def test_6_5_a_passed_block_is_a_point_once_and_brings_the_next():
    games = one_game()
    level(games)
    put(games, 24.0, -0.0576, [(16.6, 40)])
    games.step(NOTHING)
    assert games.rewards[0] == 1 and len(games.blocks(0)) == 2 and 48 <= games.blocks(0)[1, 0] < 72
    put(games, 24.0, -0.0576)
    games.step(NOTHING)
    assert games.rewards[0] == 0 and len(games.blocks(0)) == 2
    put(games, 24.0, -0.0576, [(-3.5, 40), games.blocks(0)[1]])
    games.step(NOTHING)
    assert games.rewards[0] == 0 and len(games.blocks(0)) == 1 and games.blocks(0)[0, 0] > 16


def test_6_6_the_first_column_leaves_in_frame_10_and_bounds_kill_without_terrain():
    games = one_game()
    level(games)
    rewards = []
    for _ in range(17):
        put(games, 24.0, 0.0)
        games.step(NOTHING)
        rewards.append(games.rewards[0])
    assert np.flatnonzero(rewards).tolist() == [9, 15]
    for y, over in ((5.9, True), (6.1, False), (41.9, False), (42.1, True)):
        games = one_game(fps=30)
        games._heights[:] = 1000 if y < 24 else -1000  # their images do not reach the player
        put(games, y, -0.0576)
        games.step(NOTHING)
        assert games.terminated[0] == over, y


def test_6_8_several_hits_cost_five_points_once():
    games = one_game()
    level(games)
    put(games, 47.0, 0.0, [(16.0, 40)])
    games.step(NOTHING)
    assert games.lives[0] < 0 and games.rewards[0] == -5 + 1


def test_never_up_and_always_up_die_as_the_reference_says():
    games = Games(200)
    for action, mean_return, mean_length in ((1, -2.70, 21), (0, -5.0, 4)):
        games.reset(range(200))
        returns = np.zeros(200)
        alive = np.ones(200, bool)
        lengths = np.zeros(200)
        while alive.any():
            games.step(np.full(200, action))
            returns[alive] += games.rewards[alive]
            lengths[alive] += 1
            alive &= ~games.terminated
        assert returns.mean() == pytest.approx(mean_return, abs=0.12)
        assert lengths.mean() == pytest.approx(mean_length, abs=0.6)


def digest(pilot, width, height, fps, rounding):
    rng = np.random.default_rng(9)
    games = Games(16, width, height, fps, rounding)
    games.reset(range(100, 116))
    sha = hashlib.sha256()
    for t in range(250):
        games.step(pilot(games.states(), height, rng))
        sha.update(games.states().tobytes())
        sha.update(games.rewards.tobytes() + games.terminated.tobytes())
        if t % 10 == 0:
            sha.update(games.pictures().tobytes())
    sha.update(np.array([games.random_state(g).random_sample() for g in range(16)]).tobytes())
    return sha.hexdigest()[:16]


# of the engine that was equal to every recorded episode
DIGESTS = {
    (48, 48, 30, "trunc"): "089df0231b9fcdd2",
    (48, 48, 30, "round"): "b31b08d373ed7042",
    (84, 84, 30, "trunc"): "83af0ab8ca89469c",
    (29, 29, 30, "round"): "7b99b03fdfce5dd7",
    (72, 48, 60, "trunc"): "0d06a810cb28082c",
    (48, 300, 20, "round"): "7c7e7ec7d573c257",
}


@pytest.mark.parametrize("case", DIGESTS, ids=str)
def test_games_are_those_of_the_engine_that_was_compared_with_the_reference(pilot, case):
    assert digest(pilot, *case) == DIGESTS[case]
