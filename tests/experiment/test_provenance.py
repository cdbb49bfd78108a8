"""What made a result: versions, commit and machine."""

import os
import platform
import subprocess
from importlib import metadata

import numpy as np
import pytest

from wmlib.experiment import fingerprint, provenance


@pytest.fixture
def git(project):
    """Make the project a repository with one commit; a function that runs git there."""

    def run(*arguments):
        settings = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(project.path), *settings, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for name in ("README.md", "code.py", "figures/01/results.json"):
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_text("one\n")
    run("init", "--quiet")
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    return run


def test_versions_are_those_installed_and_what_is_absent_is_left_out(monkeypatch):
    versions = provenance.versions()
    assert versions["python"] == platform.python_version() and versions["numpy"] == np.__version__
    assert {"wmlib", "matplotlib", *fingerprint.versions()} <= set(versions)
    version = metadata.version

    def without_cma(name):
        if name == "cma":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_cma)
    fingerprint.versions.cache_clear()
    assert provenance.versions() == {name: value for name, value in versions.items() if name != "cma"}
    fingerprint.versions.cache_clear()


def test_a_clean_tree_is_its_commit(git):
    assert provenance.commit() == (git("rev-parse", "HEAD"), False)


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_a_tree_that_differs_is_dirty(git, project, name):
    (project.path / name).write_text("two\n")
    assert provenance.commit() == (git("rev-parse", "HEAD"), True)


@pytest.mark.parametrize("name", ["figures/01/results.json", "figures/02.png", "README.md"])
def test_what_a_run_writes_itself_does_not_make_it_dirty(git, project, name):
    (project.path / name).write_text("two\n")
    assert provenance.commit() == (git("rev-parse", "HEAD"), False)


def test_another_commit_is_another(git, project):
    before, _ = provenance.commit()
    (project.path / "code.py").write_text("two\n")
    git("commit", "--quiet", "-am", "second")
    after = provenance.commit()
    assert after == (git("rev-parse", "HEAD"), False) and after[0] != before


def test_without_git_nothing_is_known(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.path.parent))
    assert provenance.commit() == (None, None)  # no repository
    monkeypatch.setenv("PATH", str(project.path))
    assert provenance.commit() == (None, None)  # no program


def test_the_machine_is_a_line():
    line = provenance.machine()
    assert f"{os.cpu_count()} cores" in line and platform.machine() in line and "\n" not in line
