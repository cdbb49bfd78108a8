"""Run notebooks with papermill: one process and one kernel a notebook, watched, stoppable, retried once.

`plan` turns the user's words into checked jobs (everything that can be refused is refused here, before anything starts),
`run` executes them. The runner (this process) never talks to a kernel: a worker process does (`worker.py`), and reports over a
pipe. So a stop is simple and sure: close the pipe. The worker then ends the kernel and all that the kernel started, and does
the same when the runner is killed; the runner does it when the worker is.
"""

import ast
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from wmlib.command import outputs
from wmlib.command.job import Attempt, Job
from wmlib.experiment import paths, processes, rules, settings
from wmlib.experiment.settings import SettingError, choose

# seconds one cell may take before its kernel counts as hung; the paper profile works for hours in one cell
CELL_TIMEOUT = {"smoke": 300, "quick": 3600, "study": 7 * 24 * 3600, "paper": 7 * 24 * 3600}
# a word that is none of them is taken for a notebook
COMMANDS = ("run", "list", "gallery", "claims", "cache", "lab", "web", "test", "lint")


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
        profile: smoke, quick, study or paper.
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
        rules.check(notebook, vars(settings.resolve(table, profile, checked)))
        job = Job(
            notebook=notebook,
            source=source,
            executed=paths.output(profile) / "notebooks" / f"{notebook}.ipynb",
            results=paths.figures(profile, notebook) / "results.json",
            parameters={**common, **_injected(notebook, checked, parameters_of(source))},
            cell_timeout=cell_timeout or CELL_TIMEOUT[profile],
        )
        jobs.append(job)
    if device == "cuda":
        from wmlib.experiment.run import choose_device  # imports torch: only where it is needed

        choose_device(device)
    for folder in {jobs[0].executed.parent, *(job.results.parent for job in jobs)}:
        _check_writable(folder)
    if os.environ.get("WMLIB_OUT"):
        for job in jobs:
            outputs.check_is_copy(job.executed)
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
        SettingError: another process is running one of them into the same folder.
        KeyboardInterrupt: after Ctrl-C, SIGTERM or SIGHUP; all kernels have ended.
    """
    running: dict[Any, Attempt] = {}
    waiting = list(jobs)
    processes.sweep()
    with _locks(jobs) as locks, _stop_signals() as stop:
        try:
            while (waiting or running) and not stop.is_set():
                while waiting and len(running) < workers:
                    job = waiting.pop(0)
                    attempt = Attempt(job, locks[job.notebook])
                    running[attempt.pipe] = attempt
                    changed(job)
                for pipe in wait(list(running), timeout=0.5):
                    if stop.is_set():  # what it says may be what the same signal has done to it
                        break
                    attempt = running[pipe]
                    again = attempt.receive()
                    if attempt.done:
                        del running[pipe]
                        if again:
                            waiting.insert(0, attempt.job)
                        else:
                            os.close(locks.pop(attempt.job.notebook))
                    changed(attempt.job)
                for attempt in running.values():
                    changed(attempt.job)
        finally:
            for attempt in running.values():
                attempt.pipe.close()  # all begin to end before the first is waited for
            for attempt in running.values():
                attempt.stop()
            for attempt in running.values():
                changed(attempt.job)
            processes.sweep()
    if stop.is_set():
        raise KeyboardInterrupt


@contextmanager
def _locks(jobs: list[Job]) -> Iterator[dict[str, int]]:
    """Give the locks of all jobs' outputs, by notebook; those that are still in it at the end are let go."""
    locks: dict[str, int] = {}
    try:
        for job in jobs:
            locks[job.notebook] = outputs.hold(job.executed, job.results.parent)
        yield locks
    finally:
        for lock in locks.values():
            os.close(lock)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C, SIGTERM and SIGHUP set: checked between two steps, so that they never cut one in half.

    A signal that this process was started to ignore, as nohup does, stays ignored.
    """
    stop = threading.Event()
    signals = [n for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
