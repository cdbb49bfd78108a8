"""Precision and edges of the networks: 16 bits, empty batches, no generator, sizes that are no numbers; the width floor."""

import copy
import math

import numpy as np
import pytest
import torch

from wmlib.models import layers, specs
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.mdn import MixtureHead
from wmlib.models.vae import VAE, Posterior
from wmlib.models.world_model import WorldModel
from wmlib.training.streams import StreamTrainer
from wmlib.training.vae import PAPER, VAETrainer

pytestmark = [pytest.mark.slow, pytest.mark.kind("mixed precision and edges")]

B, T, D = 3, 6, 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, seed=1):
    return torch.randn(*shape, generator=generator(seed))


def dnc(**options):
    return DNC(
        **{"input_size": D, "hidden_size": 7, "num_slots": 11, "word_size": 5, "output_size": 3, **options},
        generator=generator(),
    )


NETWORKS = {
    "LSTM": lambda: (LSTM(D, 7, 3, generator=generator()), (random(B, T, D),)),
    "DNC": lambda: (dnc(), (random(B, T, D),)),
    "DNC without link": lambda: (dnc(link="none"), (random(B, T, D),)),
    "DNC, sparse link": lambda: (dnc(link="sparse"), (random(B, T, D),)),
    "DNC, plain code": lambda: (dnc(fast=False), (random(B, T, D),)),
    "world model": lambda: (
        WorldModel(LSTM(5, 8, generator=generator()), 3, generator=generator(), reward=True),
        (random(B, T, 3), random(B, T, 2)),
    ),
    "world model with a DNC": lambda: (
        WorldModel(DNC(5, 8, 4, 3, generator=generator()), 3, generator=generator()),
        (random(B, T, 3), random(B, T, 2)),
    ),
    "mixture head": lambda: (MixtureHead(4, 3, 2, generator=generator()), (random(B, 4),)),
}


def flat(result):
    """Return all tensors in nested tuples."""
    if isinstance(result, torch.Tensor):
        return [result]
    return [] if result is None else [tensor for part in result for tensor in flat(part)]


def gradients(network, inputs, cast=None, dtype=None):
    """Return outputs and gradients, in autocast to a dtype if one is given."""
    network.zero_grad()
    if dtype is None:
        results = flat(network(*inputs))
    else:
        with torch.autocast("cpu", dtype=dtype):
            results = flat(network(*(part.to(cast) if cast else part for part in inputs)))
    sum(part.sum() for part in results if part.requires_grad).backward()
    return results + [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_inside_autocast_nothing_changes(drill, name, dtype):
    network, inputs = NETWORKS[name]()
    plain, inside = gradients(network, inputs), gradients(network, inputs, dtype=dtype)
    drill.good(all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(plain, inside, strict=True)), "other numbers")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_inside_autocast_inputs_may_have_16_bits(drill, name, dtype):
    network, inputs = NETWORKS[name]()
    rounded = tuple(part.to(dtype).float() for part in inputs)
    plain, inside = gradients(network, rounded), gradients(network, inputs, cast=dtype, dtype=dtype)
    drill.good(all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(plain, inside, strict=True)), "other numbers")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("convert", [torch.nn.Module.half, torch.nn.Module.bfloat16])
def test_parameters_of_16_bits_are_refused(drill, name, convert):
    network, inputs = NETWORKS[name]()
    dtype = next(convert(network).parameters()).dtype
    drill.refused(lambda: network(*(part.to(dtype) for part in inputs)), "float32", "autocast", error=ValueError)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bool, torch.complex64])
def test_inputs_of_another_dtype_are_refused(drill, name, dtype):
    network, inputs = NETWORKS[name]()
    drill.refused(lambda: network(*(part.to(dtype) for part in inputs)), str(dtype), "float32", error=ValueError)


@pytest.mark.parametrize("name", NETWORKS)
def test_inputs_that_are_arrays_or_elsewhere_are_refused(drill, name):
    network, inputs = NETWORKS[name]()
    drill.refused(lambda: network(*(part.numpy() for part in inputs)), error=(ValueError, TypeError))
    if name in ("LSTM", "DNC", "DNC, plain code"):
        drill.refused(lambda: network(*(part.to("meta") for part in inputs)), "meta", error=ValueError)


def test_autocast_around_a_vae(drill):
    vae = VAE(generator=generator(), latent_size=3, channels=1)
    frames = torch.rand(2, 64, 64, 3, generator=generator())
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            pictures, posterior = vae(frames, generator())
            loss = PAPER(frames, pictures, posterior).total
        loss.backward()
        right = pictures.dtype == posterior.mean.dtype == torch.float32
        drill.good(right and all(p.grad.isfinite().all() for p in vae.parameters()), f"{pictures.dtype} {posterior.mean.dtype}")
    drill.refused(lambda: copy.deepcopy(vae).half().encode(frames), "float32", error=ValueError)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("lead", [(0,), (0, 4), (4, 0)])
def test_an_empty_batch_is_as_good_as_any(drill, name, lead):
    network, inputs = NETWORKS[name]()
    empty = tuple(part[0].expand(*lead, *part.shape[1:]) for part in inputs)
    results = flat(network(*empty))
    loss = sum(part.sum() for part in results if part.requires_grad)
    loss.backward()
    right = all(part.shape[: len(lead)] == lead for part in results)
    drill.good(right and all(p.grad is None or not p.grad.any() for p in network.parameters()), [p.shape for p in results])


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "mixture head"])
def test_no_steps_leave_the_state_as_it_was(drill, name):
    network, inputs = NETWORKS[name]()
    _, state = network(*inputs)
    results, after = network(*(part[:, :0] for part in inputs), state)
    same = all(torch.equal(a, b) for a, b in zip(state, after, strict=True))
    drill.good(same and all(part.shape[:2] == (B, 0) for part in flat(results)), [p.shape for p in flat(results)])


def test_other_empty_things(drill):
    vae = VAE(generator=generator(), latent_size=3, channels=1)
    drill.good(vae.encode(np.zeros((0, 64, 64, 3), np.uint8)).mean.shape == (0, 3), "encode")
    drill.good(vae.encode(torch.zeros(0, 64, 64, 3)).mean.shape == (0, 3), "encode")
    drill.good(vae.decode(torch.zeros(0, 3)).shape == (0, 64, 64, 3), "decode")
    core = dnc()
    drill.good(core.step(torch.zeros(0, D), core.initial_state(0))[0].shape == (0, 3), "step")
    traced = core(torch.zeros(0, T, D), trace=True)
    drill.good(traced[2].write.shape[:2] == (0, T), "trace of no rows")
    traced = core(torch.zeros(B, 0, D), trace=True)
    drill.good(traced[2].write.shape[:2] == (B, 0), "trace of no steps")
    mixture = MixtureHead(4, 3, 2, generator=generator())(torch.zeros(0, 4))
    drill.good(mixture.log_prob(torch.zeros(0, 3)).shape == (0,) and mixture.sample(generator()).shape == (0, 3), "mixture")


VAE_3 = VAE(generator=generator(), latent_size=3, channels=1)
MIXTURE = MixtureHead(4, 3, 2, generator=generator())(torch.zeros(2, 4))
FRAMES = np.zeros((9, 64, 64, 3), np.uint8)
DRAWS = {
    "DNC": lambda g: DNC(2, 3, 4, 5, generator=g),
    "LSTM": lambda g: LSTM(2, 3, generator=g),
    "MixtureHead": lambda g: MixtureHead(2, 3, 4, generator=g),
    "VAE": lambda g: VAE(generator=g, latent_size=2, channels=1),
    "linear": lambda g: layers.linear(2, 3, g),
    "conv2d": lambda g: layers.conv2d(2, 3, 3, g),
    "WorldModel": lambda g: WorldModel(LSTM(5, 8, generator=generator()), 3, generator=g),
    "make_core": lambda g: specs.make_core(specs.CoreConfig(), 2, generator=g),
    "Mixture.sample": MIXTURE.sample,
    "Posterior.sample": lambda g: Posterior(torch.zeros(2, 3), torch.zeros(2, 3)).sample(g),
    "a VAE's pictures": lambda g: VAE_3(FRAMES, g),
    "VAETrainer": lambda g: VAETrainer(VAE_3, PAPER, FRAMES.__getitem__, np.arange(9), generator=g, batch_size=3),
    "StreamTrainer": lambda g: StreamTrainer(VAE_3, 99, generator=g, batch_size=3, seq_len=5, lr=1e-3, max_grad_norm=1),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("given", [None, 1, np.random.default_rng(1)], ids=["None", "a seed", "NumPy's"])
def test_the_global_generator_is_never_drawn_from(drill, name, given):
    before = torch.get_rng_state()
    drill.refused(lambda: DRAWS[name](given), "generator", error=(ValueError, TypeError))
    drill.good(torch.equal(before, torch.get_rng_state()), "drawn from the global generator")


SIZES = {
    "num_slots": lambda size: dnc(num_slots=size)(random(B, T, D))[0],
    "hidden_size": lambda size: LSTM(2, size, generator=generator())(random(B, T, D))[0],
    "output_size": lambda size: LSTM(2, 4, size, generator=generator())(random(B, T, D))[0],
    "link_size": lambda size: dnc(link="sparse", link_size=size)(random(B, T, D))[0],
    "num_components": lambda size: MixtureHead(2, 3, size, generator=generator()),
    "latent_size": lambda size: VAE(generator=generator(), latent_size=size, channels=1),
    "latent_size of a world model": lambda size: WorldModel(LSTM(5, 8, generator=generator()), size, generator=generator()),
    "kernel_size": lambda size: layers.conv2d(2, 3, size, generator())(torch.zeros(1, 2, 9, 9)),
    "batch_size": lambda size: VAETrainer(
        VAE_3, PAPER, FRAMES.__getitem__, np.arange(9), generator=generator(), batch_size=size
    ),
    "num_slots of a state": lambda size: (
        dnc().initial_state(2, size) if size is not None else layers.check_sizes(num_slots=size)
    ),
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("size", [1.5, 2.0, True, "3", 0, -1, None, math.nan, np.float64(3), [3], torch.tensor(3.0)], ids=repr)
def test_sizes_are_whole_numbers(drill, name, size):
    if size is None and name in ("output_size", "num_slots of a state"):
        return  # the hidden vector itself; as many slots as the core has
    drill.refused(lambda: SIZES[name](size), name.split()[0], error=ValueError)


@pytest.mark.parametrize("name", SIZES)
def test_whole_numbers_of_numpy_are_sizes(drill, name):
    SIZES[name](np.int64(3))
    drill.good(True, name)


@pytest.mark.parametrize("size", [1.5, True, "3", -1, None, math.nan, (2, -1), [2, 1.5]], ids=repr)
def test_batch_sizes_of_a_state_are_whole_numbers(drill, size):
    drill.refused(lambda: dnc().initial_state(size), "batch_size", error=ValueError)


@pytest.mark.parametrize("reset", [True, np.zeros((B, T), bool), torch.zeros(B, T), torch.zeros(B, dtype=torch.bool), [1]])
@pytest.mark.parametrize("name", ["LSTM", "DNC", "DNC, plain code"])
def test_resets_that_are_none_are_refused(drill, name, reset):
    network, inputs = NETWORKS[name]()
    drill.refused(lambda: network(*inputs, None, reset), "reset", error=ValueError)


# the width floor


def train(head, draw, steps, lr=0.03):
    """Train a head without features; return its mixture."""
    optimizer = torch.optim.Adam(head.parameters(), lr, (0.9, 0.99))  # forgets large gradients soon
    features = torch.ones(64, 1)
    for _ in range(steps):
        optimizer.zero_grad()
        (-head(features).log_prob(draw()).mean()).backward()
        optimizer.step()
    return head(features[:1])


@pytest.mark.kind("a width floor without a way back")
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("components", [1, 2, 5])
@pytest.mark.parametrize(("floor", "there", "wide"), [(0.1, 0.0, 1.0), (0.1, 0.5, 3.0), (0.02, 0.0, 1.0), (0.5, -0.5, 2.0)])
def test_a_head_at_its_floor_comes_back(drill, shared, components, floor, there, wide):
    head = MixtureHead(1, 3, components, generator=generator(), shared=shared, min_std=floor)
    noise = generator(5)
    narrow = train(head, lambda: torch.full((64, 3), there), 600)
    after = train(head, lambda: wide * torch.randn(64, 3, generator=noise), 1500)
    least = 3 * (math.log(wide) + 0.5 * math.log(2 * math.pi * math.e))  # nats: the entropy of what is to be learnt
    nats = -after.log_prob(wide * torch.randn(4096, 3, generator=generator(6))).mean().item()
    at_floor = narrow.log_stds.exp().min().item() < 1.01 * floor
    drill.good(at_floor and nats < least + 0.15, f"{nats} nats, least {least}; at the floor before: {at_floor}")


@pytest.mark.kind("a width floor without a way back")
@pytest.mark.parametrize("depth", [0.0, 1e-6, 1.0, 30.0, 1e4])
def test_however_far_below_the_floor_the_gradient_leads_back(drill, depth):
    head = MixtureHead(1, 1, 1, generator=generator(), min_std=0.1)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(torch.tensor([0.0, 0.0, math.log(0.1) - depth]))
    mixture = head(torch.ones(1, 1))
    (-mixture.log_prob(torch.ones(1, 1)).sum()).backward()  # a target far from the mean: wider is better
    gradient = head.linear.bias.grad[2].item()
    drill.good(gradient < -10 and mixture.log_stds.exp().item() == pytest.approx(0.1), f"gradient {gradient}")


@pytest.mark.kind("a width floor without a way back")
@pytest.mark.parametrize("floor", [1e-3, 0.1])
def test_away_from_the_floor_all_is_as_with_clamp(drill, floor):
    head = MixtureHead(4, 3, 5, generator=generator(), min_std=floor)
    features, target = random(50, 4), random(50, 3, seed=2)
    results = []
    for clamp in (False, True):
        mixture = head(features)
        if clamp:
            raw = head.linear(features)
            log_stds = raw.split(head.split, -1)[2].unflatten(-1, (5, -1)).clamp(min=math.log(floor))
            mixture = mixture._replace(log_stds=log_stds)
        loss = mixture.log_prob(target).mean()
        results.append((loss, *torch.autograd.grad(loss, list(head.parameters()))))
    drill.good(all(torch.equal(a, b) for a, b in zip(*results, strict=True)), "other numbers")


@pytest.mark.kind("a width floor without a way back")
@pytest.mark.parametrize("floor", [0, -1, math.nan, math.inf])
def test_floors_that_are_none_are_refused(drill, floor):
    drill.refused(lambda: MixtureHead(4, 3, 5, generator=generator(), min_std=floor), "min_std", error=ValueError)
