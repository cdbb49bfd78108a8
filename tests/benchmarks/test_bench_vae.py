"""Time the VAE against a plain port of the paper's layers: `pytest tests/benchmarks/test_bench_vae.py -s`.

Frames per second of CPU time, one thread, float32, everyone in turn, the median of the turns. Frames start as uint8
(100, 64, 64, 3); training is forward, the paper's loss, backward and Adam. The port is what the layers' names suggest:
colours first, PyTorch's transposed convolutions, Adam with its defaults. Both have the same number of parameters.
"""

import statistics
import time

import pytest
import torch
from torch import nn

from wmlib.models.vae import VAE
from wmlib.training.vae import PAPER

BATCH, TURNS = 100, 15


class PlainPort(nn.Module):
    """World Models' VAE, colours first."""

    def __init__(self, width: int, latent: int = 64):
        super().__init__()
        w = width
        down = [nn.Conv2d(i, o, 4, 2) for i, o in ((3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w))]
        sizes = (32 * w, 4 * w, 5), (4 * w, 2 * w, 5), (2 * w, w, 6), (w, 3, 6)
        up = [nn.ConvTranspose2d(i, o, size, 2) for i, o, size in sizes]
        self.encoder = nn.Sequential(*(part for layer in down for part in (layer, nn.ReLU())), nn.Flatten())
        self.mean, self.log_variance = nn.Linear(32 * w, latent), nn.Linear(32 * w, latent)
        self.features = nn.Linear(latent, 32 * w)
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


def jobs(width: int) -> dict:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(256, (BATCH, 64, 64, 3), dtype=torch.uint8, generator=generator)
    ours, port = VAE(generator=generator, width=width), PlainPort(width)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in port.parameters())
    adam, port_adam = torch.optim.Adam(ours.parameters(), 1e-4, fused=True), torch.optim.Adam(port.parameters(), 1e-4)

    def our_loss():
        scaled = ours.scaled(frames)
        return PAPER(scaled, *ours(scaled, generator)).total

    def train(loss, optimizer):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    def encode(network):
        with torch.no_grad():
            network.encode(frames)

    return {
        ("train", "wmlib"): lambda: train(our_loss, adam),
        ("train", "plain port"): lambda: train(lambda: port.loss(frames), port_adam),
        ("encode", "wmlib"): lambda: encode(ours),
        ("encode", "plain port"): lambda: encode(port),
    }


@pytest.mark.parametrize("width", [32, 16, 8])
def test_vae_speed(width):
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    cases = jobs(width)
    rates = {name: [] for name in cases}
    for turn in range(TURNS + 1):
        for name, job in cases.items():
            start = time.process_time()
            job()
            if turn:  # the first is for warming up
                rates[name].append(BATCH / (time.process_time() - start))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print()
    for kind in ("train", "encode"):
        mine, theirs = medians[kind, "wmlib"], medians[kind, "plain port"]
        print(f"width {width:2d}, {kind:6s} wmlib {mine:6.0f}, plain port {theirs:6.0f} frames/s   {mine / theirs:.2f} times")
        assert mine > 0
