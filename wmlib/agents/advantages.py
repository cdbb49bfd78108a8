"""How good were the actions of a rollout? Generalized Advantage Estimation (GAE), compiled, for one stream of rewards.

Reading guide. `Steps` is what an estimator sees; `gae` is the standard estimator; `shifted_gae` is the one of Mufti's public
agent, kept to measure what it changes; `discounted_sums` is the filter that scales intrinsic rewards (module `rnd`).

Axes: N environments, T steps. Row n is one environment: time runs along the second axis.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class Steps(NamedTuple):
    """Hold one stream of rewards of a rollout, with the values that a critic gave before the update.

    An episode that is `ended` at step t either terminated (what comes after is worth 0) or was cut by a time limit (what would
    have come is worth `final_values`). A step that is not `valid` is the one in which Gymnasium's `AutoresetMode.NEXT_STEP`
    starts a new episode: nobody acted, and it is passed over.
    """

    rewards: np.ndarray  # float32 (N, T)
    values: np.ndarray  # float32 (N, T), of the observation before each step
    last_values: np.ndarray  # float32 (N,), of the observation after the rollout
    final_values: np.ndarray  # float32 (N, T), of the last observation of an episode, where one is cut by a time limit
    terminated: np.ndarray  # bool (N, T)
    ended: np.ndarray  # bool (N, T), terminated or truncated
    valid: np.ndarray  # bool (N, T)

    def without_ends(self) -> Steps:
        """Return the same stream as one life that goes on after each episode: the non-episodic stream of RND."""
        never = np.zeros_like(self.ended)
        return self._replace(terminated=never, ended=never)


def gae(steps: Steps, gamma: float, gae_lambda: float) -> tuple[np.ndarray, np.ndarray]:
    """Estimate advantages and value targets.

    δ_t = r_t + γ V(s_{t+1}) - V(s_t), A_t = δ_t + γ λ A_{t+1} within an episode, target_t = A_t + V(s_t).

    Args:
        steps: one stream.
        gamma: γ, discount, 0 … 1.
        gae_lambda: λ, 0 … 1: from one-step estimates to whole returns.

    Returns:
        advantages and targets, float32 (N, T); 0 at steps that are not valid.

    Source: Schulman et al. 2016, arXiv 1506.02438, equations 11, 12 and 16; a time limit is bootstrapped as in Pardo et al.
        2018, arXiv 1712.00378.
    """
    return _gae(*steps, gamma, gae_lambda)


def shifted_gae(steps: Steps, gamma: float, gae_lambda: float) -> tuple[np.ndarray, np.ndarray]:
    """Estimate as Mufti's agent does: targets start at the next reward, and the last step of an episode has δ = 0.

    target_t = r_{t+1} + γ r_{t+2} + …; with a good critic the reward of an episode's last step counts with the opposite sign.

    Args:
        steps, gamma, gae_lambda: as in `gae`.

    Returns:
        advantages and targets, float32 (N, T).

    Source: the public code of RL-RND (2019).
    Differs: he trains on whole episodes. A rollout of fixed length stops in the middle of one, so the target of its last step,
        whose next reward is not known yet, is the critic's own value.
    """
    return _shifted_gae(*steps, gamma, gae_lambda)


def discounted_sums(rewards: np.ndarray, carried: np.ndarray, gamma: float, valid: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Filter rewards along time, forwards: R_t = γ R_{t-1} + r_t in each environment.

    Args:
        rewards: float (N, T).
        carried: float64 (N,), R before the first step; overwritten by R after the last.
        gamma: γ.
        valid: bool (N, T); other steps leave R as it is.
        ended: bool (N, T); after such a step R starts at 0.

    Returns:
        float64 (N, T), R_t.
    """
    return _discounted_sums(rewards, carried, gamma, valid, ended)


@njit(cache=True, nogil=True)
def _gae(rewards, values, last_values, final_values, terminated, ended, valid, gamma, gae_lambda):
    num_envs, num_steps = rewards.shape
    advantages = np.zeros((num_envs, num_steps), np.float32)
    targets = np.zeros((num_envs, num_steps), np.float32)
    for n in range(num_envs):
        advantage = 0.0
        next_value = float(last_values[n])
        for t in range(num_steps - 1, -1, -1):
            if not valid[n, t]:
                continue
            if ended[n, t]:
                advantage = 0.0
                next_value = 0.0 if terminated[n, t] else float(final_values[n, t])
            delta = rewards[n, t] + gamma * next_value - values[n, t]
            advantage = delta + gamma * gae_lambda * advantage
            next_value = float(values[n, t])
            advantages[n, t] = advantage
            targets[n, t] = advantage + values[n, t]
    return advantages, targets


@njit(cache=True, nogil=True)
def _shifted_gae(rewards, values, last_values, final_values, terminated, ended, valid, gamma, gae_lambda):
    num_envs, num_steps = rewards.shape
    advantages = np.zeros((num_envs, num_steps), np.float32)
    targets = np.zeros((num_envs, num_steps), np.float32)
    for n in range(num_envs):
        advantage = 0.0
        target = 0.0
        next_reward = 0.0
        next_value = float(last_values[n])
        newest = True  # no later step is known
        for t in range(num_steps - 1, -1, -1):
            if not valid[n, t]:
                continue
            if ended[n, t]:
                advantage = 0.0
                target = 0.0
            else:
                delta = rewards[n, t] + gamma * next_value - values[n, t]
                advantage = delta + gamma * gae_lambda * advantage
                target = float(values[n, t]) if newest else next_reward + gamma * target
            newest = False
            next_reward = float(rewards[n, t])
            next_value = float(values[n, t])
            advantages[n, t] = advantage
            targets[n, t] = target
    return advantages, targets


@njit(cache=True, nogil=True)
def _discounted_sums(rewards, carried, gamma, valid, ended):
    num_envs, num_steps = rewards.shape
    sums = np.empty((num_envs, num_steps))
    for n in range(num_envs):
        for t in range(num_steps):
            if valid[n, t]:
                carried[n] = gamma * carried[n] + rewards[n, t]
            sums[n, t] = carried[n]
            if ended[n, t]:
                carried[n] = 0.0
    return sums
