"""Play episodes in vectorized environments, for policies that are faster in batches: networks.

Reading guide. `play_vectorized` gives each environment an episode, shows the frames of all environments to one policy at
once, and gives an environment the next episode when its own is over. Episode i is the one that
`wmlib.rollouts.task.play` plays as episode i.

The policy always sees as many frames as there are environments: those of environments with nothing left to play stay as they
were. So what a network answers for one of them depends neither on how many still play nor on what the others see.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import gymnasium
import numpy as np

from wmlib.experiment import seeding
from wmlib.rollouts.store import Episode


class VectorPolicy(Protocol):
    """A policy for several episodes at once, one an environment."""

    def begin(self, env: int, rng: np.random.Generator) -> None:
        """Forget what was seen in an environment: another episode begins there, with random numbers from `rng`."""

    def act(self, frames: np.ndarray) -> Sequence[int]:
        """Return an action for each environment: frames uint8 (num_envs, …)."""


def play_vectorized(
    envs: Sequence[gymnasium.Env],
    policy: VectorPolicy,
    seed: int,
    episodes: Sequence[int],
    *,
    observe: Callable[[int, np.ndarray], None] = lambda episode, frame: None,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda frames: frames,
) -> list[Episode]:
    """Play episodes; return what was done in each.

    Args:
        envs: in any state.
        policy: acts in all of them.
        seed, episodes: determine each episode's environment seed and, independently, the policy's generator for it.
        observe: is called with each episode's frames in turn, as prepared, the last one included; it must copy what it keeps.
        prepare: what is made of frames before anyone sees them, (B, …) -> (B, …).
    """
    waiting = iter(episodes)
    playing: dict[int, int] = {}  # environment -> episode
    done: dict[int, Episode] = {}
    raw = np.zeros((len(envs), *(envs[0].observation_space.shape or ())), np.uint8)

    def start(env: int) -> None:
        playing.pop(env, None)
        episode = next(waiting, None)
        if episode is not None:
            raw[env], _ = envs[env].reset(seed=seeding.entropy(seed, "environment", episode) % 2**31)
            policy.begin(env, seeding.generator(seed, "policy", episode))
            playing[env] = episode
            done[episode] = Episode([], [], False)

    for env in range(len(envs)):
        start(env)
    while playing:
        frames = prepare(raw)
        for env, episode in playing.items():
            observe(episode, frames[env])
        actions = policy.act(frames)
        for env, episode in list(playing.items()):
            raw[env], reward, terminated, truncated, _ = envs[env].step(actions[env])
            done[episode].actions.append(actions[env])
            done[episode].rewards.append(float(reward))
            if terminated or truncated:
                observe(episode, prepare(raw[env : env + 1])[0])
                done[episode] = done[episode]._replace(terminated=bool(terminated))
                start(env)
    return [done[episode] for episode in episodes]
