"""World models with a Differentiable Neural Computer: the library behind the notebooks.

Floors, lowest first; a module imports only from its own floor or below: `envs` (worlds to act in), `models` (what learns the
world), `experiment` (how a run is made) -> `rollouts` (experience on disk), `training` (trainers and long jobs) -> `agents`
(what learns to act) -> `viz` (how it is shown) -> `lessons` (one folder a notebook), `weights` (trained agents) -> `command`
(the command line).
"""

import contextlib
import os
import stat

__version__ = "0.1.0"


def _find_place_for_compiled_code() -> None:
    """See to it that Numba can keep what it compiles: beside the sources, in the user's cache or else in a temporary folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if "NUMBA_CACHE_DIR" in os.environ or os.access(os.path.dirname(__file__), os.W_OK) or _is_usable(f"{cache}/numba"):
        return
    import tempfile  # not above: `__main__` has not yet seen to it that Python's own modules are found first

    try:
        os.environ["NUMBA_CACHE_DIR"] = _private_folder(f"{tempfile.gettempdir()}/wmlib-compiled-{os.getuid()}")
    except OSError:
        with contextlib.suppress(OSError):  # nowhere: Numba compiles anew, or says itself what it lacks
            os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix=f"wmlib-compiled-{os.getpid()}-")


def _private_folder(folder: str) -> str:
    """Return a folder of ours alone, for Numba runs what it holds; raise an `OSError` if it cannot be made or is not ours."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    facts = os.lstat(folder)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o077:
        raise PermissionError(f"{folder} is somebody else's")
    return folder


def _is_usable(folder: str) -> bool:
    if not os.path.isabs(folder):  # there is no home
        return False
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


_find_place_for_compiled_code()
