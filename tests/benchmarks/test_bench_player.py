"""Time a finished agent at its real games, alone and several games side by side: one table, everyone in turn.

`pytest tests/benchmarks/test_bench_player.py -s`, half a minute. One thread, float32, CPU time of see, remember and act at
notebook 05's quick sizes; the engine is not in it (`test_bench_take_cover.py`). Median of the turns.
"""

import statistics
import time

import numpy as np
import torch

from wmlib.agents import linear_controller as controller
from wmlib.agents.world_models_agent import Player
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

Z, H, TURNS, SECONDS, LANES = 64, 128, 5, 0.4, (1, 2, 4, 8, 16)
BUTTONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
NAMES = ("z", "h", "c")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def acting(core, lanes: int):
    mind = WorldModel(core, Z, components=5, generator=generator()).eval()
    eye = VAE(generator=generator(), latent=Z, width=8).eval()
    weights = torch.randn(controller.count(mind, NAMES), generator=generator())
    player = Player(eye, mind, weights, NAMES, BUTTONS, lanes)
    for lane in range(lanes):
        player.begin(lane, np.random.default_rng(lane))
    frames = np.random.default_rng(0).integers(0, 256, (lanes, 64, 64, 3), np.uint8)
    return lambda: player.act(frames)


def test_player_speed():
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    cores = {
        "LSTM": lambda: LSTM(Z + 2, H, generator=generator()),
        "DNC": lambda: DNC(Z + 2, H, 16, 16, 2, generator=generator()),
    }
    jobs = {(name, lanes): acting(make(), lanes) for name, make in cores.items() for lanes in LANES}
    taken = {key: [] for key in jobs}
    for job in jobs.values():
        job()
    for _ in range(TURNS):
        for key, job in jobs.items():
            count, start = 0, time.process_time()
            while (passed := time.process_time() - start) < SECONDS:
                job()
                count += 1
            taken[key].append(1000 * passed / count / key[1])
    for name in cores:
        alone, *_ = row = [statistics.median(taken[name, lanes]) for lanes in LANES]
        told = (f"{lanes} games {t:.2f} ({alone / t:.1f} times)" for lanes, t in zip(LANES, row, strict=True))
        print(f"\n{name}: ms a tic of one game, side by side in " + ", ".join(told))
        assert alone > 0
