"""A notebook to run, and one attempt at it: the worker process, its kernel and its temporary folder, from the runner's side."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

from wmlib.command import outputs
from wmlib.command.worker import GRACE
from wmlib.experiment import processes, results


@dataclass
class Job:
    """One notebook to run, and what became of it.

    Args:
        notebook: file name without ending.
        source: the notebook.
        executed: the executed copy.
        results: its `results.json`.
        parameters: what is injected behind its parameters cell, by name.
        cell_timeout: seconds that one cell may take.
        status: waiting, running, ok, failed (a cell raised an error), died (the kernel did) or stopped.
        cell, cells: number of the cell that runs, and how many there are.
        line: the last progress line of the running cell.
        error: the failing cell's source and error.
        record: what it has stored in `results`.
        no_record: why there is nothing.
        attempt: how often it was started.
        seconds: that finished attempts took.
    """

    notebook: str
    source: Path
    executed: Path
    results: Path
    parameters: dict[str, Any]
    cell_timeout: int
    status: str = "waiting"
    cell: int = 0
    cells: int = 0
    line: str = ""
    error: str = ""
    record: dict[str, Any] | None = None
    no_record: str = ""
    attempt: int = 0
    seconds: float = 0.0
    _started: float = field(default=0.0, repr=False)

    @property
    def elapsed(self) -> float:
        """Seconds so far, of all attempts."""
        return time.monotonic() - self._started if self.status == "running" else self.seconds


class Attempt:
    """One attempt at a job: the process that executes it, seen from the runner.

    Args:
        job: it.
        lock: the open file that says whose the job's outputs are.
    """

    def __init__(self, job: Job, lock: int) -> None:
        self.job = job
        self.kernel: int | None = None  # its process
        self.done = False
        self._stored = outputs.state(job.results)
        # kernels talk over Unix sockets, whose paths must be short: hence /tmp and not TMPDIR
        self._runtime, self._runtime_lock = processes.temporary_folder("run", "/tmp")
        inherited = (lock, self._runtime_lock)
        self.pipe, theirs = Pipe()
        job.status = "running"
        job.line = ""
        job.cell = 0
        job.attempt += 1
        job._started = time.monotonic() - job.seconds
        command = [sys.executable, "-P", "-m", "wmlib.command.worker", str(theirs.fileno())]
        files = (theirs.fileno(), *inherited)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=files, start_new_session=True)
        theirs.close()
        arguments = {
            "source": job.source,
            "executed": job.executed,
            "parameters": job.parameters,
            "cell_timeout": job.cell_timeout,
            "runtime": self._runtime,
            "inherited": inherited,
        }
        with suppress(OSError):  # it was killed already; `receive` will see
            self.pipe.send(arguments)

    def receive(self) -> bool:
        """Take one message; return whether the job should be tried again."""
        job = self.job
        try:
            kind, *content = self.pipe.recv()
        except (EOFError, OSError):
            kind, content = self._ended_without_a_word()
        if kind == "kernel":
            (self.kernel,) = content
        elif kind == "cell":
            job.cell, job.cells = content
            job.line = ""
        elif kind == "line":
            (job.line,) = content
        else:
            self._finish(kind, content)
        return self.done and job.status == "died" and job.attempt == 1

    def _ended_without_a_word(self) -> tuple[str, list]:
        """Return what became of a worker that sent no last message: one that could not even begin will not the next time."""
        try:
            status = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            status = -signal.SIGKILL  # soon
        if self.kernel is None and status > 0:
            return "failed", [
                f"the process that executes the notebook did not start (exit status {status}, its reason is above)"
            ]
        return "died", ["the process that watched the kernel ended without a word (killed? out of memory?)"]

    def _finish(self, kind: str, content: list) -> None:
        job = self.job
        self.done = True
        job.seconds = job.elapsed
        job.status = kind
        job.line = ""
        job.error = content[0] if content else ""
        self._end_processes()
        if kind == "ok":
            self._take_results()
        elif kind == "died" and job.attempt > 1:
            job.executed.unlink(missing_ok=True)  # an older copy would be taken for this run's

    def _take_results(self) -> None:
        """Read what the notebook has stored, and make sure that it was this run of it."""
        job = self.job
        try:
            record = results.read(job.results)
        except results.ResultsError as error:
            job.no_record = str(error)
            return
        asked = {"notebook": job.notebook, "profile": job.parameters["profile"], "seed": job.parameters["seed"]}
        others = [f"{name} {record[name]!r} instead of {value!r}" for name, value in asked.items() if record[name] != value]
        if self._stored == outputs.state(job.results):
            job.no_record = f"{job.results} is of an earlier run; the notebook has stored nothing in this one"
        elif others:
            job.status = "failed"
            job.error = f"{job.results} holds another run's results: {', '.join(others)}; run this notebook again, alone"
        else:
            job.record = record

    def stop(self) -> None:
        """End worker and kernel; nothing half-written stays."""
        self._finish("stopped", ["stopped by the user; the next run continues from the cache and checkpoints"])

    def _end_processes(self) -> None:
        self.pipe.close()
        try:
            self.process.wait(4 * GRACE)  # it ends the kernel and removes the folder
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.returncode != 0 and self.kernel is not None:
            processes.end_group(self.kernel, GRACE)
        processes.remove(self._runtime)
        os.close(self._runtime_lock)
