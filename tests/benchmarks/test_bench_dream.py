"""Time dreaming against the loop that public PyTorch reproductions of World Models run: one table, everyone in turn.

`pytest tests/benchmarks/test_bench_dream.py -s`, two minutes. One thread, float32, CPU time; median of the turns. The peer is
`LSTMCell`, a linear layer, and `torch.distributions` for the draw, one step a call, and an observation put together for the
controller. "peak" is the share of the machine's best matrix product that the arithmetic of the network would need.
"""

import statistics
import time

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from wmlib.agents import linear_controller as controller
from wmlib.agents.dream import Dreams
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

Z, K, TURNS, SECONDS = 64, 5, 3, 0.3
BUTTONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def ours(core, batch: int):
    model = WorldModel(core, Z, components=K, generator=generator())
    dreams = Dreams(model, BUTTONS, Posterior(torch.zeros(1, Z), torch.zeros(1, Z)), seed=0)
    dreams.begin(range(16), copies=batch // 16)
    weights = torch.randn(batch, controller.count(model, ("z", "h", "c")), generator=generator())

    @torch.no_grad()
    def step():
        dreams.step(controller.act(weights, controller.look(model, dreams.latents, dreams.state, ("z", "h", "c"))))

    return step


def plain(hidden: int, batch: int):
    cell, head, done = torch.nn.LSTMCell(Z + 2, hidden), torch.nn.Linear(hidden, 3 * K * Z), torch.nn.Linear(hidden, 1)
    weights = torch.randn(batch, Z + 2 * hidden, generator=generator())
    z, state = torch.zeros(batch, Z), (torch.zeros(batch, hidden), torch.zeros(batch, hidden))

    @torch.no_grad()
    def step():
        nonlocal z, state
        value = torch.tanh((weights * torch.cat([z, *state], 1)).sum(1))
        actions = BUTTONS[1 + (value > 1 / 3).long() - (value < -1 / 3).long()]
        state = cell(torch.cat([z, actions], 1), state)
        logits, means, log_stds = head(state[0]).reshape(batch, 3, Z, K).unbind(1)
        z = MixtureSameFamily(Categorical(logits=logits), Normal(means, log_stds.exp())).sample()
        return torch.sigmoid(done(state[0])) > 0.5

    return step


@pytest.mark.parametrize("hidden", [256, 512])
def test_dream_speed(hidden):
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    square = torch.randn(1024, 1024, generator=generator())
    print(f"\nH = {hidden}: dream steps a CPU second (times the plain loop)")
    for batch in (64, 256, 1024):
        cores = {"LSTM": LSTM(Z + 2, hidden, generator=generator()),
                 "DNC 16x16, 2 heads": DNC(Z + 2, hidden, 16, 16, 2, generator=generator())}  # fmt: skip
        jobs = {"plain loop": plain(hidden, batch), **{name: ours(core, batch) for name, core in cores.items()}}
        jobs["product"] = lambda: torch.mm(square, square)
        rates = {name: [] for name in jobs}
        for job in jobs.values():
            job()
        for _ in range(TURNS):
            for name, job in jobs.items():
                count, start = 0, time.process_time()
                while (passed := time.process_time() - start) < SECONDS:
                    job()
                    count += 1
                rates[name].append(count / passed)
        rate = {name: statistics.median(values) for name, values in rates.items()}
        flops = 2 * (4 * hidden * (Z + 2 + hidden) + hidden * (3 * K * Z + 1))
        peak = rate["LSTM"] * batch * flops / (rate["product"] * 2 * 1024**3)
        told = [f"{n} {rate[n] * batch:,.0f} ({rate[n] / rate['plain loop']:.2f})" for n in ("plain loop", *cores)]
        print(
            f"batch {batch}:",
            *told,
            f"LSTM at {peak:.0%} of the peak; 1,024 dreams of 600 steps in {614_400 / (rate['LSTM'] * batch):.0f} s",
        )
        assert rate["LSTM"] > 0
