"""Scripted players against the rules of their sources."""

from functools import partial

import numpy as np
import pytest

from wmlib.envs.doom.scripted import BASELINES, LEFT, RIGHT, STAY, fresh, held, metronome, no_op, shuttle, sticky
from wmlib.envs.doom.take_cover import TakeCover

GREY = np.full((64, 64, 3), 90, np.uint8)
N = 9000


def drawn(policy, seed=0, count=N):
    play = policy(np.random.default_rng(seed))
    return np.array([play(GREY) for _ in range(count)])


@pytest.mark.parametrize("policy", [fresh, held, sticky])
def test_random_players_use_all_actions_evenly_and_repeat(policy):
    proportions = np.bincount(drawn(policy), minlength=3) / N
    assert np.abs(proportions - 1 / 3).max() < 0.06
    assert np.array_equal(drawn(policy), drawn(policy)) and not np.array_equal(drawn(policy), drawn(policy, 1))


@pytest.mark.parametrize(
    "policy, change", [(no_op, 0.0), (fresh, 2 / 3), (sticky, 0.1 * 2 / 3), (partial(sticky, keep=0), 2 / 3)]
)
def test_how_often_the_action_changes(policy, change):
    actions = drawn(policy)
    assert np.mean(actions[1:] != actions[:-1]) == pytest.approx(change, abs=0.02)


def test_held_follows_the_rule_of_its_source():
    """A plain loop of the rule with the same draws; draws come in blocks of 256 and numbers one by one."""
    rng = np.random.default_rng(3)
    blocks, expected = [], []
    for tic in range(2000):
        if tic == 0 or tic % number == 0:  # noqa: F821
            if not blocks:
                blocks = rng.integers(3, size=256).tolist()
            action = blocks.pop(0)
            number = int(rng.integers(1, 11))  # noqa: F841
        expected.append(action)
    assert drawn(held, 3, 2000).tolist() == expected
    assert np.array_equal(drawn(partial(held, longest=1)), drawn(partial(held, longest=1)))


def test_players_of_one_policy_are_independent():
    one, two = sticky(np.random.default_rng(1)), sticky(np.random.default_rng(1))
    for _ in range(50):
        one(GREY)
    assert [two(GREY) for _ in range(300)] == drawn(sticky, 1, 300).tolist()


def test_the_shuttle_turns_where_the_wall_fills_the_edge_and_only_there():
    wall_left, wall_right, fireball = GREY.copy(), GREY.copy(), GREY.copy()
    wall_left[:, :20], wall_right[:, -20:] = (130, 100, 70), (130, 100, 70)
    fireball[20:44, :20] = (250, 160, 60)
    play = shuttle(np.random.default_rng(0))
    seen = [GREY, fireball, wall_right, wall_left, wall_left, GREY, wall_right, GREY]
    assert [play(frame) for frame in seen] == [LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, LEFT, LEFT]


def test_the_metronome_turns_by_the_clock_alone():
    """Two tics left, then a turn every three; what it sees changes nothing."""
    play = metronome(np.random.default_rng(0), first=2, period=3)
    frames = [GREY, 255 - GREY] * 6
    expected = [LEFT, LEFT, RIGHT, RIGHT, RIGHT, LEFT, LEFT, LEFT, RIGHT, RIGHT, RIGHT, LEFT]
    assert [play(frame) for frame in frames] == expected
    assert drawn(partial(metronome, first=0, period=1), count=4).tolist() == [RIGHT, LEFT, RIGHT, LEFT]
    assert drawn(metronome, count=131).tolist() == [LEFT] * 65 + [RIGHT] * 66


@pytest.mark.parametrize("wrong", [{"first": -1}, {"period": 0}])
def test_a_metronome_without_a_beat_is_refused(wrong):
    with pytest.raises(ValueError, match="first, period"):
        metronome(np.random.default_rng(0), **wrong)


def test_the_shuttle_outlives_standing_still():
    env = TakeCover()
    means = {}
    for policy in (no_op, shuttle):
        tics = 0
        for seed in range(5):
            (frame, _), play, over = env.reset(seed=seed), policy(np.random.default_rng(seed)), False
            while not over:
                frame, _, terminated, truncated, _ = env.step(play(frame))
                tics, over = tics + 1, terminated or truncated
        means[policy] = tics / 5
    env.close()
    assert means[shuttle] > 2 * means[no_op]


def test_the_list_of_baselines_is_complete():
    assert len(BASELINES) == 5 and drawn(BASELINES["no-op"], count=3).tolist() == [STAY] * 3
