"""Where things lie, whatever the working directory.

JupyterLab starts a kernel in `notebooks/`, the runner in the caller's folder: so nothing here looks at the working directory.

| what | default | with `--out DIR` (environment variable `WMLIB_OUT`) |
|---|---|---|
| figures and results of the quick profile | `figures/NN_name` | `DIR/figures/NN_name` |
| of the study profile | `figures/NN_name/study` | `DIR/figures/NN_name` |
| of another profile | `build/PROFILE/figures/NN_name` | `DIR/figures/NN_name` |
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


def figures(profile: str, notebook: str) -> Path:
    """Return the folder of a notebook's figures and results. Those of quick and study, unredirected, are committed."""
    if profile in ("quick", "study") and not os.environ.get("WMLIB_OUT"):
        committed = root() / "figures" / notebook
        return committed / "study" if profile == "study" else committed
    return output(profile) / "figures" / notebook


def notebooks() -> Path:
    """Return the folder of the notebooks' sources and of `profiles.toml`."""
    return root() / "notebooks"


def title(notebook: Path) -> str:
    """Return a notebook's title: its first heading, without marks."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    heading = re.search(r"^# (.+)$", "".join(cells[0]["source"]), flags=re.MULTILINE)
    return heading[1].strip() if heading else notebook.stem
