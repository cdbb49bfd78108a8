"""Each guard is taken away alone."""

from dataclasses import fields

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.lessons.neural_computer_agent import ablations
from wmlib.lessons.neural_computer_agent.pipeline import RunConfig

CHANGED = {
    "without reward clamp": {"clamp_reward"},
    "without reward with the end": {"reward_with_done"},
    "without both reward guards": {"clamp_reward", "reward_with_done"},
    "without accuracy gate": {"adequate"},
    "without floor of the advantages": {"ppo"},
    "without entropy boost": {"stalled_entropy"},
    "without greedy check": {"check_greedy"},
    "without core dropout": {"core_dropout"},
    "without going back to the best policy": {"keep_best"},
    "with a bonus for excess novelty": {"novelty_coef"},
    "with a bonus for all novelty": {"novelty_coef", "novelty_above"},
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
    assert runs["without floor of the advantages"].agent.ppo.advantage_std_floor < 1e-6
    assert runs["without entropy boost"].agent.stalled_entropy == default.ppo.entropy_coef
