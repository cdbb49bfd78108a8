"""Proximal Policy Optimization (PPO) in any Gymnasium vector environment, with an optional second stream of intrinsic rewards.

Reading guide. The loop is `ppo.update(ppo.collector.collect())`: the policy acts for T steps in N environments (module
`collector`), then learns from them in a few epochs of minibatches; `PPO.learn` repeats it. `objective` is the loss, with its
gradient by hand. Networks are in `policies`, advantages in `advantages`, curiosity in `rnd`.

Axes: N environments, T steps, A actions, V streams of rewards (1, or 2 with curiosity). Batch first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from wmlib.agents.advantages import Steps, gae
from wmlib.agents.collector import Collector, Rollout, state_rows
from wmlib.agents.flat_adam import FlatAdam
from wmlib.agents.policies import ActorCritic
from wmlib.models.layers import check_sizes


@dataclass(frozen=True)
class PPOConfig:
    """Hold the numbers of PPO.

    Args:
        num_steps: T, of each environment between two updates.
        num_epochs: passes over them in an update.
        minibatch_size: steps a gradient. Recurrent policies take whole environments, as many as hold so many steps.
        lr: learning rate of Adam.
        decay_updates: updates in which the learning rate falls linearly to 0; None: it stays.
        gamma, gae_lambda: discount of the environment's rewards; λ of all streams.
        reward_coef: weight of the environment's advantages, beside those of the curiosity; 0 ignores the rewards, and their
            value is not trained.
        clip: ε, how far from 1 the ratio of new to old probability is worth moving.
        value_coef: weight of the values' squared error, summed over the streams.
        entropy_coef: weight of the entropy bonus at the start; `PPO.entropy_coef` may be changed between updates.
        max_grad_norm: longer gradients are shortened to it; None: they are not.
        normalize_advantages: whether the rollout's advantages, streams summed, get mean 0 and standard deviation 1.
        advantage_std_floor: least standard deviation to divide by. Where nothing is rewarded, a floor such as 0.05 keeps noise
            from being blown up into a policy.

    Raises:
        ValueError: a number out of its range.

    Source: Schulman et al. 2017, arXiv 1707.06347; details as in CleanRL's page "The 37 Implementation Details of PPO".
    Differs: advantages are normalized over the rollout, not over each minibatch. Values are not clipped.
    """

    num_steps: int = 128
    num_epochs: int = 4
    minibatch_size: int = 256
    lr: float = 2.5e-4
    decay_updates: int | None = None
    gamma: float = 0.99
    gae_lambda: float = 0.95
    reward_coef: float = 1.0
    clip: float = 0.2
    value_coef: float = 0.5
    entropy_coef: float = 0.01
    max_grad_norm: float | None = 0.5
    normalize_advantages: bool = True
    advantage_std_floor: float = 1e-8

    def __post_init__(self) -> None:
        check_sizes(num_steps=self.num_steps, num_epochs=self.num_epochs, minibatch_size=self.minibatch_size)
        for name in ("lr", "clip", "advantage_std_floor", "decay_updates", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be above 0")
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie in 0 … 1")


class Curiosity(Protocol):
    """Say what PPO asks of a source of intrinsic rewards, such as `rnd.RND`."""

    gamma: float  # discount of its stream
    coef: float  # weight of its advantages
    episodic: bool  # whether the end of an episode ends its stream

    def rewards(self, rollout: Rollout) -> np.ndarray:
        """Return the intrinsic rewards of a rollout, float32 (N, T)."""

    def learn(self, rows: Tensor) -> Tensor:
        """Make one step of training on rows n·T + t of the last rollout; return the loss."""

    def state_dict(self) -> dict:
        """Copy everything that determines what comes."""

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""


class Targets(NamedTuple):
    """Hold what some steps, B of them, are to teach."""

    actions: Tensor  # int64 (B,)
    log_probs: Tensor  # (B,), old ones
    advantages: Tensor  # (B,)
    values: Tensor  # (B, V)


@torch.no_grad()
def objective(
    logits: Tensor, values: Tensor, targets: Targets, *, clip: float, value_coef: float, entropy_coef: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the loss of a minibatch and its gradient.

    L = mean of -min(ρ A, clip(ρ, 1 - ε, 1 + ε) A) - c_H H + c_V Σ_v (V_v - target_v)², ρ = π(a) / π_old(a), H entropy.

    Args:
        logits, values: (B, A) and (B, V), of the current policy.
        targets: of the same steps.
        clip, value_coef, entropy_coef: ε, c_V, c_H.

    Returns:
        parts (5,): policy loss, value loss, entropy, KL(old, new) estimated, proportion of steps that clipping keeps from
        moving the policy; and the gradients with respect to logits and values, of their shapes.

    Source: Schulman et al. 2017, equations 7 and 9.
    """
    n = len(logits)
    log_p = torch.log_softmax(logits, -1)
    p = log_p.exp()
    actions = targets.actions.unsqueeze(-1)
    log_ratio = log_p.gather(-1, actions).squeeze(-1) - targets.log_probs
    ratio = log_ratio.exp()
    gain = ratio * targets.advantages
    clipped_gain = ratio.clamp(1 - clip, 1 + clip) * targets.advantages
    entropy = -(p * log_p).sum(-1, keepdim=True)  # (B, 1)
    error = values - targets.values

    # ∂ρA/∂logits = ρA (onehot(a) - p), 0 where clipping makes the gain smaller; ∂H/∂logits = -p (log p + H)
    cut = gain > clipped_gain
    active = gain.masked_fill(cut, 0).unsqueeze(-1)
    grad_logits = p * (active + entropy_coef * (log_p + entropy))
    grad_logits.scatter_add_(-1, actions, -active)
    sums = [
        -torch.minimum(gain, clipped_gain).sum(),
        error.square().sum(),
        entropy.sum(),
        (ratio - 1 - log_ratio).sum(),
        cut.sum(),
    ]
    return torch.stack(sums) / n, grad_logits / n, error * (2 * value_coef / n)


PARTS = ("policy_loss", "value_loss", "entropy", "kl", "clipped")


class PPO:
    """Learn to act.

    Args:
        envs: N environments with Discrete actions, see `Collector`.
        policy: on any device, with one value a stream; trained here, and so not to be moved to another device later.
        config: the numbers.
        generator: CPU generator; draws actions and the order of steps.
        seed: of the environments, at the first reset.
        curiosity: a source of intrinsic rewards.
        estimator: of advantages and value targets, of each stream.

    Attributes:
        updates: int, done so far.
        entropy_coef: may be set at any time.
        collector: what acts; knows the returns and lengths of the episodes that ended in the last rollout.

    Raises:
        ValueError: spaces or an autoreset mode that are not supported, a policy of another size.

    Example:
        >>> envs = gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="vector_entry_point")
        >>> rng = torch.Generator().manual_seed(0)
        >>> policy = ActorCritic(envs.single_observation_space, 2, generator=rng)
        >>> ppo = PPO(envs, policy, PPOConfig(num_steps=8), generator=rng, seed=0)
        >>> ppo.learn(60)
        >>> ppo.env_steps, ppo.updates
        (64, 2)
    """

    def __init__(
        self,
        envs: gymnasium.vector.VectorEnv,
        policy: ActorCritic,
        config: PPOConfig | None = None,
        *,
        generator: torch.Generator,
        seed: int,
        curiosity: Curiosity | None = None,
        estimator: Callable[[Steps, float, float], tuple[np.ndarray, np.ndarray]] = gae,
    ):
        self.config = config or PPOConfig()
        self.policy, self.curiosity, self.estimator, self.generator = policy, curiosity, estimator, generator
        _check_sizes_of(policy, envs, 1 if curiosity is None else 2)
        self.collector = Collector(envs, policy, self.config.num_steps, generator=generator, seed=seed)
        self.optimizer = FlatAdam(policy, self.config.max_grad_norm)
        coefs = [self.config.reward_coef] if curiosity is None else [self.config.reward_coef, curiosity.coef]
        self._weighted = torch.tensor(coefs).to(next(policy.parameters()).device) != 0  # bool (V,), streams with a weight
        self.entropy_coef = self.config.entropy_coef
        self.updates = 0

    @property
    def env_steps(self) -> int:
        """Steps of all environments so far."""
        return self.collector.env_steps

    def learn(self, total_steps: int, on_update: Callable[[dict[str, float]], object] | None = None) -> None:
        """Collect and update until so many environment steps have been done, all calls together.

        Args:
            total_steps: of all environments.
            on_update: is given what `update` returns; to stop, let it return True.
        """
        while self.env_steps < total_steps:
            metrics = self.update(self.collector.collect())
            if on_update is not None and on_update(metrics):
                break

    def update(self, rollout: Rollout) -> dict[str, float]:
        """Learn from a rollout.

        Args:
            rollout: the last one.

        Returns:
            means over the minibatches by name: "policy_loss", "value_loss", "entropy", "kl", "clipped", "grad_norm" (before it
            is shortened); with curiosity "curiosity_loss" and "intrinsic_reward"; "lr", "env_steps"; "return" and "length" of
            the episodes that ended, NaN if none did.

        Raises:
            FloatingPointError: the loss or the gradient is no finite number; lower the learning rate.
        """
        config = self.config
        lr = config.lr if config.decay_updates is None else config.lr * max(0.0, 1 - self.updates / config.decay_updates)
        advantages, value_targets, intrinsic = self._targets(rollout)
        targets = Targets(rollout.actions, rollout.log_probs, advantages, value_targets)
        totals = rollout.values.new_zeros(len(PARTS) + 2)
        count = 0
        for _ in range(config.num_epochs):
            for rows, logits, values, wanted in self._minibatches(rollout, targets):
                # the value of a stream without weight is its own target: no error, no gradient
                wanted = wanted._replace(values=torch.where(self._weighted, wanted.values, values.detach()))
                parts, grad_logits, grad_values = objective(
                    logits, values, wanted, clip=config.clip, value_coef=config.value_coef, entropy_coef=self.entropy_coef
                )
                torch.autograd.backward([logits, values], [grad_logits, grad_values])
                totals[: len(PARTS)] += parts
                totals[-2] += self.optimizer.step(lr)
                if self.curiosity is not None:
                    totals[-1] += self.curiosity.learn(rows)
                count += 1
        self.updates += 1
        means = dict(zip((*PARTS, "grad_norm", "curiosity_loss"), (totals / count).tolist(), strict=True))
        if not np.isfinite(list(means.values())).all():
            raise FloatingPointError(f"update {self.updates} gave {means}; lower lr ({lr:g}) or scale the rewards")
        if intrinsic is None:
            del means["curiosity_loss"]
        else:
            means["intrinsic_reward"] = float(intrinsic[rollout.valid].mean())
        ended = {"return": self.collector.returns, "length": self.collector.lengths}
        episodes = {name: float(values.mean()) if len(values) else float("nan") for name, values in ended.items()}
        return {**means, "lr": lr, "env_steps": float(self.env_steps), **episodes}

    def _targets(self, rollout: Rollout) -> tuple[Tensor, Tensor, np.ndarray | None]:
        """Return advantages (N, T), value targets (N, T, V), and the intrinsic rewards (N, T) if there are any."""
        config = self.config
        values = rollout.values.cpu().numpy()
        final = rollout.final_values.cpu().numpy()
        ends = (rollout.terminated, rollout.ended, rollout.valid)
        streams = [Steps(rollout.rewards, values[:, :-1, 0], values[:, -1, 0], final[..., 0], *ends)]
        numbers = [(config.gamma, config.reward_coef)]
        intrinsic = None
        if self.curiosity is not None:
            intrinsic = self.curiosity.rewards(rollout)
            stream = Steps(intrinsic, values[:, :-1, 1], values[:, -1, 1], final[..., 1], *ends)
            streams.append(stream if self.curiosity.episodic else stream.without_ends())
            numbers.append((self.curiosity.gamma, self.curiosity.coef))
        total = np.zeros_like(rollout.rewards)
        value_targets = np.empty(final.shape, final.dtype)
        for v, (stream, (gamma, coef)) in enumerate(zip(streams, numbers, strict=True)):
            advantages, value_targets[..., v] = self.estimator(stream, gamma, config.gae_lambda)
            total += coef * advantages
        if config.normalize_advantages:
            some = total[rollout.valid]
            total = (total - some.mean()) / max(float(some.std()), config.advantage_std_floor)
        return torch.from_numpy(total).to(rollout.values), torch.from_numpy(value_targets).to(rollout.values), intrinsic

    def _minibatches(self, rollout: Rollout, targets: Targets) -> Iterator[tuple[Tensor, Tensor, Tensor, Targets]]:
        """Yield one epoch: rows n·T + t, the current logits and values of these steps, and their targets.

        The parts of an epoch differ by one step at most, or by one environment with a recurrent policy.
        """
        N, T = rollout.actions.shape
        device = rollout.obs.device
        valid = torch.from_numpy(rollout.valid).to(device)
        flat = Targets(*(part.flatten(0, 1) for part in targets))
        if self.policy.core is None:
            obs = rollout.obs.flatten(0, 1)  # N rows of T + 1
            steps = valid.flatten().nonzero().squeeze(-1)
            steps = steps[torch.randperm(len(steps), generator=self.generator).to(device)]
            parts = -(-len(steps) // self.config.minibatch_size)
            shuffled = (part[steps].tensor_split(parts) for part in (torch.arange(N * T, device=device), *flat))
            for rows, *wanted in zip(*shuffled, strict=True):
                # of one sequence of B rows; row n·T + t of the targets is row n·(T + 1) + t of the observations
                logits, values, _ = self.policy.step(obs.index_select(0, rows + rows // T))
                yield rows, logits, values, Targets(*wanted)
            return
        parts = min(N, -(-N * T // self.config.minibatch_size))
        for envs in torch.randperm(N, generator=self.generator).to(device).tensor_split(parts):
            kept = valid[envs]
            output = self.policy(rollout.obs[envs, :-1], state_rows(rollout.state, envs), rollout.starts[envs, :-1])
            rows = (envs.unsqueeze(-1) * T + torch.arange(T, device=device))[kept]
            yield rows, output.logits[kept], output.values[kept], Targets(*(part[rows] for part in flat))

    def state_dict(self) -> dict:
        """Copy everything that determines the rest of the run, but for the environments, whose state the caller keeps.

        Returns:
            A dict of dicts, tensors, arrays and numbers; `load_state_dict` continues from it, on a CPU to the bit.
        """
        return {
            "config": asdict(self.config),
            "policy": {name: value.clone() for name, value in self.policy.state_dict().items()},
            "optimizer": self.optimizer.state_dict(),
            "collector": self.collector.state_dict(),
            "curiosity": None if self.curiosity is None else self.curiosity.state_dict(),
            "entropy_coef": self.entropy_coef,
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`, in environments that are in the state in which it was made.

        Raises:
            ValueError: it is of a PPO with other numbers or another number of environments.
        """
        ours = asdict(self.config)
        theirs = state["config"]
        differ = [f"{name} {theirs.get(name)!r} (here {ours[name]!r})" for name in ours if theirs.get(name) != ours[name]]
        if differ:
            raise ValueError(f"state is of a PPO with {', '.join(differ)}; make it alike")
        self.collector.load_state_dict(state["collector"])
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.curiosity is not None:
            self.curiosity.load_state_dict(state["curiosity"])
        self.entropy_coef = state["entropy_coef"]
        self.updates = state["updates"]


def _check_sizes_of(policy: ActorCritic, envs: gymnasium.vector.VectorEnv, num_streams: int) -> None:
    space = envs.single_action_space
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise ValueError(f"action space is {space}; it must be Discrete, starting at 0")
    if (policy.num_actions, policy.num_values) != (space.n, num_streams):
        raise ValueError(
            f"policy has {policy.num_actions} actions and {policy.num_values} values; the environment has {space.n} "
            f"actions, and there must be one value a stream of rewards, {num_streams}"
        )
