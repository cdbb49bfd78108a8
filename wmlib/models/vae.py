"""A convolutional variational autoencoder: a picture becomes Z numbers, each with an uncertainty, and a picture again.

Reading guide. `VAE.encode` and `VAE.decode` are the whole network, layer by layer that of World Models. `Posterior` is what
the encoder answers with: read `Posterior.kl`. The two classes at the end compute transposed convolutions by faster means, to
the same values. The loss and its training are in `wmlib/training/vae.py`.

Axes: free leading axes (a batch B, or batch and time), then height, width, colour, as frames are stored: `(..., 64, 64, 3)`.
In memory that is what PyTorch calls "channels last", which is also its faster order, so nothing is ever turned around.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.models.layers import check_generator, check_precision, check_sizes

FRAME = (64, 64, 3)


class Posterior(NamedTuple):
    """Hold what the encoder says of the latent vectors: independent normal distributions.

    Args:
        mean: float (..., Z).
        log_variance: float (..., Z), natural log of the squared standard deviation.
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw a latent vector from each, (..., Z); gradients flow to mean and log variance.

        The noise is drawn on the generator's device, so a CPU generator gives the same noise to a VAE on any device.
        """
        check_generator(generator)
        noise = torch.randn(self.mean.shape, generator=generator, device=generator.device, dtype=self.mean.dtype)
        return self.reparameterized(noise.to(self.mean.device))

    def reparameterized(self, noise: Tensor) -> Tensor:
        """Turn standard normal noise, float (..., Z), into draws: μ + σ ε."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def kl(self) -> Tensor:
        """Return the divergence from the standard normal distribution in nats, for each dimension by itself: (..., Z).

        A dimension with 0 says nothing about the picture.

        Source: Kingma & Welling 2014, appendix B: ½ (μ² + σ² - ln σ² - 1).
        """
        return 0.5 * (self.mean.square() + self.log_variance.exp() - self.log_variance - 1)


class VAE(nn.Module):
    """Encode frames of 64 x 64 pixels to latent vectors, and decode them.

    Args:
        generator: CPU generator for the initial weights (Glorot's uniform; biases 0).
        latent_size: Z, length of a latent vector, at least 1.
        channels: of the first layer, at least 1; the other layers have 2, 4 and 8 times as many. 32 is the paper's;
            16 trains and encodes two to three times as fast.

    Inside `torch.autocast` the layers compute as it says; posteriors and pictures have the parameters' dtype all the same.

    Raises:
        ValueError: a size that is no whole number above 0, no generator; in the calls, frames or latents of another shape or
            range, parameters of 16 bits.

    Source: Ha & Schmidhuber 2018, appendix on the VAE: four convolutions of 4 x 4, four transposed ones of 5, 5, 6, 6, all
        with stride 2. With Z = 64 4,446,915 parameters, as theirs.

    Example:
        >>> vae = VAE(generator=torch.Generator().manual_seed(0))
        >>> posterior = vae.encode(torch.zeros(7, 64, 64, 3, dtype=torch.uint8))
        >>> posterior.mean.shape, vae.decode(posterior.mean).shape, sum(p.numel() for p in vae.parameters())
        (torch.Size([7, 64]), torch.Size([7, 64, 64, 3]), 4446915)
    """

    def __init__(self, *, generator: torch.Generator, latent_size: int = 64, channels: int = 32):
        super().__init__()
        check_generator(generator)
        latent_size, channels = check_sizes(latent_size=latent_size, channels=channels)
        self.latent_size = latent_size  # 2 x 2 pixels of 8 * channels planes
        features = 32 * channels

        def layer(kind: type[nn.Module], *sizes: int, **settings) -> nn.Module:
            module = nn.utils.skip_init(kind, *sizes, **settings)  # its own constructor would draw from the global generator
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
            return module

        self.convolutions = nn.ModuleList(  # 64 -> 31 -> 14 -> 6 -> 2 pixels
            layer(nn.Conv2d, inputs, outputs, 4, stride=2)
            for inputs, outputs in (
                (3, channels),
                (channels, 2 * channels),
                (2 * channels, 4 * channels),
                (4 * channels, 8 * channels),
            )
        )
        self.posterior = layer(nn.Linear, features, 2 * latent_size)
        self.features = layer(nn.Linear, latent_size, features)
        self.deconvolutions = nn.Sequential(  # 1 -> 5 -> 13 -> 30 -> 64 pixels
            layer(SinglePixelDeconvolution, features, 4 * channels, 5),
            nn.ReLU(),
            layer(nn.ConvTranspose2d, 4 * channels, 2 * channels, 5, stride=2),
            nn.ReLU(),
            layer(DoublingDeconvolution, 2 * channels, channels, 6, stride=2),
            nn.ReLU(),
            layer(DoublingDeconvolution, channels, 3, 6, stride=2),
        )

    def encode(self, frames: Tensor | np.ndarray) -> Posterior:
        """Return the posterior of each frame's latent vector.

        Args:
            frames: uint8 (..., 64, 64, 3), or float in [0, 1]; a tensor on any device, or an array.

        Returns:
            mean and log variance, each (..., Z).
        """
        frames = self.scaled(frames)
        x = frames.reshape(-1, *FRAME).permute(0, 3, 1, 2)  # (B, 3, 64, 64), channels last in memory
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        x = self.posterior(x.permute(0, 2, 3, 1).flatten(1)).to(frames.dtype)
        return Posterior(*x.reshape(*frames.shape[:-3], 2 * self.latent_size).chunk(2, -1))

    def decode(self, latents: Tensor) -> Tensor:
        """Return pictures of latent vectors: float (..., Z) -> float (..., 64, 64, 3), in [0, 1]."""
        if latents.shape[-1:] != (self.latent_size,):
            raise ValueError(f"latents has shape {tuple(latents.shape)}; the last axis must be {self.latent_size}")
        dtype = self._dtype()
        x = self.features(latents.to(dtype).reshape(-1, self.latent_size))
        x = self.deconvolutions(x[:, :, None, None]).to(dtype)
        return torch.sigmoid(x.permute(0, 2, 3, 1)).reshape(*latents.shape[:-1], *FRAME)

    def forward(self, frames: Tensor | np.ndarray, generator: torch.Generator) -> tuple[Tensor, Posterior]:
        """Encode, draw a latent vector, decode; return the pictures and the posterior."""
        posterior = self.encode(frames)
        return self.decode(posterior.sample(generator)), posterior

    def scaled(self, frames: Tensor | np.ndarray) -> Tensor:
        """Return frames as the network sees them: its device and dtype, in [0, 1]; arguments as for `encode`."""
        if isinstance(frames, np.ndarray):
            frames = torch.from_numpy(np.array(frames, order="C"))  # a copy: torch takes no read-only or reversed array
        if not isinstance(frames, Tensor):
            raise ValueError(f"frames are a {type(frames).__name__}; they must be a tensor or an array")
        device = self.features.get_parameter("weight").device
        dtype = self._dtype()
        if frames.shape[-3:] != FRAME:
            raise ValueError(f"frames has shape {tuple(frames.shape)}; the last axes must be {FRAME} (height, width, colour)")
        if frames.dtype == torch.uint8:
            return frames.to(device).to(dtype).div_(255)
        if not frames.is_floating_point():
            raise ValueError(f"frames are {frames.dtype}; allowed are uint8 in 0 … 255, and floats in [0, 1]")
        if not ((frames >= 0) & (frames <= 1)).all():
            raise ValueError(
                f"frames lie in [{frames.min():.3g}, {frames.max():.3g}]; floats must lie in [0, 1], bytes be uint8"
            )
        return frames.to(device, dtype)

    def _dtype(self) -> torch.dtype:
        dtype = self.features.get_parameter("weight").dtype
        check_precision(self, dtype)
        return dtype


class SinglePixelDeconvolution(nn.ConvTranspose2d):
    """A transposed convolution of a single pixel, which is one matrix product; several times faster that way."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (B, C, 1, 1) to (B, D, k, k); no other output size."""
        weight = self.get_parameter("weight")
        bias = self.get_parameter("bias")
        y = input.flatten(1) @ weight.flatten(1)  # weight (C, D, k, k)
        y = y.unflatten(1, weight.shape[1:]) + bias[:, None, None]
        return y.contiguous(memory_format=torch.channels_last)


class DoublingDeconvolution(nn.ConvTranspose2d):
    """A transposed convolution of an even kernel with stride 2, done as an ordinary convolution of half the kernel.

    Output pixel 2m + a only meets the kernel's taps 2t + a: out[2m + a] = Σ_t in[m - t] w[2t + a]. So the four kinds of output
    pixels (a, b each 0 or 1) are four ordinary convolutions of the input, computed as one with four times the channels and
    then interleaved.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map (B, C, H, W) to (B, D, 2H + k - 2, 2W + k - 2); no other output size."""
        inputs, outputs, size, _ = self.weight.shape
        half = size // 2
        taps = self.weight.reshape(inputs, outputs, half, 2, half, 2).flip(2, 4)  # C, D, t, a, s, b
        kernel = taps.permute(3, 5, 1, 0, 2, 4).reshape(4 * outputs, inputs, half, half)
        y = F.conv2d(input, kernel, self.get_parameter("bias").repeat(4), padding=half - 1)
        y = y.permute(0, 2, 3, 1).unflatten(-1, (2, 2, outputs))  # B, m, n, a, b, D: as it lies in memory
        y = y.transpose(2, 3).reshape(len(input), 2 * y.shape[1], 2 * y.shape[2], outputs)
        return y.permute(0, 3, 1, 2)
