"""Pixelcopter with Gymnasium's vector interface: hundreds of games a call, without Python between them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from wmlib.envs.pixelcopter.environment import MAX_EPISODE_STEPS, check_modes, observation_space, observe
from wmlib.envs.pixelcopter.games import MAX_SEED, Games


class PixelCopterVector(VectorEnv):
    """Games of `PixelCopter`, vectorized; game i of `reset(seed=s)` is the single environment with seed s + i.

    Spaces, rewards, ends and arguments are those of `PixelCopter`. The call after the end of an episode starts the next one:
    it ignores the action, its reward is 0 and its observation is the first of the new episode (Gymnasium's
    `AutoresetMode.NEXT_STEP`). Observations, rewards and flags are new arrays in each call.

    Args:
        num_envs: B, 1 and above.
        observation, width, height, fps, rounding, fixed_level, render_mode: see `PixelCopter`.
        max_episode_steps: frames after which an episode is truncated; None for no limit.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> import gymnasium, wmlib.envs
        >>> envs = gymnasium.make_vec("wmlib/PixelCopter-v0", num_envs=128, observation="grey")
        >>> observations, _ = envs.reset(seed=1)
        >>> observations, rewards, terminations, truncations, _ = envs.step(np.ones(128, int))
        >>> observations.shape, rewards.shape
        ((128, 48, 48, 1), (128,))
    """

    metadata = {  # noqa: RUF012, Gymnasium's own form
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": 30,
    }

    def __init__(
        self,
        num_envs: int = 1,
        observation: str = "pixels",
        width: int = 48,
        height: int = 48,
        fps: int = 30,
        rounding: str = "trunc",
        fixed_level: bool = False,
        max_episode_steps: int | None = MAX_EPISODE_STEPS,
        render_mode: str | None = None,
    ) -> None:
        check_modes(observation, render_mode)
        max_steps = 0 if max_episode_steps is None else max_episode_steps
        self._games = Games(num_envs, width, height, fps, rounding, max_steps, fixed_level)
        self.num_envs = num_envs
        self.observation = observation
        self.render_mode = render_mode
        self.single_observation_space = observation_space(observation, self._games.geometry)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict]:
        """Start an episode in every game.

        Args:
            seed: s: game i gets seed s + i. A sequence: game i gets its i-th. None: the next episode of each game's stream.
            options: not used.

        Returns:
            Observations, new; an empty dictionary.

        Raises:
            ValueError: a seed that is not from 0 to 2^32 - 1, or not as many as there are games.
        """
        if seed is None:
            if self._games.started:
                self._games.reset()
            else:
                self._games.reset(self.np_random.integers(MAX_SEED + 1, size=self.num_envs))
        elif isinstance(seed, Sequence | np.ndarray):
            self._games.reset(seed)
        else:
            seeds = [seed + i for i in range(self.num_envs)]
            self._games.reset(seeds)
            super().reset(seed=seed)
        return observe(self._games, self.observation), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Play a frame of every game.

        Args:
            actions: whole numbers (B,), 0 or 1.

        Returns:
            Observations; rewards float64 (B,); terminations and truncations bool (B,); an empty dictionary.

        Raises:
            ValueError: actions of another shape or dtype, or one that there is not.
            RuntimeError: `reset` has not been called.
        """
        games = self._games
        games.step(actions)
        observations = observe(games, self.observation)
        return observations, games.rewards.copy(), games.terminated.copy(), games.truncated.copy(), {}

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return the screens, each uint8 (H, W, 3); None without a render_mode."""
        if self.render_mode is None:
            return None
        return tuple(self._games.pictures())
