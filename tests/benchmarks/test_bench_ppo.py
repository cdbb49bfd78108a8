"""Time PPO against Stable-Baselines3's, on CartPole and on PixelCopter.

`pytest tests/benchmarks/test_bench_ppo.py -s`, four minutes; Stable-Baselines3 comes with `pip install -e ".[bench]"`.

Environment steps per CPU second of one thread, acting and learning together. Both have the same games (Gymnasium's vectorized
CartPole or our PixelCopter with its seven numbers, 32 of them), network (two times 64-64 tanh), steps between updates (128 of
each game), epochs (4) and minibatch, and take turns, an update each; the table is of medians over the turns. Last column:
multiplications of the network's layers a CPU second (a gradient has three times those of a forward pass), as a share of what a
product of 1024 x 1024 matrices reaches.
"""

import statistics
import time
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch

from wmlib.agents.policies import ActorCritic
from wmlib.agents.ppo import PPO, PPOConfig
from wmlib.envs.pixelcopter import PixelCopterVector

NUM_ENVS, NUM_STEPS, EPOCHS = 32, 128, 4
TURNS = 15
GAMES = {
    "CartPole": partial(gymnasium.make_vec, "CartPole-v1", NUM_ENVS, vectorization_mode="vector_entry_point"),
    "PixelCopter": partial(PixelCopterVector, NUM_ENVS, "state"),
}


def products(num_inputs):
    """Return the multiplications of a forward pass, policy and values."""
    return 2 * (num_inputs * 64 + 64 * 64) + 64 * 2 + 64


def ours(game, minibatch_size):
    envs = GAMES[game]()
    generator = torch.Generator().manual_seed(0)
    policy = ActorCritic(envs.single_observation_space, 2, generator=generator)
    config = PPOConfig(NUM_STEPS, EPOCHS, minibatch_size, lr=3e-4)
    ppo = PPO(envs, policy, config, generator=generator, seed=0)
    return lambda: ppo.update(ppo.collector.collect())


def stable_baselines3(game, minibatch_size):
    """Return a function that does one update of Stable-Baselines3's PPO in the same vectorized games."""
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.vec_env import VecEnv

    class Games(VecEnv):
        """The games behind its interface; it also learns from the steps that only reset a game, at no extra cost."""

        def __init__(self):
            self.envs = GAMES[game]()
            super().__init__(NUM_ENVS, self.envs.single_observation_space, self.envs.single_action_space)

        def reset(self):
            return self.envs.reset(seed=0)[0]

        def step_async(self, actions):
            self.actions = actions

        def step_wait(self):
            obs, rewards, terminated, truncated, _ = self.envs.step(self.actions)
            return obs, rewards, terminated | truncated, [{} for _ in range(NUM_ENVS)]

        def close(self):
            self.envs.close()

        def get_attr(self, name, indices=None):
            return [None] * NUM_ENVS

        def set_attr(self, name, value, indices=None):
            raise NotImplementedError

        def env_method(self, name, *args, indices=None, **kwargs):
            raise NotImplementedError

        def env_is_wrapped(self, wrapper, indices=None):
            return [False] * NUM_ENVS

    model = sb3.PPO("MlpPolicy", Games(), n_steps=NUM_STEPS, n_epochs=EPOCHS, batch_size=minibatch_size, device="cpu", seed=0)
    return lambda: model.learn(NUM_STEPS * NUM_ENVS, reset_num_timesteps=False)


def peak():
    """Return multiplications with addition a CPU second in a product of large matrices."""
    a = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0))
    a @ a
    start = time.process_time()
    for _ in range(5):
        a @ a
    return 5 * 1024**3 / (time.process_time() - start)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("minibatch_size", [64, 256, 2048])
def test_env_steps_per_cpu_second(benchmark, game, minibatch_size):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cases = {"wmlib": ours(game, minibatch_size), "Stable-Baselines3": stable_baselines3(game, minibatch_size)}
    seconds = {name: [] for name in cases}
    peaks = []

    def turn():
        for name, update in cases.items():
            start = time.process_time()
            update()
            seconds[name].append(time.process_time() - start)
        peaks.append(peak())

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    torch.set_num_threads(threads)
    steps = NUM_ENVS * NUM_STEPS
    speed = {name: steps / statistics.median(values[1:]) for name, values in seconds.items()}
    ratio = statistics.median(np.array(seconds["Stable-Baselines3"][1:]) / np.array(seconds["wmlib"][1:]))
    (num_inputs,) = GAMES[game]().single_observation_space.shape
    share = speed["wmlib"] * products(num_inputs) * (1 + 3 * EPOCHS) / statistics.median(peaks[1:])
    benchmark.extra_info |= speed | {"ratio": ratio, "share of peak": share}
    line = " | ".join(f"{name} {value:8,.0f} steps/s" for name, value in speed.items())
    print(f"\n{game}, minibatch {minibatch_size:4}: {line} | ratio {ratio:.2f} | {share:.0%} of the matrix-product peak")
