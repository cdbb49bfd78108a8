"""Dreams of pictures: a `FrameModel` fed with its own predictions, as a Gymnasium vector environment to learn in.

Reading guide. `FrameDreams.step` is one step of all dreams; `FrameDreamEnv` is `DreamEnv`, whose steps, ends and beginnings
are those of notebook 05, with frames to see. Two guards keep an agent from living on the model's errors: rewards are held in
the range that was seen, and more than the usual reward of a step is paid only with the end of the episode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from torch import Tensor

from wmlib.agents.dream import DreamEnv
from wmlib.models.frame_model import FrameModel
from wmlib.models.recurrent import reset_state


class FrameDreams:
    """Hold a batch of dreams, one a row.

    Args:
        model: on the CPU; it is not trained here.
        draw_starts: (count, generator) -> uint8 (count, H, W, C), frames in which dreams begin, nothing remembered.
        seed: any whole number >= 0.
        max_steps: longest dream.
        reward_range: smallest and largest reward that is paid; None: what the model says.
        usual_reward: with a number, no step that does not end the dream is paid more than this; None: what the model says.
        bonus: frames (B, F), flat -> float (B,), paid beside the reward for the frames that a step led to; None: nothing.
        done_threshold: a dream ends when the model gives that at least this probability.

    Raises:
        ValueError: `max_steps` or `done_threshold` out of its range.

    Attributes:
        frames: float (B, C, H, W), each value 0 or 1: a predicted value is rounded.
        memory: float (B, Y), what the core made of the current frame.
        state: of the core, after the current frame.
        age: int64 (B,), steps of each dream so far.
    """

    def __init__(
        self,
        model: FrameModel,
        draw_starts: Callable[[int, np.random.Generator], np.ndarray],
        *,
        seed: int,
        max_steps: int,
        reward_range: tuple[float, float] | None = None,
        usual_reward: float | None = None,
        bonus: Callable[[Tensor], Tensor] | None = None,
        done_threshold: float = 0.5,
    ):
        if max_steps < 1:
            raise ValueError(f"max_steps is {max_steps}; it must be at least 1")
        if not 0 < done_threshold < 1:
            raise ValueError(f"done_threshold is {done_threshold}; it must lie between 0 and 1, e.g. 0.5")
        self.model, self.draw_starts, self.seed, self.max_steps = model, draw_starts, seed, max_steps
        self.reward_range, self.usual_reward, self.bonus = reward_range, usual_reward, bonus
        self.device = torch.device("cpu")  # where `DreamEnv` puts actions
        self.actions = range(model.num_actions)
        self._limit = float(np.log(done_threshold / (1 - done_threshold)))

    @torch.no_grad()
    def begin(self, dream_ids: Sequence[int]) -> None:
        """Start dreams with these numbers, as many as rows."""
        self.age = np.zeros(len(dream_ids), int)
        self.frames = self._open(dream_ids)
        self._remember(self.model.core.initial_state(len(dream_ids)), torch.full((len(dream_ids),), -1))

    @torch.no_grad()
    def restart(self, rows: Sequence[int], dream_ids: Sequence[int]) -> None:
        """Put new dreams in the place of some rows."""
        marked = torch.zeros(len(self.frames), dtype=torch.bool)
        marked[list(rows)] = True
        self.frames = self.frames.clone()
        self.frames[marked] = self._open(dream_ids)
        self.age[list(rows)] = 0
        self._remember(reset_state(self._past, marked), torch.where(marked, -1, self._before))

    @torch.no_grad()
    def step(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Go on by one step: actions int64 (B,); returns done, bool (B,), and rewards, float (B,)."""
        logits, reward, done_logit = self.model.outcome(self.frames, self.memory, actions)
        done = done_logit >= self._limit
        if self.reward_range is not None:
            reward = reward.clamp(*self.reward_range)
        if self.usual_reward is not None:
            reward = reward.where(done, reward.clamp(max=self.usual_reward))
        self.frames = (logits > 0).to(self.frames.dtype)
        if self.bonus is not None:
            reward = reward + self.bonus(self.frames.flatten(1))
        self.age += 1
        self._remember(self.state, actions)
        return done, reward

    def _remember(self, past: tuple, before: Tensor) -> None:
        """Let the core see the current frames; what it was before is kept, because some rows may begin anew."""
        self._past = past
        self._before = before
        self.memory, self.state = self.model.see(self.frames, before, past)

    def _open(self, dream_ids: Sequence[int]) -> Tensor:
        starts = [self.draw_starts(1, np.random.default_rng([self.seed, number])) for number in dream_ids]
        frames = torch.from_numpy(np.concatenate(starts)).permute(0, 3, 1, 2)
        return (frames.to(torch.float32) / 255).round()


class FrameDreamEnv(DreamEnv):
    """Dreams of pictures as a Gymnasium vector environment; see `DreamEnv`.

    ## Observation space
    `Box(0, 1, (F,))` for each dream: the frame's values, and behind them the core's vector where `with_memory` is set
    (then without bounds).

    Args:
        dreams: model, starts, guards.
        num_envs: B, dreams at once.
        with_memory: whether the policy sees what the core remembers.
    """

    def __init__(self, dreams: FrameDreams, num_envs: int, with_memory: bool = False):
        self.dreams = dreams  # type: ignore[assignment]  # the same methods
        self.num_envs = num_envs
        self.decoder = None
        self.render_mode = None
        self.with_memory = with_memory
        self._next = 0
        self.single_observation_space = observation_space(dreams.model, with_memory)
        self.single_action_space = spaces.Discrete(dreams.model.num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def _observe(self) -> np.ndarray:
        return observe(self.dreams.frames, self.dreams.memory, self.with_memory).numpy()  # type: ignore[attr-defined]


def observation_space(model: FrameModel, with_memory: bool) -> spaces.Box:
    """Return the space of what a policy sees of a frame."""
    size = int(np.prod(model.shape)) + with_memory * model.core.output_size
    bounds = (-np.inf, np.inf) if with_memory else (0.0, 1.0)
    return spaces.Box(*bounds, (size,), np.float32)


def observe(frames: Tensor, memory: Tensor, with_memory: bool) -> Tensor:
    """Return what a policy sees of frames (B, C, H, W) and the core's vectors (B, Y): float (B, F)."""
    flat = frames.flatten(1)
    return torch.cat([flat, memory], 1) if with_memory else flat
