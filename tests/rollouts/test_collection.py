"""Collecting and scoring; the parallel tests play Take Cover, and fail by saying so without vizdoom."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from wmlib.envs.doom.scripted import sticky
from wmlib.envs.doom.take_cover import ENV_ID, shrink
from wmlib.rollouts import RolloutError, Rollouts, RolloutWarning, collect, collection, score
from wmlib.rollouts.task import play

ROOT = Path(__file__).parents[2]
COUNTER = "wmlib-test/Counter-v0"


def to_float(frames):
    return frames / 255


def blind(rng):
    def act(frame):
        raise RuntimeError("no idea")

    return act


@pytest.fixture
def doom(tmp_path):
    """Collect short games of Take Cover."""
    arguments = {"env_kwargs": {"max_tics": 9}, "shard_episodes": 2}
    return lambda folder, workers, episodes=7: collect(
        tmp_path / folder, ENV_ID, partial(sticky, keep=0.5), episodes, 3, workers=workers, **arguments
    )


def test_the_number_of_workers_changes_no_byte(doom, tmp_path, contents):
    for workers in (1, 2, 4):
        doom(str(workers), workers)
    one = contents(tmp_path / "1")
    assert len(one) == 1 + 3 * 4
    assert one == contents(tmp_path / "2") == contents(tmp_path / "4")
    rollouts = Rollouts(tmp_path / "4")
    assert len(rollouts) == 7 * 10 and rollouts.frames(np.arange(3)).shape == (3, 64, 64, 3)
    assert len({rollouts.actions[rollouts.episode(i)].tobytes() for i in range(7)}) > 5  # episodes are not one another's copies


def test_score_plays_the_same_games_and_keeps_only_the_ends(counted, counting):
    rollouts = counted()
    scores = score(COUNTER, counting, 11, 5, workers=1)
    assert scores.lengths.tolist() == rollouts.lengths.tolist()
    assert scores.returns == pytest.approx(np.add.reduceat(rollouts.rewards, rollouts.starts))
    arguments = {"env_kwargs": {"max_tics": 4, "skill": 5}}
    one = score(ENV_ID, sticky, 12, 1, workers=1, **arguments)
    two = score(ENV_ID, sticky, 12, 1, workers=2, **arguments)
    assert one.lengths.tolist() == two.lengths.tolist() == one.returns.tolist() == [4] * 12


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
def test_a_damaged_shard_is_named_and_made_again(counted, tmp_path, contents, part, harm, named):
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


def test_what_is_missing_is_made_without_a_word(counted, tmp_path, contents, recwarn):
    counted()
    whole = contents(tmp_path / "c")
    (tmp_path / "c/00003.json").unlink()
    (tmp_path / "c/.00003.frames.npy.abc.tmp").write_bytes(b"half")
    with pytest.raises(RolloutError, match="shard 3: it has not been collected"):
        Rollouts(tmp_path / "c")
    counted()
    assert contents(tmp_path / "c") == whole and not recwarn


def test_a_killed_collection_goes_on_with_nothing_lost_or_doubled(tmp_path, contents):
    source = """
import sys
from wmlib.envs.doom.scripted import sticky
from wmlib.envs.doom.take_cover import ENV_ID
from wmlib.rollouts import collect
collect(sys.argv[1], ENV_ID, sticky, 24, 3, env_kwargs={"max_tics": 100}, shard_episodes=3, workers=2)
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
    written = {path: path.stat().st_mtime_ns for shard in shards for path in killed.glob(f"{shard}.*")}
    for folder in (killed, straight):
        collect(folder, ENV_ID, sticky, 24, 3, env_kwargs={"max_tics": 100}, shard_episodes=3, workers=1)
    assert contents(killed) == contents(straight)
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    for worker in left:  # joblib's would end by themselves after some idle minutes
        if worker.is_running() and any("popen_loky" in word for word in worker.cmdline()):
            worker.kill()


def test_other_arguments_are_refused_with_the_difference(counted, counting, tmp_path):
    counted()
    other_seed = partial(collect, tmp_path / "c", COUNTER, counting, 11, 6, shard_episodes=3, workers=1)
    with pytest.raises(RolloutError, match=r"another collection: seed: 5 there, 6 here\. Use another folder"):
        other_seed()
    with pytest.raises(RolloutError, match=r"policy: .*'top': 3"):
        collect(tmp_path / "c", COUNTER, partial(counting, top=3), 11, 5, shard_episodes=3, workers=1)


def test_arguments_are_checked_before_anything_is_played(counting, tmp_path):
    call = partial(collect, tmp_path / "c", COUNTER, seed=1, workers=1)
    with pytest.raises(ValueError, match="episodes: got 0"):
        call(policy=counting, episodes=0)
    with pytest.raises(ValueError, match="shard_episodes: got 0"):
        call(policy=counting, episodes=1, shard_episodes=0)
    with pytest.raises(ValueError, match="policy: got a partial with unnamed arguments"):
        call(policy=partial(counting, None), episodes=1)
    with pytest.raises(ValueError, match="must be JSON values"):
        call(policy=partial(counting, top=np.zeros(2)), episodes=1)
    with pytest.raises(ValueError, match=r"CartPole-v1 has observations .* uint8"):
        collect(tmp_path / "d", "CartPole-v1", counting, 1, 1, workers=1)
    for call in (partial(collect, tmp_path / "e"), score):
        with pytest.raises(ValueError, match="episodes: got 0"):
            call(COUNTER, counting, 0, 1)
        with pytest.raises(ValueError, match="num_envs: got 0"):
            call(COUNTER, counting, 1, 1, num_envs=0)
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    "argument, value, named",
    [
        ("seed", -1, "seed: got -1"),
        ("episodes", 2.5, "episodes: got 2.5"),
        ("workers", 0, "workers: got 0"),
        ("num_envs", 2, "policy: got .* must be an agent"),
        ("policy", 3, "policy: got 3: it cannot be called"),
        ("policy", lambda rng: lambda frame: 1, "policy: got .* lambda"),
        ("env_id", "wmlib-test/Counting-v0", "env_id, env_kwargs: got .*Counting"),
        ("env_kwargs", {"most": 3}, "env_id, env_kwargs: got .*most"),
        ("env_kwargs", {"least": float("nan")}, "env_kwargs: must be JSON values"),
        ("prepare", to_float, r"prepare: .*to_float.* makes float64 \(2, 3, 5, 2\) of frames uint8"),
        ("folder", "", "folder: got ''"),
    ],
)
def test_a_refused_call_leaves_nothing_and_the_right_one_goes_through(counted, tmp_path, argument, value, named):
    with pytest.raises(ValueError, match=named):
        counted(**{argument: value}) if argument != "folder" else collect("", COUNTER, blind, 1, 1)
    assert not list(tmp_path.iterdir())
    assert len(counted().lengths) == 11


def test_a_folder_belongs_to_the_collection_that_its_shards_name(counted, tmp_path, contents):
    counted()
    whole = contents(tmp_path / "c")
    other = partial(counted, seed=6)
    for damage in (Path.unlink, truncate):
        damage(tmp_path / "c/manifest.json")
        with pytest.raises(RolloutError, match="another collection: seed: 5 there, 6 here"):
            other()
        with pytest.warns(RolloutWarning, match=r"c: manifest.json .*; it is written again"):
            counted()
        assert contents(tmp_path / "c") == whole
    shutil.copytree(tmp_path / "c", tmp_path / "other")
    for path in (tmp_path / "c").glob("0*"):
        path.unlink()
    assert len(other().lengths) == 11  # a manifest without a shard holds no folder
    shutil.copyfile(tmp_path / "c/manifest.json", tmp_path / "other/manifest.json")
    with pytest.raises(RolloutError, match=r"shard 0: 00000.json is another collection's"):
        Rollouts(tmp_path / "other")
    with pytest.warns(RolloutWarning, match=r"manifest.json is another collection's \(seed: 6 there, 5 here\); it is written"):
        counted(folder=tmp_path / "other")
    assert contents(tmp_path / "other") == whole


def test_shards_of_others_are_collected_again(counted, tmp_path, contents):
    counted()
    counted(folder=tmp_path / "other", seed=6)
    whole = contents(tmp_path / "c")
    for name in ("frames.npy", "steps.npz", "json"):
        (tmp_path / f"other/00001.{name}").replace(tmp_path / f"c/00001.{name}")
        shutil.copyfile(tmp_path / f"c/00000.{name}", tmp_path / f"c/00002.{name}")
    with pytest.raises(RolloutError, match=r"shard 1: 00001.json is another collection's"):
        Rollouts(tmp_path / "c")
    with pytest.warns(RolloutWarning) as warned:
        counted()
    assert [str(w.message).rpartition("; ")[2] for w in warned] == [f"shard {n} is collected again" for n in (1, 2)]
    assert contents(tmp_path / "c") == whole


def test_a_folder_that_holds_something_else_stays_as_it_is(counted, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c/manifest.json").write_text('{"name": "a web application"}')
    with pytest.raises(RolloutError, match=r"holds another thing.*Use another folder"):
        counted()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["manifest.json"]


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
        collect(tmp_path / "c", COUNTER, blind, 3, 1, workers=1)
    assert not (tmp_path / "c").exists()


def test_a_call_that_waits_for_one_that_fails_goes_on(counted, tmp_path):
    begun = threading.Event()

    def fails():
        with pytest.raises(RuntimeError), collection._claim(tmp_path / "c", {"episodes": 1, "shard_episodes": 1}):
            begun.set()
            time.sleep(0.5)
            raise RuntimeError("no idea")

    other = threading.Thread(target=fails)
    other.start()
    begun.wait()
    assert len(counted().lengths) == 11
    other.join()


def test_a_worker_that_is_killed_loses_only_its_shard(tmp_path):
    """A machine short of memory kills a worker; the next call goes on."""
    with pytest.raises(Exception, match=r"terminated|killed|exit"):
        collect(tmp_path / "k", ENV_ID, _suicidal, 4, 3, shard_episodes=1, workers=2)
    assert not list((tmp_path / "k").glob("00003.json"))


def _suicidal(rng):
    os.kill(os.getpid(), signal.SIGKILL)


def test_episodes_do_not_depend_on_the_size_of_the_collection(doom):
    long, short = doom("long", 1, 5), doom("short", 1, 3)
    assert np.array_equal(long.frames(np.arange(len(short))), short.frames(np.arange(len(short))))


@pytest.mark.parametrize("variant", ["mufti", "world_models"])
def test_frames_prepared_in_blocks_are_the_same_to_the_bit(tmp_path, variant):
    call = partial(collect, env_id=ENV_ID, policy=sticky, episodes=3, seed=2, workers=1)
    short = {"variant": variant, "max_tics": 50}
    one = call(tmp_path / "one", env_kwargs=short)
    blocks = call(tmp_path / "blocks", env_kwargs={**short, "shrunk": False}, prepare=shrink)
    assert one.lengths.tolist() == [50] * 3  # 153 rows: two blocks and a rest
    for name in ("00000.frames.npy", "00000.steps.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "blocks" / name).read_bytes()
    assert blocks.manifest["prepare"]["function"] == "wmlib.envs.doom.take_cover.shrink"


def test_policies_do_not_share_the_environments_randomness(counter, counting):
    seeds = []
    for policy in (counting, partial(counting, top=2)):
        play(counter, policy, 4, 9, lambda frame: None)
        seeds.append(counter.seed)
    play(counter, counting, 4, 10, lambda frame: None)
    assert seeds[0] == seeds[1] != counter.seed
