"""A small environment whose frames say what happened, a policy for it, and a collection of its episodes."""

from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from wmlib.rollouts import collect


class Counter(gymnasium.Env):
    """A frame says which tic it is and what was done; odd seeds die, even ones are cut off. One array for all frames."""

    observation_space = spaces.Box(0, 255, (3, 5, 2), np.uint8)
    action_space = spaces.Box(-9, 9, (2,), np.float32)

    def __init__(self, least=3):
        self.least, self.frame = least, np.zeros((3, 5, 2), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.tic, self.seed, self.last = 0, seed, self.least + seed % 4
        self.frame[:] = 0
        return self.frame, {}

    def step(self, action):
        self.tic += 1
        self.frame[0, 0, 0], self.frame[2, 4, 1] = self.tic, action[0]
        over = self.tic == self.last
        return self.frame, 10.0 * self.tic + action[0], over and self.seed % 2 == 1, over and self.seed % 2 == 0, {}


gymnasium.register("wmlib-test/Counter-v0", Counter)


def count(rng, top=7):
    return lambda frame: np.array([rng.integers(1, top + 1), frame[0, 0, 0]], np.float32)


@pytest.fixture
def counter():
    """The environment."""
    return Counter()


@pytest.fixture
def counting():
    """A policy: the first number of an action is drawn from 1 … `top`, the second is the tic that the frame shows."""
    return count


@pytest.fixture
def counted(tmp_path):
    """Collect 11 episodes in shards of 3, in this process, into the folder `c`."""
    arguments = {"env_id": "wmlib-test/Counter-v0", "policy": count, "episodes": 11, "seed": 5}
    return partial(collect, folder=tmp_path / "c", **arguments, shard_episodes=3, workers=1)


@pytest.fixture
def contents():
    """A function that returns the bytes of all files of a collection by name."""
    return lambda folder: {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
