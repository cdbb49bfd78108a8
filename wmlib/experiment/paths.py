"""Where things lie, whatever the working directory.

JupyterLab starts a kernel in `notebooks/`, the runner in the caller's folder: so nothing here looks at the working directory.

| what | default | with `--out DIR` (environment variable `WMLIB_OUT`) |
|---|---|---|
| figures and results of the quick profile | `figures/NN_name` | `DIR/figures/NN_name` |
| of the study profile | `figures/NN_name/study` | `DIR/figures/NN_name/study` |
| of another profile | `build/PROFILE/figures/NN_name` | `DIR/figures/NN_name` |
| executed notebooks, cache, gallery | `build/PROFILE/…` | `DIR/…` |
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

PLACES = ("notebooks", "figures", "cache", "gallery")  # what is made in an output folder
SOURCES = ("notebooks", "figures", "wmlib", "tests", ".git")  # what is no output, in the project's folder


class OutputError(ValueError):
    """An output folder that cannot be used; the message is one line for the user."""


def root() -> Path:
    """Return the project's folder: `WMLIB_ROOT` if it is set, else the folder above `wmlib/`.

    Raises:
        FileNotFoundError: no `pyproject.toml` there; the message says what to set.
    """
    folder = Path(os.environ.get("WMLIB_ROOT") or Path(__file__).parents[2]).resolve()
    if not (folder / "pyproject.toml").is_file():
        raise FileNotFoundError(
            f"no pyproject.toml in {folder}: set WMLIB_ROOT to your clone of the project, or install it with pip install -e"
        )
    return folder


def redirect(out: str) -> None:
    """Send the outputs of this process and of those it starts to a folder, as `--out` says.

    Args:
        out: the folder; "~" is the user's home.

    Raises:
        OutputError: it is empty, or outputs would go into the sources; see `output`.
    """
    try:
        folder = Path(out).expanduser().resolve() if out.strip() else None
        str(folder).encode()  # notebooks hold it, as UTF-8
    except (RuntimeError, ValueError, OSError):  # "~nobody", a zero byte, too many links
        folder = None
    if folder is None:
        raise OutputError(f"out: got {out!r}; allowed is a folder, its name in UTF-8, for example --out /tmp/try")
    _check_places(folder)
    os.environ["WMLIB_OUT"] = str(folder)


def output(profile: str) -> Path:
    """Return the folder that takes everything that is built: `WMLIB_OUT` (relative to the root), else `build/PROFILE`.

    Raises:
        OutputError: outputs would go into the sources or the committed figures, however the way there is spelled.
    """
    redirected = os.environ.get("WMLIB_OUT")
    folder = (root() / redirected).resolve() if redirected else root() / "build" / profile
    _check_places(folder)
    return folder


def _check_places(folder: Path) -> None:
    """Make sure that what is made in an output folder lies in no folder of sources."""
    sources = [root() / name for name in SOURCES] + [Path(__file__).parents[1]]
    forbidden = {identity: path for path in sources for identity in _identities([path])}
    places = [folder / name for name in PLACES]
    linked = [path for path in _children(folder / "figures") if path.is_symlink()]
    for place in (*places, *linked):
        resolved = place.resolve()
        hit = {*_identities([resolved, *resolved.parents])} & {*forbidden}
        if hit or resolved == root():
            source = forbidden[hit.pop()] if hit else root()
            raise OutputError(
                f"out: {folder} would put outputs into {source}, which belongs to the sources; name another folder with --out"
            )


def _identities(paths: Iterable[Path]) -> Iterator[tuple[int, int]]:
    """Yield what tells files apart, whatever their names: links, mounts and capital letters lead to the same."""
    for path in paths:
        with suppress(OSError):
            facts = path.stat()
            yield facts.st_dev, facts.st_ino


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def figures(profile: str, notebook: str) -> Path:
    """Return the folder of a notebook's figures and results. Those of quick and study, unredirected, are committed."""
    folder = all_figures(profile) / notebook
    return folder / "study" if profile == "study" else folder


def all_figures(profile: str) -> Path:
    """Return the folder of all notebooks' figures and results."""
    if profile in ("quick", "study") and not os.environ.get("WMLIB_OUT"):
        return root() / "figures"
    return output(profile) / "figures"


def notebooks() -> Path:
    """Return the folder of the notebooks' sources and of `profiles.toml`."""
    return root() / "notebooks"


def title(notebook: Path) -> str:
    """Return a notebook's title: its first heading, without marks; its name if it has none or cannot be read."""
    try:
        first = json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]
        heading = re.search(r"^# (.+)$", "".join(first["source"]), flags=re.MULTILINE)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        heading = None
    return heading[1].strip() if heading else notebook.stem
