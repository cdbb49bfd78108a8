"""What the tests of the command line share."""

import subprocess
import sys

import pytest


@pytest.fixture
def three(project):
    """A project with three notebooks that do nothing."""
    for name in ("01_good", "02_other", "03_third"):
        project.notebook(name, "pass")
    return project


@pytest.fixture
def wmlib():
    """Run the command line as a user does."""

    def run(*arguments, cwd=None):
        command = [sys.executable, "-m", "wmlib", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)

    return run
