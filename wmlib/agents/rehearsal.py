"""Rehearsal in the dream: a policy that has forgotten old levels learns them again from its own best dreams, with no live step.

Reading guide. `RehearsingAgent` is the Neural Computer Agent with a fifth stage, *rehearse*, after each level that it has
solved: `dream_episodes` lets the policy dream a level many times, `best` keeps the dreams that paid most, and `imitate` makes
their actions more probable. It needs a model that still knows the old levels, so train it on all of them.

Source: "The World Model Remembers, the Actor Forgets" 2026, arXiv 2607.19749: imitate the best quarter of dreams, graded by the
    reward up to the predicted end.
Differs: a dream counts only if it ends, and no sooner than the level was solved live. A level on which no dream is as short
    as that is dreamt with more chance in the next round: a policy that is sure of a detour would imitate its own detour. The
    newest level is rehearsed too, so as not to be lost over the old ones, but none of its detours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from wmlib.agents.frame_dreams import FrameDreams, observe
from wmlib.agents.neural_computer_agent import AgentConfig, NeuralComputerAgent
from wmlib.agents.policies import ActorCritic
from wmlib.models.layers import check_sizes


@dataclass(frozen=True)
class RehearsalConfig:
    """Hold the numbers of rehearsal.

    Args:
        dreams: of each level in a round.
        kept: proportion of them that is imitated, the best ones.
        max_rounds: at most, after each level; 0: no rehearsal.
        epochs, batch_size: passes over the kept steps in a round, and steps in a gradient.
        lr, max_grad_norm: of the imitation.
        heat: a level's logits are divided by a temperature that grows by this factor after each round in which no dream was as
            short as when the level was solved; 1 again once the greedy dream is.

    Raises:
        ValueError: a number out of its range.
    """

    dreams: int = 64
    kept: float = 0.25
    max_rounds: int = 30
    epochs: int = 4
    batch_size: int = 256
    lr: float = 3e-3
    max_grad_norm: float = 0.5
    heat: float = 1.5

    def __post_init__(self) -> None:
        check_sizes(dreams=self.dreams, epochs=self.epochs, batch_size=self.batch_size)
        if not 0 < self.kept <= 1:
            raise ValueError(f"kept is {self.kept}; it must lie in 0 … 1, above 0")
        if not self.max_rounds >= 0:
            raise ValueError(f"max_rounds is {self.max_rounds}; it must be a whole number from 0")
        if not self.heat >= 1:
            raise ValueError(f"heat is {self.heat}; it must be at least 1")


class DreamEpisodes(NamedTuple):
    """Hold B dreams of up to T steps; what comes after the predicted end of a dream is masked, and paid nothing."""

    obs: Tensor  # float (B, T, F), what the policy saw
    actions: Tensor  # int64 (B, T)
    mask: Tensor  # bool (B, T), the steps of each dream
    returns: Tensor  # float (B,), realised: the sum of rewards up to the end
    ended: Tensor  # bool (B,), whether the dream came to its end before the time limit

    @property
    def lengths(self) -> Tensor:
        """Steps of each dream, int64 (B,)."""
        return self.mask.sum(1)


@torch.no_grad()
def dream_episodes(
    dreams: FrameDreams,
    policy: ActorCritic,
    count: int,
    *,
    with_memory: bool,
    temperature: float,
    generator: torch.Generator,
) -> DreamEpisodes:
    """Let a policy act in dreams, each up to its end.

    Args:
        dreams: of the model; begun here.
        policy: its actions are drawn.
        count: B.
        with_memory: whether it sees the core's vector.
        temperature: what its logits are divided by.
        generator: for the draws.
    """
    dreams.begin(range(count))
    alive = torch.ones(count, dtype=torch.bool)
    steps: list[tuple[Tensor, ...]] = []
    while alive.any() and len(steps) < dreams.max_steps:
        seen = observe(dreams.frames, dreams.memory, with_memory)
        logits = policy.step(seen).logits / temperature
        actions = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)
        done, rewards = dreams.step(actions)
        steps.append((seen, actions, alive, rewards.where(alive, torch.zeros(()))))
        alive = alive & ~done
    obs, taken, mask, paid = (torch.stack(part, 1) for part in zip(*steps, strict=True))
    return DreamEpisodes(obs, taken, mask, paid.sum(1), ~alive)


def best(episodes: DreamEpisodes, kept: float, shortest: int = 0, longest: int | None = None) -> tuple[Tensor, Tensor]:
    """Return the steps of the dreams that paid most: what was seen, (M, F), and what was done, int64 (M,).

    Args:
        episodes: B dreams.
        kept: proportion of B that is kept, at most, of the dreams that ended after `shortest` to `longest` steps.
        shortest: steps; a dream that ends sooner than any live way is the model's mistake.
        longest: steps; None: as long as dreams are.
    """
    fit = episodes.ended & (episodes.lengths >= shortest)
    if longest is not None:
        fit &= episodes.lengths <= longest
    rows = episodes.returns.argsort(descending=True, stable=True)
    rows = rows[fit[rows]][: max(1, round(kept * len(rows)))]
    mask = episodes.mask[rows]
    return episodes.obs[rows][mask], episodes.actions[rows][mask]


def imitate(
    policy: ActorCritic,
    optimizer: torch.optim.Optimizer,
    obs: Tensor,
    actions: Tensor,
    config: RehearsalConfig,
    generator: torch.Generator,
) -> float:
    """Make actions more probable; return the last pass's mean cross-entropy, nats.

    Args:
        policy: trained here; its values are not.
        optimizer: of its parameters.
        obs: float (M, F).
        actions: int64 (M,).
        config: passes, steps in a gradient.
        generator: of the order.
    """
    total = 0.0
    for _ in range(config.epochs):
        total = 0.0
        for rows in torch.randperm(len(obs), generator=generator).split(config.batch_size):
            loss = F.cross_entropy(policy.step(obs[rows]).logits, actions[rows])
            optimizer.zero_grad()
            loss.backward()
            clip_grad_norm_(policy.parameters(), config.max_grad_norm)
            optimizer.step()
            total += loss.item() * len(rows)
    return total / len(obs)


class RehearsingAgent(NeuralComputerAgent):
    """Learn levels one after another, and rehearse all solved ones in dreams after each.

    Args:
        live, num_levels, solved, config, seed: see `NeuralComputerAgent`. With `old_levels` 0 and `check_greedy` False the
            policy dreams of the newest level alone, and only rehearsal keeps the old ones.
        rehearsal: its numbers.
    """

    def __init__(
        self,
        live: Callable[[int], gymnasium.Env],
        num_levels: int,
        solved: Callable[[int, int], bool],
        config: AgentConfig | None = None,
        rehearsal: RehearsalConfig | None = None,
        *,
        seed: int,
    ):
        super().__init__(live, num_levels, solved, config, seed=seed)
        self.rehearsal = rehearsal or RehearsalConfig()

    def _act(self) -> dict[str, Any]:
        record = super()._act()
        if record["solved"]:
            self.stage = "rehearse"
        return record

    def _rehearse(self) -> dict[str, Any]:
        """Dream, keep the best, imitate, until greedy dreams of the old levels are as short as when these were solved."""
        config = self.rehearsal
        for _ in range(self.config.updates):  # the last live episodes are new to the model
            self._update(None)
        optimizer = torch.optim.Adam(self.policy.parameters(), lr=config.lr)
        *old, newest = sorted(self.solved_length)
        # the newest was solved live: a wrong dream of it is the model's fault, and no aim
        watched = old if self._lost([newest]) else [*old, newest]
        temperatures = dict.fromkeys([*old, newest], 1.0)
        before = lost = self._lost(watched)
        rounds = steps = 0
        while lost and rounds < config.max_rounds:
            lessons = []
            for level in temperatures:
                episodes = self._dream_of(level, temperatures[level])
                known = self.solved_length[level]
                lessons.append(best(episodes, config.kept, known, known if level == newest else None))
                steps += int(episodes.mask.sum())
                if not (episodes.lengths[episodes.ended] == known).any():
                    temperatures[level] *= config.heat
            obs, actions = (torch.cat(part) for part in zip(*lessons, strict=True))
            if len(obs):
                imitate(self.policy, optimizer, obs, actions, config, self.generator)
            rounds += 1
            lost = self._lost(watched)
            temperatures |= {level: 1.0 for level in watched if level not in lost}
        self.stage = "explore" if self.level < self.num_levels else "done"
        return {"lost_before": before, "lost_after": lost, "rounds": rounds, "steps": steps}

    def _dream_of(self, level: int, temperature: float) -> DreamEpisodes:
        seed = int(self.rng.integers(2**31))
        return dream_episodes(
            self.dreams(lambda count, rng: self.experience.starts(count, level, 0.0, rng), seed),
            self.policy,
            self.rehearsal.dreams,
            with_memory=self.config.with_memory,
            temperature=temperature,
            generator=self.generator,
        )

    def _lost(self, levels: list[int]) -> list[int]:
        """Return those of some solved levels whose greedy dream does not end, or later than when the level was solved."""
        lengths = self.greedy_dreams(levels) if levels else []
        return [level for level, n in zip(levels, lengths, strict=True) if n is None or n > self.solved_length[level]]
