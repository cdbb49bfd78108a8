"""One attempt at a notebook: whose results it takes, and what is said if they are not its own."""

import sys
import time

import pytest

from wmlib.command import runner


def run_one(*words, **state):
    jobs = runner.plan(words or ["1"], "quick", state.get("seed", 1), "cpu", {}, None)
    runner.run(jobs, 1, lambda job: None)
    return jobs[0]


def test_results_are_taken_only_from_this_run(project, store):
    project.notebook("01_good", store("01_good"))
    job = run_one()
    assert job.status == "ok" and job.record["seed"] == 1 and job.no_record == ""
    changed = "\nfrom wmlib.experiment import results\n"
    changed += "results.write(run.results_file, {**results.read(run.results_file), 'seed': 9})"
    project.notebook("01_good", store("01_good") + changed)  # as another run into the same folder would
    job = run_one()
    assert job.status == "failed" and job.record is None
    assert f"{job.results} holds another run's results: seed 9 instead of 1; run this notebook again, alone" in job.error
    project.notebook("01_good", "pass")
    job = run_one()
    assert job.status == "ok" and job.record is None
    assert job.no_record == f"{job.results} is of an earlier run; the notebook has stored nothing in this one"


@pytest.mark.parametrize(
    "worker, status, attempts, words",
    [
        ("raise SystemExit(7)", "failed", 1, "did not start (exit status 7"),
        ("import os; os.kill(os.getpid(), 9)", "died", 2, "without a word (killed? out of memory?)"),
    ],
)
def test_a_worker_that_cannot_begin_is_not_tried_again(project, monkeypatch, tmp_path, worker, status, attempts, words):
    project.notebook("01_good", "pass")
    (tmp_path / "python").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{worker}'\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    job = run_one()
    assert (job.status, job.attempt) == (status, attempts) and words in job.error


def test_the_time_of_finished_attempts_is_counted(tmp_path):
    job = runner.Job("01_good", tmp_path, tmp_path, tmp_path, {}, 1, seconds=5.0)
    assert job.elapsed == 5.0
    job.status = "running"
    job._started = time.monotonic() - 7
    assert job.elapsed >= 7
