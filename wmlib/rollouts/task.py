"""What is played: an environment, a policy and the episodes' seed, tried before anything is written.

Reading guide. `check` makes a `Task` of the arguments that `collect` and `score` share, or names the one that cannot be used.
`play` is one episode; `Task.vectorized` plays several at once. `describe` is what a manifest says of a policy. A policy is a
function of a random generator that returns a function from frame to action (see `wmlib.envs.doom.scripted`). Or, with
`num_envs`, it is an agent whose `vectorized` returns a policy for so many episodes at once (see `wmlib.rollouts.vectorized`).
"""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np

import wmlib.envs  # noqa: F401, registers the environments, here and in every worker
from wmlib.experiment import records, seeding
from wmlib.experiment.counts import is_count, is_number_of_workers
from wmlib.rollouts.store import Episode
from wmlib.rollouts.vectorized import VectorPolicy, play_vectorized


class Agent(Protocol):
    """A policy for vectorized environments."""

    def vectorized(self, num_envs: int) -> VectorPolicy:
        """Return a policy for so many episodes at once."""

    def describe(self) -> dict[str, Any]:
        """Return what determines the policy, as JSON."""


Policy = Callable[[np.random.Generator], Callable[[np.ndarray], Any]] | Agent


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


class Task(NamedTuple):
    """What is the same for all episodes of a call; sent to the workers."""

    env_id: str
    env_kwargs: dict[str, Any]
    policy: Any
    seed: int
    prepare: Callable[[np.ndarray], np.ndarray] | None
    num_envs: int | None

    def make(self) -> gymnasium.Env:
        """Make the environment."""
        return gymnasium.make(self.env_id, disable_env_checker=True, **self.env_kwargs)

    def vectorized(self, episodes: range, observe: Callable[[int, np.ndarray], None]) -> list[Episode]:
        """Play episodes with an agent, several at once."""
        envs = self.envs(len(episodes))
        policy = self.policy.vectorized(len(envs))
        return play_vectorized(envs, policy, self.seed, episodes, observe=observe, prepare=self.prepare or _as_it_is)

    def envs(self, episodes: int) -> list[gymnasium.Env]:
        """Return the environments for so many episodes."""
        return _envs(self.env_id, json.dumps(self.env_kwargs), min(self.num_envs or 1, episodes))


@functools.lru_cache(maxsize=1)
def _envs(env_id: str, env_kwargs: str, count: int) -> list[gymnasium.Env]:
    """Make environments, or take those that this process has: to start many may take longer than to play."""
    return [gymnasium.make(env_id, disable_env_checker=True, **json.loads(env_kwargs)) for _ in range(count)]


def _as_it_is(frames: np.ndarray) -> np.ndarray:
    return frames


def blank_action(env: gymnasium.Env) -> np.ndarray:
    """Return an action of zeros; its shape and type are those of all.

    Raises:
        ValueError: the actions are neither numbers nor arrays.
    """
    space: Any = env.action_space
    if space.shape is None or space.dtype is None:
        raise ValueError(f"env_id, env_kwargs: the actions of {env} are {space}; allowed are numbers or arrays")
    return np.zeros(space.shape, space.dtype)


def _blank_frames(env: gymnasium.Env) -> np.ndarray:
    """Return two frames of zeros."""
    space = env.observation_space
    if space.dtype != np.uint8 or space.shape is None:
        raise ValueError(
            f"env_id, env_kwargs: {env.spec.id if env.spec else env} has observations {space}; allowed are arrays of uint8"
        )
    return np.zeros((2, *space.shape), np.uint8)


def check(
    env_id: str,
    policy: Policy,
    episodes: int,
    seed: int,
    env_kwargs: Mapping[str, Any] | None,
    prepare: Callable[[np.ndarray], np.ndarray] | None,
    num_envs: int | None,
    workers: int | None,
) -> Task:
    """Return what the workers need, after trying all that can be tried without playing; arguments as for `collect`.

    Raises:
        ValueError: an argument that is not allowed, named.
    """
    seeding.entropy(seed)
    for name, value in (("episodes", episodes), ("num_envs", num_envs)):
        if not is_count(value) and not (value is None and name == "num_envs"):
            raise ValueError(f"{name}: got {value!r}; allowed is a whole number >= 1")
    if workers is not None and not is_number_of_workers(workers):
        raise ValueError(f"workers: got {workers!r}; allowed is a whole number of processes, or None for one a core")
    if num_envs is None:
        _check_function("policy", policy, "a function of a random generator, or with num_envs an agent")
    elif not hasattr(policy, "vectorized"):
        raise ValueError(f"policy: got {policy!r}; with num_envs={num_envs} it must be an agent, with a method vectorized()")
    if prepare is not None:
        _check_function("prepare", prepare, "None, or a function of a block of frames")
    if not isinstance(env_kwargs, Mapping | None) or not all(isinstance(name, str) for name in env_kwargs or ()):
        raise ValueError(f"env_kwargs: got {env_kwargs!r}; allowed is a mapping of the environment's arguments by name")
    if not isinstance(env_id, str):
        raise ValueError(f"env_id: got {env_id!r}; allowed is the id of a registered environment")
    task = Task(env_id, dict(env_kwargs or {}), policy, int(seed), prepare, num_envs)
    _try_environment(task)
    return task


def _check_function(name: str, function: Any, allowed: str) -> None:
    """Raise if something cannot be called with one argument."""
    try:
        if not callable(function):
            raise TypeError("it cannot be called")
        inspect.signature(function).bind(None)
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError) or isinstance(function, functools.partial):  # else it has no signature to be checked
            raise ValueError(f"{name}: got {function!r}: {error}; allowed is {allowed}") from None


def _try_environment(task: Task) -> None:
    """Raise if the environment cannot be made, or if what `prepare` makes of its frames cannot be stored."""
    try:
        env = task.make()
    except (gymnasium.error.Error, TypeError, ValueError, ImportError) as error:
        if isinstance(error, ImportError) and _missing(error) != task.env_id.partition(":")[0]:
            raise  # of the environment itself: it says what is missing
        raise ValueError(f"env_id, env_kwargs: got {task.env_id!r}, {task.env_kwargs}: {error}") from error
    try:
        frames = _blank_frames(env)
        blank_action(env)
    finally:
        env.close()
    if task.prepare is None:
        return
    try:
        prepared = task.prepare(frames)
        fits = prepared.dtype == np.uint8 and len(prepared) == len(frames)
    except Exception as error:
        raise ValueError(f"prepare: {task.prepare!r} fails on frames of shape {frames.shape}: {error!r}") from error
    if not fits:
        raise ValueError(
            f"prepare: {task.prepare!r} makes {prepared.dtype} {prepared.shape} of frames uint8 {frames.shape}; "
            "allowed is uint8, of as many frames"
        )


def _missing(error: BaseException) -> str | None:
    """Return the module that an import did not find; gymnasium raises an error of its own from that one."""
    return getattr(error, "name", None) or getattr(error.__cause__, "name", None)


def describe(name: str, function: Any) -> dict:
    """Return the name and the arguments of a function or of a partial of one, or what an agent says of itself.

    Args:
        name: of the argument, for an error.
        function: a policy, or what prepares frames.

    Raises:
        ValueError: a function that has no name of its own, or whose arguments are no JSON values by name.
    """
    if hasattr(function, "describe"):
        return records.plain(function.describe(), name)
    arguments = {}
    if isinstance(function, functools.partial):
        if function.args:
            raise ValueError(f"{name}: got a partial with unnamed arguments {function.args}; give them by name")
        function, arguments = function.func, function.keywords
    if "<" in getattr(function, "__qualname__", "<"):
        raise ValueError(
            f"{name}: got {function!r}, which no name tells from others like it (a lambda, a nested function or an object); "
            "define a function at the top of a module"
        )
    return {"function": f"{function.__module__}.{function.__qualname__}", "arguments": records.plain(dict(arguments), name)}
