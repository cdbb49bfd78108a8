"""Files: written at once or not at all, and known by their checksum."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# what is at fault where a file cannot be written, and what to do
REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it writable",
    errno.EPERM: "make it writable",
    errno.EIO: "check the disk",
}


class WriteError(OSError):
    """A file cannot be written; the message names it, what it needs and what to do."""

    def __str__(self) -> str:
        return str(self.strerror)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary path)`, flush it to disk and rename it to `path`; on any error nothing stays behind.

    Raises:
        WriteError: the disk is full, read-only, ...; the old file, if there was one, is as it was.
    """
    with naming_the_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
    try:
        with naming_the_file(path, Path(temporary)):
            write(Path(temporary))
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def naming_the_file(
    path: Path, temporary: Path | None = None, *, only_writes: bool = True, elsewhere: str = ", or write elsewhere (--out DIR)"
) -> Iterator[None]:
    """Turn an error of the disk into one that says which file was to be written and what to do.

    Args:
        path: the file, or the folder of several.
        temporary: what is there of it when the error comes; None: nothing.
        only_writes: the block does nothing else. False: an error that names no file may be about another disk, such as the
            shared memory; it is then tried whether this one refuses to be written.
        elsewhere: what else can be done.

    Raises:
        WriteError: in place of any error that the disk is behind.
    """
    try:
        yield
    except WriteError:
        raise
    except Exception as error:
        number = _disk_errno(error, path, only_writes)
        if number is None:
            raise
        need = ""
        if number in (errno.ENOSPC, errno.EDQUOT):
            written = temporary.stat().st_size if temporary is not None and temporary.exists() else 0
            free = shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.exists())).free
            need = f" (it needs more than the {written / 1e6:.1f} MB that were written; {free / 1e6:.1f} MB are free)"
        remedy = f"{REMEDIES[number]}{elsewhere}; the same call then goes on from here"
        raise WriteError(
            number, f"{path} cannot be written: {os.strerror(number)}{need}. To do: {remedy}", str(path)
        ) from error


def _disk_errno(error: Exception, path: Path, only_writes: bool) -> int | None:
    """Return the number of an error that the disk is behind, where it is about this file."""
    if isinstance(error, OSError) and error.errno is not None:
        if error.errno not in REMEDIES:
            return None
        if isinstance(error.filename, str | bytes):
            other = Path(os.fsdecode(error.filename)).absolute()
            ours = other.is_relative_to(path.absolute().parent) or path.absolute().is_relative_to(other)
        else:
            ours = only_writes or error.errno == errno.EFBIG or _refuses(path.parent)
        return error.errno if ours else None
    # libraries hide it: safetensors, NumPy
    hidden = re.search(r"\(os error (\d+)\)", str(error))
    if hidden:
        return int(hidden[1]) if int(hidden[1]) in REMEDIES else None
    return errno.ENOSPC if re.search(r"\d+ requested and \d+ written", str(error)) else None


def _refuses(folder: Path) -> bool:
    """Return whether a megabyte cannot be written into a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1_000_000))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return True
    return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
