"""The Neural Computer Agent: one model of all levels, learnt from live play; a policy that learns only in the model's dreams.

Reading guide. `NeuralComputerAgent.advance` does the next of four stages, in a circle: *explore* (live episodes at random, once
a level), *model* (train it on all that was seen), *dream* (PPO in its simulations, until the new level is solved there), *act*
(live episodes with the new policy, stored), and back to *model*. When the greedy policy takes the shortest way, and in dreams
still the ways that it knew, the next level begins. What lies between two stages is in `state_dict`, so that a run can be
stopped and goes on with the same result.

Every live step is counted (`live_steps`); the greedy test after each circle is not, as for every agent it is compared with.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from wmlib.agents.experience import Episode, Experience
from wmlib.agents.frame_dreams import FrameDreamEnv, FrameDreams, observation_space, observe
from wmlib.agents.novelty_bonus import NoveltyBonus
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.ppo import PPO, PPOConfig
from wmlib.models.frame_model import FrameModel, loss
from wmlib.models.specs import CoreConfig

STAGES = ("explore", "model", "dream", "act")
REPLAYS = ("all", "newest")
CHECKS = 3  # PPO updates from one look at the dreams' success to the next, while they fail
SHAKE = 3  # PPO updates with the larger entropy bonus for each round in which the policy arrived live, but by a detour
COUNTS = (
    "stage",
    "level",
    "round",
    "failures",
    "detours",
    "live_steps",
    "model_accuracy",
    "dream_success",
)  # of the agent, in its `state_dict`


@dataclass(frozen=True)
class AgentConfig:
    """Hold the numbers of the loop.

    Args:
        core: of the model.
        random_episodes, later_random_episodes: live episodes of random play on the first level, and when a later one is new.
        episodes: live episodes between two rounds of dreaming.
        epsilon: proportion of random actions in them; grows with each round without a success, and is 1 after dreams that
            found no way.
        repeat: probability with which a random action is the last one again: such walks come further than others.
        first_updates, updates: of the model, when a level is new and in later rounds.
        batch_size, seq_len: windows of experience in an update, and their steps.
        lr, max_grad_norm: of the model's training.
        core_dropout: proportion of windows in an update whose predictions do not hear the core. Where a frame says all, a core
            learns a level by heart, and the convolutions, which could learn what holds on every level, do not have to.
        replay: "all" levels, or the "newest" alone, in the model's training and in dreams, for the experiment on forgetting.
        adequate: proportion of next frames in the last live episodes that the model must have exactly right; below it the
            policy dreams for `gate_iterations` only.
        gate_iterations, max_iterations: PPO updates in a round of dreaming, at most.
        hopeless_iterations: PPO updates after which dreaming ends if no dream of the new level succeeds: see more first.
        dream_success, dream_entropy: dreaming ends when so large a proportion of the new level's dreams succeeds, and the
            policy's entropy is below that.
        num_dreams, dream_horizon: dreams side by side, and the longest one.
        old_levels: proportion of dreams that begin on earlier levels.
        check_greedy: guard: dreaming goes on, and the next level waits, until the greedy policy ends a dream of the new level,
            and one of each old level as fast as when that was solved.
        anywhere: proportion of dreams that begin at any frame seen; only right where a frame says all (`with_memory` False).
        clamp_reward: guard: rewards are held in the range that was seen.
        reward_with_done: guard: more than the usual reward is paid only with the end of the dream.
        stalled_entropy, stalled_below: guard: the entropy bonus while fewer dreams of the new level than that succeed, and for
            some updates after a policy that took a detour live.
        keep_best: guard: a policy that arrived live in an earlier round of this level, and does no more, goes back to what it
            was then.
        novelty_coef: weight of a bonus, in dreams, for frames that were seldom seen live; 0: no bonus. Only right where a frame
            says all.
        novelty_above: guard: only the novelty beyond so many times the usual one is paid, see `NoveltyBonus`.
        with_memory: the policy sees the core's vector beside the frame.
        ppo, policy: of the policy.

    Raises:
        ValueError: an unknown replay.

    Source: the loop is that of Mufti, Penkov & Ramamoorthy 2019, arXiv 1906.07248; no number of it is known, these are ours.
    """

    core: CoreConfig = field(default_factory=lambda: CoreConfig("dnc"))
    random_episodes: int = 4
    later_random_episodes: int = 1
    episodes: int = 2
    epsilon: float = 0.15
    repeat: float = 0.5
    first_updates: int = 300
    updates: int = 60
    batch_size: int = 16
    seq_len: int = 8
    lr: float = 2e-3
    max_grad_norm: float = 10.0
    core_dropout: float = 0.5
    replay: str = "all"
    adequate: float = 0.9
    gate_iterations: int = 8
    max_iterations: int = 40
    hopeless_iterations: int = 15
    dream_success: float = 0.9
    dream_entropy: float = 0.35
    num_dreams: int = 64
    dream_horizon: int = 96
    old_levels: float = 1 / 3
    check_greedy: bool = True
    anywhere: float = 0.5
    clamp_reward: bool = True
    reward_with_done: bool = True
    stalled_entropy: float = 0.1
    stalled_below: float = 0.1
    keep_best: bool = True
    novelty_coef: float = 0.0
    novelty_above: float = 2.0
    with_memory: bool = False
    ppo: PPOConfig = field(
        default_factory=lambda: PPOConfig(
            num_steps=32, minibatch_size=512, lr=1e-3, gamma=0.97, entropy_coef=0.02, advantage_std_floor=0.05
        )
    )
    policy: PolicyConfig = field(default_factory=PolicyConfig)

    def __post_init__(self) -> None:
        if self.replay not in REPLAYS:
            raise ValueError(f"replay is {self.replay!r}; allowed are {', '.join(REPLAYS)}")


class NeuralComputerAgent:
    """Learn levels one after another.

    Args:
        live: level (0, 1, ...) -> a Gymnasium environment with uint8 pictures (H, W, C) and Discrete actions.
        num_levels: how many there are.
        solved: (level, length of a greedy episode that terminated) -> whether the level counts as solved.
        config: the numbers.
        seed: of all draws.

    Attributes:
        stage: the next of `STAGES`, or "done".
        level: the one that is being learnt.
        live_steps: int, so far.
        solved_at: live steps when each level was solved, by level.
        log: one dict a stage.

    Raises:
        ValueError: another kind of environment.
    """

    def __init__(
        self,
        live: Callable[[int], gymnasium.Env],
        num_levels: int,
        solved: Callable[[int, int], bool],
        config: AgentConfig | None = None,
        *,
        seed: int,
    ):
        self.config = config or AgentConfig()
        self.live, self.num_levels, self.solved, self.seed = live, num_levels, solved, seed
        env = live(0)
        space = env.observation_space
        if not isinstance(space, gymnasium.spaces.Box) or space.dtype != np.uint8 or len(space.shape) != 3:
            raise ValueError(f"observation space is {space}; it must be pictures, a Box of uint8 (H, W, C)")
        if not isinstance(env.action_space, gymnasium.spaces.Discrete):
            raise ValueError(f"action space is {env.action_space}; it must be Discrete")
        height, width, channels = space.shape
        actions = int(env.action_space.n)
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng([seed, 1])
        self.model = FrameModel(self.config.core, (channels, height, width), actions, generator=self.generator)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.config.lr)
        seen = observation_space(self.model, self.config.with_memory)
        self.policy = ActorCritic(seen, actions, self.config.policy, generator=self.generator)
        self.novelty = None
        if self.config.novelty_coef:
            size = observation_space(self.model, False)
            self.novelty = NoveltyBonus(size, self.config.novelty_coef, self.config.novelty_above, generator=self.generator)
        self.best_policy: dict[str, Tensor] | None = None  # that arrived live on this level, by the shortest way so far
        self.best_length = 0  # of its way
        self.experience = Experience(seed)
        self.stage = "explore"
        self.level = 0
        self.round = 0
        self.failures = 0  # rounds of live play without a success on this level
        self.detours = 0  # such rounds in which the greedy policy arrived, but not by the shortest way
        self.live_steps = 0
        self.model_accuracy = 0.0  # on the last live episodes
        self.dream_success = 0.0  # of the new level, at the end of the last round of dreaming
        self.solved_at: dict[int, int] = {}
        self.solved_length: dict[int, int] = {}  # of the greedy episode
        self.log: list[dict[str, Any]] = []

    def advance(self) -> dict[str, Any]:
        """Do the next stage; return what happened in it."""
        record = {"stage": self.stage, "level": self.level, "round": self.round}
        record |= getattr(self, f"_{self.stage}")()
        record["live_steps"] = self.live_steps
        self.log.append(record)
        return record

    # --- the stages

    def _explore(self) -> dict[str, Any]:
        count = self.config.later_random_episodes if self.level else self.config.random_episodes
        successes = [self._play(epsilon=1.0) for _ in range(count)]
        self.stage = "model"
        return {"success": float(np.mean(successes))}

    def _model(self) -> dict[str, Any]:
        config = self.config
        updates = config.updates if self.round else config.first_updates
        levels = [self.level] if config.replay == "newest" else None
        losses = [self._update(levels) for _ in range(updates)]
        self.stage = "dream"
        self.model_accuracy = self.accuracy(self._newest_episodes())
        return {"loss": float(np.mean(losses[-20:])), "accuracy": self.model_accuracy}

    def _dream(self) -> dict[str, Any]:
        config = self.config
        most = config.max_iterations if self.model_accuracy >= config.adequate else config.gate_iterations
        ppo = self._dreaming()
        success = 0.0
        ready = False
        entropy = float("inf")
        while ppo.updates < most:
            stirred = ppo.updates < SHAKE * self.detours  # so that it leaves the way it has got used to
            stalled = success < config.stalled_below
            ppo.entropy_coef = config.stalled_entropy if stirred or stalled else config.ppo.entropy_coef
            entropy = ppo.update(ppo.collector.collect())["entropy"]
            if self._is_time_to_look(ppo.updates, most, success, entropy):
                success = self.dream_success_rate(self.level)
                ready = success >= config.dream_success and entropy < config.dream_entropy and self.is_ready()
            if (ready and not stirred) or (success == 0 and ppo.updates >= config.hopeless_iterations):
                break
        self.stage = "act"
        self.dream_success = success
        return {"success": success, "ready": ready, "iterations": ppo.updates, "entropy": entropy, "steps": ppo.env_steps}

    def _is_time_to_look(self, updates: int, most: int, success: float, entropy: float) -> bool:
        """Return whether to count successes among the dreams, which costs as much as a PPO update."""
        stalled = success < self.config.stalled_below
        return updates == most or (updates % CHECKS == 0 if stalled else entropy < self.config.dream_entropy)

    def _act(self) -> dict[str, Any]:
        config = self.config
        lost = self.dream_success < config.stalled_below  # the model knows no way that the policy could find
        epsilon = 1.0 if lost else min(1.0, config.epsilon * (1 + self.failures))
        successes = [self._play(epsilon) for _ in range(config.episodes)]
        self.failures = 0 if any(successes) else self.failures + 1
        length = self.greedy(self.level)
        solved = length is not None and self.solved(self.level, length) and self.keeps_old_levels()
        self.round += 1
        self.detours += length is not None and not solved
        self.stage = "model"
        record = {"success": float(np.mean(successes)), "greedy": length, "solved": solved, "epsilon": epsilon}
        record["went_back"] = self._keep_best(length)
        if length is not None and solved:
            self.solved_at[self.level] = self.live_steps
            self.solved_length[self.level] = length
            self.level += 1
            self.round = self.failures = self.detours = 0
            self.best_policy = None
            self.stage = "explore" if self.level < self.num_levels else "done"
        return record

    def _keep_best(self, length: int | None) -> bool:
        """Keep a policy that arrived, or go back to the kept one; return whether it went back."""
        if length is not None:
            if self.best_policy is None or length <= self.best_length:
                self.best_policy = {name: value.clone() for name, value in self.policy.state_dict().items()}
                self.best_length = length
            return False
        if not self.config.keep_best or self.best_policy is None:
            return False
        self.policy.load_state_dict(self.best_policy)
        return True

    # --- live

    def _play(self, epsilon: float) -> bool:
        """Play and store one live episode; return whether it terminated."""
        env = self.live(self.level)
        frame, _ = env.reset(seed=int(self.rng.integers(2**31)))
        frames = [frame]
        actions: list[int] = []
        rewards: list[float] = []
        actor = _Actor(self.model, self.policy, self.config.with_memory)
        terminated = truncated = False
        while not (terminated or truncated):
            action = actor.act(frame, self.generator)
            if self.rng.random() < epsilon:
                repeats = actions and self.rng.random() < self.config.repeat
                action = actions[-1] if repeats else int(self.rng.integers(self.model.num_actions))
            frame, reward, terminated, truncated, _ = env.step(action)
            actor.took(action)
            frames.append(frame)
            actions.append(action)
            rewards.append(float(reward))
        steps = (np.stack(frames), np.array(actions, np.int64), np.array(rewards, np.float32))
        self.experience.add(Episode(self.level, *steps, terminated=bool(terminated)))
        self.live_steps += len(actions)
        return bool(terminated)

    def greedy(self, level: int) -> int | None:
        """Return the length of a greedy live episode, not counted; None if it did not terminate."""
        env = self.live(level)
        frame, _ = env.reset(seed=self.seed)
        actor = _Actor(self.model, self.policy, self.config.with_memory)
        length = 0
        terminated = truncated = False
        while not (terminated or truncated):
            action = actor.act(frame)
            frame, _, terminated, truncated, _ = env.step(action)
            actor.took(action)
            length += 1
        return length if terminated else None

    # --- the model

    def _update(self, levels: list[int] | None) -> float:
        config = self.config
        batch = self.experience.windows(config.batch_size, config.seq_len, levels=levels)
        heard = torch.rand(config.batch_size, generator=self.generator) >= config.core_dropout
        prediction, _ = self.model(batch.frames[:, :-1], batch.actions, before=batch.before, heard=heard)
        losses = loss(prediction, batch.frames[:, 1:], batch.rewards, batch.done, batch.mask)
        self.optimizer.zero_grad()
        losses.total.backward()
        norm = clip_grad_norm_(self.model.parameters(), config.max_grad_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"the model's loss is {losses.total.item():g}, its gradient {norm:g}; lower lr ({config.lr:g})"
            )
        self.optimizer.step()
        if self.novelty is not None:
            self.novelty.learn(batch.frames.flatten(0, 1).flatten(1))
        return losses.total.item()

    def _newest_episodes(self) -> list[Episode]:
        """Return the last live episodes, of this level only."""
        return [e for e in self.experience.episodes if e.level == self.level][-self.config.episodes :]

    @torch.no_grad()
    def accuracy(self, episodes: list[Episode]) -> float:
        """Return the proportion of the episodes' next frames that the model has right in every value."""
        right = []
        for episode in episodes:
            frames = torch.from_numpy(episode.frames).permute(0, 3, 1, 2).unsqueeze(0).float() / 255
            actions = torch.from_numpy(episode.actions).unsqueeze(0)
            prediction, _ = self.model(frames[:, :-1], actions)
            right.append(((prediction.frames > 0) == (frames[:, 1:] > 0.5)).flatten(2).all(-1)[0])
        return float(torch.cat(right).float().mean())

    # --- the dreams

    def dreams(self, draw_starts: Callable[[int, np.random.Generator], np.ndarray], seed: int) -> FrameDreams:
        """Return dreams of the model as it is now, with this agent's guards; for the arguments see `FrameDreams`."""
        config = self.config
        return FrameDreams(
            self.model,
            draw_starts,
            seed=seed,
            max_steps=config.dream_horizon,
            reward_range=self.experience.reward_range() if config.clamp_reward else None,
            usual_reward=self.experience.usual_reward() if config.reward_with_done else None,
            bonus=self.novelty,
        )

    def _dreaming(self) -> PPO:
        """Return a PPO that goes on with the policy, in dreams of the new level and of old ones."""
        config = self.config
        old = self._old_levels()

        def draw_starts(count: int, rng: np.random.Generator) -> np.ndarray:
            if old and rng.random() < config.old_levels:
                return self.experience.starts(count, int(rng.choice(old)), 0.0, rng)
            return self.experience.starts(count, self.level, config.anywhere, rng)

        seed = int(self.rng.integers(2**31))
        envs = FrameDreamEnv(self.dreams(draw_starts, seed), config.num_dreams, config.with_memory)
        return PPO(envs, self.policy, config.ppo, generator=self.generator, seed=seed)

    @torch.no_grad()
    def dream_success_rate(self, level: int, count: int = 32) -> float:
        """Return the proportion of dreams from a level's first frames that end before the time limit."""
        dreams = self.dreams(lambda n, rng: self.experience.starts(n, level, 0.0, rng), seed=0)
        dreams.begin(range(count))
        ended = torch.zeros(count, dtype=torch.bool)
        for _ in range(self.config.dream_horizon):
            seen = observe(dreams.frames, dreams.memory, self.config.with_memory)
            logits = self.policy.step(seen).logits
            noise = torch.empty_like(logits).exponential_(generator=self.generator).log().neg()
            ended |= dreams.step((logits + noise).argmax(-1))[0]
            if ended.all():
                break
        return float(ended.float().mean())

    def _old_levels(self) -> list[int]:
        """Return the levels that were solved before and may still be dreamt of."""
        return [] if self.config.replay == "newest" else sorted(self.solved_length)

    @torch.no_grad()
    def greedy_dreams(self, levels: Sequence[int]) -> list[int | None]:
        """Return the length of a greedy dream from each level's first frame; None where it does not end. No live step."""
        frames = [self.experience.starts(1, level, 0.0, np.random.default_rng(0)) for level in levels]
        numbers = iter(range(len(levels)))
        dreams = self.dreams(lambda count, rng: frames[next(numbers)], seed=0)
        dreams.begin(range(len(levels)))
        lengths: list[int | None] = [None] * len(levels)
        for step in range(1, self.config.dream_horizon + 1):
            seen = observe(dreams.frames, dreams.memory, self.config.with_memory)
            done, _ = dreams.step(self.policy.step(seen).logits.argmax(-1))
            for row in done.nonzero().flatten().tolist():
                lengths[row] = lengths[row] or step
            if None not in lengths:
                break
        return lengths

    def keeps_old_levels(self) -> bool:
        """Return whether greedy dreams of all old levels end as fast as when these were solved."""
        old = self._old_levels()
        if not old or not self.config.check_greedy:
            return True
        lengths = self.greedy_dreams(old)
        return all(n is not None and n <= self.solved_length[level] for level, n in zip(old, lengths, strict=True))

    def is_ready(self) -> bool:
        """Return whether a greedy dream of the new level ends, and old levels are kept."""
        if not self.config.check_greedy:
            return True
        return self.greedy_dreams([self.level]) != [None] and self.keeps_old_levels()

    # --- stop and go on

    def state_dict(self) -> dict:
        """Copy everything that determines the rest of the run."""
        return {
            "model": {name: value.clone() for name, value in self.model.state_dict().items()},
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "policy": {name: value.clone() for name, value in self.policy.state_dict().items()},
            "experience": self.experience.state_dict(),
            "novelty": self.novelty.state_dict() if self.novelty is not None else None,
            "best": (self.best_policy, self.best_length),
            "generator": self.generator.get_state(),
            "rng": self.rng.bit_generator.state,
            "counts": {name: getattr(self, name) for name in COUNTS},
            "solved_at": dict(self.solved_at),
            "solved_length": dict(self.solved_length),
            "log": list(self.log),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict` of an agent with the same levels, numbers and seed."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.policy.load_state_dict(state["policy"])
        self.experience.load_state_dict(state["experience"])
        if self.novelty is not None:
            self.novelty.load_state_dict(state["novelty"])
        self.best_policy, self.best_length = state["best"]
        self.generator.set_state(state["generator"])
        self.rng.bit_generator.state = state["rng"]
        for name, value in state["counts"].items():
            setattr(self, name, value)
        self.solved_at = dict(state["solved_at"])
        self.solved_length = dict(state["solved_length"])
        self.log = list(state["log"])


class _Actor:
    """Act in one live episode: the core sees the frames only if the policy sees the core."""

    def __init__(self, model: FrameModel, policy: ActorCritic, with_memory: bool):
        self.model, self.policy, self.with_memory = model, policy, with_memory
        self.state: Any = None
        self.before = torch.tensor([-1])

    @torch.no_grad()
    def act(self, frame: np.ndarray, generator: torch.Generator | None = None) -> int:
        """Choose an action: drawn, or the most probable one without a generator."""
        frames = torch.from_numpy(frame).permute(2, 0, 1).unsqueeze(0).float() / 255
        memory: Tensor = frames.new_zeros(1, 0)
        if self.with_memory:
            memory, self.state = self.model.see(frames, self.before, self.state)
        logits = self.policy.step(observe(frames, memory, self.with_memory)).logits[0]
        if generator is None:
            return int(logits.argmax())
        return int(torch.multinomial(logits.softmax(-1), 1, generator=generator))

    def took(self, action: int) -> None:
        """Say which action was taken in the end."""
        self.before = torch.tensor([action])
