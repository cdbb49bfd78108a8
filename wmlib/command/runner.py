"""Run notebooks with papermill: one process and one kernel a notebook, watched, stoppable, retried once.

`plan` turns the user's words into checked jobs (everything that can be refused is refused here, before anything starts),
`run` executes them. The runner (this process) never talks to a kernel: a worker process does (`worker.py`), and reports over a
pipe. So a stop is simple and sure: end the kernel's process group, then the worker.
"""

import ast
import json
import multiprocessing
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from wmlib.command.worker import execute
from wmlib.experiment import paths, settings
from wmlib.experiment.settings import SettingError, choose

# seconds one cell may take before its kernel counts as hung; the paper profile works for hours in one cell
CELL_TIMEOUT = {"smoke": 300, "quick": 3600, "paper": 7 * 24 * 3600}
# a word that is none of them is taken for a notebook
COMMANDS = ("run", "list", "gallery", "claims", "cache", "lab", "test", "lint")
GRACE = 5.0  # seconds between asking a process to end and ending it


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
    attempt: int = 0
    seconds: float = 0.0
    _started: float = field(default=0.0, repr=False)

    @property
    def elapsed(self) -> float:
        """Seconds so far, of all attempts."""
        return time.monotonic() - self._started if self.status == "running" else self.seconds


def available() -> list[str]:
    """Return the names of all notebooks, in order: those that `profiles.toml` knows, whatever else lies beside them.

    Raises:
        SettingError: there are none.
    """
    known = (name for name in settings.tables() if re.fullmatch(r"\d\d_\w+", name))
    names = sorted(name for name in known if (paths.notebooks() / f"{name}.ipynb").is_file())
    if not names:
        raise SettingError(f"no notebooks in {paths.notebooks()}; is this a whole clone of the project?")
    return names


def select(words: Sequence[str], names: list[str]) -> list[str]:
    """Return the notebooks that the words name: "01", "01_cma_es_toy" or a range "03-05"; all if there are none.

    Raises:
        SettingError: a word names no notebook.
    """
    chosen = set()
    for word in words:
        numbers = re.fullmatch(r"(\d\d?)(?:-(\d\d?))?", word)
        if numbers:
            first = int(numbers[1])
            last = int(numbers[2] or numbers[1])
            matches = [name for name in names if first <= int(name[:2]) <= last]
        else:
            matches = [name for name in names if name == word.removesuffix(".ipynb")]
        if not matches:
            near = settings.nearest(word, [*names, *COMMANDS])
            raise SettingError(f"notebook: got {word!r}; there are {', '.join(names)}.{near}")
        chosen.update(matches)
    return [name for name in names if name in chosen] if words else names


def parse_value(text: str) -> Any:
    """Return the value that `-p name=TEXT` means: true/false, a number, or the text itself."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def parse_parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of `-p name=value -p …`.

    Raises:
        SettingError: one of them is not of this form.
    """
    parameters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingError(f"-p: got {pair!r}; allowed is name=value, for example -p lr=0.001")
        parameters[name.strip()] = parse_value(value.strip())
    return parameters


def parameters_of(notebook: Path) -> set[str] | None:
    """Return the names that a notebook's parameters cell assigns; other settings reach it through `overrides`.

    None for a file that cannot be read: executing it will say what is wrong with it.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        source = next(("".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])), "")
        lines = [node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign | ast.Assign)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError, RecursionError):
        return None
    targets = [node.target if isinstance(node, ast.AnnAssign) else node.targets[0] for node in lines]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def plan(
    words: Sequence[str], profile: str, seed: int, device: str, parameters: dict[str, Any], cell_timeout: int | None
) -> list[Job]:
    """Check everything the user asked for and return the jobs.

    Args:
        words: which notebooks, see `select`.
        profile: smoke, quick or paper.
        seed: whole number >= 0.
        device: auto, cpu or cuda.
        parameters: settings by name, see `parse_parameters`; each goes to those notebooks that have it. What has no line in
            a notebook's parameters cell is passed to it in the dict `overrides`.
        cell_timeout: seconds that one cell may take; None: what the profile allows.

    Raises:
        SettingError: with one line that names what was given, what is allowed, and the nearest right name.
    """
    choose("profile", profile, settings.PROFILES)
    choose("device", device, settings.DEVICES)
    if seed < 0:
        raise SettingError(f"seed: got {seed}; allowed is a whole number >= 0, for example --seed 1")
    if cell_timeout is not None and not cell_timeout > 0:
        raise SettingError(f"cell-timeout: got {cell_timeout:g}; allowed is a number of seconds > 0")
    common = {"profile": profile, "seed": seed, "device": device}
    for name in common.keys() & parameters.keys():
        raise SettingError(f"-p {name}: this one has its own option; use --{name} {parameters[name]}")
    tables = {notebook: settings.read(notebook) for notebook in select(words, available())}
    known = sorted({setting for table in tables.values() for setting in table})
    for name in parameters:
        choose("-p", name, known)
    jobs = []
    for notebook, table in tables.items():
        source = paths.notebooks() / f"{notebook}.ipynb"
        checked = {name: table[name].check(value) for name, value in parameters.items() if name in table}
        job = Job(
            notebook=notebook,
            source=source,
            executed=paths.output(profile) / "notebooks" / f"{notebook}.ipynb",
            results=paths.figures(profile) / notebook / "results.json",
            parameters={**common, **_injected(notebook, checked, parameters_of(source))},
            cell_timeout=cell_timeout or CELL_TIMEOUT[profile],
        )
        jobs.append(job)
    if device == "cuda":
        from wmlib.experiment.run import choose_device  # imports torch: only where it is needed

        choose_device(device)
    for folder in {jobs[0].executed.parent, *(job.results.parent for job in jobs)}:
        _check_writable(folder)
    return jobs


def _injected(notebook: str, values: dict[str, Any], in_cell: set[str] | None) -> dict[str, Any]:
    """Return what is injected for these settings: those with a line in the parameters cell, and a dict of the others."""
    if in_cell is None:
        return values
    injected = {name: value for name, value in values.items() if name in in_cell}
    overrides = {name: value for name, value in values.items() if name not in in_cell}
    if not overrides:
        return injected
    if "overrides" not in in_cell:
        names = ", ".join(overrides)
        raise SettingError(f"-p {names}: {notebook} cannot take it; its parameters cell needs a line `overrides: dict = {{}}`")
    return {**injected, "overrides": overrides}


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingError(f"out: cannot write to {folder} ({error.strerror}); name another folder with --out") from None


def run(jobs: list[Job], workers: int, changed: Callable[[Job], None]) -> None:
    """Execute the jobs in order, several at a time; afterwards each job's fields say how it went.

    A notebook that fails does not stop the others. A kernel that dies or never answers is tried once more on a fresh kernel
    (cached stages and checkpoints let the second attempt continue where the first ended).

    Args:
        jobs: from `plan`; updated in place.
        workers: notebooks at a time.
        changed: called whenever a job's status, cell or progress line has changed, and at least twice a second.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM; all kernels have ended.
    """
    running: dict[Any, _Worker] = {}
    waiting = list(jobs)
    with _stop_signals() as stop:
        try:
            while (waiting or running) and not stop.is_set():
                while waiting and len(running) < workers:
                    worker = _Worker(waiting.pop(0))
                    running[worker.pipe] = worker
                    changed(worker.job)
                for pipe in wait(list(running), timeout=0.5):
                    worker = running[pipe]
                    again = worker.receive()
                    if worker.done:
                        del running[pipe]
                        if again:
                            waiting.insert(0, worker.job)
                    changed(worker.job)
                for worker in running.values():
                    changed(worker.job)
        finally:
            for worker in running.values():
                worker.stop()
            for worker in running.values():
                changed(worker.job)  # last: it may be what failed
    if stop.is_set():
        raise KeyboardInterrupt


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set: checked between two steps, so that they never cut one in half."""
    stop = threading.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Worker:
    """The process that executes one job, seen from the runner."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.job = job
        self.kernel: int | None = None  # its process
        self.done = False
        self.pipe, pipe_of_process = context.Pipe(duplex=False)
        self.partial = job.executed.with_suffix(".partial.ipynb")
        # kernels talk over Unix sockets, whose paths must be short: hence /tmp and not TMPDIR
        self.runtime = tempfile.TemporaryDirectory(prefix="wmlib-", dir="/tmp", ignore_cleanup_errors=True)
        arguments = (job.source, self.partial, job.parameters, job.cell_timeout, self.runtime.name, pipe_of_process)
        self.process = context.Process(target=execute, args=arguments, name=job.notebook)
        job.status = "running"
        job.line = ""
        job.cell = 0
        job.attempt += 1
        job._started = time.monotonic() - job.seconds
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until the process has told Python to ignore it
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        pipe_of_process.close()

    def receive(self) -> bool:
        """Take one message; return whether the job should be tried again."""
        job = self.job
        try:
            kind, *content = self.pipe.recv()
        except (EOFError, OSError):
            kind = "died"
            content = ["the process that watched the kernel ended without a word (killed? out of memory?)"]
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

    def _finish(self, kind: str, content: list) -> None:
        self.done = True
        self.job.seconds = self.job.elapsed
        self.job.status = kind
        self.job.line = ""
        self._end_processes()
        if kind in ("ok", "failed") and self.partial.exists():
            os.replace(self.partial, self.job.executed)
        elif kind != "stopped":
            self.job.executed.unlink(missing_ok=True)  # an older copy would be taken for this run's
        self.partial.unlink(missing_ok=True)
        self.job.error = content[0] if content else ""

    def stop(self) -> None:
        """End kernel and worker; nothing half-written stays."""
        self._finish("stopped", ["stopped by the user; the next run continues from the cache and checkpoints"])

    def _end_processes(self) -> None:
        # The kernel leads its own process group, so that its joblib workers and game engines end with it. It gets SIGINT: the
        # cell raises KeyboardInterrupt and cleans up after itself. What is still running after GRACE is ended.
        if self.kernel:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.kernel, signal.SIGINT)
        else:
            self.process.terminate()
        self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        if self.kernel:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.kernel, signal.SIGKILL)
        self.pipe.close()
        self.runtime.cleanup()
