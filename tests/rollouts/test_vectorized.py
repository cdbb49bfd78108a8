"""Vectorized environments play the same games as one at a time, and show the policy all frames at once."""

import numpy as np
import pytest

from wmlib.rollouts import collect, score
from wmlib.rollouts.collection import play
from wmlib.rollouts.vectorized import play_vectorized

COUNTER = "wmlib-test/Counter-v0"


class Team:
    """An agent: in each environment another player of one policy; it must always be shown as many frames as there are."""

    def __init__(self, policy):
        self.policy = policy

    def describe(self):
        return {"team": self.policy.__qualname__}

    def vectorized(self, num_envs):
        return VectorizedTeam(self.policy, num_envs)


class VectorizedTeam:
    def __init__(self, policy, num_envs):
        self.policy = policy
        self.players = [policy(np.random.default_rng(0))] * num_envs

    def begin(self, env, rng):
        self.players[env] = self.policy(rng)

    def act(self, frames):
        return [player(frame) for player, frame in zip(self.players, frames, strict=True)]


@pytest.mark.parametrize("num_envs", [1, 3, 5])
def test_vectorized_environments_play_the_same_games(counted, counting, tmp_path, num_envs):
    one, team = counted(), Team(counting)
    together = collect(tmp_path / "t", COUNTER, team, 11, 5, shard_episodes=4, num_envs=num_envs, workers=1)
    assert np.array_equal(one.frames(np.arange(len(one))), together.frames(np.arange(len(one))))
    for name in ("actions", "rewards", "terminated", "lengths", "starts"):
        assert np.array_equal(getattr(one, name), getattr(together, name)), name
    assert together.manifest["policy"] == {"team": "count"} and together.manifest["num_envs"] == num_envs
    ends = score(COUNTER, team, 11, 5, num_envs=num_envs, workers=1)
    assert ends.lengths.tolist() == one.lengths.tolist()
    assert ends.returns == pytest.approx(np.add.reduceat(one.rewards, one.starts))


def inverted(frames):
    return 255 - frames


def test_an_agent_is_shown_what_was_prepared(counted, counting, tmp_path):
    plain = counted()
    rollouts = collect(tmp_path / "p", COUNTER, Team(counting), 5, 5, prepare=inverted, num_envs=2, workers=1)
    frames = rollouts.frames(np.arange(len(rollouts)))
    assert np.array_equal(frames, 255 - plain.frames(np.arange(len(rollouts))))  # the last frame of each episode too
    assert (frames[rollouts.resets][..., 0, 0, 0] == 255).all()
    assert np.array_equal(rollouts.actions[rollouts.acted][:, 1], frames[rollouts.acted][:, 0, 0, 0])


def test_each_episode_is_that_of_play_and_its_frames_come_in_order(counter, counting):
    numbers, seen = [4, 9, 2, 7], {}

    def observe(episode, frame):
        seen.setdefault(episode, []).append(frame.copy())

    envs = [type(counter)() for _ in range(3)]
    done = play_vectorized(envs, VectorizedTeam(counting, 3), 5, numbers, observe=observe)
    for number, episode in zip(numbers, done, strict=True):
        frames = []
        expected = play(counter, counting, 5, number, lambda frame, frames=frames: frames.append(frame.copy()))
        assert np.array_equal(episode.actions, expected.actions)
        assert (episode.rewards, episode.terminated) == (expected.rewards, expected.terminated)
        assert np.array_equal(seen[number], frames)
    assert {e.terminated for e in done} == {True, False} and len({len(e.actions) for e in done}) > 1


def test_environments_with_nothing_left_to_play_are_still_shown(counter, counting):
    shown = []

    class Recorder(VectorizedTeam):
        def act(self, frames):
            shown.append(frames[:, 0, 0, 0].tolist())
            return super().act(frames)

    envs = [type(counter)(least) for least in (1, 9)]
    first, second = play_vectorized(envs, Recorder(counting, 2), 5, [0, 1])
    assert len(first.actions) < len(second.actions) == len(shown)
    assert [frames[1] for frames in shown] == list(range(len(second.actions)))
    ended = len(first.actions)
    assert [frames[0] for frames in shown] == [min(t, ended) for t in range(len(shown))]  # it stays as it ended
