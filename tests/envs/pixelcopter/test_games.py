"""Many games at once: each is as if it were alone; starts, streams, the fixed level, bad input."""

import copy
import pickle

import numpy as np
import pytest

from wmlib.envs.pixelcopter import Games


def test_a_game_among_others_is_as_if_alone(pilot):
    rng = np.random.default_rng(2)
    seeds = [5, 0, 5, 99, 2**32 - 1]
    many = Games(len(seeds), max_steps=60)
    alone = [Games(1, max_steps=60) for _ in seeds]
    many.reset(seeds)
    for games, seed in zip(alone, seeds, strict=True):
        games.reset([seed])
    ends = np.zeros(2)
    for _ in range(300):
        actions = pilot(many.states(), 48, rng)
        many.step(actions)
        for g, games in enumerate(alone):
            games.step(actions[g : g + 1])
            assert np.array_equal(games.states()[0], many.states()[g])
            assert games.rewards[0] == many.rewards[g] and games.terminated[0] == many.terminated[g]
            assert games.truncated[0] == many.truncated[g] and games.steps[0] == many.steps[g]
        ends += many.terminated.sum(), many.truncated.sum()
    assert (ends > 0).all()


def test_the_call_after_an_end_starts_the_next_episode_of_the_stream():
    games = Games(1)
    games.reset([8])
    while not games.terminated[0]:
        games.step(np.array([0]))
    assert games.rewards[0] == -5 and games.scores[0] == -5 and games.lives[0] <= 0
    games.step(np.array([0]))
    assert games.rewards[0] == 0 and games.steps[0] == 0 and games.y[0] == 24 and games.lives[0] == 1
    again = Games(1)
    again.reset([8])
    again.reset()
    assert np.array_equal(again.columns(0), games.columns(0)) and np.array_equal(again.blocks(0), games.blocks(0))
    assert not games.terminated[0]


def test_a_crash_in_the_last_frame_is_a_crash_and_no_cut():
    games = Games(1, max_steps=4)
    games.reset([8])
    for _ in range(4):
        games.step(np.array([0]))
    assert games.terminated[0] and not games.truncated[0]
    games = Games(1, max_steps=3)
    games.reset([8])
    for _ in range(3):
        games.step(np.array([0]))
    assert games.truncated[0] and not games.terminated[0]


def test_the_fixed_level_is_the_third_start_of_seed_24_in_every_episode_to_its_last_block(pilot):
    games = Games(3, fixed_level=True)
    games.reset()
    assert games.blocks(0).tolist() == [[65, 31]]
    reference = Games(1)
    reference.reset([24])
    reference.reset()
    reference.reset()
    assert np.array_equal(reference.columns(0), games.columns(2))
    first = None
    for _ in range(2):
        games.reset([1, 2, 3])  # seeds change nothing
        rng = np.random.default_rng(1)
        states = []
        for _ in range(400):
            games.step(np.repeat(pilot(games.states()[:1], 48, rng), 3))
            states.append(games.states())
            assert (states[-1] == states[-1][0]).all()
        first = states if first is None else first
        assert np.array_equal(first, states)


def test_copies_go_on_alike_and_apart(pilot):
    games = Games(4)
    games.reset(range(4))
    rng = np.random.default_rng(1)
    for _ in range(30):
        games.step(pilot(games.states(), 48, rng))
    for twin in (copy.deepcopy(games), pickle.loads(pickle.dumps(games))):
        before = games.states()
        for _ in range(30):
            twin.step(np.ones(4, int))
        assert np.array_equal(games.states(), before) and not np.array_equal(twin.states(), before)


def test_bad_input_is_refused_before_anything_is_played():
    for arguments, message in (
        ({"num_games": 0}, "num_games: got 0; allowed is a whole number, 1 and above"),
        ({"num_games": 2.0}, "num_games: got 2.0"),
        ({"num_games": 2, "max_steps": -1}, "max_steps: got -1"),
        ({"num_games": 2, "width": 10}, "width: got 10"),
        ({"num_games": 2, "rounding": "up"}, "rounding: got 'up'"),
    ):
        with pytest.raises(ValueError, match=message):
            Games(**arguments)
    games = Games(3)
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step\(\)"):
        games.step(np.ones(3, int))
    with pytest.raises(RuntimeError, match=r"give reset\(\) seeds"):
        games.reset()
    for seeds, message in (
        ([1, 2], r"seeds: got shape \(2,\); allowed is \(3,\)"),
        ([1, -1, 2], r"seeds\[1\]: got -1; allowed is a whole number, 0 to 4294967295"),
        ([1, 2, 2**32], r"seeds\[2\]: got 4294967296"),
        ([1.0, 2, 3], r"seeds\[0\]: got 1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            games.reset(seeds)
    games.reset(range(3))
    before = games.states()
    for actions, message in (
        (np.ones(2, int), r"actions: got shape \(2,\); allowed is \(3,\)"),
        (np.ones(3), "actions: got dtype float64"),
        (np.array([0, 1, 2]), r"actions\[2\]: got 2; allowed are 0 \(up\) and 1 \(nothing\)"),
        (np.array([-1, 1, 0]), r"actions\[0\]: got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            games.step(actions)
    assert np.array_equal(games.states(), before)
    games.step([0, 1, 1])
    games.step(np.array([0, 1, 1], np.uint8))
    assert games.steps.tolist() == [2, 2, 2]


def test_a_block_that_is_passed_is_a_block_more(pilot):
    rng = np.random.default_rng(3)
    games = Games(16)
    games.reset(range(16))
    passed = np.zeros(16)
    for _ in range(200):
        before = games.num_blocks
        behind = np.array([(games.blocks(g)[-1, 0] <= 16) for g in range(16)])
        games.step(pilot(games.states(), 48, rng))
        rose = games.num_blocks > before
        passed += rose
        assert not (behind & rose).any()
    assert passed.sum() > 10 and set(games.num_blocks) <= {1, 2}


def test_games_go_on_from_a_state_to_the_bit(pilot):
    rng = np.random.default_rng(4)
    games = Games(7, max_steps=90)
    games.reset(range(7))
    for _ in range(150):
        games.step(pilot(games.states(), 48, rng))
    again = Games(7, max_steps=90)
    again.load_state_dict(games.state_dict())
    for actions in rng.integers(2, size=(200, 7)) | rng.integers(2, size=(200, 7)):
        games.step(actions)
        again.step(actions)
        assert np.array_equal(games.pictures(), again.pictures()) and np.array_equal(games.rewards, again.rewards)
        assert np.array_equal(games.terminated, again.terminated) and np.array_equal(games.truncated, again.truncated)
    with pytest.raises(ValueError, match=r"got bodies of shape \(7, .*allowed is \(6, "):
        Games(6).load_state_dict(games.state_dict())
