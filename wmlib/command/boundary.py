"""The boundary of the command line: what is expected to go wrong becomes one line on stderr, a fault of ours stays a traceback.

Expected are wrong words and settings, files that cannot be read or written, packages that are missing or broken, and streams
that are closed. Nothing heavy is imported here: it is what says that a package is missing.
"""

import io
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import util
from pathlib import Path

from wmlib.experiment import paths
from wmlib.experiment.atomic import REMEDIES
from wmlib.experiment.settings import SettingError

MODULES = {  # of packages that are imported by another name
    "beautifulsoup4": "bs4",
    "markdown-it-py": "markdown_it",
    "mdit-py-plugins": "mdit_py_plugins",
    "pillow": "PIL",
}


def exit_status(command: Callable[[], int], *expected: type[Exception]) -> int:
    """Call a command and return its exit status; 2, with one line, if something expected went wrong.

    Args:
        command: returns an exit status.
        expected: further errors whose text is for the user.

    Raises:
        Exception: a fault of this program.
    """
    known: tuple[type[Exception], ...] = (SettingError, *expected)
    _prepare_streams()
    try:
        try:
            return command()
        finally:
            _flush()
    except BrokenPipeError:
        return 128 + 13  # as if SIGPIPE had ended it
    except known as error:
        text = str(error)
    except OSError as error:
        text = _about_files(error)
    except ImportError as error:
        text = _about_packages(error)
    print(f"wmlib: {text}", file=sys.stderr)
    return 2


def _prepare_streams() -> None:
    """See to it that there are three streams, and that no character is too much for them."""
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:  # closed, as by `>&-`: a kernel does not start without
        os.set_inheritable(number, True)
    os.close(number)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write out what was printed; what cannot be written is dropped, or Python would complain about it when it ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _about_files(error: OSError) -> str:
    """Return what went wrong with which file, and what to do."""
    if error.strerror is None:  # one of ours, with a text
        return str(error)
    names = [os.fspath(name) for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
    remedy = REMEDIES.get(error.errno or 0)
    to_do = f"; {remedy}, or name another folder with --out" if remedy else ""
    return f"{' and '.join(names) or 'output'}: {error.strerror}{to_do}"


def _about_packages(error: ImportError) -> str:
    """Return which package is missing or broken, and how to install it; a module that we lack is a fault of this program."""
    package = (error.name or "").partition(".")[0]
    if package == "wmlib" or (not package and not isinstance(error, ModuleNotFoundError)):
        raise error
    return f"{error}; {_how_to_install()}" if package else str(error)


def _project() -> Path:
    """Return the folder that the package is installed from."""
    folder = Path(__file__).parents[2]
    return folder if (folder / "pyproject.toml").is_file() else paths.root()


def _how_to_install() -> str:
    return f"install it: cd '{_project()}' && '{sys.executable}' -m pip install -c constraints.txt -e '.[notebooks,doom]'"


def check_installed(*extras: str) -> None:
    """Make sure that the packages that pyproject.toml lists are there, those of some extras too, and this one.

    Raises:
        SettingError: with the names of those that are missing.
    """
    lists = _requirements(_project() / "pyproject.toml", extras)
    packages = [re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in lists]
    missing = [name for name in packages if not _is_there(MODULES.get(name, name))]
    if not _is_found_by_others():
        missing.append("wmlib")
    if missing:
        raise SettingError(f"not installed: {', '.join(missing)}; {_how_to_install()}")


def _requirements(file: Path, extras: tuple[str, ...]) -> list[str]:
    """Return what the project needs now; what its installation knows is as old as that."""
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        optional = project["optional-dependencies"]
        return [*project["dependencies"], *(requirement for extra in extras for requirement in optional[extra])]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SettingError(f"{file} cannot be read ({error!r}); get it back by: git checkout {file}") from None


def _is_found_by_others() -> bool:
    """Return whether the processes that run the notebooks find this package, from other folders than the current one."""
    command = [sys.executable, "-P", "-c", "import wmlib"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def _is_there(module: str) -> bool:
    try:
        return util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
