"""Processes that end with those they work for, and what is left behind by those that were killed.

Reading guide. Nothing can be cleaned up by a process that was killed, so somebody else always can: a child watches its parent
(`end_with_parent`), a parent ends its child's whole group (`end_group`), and a temporary folder tells whose it is
(`temporary_folder`), so that the next start finds those of the dead (`sweep`).
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from wmlib.experiment.atomic import naming_the_file

BELONGS = "belongs"  # a file in a temporary folder: what else is its owner's, a pattern of names a line
SHARED_MEMORY = Path("/dev/shm")
_NAME = re.compile(r"wmlib-[a-z]+-(\d+)-[a-z0-9_]{8}")


def end_with_parent(parent: int, last: Callable[[], object] = lambda: None) -> None:
    """End this process half a second after its parent, however that one ended.

    Args:
        parent: its process id, as the parent knew it: it may be gone before this process can ask.
        last: is called first.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        last()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end with parent").start()


def end_group(leader: int, grace: float) -> None:
    """End a process group and wait for it.

    First SIGINT, so that Python code can put its things in order. After `grace` seconds the leader is killed: what ends with
    it (joblib's workers, game engines) then has the time to remove what is its own. What still runs is killed.

    Args:
        leader: its process id, which is the group's; it may be this process, which then ends with the others.
        grace: seconds.
    """
    steps: tuple[tuple[Callable[[int, int], None], int, float], ...] = (
        (os.killpg, signal.SIGINT, grace),
        (os.kill, signal.SIGKILL, 3.0),
        (os.killpg, signal.SIGKILL, 3.0),
    )
    for send, number, seconds in steps:
        if send is os.kill and leader == os.getpid():  # nobody would be left to kill the others
            continue
        if not is_alive(leader, os.killpg):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(leader, number)
        deadline = time.monotonic() + seconds
        while is_alive(leader, os.killpg) and time.monotonic() < deadline:
            time.sleep(0.02)


def is_alive(number: int, send: Callable[[int, int], None] = os.kill) -> bool:
    """Return whether a process, or with `os.killpg` anyone in a process group, is there."""
    try:
        send(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def temporary_folder(what: str, where: str) -> tuple[Path, int]:
    """Make a temporary folder that `sweep` knows to be this process's.

    Args:
        what: one word for its name.
        where: the folder that it is made in: /tmp, or that of TMPDIR.

    Returns:
        The folder, and an open file that keeps it from being swept while any process is there that has inherited it.

    Raises:
        WriteError: there is no space for it.
    """
    prefix = f"wmlib-{what}-{os.getpid()}-"
    with naming_the_file(Path(where, prefix), elsewhere=""):
        folder = tempfile.mkdtemp(prefix=prefix, dir=where)
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    return Path(folder), held


def remove(folder: Path) -> None:
    """Remove a temporary folder and what it says belongs to it."""
    with contextlib.suppress(OSError):
        for line in (folder / BELONGS).read_text().splitlines(keepends=True):
            if not line.endswith("\n"):  # cut short by a kill
                continue
            for place in (SHARED_MEMORY, Path(tempfile.gettempdir())):
                for path in place.glob(line.strip()):
                    _remove(path)
    _remove(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sweep() -> None:
    """Remove the temporary folders of this user's dead processes."""
    for folder in (folder for place in {"/tmp", tempfile.gettempdir()} for folder in Path(place).glob("wmlib-*-*-*")):
        name = _NAME.fullmatch(folder.name)
        if name is None or is_alive(int(name[1])):
            continue
        with contextlib.suppress(OSError):  # somebody else was faster, or it is held: by a child, or in another container
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(held).st_uid == os.geteuid():
                    remove(folder)
            finally:
                os.close(held)
