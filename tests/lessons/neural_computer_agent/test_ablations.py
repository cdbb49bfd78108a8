"""Each guard is taken away alone."""

from dataclasses import fields

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.lessons.neural_computer_agent import ablations
from wmlib.lessons.neural_computer_agent.pipeline import RunConfig

CHANGED = {
    "reward clamp": {"clamp_reward"},
    "reward with the end": {"reward_with_done"},
    "both reward guards": {"clamp_reward", "reward_with_done"},
    "accuracy gate": {"adequate"},
    "floor of the advantages": {"ppo"},
    "entropy boost": {"stalled_entropy"},
    "greedy check": {"check_greedy"},
    "core dropout": {"core_dropout"},
}


def test_what_each_row_changes():
    default = AgentConfig()
    runs = ablations.without(RunConfig(default), len(CHANGED))
    for name, config in runs.items():
        differs = {
            field.name for field in fields(AgentConfig) if getattr(config.agent, field.name) != getattr(default, field.name)
        }
        assert differs == CHANGED[name], name
    assert list(runs) == list(CHANGED) == list(ablations.GUARDS) and list(ablations.without(RunConfig(), 2)) == list(runs)[:2]
    assert runs["floor of the advantages"].agent.ppo.advantage_std_floor < 1e-6
    assert runs["entropy boost"].agent.stalled_entropy == default.ppo.entropy_coef
