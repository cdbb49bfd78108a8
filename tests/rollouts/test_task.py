"""What is played: wrong arguments are named before anything is played, and episodes depend on (seed, number) alone."""

import functools

import numpy as np
import pytest

from wmlib.rollouts import task

COUNTER = "wmlib-test/Counter-v0"


def half(frames):
    return frames[:, ::2]


def two_arguments(rng, frame):
    return None


def nothing(frames):
    return None


@pytest.fixture
def check(counting):
    """Check the arguments of three episodes, some of them changed."""
    right = {"env_id": COUNTER, "policy": counting, "episodes": 3, "seed": 1, "env_kwargs": None, "prepare": half}
    return lambda **changed: task.check(**{**right, "num_envs": None, "workers": 1, **changed})


@pytest.mark.parametrize(
    "argument, value, named",
    [
        ("seed", 1.5, "seed: got 1.5"),
        ("episodes", 0, "episodes: got 0"),
        ("episodes", True, "episodes: got True"),
        ("num_envs", 0, "num_envs: got 0"),
        ("workers", "two", "workers: got 'two'"),
        ("workers", True, "workers: got True"),
        ("policy", two_arguments, "policy: got .*two_arguments.*: missing a required argument: 'frame'"),
        ("policy", functools.partial(half, top=3), "policy: got .*top=3"),
        ("prepare", "half", "prepare: got 'half': it cannot be called"),
        ("prepare", nothing, "prepare: .*nothing.* fails on frames of shape"),
        ("env_kwargs", ["least"], "env_kwargs: got .*by name"),
        ("env_kwargs", {"most": 3}, "env_id, env_kwargs: got .*most"),
        ("env_id", 3, "env_id: got 3"),
        ("env_id", "CartPole-v1", "env_id, env_kwargs: .*CartPole.* allowed are arrays of uint8"),
        ("env_id", "no_such_module:X-v0", "env_id, env_kwargs: got 'no_such_module:X-v0'"),
    ],
)
def test_what_cannot_be_used_is_named(check, argument, value, named):
    with pytest.raises(ValueError, match=named):
        check(**{argument: value})


def test_what_an_environment_itself_misses_is_its_own_error(check, tmp_path, monkeypatch):
    (tmp_path / "wmlib_test_engine.py").write_text("import no_such_engine")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_engine"):
        check(env_id="wmlib_test_engine:X-v0")


def test_the_right_ones_are_kept(check, counting):
    checked = check(env_kwargs={"least": 4})
    assert checked == (COUNTER, {"least": 4}, counting, 1, half, None)
    assert checked.make().unwrapped.least == 4


def test_an_episode_depends_on_its_seed_and_number_alone(counter, counting):
    def frames(seed, number):
        seen = []
        episode = task.play(counter, counting, seed, number, lambda frame: seen.append(frame.copy()))
        assert len(seen) == len(episode.actions) + 1 == len(episode.rewards) + 1
        return np.stack(seen)

    first = frames(1, 0)
    others = [frames(1, 1), frames(2, 0)]
    assert np.array_equal(frames(1, 0), first) and not any(np.array_equal(first, other) for other in others)


def test_what_a_manifest_says_of_a_function():
    said = task.describe("policy", functools.partial(half, top=(1, 2)))
    assert said == {"function": f"{__name__}.half", "arguments": {"top": [1, 2]}}
    for wrong in (lambda frames: frames, functools.partial(half, 3), functools.partial(half, top={1}), object()):
        with pytest.raises(ValueError, match=r"^policy: "):
            task.describe("policy", wrong)
