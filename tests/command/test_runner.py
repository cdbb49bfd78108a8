"""The runner on small notebooks in a project of its own: real kernels, real processes, real signals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from wmlib.command import runner
from wmlib.experiment.settings import SettingError


def plan(words=(), profile="quick", seed=1, device="cpu", parameters=None, cell_timeout=None):
    return runner.plan(words, profile, seed, device, parameters or {}, cell_timeout)


@pytest.mark.parametrize(
    "words, chosen",
    [
        ([], "123"),
        (["02"], "2"),
        (["2"], "2"),
        (["01-02"], "12"),
        (["3", "01"], "13"),
        (["02-09"], "23"),
        (["02_other"], "2"),
        (["02_other.ipynb", "2"], "2"),
    ],
)
def test_notebooks_are_chosen_by_number_range_or_name(three, words, chosen):
    assert "".join(job.notebook[1] for job in plan(words)) == chosen


def test_a_folder_without_notebooks_is_refused(project):
    with pytest.raises(SettingError, match=r"no notebooks in .*; is this a whole clone"):
        plan()


def test_values_are_read_as_what_they_look_like():
    pairs = ["a=1", "b=1.5", "c=true", "d=copy", "e=1e-3", "f=-2", "g=a=b", " h = False "]
    assert list(runner.parse_parameters(pairs).values()) == [1, 1.5, True, "copy", 1e-3, -2, "a=b", False]
    for wrong in ("a", "=1", "1a=2", "a-b=2"):
        with pytest.raises(SettingError, match="allowed is name=value"):
            runner.parse_parameters([wrong])


COMMON = {"profile": "quick", "seed": 1, "device": "cpu"}


def test_parameters_go_only_where_they_are_known(three):
    three.notebook("01_good", "pass", parameters="steps: int | None = None\nrate: float | None = None")
    first, second, _ = plan(parameters={"steps": 7, "rate": 1})
    assert first.parameters == {**COMMON, "steps": 7, "rate": 1.0} and type(first.parameters["rate"]) is float
    assert second.parameters == COMMON


def test_settings_without_a_line_in_the_parameters_cell_go_through_overrides(three):
    three.notebook("01_good", "pass", parameters="steps: int | None = None")
    first, second, third = plan(parameters={"steps": 7, "rate": 0.25, "task": "repeat", "depth": 3})
    assert first.parameters == {**COMMON, "steps": 7, "overrides": {"rate": 0.25, "task": "repeat"}}
    assert second.parameters == {**COMMON, "overrides": {"depth": 3}}
    assert third.parameters == COMMON
    with pytest.raises(SettingError, match=r"rate: got -1\.0"):  # checked like the others
        plan(parameters={"rate": -1.0})
    with pytest.raises(SettingError, match="-p: got 'overrides'"):
        plan(parameters={"overrides": "x"})


def test_the_names_of_a_parameters_cell(project, tmp_path):
    project.notebook("01_good", "later = 3", parameters="a: int | None = None  # b = 2\nc = 1\n'text'")
    names = runner.parameters_of(tmp_path / "notebooks/01_good.ipynb")
    assert names == {"profile", "seed", "device", "a", "c", "overrides"}
    project.notebook("01_good", parameters="a = = 1")
    assert runner.parameters_of(tmp_path / "notebooks/01_good.ipynb") is None


def test_cuda_asked_for_and_absent_is_refused(three, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError, match="no CUDA GPU here; use auto or cpu"):
        plan(device="cuda")


def run_in_process(jobs, workers=1):
    states = []
    runner.run(jobs, workers, lambda job: states.append((job.notebook, job.status, job.cell, job.line)))
    return states


def test_overrides_arrive_in_the_settings_of_the_run(project):
    cell = (
        "from wmlib.experiment.run import Run\nrun = Run('01_good', profile, seed, device, overrides=overrides, steps=steps)\n"
    )
    cell += "print(run.settings.steps, run.settings.rate, run.settings.task)"
    project.notebook("01_good", cell, parameters="steps: int | None = None")
    jobs = plan(["1"], parameters={"steps": 7, "rate": 0.25})
    run_in_process(jobs)
    assert jobs[0].status == "ok", jobs[0].error
    nb = nbformat.read(project.executed("01_good"), as_version=4)
    assert [o.text for c in nb.cells for o in c.get("outputs", [])] == ["7 0.25 copy\n"]


def test_a_kernel_that_dies_once_is_tried_once_more(project, tmp_path):
    flag = tmp_path / "flag"
    cell = f"import os, pathlib\nf = pathlib.Path({str(flag)!r})\nif not f.exists():\n    f.touch()\n    os._exit(3)"
    project.notebook("01_good", cell)
    project.notebook("02_other", "import os; os.kill(os.getpid(), 9)")
    jobs = plan(["1", "2"])
    run_in_process(jobs, workers=2)
    assert [(j.status, j.attempt) for j in jobs] == [("ok", 2), ("died", 2)]
    assert "kernel died" in jobs[1].error
    assert project.executed("01_good").exists() and not list(tmp_path.rglob("*.partial*"))


def test_a_kernel_that_never_answers_is_ended_and_tried_once_more(project, tmp_path):
    project.notebook("01_good", "import time; time.sleep(1000)")
    jobs = plan(["1"], cell_timeout=2)
    run_in_process(jobs)
    assert (jobs[0].status, jobs[0].attempt) == ("died", 2)
    assert "no answer for 2 s" in jobs[0].error


def test_the_view_sees_cells_and_progress_lines(project):
    project.notebook("01_good", "from wmlib.experiment.progress import progress\nfor i in progress(range(3), 'counting'): pass")
    jobs = plan(["1"])
    states = run_in_process(jobs)
    assert {("01_good", "ok", 4, "")} <= {*states}  # title, parameters, the injected values, one cell
    assert any("counting" in line and "3/3" in line for *_, line in states)


SLOW = """
import pathlib, subprocess, sys, time
from wmlib.experiment.run import Run
run = Run("01_good", profile, seed, device, overrides=overrides)
def make(folder, log, go, ready):
    done = folder / "steps"
    while (n := len(done.read_text()) if done.exists() else 0) < 6:
        done.write_text("x" * (n + 1))
        pathlib.Path(log).open("a").write(str(n))
        if n == 2 and not pathlib.Path(go).exists():
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            pathlib.Path(ready).write_text(str(child.pid))
            time.sleep(1000)
run.cached_folder(make, {log!r}, {go!r}, {ready!r})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_ends_all_processes_leaves_nothing_half_and_the_next_call_goes_on(project, wmlib, tmp_path, number):
    ready, log, go = (tmp_path / n for n in ("ready", "log", "go"))
    project.notebook("01_good", SLOW.format(ready=str(ready), log=str(log), go=str(go)))
    command = [sys.executable, "-m", "wmlib", "run"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # who ignores it, as under nohup, has his way
    )
    deadline = time.monotonic() + 60
    while not ready.exists() or not ready.read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(int(ready.read_text()))]
    assert len(family) >= 3
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 130 and "Stopped" in output
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert not list(tmp_path.rglob("*.partial.ipynb")) and not project.executed("01_good").exists()
    assert not list(Path("/tmp").glob(f"wmlib-run-{process.pid}-*"))
    if number != signal.SIGINT:
        return
    go.touch()
    assert wmlib("run", "01").returncode == 0
    assert log.read_text() == "012345"  # no step lost, none done twice


def test_a_broken_notebook_file_is_a_failure_and_the_others_run(project):
    project.notebook("02_other", "pass")
    (project.path / "notebooks/01_good.ipynb").write_text("<<<<<<< not a notebook")
    jobs = plan(parameters={"rate": 0.25})
    run_in_process(jobs)
    assert [j.status for j in jobs] == ["failed", "ok"] and "01_good.ipynb is no notebook that can be read" in jobs[0].error


def test_a_notebook_without_a_line_for_overrides_says_so(project):
    project.notebook("02_other")
    path = project.path / "notebooks/02_other.ipynb"
    path.write_text(path.read_text().replace("overrides: dict = {}", ""))
    with pytest.raises(SettingError, match=r"-p depth: 02_other cannot take it; its parameters cell needs a line `overrides"):
        plan(words=["02"], parameters={"depth": 3})


def test_outputs_that_another_run_has_are_not_touched(three):
    jobs = plan()
    held = runner.outputs.hold(jobs[1].executed, jobs[1].results.parent)
    with pytest.raises(SettingError, match=f"02_other: process {os.getpid()} is running it"):
        run_in_process(jobs)
    assert [job.status for job in jobs] == ["waiting"] * 3
    os.close(held)
    run_in_process(jobs[1:2])
    assert jobs[1].status == "ok"


def test_a_users_own_notebook_is_not_replaced(three, tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path / "course"))
    (tmp_path / "course/notebooks").mkdir(parents=True)
    (tmp_path / "course/notebooks/02_other.ipynb").write_text("my own")
    with pytest.raises(SettingError, match=r"out: .*02_other.ipynb is there and is not an executed copy"):
        plan()
    assert (tmp_path / "course/notebooks/02_other.ipynb").read_text() == "my own"
