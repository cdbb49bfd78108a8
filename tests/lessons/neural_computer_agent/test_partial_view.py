"""The small view: frames of 3 x 3, a policy that sees the core, runs that are resumable to the bit, and test walks."""

from dataclasses import replace

import numpy as np
import torch

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.envs.grid.levels import LEVELS
from wmlib.experiment import checkpoint
from wmlib.lessons.neural_computer_agent import partial_view, pipeline
from wmlib.models.specs import CoreConfig


def configs():
    cores = (CoreConfig("dnc", 5, 4, 3), CoreConfig("lstm", 5), CoreConfig("feedforward", 5))
    small = AgentConfig(
        random_episodes=1,
        episodes=1,
        first_updates=2,
        updates=1,
        batch_size=4,
        gate_iterations=1,
        max_iterations=1,
        dream_horizon=6,
        num_dreams=4,
    )
    full = {
        arm: pipeline.RunConfig(replace(small, core=core), (0, 1, 2), max_rounds=2)
        for arm, core in zip(partial_view.VIEW_ARMS, cores, strict=True)
    }
    return partial_view.view_configs(full, 2, 900)


def test_the_policy_sees_the_core_and_dreams_begin_with_an_empty_memory():
    for each in configs().values():
        assert each.levels == (0, 1) and each.max_live_steps == 900
        assert each.agent.with_memory and each.agent.anywhere == 0 and each.agent.core_dropout == 0


def test_a_run_that_was_stopped_and_saved_goes_on_with_the_same_bits(tmp_path):
    config = configs()["DNC"]
    whole = partial_view.ViewRun(config, seed=3)
    records = list(whole.run(4))
    stopped = partial_view.ViewRun(config, seed=3)
    list(stopped.run(2))
    checkpoint.save(tmp_path / "state", stopped.state_dict())
    other = partial_view.ViewRun(config, seed=3)
    other.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert list(other.run(2)) == records[2:]
    assert whole.agent.experience.episodes[0].frames.shape[1:] == (3, 3, 3)
    assert len(records[3]["walks"]) == len(records[3]["greedy_solved"]) == 2 and "walks" not in records[1]
    assert torch.equal(whole.agent.policy.policy_head.weight, other.agent.policy.policy_head.weight)


def test_a_walk_is_random_and_ends():
    rng = np.random.default_rng(0)
    walk = partial_view.random_walk(1, LEVELS[6][1], 12, rng)
    assert walk.level == 1 and walk.length == 12 and not walk.terminated and len(set(walk.actions.tolist())) == 4
    assert walk.frames.shape == (13, 3, 3, 3) and walk.frames[0, 1, 1].tolist() == [255, 0, 0]


def test_curves_are_those_of_the_level_being_learnt():
    records = [
        {"stage": "model", "level": 0, "live_steps": 50},
        {"stage": "act", "level": 0, "live_steps": 70, "walks": [0.5, 0.1]},
        {"stage": "act", "level": 1, "live_steps": 90, "walks": [0.9, 0.4]},
    ]
    assert partial_view.walk_curves([{"records": records}]) == [[[70.0, 90.0], [0.5, 0.4]]]
