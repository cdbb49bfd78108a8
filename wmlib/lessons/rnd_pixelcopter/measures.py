"""What a policy does in PixelCopter, and whether it looks: scores, kinds of episodes, blindness, a tape on another level.

Reading guide. `play` plays one episode a level and writes down every action. `kinds` sorts episodes: the author's local optimum
is "never" and "hops". `same_actions` and `replayed` ask whether a policy looks at all. `novelty_map` is what RND finds new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from wmlib.agents.policies import ActorCritic
from wmlib.agents.rnd import RND
from wmlib.lessons.rnd_pixelcopter.blind import NOTHING, UP
from wmlib.lessons.rnd_pixelcopter.world import Copters

KINDS = ("never", "hops", "rhythm", "other")
FEW_UPS = 10  # at most, of an episode of kind "hops"
IDLE_TAIL = 20  # frames without any up at its end, at least: a free fall from the middle takes 21
TO_FLOOR, HEIGHT, TO_BLOCK = 3, 0, 4  # of the seven numbers
NEAR = 3.0  # pixels above the floor at the player, from which an end counts as one at the floor: a neighbour may be higher
HEIGHTS = np.arange(6, 44, 2.0)  # edges of the novelty map, pixels from the top
DISTANCES = np.arange(0, 58, 4.0)  # pixels from the player to the next block


class Played(NamedTuple):
    """Hold one episode on each of L levels."""

    returns: np.ndarray  # float64 (L,), of the game's reward
    blocks: np.ndarray  # int64 (L,), passed
    frames: np.ndarray  # int64 (L,)
    at_floor: np.ndarray  # bool (L,), whether it ended at the floor
    ups: list[np.ndarray]  # L times int64, the frames with an up


@torch.no_grad()
def play(
    policy: ActorCritic | None,
    view: str,
    seeds: Sequence[int] | np.ndarray,
    max_frames: int,
    *,
    fixed_level: bool = False,
    generator: torch.Generator | None = None,
) -> Played:
    """Play one episode on each level.

    Args:
        policy: what acts, without a recurrent core; None: up with probability 1/2, which needs a generator.
        view: what it sees, see `Copters`.
        seeds: (L,), of the levels.
        max_frames: after which an episode is cut.
        fixed_level: every level is the same one.
        generator: CPU generator that draws actions; None: always the most probable one.
    """
    count = len(seeds)
    envs = Copters(count, view, fixed_level=fixed_level, max_frames=max_frames)
    obs, _ = envs.reset(seed=np.asarray(seeds))
    rows = np.arange(count)  # still playing
    returns = np.zeros(count)
    blocks, frames = np.zeros((2, count), np.int64)
    at_floor = np.zeros(count, bool)
    pressed: list[list[int]] = [[] for _ in range(count)]
    frame = 0
    while len(rows):
        logits = torch.zeros(len(rows), 2)
        if policy is not None:
            logits = policy.step(torch.from_numpy(obs[rows])).logits
        if generator is not None:
            logits = logits - torch.empty(logits.shape).exponential_(generator=generator).log()
        actions = np.full(count, NOTHING)
        actions[rows] = logits.argmax(-1).numpy()
        for row in rows[actions[rows] == UP]:
            pressed[row].append(frame)
        before = envs.games.num_blocks
        obs, rewards, terminated, truncated, _ = envs.step(actions)
        returns[rows] += rewards[rows]
        blocks[rows] += (envs.games.num_blocks > before)[rows]
        frames[rows] += 1
        over = rows[(terminated | truncated)[rows]]
        if len(over):
            numbers = envs.games.states()[over]
            at_floor[over] = terminated[over] & (numbers[:, TO_FLOOR] <= NEAR)
            rows = np.setdiff1d(rows, over)
        frame += 1
    return Played(returns, blocks, frames, at_floor, [np.array(each, np.int64) for each in pressed])


def kinds(played: Played) -> np.ndarray:
    """Sort episodes by the row of their actions.

    Returns:
        int64 (L,), index into `KINDS`: 0 "never", no up at all; 1 "hops", 1 to 10 ups, then at least 20 frames without any, and
        an end at the floor; 2 "rhythm", at least 3 ups whose distances differ by a frame at most; 3 "other".
    """
    sorts = np.full(len(played.ups), KINDS.index("other"))
    for i, ups in enumerate(played.ups):
        gaps = np.diff(ups)
        if not len(ups):
            sorts[i] = KINDS.index("never")
        elif len(ups) <= FEW_UPS and played.frames[i] - 1 - ups[-1] >= IDLE_TAIL and played.at_floor[i]:
            sorts[i] = KINDS.index("hops")
        elif len(ups) >= 3 and gaps.max() - gaps.min() <= 1:
            sorts[i] = KINDS.index("rhythm")
    return sorts


def shares(played: Played) -> np.ndarray:
    """Return the proportion of episodes of each of `KINDS`, float64 (4,)."""
    return np.bincount(kinds(played), minlength=len(KINDS)) / len(played.ups)


def stuck(played: Played) -> float:
    """Return the proportion of episodes in the local optimum: "never" or "hops"."""
    return float((kinds(played) <= KINDS.index("hops")).mean())


def same_actions(played: Played, first: int = 60) -> float:
    """Return how often the actions on two levels are equal: of all pairs of levels and their first frames; 1: it never looks.

    Args:
        played: at least 2 episodes.
        first: frames; those after the shorter one's end are left out.
    """
    tapes = np.full((len(played.ups), first), NOTHING)
    for tape, ups in zip(tapes, played.ups, strict=True):
        tape[ups[ups < first]] = UP
    alive = np.arange(first) < played.frames[:, None]
    counts = [((tapes == action) & alive).sum(0) for action in (UP, NOTHING)]  # (first,) each
    total = counts[0] + counts[1]
    equal = sum(count * (count - 1) for count in counts)  # ordered pairs of levels, frame by frame
    return float(np.sum(equal) / np.sum(total * (total - 1)))


def replayed(played: Played, seeds: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return what an agent's tapes score on another level each: that of the episode after, float64 (L,).

    Args:
        played: episodes of an agent.
        seeds: (L,), of their levels.
    """
    count = len(played.ups)
    envs = Copters(count)
    envs.reset(seed=np.roll(np.asarray(seeds), -1))
    longest = int(played.frames.max())
    tapes = np.full((count, longest), NOTHING)
    for tape, ups in zip(tapes, played.ups, strict=True):
        tape[ups] = UP
    returns = np.zeros(count)
    playing = np.ones(count, bool)
    frame = 0
    while playing.any():
        actions = tapes[:, frame] if frame < longest else np.full(count, NOTHING)
        _, rewards, terminated, truncated, _ = envs.step(actions)
        returns += np.where(playing, rewards, 0.0)
        playing &= ~(terminated | truncated)
        frame += 1
    return returns


class Sights(NamedTuple):
    """Hold what was seen along a flight, M observations, and where it was."""

    obs: torch.Tensor  # (M, ...)
    heights: np.ndarray  # (M,), pixels from the top
    distances: np.ndarray  # (M,), to the next block, pixels


def sights(view: str, num_levels: int, frames: int, seed: int) -> Sights:
    """Record observations over the whole cave: of a pilot who steers by the corridor, to heights that are drawn anew.

    Args:
        view: of the observations.
        num_levels: games side by side.
        frames: of each.
        seed: of levels and heights.
    """
    rng = np.random.default_rng(seed)
    envs = Copters(num_levels, view)
    obs, _ = envs.reset(seed=seed)
    aims = np.zeros(num_levels)
    seen, numbers = [], []
    for frame in range(frames):
        state = envs.games.states()
        seen.append(obs)
        numbers.append(state)
        if frame % 30 == 0:
            aims = rng.uniform(-12, 12, num_levels)  # pixels below the corridor's middle
        low = (state[:, 2] - state[:, 3]) / 2 + 8 * state[:, 1] > 1 + aims
        obs, *_ = envs.step(np.where(low, UP, NOTHING))
    where = np.concatenate(numbers)
    return Sights(torch.from_numpy(np.concatenate(seen)), where[:, HEIGHT], where[:, TO_BLOCK])


def novelty_map(rnd: RND, seen: Sights) -> np.ndarray:
    """Return the mean error of the predictor by height and distance to the next block.

    Returns:
        float64 (heights, distances), of the bins between `HEIGHTS` and `DISTANCES`; NaN where nothing was recorded.
    """
    errors = rnd.errors(seen.obs).numpy()
    bins = [HEIGHTS, DISTANCES]
    sums, _, _ = np.histogram2d(seen.heights, seen.distances, bins, weights=errors)
    counts, _, _ = np.histogram2d(seen.heights, seen.distances, bins)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
