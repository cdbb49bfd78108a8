"""The small view: frames of 3 x 3, a policy that sees the core, runs that are resumable to the bit, and test walks."""

from dataclasses import replace

import torch

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.envs.grid.levels import LEVELS, shortest_path
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
    assert (
        len(records[3]["walks"]) == len(records[3]["paths"]) == len(records[3]["greedy_solved"]) == 2
        and "walks" not in records[1]
    )
    assert torch.equal(whole.agent.policy.policy_head.weight, other.agent.policy.policy_head.weight)


def test_moves_are_played_up_to_the_end():
    episode = partial_view.play(1, LEVELS[6][1], [*shortest_path(1), 0, 0])
    assert episode.level == 1 and episode.terminated and episode.length == 10 and episode.rewards[-1] == 1
    assert episode.frames.shape == (11, 3, 3, 3) and episode.frames[0, 1, 1].tolist() == [255, 0, 0]
    assert not partial_view.play(0, LEVELS[6][0], [1, 0, 1]).terminated


class Memory:
    """Dreams that show given frames, and end after as many steps."""

    def __init__(self, frames, ends):
        self.shown, self.ends = frames, ends

    def begin(self, numbers):
        self.age = 0

    def step(self, actions):
        self.age += 1
        self.frames = torch.from_numpy(self.shown[self.age : self.age + 1]).permute(0, 3, 1, 2).float() / 255
        return torch.tensor([self.age == self.ends]), torch.zeros(1)


def test_a_path_is_dreamt_right_up_to_the_first_mistake():
    path = partial_view.play(0, LEVELS[6][0], shortest_path(0))
    assert partial_view.dreamt_right(Memory(path.frames, 10), path) == 1
    assert partial_view.dreamt_right(Memory(path.frames, 7), path) == 0.6
    assert partial_view.dreamt_right(Memory(path.frames, 11), path) == 0.9
    wrong = path.frames.copy()
    wrong[4] = 255 - wrong[4]
    assert partial_view.dreamt_right(Memory(wrong, 10), path) == 0.3


def test_curves_are_those_of_the_level_being_learnt():
    records = [
        {"stage": "model", "level": 0, "live_steps": 50},
        {"stage": "act", "level": 0, "live_steps": 70, "walks": [0.5, 0.1]},
        {"stage": "act", "level": 1, "live_steps": 90, "walks": [0.9, 0.4]},
    ]
    assert partial_view.curves([{"records": records}], "walks") == [[[70.0, 90.0], [0.5, 0.4]]]
