"""What several test files share: a small project of its own in a temporary folder."""

import os

# one thread a process, before NumPy and torch are loaded: repeatable to the bit
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

# a slow disk is not a failure
hypothesis.settings.register_profile("wmlib", deadline=None)
hypothesis.settings.load_profile("wmlib")


@pytest.fixture(scope="session")
def contrast():
    """A function that returns the contrast of two colours "#rrggbb", 1 to 21, as WCAG 2 defines it."""

    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast_of(a, b):
        dark, light = sorted((luminance(a), luminance(b)))
        return (light + 0.05) / (dark + 0.05)

    return contrast_of


TOML = """
[01_good]
steps = { doc = "how many", smoke = 1, quick = 3, study = 5, paper = 9, min = 1, max = 10 }
rate = { doc = "how fast", smoke = 0.1, quick = 0.5, study = 0.5, paper = 0.5, min = 0.0 }
task = { doc = "which one", smoke = "copy", quick = "copy", study = "copy", paper = "copy", choices = ["copy", "repeat"] }
[02_other]
depth = { doc = "how deep", smoke = 1, quick = 1, study = 1, paper = 1 }
[03_third]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in a temporary folder; `project.notebook(name, *cells)` adds a notebook with these code cells.

    Its parameters cell has `parameters` and, like all of the project's, the line `overrides: dict = {}`.
    """
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/profiles.toml").write_text(TOML)
    monkeypatch.setenv("WMLIB_ROOT", str(tmp_path))
    for name in ("WMLIB_OUT", "WMLIB_FRESH"):
        monkeypatch.setenv(name, "")  # remembered, and so put back
        monkeypatch.delenv(name)
    return Project(tmp_path)


class Project:
    def __init__(self, path):
        self.path = path

    def notebook(self, name, *cells, parameters=""):
        lines = ['profile = "quick"', "seed = 1", 'device = "auto"', parameters, "overrides: dict = {}"]
        head = new_code_cell("\n".join(lines), metadata={"tags": ["parameters"]})
        nb = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
        nb.cells = [new_markdown_cell(f"# {name} title"), head, *map(new_code_cell, cells)]
        nbformat.write(nb, self.path / "notebooks" / f"{name}.ipynb")

    def executed(self, name, profile="quick"):
        return self.path / "build" / profile / "notebooks" / f"{name}.ipynb"


STORE = """
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.run import Run
from wmlib.experiment.statistics import Evidence
run = Run("{name}", profile, seed, device, overrides=overrides)
claim = Claim("works", "It works.", "ours", "no number given", "proportion that works", smallest=0.9, null=0.5)
evidence = Evidence("proportion", {{"successes": 9, "n": 10}})
run.store(("success rate", evidence.estimate(), "9 of 10 work"), [judge(claim, evidence)], {{"line": [1, 2, 4]}}, {{}})
"""


@pytest.fixture
def store():
    """The source of a cell that stores valid results for a notebook's name."""
    return lambda name: STORE.format(name=name)
