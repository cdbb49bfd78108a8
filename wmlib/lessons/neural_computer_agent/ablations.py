"""The guards of the agent in notebook 07, each taken away alone: how many live steps does it save?

Reading guide. `GUARDS` names each guard and what takes it away; `without` makes the runs' descriptions of them. The guard of
the novelty bonus guards what the agent does not use: its two rows add the bonus, with that guard and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.lessons.neural_computer_agent.pipeline import RunConfig

ALL_GUARDS = "all guards"
BONUS = 0.05  # 2.5 times the cost of a step


def _no_floor(agent: AgentConfig) -> AgentConfig:
    return replace(agent, ppo=replace(agent.ppo, advantage_std_floor=1e-8))


def _no_boost(agent: AgentConfig) -> AgentConfig:
    return replace(agent, stalled_entropy=agent.ppo.entropy_coef)


GUARDS: dict[str, Callable[[AgentConfig], AgentConfig]] = {  # what takes a guard away, by the row's name
    "without reward clamp": lambda agent: replace(agent, clamp_reward=False),
    "without reward with the end": lambda agent: replace(agent, reward_with_done=False),
    "without both reward guards": lambda agent: replace(agent, clamp_reward=False, reward_with_done=False),
    "without accuracy gate": lambda agent: replace(agent, adequate=0.0),
    "without floor of the advantages": _no_floor,
    "without entropy boost": _no_boost,
    "without greedy check": lambda agent: replace(agent, check_greedy=False),
    "without core dropout": lambda agent: replace(agent, core_dropout=0.0),
    "without going back to the best policy": lambda agent: replace(agent, keep_best=False),
    "with a bonus for excess novelty": lambda agent: replace(agent, novelty_coef=BONUS),
    "with a bonus for all novelty": lambda agent: replace(agent, novelty_coef=BONUS, novelty_above=0.0),
}


def without(config: RunConfig, count: int) -> dict[str, RunConfig]:
    """Return a run without each guard, by the guard's name.

    Args:
        config: the run with all guards.
        count: of guards, the first ones.

    Example:
        >>> without(RunConfig(), 1)["without reward clamp"].agent.clamp_reward
        False
    """
    names = list(GUARDS)[:count]
    return {name: replace(config, agent=GUARDS[name](config.agent)) for name in names}
