"""Play episodes side by side, for players that think faster in batches: networks.

Reading guide. `play_together` gives each lane an episode, shows the frames of all lanes to one `Crew` at once, and gives a
lane the next episode when its own is over. Episode i is the game that `wmlib.rollouts.collection.play` plays as episode i.

The crew always sees as many frames as there are lanes: those of lanes with nothing left to play stay as they were. So what a
network answers for one lane depends neither on how many still play nor on what the others see.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import gymnasium
import numpy as np

from wmlib.experiment import seeding
from wmlib.rollouts.store import Episode


class Crew(Protocol):
    """A player of several episodes at once, one a lane."""

    def begin(self, lane: int, rng: np.random.Generator) -> None:
        """Forget what was seen in a lane: another episode begins there; its chance is that of the generator."""

    def act(self, frames: np.ndarray) -> Sequence[int]:
        """Return an action for each lane: frames uint8 (L, …)."""


def play_together(
    envs: Sequence[gymnasium.Env],
    crew: Crew,
    seed: int,
    episodes: Sequence[int],
    *,
    see: Callable[[int, np.ndarray], None] = lambda episode, frame: None,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda frames: frames,
) -> list[Episode]:
    """Play episodes; return what was done in each.

    Args:
        envs: one for each lane, in any state.
        crew: plays.
        seed, episodes: determine each environment's seed and, independently, the crew's generator for it.
        see: is called with each episode's frames in turn, as prepared, the last one included; it must copy what it keeps.
        prepare: what is made of frames before anyone sees them, (B, …) -> (B, …).
    """
    waiting, playing, done = iter(episodes), {}, {}
    raw = np.zeros((len(envs), *envs[0].observation_space.shape), np.uint8)

    def start(lane: int) -> None:
        playing.pop(lane, None)
        episode = next(waiting, None)
        if episode is not None:
            raw[lane], _ = envs[lane].reset(seed=seeding.entropy(seed, "environment", episode) % 2**31)
            crew.begin(lane, seeding.generator(seed, "policy", episode))
            playing[lane], done[episode] = episode, Episode([], [], False)

    for lane in range(len(envs)):
        start(lane)
    while playing:
        frames = prepare(raw)
        for lane, episode in playing.items():
            see(episode, frames[lane])
        actions = crew.act(frames)
        for lane, episode in list(playing.items()):
            raw[lane], reward, terminated, truncated, _ = envs[lane].step(actions[lane])
            done[episode].actions.append(actions[lane])
            done[episode].rewards.append(float(reward))
            if terminated or truncated:
                see(episode, prepare(raw[lane : lane + 1])[0])
                done[episode] = done[episode]._replace(terminated=bool(terminated))
                start(lane)
    return [done[episode] for episode in episodes]
