"""Long jobs side by side, in blocks of steps: after each block a job's whole state lies on disk, so a kill costs one block.

Reading guide, from the outside in. `run_jobs` brings a list of jobs to their end, as many at a time as there are cores.
`_run_block` goes on with one job to a step, from its checkpoint. The job's trainer does the steps. So a training is four calls:
jobs, block, trainer, step. `cached_map` and `parallel_map` are for work without blocks. A job's files say whose they are: a
damaged checkpoint, or another job's, is not gone on from.
"""

from __future__ import annotations

import contextlib
import inspect
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from joblib import Parallel, delayed

from wmlib.experiment import checkpoint, fingerprint
from wmlib.experiment.cache import Artifact, ArtifactCache, ArtifactWarning, call
from wmlib.experiment.checkpoint import CheckpointError
from wmlib.experiment.counts import is_count, is_number_of_workers
from wmlib.experiment.progress import progress
from wmlib.experiment.source_code import check_code, note_sources

T = TypeVar("T")
STATE = "checkpoint.safetensors"
note_sources()  # in a worker this is before its first task: an edit after it is noticed


class Trainer(Protocol):
    """What does the steps of a job and can be stopped between any two of them."""

    @property
    def step(self) -> int:
        """Steps done."""

    def run(self, steps: int) -> Iterator[Any]:
        """Do steps, and yield after each."""

    def state_dict(self) -> dict:
        """Return all that `load_state_dict` needs to go on to the same bits, a tree (see `checkpoint`)."""

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state."""


class Job(NamedTuple):
    """One training, or another computation in steps. Its functions must be importable by worker processes.

    Args:
        begin: returns a trainer at step 0.
        arguments: of `begin`, such as `fingerprint.describe` can describe: with the other three they determine the result.
        steps: to do.
        output: takes the trainer; returns what is to be kept of it, a tree (see `checkpoint`).
        output_steps: after these steps, from 1 to `steps`; None: after the last one.
    """

    begin: Callable[..., Trainer]
    arguments: Mapping[str, Any]
    steps: int
    output: Callable[[Any], Any]
    output_steps: tuple[int, ...] | None = None

    @property
    def kept_steps(self) -> tuple[int, ...]:
        """Return the steps after which the output is kept."""
        return (self.steps,) if self.output_steps is None else self.output_steps


def load_output(folder: Path, step: int) -> Any:
    """Return what a job kept after a step.

    Args:
        folder: as `run_jobs` returned it.
        step: one of the job's output steps.

    Raises:
        ValueError: the job kept nothing after that step.
        CheckpointError: what it kept is damaged, or another job's.
    """
    file = _output_file(folder, step)
    if not file.exists():
        raise ValueError(
            f"step: got {step!r}; {folder} holds {', '.join(sorted(p.stem for p in folder.glob('*.safetensors')))}"
        )
    return checkpoint.load(file, _identity(folder.name, step))


def _output_file(folder: Path, step: int) -> Path:
    return folder / f"{step}.safetensors"


def _identity(artifact: str, step: int | None = None) -> dict[str, Any]:
    """Return what a file of a job says of itself; step: of an output."""
    return {"artifact": artifact, "step": None if step is None else int(step)}


def run_jobs(
    cache: ArtifactCache, jobs: Sequence[Job], label: str, *, block: int, parallel_from: int, workers: int = -1
) -> list[Path]:
    """Bring jobs to their end, or find them finished; return their folders in the same order.

    Args:
        cache: where the results are kept.
        jobs: equal ones are done once.
        label: for the progress bar.
        block: steps between two checkpoints.
        parallel_from: steps, of all jobs together in a block, from which processes are started; that takes seconds.
        workers: processes; -1: as many as cores.

    Raises:
        ValueError: a number out of its range, named; nothing has been written then.
        FingerprintError: a job that cannot be part of a key; see `fingerprint.describe`.
    """
    if not is_count(block):
        raise ValueError(f"block: got {block!r}; allowed is a whole number of steps >= 1")
    if not is_number_of_workers(workers):
        raise ValueError(f"workers: got {workers!r}; allowed is a whole number of processes, or -1 for as many as cores")
    jobs = [_checked(job, cache) for job in jobs]
    artifacts = [cache.artifact(job.begin, (), job.arguments, also=[job.steps, job.output, job.output_steps]) for job in jobs]
    with _missing(artifacts, jobs) as left, quiet_workers():
        blocks = sum(-(-job.steps // block) for _, job in left)
        for _ in progress(_blocks(left, block, parallel_from, workers), label, blocks) if left else ():
            pass
    return [artifact.path for artifact in artifacts]


def _checked(job: Job, cache: ArtifactCache) -> Job:
    """Return a job with Python's numbers; raise for one that could not be done, before anything is written for any of them."""
    if not is_count(job.steps):
        raise ValueError(f"steps: got {job.steps!r}; allowed is a whole number >= 1")
    if not job.kept_steps or not all(is_count(step) and step <= job.steps for step in job.kept_steps):
        raise ValueError(
            f"output_steps: got {job.output_steps!r}; allowed are steps from 1 to {job.steps}, one at least, or None"
        )
    for name, function in (("begin", job.begin), ("output", job.output)):
        if not callable(function):
            raise ValueError(f"{name}: got {function!r}; allowed is a function that workers can import")
        fingerprint.describe(function, cache.path, name)
    try:
        inspect.signature(job.begin).bind(**job.arguments)
    except TypeError as error:
        raise ValueError(f"arguments: got {sorted(job.arguments)}: {error}; allowed are those of begin") from None
    output_steps = None if job.output_steps is None else tuple(map(int, job.output_steps))
    return job._replace(steps=int(job.steps), output_steps=output_steps)


@contextlib.contextmanager
def _missing(artifacts: Sequence[Artifact], work: Sequence[T]) -> Iterator[list[tuple[Artifact, T]]]:
    """Hold the locks of artifacts, and give those that are not there, each once, with the work that makes it."""
    distinct = {artifact.name: (artifact, item) for artifact, item in zip(artifacts, work, strict=True)}
    with contextlib.ExitStack() as locks:
        for name in sorted(distinct):  # in one order everywhere, so that two processes never wait for each other
            locks.enter_context(distinct[name][0].hold())
        yield [pair for pair in distinct.values() if not pair[0].is_whole()]


def _blocks(left: list[tuple[Artifact, Job]], block: int, parallel_from: int, workers: int) -> Iterator[None]:
    """Do block after block of all jobs; yield after each block of each job.

    A job with fewer blocks than another does none in some rounds, and in a round the block that takes longest begins first:
    otherwise a core would wait for one long job, in each round and at the end.
    """
    folders = [artifact.begin() for artifact, _ in left]
    reached = [0] * len(left)  # steps done, by earlier runs too
    seconds_of_block = [0.0] * len(left)
    few = sum(min(block, job.steps) for _, job in left) < parallel_from
    for now in _rounds([-(-job.steps // block) for _, job in left]):
        aims = {i: min(block * until, left[i][1].steps) for i, until in now.items()}
        tasks = [
            delayed(_run_block)(i, folders[i], left[i][1], aims[i], left[i][0].name, left[i][0].code)
            for i in sorted(aims, key=lambda i: -seconds_of_block[i])
            if reached[i] < aims[i]
        ]
        for i, step, seconds, fault in Parallel(n_jobs=1 if few else workers, return_as="generator_unordered")(tasks):
            artifact, job = left[i]
            reached[i] = step
            seconds_of_block[i] = seconds
            if fault is not None:
                warnings.warn(f"{folders[i]}: {fault}; it is trained again", ArtifactWarning, stacklevel=4)
            if step >= job.steps:
                artifact.finish(seconds, without=STATE)
            else:
                artifact.pause(seconds)
            yield
        yield from (None for _ in range(len(now) - len(tasks)))  # blocks that an earlier run did


def _rounds(num_blocks: Sequence[int]) -> Iterator[dict[int, int]]:
    """Give for each round the jobs that go on, and to which of their blocks, from 1.

    The blocks of a job are evenly spread over the rounds, and those of equal jobs fall into different ones.

    Args:
        num_blocks: blocks of each job, at least 1.
    """
    rounds = max(num_blocks)
    phases = [rounds * i // len(num_blocks) for i in range(len(num_blocks))]
    before = [0] * len(num_blocks)
    for number in range(1, rounds + 1):
        until = [(count * number + phase) // rounds for count, phase in zip(num_blocks, phases, strict=True)]
        yield {i: until[i] for i in range(len(until)) if until[i] > before[i]}
        before = until


def _run_block(
    number: int, folder: Path, job: Job, until: int, name: str, code: tuple[str, str | None]
) -> tuple[int, int, float, str | None]:
    """Go on with one job to a step, from its checkpoint.

    Returns:
        its number, the steps done, the seconds it took, and what was wrong with its checkpoint, so that it began again.
    """
    start = time.monotonic()
    check_code(*code)
    torch.set_num_threads(1)
    state, fault = _read_state(folder, job, name)
    trainer = call(job.begin, (), job.arguments)
    if state is not None:
        trainer.load_state_dict(state)
    left = min(until, job.steps) - trainer.step
    for _ in trainer.run(left):
        if trainer.step in job.kept_steps:
            checkpoint.save(_output_file(folder, trainer.step), job.output(trainer), _identity(name, trainer.step))
    if left > 0:
        state = {"step": trainer.step, "trainer": trainer.state_dict()}
        checkpoint.save(folder / STATE, state, _identity(name))
    return number, trainer.step, time.monotonic() - start, fault


def _read_state(folder: Path, job: Job, name: str) -> tuple[dict | None, str | None]:
    """Return a trainer's state after the last block, None to begin; and what is wrong with it or what it has kept so far."""
    try:
        state = checkpoint.load(folder / STATE, _identity(name))
        for step in job.kept_steps if state is not None else ():
            output = _output_file(folder, step)
            if step <= state["step"] and checkpoint.load(output, _identity(name, step)) is None:
                return None, f"{output.name} is missing"
    except CheckpointError as error:
        return None, error.fault
    return None if state is None else state["trainer"], None


def cached_map(
    cache: ArtifactCache, function: Callable, calls: Sequence[Mapping[str, Any]], label: str, *, parallel: bool = True
) -> list[Any]:
    """Return `function(**call)` for each call, from the cache where it is there; the others are computed in parallel.

    Args:
        cache: where the results are kept, each as soon as it is there.
        function: importable by worker processes; returns a tree (see `checkpoint`).
        calls: keyword arguments; equal calls are done once.
        label: for the progress bar.
        parallel: False, in this process: for work that takes less than processes take to start.
    """
    artifacts = [cache.artifact(function, (), kwargs) for kwargs in calls]
    with _missing(artifacts, calls) as left, quiet_workers():
        tasks = [delayed(_timed)(i, function, kwargs, artifact.code) for i, (artifact, kwargs) in enumerate(left)]
        if tasks:  # joblib warns where there are none
            results = Parallel(n_jobs=-1 if parallel else 1, return_as="generator_unordered")(tasks)
            for i, values, seconds in progress(results, label, len(tasks)):
                cache.store(left[i][0], values, seconds)
    return [cache.load(artifact) for artifact in artifacts]


def _timed(number: int, function: Callable, kwargs: Mapping[str, Any], code: tuple[str, str | None]) -> tuple[int, Any, float]:
    start = time.monotonic()
    check_code(*code)
    torch.set_num_threads(1)
    return number, call(function, (), kwargs), time.monotonic() - start


def parallel_map(function: Callable, calls: Sequence[tuple], label: str = "", *, parallel: bool = True) -> list[Any]:
    """Return `function(*call)` for each call, in order, computed in parallel processes.

    Args:
        function: importable by worker processes.
        calls: positional arguments.
        label: for the progress bar; without one there is none.
        parallel: False, in this process: for work that takes less than processes take to start.
    """
    tasks = [delayed(_single_threaded)(function, call) for call in calls]
    with quiet_workers():
        results = Parallel(n_jobs=-1 if parallel else 1, return_as="generator")(tasks)
        return list(progress(results, label, len(tasks)) if label else results)


def _single_threaded(function: Callable, call: tuple) -> Any:
    torch.set_num_threads(1)
    return function(*call)


@contextlib.contextmanager
def quiet_workers() -> Iterator[None]:
    """Leave out joblib's warning that takes the loading of torch for a memory leak."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        yield
