"""The package itself: importing it finds a place for compiled code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import wmlib

CODE = "import os, wmlib; print(os.environ.get('NUMBA_CACHE_DIR', 'as usual'))"
READ_ONLY = "import os; access = os.access; os.access = lambda path, mode: 'wmlib' not in path and access(path, mode); "


def place(code, tmp_path, **environment):
    keep = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    variables = {**keep, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(wmlib.__file__).parents[1]), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=variables, cwd=tmp_path, capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize(
    "code, environment, expected",
    [
        (CODE, {"HOME": "/proc/none"}, "as usual"),  # beside the sources
        (READ_ONLY + CODE, {"HOME": "TMP/home"}, "as usual"),  # in ~/.cache
        (READ_ONLY + CODE, {"HOME": "/proc/none", "XDG_CACHE_HOME": "TMP/x"}, "as usual"),
        (READ_ONLY + CODE, {"HOME": "/proc/none"}, f"TMP/wmlib-compiled-{os.getuid()}"),
        (READ_ONLY + CODE, {"HOME": "not absolute"}, f"TMP/wmlib-compiled-{os.getuid()}"),
        (READ_ONLY + CODE, {"HOME": "/proc/none", "NUMBA_CACHE_DIR": "/mine"}, "/mine"),
    ],
)
def test_compiled_code_has_a_place_in_a_clone_that_is_read_only_and_without_a_home(tmp_path, code, environment, expected):
    environment = {name: value.replace("TMP", str(tmp_path)) for name, value in environment.items()}
    assert place(code, tmp_path, **environment) == expected.replace("TMP", str(tmp_path))
    assert place(code, tmp_path, **environment) == expected.replace("TMP", str(tmp_path))  # the next process finds it again


def test_code_of_somebody_else_is_not_run(tmp_path):
    theirs = tmp_path / f"wmlib-compiled-{os.getuid()}"
    theirs.mkdir()
    theirs.chmod(0o777)
    found = place(READ_ONLY + CODE, tmp_path, HOME="/proc/none")
    assert found != str(theirs) and Path(found).parent == tmp_path and Path(found).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["a file", "a link that leads nowhere", "a link to a folder"])
def test_what_else_stands_in_the_place_of_compiled_code_is_left_alone(tmp_path, kind):
    stands = tmp_path / f"wmlib-compiled-{os.getuid()}"
    if kind == "a file":
        stands.touch()
    else:
        stands.symlink_to(tmp_path if kind.endswith("folder") else tmp_path / "nowhere")
    found = place(READ_ONLY + CODE, tmp_path, HOME="/proc/none")
    assert found != str(stands) and Path(found).parent == tmp_path and Path(found).is_dir()


def test_without_any_place_for_compiled_code_the_package_is_imported_all_the_same(tmp_path):
    full = "import errno, tempfile; tempfile.tempdir = '/proc/none'; "
    assert place(READ_ONLY + full + CODE, tmp_path, HOME="/proc/none") == "as usual"
