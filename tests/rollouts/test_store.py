"""A shard: what is written is what was played, whatever the number of frames; what is wrong with it is named."""

import errno
import json

import numpy as np
import pytest

from wmlib.experiment import records
from wmlib.rollouts import store
from wmlib.rollouts.store import BLOCK, Episode, fault, shard_bytes, shard_path, write_shard

SHAPE = (3, 5, 2)
MANIFEST = {"seed": 5, "episodes": 3, "shard_episodes": 1}
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
    write_shard(tmp_path, 7, MANIFEST, SHAPE, BLANK, [episode(n, i, i % 2 == 0) for i, n in enumerate(lengths)])
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
    assert fault(tmp_path, 7, MANIFEST) is None
    assert shard_bytes(tmp_path, 7) == sum((tmp_path / f"00007.{part}").stat().st_size for part in (store.FRAMES, store.STEPS))


def test_blocks_of_frames_are_prepared_before_they_are_stored(tmp_path):
    sizes = []

    def prepare(block):
        sizes.append(len(block))
        return 255 - block[:, ::2, :, 0]

    write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(BLOCK, 1)], prepare)
    stored = np.load(shard_path(tmp_path, 0, store.FRAMES))
    assert np.array_equal(stored, 255 - frames(BLOCK, 1)[:, ::2, :, 0])
    assert max(sizes) == BLOCK


def test_a_shard_that_fails_does_not_exist(tmp_path):
    def broken(observe):
        observe(frames(0, 0)[0])
        raise RuntimeError("no idea")

    with pytest.raises(RuntimeError, match="no idea"):
        write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(3, 0), broken])
    assert not list(tmp_path.iterdir()) and fault(tmp_path, 0, MANIFEST) == ""


def test_a_shard_is_not_there_until_its_facts_are(tmp_path):
    assert fault(tmp_path, 0, MANIFEST) == ""
    write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(3, 0)])
    assert fault(tmp_path, 0, MANIFEST) is None and fault(tmp_path, 1, MANIFEST) == ""
    (tmp_path / "00000.json").unlink()
    assert fault(tmp_path, 0, MANIFEST) == ""


def test_sizes_are_compared_always_and_bytes_if_asked(tmp_path):
    write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(3, 0)])
    path = shard_path(tmp_path, 0, store.FRAMES)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert fault(tmp_path, 0, MANIFEST, checksums=False) is None
    assert fault(tmp_path, 0, MANIFEST) == "00000.frames.npy has changed (its checksum does not match)"
    path.write_bytes(content[:-1])
    assert "bytes instead of" in fault(tmp_path, 0, MANIFEST, checksums=False)
    path.unlink()
    assert fault(tmp_path, 0, MANIFEST, checksums=False) == "00000.frames.npy is missing"


def test_a_shard_says_whose_it_is_and_which(tmp_path):
    write_shard(tmp_path, 1, MANIFEST, SHAPE, BLANK, [episode(3, 0)])
    other = {**MANIFEST, "seed": 6}
    assert fault(tmp_path, 1, other) == "00001.json is another collection's (seed: 5 there, 6 here)"
    assert fault(tmp_path, 1, MANIFEST) is None
    for part in (store.FRAMES, store.STEPS, "json"):
        shard_path(tmp_path, 1, part).rename(shard_path(tmp_path, 2, part))
    assert fault(tmp_path, 2, MANIFEST) == "00002.json is that of another shard, 1 in place of 2"


@pytest.mark.parametrize("episodes, shards", [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_the_last_shard_may_be_smaller(episodes, shards):
    assert store.num_shards({"episodes": episodes, "shard_episodes": 2}) == shards


@pytest.mark.parametrize(
    "wrong", [lambda frames: frames[:1], lambda frames: frames / 255, lambda frames: frames[:, : len(frames)]]
)
def test_prepared_frames_that_could_not_be_read_back_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"prepare: got .* it must return uint8, all alike"):
        write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(5, 1)], wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON"])
def test_facts_that_cannot_be_read_are_a_fault(tmp_path, text):
    write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(3, 0)])
    (tmp_path / "00000.json").write_text(text)
    assert fault(tmp_path, 0, MANIFEST).startswith("00000.json cannot be read")


def test_a_disk_that_cannot_be_read_is_a_fault(tmp_path, monkeypatch):
    write_shard(tmp_path, 0, MANIFEST, SHAPE, BLANK, [episode(3, 0)])

    def read(path):
        raise OSError(errno.EIO, "Input/output error")  # of reading: it names no file

    monkeypatch.setattr(records, "file_sha256", read)
    assert fault(tmp_path, 0, MANIFEST) == "00000.frames.npy cannot be read (Input/output error)"
