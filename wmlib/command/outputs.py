"""Who may write the outputs of a notebook, or a gallery: one run at a time.

Reading guide. `hold` takes the lock of one notebook in one output folder, or says which process has it; `hold_gallery` that of
the gallery. The lock is an open file that the runner hands on to the notebook's worker and kernel: it is free when the last of
them has ended, however that happened. (A library's lock ends with one process; this is why it is made here.) `state` tells
whether a run has written a file, without a look at any clock.
"""

import fcntl
import json
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from wmlib.experiment.atomic import naming_the_file
from wmlib.experiment.processes import is_alive
from wmlib.experiment.settings import SettingError

PATIENCE = 30.0  # seconds for the processes of a run that was killed to end


def hold(executed: Path, figures: Path) -> int:
    """Take the lock of a notebook's outputs, and remove what killed runs have left half-written there.

    Args:
        executed: where its executed copy goes.
        figures: the folder of its figures and results.

    Returns:
        An open file. The outputs are free when all processes that have it have closed it.

    Raises:
        SettingError: another run has it; the message names its process.
        WriteError: the disk is full or read-only.
    """
    path = executed.parent / f".{executed.stem}.lock"
    held = _take(path, executed.stem, f"is running it into {executed.parent.parent}")
    for left in [*executed.parent.glob(f".{executed.name}.*.tmp"), *figures.glob(".*.tmp")]:
        left.unlink(missing_ok=True)
    return held


def hold_gallery(folder: Path, executed: Path) -> int:
    """Take the lock of a gallery, and remove what killed builds have left beside it; wait for another one, it takes seconds.

    Args:
        folder: of the gallery.
        executed: the folder of the executed copies, which takes the lock.

    Returns:
        An open file, as for `hold`, which raises the same.
    """
    path = executed / f".{folder.name}.lock"
    held = _take(path, folder.name, f"is building it in {folder.parent}", patient=True)
    for left in folder.parent.iterdir():
        if left.name.startswith(f".{folder.name}-"):
            shutil.rmtree(left, ignore_errors=True)
    return held


def _take(path: Path, what: str, does: str, patient: bool = False) -> int:
    """Return the open file of a lock, taken.

    Args:
        path: of the lock.
        what, does: for the message: what is locked, and what its holder does with it.
        patient: wait for a holder that is alive, too.
    """
    with naming_the_file(path):
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    deadline = time.monotonic() + PATIENCE
    while not _lock(held, path):
        signed = re.fullmatch(rb"([1-9]\d{0,8})\n", os.pread(held, 100, 0))
        if time.monotonic() > deadline or (not patient and (signed is None or is_alive(int(signed[1])))):
            os.close(held)
            holder = f"process {int(signed[1])}" if signed else "another process"
            stop = f"stop it (kill {int(signed[1])})" if signed else f"stop it (fuser {path} names it)"
            raise SettingError(f"{what}: {holder} {does}; wait for its end, {stop}, or name another folder with --out")
        time.sleep(0.1)
    with suppress(OSError):  # the disk may be full; the lock is held all the same
        os.ftruncate(held, 0)
        os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    return held


def _lock(held: int, path: Path) -> bool:
    """Try to take the lock; return whether it is ours."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # some network disks
        print(f"wmlib: {path.parent} knows no locks ({error.strerror}): do not run a notebook twice into it", file=sys.stderr)
    return True


def check_is_copy(executed: Path) -> None:
    """Make sure that what an executed copy would replace is an executed copy.

    Raises:
        SettingError: it is not, or cannot be read.
    """
    if not executed.exists() and not executed.is_symlink():
        return
    try:
        copy = "output_path" in json.loads(executed.read_text(encoding="utf-8"))["metadata"]["papermill"]
    except (OSError, ValueError, KeyError, TypeError):
        copy = False
    if not copy:
        raise SettingError(f"out: {executed} is there and is not an executed copy; move it, or name another folder with --out")


def state(file: Path) -> tuple | None:
    """Return what changes whenever a file is written anew, None if it is not there."""
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size
