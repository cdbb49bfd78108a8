"""What the runner shows: a live table in a terminal, plain lines in a log, and a summary at the end."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wmlib.experiment import results
from wmlib.command.runner import Job

MARKS = {
    "waiting": "dim",
    "running": "cyan",
    "ok": "green",
    "failed": "bold red",
    "died": "bold red",
    "stopped": "yellow",
}
LOG_EVERY = 30.0  # seconds between two lines about one notebook in a log


def clock(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def live_view(jobs: list[Job], console: Console) -> Iterator:
    """Give a function to call when a job has changed; it keeps the screen (or the log) up to date."""
    if console.is_terminal:
        with Live(_table(jobs), console=console, refresh_per_second=4, transient=True) as live:
            yield lambda job: live.update(_table(jobs))
    else:
        yield _Log(console)


def _table(jobs: list[Job]) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("notebook", "status", "cell", "time"):
        table.add_column(heading, justify="right" if heading in ("cell", "time") else "left", no_wrap=True)
    for job in jobs:
        cell = f"{job.cell}/{job.cells}" if job.cells else ""
        time_text = clock(job.elapsed) if job.elapsed else ""
        table.add_row(job.notebook, Text(job.status, MARKS[job.status]), cell, time_text)
    lines = [Text("  " + job.line, "dim", no_wrap=True, overflow="ellipsis") for job in jobs if job.line]
    return Group(table, *lines)


class _Log:
    """Says when a notebook starts, ends, and every half minute where it is."""

    def __init__(self, console: Console) -> None:
        self.console, self.said = console, {}

    def __call__(self, job: Job) -> None:
        status, when = self.said.get(job.notebook, (None, 0.0))
        now = time.monotonic()
        if job.status == status and (job.status != "running" or now - when < LOG_EVERY):
            return
        self.said[job.notebook] = (job.status, now)
        where = f"  cell {job.cell}/{job.cells}  {job.line}" if job.status == "running" and job.cells else ""
        self.console.print(f"{clock(job.elapsed):>7}  {job.notebook}  {job.status}{where}", markup=False, soft_wrap=True)


def summary(jobs: list[Job], console: Console) -> None:
    """Print one row a notebook: status, time, headline, verdicts, figures; then every error."""
    for job in jobs:
        attempts = " (second attempt)" if job.attempt > 1 else ""
        console.print(
            Text.assemble((job.notebook, "bold"), "  ", (job.status, MARKS[job.status]), f"  {clock(job.seconds)}{attempts}")
        )
        if job.status != "ok":
            continue
        try:
            found = results.read(job.results)
        except results.ResultsError as error:
            console.print(f"    no results: {escape(str(error))}", style="red", soft_wrap=True)
            continue
        console.print(f"    {escape(found['headline']['text'])}", soft_wrap=True)
        for claim in found["claims"]:
            console.print(f"    {escape(claim['verdict'])}: {escape(claim['text'])}", soft_wrap=True)
        for figure in found["figures"]:
            console.print(f"    {escape(_shown(job.results.parent / figure['file']))}", style="dim", soft_wrap=True)
        console.print(f"    {escape(_shown(job.executed))}", style="dim", soft_wrap=True)
    for job in jobs:
        if job.error:
            console.rule(f"{job.notebook}: {job.status}", style="red")
            console.print(job.error, markup=False, soft_wrap=True)


def _shown(path: Path) -> str:
    """Return a path relative to the working directory where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
