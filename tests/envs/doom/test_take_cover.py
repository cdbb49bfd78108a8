"""Take Cover needs the extra `doom`; without vizdoom these tests fail and say so."""

import hashlib
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from PIL import Image

from wmlib.envs.doom.scripted import shuttle
from wmlib.envs.doom.take_cover import MAX_TICS, TakeCover, shrink

ROOT = Path(__file__).parents[3]


@pytest.fixture
def make():
    made = []

    def make(**arguments):
        made.append(TakeCover(**arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


def actions(count):
    return np.random.default_rng(5).integers(3, size=count).repeat(7)[:count].tolist()


def digest(env, seed, tics=150):
    """Hash all that an episode shows."""
    sha = hashlib.sha256(env.reset(seed=seed)[0].tobytes())
    for action in actions(tics):
        frame, reward, terminated, truncated, _ = env.step(action)
        sha.update(frame.tobytes() + bytes([int(reward), terminated, truncated]))
        if terminated or truncated:
            break
    return sha.hexdigest()


@pytest.mark.parametrize("arguments", [{}, {"variant": "world_models", "continuous": True, "shrunk": False}])
def test_gymnasiums_own_checker_is_content(arguments):
    env = gymnasium.make("wmlib/TakeCover-v0", max_tics=7, **arguments)
    check_env(env.unwrapped)
    env.close()


def test_two_environments_agree_step_by_step(make):
    a, b = make(variant="world_models"), make(variant="world_models")
    assert np.array_equal(a.reset(seed=11)[0], b.reset(seed=11)[0])
    for action in actions(60):
        (frame_a, *rest_a), (frame_b, *rest_b) = a.step(action), b.step(action)
        assert np.array_equal(frame_a, frame_b) and rest_a == rest_b


def test_an_episode_depends_on_its_seed_alone_in_any_order_and_process(make):
    env = make()
    first = {seed: digest(env, seed) for seed in (1, 2, 3)}
    assert len(set(first.values())) == 3
    again = {seed: digest(env, seed, tics) for seed, tics in ((3, 150), (2, 9), (1, 150), (2, 150))}  # one cut short between
    assert first == again
    source = f"""
import importlib.util
from wmlib.envs.doom.take_cover import TakeCover
spec = importlib.util.spec_from_file_location("here", {__file__!r})
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
print(here.digest(TakeCover(), 2))
"""
    elsewhere = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=ROOT)
    assert elsewhere.stdout.strip() == first[2], elsewhere.stderr


def test_without_a_seed_the_episodes_differ_and_repeat_as_a_sequence(make):
    env = make()
    runs = []
    for _ in range(2):
        env.reset(seed=4)
        runs.append([digest(env, None) for _ in range(2)])
    assert runs[0] == runs[1] and runs[0][0] != runs[0][1]


def test_many_at_once_do_not_disturb_each_other(make):
    envs = [make() for _ in range(4)]
    frames = [[env.reset(seed=i)[0]] for i, env in enumerate(envs)]
    for action in actions(20):
        for env, seen in zip(envs, frames, strict=True):
            seen.append(env.step(action)[0])
    alone = make()
    for i, seen in enumerate(frames):
        assert np.array_equal(alone.reset(seed=i)[0], seen[0])
        assert all(np.array_equal(alone.step(action)[0], frame) for action, frame in zip(actions(20), seen[1:], strict=True))


@pytest.mark.parametrize("shrunk", [True, False])
def test_an_observation_stays_as_it_was(make, shrunk):
    env = make(shrunk=shrunk)
    frames = [env.reset(seed=1)[0], *(env.step(0)[0] for _ in range(20))]
    copies = [frame.copy() for frame in frames]
    for _ in range(20):
        env.step(0)
    assert all(map(np.array_equal, frames, copies)) and not np.array_equal(frames[0], frames[-1])


def test_thirds_of_the_interval_are_the_three_actions(make):
    discrete, continuous = make(), make(continuous=True)
    discrete.reset(seed=6)
    continuous.reset(seed=6)
    third = np.float32(1 / 3)
    pairs = [(0, -1.0), (0, -third - 1e-6), (1, -third + 1e-6), (1, 0.0), (1, third - 1e-6), (2, third + 1e-6), (2, 1.0)]
    for action, value in pairs * 4:
        one, other = discrete.step(action)[0], continuous.step(np.array([value], np.float32))[0]
        assert np.array_equal(one, other)


def test_left_and_right_move_the_picture_the_other_way(make):
    env = make(render_mode="rgb_array")
    brown = {}  # where the side wall is: left or right half
    for action in (0, 2):
        env.reset(seed=1)
        for _ in range(60):
            env.step(action)
        screen = env.render().astype(int)
        wall = screen[..., 0] - screen[..., 2] > 16
        brown[action] = wall[:, :320].sum() > wall[:, 320:].sum()
    assert brown == {0: True, 2: False}


@pytest.mark.parametrize("action", [3, -1, 0.5, "left", None, np.zeros(3)])
def test_an_action_outside_the_space_is_refused_by_name(make, action):
    env = make()
    env.reset(seed=1)
    with pytest.raises(ValueError, match="action: got"):
        env.step(action)


def test_the_cap_truncates_and_a_further_step_is_refused(make):
    env = make(max_tics=5)
    env.reset(seed=1)
    ends = [env.step(1)[1:4] for _ in range(5)]
    assert ends == [(1.0, False, False)] * 4 + [(1.0, False, True)]
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(1)


def test_the_default_cap_is_reached_by_a_survivor(make):
    env = make(skill=1)
    for seed in range(40):
        frame, _ = env.reset(seed=seed)
        play, tics, over = shuttle(np.random.default_rng(0)), 0, False
        while not over:
            frame, _, terminated, truncated, _ = env.step(play(frame))
            tics, over = tics + 1, terminated or truncated
        assert tics <= MAX_TICS and truncated == (tics == MAX_TICS)
        if truncated:
            return
    pytest.fail("nobody survived 2100 tics")


def test_death_ends_the_episode_with_a_reward_and_the_last_picture(make):
    env = make(skill=5)
    frame, _ = env.reset(seed=1)
    terminated = False
    while not terminated:
        before = frame
        frame, reward, terminated, truncated, info = env.step(1)
        assert reward == 1.0 and not truncated and info == {}
    assert np.array_equal(before, frame)
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(1)


def test_variants_and_skill_are_different_games(make):
    episodes = [{}, {"variant": "world_models"}, {"skill": 5}]
    assert len({digest(make(**arguments), 3) for arguments in episodes}) == 3


def test_world_models_keeps_what_is_above_the_status_bar(make):
    env = make(variant="world_models")
    frame, _ = env.reset(seed=1)
    screen = env._engine.frame
    assert screen.shape == (120, 160, 3) and np.array_equal(frame, shrink(screen[:100]))
    red = (screen[..., 0] > 120) & (screen[..., 1] < 40)  # the digits of the health display
    assert red[100:].sum() > 100 > 3 * red[:100].sum()


@pytest.mark.parametrize("shape", [(120, 160), (100, 160), (480, 640), (67, 89)])
def test_shrinking_is_pillows_bilinear(shape):
    screen = np.random.default_rng(0).integers(256, size=(*shape, 3), dtype=np.uint8)
    pillow = np.asarray(Image.fromarray(screen).resize((64, 64), Image.Resampling.BILINEAR))
    small = shrink(screen)
    assert np.abs(small.astype(int) - pillow).max() <= 1 and small.flags.c_contiguous
    batch = shrink(np.stack([screen // 2, screen, 255 - screen]))
    assert np.array_equal(batch[1], small) and np.array_equal(batch[2], shrink(255 - screen)) and batch.flags.c_contiguous


def test_pictures_for_people_show_the_same_game_and_change_nothing(make):
    plain, watched = make(), make(render_mode="rgb_array")
    plain.reset(seed=8)
    watched.reset(seed=8)
    for tic, action in enumerate(actions(30)):
        frame = plain.step(action)[0]
        assert np.array_equal(frame, watched.step(action)[0])
        if tic in (0, 3, 4, 29):
            picture = watched.render()
            assert picture.shape == (480, 640, 3) and picture.dtype == np.uint8
            assert np.abs(shrink(picture).astype(int) - frame).mean() < 6
    assert plain.render() is None


def test_the_picture_after_death_is_the_last_one_seen(make):
    env = make(skill=5, render_mode="rgb_array")
    env.reset(seed=1)
    terminated = False
    while not terminated:
        frame, _, terminated, _, _ = env.step(1)
    assert np.abs(shrink(env.render()).astype(int) - frame).mean() < 6


@pytest.mark.parametrize(
    "arguments", [{"variant": "paper"}, {"skill": 0}, {"skill": 6}, {"max_tics": 0}, {"render_mode": "human"}]
)
def test_arguments_out_of_range_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: got .* allowed"):
        TakeCover(**arguments)
