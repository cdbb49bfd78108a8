"""Play episodes in parallel processes, and keep what was seen (`collect`) or only the returns (`score`).

Reading guide. `play` is one episode; everything else hands out episodes to processes. Episode i depends on (seed, i) alone,
so neither the number of processes nor a restart changes a byte. A policy is a function of a random generator that returns
a function from frame to action (see `wmlib.envs.doom.scripted`). Or, with `num_envs`, it is an agent whose `vectorized` returns
a policy for so many episodes at once (see `wmlib.rollouts.vectorized`).
"""

import functools
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed

import wmlib.envs  # noqa: F401, registers the environments, here and in every worker
from wmlib.experiment import seeding
from wmlib.experiment.atomic import write_atomically
from wmlib.experiment.progress import progress
from wmlib.rollouts import store
from wmlib.rollouts.read import Rollouts
from wmlib.rollouts.store import Episode, RolloutError
from wmlib.rollouts.vectorized import VectorPolicy, play_vectorized


class Agent(Protocol):
    """A policy for vectorized environments."""

    def vectorized(self, num_envs: int) -> VectorPolicy:
        """Return a policy for so many episodes at once."""

    def describe(self) -> dict[str, Any]:
        """Return what determines the policy, as JSON."""


Policy = Callable[[np.random.Generator], Callable[[np.ndarray], Any]] | Agent


class RolloutWarning(UserWarning):
    """A shard was damaged and is collected again."""


class Scores(NamedTuple):
    """How episodes ended, in their order."""

    returns: np.ndarray  # float64 (episodes,), sum of rewards
    lengths: np.ndarray  # int64 (episodes,), number of actions


def play(env: gymnasium.Env, policy: Callable, seed: int, episode: int, observe: Callable[[np.ndarray], None]) -> Episode:
    """Play one episode.

    Args:
        env: the environment, in any state.
        policy: returns a function from frame to action, given a generator.
        seed, episode: determine the environment's seed and, independently, the policy's generator.
        observe: is called with each frame in turn, the last one included, before the environment moves on.
    """
    frame, _ = env.reset(seed=seeding.entropy(seed, "environment", episode) % 2**31)
    act = policy(seeding.generator(seed, "policy", episode))
    actions = []
    rewards = []
    over = False
    while not over:
        observe(frame)
        action = act(frame)
        frame, reward, terminated, truncated, _ = env.step(action)
        actions.append(action)
        rewards.append(float(reward))
        over = terminated or truncated
    observe(frame)
    return Episode(actions, rewards, bool(terminated))


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
        ValueError: an argument out of its range; the observations are not uint8; the arguments are no JSON.
        RolloutError: the folder holds a collection made with other arguments (the differences are listed).
        OSError: the rest would not fit on the disk. What is there stays.

    Source: ours.

    Example:
        collect(folder, "wmlib/TakeCover-v0", sticky, 600, seed=1)
        collect(folder, "wmlib/TakeCover-v0", sticky, 600, seed=1, env_kwargs={"shrunk": False}, prepare=shrink)  # faster
    """
    for name, value in (("episodes", episodes), ("shard_episodes", shard_episodes), ("num_envs", num_envs)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: got {value}; must be at least 1")
    folder = Path(folder)
    shards = -(-episodes // shard_episodes)
    manifest = {
        "environment": env_id,
        "environment_arguments": dict(env_kwargs or {}),
        "policy": _describe("policy", policy),
        "prepare": _describe("prepare", prepare) if prepare else None,
        "seed": seed,
        "episodes": episodes,
        "shard_episodes": shard_episodes,
        **({} if num_envs is None else {"num_envs": num_envs}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # a second process waits and then finds it made
        _claim(folder, manifest)
        for left in folder.glob(".*.tmp"):  # of workers that were killed
            left.unlink(missing_ok=True)
        shared = _Task(env_id, dict(env_kwargs or {}), policy, seed, prepare, num_envs)
        task = delayed(functools.partial(_shard, shared, folder))
        counts = [min(shard_episodes, episodes - i * shard_episodes) for i in range(shards)]
        tasks = [task(i, range(i * shard_episodes, i * shard_episodes + n)) for i, n in enumerate(counts)]
        made: list[int] = []
        results = Parallel(n_jobs=_workers(workers), return_as="generator_unordered")(tasks)
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
    for name, value in (("episodes", episodes), ("num_envs", num_envs)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: got {value}; must be at least 1")
    block = 10 if num_envs is None else 50  # short enough for all cores to have work, long enough to keep environments busy
    task = delayed(functools.partial(_ends, _Task(env_id, dict(env_kwargs or {}), policy, seed, prepare, num_envs)))
    tasks = [task(range(i, min(i + block, episodes))) for i in range(0, episodes, block)]
    results = Parallel(n_jobs=_workers(workers), return_as="generator")(tasks)
    ends = [end for block in (progress(results, label, total=len(tasks)) if label else results) for end in block]
    returns, lengths = zip(*ends, strict=True)
    return Scores(np.array(returns, np.float64), np.array(lengths, np.int64))


class _Task(NamedTuple):
    """What is the same for all episodes of a call; sent to the workers."""

    env_id: str
    env_kwargs: dict[str, Any]
    policy: Any
    seed: int
    prepare: Callable[[np.ndarray], np.ndarray] | None
    num_envs: int | None

    def vectorized(self, episodes: range, observe: Callable[[int, np.ndarray], None]) -> list[Episode]:
        """Play episodes with an agent, several at once."""
        envs = self.envs(len(episodes))
        policy = self.policy.vectorized(len(envs))
        return play_vectorized(envs, policy, self.seed, episodes, observe=observe, prepare=self.prepare or _as_it_is)

    def envs(self, episodes: int) -> list[gymnasium.Env]:
        """Return the environments for so many episodes."""
        return _envs(self.env_id, json.dumps(self.env_kwargs), min(self.num_envs or 1, episodes))


def _shard(task: _Task, folder: Path, shard: int, episodes: range) -> tuple[int, str | None]:
    """Make a shard unless it is whole; return its number and what was wrong with it."""
    fault = store.fault(folder, shard)
    if fault is not None and task.num_envs is None:
        env = _make(task.env_id, task.env_kwargs)
        try:
            plays = (functools.partial(play, env, task.policy, task.seed, i) for i in episodes)
            shape = env.observation_space.shape or ()
            store.write_shard(folder, shard, shape, _blank(env), plays, task.prepare)
        finally:
            env.close()
    elif fault is not None:
        frames: dict[int, list[np.ndarray]] = {i: [] for i in episodes}

        def observe(episode: int, frame: np.ndarray) -> None:
            frames[episode].append(frame.copy())

        done = task.vectorized(episodes, observe)
        replays = (functools.partial(_replay, frames[i], episode) for i, episode in zip(episodes, done, strict=True))
        blank = _blank(task.envs(len(episodes))[0])
        store.write_shard(folder, shard, frames[episodes[0]][0].shape, blank, replays)
    return shard, fault


def _replay(frames: list[np.ndarray], episode: Episode, observe: Callable[[np.ndarray], None]) -> Episode:
    for frame in frames:
        observe(frame)
    return episode


def _ends(task: _Task, episodes: range) -> list[tuple[float, int]]:
    """Play episodes; return the sum of rewards and the number of actions of each."""
    if task.num_envs is not None:
        played = task.vectorized(episodes, lambda episode, frame: None)
    else:
        env = _make(task.env_id, task.env_kwargs)
        try:
            played = [play(env, task.policy, task.seed, i, lambda frame: None) for i in episodes]
        finally:
            env.close()
    return [(sum(e.rewards), len(e.actions)) for e in played]


@functools.lru_cache(maxsize=1)
def _envs(env_id: str, env_kwargs: str, count: int) -> list[gymnasium.Env]:
    """Make environments, or take those that this process has: to start many may take longer than to play."""
    return [_make(env_id, json.loads(env_kwargs)) for _ in range(count)]


def _blank(env: gymnasium.Env) -> np.ndarray:
    space: Any = env.action_space
    return np.zeros(space.shape, space.dtype)


def _as_it_is(frames: np.ndarray) -> np.ndarray:
    return frames


def _make(env_id: str, env_kwargs: dict) -> gymnasium.Env:
    env = gymnasium.make(env_id, disable_env_checker=True, **env_kwargs)
    space = env.observation_space
    if space.dtype != np.uint8:
        env.close()
        raise ValueError(f"env_id: {env_id} has observations {space}; allowed are arrays of uint8")
    return env


def _workers(workers: int | None) -> int:
    return -1 if workers is None else workers


def _describe(name: str, function: Any) -> dict:
    """Return the name and the arguments of a function or of a partial of one, or what an agent says of itself."""
    if hasattr(function, "describe"):
        return function.describe()
    arguments = {}
    if isinstance(function, functools.partial):
        if function.args:
            raise ValueError(f"{name}: got a partial with unnamed arguments {function.args}; give them by name")
        function, arguments = function.func, function.keywords
    return {"function": f"{function.__module__}.{function.__qualname__}", "arguments": dict(arguments)}


def _claim(folder: Path, manifest: dict) -> None:
    """Write the manifest, or make sure that the one there is the same."""
    try:
        text = json.dumps(manifest, indent=1, sort_keys=True)
    except TypeError as error:
        raise ValueError(f"env_kwargs, policy, prepare: their arguments must be JSON values ({error})") from error
    path = folder / "manifest.json"
    if not path.exists():
        write_atomically(path, lambda temporary: temporary.write_text(text))
        return
    there = json.loads(path.read_text())
    here = json.loads(text)
    if there != here:
        names = [n for n in sorted({*there, *here}) if there.get(n) != here.get(n)]
        listed = "; ".join(f"{n}: {there.get(n)!r} there, {here.get(n)!r} here" for n in names)
        raise RolloutError(f"{folder} holds another collection: {listed}. Use another folder, or delete this one")


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
