"""Let a policy act in a Gymnasium vector environment, and keep what happens in tensors that are made once.

Reading guide. `Collector.collect` fills a `Rollout`: N environments, T steps, batch first. The one subtle thing is where an
episode ends. `AutoresetMode.NEXT_STEP` shows its last observation and spends the next step on the reset, a step that is not
`valid`. `SAME_STEP` resets at once and gives the last observation apart, `Rollout.final_obs`. `evaluate` plays whole episodes.
"""

from __future__ import annotations

from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from wmlib.agents.policies import ActorCritic, is_picture
from wmlib.models.layers import check_generator, check_sizes
from wmlib.models.recurrent import State


class Rollout(NamedTuple):
    """Hold T steps of N environments; the tensors are filled anew by the next `collect`."""

    obs: Tensor  # (N, T + 1, ...), the last one is where the next rollout starts
    actions: Tensor  # int64 (N, T)
    log_probs: Tensor  # (N, T), of the actions, by the policy that chose them
    values: Tensor  # (N, T + 1, V)
    final_values: Tensor  # (N, T, V), of the last observation of episodes that a time limit cut
    starts: Tensor  # bool (N, T + 1), first observation of an episode
    rewards: np.ndarray  # float32 (N, T)
    terminated: np.ndarray  # bool (N, T)
    ended: np.ndarray  # bool (N, T), terminated or truncated
    valid: np.ndarray  # bool (N, T); False where Gymnasium only reset an environment, and ignored the action
    state: State  # of the core before the first step
    final_obs: list[tuple[int, np.ndarray, Tensor]]  # (t, which environments, their last observations), of SAME_STEP only

    def next_obs(self) -> Tensor:
        """Return what each step led to, (N, T, ...): at the end of an episode its own last observation, not the next one's."""
        following = self.obs[:, 1:].clone()
        for t, rows, final in self.final_obs:
            following[rows, t] = final
        return following


class Collector:
    """Act, T steps at a time, and remember where each environment is.

    Args:
        envs: N environments that start new episodes by themselves, in the next or in the same step.
        policy: on any device.
        num_steps: T.
        generator: CPU generator that draws actions.
        seed: of the environments, at the first reset.

    Attributes:
        env_steps: int, done so far; steps in which Gymnasium only reset an environment do not count.
        returns, lengths: float64 (K,), of the episodes that ended in the last rollout.

    Raises:
        ValueError: an autoreset mode or observations that are not supported.
    """

    def __init__(
        self, envs: gymnasium.vector.VectorEnv, policy: ActorCritic, num_steps: int, *, generator: torch.Generator, seed: int
    ):
        check_generator(generator)
        (num_steps,) = check_sizes(num_steps=num_steps)
        self.envs, self.policy, self.num_steps, self.generator, self.seed = envs, policy, num_steps, generator, seed
        self.same_step = resets_in_same_step(envs)
        self.env_steps = 0
        self.returns = self.lengths = np.empty(0)
        N, T = envs.num_envs, num_steps
        space = envs.single_observation_space
        zeros = next(policy.parameters()).detach().new_zeros  # dtype and device of the policy
        self._obs = zeros(N, T + 1, *(space.shape or ()), dtype=torch.uint8 if is_picture(space) else None)
        self._actions = zeros(N, T, dtype=torch.int64)
        self._logits = zeros(N, T, policy.num_actions)
        self._values = zeros(N, T + 1, policy.num_values)
        self._final_values = zeros(N, T, policy.num_values)
        self._starts = zeros(N, T + 1, dtype=torch.bool).fill_(True)
        self._rewards = np.zeros((N, T), np.float32)
        self._terminated, self._ended, self._valid = np.zeros((3, N, T), bool)
        self._state = policy.initial_state(N)
        self._over = np.zeros(N, bool)  # episodes that ended in the step before
        self._running = np.zeros((2, N))  # return and length of the episodes under way
        self._begun = False

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Act for T steps in each environment."""
        if not self._begun:
            self._obs[:, -1] = torch.as_tensor(self.envs.reset(seed=self.seed)[0])
            self._begun = True
        self._obs[:, 0] = self._obs[:, -1]
        self._starts[:, 0] = self._starts[:, -1]
        initial = state = self._state
        final_obs: list[tuple[int, np.ndarray, Tensor]] = []
        final_states: list[State] = []
        # argmax(logits + Gumbel noise) is a draw from softmax(logits)
        noise = torch.empty(self._logits.shape).exponential_(generator=self.generator).log_().neg_().to(self._logits)
        for t in range(self.num_steps):
            logits, values, state = self.policy.step(self._obs[:, t], state, self._starts[:, t])
            actions = (logits + noise[:, t]).argmax(-1)
            observed, rewards, terminated, truncated, infos = self.envs.step(actions.cpu().numpy())
            ended = terminated | truncated
            self._obs[:, t + 1] = torch.as_tensor(observed)
            self._actions[:, t] = actions
            self._logits[:, t] = logits
            self._values[:, t] = values
            self._rewards[:, t] = rewards
            self._terminated[:, t] = terminated
            self._ended[:, t] = ended
            # an episode starts after the step that ended the last one (SAME_STEP), or one step later (NEXT_STEP)
            self._starts[:, t + 1] = torch.from_numpy(ended if self.same_step else self._over)
            self._valid[:, t] = True if self.same_step else ~self._over
            self._over = ended
            if self.same_step and ended.any():
                rows = np.flatnonzero(ended)
                last = torch.as_tensor(np.stack([infos["final_obs"][i] for i in rows])).to(self._obs)
                final_obs.append((t, rows, last))
                final_states.append(state_rows(state, torch.from_numpy(rows)))
        self._state = state
        self._values[:, -1] = self.policy.step(self._obs[:, -1], state, self._starts[:, -1]).values
        # NEXT_STEP shows an episode's last observation as the next one, so its value is there already
        self._final_values.copy_(self._values[:, 1:])
        for (t, rows, last), past in zip(final_obs, final_states, strict=True):
            self._final_values[rows, t] = self.policy.step(last, past, torch.zeros(len(rows), dtype=torch.bool)).values
        self._count_episodes()
        return Rollout(
            self._obs,
            self._actions,
            torch.log_softmax(self._logits, -1).gather(-1, self._actions.unsqueeze(-1)).squeeze(-1),
            self._values,
            self._final_values,
            self._starts,
            self._rewards,
            self._terminated,
            self._ended,
            self._valid,
            initial,
            final_obs,
        )

    def _count_episodes(self) -> None:
        self.env_steps += int(self._valid.sum())
        sums = np.stack([self._rewards * self._valid, self._valid]).cumsum(2, np.float64) + self._running[:, :, None]
        n, t = self._ended.nonzero()
        at_ends = sums[:, n, t]  # (2, K), environment by environment
        first = np.diff(n, prepend=-1) != 0
        self.returns, self.lengths = at_ends - np.where(first, 0.0, np.roll(at_ends, 1, axis=1))
        self._running = sums[:, :, -1]
        last = np.diff(n, append=-1) != 0
        self._running[:, n[last]] -= at_ends[:, last]

    def state_dict(self) -> dict:
        """Copy where each environment is, the environments' own state apart."""
        return {
            "generator": self.generator.get_state(),
            "env_steps": self.env_steps,
            "begun": self._begun,
            "obs": self._obs[:, -1].clone(),
            "starts": self._starts[:, -1].clone(),
            "state": [part.clone() for part in self._state],
            "over": self._over.copy(),
            "running": self._running.copy(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`.

        Raises:
            ValueError: it is of another number or kind of environments.
        """
        if state["obs"].shape != self._obs[:, -1].shape:
            ours = tuple(self._obs[:, -1].shape)
            raise ValueError(f"state has observations {tuple(state['obs'].shape)}, here they are {ours}; make it alike")
        self.generator.set_state(state["generator"])
        self.env_steps, self._begun = state["env_steps"], state["begun"]
        self._obs[:, -1] = state["obs"]
        self._starts[:, -1] = state["starts"]
        if self._state:
            self._state = type(self._state)(*(part.to(self._obs.device, copy=True) for part in state["state"]))
        self._over = state["over"].copy()
        self._running = state["running"].copy()


@torch.no_grad()
def evaluate(
    envs: gymnasium.vector.VectorEnv, policy: ActorCritic, *, seed: int, generator: torch.Generator | None = None
) -> np.ndarray:
    """Play the first episode of each environment to its end, so that short episodes do not count more often than long ones.

    Args:
        envs: N environments, started anew.
        policy: as in `PPO`.
        seed: of the environments.
        generator: CPU generator that draws actions; None: always the most probable action.

    Returns:
        float64 (N,), returns.
    """
    resets_in_same_step(envs)
    device = next(policy.parameters()).device
    obs, _ = envs.reset(seed=seed)
    state = policy.initial_state(envs.num_envs)
    starts = torch.zeros(envs.num_envs, dtype=torch.bool, device=device)
    playing = np.ones(envs.num_envs, bool)
    returns = np.zeros(envs.num_envs)
    while playing.any():
        logits, _, state = policy.step(torch.as_tensor(obs).to(device), state, starts)
        if generator is not None:
            noise = torch.empty(logits.shape).exponential_(generator=generator)
            logits = logits - noise.log().to(logits)
        obs, rewards, terminated, truncated, _ = envs.step(logits.argmax(-1).cpu().numpy())
        returns += np.where(playing, rewards, 0.0)
        playing &= ~(terminated | truncated)
    return returns


def state_rows(state: State, rows: Tensor) -> State:
    """Return some rows of a core's state; () stays ()."""
    return type(state)(*(part[rows.to(part.device)] for part in state)) if state else state


def resets_in_same_step(envs: gymnasium.vector.VectorEnv) -> bool:
    """Return whether new episodes start in the step that ends the last one, or raise ValueError for other autoreset modes."""
    mode = envs.metadata.get("autoreset_mode")
    if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        raise ValueError(f"envs have autoreset_mode {mode}; supported are AutoresetMode.NEXT_STEP and AutoresetMode.SAME_STEP")
    return mode == AutoresetMode.SAME_STEP
