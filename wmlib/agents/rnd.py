"""Curiosity by Random Network Distillation (RND): what a network cannot predict yet, the agent has seldom seen.

Reading guide. A random network, the *target*, turns an observation into features and never changes. Another one, the
*predictor*, learns to give the same features for what the agent sees; its error is the intrinsic reward. Read `RND.rewards`
(error, scaled by the running deviation of its discounted sums) and `RND.learn` (one step of the predictor).
`PPO(curiosity=RND(...))` does the rest.

Axes: N environments, T steps, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from wmlib.agents.advantages import discounted_sums
from wmlib.agents.collector import Rollout
from wmlib.agents.flat_adam import FlatAdam
from wmlib.agents.policies import Encoder, PolicyConfig, is_picture, orthogonal
from wmlib.models.layers import check_generator, check_sizes, empty_linear

CHUNK = 1024  # observations at once, for the sake of memory


@dataclass(frozen=True)
class RNDConfig:
    """Hold the hyperparameters of RND; the defaults are the paper's.

    Args:
        num_features: D, of target and predictor.
        gamma: discount of the intrinsic stream.
        coef: weight of its advantages.
        episodic: whether the end of an episode ends the stream; if not, it continues in the next episode.
        observe: "next", what a step led to, or "current", what was seen before it.
        predictor_layers, predictor_size: linear layers (ReLU) of the predictor beyond those of the target, and their size.
        sample: what the predictor learns from: "random", a proportion of the steps of each minibatch, or "longest", the
            episodes that are longest in the rollout, until they hold that proportion of its steps.
        sample_share: that proportion; 0.25 is the paper's for 128 environments, to learn no faster than with 32.
        lr: learning rate of the predictor.
        clip: normalized observations are clipped to ± this.
        last_channels: how many of a picture's last channels are seen; None: all. With stacked frames, those of the newest.
        network: encoder of target and predictor; None: the paper's convolutions for pictures, layers of (64, 64) for vectors.

    Raises:
        ValueError: a number out of its range, an unknown word.

    Source: Burda et al. 2018, arXiv 1810.12894, tables 2 to 5, and OpenAI's public code (leaky ReLUs, layers of 512).
    """

    num_features: int = 512
    gamma: float = 0.99
    coef: float = 1.0
    episodic: bool = False
    observe: str = "next"
    predictor_layers: int = 2
    predictor_size: int = 512
    sample: str = "random"
    sample_share: float = 0.25
    lr: float = 1e-4
    clip: float = 5.0
    last_channels: int | None = None
    network: PolicyConfig | None = None

    def __post_init__(self) -> None:
        check_sizes(num_features=self.num_features, predictor_size=self.predictor_size)
        for name, words in (("observe", ("next", "current")), ("sample", ("random", "longest"))):
            if getattr(self, name) not in words:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(words)}")
        if not 0 < self.sample_share <= 1:
            raise ValueError(f"sample_share is {self.sample_share}; it must be above 0, and at most 1")
        if not (self.lr > 0 and self.clip > 0):
            raise ValueError(f"lr is {self.lr}, clip is {self.clip}; both must be above 0")


def mufti(config: RNDConfig | None = None) -> RNDConfig:
    """Return a configuration with the choices of Mufti's agent in place of the paper's.

    One feature, a predictor like the target, the observation before the action, an episodic stream, the longest episodes only.
    `PPO(estimator=advantages.shifted_gae)` completes them. Each choice is an argument of `RNDConfig` too, to try alone.

    Args:
        config: what else differs from the defaults.

    Source: the public code of RL-RND (2019).
    Differs: no recurrent layers in target and predictor, 32 bits, policy and values as `ActorCritic` has them. Intrinsic
        rewards are scaled by running discounted sums, cut at an episode's end, where he takes those of whole episodes.
    """
    choices = {"num_features": 1, "predictor_layers": 0, "observe": "current", "episodic": True, "sample": "longest"}
    return replace(config or RNDConfig(), **choices)  # type: ignore[arg-type]


class RunningMoments:
    """Keep mean and variance of all rows seen, per entry, in float64.

    Args:
        shape: of a row.
    """

    def __init__(self, shape: tuple[int, ...] = ()):
        self.count = 0
        self.mean = np.zeros(shape)
        self.var = np.ones(shape)

    def update(self, rows: np.ndarray) -> None:
        """Add rows (B, *shape).

        Source: Chan, Golub & LeVeque 1979, the pooled variance of two samples.
        """
        if not len(rows):
            return
        mean = rows.mean(0, dtype=np.float64)
        var = rows.var(0, dtype=np.float64)
        total = self.count + len(rows)
        delta = mean - self.mean
        share = len(rows) / total
        self.var = (1 - share) * self.var + share * var + share * (1 - share) * delta**2  # nothing of the old at share 1
        self.mean = self.mean + share * delta
        self.count = total

    def state_dict(self) -> dict:
        """Copy count, mean and variance."""
        return {"count": self.count, "mean": np.array(self.mean), "var": np.array(self.var)}

    def load_state_dict(self, state: dict) -> None:
        """Restore a `state_dict`."""
        self.count = state["count"]
        self.mean = np.array(state["mean"])
        self.var = np.array(state["var"])


class RND:
    """A source of intrinsic rewards for `PPO`.

    Args:
        observation_space: of one environment, as in `ActorCritic`.
        num_envs: N.
        config: the hyperparameters.
        generator: CPU generator; draws the weights and what the predictor learns from.
        device: of the networks.

    Attributes:
        gamma, coef, episodic: of its stream, see `RNDConfig`.
        target, predictor: the networks.
        observations: moments per entry of an observation (pixel), before clipping.
        returns: moments of the discounted sums of rewards.

    Raises:
        ValueError: an observation space that is not supported, no generator.

    Example:
        >>> box = spaces.Box(-1, 1, (3,), np.float32)
        >>> rnd = RND(box, num_envs=2, generator=torch.Generator().manual_seed(0))
        >>> rnd.errors(torch.zeros(5, 3)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        num_envs: int,
        config: RNDConfig | None = None,
        *,
        generator: torch.Generator,
        device: str | torch.device = "cpu",
    ):
        check_generator(generator)
        self.config = config or RNDConfig()
        self.gamma, self.coef, self.episodic = self.config.gamma, self.config.coef, self.config.episodic
        self.generator = generator
        picture = is_picture(observation_space)
        shape = tuple(observation_space.shape or (1,))
        if picture and self.config.last_channels is not None:
            shape = (*shape[:2], self.config.last_channels)
        self.target = self._network(shape, picture, 0).to(device)
        self.target.requires_grad_(False)
        self.predictor = self._network(shape, picture, self.config.predictor_layers).to(device)
        self.optimizer = FlatAdam(self.predictor)
        self.observations = RunningMoments(shape)
        self.returns = RunningMoments()
        self._carried = np.zeros(num_envs)  # discounted sums of rewards up to now
        self._seen = torch.empty(0)  # (N·T, ...) of the last rollout
        self._kept = torch.empty(0)  # bool (N·T,), which of them the predictor may learn from

    def _network(self, shape: tuple[int, ...], picture: bool, extra: int) -> nn.Sequential:
        """Make an encoder and D linear features, with `extra` layers in between."""
        config = self.config.network or PolicyConfig(hidden_sizes=() if picture else (64, 64), activation="leaky_relu")
        encoder = Encoder(shape, picture, config, generator=self.generator, scale=1.0)  # normalized already
        layers: list[nn.Module] = [encoder]
        size = encoder.output_size
        for _ in range(extra):
            layers += [orthogonal(empty_linear(size, self.config.predictor_size), math.sqrt(2), self.generator), nn.ReLU()]
            size = self.config.predictor_size
        layers.append(orthogonal(empty_linear(size, self.config.num_features), math.sqrt(2), self.generator))
        return nn.Sequential(*layers)

    def warm_up(self, envs: gymnasium.vector.VectorEnv, num_steps: int, seed: int) -> None:
        """Act at random for so many steps of each environment, to know the scale of observations before the first reward.

        Args:
            envs: are reset, and left in the middle of episodes.
            num_steps: of each.
            seed: of the environments, and of their actions.
        """
        rng = np.random.default_rng(seed)
        obs, _ = envs.reset(seed=seed)
        for _ in range(num_steps):
            self.observations.update(self._frames(torch.as_tensor(obs)).numpy())
            obs = envs.step(rng.integers(envs.single_action_space.n, size=envs.num_envs))[0]  # type: ignore[attr-defined]

    def _frames(self, obs: Tensor) -> Tensor:
        """Return the channels that are seen: (B, ...)."""
        if self.config.last_channels is None or obs.ndim != 4:
            return obs
        return obs[..., -self.config.last_channels :]

    def _normalized(self, obs: Tensor) -> Tensor:
        """Normalize frames per entry, and clip: float32 (B, ...)."""
        like = next(self.target.parameters())
        mean = torch.from_numpy(self.observations.mean).to(like)
        std = torch.from_numpy(np.sqrt(self.observations.var)).to(like)
        return ((obs.to(like) - mean) / (std + 1e-5)).clamp_(-self.config.clip, self.config.clip)

    @torch.no_grad()
    def errors(self, obs: Tensor) -> Tensor:
        """Return the novelty of observations: the mean squared error of the predictor, before scaling.

        Args:
            obs: (B, ...).

        Returns:
            float (B,).
        """
        found = []
        for part in self._frames(obs).split(CHUNK):
            inputs = self._normalized(part)
            found.append((self.predictor(inputs) - self.target(inputs)).square().mean(-1))
        return torch.cat(found)

    def rewards(self, rollout: Rollout) -> np.ndarray:
        """Reward what is new, and keep the rollout to learn from.

        i_t = e_t / std(R), R_t = γ R_{t-1} + e_t along time (equation 1 of notebook 08); the moments of R are over all
        environments and steps so far.

        Args:
            rollout: (N, T) steps.

        Returns:
            float32 (N, T), 0 at steps that are not valid.
        """
        obs = rollout.next_obs() if self.config.observe == "next" else rollout.obs[:, :-1]
        self._seen = self._frames(obs.flatten(0, 1))
        valid = rollout.valid
        if not self.observations.count:  # no `warm_up`
            self._observe(valid)
        errors = self.errors(obs.flatten(0, 1)).cpu().numpy().reshape(valid.shape) * valid
        ends = rollout.ended if self.episodic else np.zeros_like(rollout.ended)
        sums = discounted_sums(errors, self._carried, self.gamma, valid, ends)
        self.returns.update(sums[valid])
        self._observe(valid)
        if self.config.sample == "longest":
            self._kept = torch.from_numpy(_longest(rollout, self.config.sample_share)).to(obs.device)
        return (errors / (np.sqrt(self.returns.var) + 1e-8)).astype(np.float32)

    def _observe(self, valid: np.ndarray) -> None:
        for part in self._seen[torch.from_numpy(valid.flatten())].split(CHUNK):
            self.observations.update(part.cpu().numpy())

    def learn(self, rows: Tensor) -> Tensor:
        """Let the predictor learn from some steps of the last rollout.

        Args:
            rows: int64 (B,), n·T + t.

        Returns:
            the loss, a scalar; 0 if none of the steps is in the sample.
        """
        if self.config.sample == "longest":
            rows = rows[self._kept[rows]]
        else:
            rows = rows[(torch.rand(len(rows), generator=self.generator) < self.config.sample_share).to(rows.device)]
        if not len(rows):
            return torch.zeros((), device=rows.device)
        return self.fit(self._seen[rows])

    def fit(self, obs: Tensor) -> Tensor:
        """Make one step of the predictor's training on observations (B, ...); return the loss, a scalar."""
        inputs = self._normalized(obs)
        with torch.no_grad():
            wanted = self.target(inputs)
        loss = (self.predictor(inputs) - wanted).square().mean()
        loss.backward()
        self.optimizer.step(self.config.lr)
        return loss.detach()

    def state_dict(self) -> dict:
        """Copy everything that determines the rest of the run, the random target included."""
        return {
            "target": {name: value.clone() for name, value in self.target.state_dict().items()},
            "predictor": {name: value.clone() for name, value in self.predictor.state_dict().items()},
            "optimizer": self.optimizer.state_dict(),
            "observations": self.observations.state_dict(),
            "returns": self.returns.state_dict(),
            "carried": self._carried.copy(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Restore a `state_dict`."""
        self.target.load_state_dict(state["target"])
        self.predictor.load_state_dict(state["predictor"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.observations.load_state_dict(state["observations"])
        self.returns.load_state_dict(state["returns"])
        self._carried = state["carried"].copy()
        self.generator.set_state(state["generator"])


def _longest(rollout: Rollout, share: float) -> np.ndarray:
    """Mark the steps of the longest episodes (their parts in a rollout) that hold this proportion of its steps: bool (N·T,)."""
    first = rollout.starts[:, :-1].cpu().numpy() & rollout.valid
    first[:, 0] = True
    episode = first.flatten().cumsum() - 1  # number of its episode, by step
    valid = rollout.valid.flatten()
    lengths = np.bincount(episode[valid], minlength=int(episode[-1]) + 1)
    order = np.argsort(-lengths, kind="stable")
    enough = int(np.searchsorted(lengths[order].cumsum(), share * valid.sum())) + 1
    return np.isin(episode, order[:enough]) & valid
