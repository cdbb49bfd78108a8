"""The Doom engine among unkind signals, in odd places, damaged: the same game or one clear error, and nothing left."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

vizdoom = pytest.importorskip("vizdoom")
pytestmark = [pytest.mark.slow, pytest.mark.kind("the Doom launcher")]

ROOT = Path(__file__).parents[2]
PACKAGE = Path(vizdoom.__file__).parent
GAME = """
import hashlib, os, signal, sys, threading, time
import psutil
from wmlib.envs.doom import process
from wmlib.envs.doom.engine import DoomEngine

def engines():
    below = psutil.Process().children(recursive=True)
    return [p for p in below if p.status() != "zombie" and p.cmdline() and os.path.basename(p.cmdline()[0]) == "vizdoom"]

def play(before=lambda tic: None):
    sha = hashlib.sha256()
    engine.begin(3)
    sha.update(engine.frame.tobytes())
    for tic in range(9):
        before(tic)
        engine.advance(((1, 0), (0, 0), (0, 1))[tic % 3])
        sha.update(engine.frame.tobytes())
    return sha.hexdigest()

def later(action, seconds):
    def wait():
        while not engines():
            time.sleep(.002)
        time.sleep(seconds)
        for one in engines():
            action(one)
    threading.Thread(target=wait, daemon=True).start()

engine = DoomEngine("take_cover", (160, 120), {"doom_skill": 4})
"""
PLAY = "print(play())"


def run(code=PLAY, prefix="", mounts=(), environment=(), cwd=ROOT, timeout=60):
    """Run the game's code in a process of its own, with mounts of its own behind a shell command if one is given."""
    source = (
        GAME
        + f"try:\n    exec({code!r})\nexcept RuntimeError as error:\n    raise SystemExit(str(error)[:900])\nengine.close()\n"
    )
    command = [sys.executable, "-c", source]
    if prefix:
        command = [*mounts, shutil.which("sh"), "-c", f'{prefix}\nexec "$@"', "sh", *command]
    values = {**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)}
    done = subprocess.run(command, cwd=cwd, env=values, capture_output=True, timeout=timeout)
    done.stdout, done.stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return done


@functools.cache
def expected():
    return run().stdout.strip()


def same_game(drill, done):
    what = f"status {done.returncode}, {done.stdout[-500:]!r}, {done.stderr[-1000:]!r}"
    drill.good(done.returncode == 0 and len(expected()) == 64 and done.stdout.split()[-1:] == [expected()], what)


@pytest.fixture
def package(tmp_path):
    """A function that copies vizdoom into a folder of this name; it returns it, for PYTHONPATH."""

    def copy(name="package"):
        folder = os.fsencode(tmp_path) + b"/" + os.fsencode(name)
        for part in ("vizdoom", "vizdoom.libs"):
            shutil.copytree(os.fsencode(PACKAGE.parent / part), folder + b"/" + part.encode())
        return Path(os.fsdecode(folder))

    return copy


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'say "x"', "$HOME", "two\nlines", "größe", "a;b&c", "`id`", "-x", "{x}%s", b"\xff"]
)
def test_a_package_in_an_odd_place(drill, package, name):
    folder = package(name)
    same_game(drill, run(environment={"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}))


@pytest.mark.parametrize("name", ["a b", "it's", "$HOME", "größe", "-x", "two\nlines", "back\\slash", b"\xff"])
def test_odd_temporary_folders(drill, tmp_path, name):
    folder = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
    os.mkdir(folder)
    done = run(environment={"TMPDIR": os.fsdecode(folder)})
    if name in ("two\nlines", "back\\slash", b"\xff"):
        drill.refused_at_the_command_line(done, "TMPDIR", status=1)
    else:
        same_game(drill, done)


@pytest.mark.parametrize(
    "prefix",
    ["mount -t tmpfs -o noexec tmpfs /mnt", "mount -t tmpfs -o size=4k tmpfs /mnt; head -c 9000 /dev/zero >/mnt/x 2>/dev/null"],
)
def test_a_temporary_folder_that_forbids(drill, own_mounts, prefix):
    same_game(drill, run(prefix=prefix, mounts=own_mounts, environment={"TMPDIR": "/mnt"}))


@pytest.mark.parametrize("environment", [{}, {"PATH": "/none"}, {"SHELL": "/none", "TMPDIR": "/mnt"}])
def test_no_shell(drill, own_mounts, environment):
    shells = "for shell in $(readlink -f /bin/sh /bin/bash); do mount --bind /dev/null $shell; done"
    prefix = f"mount -t tmpfs -o noexec tmpfs /mnt; {shells}"
    same_game(drill, run(prefix=prefix, mounts=own_mounts, environment=environment))


@pytest.mark.parametrize(
    "options, names", [("size=16k", ["/dev/shm", "KiB"]), ("size=200k", ["--shm-size"]), ("ro", ["/dev/shm", "written"])]
)
def test_shared_memory(drill, own_mounts, options, names):
    done = run(prefix=f"mount -t tmpfs -o {options} tmpfs /dev/shm", mounts=own_mounts)
    drill.refused_at_the_command_line(done, *names, status=1)


def test_files_in_memory_and_scripts_both_forbidden(drill, own_mounts):
    code = "del os.memfd_create\n" + PLAY
    done = run(code, prefix="mount -t tmpfs -o noexec tmpfs /mnt", mounts=own_mounts, environment={"TMPDIR": "/mnt"})
    drill.refused_at_the_command_line(done, "launcher", "TMPDIR", "noexec", status=1)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "engine not executable": (lambda p: (p / "vizdoom").chmod(0o644), ["Permission denied"]),
    "engine missing": (lambda p: (p / "vizdoom").unlink(), ["No such file"]),
    "engine empty": (lambda p: (p / "vizdoom").write_bytes(b""), ["cannot be run"]),
    "engine cut": (lambda p: cut(p / "vizdoom"), ["signal 11"]),
    "engine of another machine": (
        lambda p: (p / "vizdoom").write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 99),
        ["cannot be run"],
    ),
    "engine a folder": (lambda p: ((p / "vizdoom").unlink(), (p / "vizdoom").mkdir()), ["Is a directory"]),
    "engine a failing script": (
        lambda p: (p / "vizdoom").write_bytes(b"#!/bin/sh\necho sorry\nexit 3\n"),
        ["exit status 3 (sorry)"],
    ),
    "engine silent": (lambda p: (p / "vizdoom").write_bytes(b"#!/bin/sh\nexec sleep 99\n"), ["no answer for 2 s"]),
    "a library missing": (lambda p: [f.unlink() for f in (p.parent / "vizdoom.libs").glob("libSDL*")], ["libSDL"]),
    "game missing": (lambda p: (p / "freedoom2.wad").unlink(), ["freedoom2.wad", "No such file"]),
    "game cut": (lambda p: cut(p / "freedoom2.wad"), ["freedoom2.wad", "damaged"]),
    "scenario cut": (lambda p: cut(p / "scenarios/take_cover.wad"), ["take_cover.wad", "damaged"]),
    "scenario empty": (lambda p: (p / "scenarios/take_cover.wad").write_bytes(b""), ["take_cover.wad", "damaged"]),
    "settings missing": (lambda p: (p / "scenarios/take_cover.cfg").unlink(), ["take_cover.cfg", "No such file"]),
    "settings empty": (lambda p: (p / "scenarios/take_cover.cfg").write_bytes(b""), ["take_cover.cfg", "damaged"]),
    "rules cut": (lambda p: cut(p / "vizdoom.pk3"), ["vizdoom.pk3", "damaged"]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_installations(drill, package, damage):
    folder = package()
    harm, names = DAMAGES[damage]
    harm(folder / "vizdoom")
    done = run("process.STARTS_WITHIN = 2\n" + PLAY, environment={"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"})
    drill.refused_at_the_command_line(done, *names, "pip install", status=1)


@pytest.mark.parametrize("seconds", [0, 0.03, 0.06, 0.1, 0.15, 0.2])
def test_the_engine_killed_while_it_starts(drill, seconds):
    same_game(drill, run(f"later(psutil.Process.kill, {seconds})\n" + PLAY))


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGSEGV", "SIGSTOP"])
def test_the_engine_signalled_between_steps(drill, number):
    harm = f"lambda tic: tic in (2, 5) and engines()[0].send_signal(signal.{number})"
    same_game(drill, run(f"process.ANSWERS_WITHIN = 1\nprint(play({harm}))"))


def test_the_engine_stopped_while_it_starts(drill):
    done = run("process.STARTS_WITHIN = 2\nlater(psutil.Process.suspend, .01)\n" + PLAY)
    drill.refused_at_the_command_line(done, "no answer for 2 s", status=1)


def test_a_stopped_engine_does_not_stop_the_end(drill):
    same_game(drill, run("found = play()\nengines()[0].suspend()\nprint(found)"))


@pytest.mark.parametrize("seconds", [0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_ctrl_c_while_it_starts(drill, seconds):
    interrupt = f"later(lambda _: os.kill(os.getpid(), signal.SIGINT), {seconds})\n"
    code = "\ntry:\n    play()\n    time.sleep(5)\nexcept KeyboardInterrupt:\n    pass\n"
    same_game(drill, run(interrupt + code + PLAY))


@pytest.mark.parametrize("closed", [(0,), (0, 2), (2,)])
def test_standard_streams_closed(drill, closed):
    same_game(drill, run("".join(f"os.close({number})\n" for number in closed) + PLAY))


def running(processes):
    """Return those that are more than a zombie that nobody has collected."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("whom", ["process", "group"])
@pytest.mark.parametrize("seconds", [0.4, 0.6, 1.5])
def test_nothing_is_left_of_a_process_that_is_ended(drill, tmp_path, number, whom, seconds):
    code = GAME + "while True:\n    play()"
    values = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    started = subprocess.Popen([sys.executable, "-c", code], env=values, start_new_session=True)
    time.sleep(seconds)
    below = psutil.Process(started.pid).children(recursive=True)
    (os.kill if whom == "process" else os.killpg)(started.pid, number)
    started.wait()
    deadline = time.monotonic() + 10
    while any(left := (running(below), list(tmp_path.iterdir()))) and time.monotonic() < deadline:
        time.sleep(0.05)
    drill.good(not any(left), left)
