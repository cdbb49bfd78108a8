"""Random Network Distillation: what is new pays, the scale of rewards along time, resuming, the author's choices."""

import copy
from dataclasses import asdict

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import SyncVectorEnv

from wmlib.agents.advantages import Steps, gae, shifted_gae
from wmlib.agents.collector import Rollout
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.ppo import PPO, PPOConfig
from wmlib.agents.rnd import RND, RNDConfig, RunningMoments, mufti
from wmlib.models.specs import CoreConfig

BOX = spaces.Box(-10, 10, (3,), np.float32)
N, T = 5, 23
SMALL = PolicyConfig((16,), ((4, 4, 2), (8, 2, 1)), "leaky_relu")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rnd(space=BOX, num_envs=N, seed=0, **settings):
    config = RNDConfig(**{"num_features": 32, "predictor_size": 32, "network": SMALL} | settings)
    return RND(space, num_envs, config, generator=generator(seed))


def rollout(seed=0, space=BOX, ends=0.15):
    """Return a rollout of noise in which some episodes end, and the step after is none, as in NEXT_STEP."""
    rng = np.random.default_rng(seed)
    ended = rng.random((N, T)) < ends
    valid = np.ones((N, T), bool)
    starts = np.zeros((N, T + 1), bool)
    for t in range(1, T):
        valid[:, t] = ~ended[:, t - 1]
        ended[:, t] &= valid[:, t]
    starts[:, 1:] = ~valid
    obs = torch.from_numpy(space.sample()[None, None].repeat(N, 0).repeat(T + 1, 1) * 0)
    obs = obs + torch.from_numpy(rng.integers(0, 9, obs.shape)).to(obs.dtype)
    zeros = torch.zeros(N, T)
    rewards = np.zeros((N, T), np.float32)
    values = torch.zeros(N, T + 1, 2)
    return Rollout(
        obs, zeros.long(), zeros, values, values[:, 1:], torch.from_numpy(starts), rewards, ended, ended, valid, (), []
    )


def test_moments_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    parts = [rng.normal(3, 2, (size, 4)) for size in (1, 7, 0, 100)]
    moments = RunningMoments((4,))
    for part in parts:
        moments.update(part)
    rows = np.concatenate(parts)
    np.testing.assert_allclose(moments.mean, rows.mean(0))
    np.testing.assert_allclose(moments.var, rows.var(0))
    assert moments.count == 108


@pytest.mark.parametrize("episodic", [False, True])
def test_rewards_are_scaled_by_discounted_sums_along_time(episodic):
    """Not along environments, as in a well-known implementation; carried on from rollout to rollout."""
    made = rnd(episodic=episodic)
    made.observations.update(np.random.default_rng(1).normal(4, 3, (100, 3)))
    running = np.zeros(N)
    along_time = []
    across = []
    for seed in (0, 1, 2):
        data = rollout(seed)
        errors = made.errors(data.next_obs().flatten(0, 1)).numpy().reshape(N, T)
        rewards = made.rewards(data)
        for n in range(N):
            for t in range(T):
                if not data.valid[n, t]:
                    assert rewards[n, t] == 0
                    continue
                running[n] = 0.99 * running[n] + errors[n, t]
                along_time.append(running[n])
                if episodic and data.ended[n, t]:
                    running[n] = 0.0
        for t in range(T):
            total = 0.0
            for n in range(N):
                total = 0.99 * total + errors[n, t]
                across.append(total)
        expected = np.where(data.valid, errors, 0) / np.std(along_time)
        np.testing.assert_allclose(rewards, expected, rtol=1e-5)
        assert abs(np.std(across) / np.std(along_time) - 1) > 0.2


def test_what_is_seen_again_and_again_loses_its_novelty_and_what_was_never_seen_keeps_it():
    made = rnd(sample_share=1.0, lr=1e-3)
    made.observations.update(np.random.default_rng(0).normal(0, 1, (1000, 3)))
    familiar = torch.randn(40, 3, generator=generator(1)) * 0.3 + torch.tensor([1.0, 1.0, 0.0])
    never = torch.randn(40, 3, generator=generator(2)) * 0.3 - torch.tensor([1.0, 1.0, 0.0])
    made._seen = familiar
    before = made.errors(familiar).mean(), made.errors(never).mean()
    for _ in range(400):
        made.learn(torch.arange(40))
    assert made.errors(familiar).mean() < 0.02 * before[0]
    assert made.errors(never).mean() > 0.3 * before[1]
    assert made.errors(never).min() > 5 * made.errors(familiar).max()


def test_the_target_never_changes():
    made = rnd()
    target = copy.deepcopy(made.target.state_dict())
    predictor = copy.deepcopy(made.predictor.state_dict())
    made.rewards(rollout())
    made.learn(torch.arange(N * T))
    assert all(torch.equal(value, target[name]) for name, value in made.target.state_dict().items())
    assert not all(torch.equal(value, predictor[name]) for name, value in made.predictor.state_dict().items())


def test_observations_are_normalized_and_clipped():
    made = rnd(clip=5.0)
    made.observations.update(np.random.default_rng(0).normal([1, 2, 3], [1, 10, 100], (5000, 3)))
    normal = made._normalized(torch.tensor([[1.0, 12.0, -97.0], [1e6, -1e6, 3.0]]))
    torch.testing.assert_close(normal, torch.tensor([[0.0, 1, -1], [5, -5, 0]]), atol=0.1, rtol=0)


@pytest.mark.parametrize("observe", ["next", "current"])
def test_which_observation_is_rewarded(observe):
    made = rnd(observe=observe)
    made.observations.update(np.random.default_rng(1).normal(4, 3, (100, 3)))
    data = rollout(ends=0.0)
    errors = made.errors(data.obs.flatten(0, 1)).reshape(N, T + 1).numpy()
    rewards = made.rewards(data)
    expected = errors[:, 1:] if observe == "next" else errors[:, :-1]
    np.testing.assert_allclose(rewards / rewards[0, 0], expected / expected[0, 0], rtol=1e-4)


def test_a_random_share_is_learned():
    made = rnd(sample_share=0.25)
    made._seen = torch.zeros(10_000, 3)
    seen = []
    made._normalized = lambda obs: seen.append(len(obs)) or obs
    made.learn(torch.arange(10_000))
    assert 2500 - 5 * 44 < seen[0] < 2500 + 5 * 44


def test_the_longest_episodes_are_learned():
    made = rnd(sample="longest", sample_share=0.25)
    data = rollout()
    made.rewards(data)
    kept = made._kept.reshape(N, T).numpy()
    lengths = {True: [], False: []}
    for n in range(N):
        start = 0
        for t in range(T + 1):
            if t == T or data.starts[n, t]:
                part = data.valid[n, start:t]
                assert len(set(kept[n, start:t][part])) == 1  # all or nothing
                lengths[bool(kept[n, start:t][part][0])].append(part.sum())
                start = t
    assert min(lengths[True]) >= max(lengths[False])
    assert sum(lengths[True]) >= 0.25 * data.valid.sum() > sum(lengths[True]) - min(lengths[True])


def test_the_author_s_choices():
    ours, his = asdict(RNDConfig(lr=1e-3)), asdict(mufti(RNDConfig(lr=1e-3)))
    changed = {name: his[name] for name in his if his[name] != ours[name]}
    assert changed == {
        "num_features": 1, "predictor_layers": 0, "observe": "current", "episodic": True, "sample": "longest"
    }  # fmt: skip
    made = RND(BOX, N, mufti(), generator=generator())
    shapes = [[tuple(p.shape) for p in net.parameters()] for net in (made.target, made.predictor)]
    assert shapes[0] == shapes[1] and shapes[0][-1] == (1,)


def test_the_paper_s_networks():
    """84 x 84 grey, as in OpenAI's code: 512 features of 3136, two more layers of 512 in the predictor."""
    made = RND(spaces.Box(0, 255, (84, 84, 4), np.uint8), 2, RNDConfig(last_channels=1), generator=generator())
    sizes = [tuple(p.shape) for p in made.predictor.parameters() if p.ndim > 1]
    convolutions = [(32, 1, 8, 8), (64, 32, 4, 4), (64, 64, 3, 3)]
    assert sizes == [*convolutions, (512, 3136), (512, 512), (512, 512)]
    assert [tuple(p.shape) for p in made.target.parameters() if p.ndim > 1] == [*convolutions, (512, 3136)]


def test_only_the_newest_frame_is_seen():
    space = spaces.Box(0, 255, (8, 8, 4), np.uint8)
    made = rnd(space, last_channels=1)
    obs = torch.randint(256, (7, 8, 8, 4), dtype=torch.uint8, generator=generator())
    other = obs.clone()
    other[..., :3] = 0
    assert torch.equal(made.errors(obs), made.errors(other))
    other[..., 3] = 0
    assert not torch.equal(made.errors(obs), made.errors(other))


class Chain(gymnasium.Env):
    """Walk from place 0 to the left (not below 0) or right, 40 steps; no reward at all."""

    observation_space = spaces.Box(0, 1, (20,), np.float32)
    action_space = spaces.Discrete(2)

    def see(self):
        return np.eye(20, dtype=np.float32)[self.place]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.time = 0
        return self.see(), {}

    def step(self, action):
        self.place = min(max(self.place + 2 * int(action) - 1, 0), 19)
        self.time += 1
        return self.see(), 0.0, False, self.time == 40, {}


def chain_agent(curious=True, seed=0, **settings):
    envs = SyncVectorEnv([Chain] * 8)
    rng = generator(seed)
    policy = ActorCritic(envs.single_observation_space, 2, PolicyConfig((32,)), 2 if curious else 1, generator=rng)
    curiosity = None
    if curious:
        config = RNDConfig(num_features=32, predictor_size=64, lr=1e-3, **settings)
        curiosity = RND(envs.single_observation_space, 8, config, generator=rng)
        curiosity.warm_up(envs, 50, seed)
    config = PPOConfig(num_steps=40, minibatch_size=80, lr=3e-3, max_grad_norm=0.5)
    return PPO(envs, policy, config, generator=rng, seed=seed, curiosity=curiosity)


class Noise(Chain):
    """Pay what has nothing to do with anything."""

    def step(self, action):
        obs, _, *rest = super().step(action)
        return obs, 100 * float(self.np_random.standard_normal()), *rest


@pytest.mark.parametrize("core", [None, CoreConfig("lstm", 8)], ids=["two encoders", "one trunk"])
def test_curiosity_alone_does_not_learn_from_the_environment_s_rewards(core):
    vectors = []
    for env in (Chain, Noise):
        envs = SyncVectorEnv([env] * 8)
        rng = generator(0)
        space = envs.single_observation_space
        policy = ActorCritic(space, 2, PolicyConfig((32,), core=core), 2, generator=rng)
        curiosity = RND(space, 8, RNDConfig(num_features=8, predictor_size=8), generator=rng)
        config = PPOConfig(num_steps=40, minibatch_size=80, reward_coef=0.0)
        ppo = PPO(envs, policy, config, generator=rng, seed=0, curiosity=curiosity)
        first = policy.value_head.weight.detach().clone()
        ppo.learn(700)
        assert torch.equal(policy.value_head.weight[0], first[0])
        assert not torch.equal(policy.value_head.weight[1], first[1])
        vectors.append(ppo.optimizer.vector.clone())
    assert torch.equal(*vectors)


def places(ppo):
    return ppo.collector._obs.argmax(-1)


@pytest.mark.parametrize("settings", [{}, {"episodic": True}])
def test_curiosity_walks_to_the_end_of_a_chain_that_pays_nothing(settings):
    curious, idle = chain_agent(**settings), chain_agent(curious=False)
    curious_far, idle_far = [], []
    curious.learn(6000, lambda _: curious_far.append((places(curious) == 19).sum().item()))
    idle.learn(6000, lambda _: idle_far.append((places(idle) == 19).sum().item()))
    assert sum(curious_far) > 30 and sum(curious_far) > 5 * sum(idle_far)


def test_streams_are_summed_with_their_coefficients_and_the_intrinsic_one_goes_on_after_ends():
    ppo = chain_agent(coef=0.5)
    data = ppo.collector.collect()
    ppo.config = PPOConfig(normalize_advantages=False, reward_coef=2.0, gamma=0.999)
    curiosity = copy.deepcopy(ppo.curiosity)
    advantages, targets, intrinsic = ppo._targets(data)
    np.testing.assert_array_equal(intrinsic, curiosity.rewards(data))
    values, final = data.values.numpy(), data.final_values.numpy()
    ends = data.terminated, data.ended, data.valid
    a = gae(Steps(data.rewards, values[:, :-1, 0], values[:, -1, 0], final[..., 0], *ends), 0.999, 0.95)
    never = np.zeros_like(data.ended)
    b = gae(Steps(intrinsic, values[:, :-1, 1], values[:, -1, 1], final[..., 1], never, never, data.valid), 0.99, 0.95)
    np.testing.assert_allclose(advantages.numpy(), 2.0 * a[0] + 0.5 * b[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(targets.numpy(), np.stack([a[1], b[1]], -1))


@pytest.mark.parametrize("settings", [{}, {"observe": "current", "episodic": True, "sample": "longest"}])
def test_a_curious_run_that_was_killed_goes_on_to_the_bit(settings):
    ppo = chain_agent(**settings)
    ppo.estimator = shifted_gae if settings else gae
    ppo.learn(700)
    state = copy.deepcopy(ppo.state_dict())
    envs = copy.deepcopy(ppo.collector.envs)
    metrics = []
    ppo.learn(1500, metrics.append)
    again = chain_agent(seed=5, **settings)
    again.estimator = ppo.estimator
    again.collector.envs = envs
    again.load_state_dict(state)
    others = []
    again.learn(1500, others.append)
    assert len(metrics) > 1 and str(metrics) == str(others) and metrics[0]["curiosity_loss"] > 0
    assert torch.equal(ppo.optimizer.vector, again.optimizer.vector)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RNDConfig(observe="last"), "observe is 'last'; choose one of next, current"),
        (lambda: RNDConfig(sample="all"), "sample is 'all'; choose one of random, longest"),
        (lambda: RNDConfig(sample_share=0), "sample_share is 0"),
        (lambda: RNDConfig(lr=-1), "lr is -1"),
        (lambda: RNDConfig(num_features=0), "num_features is 0"),
        (lambda: RND(spaces.Discrete(3), 2, generator=generator()), "must be a Box"),
        (lambda: RND(BOX, 2, generator=None), "generator is None"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
