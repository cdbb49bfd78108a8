"""The game as agents see it: Gymnasium's rules, pictures by a plain loop, rewards of blocks, going on from a state."""

import numpy as np
import pytest

from wmlib.envs.pixelcopter import PixelCopterVector
from wmlib.lessons.rnd_pixelcopter.world import CENTER, SCALE, Copters

VIEWS = pytest.mark.parametrize("view", ["state", "pixels"])


def fly(envs, steps, seed=0):
    """Return what steps with a few ups give, one tuple each."""
    rng = np.random.default_rng(seed)
    return [envs.step((rng.random(envs.num_envs) > 0.1).astype(int)) for _ in range(steps)]


def test_state_is_scaled_and_the_game_is_the_game():
    envs, plain = Copters(5), PixelCopterVector(5, "state")
    first, _ = envs.reset(seed=np.int64(3))
    expected, _ = plain.reset(seed=3)
    np.testing.assert_allclose(first, np.clip((expected - CENTER) / SCALE, -5, 5), rtol=1e-6)
    for (_, rewards, terminated, truncated, _), other in zip(fly(envs, 150), fly(plain, 150), strict=True):
        assert np.array_equal(rewards, other[1]) and np.array_equal(terminated, other[2]) and not truncated.any()


def test_pictures_are_means_of_squares_stacked_and_black_before_the_start():
    envs = Copters(3, "pixels", max_frames=30)
    plain = PixelCopterVector(3, "grey", max_episode_steps=30)
    stacked, _ = envs.reset(seed=1)
    grey, _ = plain.reset(seed=1)
    history = [np.zeros((3, 24, 24), int)] * 3
    over = np.zeros(3, bool)
    steps = [(None, *step) for step in zip(fly(envs, 80), fly(plain, 80), strict=True)]
    for _, ours, other in [(None, (stacked,), (grey,)), *steps]:
        screens = other[0][..., 0].astype(int)
        small = (screens[:, ::2, ::2] + screens[:, 1::2, ::2] + screens[:, ::2, 1::2] + screens[:, 1::2, 1::2]) // 4
        history = [np.where(over[:, None, None], 0, past) for past in history[-3:]] + [small]
        assert np.array_equal(ours[0], np.stack(history, -1))
        if len(ours) > 1:
            over = ours[2] | ours[3]


def test_only_every_third_block_pays():
    envs, game = Copters(40, reward="third blocks"), Copters(40)
    envs.reset(seed=2)
    game.reset(seed=2)
    rng = np.random.default_rng(0)
    total = 0.0
    passed = np.zeros(40, int)
    over = np.zeros(40, bool)
    for _ in range(600):
        blocks = envs.games.num_blocks
        low = envs.games.states()[:, 2] - envs.games.states()[:, 3] + 16 * envs.games.states()[:, 1] > 2
        actions = np.where(low ^ (rng.random(40) < 0.02), 0, 1)
        _, rewards, terminated, *_ = envs.step(actions)
        _, points, also, *_ = game.step(actions)
        assert np.array_equal(terminated, also) and set(rewards) <= {0.0, 1.0}
        passed[over] = 0
        passes = envs.games.num_blocks > blocks
        passed += passes
        assert np.array_equal(rewards > 0, passes & np.isin(passed, [3, 6, 9, 12]))
        assert (points[rewards > 0] + 5 * terminated[rewards > 0] >= 1).all()
        total += rewards.sum()
        over = terminated
    assert total > 5


def test_positions_are_the_state_without_velocity():
    envs, other = Copters(5), Copters(5, "positions")
    np.testing.assert_array_equal(np.delete(envs.reset(seed=3)[0], 1, 1), other.reset(seed=3)[0])
    for (state, *_), (positions, *_) in zip(fly(envs, 40), fly(other, 40), strict=True):
        np.testing.assert_array_equal(np.delete(state, 1, 1), positions)
    assert positions in other.observation_space and state[:, 1].any()


@VIEWS
def test_games_go_on_from_a_state_to_the_bit(view):
    envs = Copters(4, view, "third blocks")
    envs.reset(seed=9)
    fly(envs, 37)
    again = Copters(4, view, "third blocks")
    again.reset(seed=0)
    again.load_state_dict(envs.state_dict())
    for one, other in zip(fly(envs, 60, seed=5), fly(again, 60, seed=5), strict=True):
        for a, b in zip(one[:4], other[:4], strict=True):
            assert np.array_equal(a, b)


@VIEWS
def test_observations_are_in_their_space_and_new(view):
    envs = Copters(2, view)
    obs, _ = envs.reset(seed=0)
    for following, *_ in fly(envs, 30):
        assert envs.observation_space.contains(following) and following is not obs
        assert not np.shares_memory(following, obs)
        obs = following


def test_the_fixed_level_is_the_same_for_all():
    envs = Copters(3, fixed_level=True)
    obs, _ = envs.reset(seed=[1, 2, 3])
    assert (obs == obs[0]).all()


@pytest.mark.parametrize(
    ("arguments", "message"), [({"view": "both"}, "state, positions, pixels"), ({"reward": "x"}, "game, third blocks")]
)
def test_other_words_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Copters(1, **arguments)
