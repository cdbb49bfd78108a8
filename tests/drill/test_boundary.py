"""Errors by boundary: typos, tables, schedulers, missing packages and Ctrl-C are one line at the command line."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from wmlib.command import boundary, cli
from wmlib.experiment import backend

pytestmark = [pytest.mark.slow, pytest.mark.kind("errors by boundary")]


@pytest.fixture
def typed(project, capsys, monkeypatch):
    """Type a command in this process; returns what a finished process would."""
    for name in ("01_good", "02_other", "03_third"):
        project.notebook(name, "pass")
    for name in ("WMLIB_BACKEND", "WMLIB_SCHEDULER", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # remembered, and so put back
    monkeypatch.delenv("WMLIB_SCHEDULER")

    def run(*arguments):
        capsys.readouterr()
        status = cli.main([str(argument) for argument in arguments])
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


ROW = 'steps = { doc = "how many", smoke = 1, quick = 3, study = 3, paper = 9, min = 1, max = 10 }'


@pytest.mark.parametrize(
    "row, names",
    [
        ('steps = { dok = "how many", smoke = 1, quick = 3, study = 3, paper = 9 }', ["steps", "doc missing"]),
        ('steps = { doc = "how many", smoke = 1, quik = 3, study = 3, paper = 9 }', ["steps", "quick missing"]),
        (ROW.replace("min", "minimum"), ["steps", "minimum", "Did you mean 'min'"]),
        (ROW.replace("max = 10", 'max = "10"'), ["steps", "max", "'10'"]),
        (ROW.replace("max = 10", "max = 0"), ["steps", "min <= max"]),
        (ROW.replace("max = 10", "max = nan"), ["steps", "max", "nan"]),
        (ROW.replace("paper = 9", "paper = 99"), ["steps", "99", "1 to 10", "paper"]),
        (ROW.replace("paper = 9", "paper = 9.0"), ["steps", "9.0", "a whole number", "paper"]),
        (ROW.replace("paper = 9", "paper = true"), ["steps", "True", "paper"]),
        (ROW.replace("quick = 3", "quick = [3]"), ["steps", "quick", "[3]"]),
        (ROW.replace("quick = 3", "quick = 2026-01-01"), ["steps", "quick", "allowed is a number, a text"]),
        (ROW.replace('"how many"', '""'), ["steps", "doc", "''"]),
        (ROW.replace('"how many"', "7"), ["steps", "doc", "7"]),
        (ROW.replace("min = 1, max = 10", "choices = 3"), ["steps", "choices", "allowed is a list"]),
        (ROW.replace("min = 1, max = 10", "choices = []"), ["steps", "choices"]),
        (ROW.replace("min = 1, max = 10", 'choices = [1, "3", 9]'), ["steps", "choices"]),
        (ROW.replace("min = 1, max = 10", "choices = [1, 3]"), ["steps", "9", "1, 3"]),
        (ROW.replace("steps", "seed"), ["seed", "allowed is a Python name other than"]),
        (ROW.replace("steps", "learning-rate"), ["learning-rate", "a Python name"]),
        (ROW.replace("steps", "lambda"), ["lambda", "a Python name"]),
        ("steps = 3", ["steps", "allowed is a row such as"]),
        ("steps = { doc = 1", ["cannot be read", "git checkout"]),
        (ROW + "\n" + ROW, ["cannot be read", "git checkout"]),
        ("[01_good]", ["cannot be read", "git checkout"]),
        ("<<<<<<< HEAD", ["cannot be read", "git checkout"]),
        ("\x00", ["cannot be read", "git checkout"]),
        ("steps = " + "[" * 5000, ["cannot be read", "git checkout"]),
    ],
)
def test_a_typo_in_the_table_of_settings(typed, project, drill, row, names):
    (project.path / "notebooks/profiles.toml").write_text(f"[01_good]\n{row}\n", encoding="utf-8")
    for command in (["list"], ["run", "01"]):
        drill.refused_at_the_command_line(typed(*command), "profiles.toml", *names)


@pytest.mark.parametrize("content", [b"\xff\xfe[\x001\x00", b'"01_good" = 3\n', b"", None, "folder"])
def test_a_table_that_is_none(typed, project, drill, content):
    file = project.path / "notebooks/profiles.toml"
    file.unlink()
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_bytes(content)
    drill.refused_at_the_command_line(typed("list"), "no notebooks" if content == b"" else "profiles.toml")


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["list", "extra"], ["extra"]),
        (["run", "--seed"], ["--seed"]),
        (["run", "--seed", "1e3"], ["--seed", "1e3"]),
        (["run", "--seed", "9" * 5000], ["--seed"]),
        (["run", "--jobs", "0"], ["jobs", "0"]),
        (["run", "-p", "rate=inf"], ["rate", "inf"]),
        (["run", "-p", "steps=" + "9" * 400], ["steps", "1 to 10"]),
        (["run", "-p", "task=" + "x" * 5000], ["task", "copy, repeat"]),
        (["run", "--out", ""], ["out", "''"]),
        (["run", "--out", "  "], ["out", "'  '"]),
        (["run", "--out", "~nobody-of-this-name/x"], ["out", "~nobody-of-this-name"]),
        (["run", "--out", "a\0b"], ["out", r"a\x00b"]),
        (["run", "--out", "a\udcffb"], ["out", r"a\udcffb"]),
        (["run", "--out", "x" * 300], ["out", "File name too long"]),
        (["run", "--out", "/dev/null"], ["out", "/dev/null"]),
        (["cache", "--out", "/dev/full"], None),  # nothing is cached there
        (["gallery", "--profile", "paper"], ["gallery", "no notebooks"]),
        (["claims"], ["README.md"]),
        (["--profile", ""], ["profile", "''"]),
    ],
)
def test_words_that_mean_nothing(typed, drill, arguments, names):
    done = typed(*arguments)
    if names is None:
        drill.good(done.returncode == 0 and not done.stderr, done)
    else:
        drill.refused_at_the_command_line(done, *names)


# --- schedulers --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def listener(answer):
    """Give the address of somebody who listens and gives this answer; None: takes what comes and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_ones = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    open_ones.append(connection)
                    if answer is not None:
                        connection.sendall(answer)
                        if not answer:
                            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:1",
        "127.0.0.1:1",
        "localhost",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:-1",
        "tcp://no.such.host.invalid:8786",
        "tls://127.0.0.1:1",
        "http://127.0.0.1:1",
        "ucx://127.0.0.1:1",
        "inproc://1/2/3",
        "nonsense://x",
        "tcp:/127.0.0.1:1",
        " ",
        "",
        "tcp://[::1:1",
        "ü:1",
    ],
)
def test_a_wrong_address_of_a_scheduler(typed, drill, monkeypatch, address):
    monkeypatch.setattr(backend, "SECONDS", 3)
    drill.refused_at_the_command_line(typed("run", "01", "--backend", "dask", "--scheduler", address), "scheduler")


@pytest.mark.parametrize(
    "answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\xff" * 64, b"SSH-2.0-OpenSSH_9.2\r\n"]
)
def test_somebody_who_is_no_scheduler(typed, drill, monkeypatch, answer):
    monkeypatch.setattr(backend, "SECONDS", 3)
    with listener(answer) as address:
        start = time.monotonic()
        done = typed("run", "01", "--backend", "dask", "--scheduler", address)
        drill.refused_at_the_command_line(done, "scheduler", address)
        drill.good(time.monotonic() - start < 3 * backend.SECONDS + 10, "it takes long")


def test_a_scheduler_that_never_answers_is_given_up_after_the_time_that_is_said(project, drill):
    project.notebook("01_good", "pass")
    with listener(None) as address:
        command = [sys.executable, "-P", "-m", "wmlib", "01", "--backend", "dask", "--scheduler", address]
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        drill.refused_at_the_command_line(done, address, f"within {backend.SECONDS} s")
        drill.good(time.monotonic() - start < 60, "a scheduler that never answers holds the process")


# --- packages ----------------------------------------------------------------------------------------------------------------

PACKAGES = {"papermill": "papermill", "nbclient": "nbclient", "nbformat": "nbformat", "ipykernel": "ipykernel", "rich": "rich"}
PACKAGES |= {"bs4": "beautifulsoup4", "PIL": "pillow", "torch": "torch", "nbconvert": "nbconvert", "filelock": "filelock"}


@pytest.mark.parametrize("module", PACKAGES)
def test_a_missing_package_is_named_before_anything_starts(typed, project, drill, monkeypatch, module):
    find = importlib.util.find_spec
    monkeypatch.setattr(boundary.util, "find_spec", lambda name: None if name == module else find(name))
    drill.refused_at_the_command_line(typed("run", "01"), PACKAGES[module], "pip install")
    drill.good(not list(project.path.glob("build/*/notebooks/*.ipynb")), "something was started")


@pytest.mark.parametrize("module, command", [("bs4", "gallery"), ("nbconvert", "gallery"), ("distributed", "dask")])
def test_a_package_that_is_missing_where_it_is_used(typed, project, drill, monkeypatch, module, command):
    for name in [name for name in sys.modules if name.partition(".")[0] == module or "command.gallery" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    arguments = ["run", "01", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1"] if command == "dask" else [command]
    drill.refused_at_the_command_line(typed(*arguments), module, "pip install")


def test_the_lab_without_jupyterlab(typed, drill, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(boundary.util, "find_spec", lambda name: None if name == "jupyterlab" else find(name))
    drill.refused_at_the_command_line(typed("lab"), "jupyterlab", "pip install")


@pytest.mark.parametrize("module", ["papermill", "nbclient", "nbformat"])
def test_a_broken_package_in_the_process_that_executes(project, drill, tmp_path, module):
    project.notebook("01_good", "pass")
    (tmp_path / "broken" / module).mkdir(parents=True)
    (tmp_path / "broken" / module / "__init__.py").write_text("raise ImportError('libfoo.so.1: no such file')")
    command = [sys.executable, "-P", "-m", "wmlib", "01", "--profile", "smoke"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "broken")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    named = "libfoo.so.1" in done.stdout and "package" in done.stdout and "memory" not in done.stdout
    drill.good(done.returncode == 1 and named and "Traceback" not in done.stderr, done)


# --- Ctrl-C ------------------------------------------------------------------------------------------------------------------

AT_IMPORT = """
import os, runpy, signal, sys
interrupting = sys.argv.pop(1)
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == interrupting:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
runpy.run_module("wmlib", run_name="__main__", alter_sys=True)
"""
MODULES = ["boundary", "cli", "runner", "job", "worker", "outputs", "view"]


@pytest.mark.parametrize("module", ["argparse", "tomllib", "uuid", "rich.console", *(f"wmlib.command.{m}" for m in MODULES)])
def test_ctrl_c_before_the_first_kernel(project, drill, module):
    project.notebook("01_good", "pass")
    command = [sys.executable, "-P", "-c", AT_IMPORT, module, "run", "01", "--profile", "smoke"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    drill.refused_at_the_command_line(done, "stopped", status=130)


@pytest.mark.parametrize("place", ["backend.use", "runner.plan", "boundary.check_installed", "runner.processes.sweep"])
def test_ctrl_c_while_it_is_planned(project, drill, place):
    project.notebook("01_good", "pass")
    code = (
        "import os, signal, sys\nfrom wmlib.command import boundary, cli, runner\nfrom wmlib.experiment import backend\n"
        f"def interrupted(*_):\n    os.kill(os.getpid(), {int(signal.SIGINT)})\n    return []\n{place} = interrupted\n"
        "sys.argv = ['wmlib', '01', '--profile', 'smoke']\nimport runpy\nrunpy.run_module('wmlib', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=120)
    told = "stopped" in (done.stdout + done.stderr).lower()
    drill.good(done.returncode == 130 and told and "Traceback" not in done.stderr, done)
