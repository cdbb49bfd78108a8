"""The boundary: what becomes one line, and what stays a traceback because it is a fault of the program."""

import errno
import io
import os
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


PYPROJECT = """
[project]
dependencies = ["rich>=14"]
[project.optional-dependencies]
notebooks = ["absent-1>=2", "beautifulsoup4"]
doom = ["absent-2<3"]
dev = ["absent-3"]
"""


def test_missing_packages_are_named_all_at_once(monkeypatch, tmp_path):
    boundary.check_installed("notebooks", "doom")
    monkeypatch.setattr(boundary, "_project", lambda: tmp_path)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)  # as a `git pull` brings it, without a new installation
    with pytest.raises(SettingError, match=r"not installed: absent-1, absent-2; install it: cd '.*pip install"):
        boundary.check_installed("notebooks", "doom")
    boundary.check_installed()


@pytest.mark.parametrize("text", ["<<<<<<< HEAD", "", "project = 3", "[project]\ndependencies = 3", None])
def test_a_list_of_packages_that_cannot_be_read_is_told(monkeypatch, tmp_path, text):
    monkeypatch.setattr(boundary, "_project", lambda: tmp_path)
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(SettingError, match=r"pyproject.toml cannot be read \(.*git checkout"):
        boundary.check_installed("notebooks")


def test_a_clone_that_is_not_installed_says_so_before_anything_starts(tmp_path):
    hidden = "import sys; sys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in repr(finder).lower()]"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    main = f"import sys; sys.path.append({str(ROOT)!r}); from wmlib.command.cli import main; "
    command = [sys.executable, "-P", "-c", main + "sys.exit(main(['run', '01', '--out', 'out']))"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("wmlib: not installed: wmlib; install it: cd '"), done.stderr
    assert done.stderr.count("\n") == 1


def test_closed_streams_are_opened_on_nothing():
    """`wmlib list >&- 2>&- <&-`: the next file that is opened must not be taken for the screen."""
    code = (
        "import os, sys; [os.close(n) for n in (0, 1, 2)]; from wmlib.command import boundary;"
        "sys.exit(boundary.exit_status(lambda: 7 if os.open('/dev/null', 0) > 2 else 1))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 7
