"""The environment with Gymnasium's interface: its checker, spaces, ends, seeds, bad use."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import wmlib.envs  # noqa: F401, registers
from wmlib.envs.pixelcopter import Games, PixelCopter
from wmlib.envs.pixelcopter.environment import ENV_ID, MAX_EPISODE_STEPS, OBSERVATIONS


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_gymnasiums_own_checker_is_content(observation):
    env = gymnasium.make(ENV_ID, observation=observation, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    assert env.spec.max_episode_steps == MAX_EPISODE_STEPS


@pytest.mark.parametrize("size", [(48, 48), (84, 60), (20, 100)])
def test_numbers_are_in_their_space_even_when_crashed_players_fly_on(size):
    width, height = size
    env = PixelCopter("state", width, height)
    rng = np.random.default_rng(0)
    for seed in range(30):
        state, _ = env.reset(seed=seed)
        assert state in env.observation_space
        terminated = False
        climb = rng.random() < 0.5
        while not terminated:
            state, _, terminated, _, _ = env.step(int(rng.random() < 0.9) ^ climb)
            assert state in env.observation_space and state.dtype == np.float32


def test_an_episode_is_that_of_the_engine():
    env = gymnasium.make(ENV_ID, rounding="round", render_mode="rgb_array")
    games = Games(1, rounding="round")
    frame, info = env.reset(seed=11)
    games.reset([11])
    assert np.array_equal(frame, games.pictures()[0]) and info == {}
    terminated = False
    t = 0
    while not terminated:
        action = int(t % 12 > 0)
        frame, reward, terminated, truncated, info = env.step(action)
        games.step(np.array([action]))
        assert np.array_equal(frame, games.pictures()[0]) and np.array_equal(env.render(), frame)
        assert (reward, terminated, truncated, info) == (games.rewards[0], games.terminated[0], False, {})
        t += 1
    assert t > 20
    with pytest.raises(RuntimeError, match=r"call reset\(\) before step"):
        env.step(1)


def test_episodes_differ_and_repeat_by_seed():
    env = PixelCopter()
    runs = [[env.reset(seed=s)[0].tobytes() for s in (seed, None, None)] for seed in (5, 5, 6)]
    assert runs[0] == runs[1] != runs[2] and len(set(runs[0])) == 3
    fresh = {PixelCopter().reset()[0].tobytes() for _ in range(4)}
    assert len(fresh) > 1  # not always one level


def test_the_fixed_level_is_one_for_every_environment_episode_and_seed():
    starts = set()
    for seed in (None, 1, 2):
        env = PixelCopter(fixed_level=True)
        starts |= {env.reset(seed=seed)[0].tobytes() for _ in range(2)}
    assert len(starts) == 1


def test_the_registered_limit_truncates():
    env = gymnasium.make(ENV_ID, observation="state", max_episode_steps=5)
    env.reset(seed=1)
    ends = [env.step(1)[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]


def test_without_a_render_mode_there_is_no_picture():
    env = PixelCopter()
    env.reset(seed=1)
    assert env.render() is None


def test_bad_use_is_named():
    for arguments, message in (
        ({"observation": "x"}, "observation: got 'x'; allowed are 'pixels', 'grey', 'state'"),
        ({"render_mode": "human"}, "render_mode: got 'human'; allowed are None, 'rgb_array'"),
        ({"observation": "state", "width": 29}, "width: got 29, which leaves gaps in the terrain"),
        ({"fps": 500}, "fps: got 500"),
    ):
        with pytest.raises(ValueError, match=message):
            PixelCopter(**arguments)
    env = PixelCopter(width=29)
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        env.step(0)
    with pytest.raises(ValueError, match=r"seeds\[0\]: got 4294967296"):
        env.reset(seed=2**32)
    env.reset(seed=1)
    for action in (2, None, 0.5, [0]):
        with pytest.raises(ValueError, match=r"action: got .*; allowed are 0 \(up\) and 1 \(nothing\)"):
            env.step(action)
    env.step(np.int64(0))
