"""The guards of the agent in notebook 07, each taken away alone: how many live steps does it save?

Reading guide. `GUARDS` names each guard and what takes it away; `without` makes the runs' descriptions of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.lessons.neural_computer_agent.pipeline import RunConfig

ALL_GUARDS = "all guards"


def _no_floor(agent: AgentConfig) -> AgentConfig:
    return replace(agent, ppo=replace(agent.ppo, advantage_std_floor=1e-8))


def _no_boost(agent: AgentConfig) -> AgentConfig:
    return replace(agent, stalled_entropy=agent.ppo.entropy_coef)


GUARDS: dict[str, Callable[[AgentConfig], AgentConfig]] = {  # what takes a guard away, by what is then missing
    "reward clamp": lambda agent: replace(agent, clamp_reward=False),
    "reward with the end": lambda agent: replace(agent, reward_with_done=False),
    "both reward guards": lambda agent: replace(agent, clamp_reward=False, reward_with_done=False),
    "accuracy gate": lambda agent: replace(agent, adequate=0.0),
    "floor of the advantages": _no_floor,
    "entropy boost": _no_boost,
    "greedy check": lambda agent: replace(agent, check_greedy=False),
    "core dropout": lambda agent: replace(agent, core_dropout=0.0),
}


def without(config: RunConfig, count: int) -> dict[str, RunConfig]:
    """Return a run without each guard, by the guard's name.

    Args:
        config: the run with all guards.
        count: of guards, the first ones.

    Example:
        >>> without(RunConfig(), 1)["reward clamp"].agent.clamp_reward
        False
    """
    names = list(GUARDS)[:count]
    return {name: replace(config, agent=GUARDS[name](config.agent)) for name in names}
