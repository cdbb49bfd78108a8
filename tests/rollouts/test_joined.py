"""Joining collections: every row is there once and in order, and no frame is copied."""

from functools import partial

import numpy as np
import pytest

from wmlib.experiment import records
from wmlib.rollouts import RolloutError, Rollouts, join, store
from wmlib.rollouts.store import Episode


def collection(folder, lengths, shard_episodes=2, shape=(3, 5, 2)):
    rng = np.random.default_rng(len(lengths))

    def play(observe, length):
        for _ in range(length + 1):
            observe(rng.integers(256, size=shape, dtype=np.uint8))
        return Episode([np.int64(i % 3) for i in range(length)], [1.0] * length, True)

    folder.mkdir()
    manifest = {"name": folder.name, "episodes": len(lengths), "shard_episodes": shard_episodes}
    for shard in range(-(-len(lengths) // shard_episodes)):
        first = shard * shard_episodes
        plays = [partial(play, length=length) for length in lengths[first : first + shard_episodes]]
        store.write_shard(folder, shard, manifest, shape, np.zeros((), np.int64), plays)
    records.write(folder / "manifest.json", manifest)
    return Rollouts(folder)


def test_all_rows_are_there_in_order_and_no_frame_is_copied(tmp_path):
    one, two = collection(tmp_path / "a", [4, 7, 3, 5]), collection(tmp_path / "b", [2, 9])
    both = join(tmp_path / "c", [one, two])
    for name in ("actions", "rewards", "terminated", "acted", "resets", "lengths"):
        assert np.array_equal(getattr(both, name), np.concatenate([getattr(part, name) for part in (one, two)])), name
    frames = np.concatenate([part.frames(np.arange(len(part))) for part in (one, two)])
    assert np.array_equal(both.frames(np.arange(len(both))), frames)
    assert (tmp_path / "c" / "00002.frames.npy").samefile(tmp_path / "b" / "00000.frames.npy")
    assert [part["episodes"] for part in both.manifest["joined"]] == [4, 2]


def test_uneven_shards_are_refused(tmp_path):
    one = collection(tmp_path / "a", [4, 7, 3])
    with pytest.raises(ValueError, match=r"the last one of .*a is not full"):
        join(tmp_path / "c", [one])
    other = collection(tmp_path / "b", [4, 7, 3], 3)
    with pytest.raises(ValueError, match=r"shards of \[2, 3\] episodes"):
        join(tmp_path / "c", [other, one])
    with pytest.raises(ValueError, match=r"parts: got \[\]"):
        join(tmp_path / "c", [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_part_that_lost_a_shard_is_named_and_nothing_is_left(tmp_path):
    one, two = collection(tmp_path / "a", [4, 7]), collection(tmp_path / "b", [2, 9, 1, 1])
    (tmp_path / "b/00001.steps.npz").unlink()
    with pytest.raises(RolloutError, match=r"parts: .*b: shard 1: 00001.steps.npz is missing. Call collect\(\) again"):
        join(tmp_path / "c", [one, two])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_frames_of_other_sizes_are_refused(tmp_path):
    one, two = collection(tmp_path / "a", [4, 7]), collection(tmp_path / "b", [2, 9], shape=(3, 3, 3))
    with pytest.raises(ValueError, match=r"parts: frames and actions of .*3, 3, 3"):
        join(tmp_path / "c", [one, two])


def test_a_joined_collection_knows_its_shards(tmp_path):
    one, two = collection(tmp_path / "a", [4, 7]), collection(tmp_path / "b", [2, 9])
    both = join(tmp_path / "c", [one, two])
    assert len(join(tmp_path / "d", [both, one])) == len(both) + len(one)
    for name in ("frames.npy", "steps.npz", "json"):
        (tmp_path / f"c/00000.{name}").replace(tmp_path / f"c/00001.{name}")
        (tmp_path / f"a/00000.{name}").replace(tmp_path / f"c/00000.{name}")
    with pytest.raises(RolloutError, match=r"shard 1: 00001.json is another collection's \(name: 'a' there, 'b' here\).*join"):
        Rollouts(tmp_path / "c")
