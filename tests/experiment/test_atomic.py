"""Files that are written whole or not at all."""

import hashlib
import os
import stat

import numpy as np
import pytest

from wmlib.experiment.atomic import file_sha256, write_atomically


def test_what_was_written_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "folder" / "x.bin"
    write_atomically(path, lambda temporary: temporary.write_bytes(b"whole"))
    assert path.read_bytes() == b"whole" and os.listdir(path.parent) == ["x.bin"]


def test_until_all_is_written_the_old_file_is_there(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    seen = []

    def write(temporary):
        temporary.write_text("ne")
        seen.append((path.read_text(), temporary.parent))
        temporary.write_text("new")

    write_atomically(path, write)
    assert seen == [("old", tmp_path)]  # a rename is at once only inside a folder
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), SystemExit(3)])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "x"
    path.write_text("old")

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, fail)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x"]
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "y", fail)
    assert os.listdir(tmp_path) == ["x"]


def test_a_write_that_deletes_its_file_fails_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "x", os.unlink)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_others_may_read_it_as_any_new_file(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "x", lambda temporary: temporary.write_text("x"))
        (tmp_path / "y").write_text("y")
        assert os.umask(mask) == mask  # the process's mask is as it was
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("x", "y")]
    assert modes == [0o666 & ~mask] * 2


@pytest.mark.parametrize("size", [0, 1, 1_000_003])
def test_the_checksum_is_that_of_all_bytes(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "x").write_bytes(content)
    assert file_sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()
