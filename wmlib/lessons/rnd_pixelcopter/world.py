"""PixelCopter as the agents of notebook 08 see it: six or seven scaled numbers or four small pictures, and two kinds of reward.

Reading guide. `Copters` is a Gymnasium vector environment around the compiled games. It can be stored and gone on from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numba import njit

from wmlib.envs.pixelcopter import Games

CENTER = np.array([24, 0, 12, 12, 30, 24, 33], np.float32)  # of the seven numbers at 48 x 48, in pixels
SCALE = np.array([6, 1, 6, 6, 20, 8, 8], np.float32)
CLIP = 5.0
SIDE = 24  # of a picture: the screen's 48 pixels, two by two
STACK = 4  # pictures that a policy sees
VIEWS = ("state", "positions", "pixels")
VELOCITY = 1  # of the seven numbers
REWARDS = ("game", "third blocks")
THIRD = 3  # blocks from one reward to the next, where only these pay
MAX_FRAMES = 10_000  # of an episode, as in gym-ple


class Copters(gymnasium.vector.VectorEnv):
    """Games of PixelCopter, vectorized; game i of `reset(seed=s)` is the level of seed s + i.

    Args:
        num_envs: N.
        view: "state", float32 (7,), the seven numbers, shifted and scaled to about ±1 and clipped to ±5; "positions", float32
            (6,), these without the velocity; or "pixels", uint8 (24, 24, 4), the last four screens in grey, the newest last,
            black before the start.
        reward: "game", the game's own; or "third blocks", 1 for every third block that is passed, nothing else and no penalty.
        fixed_level: whether every episode is on one and the same level.
        max_frames: after which an episode is truncated.

    Raises:
        ValueError: another word for view or reward.

    Example:
        >>> envs = Copters(3, "pixels")
        >>> envs.reset(seed=1)[0].shape
        (3, 24, 24, 4)
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        num_envs: int,
        view: str = "state",
        reward: str = "game",
        fixed_level: bool = False,
        max_frames: int = MAX_FRAMES,
    ):
        for name, word, words in (("view", view, VIEWS), ("reward", reward, REWARDS)):
            if word not in words:
                raise ValueError(f"{name} is {word!r}; choose one of {', '.join(words)}")
        self.games = Games(num_envs, max_steps=max_frames, fixed_level=fixed_level)
        self.num_envs, self.view, self.reward = num_envs, view, reward
        self.single_observation_space = (
            spaces.Box(0, 255, (SIDE, SIDE, STACK), np.uint8)
            if view == "pixels"
            else spaces.Box(-CLIP, CLIP, (7 if view == "state" else 6,), np.float32)
        )
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._screens = np.empty((num_envs, 2 * SIDE, 2 * SIDE, 1), np.uint8)
        self._stack = np.zeros((num_envs, SIDE, SIDE, STACK), np.uint8)
        self._passed = np.zeros(num_envs, np.int64)  # blocks, in the episodes under way

    def reset(
        self, *, seed: int | Sequence[int] | np.ndarray | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Start an episode in every game.

        Args:
            seed: s: game i is the level of s + i. A sequence: game i gets its i-th. None: the next level of each game.
            options: not used.
        """
        seeds = range(seed, seed + self.num_envs) if isinstance(seed, (int, np.integer)) else seed
        self.games.reset(seeds)
        self._stack[:] = 0
        self._passed[:] = 0
        return self._observe(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Play a frame of every game; actions int (N,), 0 up, 1 nothing."""
        games = self.games
        blocks = games.num_blocks
        begins = games.terminated | games.truncated
        games.step(actions)
        self._stack[begins] = 0
        self._passed[begins] = 0
        passes = games.num_blocks > blocks
        self._passed += passes
        rewards = games.rewards.copy() if self.reward == "game" else (passes & (self._passed % THIRD == 0)).astype(float)
        return self._observe(), rewards, games.terminated.copy(), games.truncated.copy(), {}

    def _observe(self) -> np.ndarray:
        if self.view != "pixels":
            state = np.clip((self.games.states(np.empty((self.num_envs, 7), np.float32)) - CENTER) / SCALE, -CLIP, CLIP)
            return state if self.view == "state" else np.delete(state, VELOCITY, 1)
        self.games.pictures(self._screens, channels=1)
        _shift(self._stack, self._screens)
        return self._stack.copy()

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy where every game is."""
        return {**self.games.state_dict(), "stack": self._stack.copy(), "passed": self._passed.copy()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state_dict`, to the bit."""
        self.games.load_state_dict(state)
        self._stack[:] = state["stack"]
        self._passed[:] = state["passed"]


@njit(cache=True, nogil=True)
def _shift(stack, screens):
    """Move the pictures of a stack by one, and put the means of the screens' squares of 2 x 2 pixels last."""
    num_envs, height, width, last = stack.shape
    for n in range(num_envs):
        for y in range(height):
            for x in range(width):
                for k in range(last - 1):
                    stack[n, y, x, k] = stack[n, y, x, k + 1]
                total = 0
                for i in range(2):
                    for j in range(2):
                        total += screens[n, 2 * y + i, 2 * x + j, 0]
                stack[n, y, x, last - 1] = total // 4
