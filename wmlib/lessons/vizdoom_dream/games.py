"""Agents and scripted players in the real game: tests, recordings, new experience.

Reading guide. A policy is a scripted player (a function, see `envs.doom.scripted`) or a `WorldModelsAgent`. `play` lets
policies play the same games and keeps how long they lived. `record_episodes` keeps what was seen and done, `record_latents`
latents in place of frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.envs.doom import take_cover
from wmlib.experiment import seeding
from wmlib.lessons.vizdoom_dream import latents
from wmlib.models.vae import Posterior
from wmlib.rollouts import Rollouts, collection
from wmlib.rollouts.task import check
from wmlib.training.jobs import cached_map, parallel_map, quiet_workers

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

K = TypeVar("K")
Policy = Callable | WorldModelsAgent
NUM_ENVS = 16  # games that an agent plays at once in a process
SHRUNK_IN_BATCHES: dict[str, Any] = {"env_kwargs": {"shrunk": False}, "prepare": take_cover.shrink, "num_envs": NUM_ENVS}


def play(run: Run, policies: Sequence[Policy], count: int, name: str) -> list[np.ndarray]:
    """Let policies play the real game, a process for each; return the tics each survived, int64 (count,).

    One process per policy: splitting each policy's games would make every process wait for the longest game.

    Args:
        policies: who plays.
        count: games, the same for all.
        name: which games; other names, other games.
    """
    calls = [{"policy": policy, "count": count, "seed": games_seed(run, name)} for policy in policies]
    return cached_map(run.cache, survived_tics, calls, "players", parallel=len(policies) > 1)


def survived_tics(policy: Policy, count: int, seed: int) -> np.ndarray:
    """Return the tics that a policy survives in each game, int64 (count,): in this process, and without a progress bar."""
    return collection.score(take_cover.ENV_ID, policy, count, seed, workers=1, label=None, **_batched(policy)).lengths


def play_each(run: Run, policies: Mapping[K, Sequence[Policy]], count: int, name: str) -> dict[K, np.ndarray]:
    """Let the policies of every training seed play the same games.

    Args:
        policies: by name, one for each training seed.
        count, name: as for `play`.

    Returns:
        by name the tics survived, int64 (training seeds, count).
    """
    flat = iter(play(run, [policy for each in policies.values() for policy in each], count, name))
    return {key: np.stack([next(flat) for _ in each]) for key, each in policies.items()}


def games_seed(run: Run, name: str) -> int:
    """Return the seed of games of that name."""
    return seeding.entropy(run.seed, "games", name) % 2**31


def _batched(policy: Policy) -> dict[str, Any]:
    """Return arguments of `score` and `collect` for a policy: an agent plays several games at once, which is faster."""
    return SHRUNK_IN_BATCHES if isinstance(policy, WorldModelsAgent) else {}


def record_episodes(run: Run, policy: Policy, count: int, name: str = "recorded", shard_episodes: int = 5) -> Rollouts:
    """Let a policy play, and keep what it saw and did.

    Args:
        policy: who plays.
        count: games.
        name: which games: none of the tests', nor of the episodes that the first models learn from.
        shard_episodes: games in a shard.
    """
    folder = run.cached_folder(collect_episodes, policy, count, games_seed(run, name), shard_episodes)
    return Rollouts(folder / "episodes")


def collect_episodes(folder: Path, policy: Policy, count: int, seed: int, shard_episodes: int) -> None:
    """Collect games of a policy into a folder `episodes`; arguments as for `collect`."""
    with quiet_workers():
        collection.collect(
            folder / "episodes", take_cover.ENV_ID, policy, count, seed, shard_episodes=shard_episodes, **_batched(policy)
        )


def record_latents(run: Run, agents: Sequence[WorldModelsAgent], count: int, name: str) -> list[Path]:
    """Let agents play, a process for each, and keep what a world model learns from; return the folders, see `latents.read`.

    Args:
        agents: who plays.
        count: games of each.
        name: which games; other names, other games.
    """
    calls = [(collect_latents, agent, count, games_seed(run, name)) for agent in agents]
    parallel_map(run.cache.folder, calls, "own games", parallel=len(calls) > 1)
    return [run.cached_folder(*call) for call in calls]


def collect_latents(folder: Path, agent: WorldModelsAgent, count: int, seed: int) -> None:
    """Let an agent play, in this process, and keep latents, actions and ends in a folder; the frames are not kept."""
    played: list[int] = []  # of each frame the game
    frames: list[np.ndarray] = []  # that wait to be encoded
    posteriors: list[Posterior] = []

    def observe(game: int, frame: np.ndarray) -> None:
        played.append(game)
        frames.append(frame.copy())
        if len(frames) == latents.BATCH:
            posteriors.append(agent.vae.encode(np.stack(frames)))
            frames.clear()

    task = check(take_cover.ENV_ID, agent, count, seed, workers=1, **SHRUNK_IN_BATCHES)
    with torch.no_grad():
        done = task.vectorized(range(count), observe)
        if frames:
            posteriors.append(agent.vae.encode(np.stack(frames)))
    order = np.argsort(played, kind="stable")
    for column, values in zip(latents.COLUMNS, zip(*posteriors, strict=True), strict=True):
        np.save(folder / f"{column}.npy", torch.cat(values).numpy().astype(np.float16)[order])
    lengths = np.array([len(game.actions) for game in done])
    terminated = np.zeros(len(played), bool)
    terminated[np.cumsum(lengths + 1) - 2] = [game.terminated for game in done]
    latents.write_steps(
        folder,
        np.concatenate([[*game.actions, 0] for game in done]),
        np.concatenate([[*game.rewards, 0] for game in done]).astype(np.float32),
        terminated,
        lengths,
    )
