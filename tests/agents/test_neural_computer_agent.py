"""The loop: it learns a small corridor in dreams, counts every live step, and goes on after a stop with the same bits."""

from dataclasses import replace
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
import torch

from wmlib.agents.neural_computer_agent import SHAKE, AgentConfig, NeuralComputerAgent
from wmlib.agents.policies import PolicyConfig
from wmlib.agents.ppo import PPOConfig
from wmlib.models.specs import CoreConfig


class Walk(gymnasium.Env):
    """Five cells in a row; level 0 has its goal at the right end, level 1 at the left one. Start in the middle."""

    observation_space = gymnasium.spaces.Box(0, 255, (3, 5, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, level):
        self.goal = (4, 0)[level]
        self.steps_played = 0

    def _see(self):
        frame = np.zeros((3, 5, 3), np.uint8)
        frame[:, self.goal, 1] = 255
        frame[:, self.cell, 0] = 255
        return frame

    def reset(self, *, seed=None, options=None):
        self.cell = 2
        self.age = 0
        return self._see(), {}

    def step(self, action):
        self.cell = int(np.clip(self.cell + 2 * action - 1, 0, 4))
        self.age += 1
        done = self.cell == self.goal
        return self._see(), 1.0 if done else -0.02, done, self.age >= 12 and not done, {}


CONFIG = AgentConfig(
    core=CoreConfig("lstm", hidden_size=16),
    first_updates=80,
    updates=20,
    num_dreams=16,
    dream_horizon=12,
    ppo=PPOConfig(num_steps=16, minibatch_size=64, lr=3e-3, gamma=0.97, entropy_coef=0.02, advantage_std_floor=0.05),
    policy=PolicyConfig(hidden_sizes=(16,)),
)


def agent(seed=0, config=CONFIG):
    return NeuralComputerAgent(Walk, 2, lambda level, length: length == 2, config, seed=seed)


def test_both_levels_are_solved_in_dreams():
    ours = agent()
    while ours.stage != "done" and len(ours.log) < 60:
        ours.advance()
    assert ours.stage == "done" and list(ours.solved_at) == [0, 1]
    played = sum(episode.length for episode in ours.experience.episodes)
    assert ours.live_steps == played == ours.experience.steps and ours.solved_at[1] == played
    assert ours.solved_at[0] < ours.solved_at[1] < 1000
    assert [record["stage"] for record in ours.log[:4]] == ["explore", "model", "dream", "act"]


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, novelty_coef=0.05)], ids=["plain", "bonus"])
def test_a_stopped_run_goes_on_with_the_same_bits(config):
    whole = agent(config=config)
    records = [whole.advance() for _ in range(7)]
    stopped = agent(config=config)
    for _ in range(3):
        stopped.advance()
    state = stopped.state_dict()
    stopped.advance()  # changes nothing in what was copied
    other = agent(seed=5, config=config)
    other.load_state_dict(state)
    assert [other.advance() for _ in range(4)] == records[3:]
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name])
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name])


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    first, second, third = agent(1), agent(1), agent(2)
    assert [first.advance() for _ in range(3)] == [second.advance() for _ in range(3)]
    third.advance()
    assert third.live_steps != first.log[0]["live_steps"]


def test_the_greedy_test_and_dreams_cost_no_live_step():
    ours = agent()
    ours.advance()
    before = ours.live_steps
    ours.greedy(0)
    ours.greedy(1)
    ours.advance()
    ours.advance()
    assert ours.stage == "act" and ours.live_steps == before


def test_wrong_environments_and_words_are_refused():
    with pytest.raises(ValueError, match="replay is 'old'; allowed are all, newest"):
        AgentConfig(replay="old")
    with pytest.raises(ValueError, match="must be pictures"):
        NeuralComputerAgent(lambda level: gymnasium.make("CartPole-v1"), 1, lambda *_: True, seed=0)


def test_random_walks_repeat_their_actions():
    walker = agent(config=replace(CONFIG, repeat=0.9))
    while len(walker.experience.episodes) < 30:
        walker._play(epsilon=1.0)
    pairs = [pair for episode in walker.experience.episodes for pair in pairwise(episode.actions.tolist())]
    assert 0.88 < np.mean([a == b for a, b in pairs]) <= 1  # 0.95, and few pairs


def test_hopeless_dreams_end_and_the_agent_goes_to_look():
    ours = agent(config=replace(CONFIG, first_updates=1, adequate=0.0, hopeless_iterations=3, max_iterations=30))
    ours.dream_success_rate = lambda level: 0.0
    dream = [ours.advance() for _ in range(3)][-1]
    assert dream["success"] == 0 and dream["iterations"] == 3
    assert ours.advance()["epsilon"] == 1


def test_old_levels_are_dreamt_greedily_before_a_new_one_begins():
    ours = agent()
    while ours.level == 0:
        ours.advance()
    assert ours.solved_length == {0: 2} and ours.greedy_dreams([0]) != [None] and ours.keeps_old_levels()
    ours.solved_length[0] = 0  # faster than it can be
    for _ in range(4):
        ours.advance()
    assert not ours.keeps_old_levels() and 1 not in ours.solved_at


def test_what_a_stopped_run_counts_is_kept():
    ours = agent()
    ours.detours, ours.best_length = 2, 7
    ours.best_policy = {name: value + 1 for name, value in ours.policy.state_dict().items()}
    other = agent(seed=5)
    other.load_state_dict(ours.state_dict())
    assert other.detours == 2 and other.best_length == 7
    assert all(torch.equal(other.best_policy[name], value) for name, value in ours.best_policy.items())


@pytest.mark.parametrize("keep_best", [True, False])
def test_a_policy_that_arrived_is_gone_back_to_when_it_does_no_more(keep_best):
    ours = agent(config=replace(CONFIG, keep_best=keep_best))
    lengths = iter([5, 3, 4, None])
    ours.greedy = lambda level: next(lengths)
    ours.solved = lambda level, length: False
    weights = []
    went_back = []
    for _ in range(4):
        with torch.no_grad():
            next(ours.policy.parameters()).fill_(len(weights))
        weights.append(len(weights))
        went_back.append(ours._act()["went_back"])
    assert went_back == [False, False, False, keep_best]
    assert next(ours.policy.parameters()).unique().item() == (1 if keep_best else 3)  # of the shortest way
    assert ours.best_length == 3


def test_dreams_pay_the_bonus_of_the_frames_that_a_step_led_to():
    ours = agent(config=replace(CONFIG, novelty_coef=0.05, novelty_above=0.0))
    plain = agent()
    for each in (ours, plain):
        each._explore()
        each._model()
    assert plain.novelty is None and ours.novelty.usual > 0
    dreams = ours.dreams(lambda count, rng: ours.experience.starts(count, 0, 0.0, rng), seed=0)
    dreams.begin(range(4))
    other = ours.dreams(lambda count, rng: ours.experience.starts(count, 0, 0.0, rng), seed=0)
    other.bonus = None
    other.begin(range(4))
    actions = torch.tensor([0, 1, 0, 1])
    paid, usual = dreams.step(actions)[1], other.step(actions)[1]
    assert torch.equal(dreams.frames, other.frames)
    torch.testing.assert_close(paid - usual, ours.novelty(dreams.frames.flatten(1)))
    assert (paid > usual).all()


def test_a_policy_that_takes_a_detour_is_stirred_in_the_next_dreams():
    ours = NeuralComputerAgent(Walk, 2, lambda level, length: False, replace(CONFIG, max_iterations=30), seed=0)
    while ours.detours < 2:
        ours.advance()
    assert ours.stage == "model" and ours.level == 0
    ours.advance()
    assert ours.advance()["iterations"] > 2 * SHAKE
