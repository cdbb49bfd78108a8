"""The VAE: the paper's size, its transposed convolutions against PyTorch's, KL against torch.distributions."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from wmlib.models.vae import VAE, DoublingDeconvolution, Posterior, SinglePixelDeconvolution


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(seed: int = 0, latent_size: int = 5, channels: int = 2) -> VAE:
    return VAE(generator=generator(seed), latent_size=latent_size, channels=channels)


def posterior(*shape: int, **kind) -> Posterior:
    return Posterior(*(torch.randn(*shape, generator=generator(seed), **kind) for seed in (1, 2)))


@pytest.mark.parametrize(("latent_size", "parameters"), [(64, 4_446_915), (32, 4_348_547)])
def test_the_parameters_are_as_many_as_the_papers(latent_size, parameters):
    assert sum(p.numel() for p in VAE(generator=generator(), latent_size=latent_size).parameters()) == parameters


@pytest.mark.parametrize("pixels", [(13, 13), (1, 1), (2, 7)])
@pytest.mark.parametrize("size", [6, 2, 4])
def test_doubling_equals_the_transposed_convolution(pixels, size):
    ours = DoublingDeconvolution(5, 3, size, stride=2).double()
    check_equal(ours, torch.randn(7, 5, *pixels, generator=generator(), dtype=torch.float64))


@pytest.mark.parametrize("size", [5, 1])
def test_a_single_pixel_equals_the_transposed_convolution(size):
    ours = SinglePixelDeconvolution(11, 3, size).double()
    check_equal(ours, torch.randn(7, 11, 1, 1, generator=generator(), dtype=torch.float64))


def check_equal(ours: nn.ConvTranspose2d, x: torch.Tensor) -> None:
    """Compare value and all gradients with PyTorch's own forward for the same weights."""
    results = []
    for forward in (ours.forward, lambda x: nn.ConvTranspose2d.forward(ours, x)):
        x = x.clone().requires_grad_()
        y = forward(x)
        seen = torch.randn(y.shape, generator=generator(3), dtype=y.dtype)
        results.append((y, *torch.autograd.grad(y, (x, ours.weight, ours.bias), seen)))
    for mine, expected in zip(*results, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)


def test_the_network_equals_a_plain_port_of_the_papers_layers():
    vae = small().double()
    frames = torch.rand(3, 64, 64, 3, generator=generator(), dtype=torch.float64)
    x = frames.permute(0, 3, 1, 2).contiguous()
    for convolution in vae.convolutions:
        x = torch.conv2d(x, convolution.weight, convolution.bias, stride=2).relu()
    assert x.shape == (3, 16, 2, 2)
    mean, log_variance = vae.posterior(x.permute(0, 2, 3, 1).reshape(3, -1)).split(5, -1)
    x = vae.features(mean)[..., None, None]
    layers = [layer for layer in vae.deconvolutions if isinstance(layer, nn.ConvTranspose2d)]
    for i, layer in enumerate(layers):
        x = torch.conv_transpose2d(x, layer.weight, layer.bias, stride=2)
        x = x.relu() if i < 3 else x.sigmoid()
    posterior = vae.encode(frames)
    torch.testing.assert_close(posterior.mean, mean)
    torch.testing.assert_close(posterior.log_variance, log_variance)
    torch.testing.assert_close(vae.decode(posterior.mean), x.permute(0, 2, 3, 1))


@pytest.mark.parametrize("leading", [(7,), (), (3, 2), (1,)])
def test_shapes(leading):
    vae, frames = small(), torch.rand(*leading, 64, 64, 3, generator=generator())
    pictures, seen = vae(frames, generator())
    assert pictures.shape == frames.shape and 0 <= pictures.min() <= pictures.max() <= 1
    assert seen.mean.shape == seen.log_variance.shape == seen.kl().shape == (*leading, 5)
    flat = vae.encode(frames.reshape(-1, 64, 64, 3))
    torch.testing.assert_close(flat.mean.reshape(*leading, 5), seen.mean)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_channels_scale_every_layer(channels):
    layers = [layer for layer in small(channels=channels).modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    multiples = [layer.out_channels / channels for layer in layers]
    assert multiples == [1, 2, 4, 8, 4, 2, 1, 3 / channels]


def test_bytes_arrays_and_floats_are_the_same_frames():
    vae, frames = small(), np.random.default_rng(0).integers(256, size=(3, 64, 64, 3), dtype=np.uint8)
    expected = vae.encode(torch.from_numpy(frames).float() / 255)
    backwards, locked = frames[:, ::-1].copy()[:, ::-1], frames.copy()  # as cut from other arrays or mapped from a file
    locked.flags.writeable = False
    with warnings.catch_warnings(action="error"):
        for given in (frames, torch.from_numpy(frames), frames / np.float32(255), frames / 255, backwards, locked):
            torch.testing.assert_close(vae.encode(given).mean, expected.mean)
    assert vae.scaled(frames).max() <= 1 and vae.double().encode(frames).mean.dtype == torch.float64


def test_kl_equals_torch_distributions():
    ours = posterior(7, 3, dtype=torch.float64)
    normal = torch.distributions.Normal(ours.mean, (0.5 * ours.log_variance).exp())
    standard = torch.distributions.Normal(torch.zeros(3, dtype=torch.float64), 1)
    torch.testing.assert_close(ours.kl(), torch.distributions.kl_divergence(normal, standard))
    assert torch.equal(Posterior(torch.zeros(2, 3), torch.zeros(2, 3)).kl(), torch.zeros(2, 3))


def test_samples_have_the_posteriors_moments_and_gradients():
    wide = Posterior(*(part.expand(20_000, 3) for part in (torch.tensor([-1.0, 0, 2]), torch.tensor([-2.0, 0, 1]))))
    drawn = wide.sample(generator())
    torch.testing.assert_close(drawn.mean(0), wide.mean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(drawn.var(0).log(), wide.log_variance[0], rtol=0, atol=0.05)
    one = tuple(part.requires_grad_() for part in posterior(7, 3, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda *parts: Posterior(*parts).sample(generator(4)), one)


def test_a_sample_is_the_mean_and_standard_deviations_of_its_noise():
    ours = posterior(7, 3, dtype=torch.float64)
    noise = torch.randn(7, 3, generator=generator(4), dtype=torch.float64)
    torch.testing.assert_close(ours.sample(generator(4)), ours.reparameterized(noise))
    standard = torch.distributions.Normal(ours.mean, ours.log_variance.exp().sqrt())
    torch.testing.assert_close(standard.cdf(ours.reparameterized(noise)), torch.special.ndtr(noise))


def test_all_is_determined_by_the_generators():
    state = torch.get_rng_state()
    frames = torch.rand(2, 64, 64, 3, generator=generator())
    first, second, other = (small(seed)(frames, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert not torch.equal(small()(frames, generator(1))[0], small()(frames, generator(2))[0])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(latent_size=0), "latent_size is 0; it must be at least 1"),
        (lambda: small(channels=0), "channels is 0; it must be at least 1"),
        (lambda: small().encode(torch.zeros(2, 3, 64, 64)), r"frames has shape \(2, 3, 64, 64\); the last axes must be"),
        (lambda: small().encode(torch.zeros(64, 64, 3, dtype=torch.int64)), "frames are torch.int64; allowed are uint8"),
        (lambda: small().encode(torch.full((64, 64, 3), 255.0)), "floats must lie in"),
        (lambda: small().encode(torch.full((64, 64, 3), torch.nan)), "floats must lie in"),
        (lambda: small().decode(torch.zeros(2, 7)), r"latents has shape \(2, 7\); the last axis must be 5"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
