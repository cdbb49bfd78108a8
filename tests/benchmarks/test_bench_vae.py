"""Time the VAE against a plain port of the paper's layers.

`pytest tests/benchmarks/test_bench_vae.py -s`, one minute.

Frames per second of CPU time, one thread, float32; all take turns, and the table is of medians over the turns. Frames start as
uint8 (100, 64, 64, 3); training is forward, the paper's loss, backward and Adam. The port is what the layers' names suggest:
colours first, PyTorch's transposed convolutions, Adam with its defaults. Both have the same number of parameters.
"""

import statistics
import time

import pytest
import torch
from torch import nn

from wmlib.models.layers import num_parameters
from wmlib.models.vae import VAE
from wmlib.training.vae import PAPER

BATCH = 100
TURNS = 15


class PlainPort(nn.Module):
    """World Models' VAE, colours first."""

    def __init__(self, channels: int, latent_size: int = 64):
        super().__init__()
        c = channels
        down = [nn.Conv2d(i, o, 4, 2) for i, o in ((3, c), (c, 2 * c), (2 * c, 4 * c), (4 * c, 8 * c))]
        sizes = (32 * c, 4 * c, 5), (4 * c, 2 * c, 5), (2 * c, c, 6), (c, 3, 6)
        up = [nn.ConvTranspose2d(i, o, size, 2) for i, o, size in sizes]
        self.encoder = nn.Sequential(*(part for layer in down for part in (layer, nn.ReLU())), nn.Flatten())
        self.mean = nn.Linear(32 * c, latent_size)
        self.log_variance = nn.Linear(32 * c, latent_size)
        self.features = nn.Linear(latent_size, 32 * c)
        self.decoder = nn.Sequential(*(part for layer in up for part in (layer, nn.ReLU())))[:-1]

    def encode(self, frames):
        features = self.encoder(frames.permute(0, 3, 1, 2).float().div(255).contiguous())
        return self.mean(features), self.log_variance(features)

    def loss(self, frames):
        mean, log_variance = self.encode(frames)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        pictures = self.decoder(self.features(z)[:, :, None, None]).sigmoid()
        errors = (frames.permute(0, 3, 1, 2).float().div(255) - pictures).square().sum((1, 2, 3))
        kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
        return (errors + kl.clamp(min=32)).mean()


def all_jobs(channels: int) -> dict:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(256, (BATCH, 64, 64, 3), dtype=torch.uint8, generator=generator)
    vae = VAE(generator=generator, channels=channels)
    port = PlainPort(channels)
    assert num_parameters(vae) == num_parameters(port)
    adam = torch.optim.Adam(vae.parameters(), 1e-4, fused=True)
    port_adam = torch.optim.Adam(port.parameters(), 1e-4)

    def vae_loss():
        scaled = vae.scaled(frames)
        return PAPER(scaled, *vae(scaled, generator)).total

    def train(loss, optimizer):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    def encode(network):
        with torch.no_grad():
            network.encode(frames)

    return {
        ("train", "wmlib"): lambda: train(vae_loss, adam),
        ("train", "plain port"): lambda: train(lambda: port.loss(frames), port_adam),
        ("encode", "wmlib"): lambda: encode(vae),
        ("encode", "plain port"): lambda: encode(port),
    }


@pytest.mark.parametrize("channels", [32, 16, 8])
def test_vae_speed(channels):
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    jobs = all_jobs(channels)
    speeds = {name: [] for name in jobs}
    for turn in range(TURNS + 1):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            if turn:  # the first is for warming up
                speeds[name].append(BATCH / (time.process_time() - start))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print()
    for kind in ("train", "encode"):
        vae, port = medians[kind, "wmlib"], medians[kind, "plain port"]
        print(f"channels {channels:2d}, {kind:6s} wmlib {vae:6.0f}, plain port {port:6.0f} frames/s   {vae / port:.2f} times")
        assert vae > 0
