"""What a policy does in PixelCopter, and whether it looks: scores, a tape on another level, what is novel.

Reading guide. `play` plays one episode a level and writes down every action. `numbers` keeps of them what module `kinds` sorts
episodes by. `replayed` asks whether a policy looks at all. `novelty_map` is the error of RND over the cave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from wmlib.agents.collector import state_rows
from wmlib.agents.policies import ActorCritic
from wmlib.agents.rnd import RND
from wmlib.lessons.rnd_pixelcopter.blind import NOTHING, UP
from wmlib.lessons.rnd_pixelcopter.world import Copters

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
    policy: ActorCritic | float,
    view: str,
    seeds: Sequence[int] | np.ndarray,
    max_frames: int,
    *,
    fixed_level: bool = False,
    generator: torch.Generator | None = None,
) -> Played:
    """Play one episode on each level.

    Args:
        policy: what acts; a number: a coin that gives up with this probability, which needs a generator.
        view: what it sees, see `Copters`.
        seeds: (L,), of the levels.
        max_frames: after which an episode is cut.
        fixed_level: every level is the same one.
        generator: CPU generator that draws actions; None: always the most probable one.

    Raises:
        ValueError: another word for the view.
    """
    count = len(seeds)
    envs = Copters(count, view, fixed_level=fixed_level, max_frames=max_frames)
    obs, _ = envs.reset(seed=np.asarray(seeds))
    rows = np.arange(count)  # still playing
    state = () if isinstance(policy, float) else policy.initial_state(count)
    goes_on = torch.zeros(count, dtype=torch.bool)  # no row starts an episode after the reset
    returns = np.zeros(count)
    blocks, frames = np.zeros((2, count), np.int64)
    at_floor = np.zeros(count, bool)
    pressed: list[list[int]] = [[] for _ in range(count)]
    frame = 0
    while len(rows):
        if isinstance(policy, float):
            logits = torch.tensor([policy, 1 - policy]).log().expand(len(rows), 2)
        else:
            logits, _, state = policy.step(torch.from_numpy(obs[rows]), state, goes_on[: len(rows)])
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
            lasting = ~(terminated | truncated)[rows]
            rows = rows[lasting]
            state = state_rows(state, torch.from_numpy(lasting))
        frame += 1
    return Played(returns, blocks, frames, at_floor, [np.array(each, np.int64) for each in pressed])


def numbers(played: Played) -> dict[str, np.ndarray]:
    """Return numbers of each episode, without its actions, from which `kinds.kinds` and later definitions can be computed.

    Returns:
        returns, blocks, frames, at_floor as `Played`; int64 num_ups; last_up, the frame of the last up, -1 without any;
        min_gap, max_gap, frames between one up and the next, 0 with fewer than two; all (L,).
    """
    gaps = [np.diff(ups) for ups in played.ups]
    return {
        "returns": played.returns,
        "blocks": played.blocks,
        "frames": played.frames,
        "at_floor": played.at_floor,
        "num_ups": np.array([len(ups) for ups in played.ups]),
        "last_up": np.array([ups[-1] if len(ups) else -1 for ups in played.ups]),
        "min_gap": np.array([each.min() if len(each) else 0 for each in gaps]),
        "max_gap": np.array([each.max(initial=0) for each in gaps]),
    }


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
        num_levels: vectorized environments, one a level.
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
