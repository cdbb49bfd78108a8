"""A shard: what is written is what was played, whatever the number of frames; what is wrong with it is named."""

import json

import numpy as np
import pytest

from wmlib.rollouts import store
from wmlib.rollouts.store import BLOCK, Episode, fault, shard_bytes, shard_path, write_shard

SHAPE = (3, 5, 2)
BLANK = np.zeros(2, np.float32)


def frames(length, seed):
    return np.random.default_rng(seed).integers(256, size=(length + 1, *SHAPE), dtype=np.uint8)


def episode(length, seed, terminated=True):
    """An episode to be written: random frames, actions (t, seed), rewards t."""

    def play(observe):
        for frame in frames(length, seed):
            observe(frame)
        return Episode([[t, seed] for t in range(length)], [float(t) for t in range(length)], terminated)

    return play


# rows of all episodes together: less than a block of frames, one, one more, and several
@pytest.mark.parametrize("lengths", [(1,), (3, 2), (BLOCK - 1,), (BLOCK,), (2 * BLOCK + 5, 1, BLOCK)])
def test_a_shard_holds_what_was_played(tmp_path, lengths):
    write_shard(tmp_path, 7, SHAPE, BLANK, [episode(n, i, i % 2 == 0) for i, n in enumerate(lengths)])
    stored = np.load(shard_path(tmp_path, 7, store.FRAMES))
    assert np.array_equal(stored, np.concatenate([frames(n, i) for i, n in enumerate(lengths)])) and stored.dtype == np.uint8
    with np.load(tmp_path / "00007.steps.npz") as steps:
        assert steps["lengths"].tolist() == list(lengths)
        assert steps["actions"].tolist() == [
            row for i, n in enumerate(lengths) for row in [*([t, i] for t in range(n)), [0, 0]]
        ]
        assert steps["rewards"].tolist() == [r for n in lengths for r in [*range(n), 0]]
        assert steps["terminated"].tolist() == [
            flag for i, n in enumerate(lengths) for flag in [*[False] * (n - 1), i % 2 == 0, False]
        ]
        assert steps["actions"].dtype == steps["rewards"].dtype == np.float32
    facts = json.loads((tmp_path / "00007.json").read_text())
    assert (facts["episodes"], facts["rows"]) == (len(lengths), sum(lengths) + len(lengths))
    assert fault(tmp_path, 7) is None
    assert shard_bytes(tmp_path, 7) == sum((tmp_path / f"00007.{part}").stat().st_size for part in (store.FRAMES, store.STEPS))


def test_blocks_of_frames_are_prepared_before_they_are_stored(tmp_path):
    sizes = []

    def prepare(block):
        sizes.append(len(block))
        return 255 - block[:, ::2, :, 0]

    write_shard(tmp_path, 0, SHAPE, BLANK, [episode(BLOCK, 1)], prepare)
    stored = np.load(shard_path(tmp_path, 0, store.FRAMES))
    assert np.array_equal(stored, 255 - frames(BLOCK, 1)[:, ::2, :, 0])
    assert max(sizes) == BLOCK


def test_a_shard_that_fails_does_not_exist(tmp_path):
    def broken(observe):
        observe(frames(0, 0)[0])
        raise RuntimeError("no idea")

    with pytest.raises(RuntimeError, match="no idea"):
        write_shard(tmp_path, 0, SHAPE, BLANK, [episode(3, 0), broken])
    assert not list(tmp_path.iterdir()) and fault(tmp_path, 0) == ""


def test_a_shard_is_not_there_until_its_facts_are(tmp_path):
    assert fault(tmp_path, 0) == ""
    write_shard(tmp_path, 0, SHAPE, BLANK, [episode(3, 0)])
    assert fault(tmp_path, 0) is None and fault(tmp_path, 1) == ""
    (tmp_path / "00000.json").unlink()
    assert fault(tmp_path, 0) == ""


def test_sizes_are_compared_always_and_bytes_if_asked(tmp_path):
    write_shard(tmp_path, 0, SHAPE, BLANK, [episode(3, 0)])
    path = shard_path(tmp_path, 0, store.FRAMES)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert fault(tmp_path, 0, checksums=False) is None
    assert fault(tmp_path, 0) == "00000.frames.npy has changed (its checksum does not match)"
    path.write_bytes(content[:-1])
    assert "bytes instead of" in fault(tmp_path, 0, checksums=False)
    path.unlink()
    assert fault(tmp_path, 0, checksums=False) == "00000.frames.npy is missing"


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON"])
def test_facts_that_cannot_be_read_are_a_fault(tmp_path, text):
    write_shard(tmp_path, 0, SHAPE, BLANK, [episode(3, 0)])
    (tmp_path / "00000.json").write_text(text)
    assert fault(tmp_path, 0).startswith("00000.json cannot be read")
