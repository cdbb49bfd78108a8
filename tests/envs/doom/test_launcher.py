"""The launcher by itself: a source that a bare Python runs between us and the engine."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wmlib.envs.doom import launcher


@pytest.fixture
def launch(tmp_path):
    """Start a watcher, and a launcher for an engine that is this shell script; return it, our ends of line and pipe."""
    opened = []

    def launch(script):
        engine = tmp_path / "the 'engine'"
        engine.write_text(f"#!/bin/sh\n{script}\n")
        engine.chmod(0o700)
        home = tmp_path / "home"
        watched, watcher = os.pipe()
        theirs, ours = socket.socketpair()
        call = f"main({os.fsencode(engine)!r}, {os.fsencode(home)!r}, {watched}, {theirs.fileno()})"
        command = [sys.executable, "-IS", "-c", Path(launcher.__file__).read_text() + call]
        assert subprocess.run([*command, "--test"], pass_fds=[watched], capture_output=True).stdout == b"ready"
        os.close(watched)
        home.mkdir()
        process = subprocess.Popen([*command, "+viz_instance_id", "none"], pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(20)
        opened.append((process, ours))
        return process, ours, watcher

    yield launch
    for process, ours in opened:
        ours.close()
        process.wait()


def lines(line, count):
    said = ""
    while said.count("running") + said.count("ended") < count:
        said += line.recv(1000).decode()
    return said


def test_it_tells_the_start_and_the_end_and_stays_until_it_may_go(launch):
    process, line, _ = launch("exit 7")
    said = lines(line, 2)
    assert said.startswith(f"here\nrunning {process.pid} ") and said.endswith("ended exit status 7")
    time.sleep(0.1)
    assert process.poll() is None
    line.send(b"\n")
    assert process.wait(20) == 0


def test_an_engine_gets_its_words_and_writes_into_its_folder(launch, tmp_path):
    _, line, _ = launch('echo "$@"; pwd; touch here')
    assert lines(line, 2).endswith("exit status 0")
    assert (tmp_path / "home/output").read_text() == f"+viz_instance_id none\n{tmp_path / 'home'}\n"
    assert (tmp_path / "home/here").exists()


def test_without_us_nothing_stays(launch, tmp_path):
    process, line, watcher = launch("exec sleep 1000")
    lines(line, 1)
    os.close(watcher)
    assert process.wait(20) == -9
    deadline = time.monotonic() + 20
    while (tmp_path / "home").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_cannot_be_run_is_told_too(launch):
    process, line, _ = launch("exec 'no such thing'")
    assert "exit status 127" in lines(line, 2) and process.poll() is None


def test_nothing_is_started_for_nobody(launch, tmp_path):
    _, line, watcher = launch("touch started; sleep 9")
    line.close()  # before the launcher is there
    os.close(watcher)
    deadline = time.monotonic() + 20
    while (tmp_path / "home").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
