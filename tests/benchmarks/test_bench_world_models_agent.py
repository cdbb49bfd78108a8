"""Time a finished agent at its real games, alone and in vectorized environments.

`pytest tests/benchmarks/test_bench_world_models_agent.py -s`, half a minute.

One thread, float32, CPU time of V, M and C at notebook 05's quick sizes; the engine is not in it (`test_bench_take_cover.py`).
All take turns, and the table is of medians over the turns.
"""

import statistics
import time

import numpy as np
import torch

from wmlib.agents import linear_controller
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

LATENT_SIZE = 64
HIDDEN_SIZE = 128
TURNS = 5
SECONDS = 0.4  # of CPU time, a turn
NUM_ENVS = (1, 2, 4, 8, 16)
ACTIONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])  # left, stay, right
NAMES = ("z", "h", "c")  # the features that the controller sees


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def lstm() -> LSTM:
    return LSTM(LATENT_SIZE + 2, HIDDEN_SIZE, generator=generator())


def dnc() -> DNC:
    return DNC(LATENT_SIZE + 2, HIDDEN_SIZE, num_slots=16, word_size=16, num_heads=2, generator=generator())


def acting(core, num_envs: int):
    world_model = WorldModel(core, LATENT_SIZE, num_components=5, generator=generator())
    vae = VAE(generator=generator(), latent_size=LATENT_SIZE, channels=8)
    weights = torch.randn(linear_controller.num_features(world_model, NAMES), generator=generator())
    policy = WorldModelsAgent(vae, world_model, weights, NAMES, ACTIONS).vectorized(num_envs)
    for env in range(num_envs):
        policy.begin(env, np.random.default_rng(env))
    frames = np.random.default_rng(0).integers(0, 256, (num_envs, 64, 64, 3), np.uint8)
    return lambda: policy.act(frames)


def test_agent_speed():
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    cores = {"LSTM": lstm, "DNC": dnc}
    jobs = {(name, num_envs): acting(core(), num_envs) for name, core in cores.items() for num_envs in NUM_ENVS}
    milliseconds = {key: [] for key in jobs}  # a step of one environment
    for job in jobs.values():
        job()
    for _ in range(TURNS):
        for (name, num_envs), job in jobs.items():
            count, start = 0, time.process_time()
            while (passed := time.process_time() - start) < SECONDS:
                job()
                count += 1
            milliseconds[name, num_envs].append(1000 * passed / count / num_envs)
    for name in cores:
        medians = {num_envs: statistics.median(milliseconds[name, num_envs]) for num_envs in NUM_ENVS}
        cells = (f"{num_envs} envs {median:.2f} ({medians[1] / median:.1f} times)" for num_envs, median in medians.items())
        print(f"\n{name}: ms of CPU a tic of one environment, with " + ", ".join(cells))
        assert medians[1] > 0
