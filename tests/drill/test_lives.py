"""Signals to the runner, the worker, the kernel, joblib's processes and the group: nobody is left, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.kind("life tied to the wrong process")]

# the first attempt starts a child that does not listen and joblib's processes, and waits; a second one goes through
CELL = """
import json, os, pathlib, subprocess, sys, time
from joblib import Parallel, delayed
from wmlib.experiment import backend
here = pathlib.Path({here!r})
if not (here / "family").exists():
    stubborn = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    child = subprocess.Popen([sys.executable, "-c", stubborn + "; time.sleep(1000)"])
    backend.use("loky")
    def identity(_):
        time.sleep(0.5)
        return os.getpid()
    processes = sorted(set(Parallel(n_jobs=2)(delayed(identity)(i) for i in range(2))))
    family = {{"kernel": os.getpid(), "worker": os.getppid(), "child": child.pid, "joblib": processes[0]}}
    (here / "family.part").write_text(json.dumps(family))
    (here / "family.part").rename(here / "family")
    for _ in range(600):
        if (here / "go").exists():
            break
        time.sleep(0.1)
print("through")
"""


class Family:
    """A run of one notebook, its processes by role, and what it leaves."""

    def __init__(self, project, *arguments):
        self.project = project
        project.notebook("01_good", CELL.format(here=str(project.path)))
        self.source = (project.path / "notebooks/01_good.ipynb").read_bytes()
        command = [sys.executable, "-m", "wmlib", "run", "01", *arguments]
        self.all = set()
        self.runner = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=project.path
        )
        deadline = time.monotonic() + 120
        while not (project.path / "family").exists():
            assert time.monotonic() < deadline and self.runner.poll() is None, self.runner.communicate()
            time.sleep(0.05)
        self.by_role = {"runner": self.runner.pid, **json.loads((project.path / "family").read_text())}
        roots = [psutil.Process(self.by_role[role]) for role in ("runner", "worker", "kernel")]
        self.all |= {process for root in roots for process in [root, *root.children(recursive=True)]}

    def send(self, number, *roles):
        """Send a signal to roles, "group" is the runner's process group, "all" everyone at once."""
        for role in roles:
            if role == "group":
                os.killpg(self.runner.pid, number)
            elif role == "all":
                for process in self.all:
                    if process.is_running():
                        os.kill(process.pid, number)
            else:
                os.kill(self.by_role[role], number)

    def end(self, go=True):
        """Let the cell go on, wait for the runner, and return its exit status."""
        if go:
            (self.project.path / "go").touch()
        self.output = "".join(self.runner.communicate(timeout=150))
        return self.runner.returncode

    def orphans(self, seconds=25):
        _, alive = psutil.wait_procs([process for process in self.all if process.pid != self.runner.pid], timeout=seconds)
        return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def left(self):
        """Return what is left of it outside the project."""
        found = [*Path("/tmp").glob(f"wmlib-*-{self.runner.pid}-*")]
        for process in self.all:
            found += Path("/dev/shm").glob(f"*loky-{process.pid}-*")
            found += Path("/dev/shm").glob(f"joblib_memmapping_folder_{process.pid}_*")
        return [path.name for path in found]

    def copy_is_whole(self):
        path = self.project.executed("01_good")
        nbformat.read(path, as_version=4)
        return "through" in path.read_text()


@pytest.fixture
def family(project):
    """Start a run; whatever the trial does, nobody of it stays."""
    started = []

    def start(*arguments):
        started.append(Family(project, *arguments))
        return started[-1]

    yield start
    for one in started:
        for process in one.all:
            if process.is_running():
                process.kill()
        one.runner.wait(10)


@pytest.fixture
def wmlib():
    """Run the command line as a user does."""

    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "wmlib", *arguments], capture_output=True, text=True, timeout=150)

    return run


SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def judge(drill, one, wmlib, whole):
    """Nobody is there, nothing is left over, the source is whole, and the next run goes through."""
    orphans = one.orphans()
    drill.good(not orphans, f"orphans: {orphans}")
    half = [path for path in one.project.path.rglob("*.tmp")]
    drill.good(not half and (one.project.path / "notebooks/01_good.ipynb").read_bytes() == one.source, f"half-written: {half}")
    if not whole:
        drill.good(not one.project.executed("01_good").exists(), "no copy of a run that was stopped")
    if not whole and one.runner.returncode == -signal.SIGKILL:  # it can tidy up nothing itself
        again = wmlib("run", "01")
        drill.good(again.returncode == 0, again)
        whole = True
    drill.good(not whole or one.copy_is_whole(), "the executed copy is whole")
    drill.good(not one.left(), f"left: {one.left()}")


@pytest.mark.parametrize("role", ["runner", "group"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_runner_that_is_stopped_takes_all_with_it(drill, family, wmlib, role, number):
    one = family()
    one.send(number, role)
    status = one.end(go=False)
    told = status == 130 and "Stopped" in one.output and "Traceback" not in one.output
    drill.good(told or (number == signal.SIGKILL and status == -number), f"status {status}: {one.output}")
    judge(drill, one, wmlib, whole=False)


@pytest.mark.parametrize("role", ["worker", "kernel"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_outlives_its_worker_and_its_kernel(drill, family, wmlib, role, number):
    one = family()
    one.send(number, role)
    interrupted = (role, number) == ("kernel", signal.SIGINT)  # as the kernel's user would: the cell fails
    if (role, number) == ("worker", signal.SIGINT):  # ignored
        time.sleep(1)
        status = one.end()
    else:
        status = one.end(go=False)
    drill.good((status == 1 and "KeyboardInterrupt" in one.output) if interrupted else status == 0, f"{status}: {one.output}")
    if interrupted:
        one.project.executed("01_good").unlink()
    judge(drill, one, wmlib, whole=not interrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_outlives_joblibs_processes(drill, family, wmlib, number):
    one = family()
    one.send(number, "joblib")
    drill.good(one.end() == 0, one.output)
    judge(drill, one, wmlib, whole=True)


@pytest.mark.parametrize(
    ("number", "roles"),
    [
        (signal.SIGKILL, ("runner", "worker")),
        (signal.SIGKILL, ("worker", "runner", "kernel")),
        (signal.SIGKILL, ("kernel", "worker")),
        (signal.SIGTERM, ("all",)),
        (signal.SIGHUP, ("all",)),
    ],
)
def test_several_at_once(drill, family, wmlib, number, roles):
    one = family()
    one.send(number, *roles)
    if roles == ("worker", "runner", "kernel"):  # nobody is left who could end a child that is not ours
        one.send(number, "child")
    status = one.end(go=False)
    if "runner" not in roles and "all" not in roles:
        drill.good(status == 0, one.output)
        judge(drill, one, wmlib, whole=True)
        return
    drill.good(status in (130, -number), f"{status}: {one.output}")
    judge(drill, one, wmlib, whole=False)


def test_nohup_is_respected(drill, family, wmlib):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        one = family()
    finally:
        signal.signal(signal.SIGHUP, before)
    one.send(signal.SIGHUP, "group")
    time.sleep(1)
    drill.good(one.end() == 0, one.output)
    judge(drill, one, wmlib, whole=True)


def test_a_second_signal_while_all_end(drill, family, wmlib):
    one = family()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        one.send(number, "group")
        time.sleep(0.1)
    status = one.end(go=False)
    drill.good(status == 130, f"{status}: {one.output}")
    judge(drill, one, wmlib, whole=False)
