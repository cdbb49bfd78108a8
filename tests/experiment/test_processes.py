"""Processes end with their parents and in groups; folders of the dead are swept, those of the living stay."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wmlib.experiment import processes
from wmlib.experiment.atomic import WriteError

SLEEP = "import time; time.sleep(100)"
STUBBORN = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); {SLEEP}"


def gone(number, seconds=20):
    """Return whether a process ends; one that nobody waits for counts as ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_a_process_ends_with_its_parent():
    child = f"from wmlib.experiment.processes import *; end_with_parent(os.getppid()); print(os.getpid(), flush=True); {SLEEP}"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    number = int(process.stdout.readline())
    assert not gone(number, 1)
    process.kill()
    process.wait()
    assert gone(number)


def test_a_process_whose_parent_was_gone_before_it_could_ask_ends_too():
    child = f"from wmlib.experiment.processes import *; end_with_parent(os.getppid() + 1); {SLEEP}"
    assert subprocess.run([sys.executable, "-c", child], timeout=60).returncode == 1


@pytest.mark.parametrize("code", [SLEEP, STUBBORN])
def test_a_group_ends_whether_it_listens_or_not(code):
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); {code}"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
    process.stdout.readline()
    assert processes.is_alive(process.pid, os.killpg)
    processes.end_group(process.pid, 0.2)
    process.wait(10)
    members = [line for line in os.listdir("/proc") if line.isdecimal() and _group(int(line)) == process.pid]
    assert all(gone(int(number)) for number in members)


def _group(number):
    try:
        return os.getpgid(number)
    except ProcessLookupError:
        return None


def test_a_leader_takes_its_group_with_it():
    code = "import subprocess, sys; from wmlib.experiment.processes import *\n"
    code += f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], stdout=subprocess.PIPE)\n"
    code += "child.stdout.readline(); print(child.pid, flush=True)\n"
    code += "signal.signal(signal.SIGINT, signal.SIG_IGN); end_group(os.getpid(), 0.2)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE, text=True)
    number = int(process.stdout.readline())
    assert process.wait(60) == -signal.SIGKILL and gone(number)


def folder_of_a_dead_process(where):
    code = f"from wmlib.experiment.processes import *; print(temporary_folder('run', {str(where)!r})[0])"
    return Path(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def test_no_space_for_a_folder_names_no_remedy_that_does_not_help(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(processes.tempfile, "mkdtemp", full)
    with pytest.raises(WriteError, match=r"wmlib-run-\d+- cannot be written: .* To do: free some space; the same call"):
        processes.temporary_folder("run", str(tmp_path))


def test_what_the_dead_left_is_swept_with_what_belongs_to_it(tmp_path, monkeypatch):
    shared = tmp_path / "shm"
    shared.mkdir()
    monkeypatch.setattr(processes, "SHARED_MEMORY", shared)
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = folder_of_a_dead_process(tmp_path)
    (folder / processes.BELONGS).write_text("sem-1-*\nfolder_1_*\nsem-2")  # the last line was cut short
    for name in ("sem-1-a", "sem-2", "sem-11-a"):
        (shared / name).touch()
    (tmp_path / "folder_1_x").mkdir()
    (tmp_path / "folder_1_x/array").touch()
    processes.sweep()
    assert sorted(os.listdir(tmp_path)) == ["shm"] and sorted(os.listdir(shared)) == ["sem-11-a", "sem-2"]


def test_what_is_in_use_or_not_ours_is_not_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(processes.tempfile, "gettempdir", lambda: str(tmp_path))
    mine, held = processes.temporary_folder("run", str(tmp_path))
    inherited = folder_of_a_dead_process(tmp_path)
    number = os.open(inherited, os.O_RDONLY)
    processes.fcntl.flock(number, processes.fcntl.LOCK_SH)  # as a child that has inherited it
    dead = folder_of_a_dead_process(tmp_path).name.split("-")[2]
    others = ["wmlib-a-b-c", f"wmlib-{dead}", f"wmlib-run-{dead}-short", f"other-run-{dead}-abcdefgh"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / f"wmlib-run-{dead}-abcdefgh").symlink_to(tmp_path / "precious")
    processes.sweep()
    left = {mine.name, inherited.name, *others, "precious", f"wmlib-run-{dead}-abcdefgh"}
    assert {*os.listdir(tmp_path)} == left
    os.close(number)
    processes.sweep()
    assert {*os.listdir(tmp_path)} == left - {inherited.name}
    processes.remove(mine)
    os.close(held)
    assert not mine.exists()
