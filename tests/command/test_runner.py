"""The runner on small notebooks in a project of its own: real kernels, real processes, real signals."""

import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from wmlib.experiment import settings as profiles
from wmlib.command import runner
from wmlib.experiment.settings import SettingError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def three(project):
    for name in ("01_good", "02_other", "03_third"):
        project.notebook(name, "pass")
    return project


def wmlib(*arguments, **options):
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "wmlib", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=options.get("cwd"))


def plan(words=(), profile="quick", seed=1, device="cpu", parameters=None, cell_timeout=None):
    return runner.plan(words, profile, seed, device, parameters or {}, cell_timeout)


@pytest.mark.parametrize(
    "words, chosen",
    [
        ([], "123"), (["02"], "2"), (["2"], "2"), (["01-02"], "12"), (["3", "01"], "13"), (["02-09"], "23"),
        (["02_other"], "2"), (["02_other.ipynb", "2"], "2"),
    ],
)  # fmt: skip
def test_notebooks_are_chosen_by_number_range_or_name(three, words, chosen):
    assert "".join(job.notebook[1] for job in plan(words)) == chosen


def test_values_are_read_as_what_they_look_like():
    pairs = ["a=1", "b=1.5", "c=true", "d=copy", "e=1e-3", "f=-2", "g=a=b"]
    assert list(runner.parse_parameters(pairs).values()) == [1, 1.5, True, "copy", 1e-3, -2, "a=b"]


def test_parameters_go_only_where_they_are_known(three):
    first, second, _ = plan(parameters={"steps": 7, "rate": 1})
    assert first.parameters == {"profile": "quick", "seed": 1, "device": "cpu", "steps": 7, "rate": 1.0}
    assert second.parameters == {"profile": "quick", "seed": 1, "device": "cpu"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["07"], "notebook: got '07'; there are 01_good, 02_other, 03_third"),
        (["01_god"], "Did you mean '01_good'"),
        (["--profile", "quik"], "profile: got 'quik'.*Did you mean 'quick'"),
        (["--device", "gpu"], "device: got 'gpu'; allowed are auto, cpu, cuda"),
        (["--seed", "-1"], "seed: got -1"),
        (["-p", "stepz=3"], "-p: got 'stepz'.*Did you mean 'steps'"),
        (["02", "-p", "steps=3"], "-p: got 'steps'; allowed are depth"),
        (["-p", "steps"], "-p: got 'steps'; allowed is name=value"),
        (["-p", "steps=many"], "steps: got 'many'; allowed is a int"),
        (["-p", "steps=99"], "steps: got 99; allowed is 1 to 10"),
        (["-p", "seed=2"], "use --seed 2"),
        (["--jobs", "0"], "jobs: got 0"),
        (["--cell-timeout", "0"], "cell-timeout: got 0"),
        (["--porfile", "smoke"], "unknown option '--porfile'.*Did you mean '--profile'"),
        (["--seed", "x"], "seed.*invalid int value: 'x'"),
        (["galery"], "Did you mean 'gallery'"),
        (["--out", "FILE"], "out: cannot write to .*; name another folder with --out"),
        (["--out", "/proc/nowhere"], "out: cannot write to"),
    ],
)
def test_bad_input_is_one_line_before_anything_starts(three, tmp_path, capsys, arguments, message):
    from wmlib.__main__ import main

    (tmp_path / "FILE").write_text("in the way")
    arguments = [str(tmp_path / a) if a == "FILE" else a for a in arguments]
    assert main(["run", *arguments]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.startswith("wmlib: ") and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.partial.ipynb")) and not list(tmp_path.rglob("build/*/notebooks/*"))


def test_cuda_asked_for_and_absent_is_refused(three, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingError, match="no CUDA GPU here; use auto or cpu"):
        plan(device="cuda")


def test_a_run_end_to_end(project, store, tmp_path):
    """One good notebook, one that fails, one that works all the same; from another working directory."""
    project.notebook(
        "01_good", "assert (profile, steps) == ('quick', 7)\nprint('steps', steps)", store("01_good"), parameters="steps = None"
    )
    project.notebook("02_other", "x = 41", "raise RuntimeError(f'no luck with {x}')", "print('never')")
    project.notebook("03_third", store("03_third"))
    done = wmlib("run", "-p", "steps=7", cwd=tmp_path)
    assert done.returncode == 1
    for text in ("01_good  ok", "02_other  failed", "03_third  ok", "9 of 10 work", "reproduced: It works.", "gallery"):
        assert text in done.stdout, done.stdout + done.stderr
    for text in ("cell 4 of 02_other.ipynb", "raise RuntimeError(f'no luck with {x}')", "RuntimeError: no luck with 41"):
        assert text in done.stdout
    good = nbformat.read(project.executed("01_good"), as_version=4)
    assert any(o.get("text") == "steps 7\n" for c in good.cells for o in c.get("outputs", []))
    assert (tmp_path / "figures/01_good/results.json").exists()
    assert (tmp_path / "build/quick/gallery/index.html").exists()
    assert project.executed("02_other").exists()  # to be opened and read
    assert not list(tmp_path.rglob("*.partial*"))


def test_out_takes_everything_and_missing_results_are_said(project, tmp_path):
    project.notebook("03_third", "pass")
    done = wmlib("03", "--out", tmp_path / "o", "--profile", "smoke")
    assert done.returncode == 0 and "no results: " in done.stdout
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"figures", "notebooks", "gallery"}
    assert not (tmp_path / "figures").exists() and not (tmp_path / "build").exists()


def run_in_process(jobs, workers=1):
    seen = []
    runner.run(jobs, workers, lambda job: seen.append((job.notebook, job.status, job.cell, job.line)))
    return seen


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
    seen = run_in_process(jobs)
    assert {("01_good", "ok", 4, "")} <= {*seen}  # title, parameters, the injected values, one cell
    assert any("counting" in line and "3/3" in line for *_, line in seen)


SLOW = """
import subprocess, sys, time
from pathlib import Path
from wmlib.experiment.run import Run
run = Run("01_good", profile, seed, device)
def make(folder):
    done = folder / "steps"
    while (n := len(done.read_text()) if done.exists() else 0) < 6:
        done.write_text("x" * (n + 1))
        Path({log!r}).open("a").write(str(n))
        if n == 2 and not Path({go!r}).exists():
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            Path({ready!r}).write_text(str(child.pid))
            time.sleep(1000)
run.cache.folder("slow", make, {{}})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_all_processes_leaves_nothing_half_and_the_next_call_goes_on(project, tmp_path, number):
    ready, log, go = (tmp_path / n for n in ("ready", "log", "go"))
    project.notebook("01_good", SLOW.format(ready=str(ready), log=str(log), go=str(go)))
    command = [sys.executable, "-m", "wmlib", "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not ready.exists() or not ready.read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(int(ready.read_text()))]
    assert len(family) >= 3
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 130 and "Stopped" in output
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert not list(tmp_path.rglob("*.partial.ipynb")) and not project.executed("01_good").exists()
    if number == signal.SIGTERM:
        return
    go.touch()
    assert wmlib("run", "01").returncode == 0
    assert log.read_text() == "012345"  # no step lost, none done twice


def test_fresh_makes_cached_stages_again(project, tmp_path):
    log = tmp_path / "log"
    cell = "from wmlib.experiment.run import Run\nrun = Run('01_good', profile, seed, device)\n"
    project.notebook("01_good", cell + f"run.cached('stage', lambda: open({str(log)!r}, 'a').write('x'))")
    for arguments, made in (((), "x"), ((), "x"), (("--fresh",), "xx")):
        assert wmlib("01", *arguments).returncode == 0
        assert log.read_text() == made


def test_a_broken_notebook_file_is_a_failure_and_the_others_run(project):
    project.notebook("02_other", "pass")
    (project.path / "notebooks/01_good.ipynb").write_text("<<<<<<< not a notebook")
    jobs = plan()
    run_in_process(jobs)
    assert [j.status for j in jobs] == ["failed", "ok"] and "01_good.ipynb could not be executed" in jobs[0].error


def test_a_damaged_result_is_one_line(three, capsys):
    from wmlib.__main__ import main

    (three.path / "figures/01_good").mkdir(parents=True)
    (three.path / "figures/01_good/results.json").write_text("{}")
    assert main(["list"]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_list_shows_settings_and_last_result(three, capsys):
    from wmlib.__main__ import main

    assert main(["list"]) == main(["list", "--profile", "smoke"]) == 0
    shown = capsys.readouterr().out
    assert "-p steps=3  how many; allowed: 1 to 10" in shown and "-p steps=1  how many" in shown
    assert shown.count("not run yet") == 6


def test_the_command_line_is_light():
    """Refusing a wrong word must not load torch: 2 s of waiting for a spelling mistake."""
    code = "import sys, wmlib.__main__; print([m for m in ('torch', 'scipy', 'matplotlib', 'papermill') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]"
    assert profiles.nearest("tehn", ["then"]) == " Did you mean 'then'?"
