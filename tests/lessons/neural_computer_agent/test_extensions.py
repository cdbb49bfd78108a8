"""The extensions: the runs that the settings ask for, none where there are no seeds."""

from types import SimpleNamespace

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.experiment import settings
from wmlib.lessons.neural_computer_agent import baselines, extensions, pipeline

NONE = {"rehearsal_seeds": 0, "ablation_seeds": 0, "larger_seeds": 0, "view_seeds": 0}


def test_dreams_grow_with_the_grid():
    big = extensions.larger(pipeline.RunConfig(AgentConfig(dream_horizon=96)), 3)
    assert big.size == 8 and big.levels == (0, 1, 2) and big.agent.dream_horizon == 128


def test_where_no_seed_is_asked_for_nothing_is_run():
    run = SimpleNamespace(settings=SimpleNamespace(**NONE))
    configs = {pipeline.DNC: pipeline.RunConfig()}
    parts = extensions.run_all(run, configs, {pipeline.DNC: []}, baselines.TUNINGS[0], 10)
    assert set(parts) == {"rehearsal", "guards", "larger", "view"} and not any(parts.values())


def test_every_number_of_seeds_is_a_setting():
    table = settings.read("07_neural_computer_agent")
    assert all(table[name].study >= 3 and table[name].smoke == 1 for name in NONE)
