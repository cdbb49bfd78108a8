"""Time dreaming against the loop that public PyTorch reproductions of World Models run.

`pytest tests/benchmarks/test_bench_dream.py -s`, one minute.

Dream steps per CPU second, one thread, float32; all take turns, and the table is of medians over the turns. The peer is
`LSTMCell`, a linear layer, and `torch.distributions` for the draw, one step a call, and an observation put together for the
controller. "peak" is the proportion of the machine's best matrix product that the arithmetic of the network would need.
"""

import statistics
import time

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from wmlib.agents import linear_controller
from wmlib.agents.dream import Dreams
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

Z = 64  # numbers of a latent vector
K = 5  # mixture components
TURNS = 3
SECONDS = 0.3  # of CPU time, a turn
ACTIONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])  # left, stay, right
NAMES = ("z", "h", "c")  # the features that the controller sees


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def dreaming(core, batch: int):
    model = WorldModel(core, Z, num_components=K, generator=generator())
    dreams = Dreams(model, ACTIONS, Posterior(torch.zeros(1, Z), torch.zeros(1, Z)), seed=0, max_steps=2_100)
    dreams.begin(range(16), copies=batch // 16)
    weights = torch.randn(batch, linear_controller.num_features(model, NAMES), generator=generator())

    @torch.no_grad()
    def step():
        features = linear_controller.features(model, dreams.latents, dreams.state, NAMES)
        dreams.step(linear_controller.act(weights, features))

    return step


def plain_loop(hidden_size: int, batch: int):
    cell = torch.nn.LSTMCell(Z + 2, hidden_size)
    head = torch.nn.Linear(hidden_size, 3 * K * Z)
    done = torch.nn.Linear(hidden_size, 1)
    weights = torch.randn(batch, Z + 2 * hidden_size, generator=generator())
    z = torch.zeros(batch, Z)
    state = (torch.zeros(batch, hidden_size), torch.zeros(batch, hidden_size))

    @torch.no_grad()
    def step():
        nonlocal z, state
        value = torch.tanh((weights * torch.cat([z, *state], 1)).sum(1))
        actions = ACTIONS[1 + (value > 1 / 3).long() - (value < -1 / 3).long()]
        state = cell(torch.cat([z, actions], 1), state)
        logits, means, log_stds = head(state[0]).reshape(batch, 3, Z, K).unbind(1)
        z = MixtureSameFamily(Categorical(logits=logits), Normal(means, log_stds.exp())).sample()
        return torch.sigmoid(done(state[0])) > 0.5

    return step


def median_speeds(jobs: dict) -> dict:
    """Return the calls per second of CPU time; all take turns."""
    speeds = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(TURNS):
        for name, job in jobs.items():
            count, start = 0, time.process_time()
            while (passed := time.process_time() - start) < SECONDS:
                job()
                count += 1
            speeds[name].append(count / passed)
    return {name: statistics.median(values) for name, values in speeds.items()}


@pytest.mark.parametrize("hidden_size", [256, 512])
def test_dream_speed(hidden_size):
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    square = torch.randn(1024, 1024, generator=generator())
    flops = 2 * (4 * hidden_size * (Z + 2 + hidden_size) + hidden_size * (3 * K * Z + 1))
    print(f"\nH = {hidden_size}: dream steps a CPU second (times the plain loop)")
    for batch in (64, 256, 1024):
        cores = {
            "LSTM": LSTM(Z + 2, hidden_size, generator=generator()),
            "DNC 16x16, 2 heads": DNC(Z + 2, hidden_size, 16, 16, 2, generator=generator()),
        }
        jobs = {"plain loop": plain_loop(hidden_size, batch)}
        jobs |= {name: dreaming(core, batch) for name, core in cores.items()}
        speeds = median_speeds(jobs | {"product": lambda: torch.mm(square, square)})
        peak = speeds["LSTM"] * batch * flops / (speeds["product"] * 2 * 1024**3)
        print(
            f"batch {batch}:",
            *(f"{name} {speeds[name] * batch:,.0f} ({speeds[name] / speeds['plain loop']:.2f})" for name in jobs),
            f"LSTM at {peak:.0%} of the peak; 1,024 dreams of 600 steps in {614_400 / (speeds['LSTM'] * batch):.0f} s",
        )
        assert speeds["LSTM"] > 0
