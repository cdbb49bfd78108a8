"""The vector environment against Gymnasium's own vector of single ones; limits, seeds, bad use."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import wmlib.envs  # noqa: F401, registers
from wmlib.envs.pixelcopter import PixelCopterVector
from wmlib.envs.pixelcopter.environment import ENV_ID, MAX_EPISODE_STEPS


@pytest.mark.parametrize(
    "arguments", [{}, {"observation": "state", "rounding": "round"}, {"observation": "grey", "fixed_level": True}]
)
def test_it_is_gymnasiums_vector_of_single_environments(arguments):
    ours = gymnasium.make_vec(ENV_ID, num_envs=5, max_episode_steps=25, **arguments)
    theirs = gymnasium.make_vec(ENV_ID, num_envs=5, max_episode_steps=25, vectorization_mode="sync", **arguments)
    assert isinstance(ours, PixelCopterVector) and isinstance(theirs, SyncVectorEnv)
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    for name in ("observation_space", "single_observation_space", "action_space", "single_action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert np.array_equal(ours.reset(seed=3)[0], theirs.reset(seed=3)[0])
    rng = np.random.default_rng(1)
    ends = np.zeros(2)
    for _ in range(120):
        actions = (rng.random(5) > 0.08).astype(int)
        one, other = ours.step(actions), theirs.step(actions)
        for mine, wanted in zip(one[:4], other[:4], strict=True):
            assert mine.dtype == wanted.dtype and np.array_equal(mine, wanted)
        assert one[4] == {} and one[0] in ours.observation_space
        ends += one[2].sum(), one[3].sum()
    assert (ends > 0).all()
    assert np.array_equal(ours.reset()[0], theirs.reset()[0])
    assert np.array_equal(ours.reset(seed=[5, 3, 1, 3, 0])[0], theirs.reset(seed=[5, 3, 1, 3, 0])[0])


def test_what_a_call_returns_stays_as_it_is():
    envs = PixelCopterVector(4)
    before, _ = envs.reset(seed=1)
    kept = before.copy()
    first = envs.step(np.zeros(4, int))
    copies = [part.copy() for part in first[:4]]
    for _ in range(9):
        envs.step(np.zeros(4, int))
    assert np.array_equal(before, kept)
    assert all(np.array_equal(part, one) for part, one in zip(first[:4], copies, strict=True))


def test_without_a_seed_games_begin_on_different_levels():
    envs = PixelCopterVector(32, observation="state")
    assert len(np.unique(envs.reset()[0], axis=0)) > 16  # two levels may begin alike, since a start has few values


def test_the_limit_of_the_registered_environment_is_the_default_and_none_is_allowed():
    envs = gymnasium.make_vec(ENV_ID, num_envs=2)
    assert envs.spec.max_episode_steps == MAX_EPISODE_STEPS
    free = PixelCopterVector(1, "state", max_episode_steps=None)
    free.reset(seed=1)
    assert not any(free.step(np.ones(1, int))[3] for _ in range(100))


def test_render_gives_a_picture_a_game():
    envs = PixelCopterVector(3, "state", render_mode="rgb_array")
    envs.reset(seed=1)
    pictures = envs.render()
    assert len(pictures) == 3 and pictures[0].shape == (48, 48, 3)
    assert PixelCopterVector(3).render() is None


def test_bad_use_is_named():
    for arguments, message in (
        ({"num_envs": 0}, "num_games: got 0"),
        ({"max_episode_steps": -3}, "max_steps: got -3"),
        ({"observation": "rgb"}, "observation: got 'rgb'"),
        ({"observation": "state", "width": 28}, "width: got 28, which leaves gaps"),
    ):
        with pytest.raises(ValueError, match=message):
            PixelCopterVector(**arguments)
    envs = PixelCopterVector(3)
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        envs.step(np.zeros(3, int))
    with pytest.raises(ValueError, match=r"seeds\[2\]: got 4294967296"):
        envs.reset(seed=2**32 - 2)
    envs.reset(seed=1)
    with pytest.raises(ValueError, match=r"actions\[1\]: got 4"):
        envs.step(np.array([0, 4, 0]))
