"""Play episodes in parallel processes, and keep what was seen (`collect`) or only the returns (`score`).

Reading guide. `task` says what an episode is; here episodes go to processes. Episode i depends on (seed, i) alone, so
neither the number of processes nor a restart changes a byte. `task.check` tries what can be tried before anything is written;
`_claim` asks the shards in a folder whose it is, so a call that failed before its first shard holds no folder.
"""

import contextlib
import functools
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed, effective_n_jobs

from wmlib.experiment import records
from wmlib.experiment.counts import is_count
from wmlib.experiment.progress import progress
from wmlib.experiment.records import RecordError
from wmlib.rollouts import store
from wmlib.rollouts.read import Rollouts
from wmlib.rollouts.store import Episode, RolloutError
from wmlib.rollouts.task import Policy, Task, blank_action, check, describe, play


class RolloutWarning(UserWarning):
    """A shard or a manifest was damaged, lost or another's, and is made again."""


class Scores(NamedTuple):
    """How episodes ended, in their order."""

    returns: np.ndarray  # float64 (episodes,), sum of rewards
    lengths: np.ndarray  # int64 (episodes,), number of actions


def collect(
    folder: str | Path,
    env_id: str,
    policy: Policy,
    episodes: int,
    seed: int,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    shard_episodes: int = 100,
    num_envs: int | None = None,
    workers: int | None = None,
    label: str | None = "shards of episodes",
) -> Rollouts:
    """Collect episodes into a folder, or finish, check and mend what is there.

    Whole shards stay as they are; missing, truncated or altered ones are played again, to the same bytes. So the same call
    goes on after a kill, and a second call only checks.

    Args:
        folder: where; made if need be (see `wmlib.rollouts.store` for what will lie there).
        env_id: an environment with uint8 observations, for example "wmlib/TakeCover-v0"; "module:id" for one of your own.
        policy: a function, or a `functools.partial` of one with JSON values by name, that the workers can import; or, with
            `num_envs`, an agent, see `Agent`.
        episodes: how many, 1 and above.
        seed: of the whole collection, 0 and above.
        env_kwargs: the environment's arguments, JSON values.
        prepare: what to store of a block of frames, (B, …) -> (B, …), both uint8; a function that the workers can import.
            For policies that need not see the result, which is cheaper in blocks than frame by frame. An agent sees it.
        shard_episodes: episodes in a shard; one shard is what a kill costs each worker (and with `num_envs` held in memory).
        num_envs: episodes that an agent plays at once in a process; None: the policy plays one at a time. It changes no game,
            but a network may round otherwise in batches of another size.
        workers: processes; None: one for each core. Changes no byte. Where they run, `wmlib.experiment.backend` says.
        label: for the progress bar; None: there is none.

    Raises:
        ValueError: an argument that is not allowed, named; the observations are not uint8. Nothing has been written then.
        RolloutError: the folder holds a collection made with other arguments (the differences are listed), or other files.
        OSError: the rest would not fit on the disk. What is there stays.

    Source: ours.

    Example:
        collect(folder, "wmlib/TakeCover-v0", sticky, 600, seed=1)
        collect(folder, "wmlib/TakeCover-v0", sticky, 600, seed=1, env_kwargs={"shrunk": False}, prepare=shrink)  # faster
    """
    task = check(env_id, policy, episodes, seed, env_kwargs, prepare, num_envs, workers)
    if not is_count(shard_episodes):
        raise ValueError(f"shard_episodes: got {shard_episodes!r}; allowed is a whole number >= 1")
    folder = _place(folder)
    manifest = {
        "environment": env_id,
        "environment_arguments": records.plain(task.env_kwargs, "env_kwargs"),
        "policy": describe("policy", policy),
        "prepare": describe("prepare", prepare) if prepare else None,
        "seed": task.seed,
        "episodes": int(episodes),
        "shard_episodes": int(shard_episodes),
        **({} if num_envs is None else {"num_envs": int(num_envs)}),
    }
    shards = store.num_shards(manifest)
    job = delayed(functools.partial(_shard, task, folder, manifest))
    jobs = [job(i, range(i * shard_episodes, min((i + 1) * shard_episodes, episodes))) for i in range(shards)]
    with _claim(folder, manifest):  # a second process waits and then finds it made
        for left in folder.glob(".*.tmp"):  # of workers that were killed
            left.unlink(missing_ok=True)
        made: list[int] = []
        results = Parallel(n_jobs=_workers(workers), return_as="generator_unordered")(jobs)
        for shard, fault in progress(results, label, total=shards) if label else results:
            if fault:
                warnings.warn(f"{folder}: {fault}; shard {shard} is collected again", RolloutWarning, stacklevel=2)
            made.append(shard)
            _check_space(folder, made, shards)
    return Rollouts(folder)


def score(
    env_id: str,
    policy: Policy,
    episodes: int,
    seed: int,
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    num_envs: int | None = None,
    workers: int | None = None,
    label: str | None = "blocks of episodes",
) -> Scores:
    """Play episodes and keep only how they ended; arguments as for `collect`.

    The games of two policies are the same if their seeds are.
    """
    shared = check(env_id, policy, episodes, seed, env_kwargs, prepare, num_envs, workers)
    block = 10  # short enough for all cores to have work
    if num_envs is not None:  # one block a process, which keeps environments busy
        block = max(num_envs, -(-episodes // effective_n_jobs(_workers(workers))))
    task = delayed(functools.partial(_ends, shared))
    tasks = [task(range(i, min(i + block, episodes))) for i in range(0, episodes, block)]
    results = Parallel(n_jobs=_workers(workers), return_as="generator")(tasks)
    ends = [end for block in (progress(results, label, total=len(tasks)) if label else results) for end in block]
    returns, lengths = zip(*ends, strict=True)
    return Scores(np.array(returns, np.float64), np.array(lengths, np.int64))


def _shard(task: Task, folder: Path, collection: dict, shard: int, episodes: range) -> tuple[int, str | None]:
    """Make a shard unless it is whole; return its number and what was wrong with it."""
    fault = store.fault(folder, shard, collection)
    if fault is not None and task.num_envs is None:
        env = task.make()
        try:
            plays = (functools.partial(play, env, task.policy, task.seed, i) for i in episodes)
            shape = env.observation_space.shape or ()
            store.write_shard(folder, shard, collection, shape, blank_action(env), plays, task.prepare)
        finally:
            env.close()
    elif fault is not None:
        frames: dict[int, list[np.ndarray]] = {i: [] for i in episodes}

        def observe(episode: int, frame: np.ndarray) -> None:
            frames[episode].append(frame.copy())

        done = task.vectorized(episodes, observe)
        replays = (functools.partial(_replay, frames[i], episode) for i, episode in zip(episodes, done, strict=True))
        blank = blank_action(task.envs(len(episodes))[0])
        store.write_shard(folder, shard, collection, frames[episodes[0]][0].shape, blank, replays)
    return shard, fault


def _replay(frames: list[np.ndarray], episode: Episode, observe: Callable[[np.ndarray], None]) -> Episode:
    for frame in frames:
        observe(frame)
    return episode


def _ends(task: Task, episodes: range) -> list[tuple[float, int]]:
    """Play episodes; return the sum of rewards and the number of actions of each."""
    if task.num_envs is not None:
        played = task.vectorized(episodes, lambda episode, frame: None)
    else:
        env = task.make()
        try:
            played = [play(env, task.policy, task.seed, i, lambda frame: None) for i in episodes]
        finally:
            env.close()
    return [(sum(e.rewards), len(e.actions)) for e in played]


def _workers(workers: int | None) -> int:
    return -1 if workers is None else workers


def _place(folder: Any) -> Path:
    """Return a folder that is there or can be made."""
    if not isinstance(folder, str | Path) or not str(folder):
        raise ValueError(f"folder: got {folder!r}; allowed is the path of a folder")
    there = next(path for path in (Path(folder), *Path(folder).absolute().parents) if path.exists())
    if not there.is_dir():
        raise ValueError(f"folder: got {folder}, but {there} is a file; name another folder")
    return Path(folder)


@contextlib.contextmanager
def _claim(folder: Path, manifest: dict) -> Iterator[None]:
    """Make a folder, hold its lock, and write the manifest; if this fails before there is a shard, all of it goes again.

    Raises:
        RolloutError: the folder holds something else.
    """
    is_new = not folder.exists()
    lock = FileLock(folder / ".lock")
    is_first = not Path(lock.lock_file).exists()
    while not lock.is_locked:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # the folder went: another call failed, while this one waited for it
            lock.acquire()
    written = [Path(lock.lock_file)] if is_first else []
    try:
        if _is_to_be_written(folder, manifest):
            written.append(folder / store.MANIFEST)
            records.write(written[-1], manifest)
        yield
    except BaseException:
        if not any(folder.glob("[0-9]*.json")):
            for path in written:
                path.unlink(missing_ok=True)
        if is_new:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()
        raise
    finally:
        lock.release()


def _is_to_be_written(folder: Path, manifest: dict) -> bool:
    """Make sure that a folder is free or holds this collection; return whether its manifest is not there.

    A folder belongs to the collection that its shards name, whatever its manifest says; without a shard it is free. Shards of
    earlier versions name nobody: the manifest, which has no checksum then, speaks for them, and they are collected again.
    """
    there = None
    fault = None
    try:
        there = store.read_manifest(folder)
    except FileNotFoundError:
        fault = f"{store.MANIFEST} is missing"
    except RecordError as error:
        fault = str(error)
    use_another = "Use another folder, or delete this one"
    facts = sorted(folder.glob("[0-9]*.json"))
    owners = []
    for path in facts:
        with contextlib.suppress(RecordError, FileNotFoundError):  # a damaged shard names nobody
            owners.append(store.read_facts(path)["collection"])
    if facts and not owners and there is not None:
        owners = [there]
    if owners and manifest not in owners:
        raise RolloutError(f"{folder} holds another collection: {records.differences(owners[0], manifest)}. {use_another}")
    if not owners and there is None and (facts or (folder / store.MANIFEST).exists()):
        raise RolloutError(f"{folder} holds another thing, or nothing that is whole: {fault}. {use_another}")
    if there is not None and there != manifest:
        fault = f"{store.MANIFEST} is another collection's ({records.differences(there, manifest)})"
    if fault is not None and owners:
        warnings.warn(f"{folder}: {fault}; it is written again", RolloutWarning, stacklevel=5)
    return there != manifest


def _check_space(folder: Path, made: list[int], shards: int) -> None:
    """Stop early if the shards to come, as large as those made, would not fit."""
    mean = sum(store.shard_bytes(folder, shard) for shard in made) / len(made)
    needed = mean * (shards - len(made))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{folder}: the other {shards - len(made)} of {shards} shards need about {needed / 1e9:.1f} GB and "
            f"{free / 1e9:.1f} GB are free. Free some, or collect fewer episodes; the same call goes on from here"
        )
