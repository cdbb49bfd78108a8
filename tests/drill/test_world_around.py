"""The world around: clocks, other kernels, files of the same name, strange folders, terminals, repositories."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import wmlib
from wmlib.command import cli
from wmlib.experiment import paths, provenance
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.source_code import code_hash
from wmlib.training.schedules import linear_decay

ROOT = Path(wmlib.__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.kind("the world around")]
clocks = pytest.mark.kind("clocks")


@pytest.fixture
def three(project):
    for name in ("01_good", "02_other", "03_third"):
        project.notebook(name, "pass")
    return project


def wmlib_at(cwd, *arguments, safe=True, text=True, **environment):
    """Run the command line as a user does."""
    command = [sys.executable, *(["-P"] if safe else []), "-m", "wmlib", *map(str, arguments)]
    variables = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    return subprocess.run(command, capture_output=True, text=text, timeout=200, cwd=cwd, env=variables)


def listed(done):
    return (
        done.returncode == 0
        and not done.stderr
        and all(f"{n} title" in done.stdout for n in ("01_good", "02_other", "03_third"))
    )


# --- clocks ------------------------------------------------------------------------------------------------------------------

DATES = {
    "1970": 0,
    "1969": -86400,
    "yesterday": -1,
    "in a second": 1.0,
    "tomorrow": 86400,
    "2038": 2**31 + 7,
    "2200": 7258118400,
}


def seconds(date):
    return DATES[date] if abs(DATES[date]) > 100000 or date in ("1970", "1969") else time.time() + DATES[date]


@clocks
@pytest.mark.parametrize("date", DATES)
def test_the_date_of_a_source_says_nothing(tmp_path, drill, date):
    shutil.copytree(ROOT / "wmlib", tmp_path / "wmlib", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    before = code_hash("wmlib.training.schedules", tmp_path)
    for path in (tmp_path / "wmlib").rglob("*.py"):
        os.utime(path, (seconds(date), seconds(date)))
    drill.good(code_hash("wmlib.training.schedules", tmp_path) == before == code_hash("wmlib.training.schedules"), date)


@clocks
@pytest.mark.parametrize("date", DATES)
def test_an_edit_under_an_old_date_is_seen(tmp_path, drill, date):
    shutil.copytree(ROOT / "wmlib", tmp_path / "wmlib", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    path = tmp_path / "wmlib/training/schedules.py"
    os.utime(path, (seconds(date), seconds(date)))
    code_hash("wmlib.training.schedules", tmp_path)
    path.write_text(path.read_text().replace("0.03", "0.04"))
    os.utime(path, (seconds(date), seconds(date)))
    drill.refused(lambda: code_hash("wmlib.training.schedules", tmp_path), "schedules.py", "restart")


@clocks
@pytest.mark.parametrize("date", DATES)
def test_an_artifact_of_any_date_is_found_listed_and_made_afresh(project, drill, monkeypatch, capsys, date):
    now = time.time()
    then = seconds(date)
    with monkeypatch.context() as clock:
        clock.setattr(time, "time", lambda: then)
        path = project.path / "build/quick/cache"
        ArtifactCache(path).values(linear_decay, 3, 10, 0.125, 0.5)
    (manifest,) = path.glob("linear_decay-*/manifest.json")
    for file in manifest.parent.iterdir():
        os.utime(file, (then, then))
    drill.good(ArtifactCache(path).artifact(linear_decay, (3, 10, 0.125, 0.5), {}).is_whole(), "found again")
    drill.good(cli.main(["cache"]) == 0 and "1 artifacts" in capsys.readouterr().out, "listed")
    ArtifactCache(path, "a run").values(linear_decay, 3, 10, 0.125, 0.5)
    drill.good(abs(json.loads(manifest.read_text())["made"] - now) < 600, "made afresh")


# --- what lies in notebooks/ -------------------------------------------------------------------------------------------------

STRAY = [
    "01_good-Copy1.ipynb",
    "01_good (1).ipynb",
    "01_copy.ipynb",
    "07_mine.ipynb",
    "10.ipynb",
    "99_.ipynb",
    "Untitled.ipynb",
]
STRAY += [
    ".ipynb_checkpoints/01_good-checkpoint.ipynb",
    "02_other.ipynb.orig",
    "01_GOOD.ipynb",
    "04_folder.ipynb/x",
    "queue.py",
]


@pytest.mark.parametrize("name", STRAY)
def test_a_stray_file_beside_the_notebooks(three, drill, capsys, name):
    stray = three.path / "notebooks" / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("no JSON")
    status = cli.main(["list"])
    done = capsys.readouterr()
    drill.good(status == 0 and not done.err and "03_third title" in done.out and f"\n{stray.stem}:" not in done.out, done)
    jobs = cli.runner.plan([], "smoke", 1, "cpu", {}, None)
    drill.good([job.notebook for job in jobs] == ["01_good", "02_other", "03_third"], jobs)


CONTENTS = [
    "",
    "{",
    "[]",
    "3",
    '"x"',
    "null",
    "{}",
    '{"cells": []}',
    '{"cells": [3]}',
    '{"cells": {"a": 1}}',
    "\x00",
    "[" * 9999,
]
CONTENTS += ['{"cells": [{"source": 3}]}', '{"cells": [{"source": ["x"], "metadata": null}]}', '{"cells": [{}]}', None]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_notebook_that_is_none_leaves_the_others_as_they_are(three, drill, capsys, content):
    notebook = three.path / "notebooks/02_other.ipynb"
    notebook.unlink()
    if content is not None:
        notebook.write_text(content)
    status = cli.main(["list"])
    done = capsys.readouterr()
    drill.good(status == 0 and not done.err and "03_third title" in done.out, done)
    drill.good(len(cli.runner.plan(["01-03"], "smoke", 1, "cpu", {}, None)) == (2 if content is None else 3), "planned")


# --- the caller's folder and environment -------------------------------------------------------------------------------------

SHADOWS = [
    "queue.py",
    "random.py",
    "tempfile.py",
    "json/__init__.py",
    "tomllib.py",
    "argparse.py",
    "rich.py",
    "numpy.py",
    "typing.py",
]


# without -P Python itself looks first for a wmlib where it was started; run_all.sh gives -P
@pytest.mark.parametrize(("name", "safe"), [*itertools.product(SHADOWS, [True, False]), ("wmlib/__init__.py", True)])
def test_a_file_of_the_callers_is_no_module_of_ours(three, drill, tmp_path, name, safe):
    (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "mine" / name).write_text("raise RuntimeError('not this one')")
    drill.good(listed(done := wmlib_at(tmp_path / "mine", "list", safe=safe)), done)


TERMINALS = [{"PYTHONIOENCODING": code} for code in ("ascii", "latin-1", "cp1252", "cp437", "utf-16", "ascii:strict")]
TERMINALS += [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"TERM": "dumb"},
    {"TERM": None},
    {"COLUMNS": "0"},
]
TERMINALS += [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {"LANG": "de_DE.ISO-8859-1"}, {"HOME": None}, {"HOME": "/proc/none"}]


@pytest.mark.parametrize("environment", TERMINALS, ids=str)
def test_whatever_the_terminal_can_show(three, drill, tmp_path, environment):
    table = three.path / "notebooks/profiles.toml"
    table.write_text(table.read_text().replace("how many", "how many, β ≥ 1 — 数"), encoding="utf-8")
    done = wmlib_at(tmp_path, "list", text=False, **environment)
    drill.good(done.returncode == 0 and not done.stderr and b"03" in done.stdout.replace(b"\0", b""), done)


@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "| head -c 1 >/dev/null", "> /dev/full"])
def test_streams_that_are_closed(three, drill, streams):
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"'{sys.executable}' -P -m wmlib list {streams}"], capture_output=True, text=True
    )
    if streams == "> /dev/full":
        drill.refused_at_the_command_line(done, "No space left on device")
    else:
        drill.good(done.returncode in (0, 141) and not done.stderr, done)


OUTS = [
    "a b",
    "{a}",
    "{seed}/{0}",
    "{{x",
    "100%s",
    "#1",
    "what?",
    "[red]x[/red]",
    "ä ö",
    "a:b",
    "it's",
    'say "x"',
    "$HOME",
    "-x",
    "a\nb",
]


@pytest.mark.parametrize("name", OUTS)
def test_a_run_into_a_folder_of_any_name(project, drill, tmp_path, store, name):
    project.notebook("01_good", store("01_good"))
    out = tmp_path / "o" / name
    done = wmlib_at(tmp_path, "01", "--profile", "smoke", f"--out={out}")
    drill.good(done.returncode == 0 and not done.stderr and "9 of 10 work" in done.stdout and "gallery: " in done.stdout, done)
    made = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    there = {"notebooks/01_good.ipynb", "figures/01_good/results.json", "gallery/index.html"} <= made
    drill.good(there and [path.name for path in (tmp_path / "o").iterdir()] == [name.partition("/")[0]], made)


ALIEN = {"argv": ["/bin/false", "{connection_file}"], "display_name": "alien", "language": "python"}
CHECK = "import queue, sys; assert queue.Queue; assert sys.prefix == {prefix!r}; assert 'alien' not in globals()"


@pytest.mark.parametrize("case", ["kernel", "no kernels", "profile", "startup", "shadow", "beside", "config", "preferred"])
def test_what_the_user_has_set_up_for_jupyter_does_not_reach_a_run(project, drill, tmp_path, store, case):
    project.notebook("01_good", CHECK.format(prefix=sys.prefix), store("01_good"))
    mine = tmp_path / "mine"
    (mine / "kernels/python3").mkdir(parents=True)
    (mine / "kernels/python3/kernel.json").write_text(json.dumps(ALIEN))
    (mine / "profile_default/startup").mkdir(parents=True)
    (mine / "profile_default/startup/00.py").write_text("alien = 1")
    (mine / "start.py").write_text("alien = 1")
    (mine / "config").mkdir()
    (mine / "config/jupyter_config.json").write_text('{"KernelSpecManager": {"allowed_kernelspecs": ["none"]}}')
    environment = {
        "kernel": {"JUPYTER_PATH": str(mine)},
        "no kernels": {"JUPYTER_PATH": "/proc/none", "JUPYTER_DATA_DIR": "/proc/none", "JUPYTER_RUNTIME_DIR": "/proc/none"},
        "profile": {"IPYTHONDIR": str(mine)},
        "startup": {"PYTHONSTARTUP": str(mine / "start.py")},
        "config": {"JUPYTER_CONFIG_DIR": str(mine / "config")},
        "preferred": {"JUPYTER_DATA_DIR": str(mine), "JUPYTER_PREFER_ENV_PATH": "0"},
    }.get(case, {})
    if case in ("shadow", "beside"):
        ((mine if case == "shadow" else project.path / "notebooks") / "queue.py").write_text(
            "raise RuntimeError('not this one')"
        )
    done = wmlib_at(mine, "01", "--profile", "smoke", safe=False, **environment)
    drill.good(done.returncode == 0 and not done.stderr and "9 of 10 work" in done.stdout, done)


# --- the project's folder ----------------------------------------------------------------------------------------------------


def git(folder, *arguments):
    settings = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def repository(folder):
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    "case", ["around", "around, untracked", "ours", "worktree", "empty", "GIT_DIR", "damaged", "bytes", "none"]
)
def test_whose_commit_it_is(tmp_path, drill, monkeypatch, case):
    folder = tmp_path / "around/project"
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (tmp_path / "other").mkdir()
    other = repository(tmp_path / "other")
    expected = None
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    if case.startswith("around"):
        if "untracked" in case:
            (folder.parent / ".gitignore").write_text("project\n")
        repository(folder.parent)
    elif case in ("ours", "GIT_DIR", "damaged", "bytes"):
        expected = repository(folder)
    elif case == "worktree":
        expected = repository(folder)
        git(folder, "worktree", "add", "-q", str(tmp_path / "tree"))
        folder = tmp_path / "tree"
    elif case == "empty":
        git(folder, "init", "--quiet")
    if case == "GIT_DIR":
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    if case == "damaged":
        (folder / ".git/HEAD").write_text("nothing")
        expected = None
    if case == "bytes":
        (folder / os.fsdecode(b"\xff.py")).touch()
    monkeypatch.setenv("WMLIB_ROOT", str(folder))
    head, dirty = provenance.commit()
    drill.good(head == expected != other and (dirty is None) == (expected is None), (head, dirty))


def test_the_caller_s_folder_is_gone(three, drill):
    code = f"d=$(mktemp -d); cd $d; rmdir $d; exec '{sys.executable}' -P -m wmlib list"
    drill.refused_at_the_command_line(
        subprocess.run(["bash", "-c", code], capture_output=True, text=True), "folder was deleted"
    )


@pytest.mark.parametrize("root", ["/proc/none", "", "relative", "~"])
def test_a_root_that_is_none(three, drill, tmp_path, root):
    done = wmlib_at(tmp_path / "notebooks", "list", WMLIB_ROOT=root)
    if root:
        drill.refused_at_the_command_line(done, "pyproject.toml", "WMLIB_ROOT")
    else:
        drill.good(done.returncode == 0, done)


READ_ONLY = "mount --bind {0} {0} && mount -o remount,ro,bind {0} && cd /tmp && "


@pytest.mark.parametrize("module", ["wmlib.models.dnc.kernels", "wmlib.envs.pommerman.rules", "wmlib.command.cli"])
@pytest.mark.parametrize("home", ["/proc/none", "", "relative"])
def test_a_clone_that_is_read_only_and_no_home(tmp_path, drill, own_mounts, module, home):
    shell = READ_ONLY.format(ROOT) + f"HOME={home} TMPDIR={tmp_path} '{sys.executable}' -P -c 'import {module}'"
    done = subprocess.run([*own_mounts, "bash", "-c", shell], capture_output=True, text=True)
    drill.good(done.returncode == 0 and not done.stderr, done)


def test_a_run_from_a_clone_that_is_read_only_without_a_home(tmp_path, project, drill, own_mounts, store):
    project.notebook("01_good", "from wmlib.envs import pommerman", store("01_good"))
    (tmp_path / "out").mkdir()
    mounts = READ_ONLY.format(ROOT) + f"mount --bind {tmp_path}/notebooks {tmp_path}/notebooks && "
    shell = mounts + f"HOME=/proc/none '{sys.executable}' -P -m wmlib 01 --profile smoke --out {tmp_path}/out"
    done = subprocess.run([*own_mounts, "bash", "-c", shell], capture_output=True, text=True, timeout=200)
    drill.good(done.returncode == 0 and "9 of 10 work" in done.stdout, done)


def test_a_run_that_can_write_nowhere(tmp_path, three, drill, own_mounts):
    shell = READ_ONLY.format(tmp_path) + f"HOME=/proc/none '{sys.executable}' -P -m wmlib 01 --profile smoke"
    done = subprocess.run([*own_mounts, "bash", "-c", shell], capture_output=True, text=True, timeout=200)
    drill.refused_at_the_command_line(done, "out: cannot write to", "--out")


def test_the_title_of_a_notebook_without_one_is_its_name(three, drill):
    with contextlib.suppress(FileNotFoundError):
        drill.good(paths.title(three.path / "notebooks/none.ipynb") == "none", "its name")
