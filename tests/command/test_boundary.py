"""The boundary: what becomes one line, and what stays a traceback because it is a fault of the program."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from wmlib.command import boundary
from wmlib.experiment.atomic import WriteError
from wmlib.experiment.settings import SettingError

ROOT = Path(__file__).parents[2]


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    "error, line",
    [
        (SettingError("seed: got -1"), "wmlib: seed: got -1"),
        (KeyError("ours"), "wmlib: 'ours'"),  # named as expected below
        (FileNotFoundError("no project here"), "wmlib: no project here"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.toml"), "wmlib: a.toml: No such file or directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "wmlib: output: No space left on device; free some space, or name"),
        (OSError(errno.EROFS, "Read-only file system", "x", None, "y"), "wmlib: x and y: Read-only file system; make it"),
        (WriteError(errno.ENOSPC, "x cannot be written", "x"), "wmlib: x cannot be written"),
        (ModuleNotFoundError("No module named 'rich'", name="rich"), "wmlib: No module named 'rich'; install it: cd '"),
        (
            ImportError("cannot import name 'x' from 'torch'", name="torch.nn"),
            "wmlib: cannot import name 'x' from 'torch'; in",
        ),
    ],
)
def test_what_is_expected_is_one_line(capsys, error, line):
    assert boundary.exit_status(raising(error), KeyError, WriteError) == 2
    text = capsys.readouterr().err
    assert text.startswith(line) and text.count("\n") == 1


@pytest.mark.parametrize("error", [KeyError("x"), ImportError("cannot import name 'f'", name="wmlib.models"), ImportError("x")])
def test_a_fault_of_ours_stays_a_traceback(error):
    with pytest.raises(type(error)):
        boundary.exit_status(raising(error))


def test_the_status_of_the_command_is_handed_on_and_a_closed_pipe_is_no_error():
    assert boundary.exit_status(lambda: 1) == 1
    assert boundary.exit_status(raising(BrokenPipeError())) == 141


def test_what_cannot_be_printed_is_spelled(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert boundary.exit_status(lambda: print("β ≥ 1") or 0) == 0
    assert stream.buffer.getvalue() == b"\\u03b2 \\u2265 1\n"


def test_missing_packages_are_named_all_at_once(monkeypatch):
    boundary.check_installed("notebooks", "doom")
    requirements = ["rich>=14", "absent-1>=2; extra == 'notebooks'", 'absent-2<3; extra == "doom"', 'absent-3; extra == "dev"']
    monkeypatch.setattr(boundary.metadata, "requires", lambda name: requirements)
    with pytest.raises(SettingError, match=r"not installed: absent-1, absent-2; install it: cd '.*pip install"):
        boundary.check_installed("notebooks", "doom")
    boundary.check_installed()


def test_closed_streams_are_opened_on_nothing():
    """`wmlib list >&- 2>&- <&-`: the next file that is opened must not be taken for the screen."""
    code = (
        "import os, sys; [os.close(n) for n in (0, 1, 2)]; from wmlib.command import boundary;"
        "sys.exit(boundary.exit_status(lambda: 7 if os.open('/dev/null', 0) > 2 else 1))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 7
