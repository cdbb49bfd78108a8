"""Where things lie, whatever the working directory.

JupyterLab starts a kernel in `notebooks/`, the runner in the caller's folder: so nothing here looks at the working directory.

| what | default | with `--out DIR` (environment variable `WMLIB_OUT`) |
|---|---|---|
| figures and results of the quick profile | `figures/` | `DIR/figures` |
| figures and results of another profile | `build/PROFILE/figures` | `DIR/figures` |
| executed notebooks, cache, gallery | `build/PROFILE/…` | `DIR/…` |
"""

import json
import os
import re
from pathlib import Path


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


def output(profile: str) -> Path:
    """Return the folder that takes everything that is built: `WMLIB_OUT` (relative to the root), else `build/PROFILE`."""
    redirected = os.environ.get("WMLIB_OUT")
    return (root() / redirected).resolve() if redirected else root() / "build" / profile


def figures(profile: str) -> Path:
    """Return the folder of figures and results. Only the quick profile's, unredirected, are the committed ones."""
    if profile == "quick" and not os.environ.get("WMLIB_OUT"):
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
