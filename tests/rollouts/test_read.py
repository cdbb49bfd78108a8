"""Reading a collection: what a row holds, frames in any order."""

import numpy as np
import pytest

from wmlib.rollouts import RolloutError, Rollouts


def test_rows_hold_what_was_seen_then_done_then_brought(counted):
    rollouts = counted()
    assert len(rollouts.lengths) == 11 and set(rollouts.lengths) <= {3, 4, 5, 6} and len(set(rollouts.lengths)) > 1
    fatal = []
    for number, length in enumerate(rollouts.lengths):
        rows = rollouts.episode(number)
        frames = rollouts.frames(rows)
        actions, rewards, terminated = rollouts.actions[rows], rollouts.rewards[rows], rollouts.terminated[rows]
        assert frames.shape == (length + 1, 3, 5, 2) and frames.dtype == np.uint8
        assert frames[:, 0, 0, 0].tolist() == list(range(length + 1))  # each frame as it was, not as the array ended
        assert actions[:-1, 1].tolist() == list(range(length))  # the action was taken on seeing this frame
        assert np.array_equal(frames[1:, 2, 4, 1], actions[:-1, 0])  # and brought the next one
        assert np.array_equal(rewards[:-1], 10 * np.arange(1, length + 1) + actions[:-1, 0])
        assert not actions[-1].any() and rewards[-1] == 0
        assert rollouts.resets[rows].tolist() == [True] + [False] * length
        assert rollouts.acted[rows].tolist() == [True] * length + [False]
        assert not terminated[:-2].any() and not terminated[-1]
        fatal.append(bool(terminated[-2]))
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


def test_a_folder_without_a_collection_is_refused(tmp_path):
    with pytest.raises(RolloutError, match="holds no collection"):
        Rollouts(tmp_path / "nowhere")


def test_in_a_cache_a_collection_is_known_by_its_folder(counted, tmp_path):
    assert counted().cache_key() == tmp_path / "c"
