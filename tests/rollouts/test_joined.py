"""Joining collections: every row is there once and in order, and no frame is copied."""

from functools import partial

import numpy as np
import pytest

from wmlib.rollouts import Rollouts, join, store
from wmlib.rollouts.store import Episode


def collection(folder, lengths, shard_episodes=2):
    rng = np.random.default_rng(len(lengths))

    def play(observe, length):
        for _ in range(length + 1):
            observe(rng.integers(256, size=(3, 5, 2), dtype=np.uint8))
        return Episode([np.int64(i % 3) for i in range(length)], [1.0] * length, True)

    folder.mkdir()
    for shard in range(-(-len(lengths) // shard_episodes)):
        first = shard * shard_episodes
        plays = [partial(play, length=length) for length in lengths[first : first + shard_episodes]]
        store.write_shard(folder, shard, (3, 5, 2), np.zeros((), np.int64), plays)
    (folder / "manifest.json").write_text(f'{{"episodes": {len(lengths)}, "shard_episodes": {shard_episodes}}}')
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
    assert not (tmp_path / "c").exists()
