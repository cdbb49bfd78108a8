"""Long trainings side by side, in blocks: after each the state of one lies on disk, so a stop costs a block at most.

Reading guide. `finish` brings a list of jobs to their end, as many at a time as there are cores. A job is one artifact of the
cache; `advance` goes on with it to a step, from its checkpoint.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from joblib import Parallel, delayed

from wmlib.experiment import checkpoint
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.progress import progress

STATE = "checkpoint.safetensors"


def falling(step: int, steps: int, rate: float, share: float) -> float:
    """Return a learning rate that stays at `rate` and falls in a line over the last `share` of the steps, to 3 % of itself."""
    left = (steps - step) / (share * steps) if share else 1.0
    return rate * min(1.0, max(0.03, left))


def finish(
    step: Callable[[Any, int], Path | None],
    jobs: Sequence[Any],
    steps: Sequence[int],
    block: int,
    label: str,
    worth: int,
    workers: int = -1,
) -> list[Path]:
    """Bring jobs to their end; return their folders in the same order.

    Args:
        step: goes on with a job to a step, and returns its folder if it is finished (or was), else None; it calls `advance`.
            Must be importable by worker processes.
        jobs: what `step` is given; equal ones are done once.
        steps: how many each job has.
        block: steps between two checkpoints.
        label: for the progress bar.
        worth: steps, of all jobs together in a block, for which processes are started; that takes seconds.
        workers: processes; -1: as many as cores.
    """
    folders = {job: step(job, 0) for job in jobs}  # those made before
    length = dict(zip(jobs, steps, strict=True))
    left = [job for job, folder in folders.items() if folder is None]

    def blocks() -> Iterable[Path | None]:
        for until in range(block, max((length[job] for job in left), default=0) + block, block):
            tasks = [delayed(step)(job, until) for job in left if until < length[job] + block]
            few = sum(min(block, length[job]) for job in left) < worth
            yield from Parallel(n_jobs=1 if few else workers, return_as="generator_unordered")(tasks)

    if left:
        with quiet_workers():
            for _ in progress(blocks(), label, sum(-(-length[job] // block) for job in left)):
                pass
    return [folders[job] or step(job, length[job]) for job in jobs]


def advance(
    cache: ArtifactCache,
    name: str,
    settings: Mapping[str, Any],
    code: Iterable[ModuleType],
    until: int,
    steps: int,
    begin: Callable[[], Any],
    after: Callable[[Path, Any], None],
    rate: Callable[[int], float] | None = None,
) -> Path | None:
    """Go on with one job to a step; return its folder if it is finished (or was), else None.

    Args:
        cache, name, settings, code: name the artifact.
        until: go on to this step; 0: only look whether it is finished.
        steps: of the whole job.
        begin: returns a trainer with `step`, `run(steps)`, `state_dict` and `load_state_dict`.
        after: called with the folder and the trainer after each step; writes what is to stay.
        rate: the learning rate of a step, 0 … steps - 1, for the trainer's `optimizer`.
    """

    def make(folder: Path) -> None:
        if until == 0:
            raise _Unfinished
        torch.set_num_threads(1)
        trainer = begin()
        state = checkpoint.load(folder / STATE)
        if state is not None:
            trainer.load_state_dict(state)
        while trainer.step < min(until, steps):
            if rate is not None:
                for group in trainer.optimizer.param_groups:
                    group["lr"] = rate(trainer.step)
            next(trainer.run(1))
            after(folder, trainer)
        if trainer.step < steps:
            checkpoint.save(folder / STATE, trainer.state_dict())
            raise _Unfinished
        (folder / STATE).unlink(missing_ok=True)

    try:
        return cache.folder(name, make, settings, code)
    except _Unfinished:
        return None


class _Unfinished(Exception):
    """Leaves an artifact as it is, to be gone on with."""


@contextlib.contextmanager
def quiet_workers() -> Iterator[None]:
    """Leave out joblib's warning that takes the loading of torch for a memory leak."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        yield
