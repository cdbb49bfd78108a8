"""The two commands and the lists of packages, checked without conda and without a network."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def constraints():
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


def test_every_constraint_is_exact_and_torch_is_the_tested_one():
    for requirement in constraints():
        assert re.fullmatch(r"==[\w.!]+", str(requirement.specifier)), requirement
    pinned = {r.name.lower().replace("_", "-"): str(r.specifier) for r in constraints()}
    assert pinned["torch"] == "==2.13.0"
    assert not [name for name in pinned if name.startswith("nvidia") or name == "triton"]  # a CPU build must pull no CUDA


def test_constraints_pin_every_dependency_inside_its_range():
    pinned = {r.name.lower().replace("_", "-"): next(iter(r.specifier)).version for r in constraints()}
    lists = [PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"].values()]
    for requirement in map(Requirement, itertools.chain(*lists)):
        version = pinned[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_constraints_pin_whatever_pip_may_install_here():
    pinned = {r.name.lower().replace("_", "-") for r in constraints()}
    asked, seen = [("wmlib", ("notebooks", "doom", "dev"))], set()
    while asked:
        name, extras = asked.pop()
        name = name.lower().replace("_", "-").replace(".", "-")
        if (name, extras) in seen or name.startswith("nvidia") or name == "triton":  # a CUDA build of torch pins its own
            continue
        seen.add((name, extras))
        assert name in pinned | {"wmlib"}, f"{name} is not pinned in constraints.txt"
        for requirement in map(Requirement, metadata.requires(name) or []):
            markers = [{"extra": extra} for extra in (*extras, "")]
            if requirement.marker is None or any(requirement.marker.evaluate(m) for m in markers):
                asked.append((requirement.name, tuple(sorted(requirement.extras))))
    assert len(seen) > 80


def test_environment_yml_has_the_agreed_shape():
    assert set(ENVIRONMENT) == {"name", "channels", "dependencies"}
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]
    *conda, pip = ENVIRONMENT["dependencies"]
    assert "pip" in conda and list(pip) == ["pip"]
    assert pip["pip"] == [
        "--constraint constraints.txt",
        "--editable .[notebooks,doom,dev]",
    ]  # pyproject.toml stays the only list


def test_conda_specs_parse_and_the_python_pin_fits():
    from rattler import MatchSpec

    conda = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    names = [MatchSpec(line, strict=True).name.normalized for line in conda]
    assert sorted(names) == ["pip", "python"]
    (python,) = (line for line in conda if line.startswith("python="))
    version = Version(python.removeprefix("python="))
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(f"{version}.0")


def test_the_pip_section_is_what_pip_understands(tmp_path):
    """pip reads the lines as conda hands them over; the whole install in a fresh venv is what ./run_all.sh itself does."""
    lines = "\n".join(ENVIRONMENT["dependencies"][-1]["pip"])
    (ROOT / "build").mkdir(exist_ok=True)
    file = ROOT / f"build/pip-section-{os.getpid()}.txt"
    # paths in a requirements file are relative to the file for -c, to the working directory for -e
    file.write_text(lines.replace("constraints.txt", "../constraints.txt"))
    try:
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-build-isolation", "-qr", str(file)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    finally:
        file.unlink()
    assert done.returncode == 0, done.stderr


def test_run_all_is_valid_bash_and_executable():
    assert subprocess.run(["bash", "-n", ROOT / "run_all.sh"]).returncode == 0
    assert os.access(ROOT / "run_all.sh", os.X_OK) and os.access(ROOT / ".ci/run", os.X_OK)
    assert "./run_all.sh test" in (ROOT / ".ci/run").read_text()


@pytest.fixture
def clone(tmp_path):
    """A folder with run_all.sh and stand-ins for Python that write down how they were called."""
    (tmp_path / "project").mkdir()
    for name in ("run_all.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / "project" / name)
    (tmp_path / "project/wmlib").mkdir()
    (tmp_path / "project/wmlib/__main__.py").touch()
    (tmp_path / "bin").mkdir()
    return tmp_path


STAND_IN = """#!/bin/bash
case "$1 $2" in
  "-c import sys; sys.exit"*) exit {old} ;;
  "-c import sys; print"*) dirname "$(dirname "$0")" ;;
  "-m pip") [ "$3" = --version ] || echo "${{@:1}}" >> "$CALLS" ;;
  "-m venv") mkdir -p "${{@: -1}}/bin"; cp "$0" "${{@: -1}}/bin/python"; echo venv >> "$CALLS" ;;
  *) echo "${{@:1}}" >> "$CALLS" ;;
esac
"""


def call(clone, *arguments, old=0, script="project/run_all.sh", **environment):
    for name in ("python3", "python", "python3.11", "python3.12", "python3.13", "python3.14"):
        (clone / "bin" / name).write_text(STAND_IN.format(old=old))
        (clone / "bin" / name).chmod(0o755)
    calls = clone / "calls"
    calls.unlink(missing_ok=True)
    env = {"PATH": f"{clone / 'bin'}:/usr/bin:/bin", "CALLS": str(calls), **environment}
    done = subprocess.run([clone / script, *arguments], env=env, capture_output=True, text=True, cwd="/")
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_first_start_makes_a_venv_and_installs_and_the_second_does_not(clone):
    done, calls = call(clone, "01", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert calls[0] == "venv" and calls[2:] == ["-m wmlib.models.dnc", "-P -m wmlib 01 --profile smoke"]
    assert calls[1].startswith("-m pip install") and "-c constraints.txt -e .[notebooks,doom,dev]" in calls[1]
    assert call(clone)[1] == ["-P -m wmlib"]
    (clone / "project/constraints.txt").write_text("numpy==2.1.0\n")
    assert any("pip install" in c for c in call(clone)[1])  # the lists have changed


def test_tests_lint_and_lab_and_an_active_environment(clone):
    call(clone)
    assert call(clone, "test", "-k", "x")[1] == ["-m pytest -n auto --dist worksteal -k x"]
    assert call(clone, "lab")[1] == ["-P -m wmlib lab"]
    assert call(clone, "lint")[1] == ["-m ruff check .", "-m ruff format --check .", "-m mypy", "-m codespell_lib"]
    _, calls = call(clone, "list", VIRTUAL_ENV=str(clone))
    assert "venv" not in calls and calls[-1] == "-P -m wmlib list" and (clone / ".wmlib-installed").exists()


def test_a_stale_or_base_environment_is_not_taken(clone):
    (clone / "conda/bin").mkdir(parents=True)
    shutil.copy(clone / "project/run_all.sh", clone / "conda/bin/python")
    call(clone)
    for stale in ({"VIRTUAL_ENV": "/no/such/env"}, {"CONDA_PREFIX": str(clone), "CONDA_DEFAULT_ENV": "base"}):
        call(clone, "list", **stale)
        assert not (clone / ".wmlib-installed").exists()


def test_the_callers_folder_is_kept_for_relative_paths(clone):
    (clone / "bin/python3.11").parent.mkdir(exist_ok=True)
    done, _ = call(clone)
    assert done.returncode == 0
    (clone / "project/.venv/bin/python").write_text((clone / "bin/python3").read_text().replace('*) echo "', '*) echo "$PWD '))
    assert call(clone, "list")[1][-1] == "/ -P -m wmlib list"
    assert call(clone, "test")[1][-1] == f"{clone}/project -m pytest -n auto --dist worksteal"


def test_without_a_new_enough_python_it_says_what_to_install(clone):
    done, calls = call(clone, old=1)
    assert done.returncode == 1 and not calls
    assert re.search(r"no Python >= 3.11 found. Install one .*apt install python3 .*brew install python", done.stderr)


def test_through_links_it_works_on_the_project(clone):
    """A link of an absolute name to a relative link to a linked folder, as a package manager or a user makes them."""
    (clone / "a b").mkdir()
    (clone / "linked").symlink_to("project")
    (clone / "a b/run").symlink_to("../linked/run_all.sh")
    (clone / "bin/wm").symlink_to(clone / "a b/run")
    done, calls = call(clone, "test", script="bin/wm")
    assert done.returncode == 0 and calls[-1].startswith("-m pytest"), done.stderr
    assert (clone / "project/.venv").is_dir() and not any((clone / name / ".venv").exists() for name in ("bin", "a b"))


def test_a_copy_elsewhere_says_where_it_belongs(clone):
    shutil.copy(ROOT / "run_all.sh", clone / "run_all.sh")
    done, calls = call(clone, script="run_all.sh")
    assert done.returncode == 1 and not calls and not (clone / ".venv").exists()
    assert done.stderr.count("\n") == 1 and f"no project in {clone}" in done.stderr


def test_every_checkout_has_the_same_bytes(tmp_path):
    """With Git for Windows, which asks for CRLF, or any other habit."""

    def git(*arguments, cwd=ROOT):
        return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout

    for name in ("run_all.sh", "wmlib/__init__.py", "notebooks/profiles.toml", "figures/x.png"):
        attributes = git("check-attr", "text", "eol", "--", name)
        assert ("text: unset" if name.endswith(".png") else "eol: lf") in attributes, attributes
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    (tmp_path / "run_all.sh").write_bytes(b"#!/bin/sh\r\nexit 0\r\n")
    git("-c", "init.defaultBranch=main", "init", "-q", cwd=tmp_path)
    git("-c", "core.autocrlf=true", "add", ".", cwd=tmp_path)
    (tmp_path / "run_all.sh").unlink()
    git("-c", "core.autocrlf=true", "checkout", "run_all.sh", cwd=tmp_path)
    assert (tmp_path / "run_all.sh").read_bytes() == b"#!/bin/sh\nexit 0\n"
