"""Trainings that diverge: each stops at the first number that is not finite and says where."""

import math
import pickle

import numpy as np
import pytest
import torch

from wmlib.lessons.addition import training
from wmlib.lessons.addition.recipes import Recipe
from wmlib.lessons.mixture_density.regressor import ToyNetwork, negative_log_likelihood, train
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CoreConfig
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel
from wmlib.training.divergence import TrainingDivergedError
from wmlib.training.vae import PAPER, WEIGHTED, VAETrainer
from wmlib.training.world_model import Experience, WorldModelTrainer

pytestmark = [pytest.mark.slow, pytest.mark.kind("training that goes on with NaN")]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def vae_trainer(lr=1e-3, objective=PAPER, spoil=None, schedule=None):
    frames = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3)).astype(np.uint8)
    vae = VAE(generator=generator(), latent_size=8, channels=4)
    if spoil is not None:
        spoil(vae)
    return VAETrainer(
        vae, objective, frames.__getitem__, np.arange(40), generator=generator(), batch_size=10, lr=lr, schedule=schedule
    )


def world_model_trainer(lr=1e-3, core=LSTM, latents=None, spoil=None):
    rng = np.random.default_rng(0)
    size, z = 400, 5
    means = rng.normal(size=(size, z)).astype(np.float32) if latents is None else np.full((size, z), latents, np.float32)
    experience = Experience(
        means,
        np.full((size, z), -2, np.float32),
        np.eye(2, dtype=np.float32)[rng.integers(2, size=size)],
        np.ones(size, np.float32),
        rng.random(size) < 0.05,
        np.ones(size, bool),
        rng.random(size) < 0.05,
    )
    made = LSTM(z + 2, 8, generator=generator()) if core is LSTM else DNC(z + 2, 8, 5, 4, generator=generator())
    model = WorldModel(made, z, generator=generator())
    if spoil is not None:
        spoil(model)
    return WorldModelTrainer(model, experience, generator=generator(), batch_size=4, seq_len=7, lr=lr)


def regressor(lr, loss=negative_log_likelihood, y=None):
    x = torch.linspace(-1, 1, 64)[:, None]
    return train(ToyNetwork(3, generator=generator()), loss, x, x if y is None else torch.full_like(x, y), 300, lr)


def spoiled(value):
    def spoil(network):
        next(network.parameters()).detach().view(-1)[3] = value

    return spoil


TRAININGS = {
    "VAE, rate 1": lambda: list(vae_trainer(1.0).run(300)),
    "VAE, rate 1e4": lambda: list(vae_trainer(1e4).run(300)),
    "VAE, rate 1e30": lambda: list(vae_trainer(1e30).run(300)),
    "VAE, weighted, rate 10": lambda: list(vae_trainer(10.0, WEIGHTED).run(300)),
    "VAE, a rate that becomes NaN": lambda: list(vae_trainer(schedule=lambda step: math.nan if step == 5 else 1e-3).run(9)),
    "VAE, a rate that ends as NaN": lambda: list(vae_trainer(schedule=lambda step: math.nan if step == 8 else 1e-3).run(9)),
    "VAE, a weight is NaN": lambda: list(vae_trainer(spoil=spoiled(math.nan)).run(3)),
    "VAE, a weight is infinite": lambda: list(vae_trainer(spoil=spoiled(math.inf)).run(3)),
    "VAE, a weight is huge": lambda: list(vae_trainer(spoil=spoiled(1e38)).run(3)),
    "world model, rate 1e30": lambda: list(world_model_trainer(1e30).run(300)),
    "world model with a DNC, rate 1e30": lambda: list(world_model_trainer(1e30, DNC).run(300)),
    "world model, a weight is NaN": lambda: list(world_model_trainer(spoil=spoiled(math.nan)).run(3)),
    "mixture, rate 1e30": lambda: regressor(1e30),
    "mixture, a target is NaN": lambda: regressor(1e-3, y=math.nan),
    "mixture, huge targets": lambda: regressor(1e-3, y=1e30),
    "mixture, another loss": lambda: regressor(1e-3, lambda mixture, y: negative_log_likelihood(mixture, y) / 0),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_that_diverges_stops_and_says_where(drill, name):
    error = drill.refused(
        TRAININGS[name], "diverged at step", "learning rate", "loss", "gradient norm", error=TrainingDivergedError
    )
    copy = pickle.loads(pickle.dumps(error))  # as from a worker
    drill.good(str(copy) == str(error) and copy.step == error.step and set(copy.values) == set(error.values), copy)


def test_latents_without_a_number_are_named(drill):
    drill.refused(lambda: list(world_model_trainer(latents=math.inf).run(9)), "inputs must be finite", error=ValueError)


@pytest.mark.parametrize("lr", [0.1, 0.3])
def test_a_rate_that_is_too_high_gives_finite_losses_or_an_error(drill, lr):
    try:
        good = all(map(math.isfinite, (loss.total for loss in vae_trainer(lr).run(300))))
    except TrainingDivergedError as error:
        good = error.step >= 0
    drill.good(good, "losses that are not finite")


@pytest.mark.parametrize("make", [vae_trainer, world_model_trainer])
def test_nothing_that_is_not_finite_is_saved_and_weights_are_those_before(drill, make):
    trainer = make(spoil=spoiled(math.nan))
    network = trainer.vae if make is vae_trainer else trainer.model
    before = [parameter.detach().clone() for parameter in network.parameters()]
    drill.refused(lambda: list(trainer.run(2)), "step 0", error=TrainingDivergedError)
    same = all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, network.parameters(), strict=True))
    drill.good(same, "the bad step changed the weights")
    drill.refused(trainer.state_dict, "diverged", error=TrainingDivergedError)


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_a_recipe_that_diverges_is_a_result_of_its_own(drill, kind):
    recipe = Recipe(CoreConfig(kind, 8, 4, 3), lr=1e30)
    core = training.train(recipe, (1, 2), task="addition", levels=[(1, 3)], sequences=160)
    drill.good(all(parameter.isnan().all() for parameter in core.parameters()), "not marked as diverged")
