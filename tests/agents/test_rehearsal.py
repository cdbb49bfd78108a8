"""Rehearsal: dreams are graded up to their end, the best are imitated, and a policy that forgot a level has it back."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.ppo import PPOConfig
from wmlib.agents.rehearsal import DreamEpisodes, RehearsalConfig, RehearsingAgent, best, dream_episodes, imitate
from wmlib.models.specs import CoreConfig

REHEARSAL = RehearsalConfig(dreams=16, max_rounds=20)
CONFIG = AgentConfig(
    core=CoreConfig("feedforward", hidden_size=16),
    first_updates=150,
    updates=30,
    num_dreams=16,
    dream_horizon=12,
    ppo=PPOConfig(num_steps=16, minibatch_size=64, lr=3e-3, gamma=0.97, entropy_coef=0.02, advantage_std_floor=0.05),
    policy=PolicyConfig(hidden_sizes=(16,)),
)


class Ends(gymnasium.Env):
    """Five cells in a row, start in the middle; the goal is the right end on level 0, the left one on level 1."""

    observation_space = gymnasium.spaces.Box(0, 255, (3, 5, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, level):
        self.goal = (4, 0)[level]

    def _see(self):
        frame = np.zeros((3, 5, 3), np.uint8)
        frame[:, self.goal, 1] = 255
        frame[:, self.cell, 0] = 255
        return frame

    def reset(self, *, seed=None, options=None):
        self.cell, self.age = 2, 0
        return self._see(), {}

    def step(self, action):
        self.cell = int(np.clip(self.cell + 2 * action - 1, 0, 4))
        self.age += 1
        done = self.cell == self.goal
        return self._see(), 1.0 if done else -0.02, done, self.age >= 12 and not done, {}


class Countdown:
    """Dreams that pay 1 each step, also after their ends: row i ends at step i + 1."""

    max_steps = 4

    def begin(self, numbers):
        self.step_number = 0
        self.frames = torch.zeros(len(numbers), 1, 1, 2)
        self.memory = torch.zeros(len(numbers), 0)

    def step(self, actions):
        self.step_number += 1
        return torch.arange(len(actions)) + 1 == self.step_number, torch.ones(len(actions))


def policy(size=2, actions=3):
    space = spaces.Box(-1, 1, (size,), np.float32)
    return ActorCritic(space, actions, PolicyConfig(hidden_sizes=(5,)), generator=torch.Generator().manual_seed(0))


def agent(seed=0):
    return RehearsingAgent(Ends, 2, lambda level, length: length == 2, CONFIG, REHEARSAL, seed=seed)


def forget(ours):
    """Make the policy go left, whatever it sees."""
    with torch.no_grad():
        ours.policy.policy_head.weight.zero_()
        ours.policy.policy_head.bias.copy_(torch.tensor([1.0, 0.0]))


def test_what_a_dream_pays_after_its_end_does_not_count():
    generator = torch.Generator().manual_seed(0)
    episodes = dream_episodes(Countdown(), policy(), 7, with_memory=False, temperature=1.0, generator=generator)
    assert episodes.returns.tolist() == [1, 2, 3, 4, 4, 4, 4] and episodes.ended.tolist() == [True] * 4 + [False] * 3
    assert episodes.mask.sum(1).tolist() == [1, 2, 3, 4, 4, 4, 4] and episodes.obs.shape == (7, 4, 2)


def test_heat_makes_actions_more_even():
    sharp = policy()
    with torch.no_grad():
        sharp.policy_head.bias.copy_(torch.tensor([3.0, 0.0, 0.0]))
    shares = []
    for temperature in (1.0, 100.0):
        generator = torch.Generator().manual_seed(0)
        episodes = dream_episodes(Countdown(), sharp, 200, with_memory=False, temperature=temperature, generator=generator)
        shares.append(float((episodes.actions == 0).float().mean()))
    assert shares[0] > 0.85 and shares[1] == pytest.approx(1 / 3, abs=0.06)


def test_the_best_dreams_are_kept_if_they_ended():
    episodes = DreamEpisodes(
        torch.arange(10.0).view(5, 2, 1),
        torch.arange(10).view(5, 2),
        torch.tensor([[1, 1], [1, 0], [1, 1], [1, 1], [1, 0]], dtype=torch.bool),
        torch.tensor([0.5, 0.9, -0.1, 1.5, 0.7]),
        torch.tensor([True, True, True, False, True]),
    )
    obs, actions = best(episodes, 0.4)  # two: row 1 and row 4, as row 3 did not end
    assert actions.tolist() == [2, 8] and obs.flatten().tolist() == [2, 8]
    assert len(best(episodes._replace(ended=torch.zeros(5, dtype=torch.bool)), 0.6)[0]) == 0
    assert best(episodes, 0.2, shortest=2)[1].tolist() == [0, 1] and best(episodes, 0.9, longest=1)[1].tolist() == [2, 8]


def test_imitation_learns_the_actions_and_leaves_the_values():
    ours = policy()
    obs = torch.randn(40, 2, generator=torch.Generator().manual_seed(1))
    actions = (obs[:, 0] > 0).long()
    values = ours.step(obs).values.detach()
    optimizer = torch.optim.Adam(ours.parameters(), lr=0.05)
    config = RehearsalConfig(epochs=30, batch_size=20)
    assert imitate(ours, optimizer, obs, actions, config, torch.Generator().manual_seed(2)) < 0.2
    assert (ours.step(obs).logits.argmax(-1) == actions).float().mean() > 0.9
    assert torch.equal(ours.step(obs).values, values)


@pytest.fixture(scope="module")
def learnt():
    """What an agent is that has solved both levels, but whose policy has forgotten the first one."""
    ours = agent()
    while ours.stage != "done":
        record = ours.advance()
    assert record["stage"] == "rehearse" and list(ours.solved_at) == [0, 1]
    forget(ours)
    ours.stage = "rehearse"
    return ours.state_dict()


def rehearsed(learnt, seed):
    ours = agent(seed)
    ours.load_state_dict(learnt)
    return ours, ours.advance()


def test_a_policy_that_forgot_learns_again_without_a_live_step(learnt):
    ours, record = rehearsed(learnt, 0)
    assert record["lost_before"] == [0] and record["lost_after"] == [] and 0 < record["rounds"] <= REHEARSAL.max_rounds
    assert ours.greedy(0) == ours.greedy(1) == 2 and ours.stage == "done"
    assert ours.live_steps == learnt["counts"]["live_steps"]


def test_a_stop_before_rehearsal_changes_nothing(learnt):
    (ours, record), (other, same) = rehearsed(learnt, 1), rehearsed(learnt, 2)
    assert record == same
    for name, value in ours.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"kept": 0.0}, "kept is 0.0"), ({"heat": 0.5}, "heat is 0.5"), ({"max_rounds": -1}, "max_rounds is -1")],
)
def test_wrong_numbers_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        RehearsalConfig(**wrong)
