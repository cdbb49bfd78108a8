"""What an agent has seen, kept as whole episodes by level, and read back as windows to train a model on.

Reading guide. `Experience.add` takes an episode; `Experience.windows` draws a batch for the model, a part of it from the newest
level and a part at the ends of episodes, which are rare otherwise; `Experience.starts` draws frames in which dreams begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.models.layers import check_sizes


class Episode(NamedTuple):
    """Hold T steps of one level."""

    level: int
    frames: np.ndarray  # uint8 (T + 1, H, W, C)
    actions: np.ndarray  # int64 (T,)
    rewards: np.ndarray  # float32 (T,)
    terminated: bool  # by its last action; else a time limit cut it

    @property
    def length(self) -> int:
        """T."""
        return len(self.actions)


class Windows(NamedTuple):
    """Hold a batch of B windows of T steps; those that hang over the end of an episode are filled up and masked."""

    frames: Tensor  # float (B, T + 1, C, H, W), values in [0, 1]
    actions: Tensor  # int64 (B, T)
    before: Tensor  # int64 (B,), the action before the window; -1 at the start of an episode
    rewards: Tensor  # float (B, T)
    done: Tensor  # bool (B, T)
    mask: Tensor  # bool (B, T)


class Experience:
    """Keep episodes.

    Args:
        seed: of the draws; a state of it is in `state_dict`.

    Attributes:
        episodes: all of them, in the order of `add`.
        steps: int, of all of them.
    """

    def __init__(self, seed: int):
        self.episodes: list[Episode] = []
        self.steps = 0
        self._rng = np.random.default_rng(seed)

    def add(self, episode: Episode) -> None:
        """Keep an episode of at least one step.

        Raises:
            ValueError: shapes that do not fit together, or frames that are no bytes.
        """
        frames, count = episode.frames, episode.length
        if frames.dtype != np.uint8 or frames.ndim != 4 or len(frames) != count + 1 or count < 1:
            raise ValueError(
                f"frames are {frames.dtype} {frames.shape} for {count} actions; they must be uint8 (T + 1, H, W, C), T > 0"
            )
        self.episodes.append(episode)
        self.steps += count

    def windows(
        self,
        batch_size: int,
        seq_len: int,
        levels: Sequence[int] | None = None,
    ) -> Windows:
        """Draw windows: half from the newest level (the largest number), each fourth at the end of a terminated episode.

        Args:
            batch_size, seq_len: B, T.
            levels: only these.

        Raises:
            ValueError: there is no episode.
        """
        batch_size, seq_len = check_sizes(batch_size=batch_size, seq_len=seq_len)
        pool = [e for e in self.episodes if levels is None or e.level in levels]
        if not pool:
            raise ValueError("there is no episode to draw from; add one first")
        last = max(e.level for e in pool)
        new = [e for e in pool if e.level == last]
        chosen = []
        for k in range(batch_size):
            source = new if 2 * k < batch_size else pool
            ended = [e for e in source if e.terminated] if k % 4 == 0 else []
            chosen.append(self._window(ended or source, seq_len, at_end=bool(ended)))
        return Windows(*(torch.from_numpy(np.stack(part)) for part in zip(*chosen, strict=True)))

    def _window(self, source: Sequence[Episode], seq_len: int, at_end: bool) -> tuple[np.ndarray, ...]:
        lengths = np.array([e.length for e in source])
        episode = source[int(self._rng.choice(len(source), p=lengths / lengths.sum()))]
        last = max(episode.length - seq_len, 0)
        start = last if at_end else int(self._rng.integers(last + 1))
        count = min(seq_len, episode.length - start)
        rows = np.minimum(np.arange(start, start + seq_len + 1), episode.length)
        steps = np.minimum(rows[:-1], episode.length - 1)
        mask = np.arange(seq_len) < count
        done = mask & episode.terminated & (steps == episode.length - 1)
        before = np.int64(episode.actions[start - 1] if start else -1)
        frames = episode.frames[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
        return frames, episode.actions[steps], np.asarray(before), episode.rewards[steps].astype(np.float32), done, mask

    def starts(self, count: int, level: int, anywhere: float, rng: np.random.Generator) -> np.ndarray:
        """Draw frames in which dreams begin, uint8 (count, H, W, C).

        Args:
            count: how many.
            level: of which episodes.
            anywhere: proportion that is any frame but the last of an episode; the others are first frames.
            rng: for the draws.
        """
        pool = [e for e in self.episodes if e.level == level]
        frames = []
        for _ in range(count):
            episode = pool[int(rng.integers(len(pool)))]
            frames.append(episode.frames[int(rng.integers(episode.length)) if rng.random() < anywhere else 0])
        return np.stack(frames)

    def reward_range(self) -> tuple[float, float]:
        """Return the smallest and the largest reward seen."""
        rewards = np.concatenate([e.rewards for e in self.episodes])
        return float(rewards.min()), float(rewards.max())

    def usual_reward(self) -> float:
        """Return the median of the rewards of steps that ended no episode, such as a cost for each step."""
        return float(np.median(np.concatenate([e.rewards[: len(e.rewards) - e.terminated] for e in self.episodes])))

    def state_dict(self) -> dict:
        """Copy everything that determines what comes."""
        return {"episodes": list(self.episodes), "rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""
        self.episodes = [Episode(*parts) for parts in state["episodes"]]  # a checkpoint keeps plain tuples
        self.steps = sum(e.length for e in self.episodes)
        self._rng.bit_generator.state = state["rng"]
