"""Collecting, storing and reading; the parallel tests play Take Cover, and fail by saying so without vizdoom."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium import spaces

from wmlib.envs.doom.take_cover import shrink
from wmlib.envs.doom.scripted import sticky
from wmlib.rollouts import RolloutError, Rollouts, RolloutWarning, collect, score
from wmlib.rollouts.collection import play

ROOT = Path(__file__).parents[2]


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


def counting(rng, top=7):
    return lambda frame: np.array([rng.integers(1, top + 1), frame[0, 0, 0]], np.float32)


def blind(rng):
    def act(frame):
        raise RuntimeError("no idea")

    return act


@pytest.fixture
def counted(tmp_path):
    """Collect 11 episodes in shards of 3, in this process."""
    return partial(collect, tmp_path / "c", "wmlib-test/Counter-v0", counting, 11, 5, shard_episodes=3, workers=1)


@pytest.fixture
def doom(tmp_path):
    """Collect short games of Take Cover."""
    arguments = {"env_kwargs": {"max_tics": 9}, "shard_episodes": 2}
    return lambda folder, workers, episodes=7: collect(
        tmp_path / folder, "wmlib/TakeCover-v0", partial(sticky, keep=0.5), episodes, 3, workers=workers, **arguments
    )


def contents(folder):
    return {p.name: p.read_bytes() for p in Path(folder).iterdir() if p.name != ".lock"}


def test_the_number_of_workers_changes_no_byte(doom, tmp_path):
    for workers in (1, 2, 4):
        doom(str(workers), workers)
    one = contents(tmp_path / "1")
    assert len(one) == 1 + 3 * 4
    assert one == contents(tmp_path / "2") == contents(tmp_path / "4")
    rollouts = Rollouts(tmp_path / "4")
    assert len(rollouts) == 7 * 10 and rollouts.frames(np.arange(3)).shape == (3, 64, 64, 3)
    assert len({rollouts.actions[rollouts.episode(i)].tobytes() for i in range(7)}) > 5  # episodes are not one another's copies


def test_rows_hold_what_was_seen_then_done_then_brought(counted):
    rollouts = counted()
    assert len(rollouts.lengths) == 11 and set(rollouts.lengths) <= {3, 4, 5, 6} and len(set(rollouts.lengths)) > 1
    fatal = []
    for number, length in enumerate(rollouts.lengths):
        steps = rollouts.steps(rollouts.episode(number))
        assert steps.frames.shape == (length + 1, 3, 5, 2) and steps.frames.dtype == np.uint8
        assert steps.frames[:, 0, 0, 0].tolist() == list(range(length + 1))  # each frame as it was, not as the array ended
        assert steps.actions[:-1, 1].tolist() == list(range(length))  # the action was taken on seeing this frame
        assert np.array_equal(steps.frames[1:, 2, 4, 1], steps.actions[:-1, 0])  # and brought the next one
        assert np.array_equal(steps.rewards[:-1], 10 * np.arange(1, length + 1) + steps.actions[:-1, 0])
        assert not steps.actions[-1].any() and steps.rewards[-1] == 0
        assert steps.resets.tolist() == [True] + [False] * length
        assert steps.acted.tolist() == [True] * length + [False]
        assert not steps.terminated[:-2].any() and not steps.terminated[-1]
        fatal.append(bool(steps.terminated[-2]))
        assert fatal[-1] == (length % 2 == 0)  # odd seeds: 3 + 1 or 3 + 3 tics
    assert any(fatal) and not all(fatal)
    assert rollouts.actions.dtype == np.float32 and rollouts.actions.shape == (len(rollouts), 2)


def test_frames_are_those_on_disk_in_any_shape_and_across_shards(counted, tmp_path):
    rollouts = counted()
    disk = np.concatenate([np.load(path) for path in sorted((tmp_path / "c").glob("*.frames.npy"))])
    assert len(disk) == len(rollouts)
    rows = np.random.default_rng(0).integers(len(disk), size=(4, 13))
    assert np.array_equal(rollouts.frames(rows), disk[rows])
    assert np.array_equal(rollouts.frames(np.arange(len(disk))), disk)
    assert rollouts.frames(np.array(3)).shape == (3, 5, 2) and rollouts.frames(np.zeros(0, int)).shape == (0, 3, 5, 2)
    with pytest.raises(IndexError):
        rollouts.frames(np.array([len(disk)]))
    with pytest.raises(IndexError):
        rollouts.frames(np.array([-1]))


def test_a_hint_changes_nothing_and_reaches_the_last_byte(counted, monkeypatch):
    rollouts = counted()
    rows = np.arange(len(rollouts))
    before = rollouts.frames(rows)
    rollouts.fetch(rows.reshape(1, -1))
    rollouts.fetch(np.zeros(0, int))
    assert np.array_equal(rollouts.frames(rows), before)
    monkeypatch.delattr("mmap.MADV_WILLNEED")  # where the system knows no such hint
    rollouts.fetch(rows)


def test_random_rows_and_windows_reach_every_row(counted):
    rollouts, rng = counted(), np.random.default_rng(1)
    n = len(rollouts)
    assert set(rollouts.random_rows(40 * n, rng)) == set(range(n))
    windows = rollouts.windows(40 * n, 7, rng)
    assert windows.shape == (40 * n, 7) and (np.diff(windows, axis=1) == 1).all()
    assert set(windows[:, 0]) == set(range(n - 6))
    steps = rollouts.steps(windows[:50])
    inside = ~steps.resets[:, 1:]
    assert np.array_equal(inside, steps.acted[:, :-1])  # where nothing was done the next row is another episode
    tics = steps.frames[..., 0, 0, 0].astype(int)
    assert np.array_equal(np.diff(tics, axis=1) == 1, inside)
    assert rollouts.windows(2, n, rng).tolist() == [list(range(n))] * 2
    for length in (0, n + 1):
        with pytest.raises(ValueError, match="length: got"):
            rollouts.windows(1, length, rng)


def test_score_plays_the_same_games_and_keeps_only_the_ends(counted):
    rollouts = counted()
    for workers in (1, 2):
        if workers == 1:
            scores = score("wmlib-test/Counter-v0", counting, 11, 5, workers=1)
            assert scores.lengths.tolist() == rollouts.lengths.tolist()
            ends = np.add.reduceat(rollouts.rewards, rollouts.starts)
            assert scores.returns == pytest.approx(ends)
    arguments = {"env_kwargs": {"max_tics": 4, "skill": 5}}
    one = score("wmlib/TakeCover-v0", sticky, 12, 1, workers=1, **arguments)
    two = score("wmlib/TakeCover-v0", sticky, 12, 1, workers=2, **arguments)
    assert one.lengths.tolist() == two.lengths.tolist() == one.returns.tolist() == [4] * 12


class Team:
    """Several who are `counting`, as a crew; it must always be shown as many frames as there are lanes."""

    def __init__(self, lanes):
        self.players = [counting(np.random.default_rng(0))] * lanes

    def begin(self, lane, rng):
        self.players[lane] = counting(rng)

    def act(self, frames):
        return [play(frame) for play, frame in zip(self.players, frames, strict=True)]


@pytest.mark.parametrize("lanes", [1, 3, 5])
def test_side_by_side_the_same_games_are_played(counted, tmp_path, lanes):
    one = counted()
    together = collect(tmp_path / "t", "wmlib-test/Counter-v0", Team, 11, 5, shard_episodes=4, lanes=lanes, workers=1)
    assert np.array_equal(one.frames(np.arange(len(one))), together.frames(np.arange(len(one))))
    for name in ("actions", "rewards", "terminated", "lengths", "starts"):
        assert np.array_equal(getattr(one, name), getattr(together, name)), name
    ends = score("wmlib-test/Counter-v0", Team, 11, 5, lanes=lanes, workers=1)
    assert ends.lengths.tolist() == one.lengths.tolist()
    assert ends.returns == pytest.approx(np.add.reduceat(one.rewards, one.starts))


def inverted(frames):
    return 255 - frames


def test_a_crew_is_shown_what_was_prepared(tmp_path):
    made = collect(tmp_path / "c", "wmlib-test/Counter-v0", Team, 5, 5, prepare=inverted, lanes=2, workers=1)
    tics = made.steps(np.arange(len(made)))
    assert (tics.frames[made.resets][..., 0, 0, 0] == 255).all()
    assert np.array_equal(tics.actions[tics.acted][:, 1], tics.frames[tics.acted][:, 0, 0, 0])


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def alter(path):
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "part, harm, named",
    [
        ("frames.npy", truncate, "00001.frames.npy has .* bytes instead of"),
        ("frames.npy", alter, "00001.frames.npy has changed"),
        ("frames.npy", Path.unlink, "00001.frames.npy is missing"),
        ("steps.npz", truncate, "00001.steps.npz has .* bytes instead of"),
        ("steps.npz", alter, "00001.steps.npz has changed"),
        ("json", truncate, "00001.json cannot be read"),
    ],
)
def test_a_damaged_shard_is_named_and_made_again(counted, tmp_path, part, harm, named):
    counted()
    folder = tmp_path / "c"
    whole, untouched = contents(folder), (folder / "00002.frames.npy").stat().st_mtime_ns
    harm(folder / f"00001.{part}")
    if harm is not alter:  # opening compares sizes, collecting also checksums
        with pytest.raises(RolloutError, match=f"shard 1: {named}.*collect"):
            Rollouts(folder)
    with pytest.warns(RolloutWarning, match=rf"{named}.*shard 1 is collected again"):
        counted()
    assert contents(folder) == whole
    assert (folder / "00002.frames.npy").stat().st_mtime_ns == untouched


def test_what_is_missing_is_made_without_a_word(counted, tmp_path, recwarn):
    counted()
    whole = contents(tmp_path / "c")
    (tmp_path / "c/00003.json").unlink()
    (tmp_path / "c/.00003.frames.npy.abc.tmp").write_bytes(b"half")
    with pytest.raises(RolloutError, match="shard 3: it has not been collected"):
        Rollouts(tmp_path / "c")
    counted()
    assert contents(tmp_path / "c") == whole and not recwarn


def test_a_killed_collection_goes_on_with_nothing_lost_or_doubled(tmp_path):
    source = """
import sys
from wmlib.envs.doom.take_cover import shrink
from wmlib.envs.doom.scripted import sticky
from wmlib.rollouts import collect
collect(sys.argv[1], "wmlib/TakeCover-v0", sticky, 24, 3, env_kwargs={"max_tics": 100}, shard_episodes=3, workers=2)
"""
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    process = subprocess.Popen([sys.executable, "-c", source, killed], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 100
    while len(list(killed.glob("0*.json"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    left = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    shards = [path.name[:5] for path in killed.glob("0*.json")]
    assert 2 <= len(shards) < 8
    made = {path: path.stat().st_mtime_ns for shard in shards for path in killed.glob(f"{shard}.*")}
    for folder in (killed, straight):
        collect(folder, "wmlib/TakeCover-v0", sticky, 24, 3, env_kwargs={"max_tics": 100}, shard_episodes=3, workers=1)
    assert contents(killed) == contents(straight)
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())
    for worker in left:  # joblib's would end by themselves after some idle minutes
        if worker.is_running() and any("popen_loky" in word for word in worker.cmdline()):
            worker.kill()


def test_other_arguments_are_refused_with_the_difference(counted, tmp_path):
    counted()
    there = partial(collect, tmp_path / "c", "wmlib-test/Counter-v0", counting, 11, 6, shard_episodes=3, workers=1)
    with pytest.raises(RolloutError, match=r"another collection: seed: 5 there, 6 here\. Use another folder"):
        there()
    with pytest.raises(RolloutError, match=r"policy: .*'top': 3"):
        collect(tmp_path / "c", "wmlib-test/Counter-v0", partial(counting, top=3), 11, 5, shard_episodes=3, workers=1)


def test_arguments_are_checked_before_anything_is_played(tmp_path):
    call = partial(collect, tmp_path / "c", "wmlib-test/Counter-v0", seed=1, workers=1)
    with pytest.raises(ValueError, match="episodes: got 0"):
        call(policy=counting, episodes=0)
    with pytest.raises(ValueError, match="policy: got a partial with unnamed arguments"):
        call(policy=partial(counting, None), episodes=1)
    with pytest.raises(ValueError, match="must be JSON values"):
        call(policy=partial(counting, top=np.zeros(2)), episodes=1)
    with pytest.raises(ValueError, match=r"CartPole-v1 has observations .* uint8"):
        collect(tmp_path / "d", "CartPole-v1", counting, 1, 1, workers=1)
    with pytest.raises(RolloutError, match="holds no collection"):
        Rollouts(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="episodes: got 0"):
        score("wmlib-test/Counter-v0", counting, 0, 1)
    with pytest.raises(ValueError, match="lanes: got 0"):
        score("wmlib-test/Counter-v0", Team, 1, 1, lanes=0)


def test_a_full_disk_stops_early_and_keeps_what_is_there(counted, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**6, 10**6, 900))
    with pytest.raises(OSError, match=r"the other 3 of 4 shards need about .* GB and 0.0 GB are free"):
        counted()
    assert json.loads((tmp_path / "c/00000.json").read_text())["episodes"] == 3
    monkeypatch.undo()
    assert len(counted().lengths) == 11


def test_a_fault_in_a_policy_comes_through_and_leaves_nothing_half_written(tmp_path):
    with pytest.raises(RuntimeError, match="no idea"):
        collect(tmp_path / "c", "wmlib-test/Counter-v0", blind, 3, 1, workers=1)
    assert {p.name for p in (tmp_path / "c").iterdir()} == {".lock", "manifest.json"}


def test_a_worker_that_is_killed_loses_only_its_shard(doom, tmp_path, monkeypatch):
    """A machine short of memory kills a worker; the next call goes on."""
    with pytest.raises(Exception, match=r"terminated|killed|exit"):
        collect(tmp_path / "k", "wmlib/TakeCover-v0", _suicidal, 4, 3, shard_episodes=1, workers=2)
    assert not list((tmp_path / "k").glob("00003.json"))


def _suicidal(rng):
    os.kill(os.getpid(), signal.SIGKILL)


def test_episodes_do_not_depend_on_the_size_of_the_collection(doom, tmp_path):
    long, short = doom("long", 1, 5), doom("short", 1, 3)
    assert np.array_equal(long.frames(np.arange(len(short))), short.frames(np.arange(len(short))))


@pytest.mark.parametrize("variant", ["mufti", "world_models"])
def test_frames_prepared_in_blocks_are_the_same_to_the_bit(tmp_path, variant):
    call = partial(collect, env_id="wmlib/TakeCover-v0", policy=sticky, episodes=3, seed=2, workers=1)
    short = {"variant": variant, "max_tics": 50}
    one = call(tmp_path / "one", env_kwargs=short)
    blocks = call(tmp_path / "blocks", env_kwargs={**short, "shrunk": False}, prepare=shrink)
    assert one.lengths.tolist() == [50] * 3  # 153 rows: two blocks and a rest
    for name in ("00000.frames.npy", "00000.steps.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "blocks" / name).read_bytes()
    assert blocks.manifest["prepare"]["function"] == "wmlib.envs.doom.take_cover.shrink"


def test_policies_do_not_share_the_environments_randomness():
    env = Counter()
    seeds = []
    for policy in (counting, partial(counting, top=2)):
        play(env, policy, 4, 9, lambda frame: None)
        seeds.append(env.seed)
    play(env, counting, 4, 10, lambda frame: None)
    assert seeds[0] == seeds[1] != env.seed
