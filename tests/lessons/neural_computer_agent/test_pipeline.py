"""The runs: each resumable to the bit, with equal rules for agent and model-free PPO."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.experiment import checkpoint, settings
from wmlib.lessons.neural_computer_agent import pipeline
from wmlib.models.frame_model import FrameModel
from wmlib.models.layers import num_parameters
from wmlib.models.specs import CoreConfig

TABLE = {name: setting.smoke for name, setting in settings.read("07_neural_computer_agent").items()}
SMALL = AgentConfig(
    CoreConfig("dnc", 8, 4, 4), first_updates=3, updates=2, gate_iterations=1, max_iterations=1, dream_horizon=8
)
CONFIG = pipeline.RunConfig(SMALL, (0, 1), max_rounds=2, max_live_steps=2000)


def without_seconds(state):
    return {name: value for name, value in state.items() if name != "cpu_seconds"}


def test_a_run_that_was_stopped_and_saved_goes_on_with_the_same_bits(tmp_path):
    whole = pipeline.AgentRun(CONFIG, seed=3)
    records = list(whole.run(5))
    stopped = pipeline.AgentRun(CONFIG, seed=3)
    list(stopped.run(2))
    checkpoint.save(tmp_path / "state", stopped.state_dict())
    other = pipeline.AgentRun(CONFIG, seed=3)
    other.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert list(other.run(3)) == records[2:] and other.step == 5
    assert without_seconds(pipeline.output(other)) == without_seconds(pipeline.output(whole))
    for name, value in whole.agent.policy.state_dict().items():
        assert torch.equal(value, other.agent.policy.state_dict()[name])


def test_a_run_is_over_when_its_live_steps_are_used_up():
    run = pipeline.AgentRun(replace(CONFIG, max_live_steps=1), seed=0)
    records = list(run.run(4))
    assert records[0]["stage"] == "explore" and records[1:] == [None] * 3 and run.step == 4
    assert pipeline.output(run)["solved_at"] == [None, None] and pipeline.live_steps(pipeline.output(run), 7) == 7


def test_what_is_measured_after_a_stage():
    run = pipeline.AgentRun(CONFIG, seed=0)
    _, model, _, act = run.run(4)
    assert len(model["exact"]) == len(act["greedy_solved"]) == 2 and "greedy_solved" not in model
    assert act["beside"]["dreamt"][0] == act["beside"]["real"][0]


def test_arms_differ_by_the_core_alone_and_one_lstm_is_as_large_as_the_dnc():
    table = SimpleNamespace(**{**TABLE, "hidden_size": 16})
    cores = pipeline.cores(table)
    sizes = {
        name: num_parameters(FrameModel(core, (3, 6, 6), 4, generator=torch.Generator().manual_seed(0)))
        for name, core in cores.items()
    }
    assert sizes["LSTM, equal parameters"] == pytest.approx(sizes["DNC"], rel=0.03)
    assert sizes["LSTM"] < sizes["DNC"]
    configs = pipeline.run_configs(table, "newest")
    assert len({replace(c.agent, core=CoreConfig()) for c in configs.values()}) == 1
    assert all(config.agent.replay == "newest" for config in configs.values())


def test_runs_on_one_level_each():
    singles = pipeline.alone(replace(CONFIG, levels=(2, 5)))
    assert {level: config.levels for level, config in singles.items()} == {2: (2,), 5: (5,)}


def test_seeds_are_those_of_the_run_and_distinct():
    assert pipeline.seed_of(1, 0) == pipeline.seed_of(1, 0) != pipeline.seed_of(1, 1)
    assert copy.copy(pipeline.seed_of(2, 0)) < 2**31
