"""Outputs that would be inputs, outputs that two runs want, and disks that take no more."""

import errno
import hashlib
import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.command import cli, outputs, runner
from wmlib.experiment import atomic, checkpoint, paths, results
from wmlib.experiment.atomic import WriteError, write_atomically
from wmlib.experiment.settings import SettingError

pytestmark = pytest.mark.slow

INPUT = "an output that is an input"
OWNER = "no owner of an output"
DISK = "disk full"


@pytest.fixture
def clone(project, tmp_path, monkeypatch):
    """A project in a folder of its own with everything that must stay as it is; another one beside it."""
    folder = tmp_path / "clone"
    for name in ("notebooks", "wmlib", "tests", ".git", "figures/01_good"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text(name)
    (folder / "pyproject.toml").touch()
    (folder / "notebooks/profiles.toml").write_text((tmp_path / "notebooks/profiles.toml").read_text())
    project.path = folder
    for name in ("01_good", "02_other", "03_third"):
        project.notebook(name, "pass")
    monkeypatch.setenv("WMLIB_ROOT", str(folder))
    monkeypatch.chdir(folder)
    return folder


def content(folder):
    """Return the checksum of all files under a folder, build/ aside."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "build" not in path.relative_to(folder).parts)
    text = [(str(path), path.read_bytes().hex()) for path in files]
    return hashlib.sha256(repr(text).encode()).hexdigest()


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


# how an output is spelled, from the clone's folder, and what is prepared for it
SPELLINGS = {
    ".": None,
    "./": None,
    "build/..": lambda clone: (clone / "build").mkdir(),
    "not/there/../..": None,
    "../clone": None,
    "{clone}": None,
    "/../{clone}//": None,
    "../link": lambda clone: link(clone.parent / "link", clone),
    "../chain": lambda clone: (link(clone.parent / "link", clone), link(clone.parent / "chain", "link")),
    "notebooks": None,
    "notebooks/deep/er": None,
    "figures": None,
    "figures/01_good": None,
    "wmlib/": None,
    "tests": None,
    ".git": None,
    "../o": lambda clone: link(clone.parent / "o/notebooks", clone / "notebooks"),
    "../p": lambda clone: link(clone.parent / "p/figures", clone / "figures"),
    "../q": lambda clone: link(clone.parent / "q/figures/01_good", clone / "figures/01_good"),
    "../r": lambda clone: link(clone.parent / "r/gallery", clone / "wmlib"),
    "../s": lambda clone: link(clone.parent / "s/cache", "../clone"),
    "../t": lambda clone: link(clone.parent / "t/notebooks", "../clone/notebooks/new"),
    str(Path(paths.__file__).parents[1]): None,
}


def run_main(capsys, *arguments):
    """Call the command line in this process; return what a finished process would have."""
    capsys.readouterr()
    status = cli.main([*map(str, arguments)])
    printed = capsys.readouterr()
    return SimpleNamespace(returncode=status, stdout=printed.out, stderr=printed.err)


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("out", SPELLINGS)
def test_sources_are_no_output_however_they_are_spelled(drill, clone, capsys, out):
    if SPELLINGS[out]:
        SPELLINGS[out](clone)
    before = content(clone)
    out = out.replace("{clone}", str(clone))
    drill.refused_at_the_command_line(run_main(capsys, "run", "02", "--profile", "smoke", "--out", out), "out: ", "--out")
    drill.good(content(clone) == before, "the sources are as they were")


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("command", [["gallery"], ["list"], ["cache"], ["cache", "--prune"], ["run", "01", "--fresh"], []])
def test_no_command_takes_the_sources_for_outputs(drill, clone, capsys, command):
    before = content(clone)
    drill.refused_at_the_command_line(run_main(capsys, *command, "--out", "."), "out: ", "sources")
    drill.good(content(clone) == before, "the sources are as they were")


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("out", ["", " ", "\t", "~nobody-of-this-name/x"])
def test_an_output_that_names_no_folder(drill, clone, capsys, out):
    drill.refused_at_the_command_line(run_main(capsys, "run", "--out", out), "out: ", "allowed is a folder")
    drill.good(not (clone / "build").exists(), "nothing was made")


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("out", [".", "notebooks", "build/..", "figures"])
def test_the_environment_is_checked_as_the_option_is(drill, clone, capsys, monkeypatch, out):
    monkeypatch.setenv("WMLIB_OUT", out)
    drill.refused_at_the_command_line(run_main(capsys, "run", "01"), "out: ", "sources")
    drill.refused(lambda: paths.figures("quick", "01_good"), "out: ", "sources")


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("place", ["notebooks", "figures", "figures/01_good", "cache", "gallery", "."])
def test_a_build_folder_that_leads_to_the_sources(drill, clone, capsys, place):
    link(clone / "build/smoke" / place, clone if place == "." else clone / "notebooks")
    before = content(clone)
    drill.refused_at_the_command_line(run_main(capsys, "run", "01", "--profile", "smoke"), "out: ", "sources")
    drill.good(content(clone) == before, "the sources are as they were")


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("what", ["another clone", "a course", "a damaged file", "a folder", "a link", "a dangling link"])
def test_what_is_there_and_is_no_executed_copy(drill, clone, capsys, tmp_path, what):
    there = tmp_path / "other/notebooks/01_good.ipynb"
    there.parent.mkdir(parents=True)
    source = clone / "notebooks/01_good.ipynb"
    {
        "another clone": lambda: there.write_bytes(source.read_bytes()),
        "a course": lambda: there.write_text('{"cells": [], "metadata": {"mine": 1}}'),
        "a damaged file": lambda: there.write_bytes(b"\xff\xfe{"),
        "a folder": there.mkdir,
        "a link": lambda: there.symlink_to(source),
        "a dangling link": lambda: there.symlink_to("nowhere"),
    }[what]()
    before = content(tmp_path)
    drill.refused_at_the_command_line(run_main(capsys, "run", "01", "--out", tmp_path / "other"), there, "executed copy")
    drill.good(content(tmp_path) == before, "all is as it was")


@pytest.mark.kind(INPUT)
@pytest.mark.parametrize("out", ["../new", "../{braces} {0}", "build/mine", '../it\'s "x" $HOME', "../Übung", "notebooks2"])
def test_what_is_no_source_is_taken(drill, clone, out):
    paths.redirect(out)
    (job,) = runner.plan(["01"], "quick", 1, "cpu", {}, None)
    drill.good(job.executed == (clone / out).resolve() / "notebooks/01_good.ipynb", job.executed)


@pytest.mark.kind(INPUT)
def test_a_kernel_that_dies_deletes_no_source(drill, clone, project, capsys):
    project.notebook("02_other", "import os; os.kill(os.getpid(), 9)")
    before = content(clone)
    done = run_main(capsys, "run", "02", "--profile", "smoke", "--out", "../new")
    drill.good(done.returncode == 1 and content(clone) == before, done)


# ---- owners


@pytest.fixture
def place(tmp_path):
    """Where an executed copy and its figures go."""
    (tmp_path / "o/notebooks").mkdir(parents=True)
    (tmp_path / "o/figures").mkdir()
    return tmp_path / "o/notebooks/01_good.ipynb", tmp_path / "o/figures"


HOLD = "import os, subprocess, sys, time\nfrom pathlib import Path\nfrom wmlib.command import outputs\n"
HOLD += "held = outputs.hold(Path({0!r}), Path({1!r}))\n"


def start(place, then):
    """Hold the outputs in another process, which then goes on with this code and prints a line when it is ready."""
    code = HOLD.format(*map(str, place)) + then
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


@pytest.mark.kind(OWNER)
@pytest.mark.parametrize("way", ["same", "link", "dots", "link to the folder"])
def test_two_runs_want_one_output(drill, place, tmp_path, way):
    executed, figures = place
    other = {
        "same": executed,
        "link": tmp_path / "l/notebooks/01_good.ipynb",
        "dots": tmp_path / "o/figures/../notebooks/01_good.ipynb",
        "link to the folder": tmp_path / "m/notebooks/01_good.ipynb",
    }[way]
    link(tmp_path / "l", "o")
    link(tmp_path / "m/notebooks", executed.parent)
    process = start(place, "print(flush=True); input()")
    drill.refused(lambda: outputs.hold(other, figures), "01_good", f"process {process.pid}", "--out", error=SettingError)
    process.communicate("\n", timeout=60)
    held = outputs.hold(other, figures)
    drill.good(held > 0, "free after the end of the first")
    os.close(held)


@pytest.mark.kind(OWNER)
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "raise SystemExit"])
def test_a_run_that_ended_in_any_way_holds_nothing(drill, place, end):
    start(place, end).wait(60)
    held = outputs.hold(*place)
    drill.good(held > 0, "free")
    os.close(held)


@pytest.mark.kind(OWNER)
@pytest.mark.parametrize("text", [b"", b"\x00\xff", b"999999999\n", b"-1\n", b"0\n", b"a word\n", b"1" * 5000])
def test_a_lock_file_with_anything_in_it(drill, place, monkeypatch, text):
    monkeypatch.setattr(outputs, "PATIENCE", 0.2)
    path = place[0].parent / ".01_good.lock"
    path.write_bytes(text)
    held = outputs.hold(*place)
    drill.good(path.read_text() == f"{os.getpid()}\n", "taken and signed")
    path.write_bytes(text)
    refused = drill.refused(lambda: outputs.hold(*place), "01_good", "--out", error=SettingError)
    drill.good("kill 0" not in str(refused) and "kill -1" not in str(refused), refused)  # words that would end everything
    os.close(held)


@pytest.mark.kind(OWNER)
def test_other_notebooks_and_other_folders_are_free(drill, place, tmp_path):
    (tmp_path / "x/notebooks").mkdir(parents=True)
    names = [place[0], place[0].with_name("02_other.ipynb"), tmp_path / "x/notebooks/01_good.ipynb"]
    held = [outputs.hold(name, place[1]) for name in names]
    drill.good(len({*held}) == 3, held)
    for number in held:
        os.close(number)


STORE_OTHER = """
from wmlib.experiment import results
results.write(run.results_file, {{**results.read(run.results_file), {name!r}: {value!r}}})
"""


@pytest.mark.kind(OWNER)
def test_results_of_another_run_are_not_shown_as_ours(drill, project, store, tmp_path):
    others = {"01_good": ("seed", 9), "02_other": ("profile", "paper"), "03_third": ("notebook", "01_good")}
    for name, (field, value) in others.items():
        project.notebook(name, store(name) + STORE_OTHER.format(name=field, value=value))
    jobs = runner.plan([], "quick", 1, "cpu", {}, None)
    runner.run(jobs, 2, lambda job: None)
    for job in jobs:
        field, value = others[job.notebook]
        if field == "notebook":
            told = "holds the results of 01_good" in job.no_record
        else:
            told = job.status == "failed" and f"{field} {value!r} instead of" in job.error
        drill.good(told and job.record is None, job)
    results_file = tmp_path / "figures/01_good/results.json"
    results.write(results_file, {**results.read(results_file), "seed": 1})
    cells = {"01_good": "pass", "02_other": f"open({str(jobs[1].results)!r}, 'w')", "03_third": store("03_third")}
    for name, cell in cells.items():
        project.notebook(name, cell)
    jobs = runner.plan([], "quick", 1, "cpu", {}, None)
    runner.run(jobs, 2, lambda job: None)
    drill.good(jobs[0].record is None and "is of an earlier run" in jobs[0].no_record, "nothing stored, an old file there")
    drill.good(jobs[1].record is None and str(jobs[1].results) in jobs[1].no_record, "emptied")
    drill.good(jobs[2].record is not None and jobs[2].record["seed"] == 1, "its own")


# ---- disks


@contextmanager
def file_size(most):
    """Let no file grow beyond this, as a disk with so much space would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.kind(DISK)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("step", ["mkstemp", "write", "fsync", "replace"])
def test_whatever_step_the_disk_refuses(drill, tmp_path, monkeypatch, number, step):
    path = tmp_path / "old.json"
    path.write_text("old")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    if step == "mkstemp":
        monkeypatch.setattr(atomic.tempfile, "mkstemp", fail)
    elif step != "write":
        monkeypatch.setattr(atomic.os, step, fail)
    write = fail if step == "write" else lambda temporary: Path(temporary).write_text("new")
    drill.refused(lambda: write_atomically(path, write), path, os.strerror(number), "To do: ", "--out", error=WriteError)
    drill.good(files(tmp_path) == {"old.json": b"old"}, "the old file is whole, and no other is there")


LIBRARIES = {
    "text": lambda path: Path(path).write_text("x" * 100_000),
    "np.save": lambda path: np.save(open(path, "wb"), np.ones(100_000)),
    "np.savez": lambda path: np.savez(open(path, "wb"), a=np.ones(100_000)),
    "ndarray.tofile": lambda path: np.ones(100_000).tofile(path),
    "safetensors": lambda path: __import__("safetensors.torch").torch.save_file({"a": torch.ones(100_000)}, path),
    "json": lambda path: json.dump(["x" * 100_000], open(path, "w")),
    "copy": lambda path: Path(path).write_bytes(Path(sys.executable).read_bytes()),
}


@pytest.mark.kind(DISK)
@pytest.mark.parametrize("library", LIBRARIES)
def test_whatever_library_writes(drill, tmp_path, library):
    path = tmp_path / "old"
    path.write_text("old")
    with file_size(10_000):
        drill.refused(lambda: write_atomically(path, LIBRARIES[library]), path, "To do: ", error=WriteError)
    drill.good(files(tmp_path) == {"old": b"old"}, "the old file is whole, and no other is there")


@pytest.mark.kind(DISK)
def test_a_checkpoint_that_does_not_fit_leaves_the_last_one(drill, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, {"step": 1, "a": torch.ones(10)})
    with file_size(10_000):
        drill.refused(lambda: checkpoint.save(path, {"step": 2, "a": torch.ones(10_000)}), path, "To do: ", error=WriteError)
    drill.good(checkpoint.load(path)["step"] == 1, "the last one is there")


@pytest.mark.kind(DISK)
def test_results_that_do_not_fit_leave_the_last_ones(drill, project, store, tmp_path):
    project.notebook("01_good")
    values = {"profile": "quick", "seed": 1, "device": "cpu", "overrides": {}}
    exec(store("01_good"), dict(values))
    path = tmp_path / "figures/01_good/results.json"
    with file_size(10_000):
        long = store("01_good").replace("[1, 2, 4]", "list(range(10000))")
        drill.refused(lambda: exec(long, dict(values)), path, "To do: ", error=WriteError)
    drill.good(results.read(path)["seed"] == 1, "the last ones are there")


@pytest.mark.kind(DISK)
def test_an_executed_copy_that_does_not_fit_leaves_the_last_one(drill, project):
    """The limit is that of the worker's whole family, which inherits it."""
    project.notebook("01_good", "print('short')")
    (job,) = runner.plan(["01"], "quick", 1, "cpu", {}, None)
    runner.run([job], 1, lambda job: None)
    before = job.executed.read_bytes()
    for cell in ("print('x' * 300_000)", "print('x' * 300_000)\nraise ValueError('mine')"):
        project.notebook("01_good", cell)
        (job,) = runner.plan(["01"], "quick", 1, "cpu", {}, None)
        with file_size(200_000):
            runner.run([job], 1, lambda job: None)
        named = str(job.executed) in job.error and "To do: " in job.error
        drill.good(job.status == "failed" and named and ("mine" in job.error) == ("mine" in cell), job)
        drill.good(job.executed.read_bytes() == before, "the last copy is whole")
        left = [path.name for path in job.executed.parent.iterdir()]
        drill.good(sorted(left) == [".01_good.lock", "01_good.ipynb"], left)


def save_array(folder, size):
    np.save(folder / "small.npy", np.ones(10))
    np.save(folder / "a.npy", np.ones(size))


def array(size):
    return np.ones(size)


@pytest.mark.kind(DISK)
@pytest.mark.parametrize("what", ["folder", "value"])
def test_an_artifact_that_does_not_fit_is_made_later(drill, project, what):
    from wmlib.experiment.run import Run

    project.notebook("01_good")
    run = Run("01_good", "quick", 1, "cpu")

    def make():
        return run.cached_folder(save_array, 50_000) if what == "folder" else run.cached(array, 50_000)

    with file_size(50_000):
        drill.refused(make, "quick/cache/", "To do: ", error=WriteError)
    made = make()
    drill.good(len(np.load(made / "a.npy") if what == "folder" else made) == 50_000, "the same call goes on")


@pytest.mark.kind(DISK)
def test_a_gallery_that_does_not_fit_leaves_the_last_one(drill, project, capsys):
    """The executed copy stands in for one that a run has made."""
    project.notebook("01_good", "print(1)")
    executed = project.executed("01_good", "smoke")
    executed.parent.mkdir(parents=True)
    executed.write_bytes((project.path / "notebooks/01_good.ipynb").read_bytes())
    drill.good(run_main(capsys, "gallery", "--profile", "smoke").returncode == 0, "a gallery")
    before = files(executed.parents[1])
    with file_size(1000):
        drill.refused_at_the_command_line(run_main(capsys, "gallery", "--profile", "smoke"), "smoke/gallery", "To do: ")
    drill.good(files(executed.parents[1]) == before, "the last one is whole")
