"""PPO against a float64 computation of its own, its chance, resuming, and what it learns."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from wmlib.agents.advantages import shifted_gae
from wmlib.agents.collector import evaluate
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.ppo import PPO, PPOConfig, Targets, objective
from wmlib.models.specs import CoreConfig

LSTM = CoreConfig("lstm", 16)
DNC = CoreConfig("dnc", 12, 6, 4, 1)


def cartpole(mode=AutoresetMode.NEXT_STEP, num_envs=5, limit=30):
    if mode == AutoresetMode.NEXT_STEP:
        return gymnasium.make_vec("CartPole-v1", num_envs, vectorization_mode="vector_entry_point", max_episode_steps=limit)
    games = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=limit)] * num_envs
    return SyncVectorEnv(games, autoreset_mode=mode)


def agent(envs=None, core=None, seed=0, num_values=1, **settings):
    envs = envs or cartpole()
    generator = torch.Generator().manual_seed(seed)
    policy_config = PolicyConfig((13, 11), core=core)
    policy = ActorCritic(envs.single_observation_space, 2, policy_config, num_values, generator=generator)
    config = PPOConfig(**{"num_steps": 37, "num_epochs": 3, "minibatch_size": 50, "lr": 0.003} | settings)
    return PPO(envs, policy, config, generator=generator, seed=seed)


def weights(ppo):
    return torch.cat([p.detach().flatten() for p in ppo.policy.parameters()])


def plain_loss(logits, values, targets, clip, value_coef, entropy_coef):
    """Sum the loss over single steps, by torch.distributions."""
    total = 0.0
    for i in range(len(logits)):
        chance = torch.distributions.Categorical(logits=logits[i])
        ratio = (chance.log_prob(targets.actions[i]) - targets.log_probs[i]).exp()
        advantage = targets.advantages[i]
        gain = min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
        error = ((values[i] - targets.values[i]) ** 2).sum()
        total = total - gain + value_coef * error - entropy_coef * chance.entropy()
    return total / len(logits)


def test_the_objective_and_its_gradient():
    rng = torch.Generator().manual_seed(0)
    draw = {"generator": rng, "dtype": torch.float64}
    logits, values = torch.randn(101, 3, **draw), torch.randn(101, 2, **draw)
    actions = torch.randint(3, (101,), generator=rng)
    old = torch.log_softmax(logits, -1).gather(1, actions[:, None])[:, 0] + 0.4 * torch.randn(101, **draw)
    targets = Targets(actions, old, torch.randn(101, **draw), torch.randn(101, 2, **draw))
    coefs = {"clip": 0.2, "value_coef": 0.7, "entropy_coef": 0.3}
    parts, grad_logits, grad_values = objective(logits, values, targets, **coefs)
    logits.requires_grad_()
    values.requires_grad_()
    loss = plain_loss(logits, values, targets, **coefs)
    expected = torch.autograd.grad(loss, [logits, values])
    torch.testing.assert_close(parts[0] + 0.7 * parts[1] - 0.3 * parts[2], loss.detach())
    torch.testing.assert_close(grad_logits, expected[0])
    torch.testing.assert_close(grad_values, expected[1])
    ratio = (torch.log_softmax(logits, -1).gather(1, actions[:, None])[:, 0] - old).exp().detach()
    still = (((ratio < 0.8) & (targets.advantages < 0)) | ((ratio > 1.2) & (targets.advantages > 0))).double()
    assert 0.2 < still.mean() < 0.9 and parts[4] == still.mean()
    torch.testing.assert_close(parts[3], (ratio - 1 - ratio.log()).mean())


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("core", [None, LSTM, DNC], ids=["none", "lstm", "dnc"])
def test_the_first_update_is_that_of_a_plain_float64_computation(mode, core):
    """One gradient on the whole rollout, by loops over environments and steps, from what the policy saw and did alone."""
    ppo = agent(cartpole(mode, limit=12), core, num_epochs=1, minibatch_size=10_000, max_grad_norm=None, entropy_coef=0.02)
    plain = copy.deepcopy(ppo.policy).double()
    if core is not None and core.kind == "dnc":
        plain.core.fast = False
    rollout = ppo.collector.collect()
    obs = rollout.obs.double()
    following = rollout.next_obs().double()
    N, T = rollout.actions.shape
    terms = []  # logits, value, action, old log-probability, advantage, target
    truncations = 0
    for n in range(N):
        state = plain.initial_state(1)
        outputs = []
        for t in range(T):
            if rollout.valid[n, t] and (t == 0 or rollout.starts[n, t]):
                state = plain.initial_state(1)
            logits, values, state = plain.step(obs[n : n + 1, t], state, torch.zeros(1, dtype=torch.bool))
            after = plain.step(following[n : n + 1, t], state, torch.zeros(1, dtype=torch.bool)).values[0, 0].item()
            outputs.append((logits[0], values[0], after))
        advantage = 0.0
        for t in reversed(range(T)):
            if not rollout.valid[n, t]:
                continue
            logits, values, after = outputs[t]
            if rollout.ended[n, t]:
                advantage = 0.0
            truncations += int(rollout.ended[n, t] and not rollout.terminated[n, t])
            value = values[0].item()
            delta = float(rollout.rewards[n, t]) + 0.99 * after * (1 - rollout.terminated[n, t]) - value
            advantage = delta + 0.99 * 0.95 * advantage
            action = rollout.actions[n, t]
            terms.append((logits, values, action, torch.log_softmax(logits, -1)[action].detach(), advantage, advantage + value))
    assert truncations > 3
    logits, values, actions, old, advantages, targets = zip(*terms, strict=True)
    advantages = torch.tensor(advantages, dtype=torch.float64)
    advantages = (advantages - advantages.mean()) / advantages.std(correction=0)
    wanted = Targets(actions, old, advantages, torch.tensor(targets, dtype=torch.float64)[:, None])
    loss = plain_loss(logits, values, wanted, clip=0.2, value_coef=0.5, entropy_coef=0.02)
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(plain.parameters()))])
    metrics = ppo.update(rollout)
    ours = metrics["policy_loss"] + 0.5 * metrics["value_loss"] - 0.02 * metrics["entropy"]
    assert ours == pytest.approx(loss.item(), rel=1e-4)
    gradient = ppo.optimizer.m / (1 - 0.9)  # Adam's first moment after one step
    torch.testing.assert_close(gradient.double(), expected, rtol=2e-3, atol=2e-5 * expected.abs().max().item())
    assert metrics["grad_norm"] == pytest.approx(expected.norm().item(), rel=1e-3)


@pytest.mark.parametrize("core", [None, LSTM], ids=["none", "lstm"])
def test_every_valid_step_is_learned_once_an_epoch(core):
    ppo = agent(core=core)
    rollout = ppo.collector.collect()
    assert not rollout.valid.all()
    targets = Targets(rollout.actions, rollout.log_probs, rollout.log_probs, rollout.final_values)
    rows = [part[0] for part in ppo._minibatches(rollout, targets)]
    sizes = [len(part) for part in rows]
    assert len(rows) == 4 and (core is not None or max(sizes) - min(sizes) <= 1)
    assert sorted(torch.cat(rows).tolist()) == np.flatnonzero(rollout.valid).tolist()
    for row, logits, values, wanted in ppo._minibatches(rollout, targets):
        assert torch.equal(wanted.actions, rollout.actions.flatten()[row])
        torch.testing.assert_close(values[:, 0], rollout.values[:, :-1, 0].flatten()[row], rtol=1e-4, atol=1e-5)
        chosen = torch.log_softmax(logits, -1).gather(1, wanted.actions[:, None])[:, 0]
        torch.testing.assert_close(chosen, wanted.log_probs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("core", [None, LSTM, DNC], ids=["none", "lstm", "dnc"])
def test_one_seed_one_run(core):
    runs = [agent(core=core, seed=seed) for seed in (0, 0, 1)]
    for ppo in runs:
        ppo.learn(500)
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("core", [None, LSTM, DNC], ids=["none", "lstm", "dnc"])
def test_a_run_that_was_killed_goes_on_to_the_bit(mode, core):
    ppo = agent(cartpole(mode), core, decay_updates=10)
    ppo.learn(400)
    ppo.entropy_coef = 0.05
    state = copy.deepcopy(ppo.state_dict())
    envs = copy.deepcopy(ppo.collector.envs)
    metrics = []
    ppo.learn(1000, metrics.append)
    again = agent(envs, core, seed=7, decay_updates=10)
    again.load_state_dict(state)
    others = []
    again.learn(1000, others.append)
    assert len(metrics) > 2 and str(metrics) == str(others)
    assert torch.equal(weights(ppo), weights(again))
    assert again.updates == ppo.updates and again.entropy_coef == 0.05


def test_learning_rate_falls_and_entropy_may_be_changed():
    ppo = agent(decay_updates=5, entropy_coef=0.0)
    seen = []
    ppo.learn(600, seen.append)
    assert [m["lr"] for m in seen] == pytest.approx([0.003, 0.0024, 0.0018, 0.0012])
    rollout = ppo.collector.collect()
    before = weights(ppo).clone()
    state = copy.deepcopy(ppo.state_dict())
    moved = []
    for coef in (0.0, 0.5):
        ppo.load_state_dict(state)
        ppo.entropy_coef = coef
        ppo.update(rollout)
        moved.append(weights(ppo) - before)
    assert not torch.equal(*moved)


def test_a_floor_under_the_deviation_keeps_small_advantages_small():
    plain = agent(normalize_advantages=False)
    rollout = plain.collector.collect()
    raw = plain._targets(rollout)[0][torch.from_numpy(rollout.valid)]
    floored, _, _ = agent(advantage_std_floor=100.0)._targets(rollout)
    usual, _, _ = agent()._targets(rollout)
    valid = torch.from_numpy(rollout.valid)
    torch.testing.assert_close(floored[valid], (raw - raw.mean()) / 100)
    torch.testing.assert_close(usual[valid], (raw - raw.mean()) / raw.std(correction=0))


def test_another_estimator_and_no_reward():
    ppo = agent(reward_coef=0.0, normalize_advantages=False)
    rollout = ppo.collector.collect()
    assert (ppo._targets(rollout)[0] == 0).all()
    shifted = agent(normalize_advantages=False)
    shifted.estimator = shifted_gae
    advantages, targets, _ = shifted._targets(rollout)
    assert (advantages[torch.from_numpy(rollout.ended)] == 0).all() and (targets[torch.from_numpy(rollout.ended)] == 0).all()


class Recall(gymnasium.Env):
    """Show a cue, then nothing for two steps; the last action must name the cue."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue = int(self.np_random.integers(2))
        self.time = 0
        return np.eye(2, dtype=np.float32)[self.cue], {}

    def step(self, action):
        self.time += 1
        over = self.time == 3
        return np.zeros(2, np.float32), float(over and action == self.cue), over, False, {}


@pytest.mark.parametrize("core, reached", [(None, False), (LSTM, True), (DNC, True)], ids=["none", "lstm", "dnc"])
def test_a_core_remembers_what_a_policy_without_one_cannot(core, reached):
    envs = SyncVectorEnv([Recall] * 16, autoreset_mode=AutoresetMode.SAME_STEP)
    ppo = agent(envs, core, num_steps=16, minibatch_size=64, lr=0.01)
    ppo.learn(8000)
    score = evaluate(SyncVectorEnv([Recall] * 100), ppo.policy, seed=1).mean()
    assert score > 0.95 if reached else score < 0.7


class Squares(gymnasium.Env):
    """See a bright left or right half; the action must name the side."""

    observation_space = spaces.Box(0, 255, (8, 8, 1), np.uint8)
    action_space = spaces.Discrete(2)

    def see(self):
        self.side = int(self.np_random.integers(2))
        picture = np.zeros((8, 8, 1), np.uint8)
        picture[:, 4 * self.side : 4 * self.side + 4] = 200
        return picture

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.see(), {}

    def step(self, action):
        reward = float(action == self.side)
        self.time += 1
        return self.see(), reward, False, self.time == 10, {}


def test_it_learns_from_pictures():
    envs = SyncVectorEnv([Squares] * 8)
    generator = torch.Generator().manual_seed(0)
    config = PolicyConfig((16,), ((4, 4, 2), (8, 2, 1)), "relu")
    policy = ActorCritic(Squares.observation_space, 2, config, generator=generator)
    ppo = PPO(envs, policy, PPOConfig(num_steps=32, minibatch_size=64, lr=3e-3), generator=generator, seed=0)
    ppo.learn(3000)
    assert evaluate(SyncVectorEnv([Squares] * 20), policy, seed=1).mean() > 9.5


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: PPOConfig(lr=0), "lr is 0; it must be above 0"),
        (lambda: PPOConfig(gamma=1.5), "gamma is 1.5; it must lie in 0 … 1"),
        (lambda: PPOConfig(num_steps=0), "num_steps is 0"),
        (lambda: agent(num_values=2), "policy has 2 actions and 2 values; the environment has 2 actions"),
        (lambda: agent(gymnasium.make_vec("Pendulum-v1", 2)), "action space is Box"),
        (lambda: agent().load_state_dict(agent(lr=0.1).state_dict()), r"state is of a PPO with lr 0.1 \(here 0.003\)"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numbers_that_are_not_finite_are_named():
    ppo = agent()
    rollout = ppo.collector.collect()
    rollout.rewards[0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="update 1 gave"):
        ppo.update(rollout)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cartpole(seed):
    """More than 475 on average in 100 episodes, the environment's own threshold; 5 CPU seconds a seed."""
    envs = gymnasium.make_vec("CartPole-v1", 8, vectorization_mode="vector_entry_point")
    generator = torch.Generator().manual_seed(seed)
    policy = ActorCritic(envs.single_observation_space, 2, generator=generator)
    config = PPOConfig(lr=1e-3, decay_updates=147, entropy_coef=0.0)
    PPO(envs, policy, config, generator=generator, seed=seed).learn(150_000)
    games = gymnasium.make_vec("CartPole-v1", 100, vectorization_mode="vector_entry_point")
    assert evaluate(games, policy, seed=1000 + seed).mean() > 475
