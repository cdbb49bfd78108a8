"""What the runner shows: a live table in a terminal, plain lines in a log, and a summary at the end."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

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
def live_view(jobs: list[Job], console: Console) -> Iterator[Callable[[Job], None]]:
    """Give a function to call when a job has changed; it keeps the screen (or the log) up to date.

    Args:
        jobs: all of them, waiting ones too.
        console: a terminal gets a table that is redrawn, anything else plain lines.
    """
    # FORCE_COLOR makes no terminal of a file
    if console.is_terminal and not console.is_dumb_terminal and console.file.isatty():
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
    """Prints a line when a notebook starts or ends, and every half minute where it is."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.printed: dict[str, tuple[str, float]] = {}  # by notebook: the last status printed, and when

    def __call__(self, job: Job) -> None:
        status, when = self.printed.get(job.notebook, ("", 0.0))
        now = time.monotonic()
        if job.status == status and (job.status != "running" or now - when < LOG_EVERY):
            return
        self.printed[job.notebook] = (job.status, now)
        progress = f"  cell {job.cell}/{job.cells}  {job.line}" if job.status == "running" and job.cells else ""
        self.console.print(f"{clock(job.elapsed):>7}  {job.notebook}  {job.status}{progress}", markup=False, soft_wrap=True)


def summary(jobs: list[Job], console: Console) -> None:
    """Print one row a notebook: status, time, headline, verdicts, figures; then every error in full."""
    for job in jobs:
        attempts = " (second attempt)" if job.attempt > 1 else ""
        status = (job.status, MARKS[job.status])
        console.print(Text.assemble((job.notebook, "bold"), "  ", status, f"  {clock(job.seconds)}{attempts}"))
        if job.status == "ok":
            _print_results(job, console)
    for job in jobs:
        if job.error:
            console.rule(f"{job.notebook}: {job.status}", style="red")
            console.print(job.error, markup=False, soft_wrap=True)


def _print_results(job: Job, console: Console) -> None:
    record = job.record
    if record is None:
        console.print(f"    no results: {escape(job.no_record)}", style="red", soft_wrap=True)
        return
    console.print(f"    {escape(record['headline']['text'])}", soft_wrap=True)
    for claim in record["claims"]:
        console.print(f"    {escape(claim['verdict'])}: {escape(claim['text'])}", soft_wrap=True)
    for figure in record["figures"]:
        console.print(f"    {escape(_short(job.results.parent / figure['file']))}", style="dim", soft_wrap=True)
    console.print(f"    {escape(_short(job.executed))}", style="dim", soft_wrap=True)


def _short(path: Path) -> str:
    """Return a path relative to the working directory where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
