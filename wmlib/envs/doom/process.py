"""One process of the Doom engine: started so that it cannot take us down, watched while it works, and ended for good.

Reading guide. vizdoom starts an executable of our choice and talks to it through shared memory. It does not survive an
executable that ends before its first answer, waits for answers without limit, and plays with whatever its files hold. So what
it starts is our launcher (`launcher.py`), which was tested a moment before and stays until the start is over;
`EngineProcess._wait` runs vizdoom's part in a thread that can be given up; `EngineProcess._watch` ends an engine that stays
silent; `check_installation` reads the files first.

What is out of reach: whoever kills the launcher, and not the engine, in the half second of a start takes us down too.
"""

import base64
import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTS_WITHIN = 30.0  # seconds; it takes less than one
ANSWERS_WITHIN = 20.0  # seconds; it takes less than a thousandth of one
SHARED_BYTES = 256 * 1024  # what an engine uses of the shared memory, besides the screen
REMEDY = "install vizdoom anew: pip install --force-reinstall --no-deps vizdoom"

# starts that were given up: vizdoom waits in them for ever, so nothing of theirs may be closed or collected
_given_up: list["EngineProcess"] = []


class EngineError(RuntimeError):
    """The engine cannot be started; the message says why and what to do."""


class EngineKilled(EngineError):
    """A signal ended the engine while it started: another try may succeed."""


class EngineProcess:
    """A running engine.

    Args:
        scenario: name of a scenario that comes with vizdoom.
        size: (width, height) of the screen in pixels.
        configure: called with vizdoom's game once it has read the scenario's file, to set what shall differ from it.

    Attributes:
        game: vizdoom's game.
        asked: to be set to the time before a call of the game, and to 0 after the last one.
        silent: whether the engine was ended because it did not answer.

    Raises:
        EngineError: something is missing, damaged or forbidden.
        EngineKilled: somebody killed it while it started.
    """

    def __init__(self, scenario: str, size: tuple[int, int], configure: Callable[[Any], None]) -> None:
        import vizdoom

        package = Path(vizdoom.__file__).parent
        check_installation(package, vizdoom.__version__, scenario)
        check_surroundings(SHARED_BYTES + 3 * size[0] * size[1])
        self.asked = 0.0
        self.silent = False
        self.game = game = vizdoom.DoomGame()
        self._owner = os.getpid()
        self._launcher, self._engine = 0, 0  # process ids, once they are known
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._ours: list[int] = []  # file descriptors
        self._theirs: list[int] = []
        self._folder = _free_name()
        self._held: int | None = None
        try:
            self._folder.mkdir(mode=0o700)
            self._held = _above_standard(os.open(self._folder, os.O_RDONLY))
            fcntl.flock(self._held, fcntl.LOCK_SH)  # the watcher inherits it: the folder is in use until it has ended too
            game.set_vizdoom_path(self._prepare(package / "vizdoom", self._held))
            files = self._folder / "package"  # a plain path, whatever that of the package is
            files.symlink_to(package)
            game.load_config(str(files / "scenarios" / f"{scenario}.cfg"))
            configure(game)
            width, height = size
            game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{width}X{height}"))
            game.set_screen_format(vizdoom.ScreenFormat.RGB24)
            game.set_window_visible(False)  # without a display a visible window ends the whole process
            game.set_sound_enabled(False)
            game.set_mode(vizdoom.Mode.PLAYER)
            game.set_doom_game_path(str(files / "freedoom2.wad"))  # else a doom2.wad in the current folder would be taken
            game.set_doom_scenario_path(str(files / "scenarios" / f"{scenario}.wad"))
            game.set_doom_config_path(str(self._folder / "engine.ini"))
            why = self._start()
            if why:
                kind = EngineKilled if why.startswith("signal") else EngineError
                raise kind(f"the Doom engine {package / 'vizdoom'} did not start: {why}{self._last_words()}; {REMEDY}")
        except OSError as error:
            self.end()
            raise EngineError(
                f"the Doom engine cannot be started here: {error}; it needs a folder for its files, see TMPDIR"
            ) from error
        except BaseException:
            self.end()
            raise
        threading.Thread(target=self._watch, name="Doom watchdog", daemon=True).start()

    def end(self) -> None:
        """End the engine and remove its files."""
        if self._ended.is_set() or os.getpid() != self._owner:  # a forked process must not end the engine of its parent
            return
        self._ended.set()
        if self not in _given_up:
            self._kill()
            self.game.close()
            for descriptor in self._ours:
                with contextlib.suppress(OSError):
                    os.write(descriptor, b"\n")
            for descriptor in (*self._ours, *self._theirs):
                os.close(descriptor)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)

    def _prepare(self, engine: Path, held: int) -> str:
        """Set the watcher on our end, and return the executable that vizdoom shall start."""
        watched, watcher = map(_above_standard, os.pipe())
        self._ours, self._theirs = [watcher], [watched]
        theirs, line = (_above_standard(end.detach()) for end in socket.socketpair())
        self._ours, self._theirs = [watcher, line], [watched, theirs]
        call = f"main({os.fsencode(engine)!r}, {os.fsencode(self._folder)!r}, {watched}, {theirs})\n"
        source = Path(__file__).with_name("launcher.py").read_bytes() + call.encode()
        path, script = find_launcher(source, self._folder, watched, held)
        self._theirs += script
        return path

    def _start(self) -> str:
        """Let vizdoom start the launcher; return why that never comes to an end, or nothing."""
        for descriptor in self._theirs[1:]:  # the watcher has the first
            os.set_inheritable(descriptor, True)
        _, line = self._ours
        why = self._wait(line)
        if self not in _given_up:
            while self._theirs:
                os.close(self._theirs.pop())
            os.write(line, b"\n")  # from now on the launcher ends with the engine
        return why

    def _wait(self, line: int) -> str:
        """Run vizdoom's part of the start in a thread that can be given up; return why that was done, or nothing."""
        done = threading.Event()  # a thread's own word for it is not to be trusted after Ctrl-C
        thread = threading.Thread(target=self._initialize, args=(done,), name="Doom start", daemon=True)
        os.set_blocking(line, False)
        deadline = time.monotonic() + STARTS_WITHIN
        told = why = ""
        interrupt = None
        try:
            thread.start()
            while not (done.is_set() or why):
                try:
                    done.wait(0.01)
                    told += _read(line)
                    if "ended" in told:
                        done.wait(1.0)  # its last answer may be on the way
                        why = told.partition("ended ")[2]
                    elif time.monotonic() > deadline:
                        why = f"no answer for {STARTS_WITHIN:g} s, is it stopped, or is the disk that slow?"
                except KeyboardInterrupt as error:  # a start cannot be stopped halfway
                    interrupt = error
        finally:
            told += _read(line)
            if running := re.search(r"running (\d+) (\d+)\n", told):
                self._launcher, self._engine = map(int, running.groups())
            if thread.ident is not None and not done.is_set():  # if its launcher ended now, vizdoom would take our process down
                _given_up.append(self)
                if self._engine:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self._engine, signal.SIGKILL)
        if interrupt is not None:
            raise interrupt
        if self._failure is not None:
            raise EngineError(
                f"the Doom engine cannot be started ({self._failure}); it needs a folder /dev/shm that can be written"
            )
        return why if self in _given_up else ""

    def _initialize(self, done: threading.Event) -> None:
        try:
            self.game.init()
        except Exception as error:
            self._failure = error
        done.set()

    def _watch(self) -> None:
        """End an engine that does not answer. Our own wake-ups count and not the time, which runs on while we are stopped."""
        looks = 20
        asked, unchanged = 0.0, 0
        while not self._ended.wait(ANSWERS_WITHIN / looks):
            unchanged = unchanged + 1 if self.asked and self.asked == asked else 0
            asked = self.asked
            if unchanged == looks:
                self.silent = True
                self._kill()
                return

    def _kill(self) -> None:
        if self._launcher:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._launcher, signal.SIGKILL)  # and the engine, which is in its group

    def _last_words(self) -> str:
        """Return the last line that the engine has printed, in brackets."""
        with contextlib.suppress(OSError):
            lines = (self._folder / "output").read_text(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return f" ({last[:200]})" if last else ""
        return ""


def find_launcher(source: bytes, folder: Path, *inherited: int) -> tuple[str, list[int]]:
    """Return an executable that runs a source in Python, having run it with the argument --test.

    It needs no shell, and no folder whose files may be run, where the system has files in memory.

    Args:
        source: Python, which prints "ready" when its only argument is --test.
        folder: for a script, if it must be.
        inherited: file descriptors that the test inherits.

    Returns:
        its path, and the file descriptors that must be open and inherited where it is run.

    Raises:
        EngineError: nothing of the kind can be run here.
    """
    faults = []
    for make in (_in_memory, _in_folder):
        descriptors: list[int] = []
        try:
            path, descriptors = make(source, folder)
            open_files = (*inherited, *descriptors)
            done = subprocess.run(
                [path, "--test"], stdin=subprocess.DEVNULL, capture_output=True, pass_fds=open_files, timeout=30
            )
            if done.stdout == b"ready":
                return path, descriptors
            fault = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        except (OSError, subprocess.SubprocessError) as error:
            fault = str(error)
        faults.append(fault)
        for descriptor in descriptors:
            os.close(descriptor)
    raise EngineError(
        f"the launcher of the Doom engine cannot be run, neither from memory ({faults[0]}) nor from {folder} ({faults[1]}); "
        "raise the limit if one is named (ulimit), or set TMPDIR to a folder whose files may be run, not mounted noexec"
    )


def _in_memory(source: bytes, folder: Path) -> tuple[str, list[int]]:
    if not hasattr(os, "memfd_create"):
        raise OSError("there are no files in memory on this system")
    try:
        script = os.memfd_create("doom-launcher", 0x10)  # MFD_EXEC: newer systems want to be told
    except OSError:
        script = os.memfd_create("doom-launcher", 0)
    script = _above_standard(script)
    with open(script, "wb", closefd=False) as file:
        file.write(b"#!/proc/self/exe -IS\n" + source)  # this Python, wherever it lies
    return f"/proc/self/fd/{script}", [script]


def _in_folder(source: bytes, folder: Path) -> tuple[str, list[int]]:
    python, script = folder / "launcher.py", folder / "launch"
    python.write_bytes(source)
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(str(python))} "$@"\n')
    script.chmod(0o700)
    return str(script), []


def check_surroundings(shared_bytes: int) -> None:
    """Make sure that the engine finds what it needs here, and nothing that would change the game.

    Raises:
        EngineError: with what to do.
    """
    here = Path("_vizdoom.cfg")
    if here.exists():
        raise EngineError(f"{here.absolute()}: vizdoom would change the game by this file; rename it or work elsewhere")
    if sys.platform == "linux":
        try:
            found = os.statvfs("/dev/shm")
        except OSError as error:
            raise EngineError(f"the Doom engine needs shared memory: /dev/shm: {error.strerror}") from None
        free = found.f_bavail * found.f_frsize
        if free < shared_bytes:
            raise EngineError(
                f"/dev/shm: {free // 1024} KiB are free, the Doom engine needs {shared_bytes // 1024}; remove what is left over"
                " there, or give a container more (docker run --shm-size=1g)"
            )


@functools.cache
def check_installation(package: Path, version: str, scenario: str) -> None:
    """Make sure that the files of vizdoom are there and as they were installed, once a process.

    A damaged file would be another game, or one that never starts. The engine itself is not compared: some systems change it
    when they install it, and it shows by itself whether it runs.

    Raises:
        EngineError: a file is missing or damaged.
    """
    known = {}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if importlib.metadata.version("vizdoom") == version:
            known = {str(file): file.hash for file in importlib.metadata.files("vizdoom") or []}
    for name in ("vizdoom", "vizdoom.pk3", "freedoom2.wad", f"scenarios/{scenario}.wad", f"scenarios/{scenario}.cfg"):
        path = package / name
        digest = known.get(f"vizdoom/{name}") if name != "vizdoom" else None
        try:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, digest.mode).digest() if digest else b""
        except OSError as error:
            raise EngineError(f"{path}: {error.strerror}, and the Doom engine needs it; {REMEDY}") from None
        if digest and base64.urlsafe_b64encode(found).rstrip(b"=").decode() != digest.value:
            raise EngineError(f"{path} is damaged: it is not the file that was installed; {REMEDY}")


def _free_name() -> Path:
    """Return a name for a folder in the folder for temporary files, one by which `wmlib.experiment.processes.sweep` knows it.

    Raises:
        EngineError: there is no such folder, or its name is none for the engine.
    """
    try:
        parent = Path(tempfile.gettempdir())
    except OSError as error:
        raise EngineError(
            f"the Doom engine needs a folder for its files ({error}); set TMPDIR to one that can be written"
        ) from None
    if not str(parent).isprintable() or "\\" in str(parent):
        raise EngineError(f"TMPDIR: got {str(parent)!r}; the Doom engine wants a path without control characters and \\")
    return parent / f"wmlib-doom-{os.getpid()}-{secrets.token_hex(4)}"


def _above_standard(descriptor: int) -> int:
    """Return the descriptor, or a copy if it is 0, 1 or 2, as happens where standard input or output are closed."""
    if descriptor > 2:
        return descriptor
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return copy


def _read(line: int) -> str:
    """Return what the launcher has said, without waiting."""
    try:
        return os.read(line, 1000).decode()
    except BlockingIOError:
        return ""
