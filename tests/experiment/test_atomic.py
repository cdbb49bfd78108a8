"""Files that are written whole or not at all."""

import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import numpy as np
import pytest

from wmlib.experiment.atomic import WriteError, file_sha256, naming_the_file, write_atomically


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


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_what_the_disk_refuses_names_the_file_and_the_remedy(tmp_path, number):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(WriteError) as raised:
        write_atomically(path, raising(OSError(number, os.strerror(number))))
    assert str(raised.value).startswith(f"{path} cannot be written: {os.strerror(number)}")
    assert "To do: " in str(raised.value) and "--out DIR" in str(raised.value) and raised.value.errno == number
    assert ("MB are free" in str(raised.value)) == (number == errno.ENOSPC)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("text", ["I/O error: No space left on device (os error 28)", "1000 requested and 124 written"])
def test_a_full_disk_is_seen_through_the_errors_of_libraries(tmp_path, text):
    with pytest.raises(WriteError, match="No space left on device"):
        write_atomically(tmp_path / "x", raising(RuntimeError(text)))


def test_errors_that_are_not_the_disks_stay_as_they_are(tmp_path):
    for error in (ValueError("x"), RuntimeError("(os error 2)"), OSError(errno.ENOSPC, "x", "/elsewhere/y"), OSError("x")):
        with pytest.raises(type(error)) as raised:
            write_atomically(tmp_path / "x", raising(error))
        assert raised.value is error
    with pytest.raises(WriteError) as outer, naming_the_file(tmp_path / "outer"), naming_the_file(tmp_path / "inner"):
        raise OSError(errno.ENOSPC, "x")
    assert "inner" in str(outer.value)  # named once, by who knows best


def test_an_error_without_a_name_is_this_disks_if_it_refuses_to_be_written(tmp_path, monkeypatch):
    """A computation may meet a full /dev/shm, or a call that is not permitted."""
    for number in (errno.ENOSPC, errno.EPERM, errno.EIO):
        with pytest.raises(OSError) as raised, naming_the_file(tmp_path / "x", only_writes=False):
            raise OSError(number, os.strerror(number))
        assert type(raised.value) is not WriteError and raised.value.errno == number and not os.listdir(tmp_path)
    with pytest.raises(WriteError, match=r"x cannot be written: Permission denied"):
        with naming_the_file(tmp_path / "x", only_writes=False):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "x.partial/a"))
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(OSError(errno.ENOSPC, "full")))
    with pytest.raises(WriteError, match=r"x cannot be written: No space left"):
        with naming_the_file(tmp_path / "x", only_writes=False):
            raise OSError(errno.ENOSPC, "full")


def test_a_limit_of_file_sizes_is_named(tmp_path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"ulimit -f"):
            write_atomically(tmp_path / "x", lambda temporary: Path(temporary).write_bytes(bytes(2000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


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
