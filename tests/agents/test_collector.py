"""Rollouts in an environment whose every step is known, under both of Gymnasium's autoreset modes."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from wmlib.agents.collector import Collector, evaluate
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.models.specs import CoreConfig

N, T = 3, 41
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]
CORES = {"none": None, "lstm": CoreConfig("lstm", 11), "dnc": CoreConfig("dnc", 7, 5, 3, 1)}


class Line(gymnasium.Env):
    """Observe (environment, episode, step); it rewards the step and half the action; odd episodes terminate, even are cut."""

    observation_space = spaces.Box(-100, 100, (3,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, number):
        self.number = number
        self.episode = -1

    def see(self):
        return np.array([self.number, self.episode, self.time], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.time = 0
        return self.see(), {}

    def step(self, action):
        reward = self.time + 0.5 * action
        self.time += 1
        over = self.time == length(self.number, self.episode)
        return self.see(), reward, over and self.episode % 2 == 1, over and self.episode % 2 == 0, {}


def length(number, episode):
    return 1 + (3 * episode + number) % 5


def lines(mode, count=N):
    return SyncVectorEnv([lambda i=i: Line(i) for i in range(count)], autoreset_mode=mode)


def policy(core="none", num_values=2):
    config = PolicyConfig((13,), core=CORES[core])
    net = ActorCritic(Line.observation_space, 2, config, num_values, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.policy_head.weight.mul_(50)
    return net


def collector(mode, core="none", num_steps=T):
    return Collector(lines(mode), policy(core), num_steps, generator=torch.Generator().manual_seed(1), seed=0)


@pytest.mark.parametrize("mode", MODES)
def test_a_rollout_holds_what_happened(mode):
    made = collector(mode)
    finished = []
    for part in range(3):  # goes on where the last one stopped
        rollout = made.collect()
        if part == 0:
            place = [(0, 0)] * N
        following = rollout.next_obs()
        for n in range(N):
            episode, time = place[n]
            for t in range(T):
                if not rollout.valid[n, t]:
                    assert mode == AutoresetMode.NEXT_STEP and time == 0
                    assert not rollout.ended[n, t]
                    continue
                assert rollout.obs[n, t].tolist() == [n, episode, time]
                assert bool(rollout.starts[n, t]) == (time == 0)
                assert rollout.rewards[n, t] == time + 0.5 * rollout.actions[n, t].item()
                time += 1
                assert following[n, t].tolist() == [n, episode, time]
                over = time == length(n, episode)
                assert rollout.ended[n, t] == over and rollout.terminated[n, t] == (over and episode % 2 == 1)
                if over:
                    finished.append(time)
                    episode, time = episode + 1, 0
            place[n] = episode, time
        assert sorted(made.lengths) == sorted(finished[-len(made.lengths) :])
    assert (rollout.valid.all()) == (mode == AutoresetMode.SAME_STEP)


@pytest.mark.parametrize("mode", MODES)
def test_returns_are_the_sums_of_rewards_across_rollouts(mode):
    made = collector(mode, num_steps=7)
    running = np.zeros(N)
    steps = 0
    for _ in range(9):
        rollout = made.collect()
        expected = []
        for n in range(N):
            for t in range(7):
                running[n] += rollout.rewards[n, t]
                if rollout.ended[n, t]:
                    expected.append(running[n])
                    running[n] = 0
        assert made.returns.tolist() == expected
        steps += rollout.valid.sum()
    assert made.env_steps == steps


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("core", CORES)
def test_values_and_log_probabilities_are_those_of_a_second_pass(mode, core):
    made = collector(mode, core)
    made.collect()
    rollout = made.collect()
    output = made.policy(rollout.obs, rollout.state, rollout.starts)
    torch.testing.assert_close(output.values, rollout.values, rtol=1e-4, atol=1e-5)
    chosen = torch.distributions.Categorical(logits=output.logits[:, :-1]).log_prob(rollout.actions)
    torch.testing.assert_close(chosen, rollout.log_probs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("core", CORES)
def test_a_cut_episode_has_the_value_of_its_own_last_observation(mode, core):
    """By the policy that has seen this episode and nothing else."""
    made = collector(mode, core)
    rollout = made.collect()
    checked = 0
    for n, t in np.argwhere(rollout.ended & ~rollout.terminated):
        episode = int(rollout.obs[n, t, 1])
        seen = torch.tensor([[[n, episode, time] for time in range(length(n, episode) + 1)]], dtype=torch.float32)
        expected = made.policy(seen, made.policy.initial_state(1)).values[0, -1]
        torch.testing.assert_close(rollout.final_values[n, t], expected, rtol=1e-4, atol=1e-5)
        checked += 1
    assert checked > 10


def test_actions_are_drawn_with_the_policy_s_probabilities():
    made = collector(AutoresetMode.SAME_STEP, num_steps=3000)
    with torch.no_grad():
        made.policy.policy_head.weight.zero_()
        made.policy.policy_head.bias.copy_(torch.tensor([0.0, 1.0]))
    proportion = made.collect().actions.double().mean().item()
    assert proportion == pytest.approx(1 / (1 + np.exp(-1)), abs=4 * 0.5 / np.sqrt(9000))


@pytest.mark.parametrize("mode", MODES)
def test_evaluation_takes_one_episode_of_each_environment(mode):
    net = policy("lstm")
    with torch.no_grad():
        net.policy_head.bias.copy_(torch.tensor([-1e6, 1e6]))
    expected = [sum(time + 0.5 for time in range(length(n, 0))) for n in range(5)]
    assert evaluate(lines(mode, 5), net, seed=0).tolist() == expected
    drawn = evaluate(lines(mode, 5), policy(), seed=0, generator=torch.Generator().manual_seed(0))
    assert drawn.tolist() == evaluate(lines(mode, 5), policy(), seed=0, generator=torch.Generator().manual_seed(0)).tolist()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"autoreset_mode AutoresetMode.DISABLED; supported are"):
        collector(AutoresetMode.DISABLED)
    with pytest.raises(ValueError, match="num_steps is 0"):
        collector(MODES[0], num_steps=0)
    made = collector(MODES[0])
    state = made.state_dict()
    state["obs"] = state["obs"][:2]
    with pytest.raises(ValueError, match=r"state has observations \(2, 3\), here they are \(3, 3\)"):
        made.load_state_dict(state)
