"""What the runner shows: a table in a terminal, few lines in a log, and everything that matters at the end."""

import io

import pytest
from rich.console import Console

from wmlib.command import view
from wmlib.command.runner import Job
from wmlib.experiment import results


def job(tmp_path, name="01_good", **state):
    paths = {"source": tmp_path / f"{name}.ipynb", "executed": tmp_path / f"ran/{name}.ipynb"}
    return Job(name, results=tmp_path / f"figures/{name}/results.json", parameters={}, cell_timeout=1, **paths, **state)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, highlight=False)


def printed(console):
    return console.file.getvalue()


@pytest.mark.parametrize(
    "seconds, text", [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (754, "12:34"), (3600, "1:00:00"), (36_061, "10:01:01")]
)
def test_a_clock(seconds, text):
    assert view.clock(seconds) == text


def test_a_log_has_a_line_at_each_change_and_every_half_minute(console, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    one = job(tmp_path)
    with view.live_view([one], console) as changed:
        one.status, one._started, one.cells = "running", 100.0, 9
        for seconds in (0, 1, 29, 31, 45, 60, 62):
            now[0] = 100.0 + seconds
            one.cell, one.line = seconds // 10, f"line {seconds}"
            changed(one)
        one.status, one.seconds = "failed", 63.0
        changed(one)
        changed(one)
    assert printed(console).splitlines() == [
        "   0:00  01_good  running  cell 0/9  line 0",
        "   0:31  01_good  running  cell 3/9  line 31",
        "   1:02  01_good  running  cell 6/9  line 62",
        "   1:03  01_good  failed",
    ]


def test_a_log_keeps_notebooks_apart(console, tmp_path):
    jobs = [job(tmp_path, name, status="running", seconds=0.0) for name in ("01_good", "02_other")]
    with view.live_view(jobs, console) as changed:
        for each in (*jobs, *jobs):
            changed(each)
    assert [line.split()[1] for line in printed(console).splitlines()] == ["01_good", "02_other"]


def test_a_terminal_shows_a_table_with_the_progress_lines_below(tmp_path):
    jobs = [
        job(tmp_path, status="ok", cell=9, cells=9, seconds=83.0),
        job(tmp_path, "02_other", status="running", cell=3, cells=7, line="steps 3/10 [a]"),
        job(tmp_path, "03_third"),
    ]
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None, legacy_windows=False)
    console.print(view._table(jobs))
    heading, first, second, third, line = (text.split() for text in printed(console).splitlines())
    assert heading == ["notebook", "status", "cell", "time"]
    assert first == ["01_good", "ok", "9/9", "1:23"] and second[:3] == ["02_other", "running", "3/7"]
    assert third == ["03_third", "waiting"] and line == ["steps", "3/10", "[a]"]
    with view.live_view(jobs, console) as changed:
        jobs[2].status = "stopped"
        changed(jobs[2])
    assert "stopped" in printed(console)


def test_the_summary_names_headline_verdicts_figures_and_errors(console, project, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("01_good", "02_other"):
        project.notebook(name)
    values = {"profile": "quick", "seed": 1, "device": "cpu", "overrides": {}}
    exec(store("01_good").replace("It works.", "It [bold]works."), values)
    record = results.read(tmp_path / "figures/01_good/results.json")
    jobs = [
        job(tmp_path, status="ok", seconds=83.0, attempt=2, record=record),
        job(tmp_path, "02_other", status="ok", seconds=1.0, attempt=1, no_record="it [bold]stored nothing"),
        job(tmp_path, "03_third", status="failed", seconds=2.0, attempt=1, error="cell 4 of 03_third.ipynb: x[0] is wrong"),
    ]
    view.summary(jobs, console)
    lines = printed(console).splitlines()
    assert lines[:4] == [
        "01_good  ok  1:23 (second attempt)",
        "    9 of 10 work",
        "    reproduced: It [bold]works.",  # no markup
        "    ran/01_good.ipynb",
    ]
    assert (
        lines[4] == "02_other  ok  0:01"
        and lines[5] == "    no results: it [bold]stored nothing"
        and lines[6].startswith("03_third  failed")
    )
    assert "03_third: failed" in lines[7] and lines[8] == "cell 4 of 03_third.ipynb: x[0] is wrong" and len(lines) == 9


def test_figures_are_listed_with_short_paths(console, project, store, tmp_path, monkeypatch):
    project.notebook("01_good")
    exec(store("01_good"), {"profile": "quick", "seed": 1, "device": "cpu", "overrides": {}})
    record = results.read(tmp_path / "figures/01_good/results.json")
    figure = {"name": "line", "file": "line.png", "alt": "A line that rises to the right", "caption": "A line."}
    one = job(tmp_path, status="ok", record=record | {"figures": [figure]})
    (tmp_path / "a/b").mkdir(parents=True)
    for folder, path in ((tmp_path, "figures/01_good/line.png"), (tmp_path / "a/b", "../../figures/01_good/line.png")):
        monkeypatch.chdir(folder)
        view.summary([one], console)
        assert f"    {path}\n" in printed(console)
