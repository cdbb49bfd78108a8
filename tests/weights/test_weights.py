"""Trained weights: whole, small, usable, and refused when they are other files than the manifest's."""

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.agents import linear_controller as controller
from wmlib.models.lstm import LSTM
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel
from wmlib.lessons.vizdoom_dream.pipeline import BUTTONS


def test_everything_in_the_manifest_loads_and_is_small():
    assert {"vae", "world_model", "controller"} <= set(weights.names())
    total = 0
    for name in weights.names():
        made, entry = weights.load(name)
        tensors = [made] if torch.is_tensor(made) else list(made.parameters())
        assert all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors)
        assert entry["made"] and entry["scores"] and entry["bytes"] == (weights.FOLDER / f"{name}.safetensors").stat().st_size
        if entry["kind"] == "vae":
            assert entry["bytes"] < sum(t.numel() for t in tensors)  # folded: less than one byte a number, in half precision
        total += entry["bytes"]
    assert total < 10e6


def test_the_parts_fit_together_to_an_agent():
    (eye, _), (mind, _), (hand, entry) = (weights.load(n) for n in ("vae", "world_model", "controller"))
    frames = np.random.default_rng(0).integers(256, size=(3, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        z = eye.encode(frames).mean
        state = mind.core.initial_state(3)
        actions = controller.act(hand, controller.look(mind, z, state, entry["settings"]["names"]))
        prediction, _ = mind.step(z, BUTTONS[actions], state)
        assert eye.decode(prediction.mixture.mean()).shape == (3, 64, 64, 3)


@pytest.mark.parametrize("settings", [{"latent": 64, "width": 32}, {"latent": 5, "width": 1}, {"latent": 64, "width": 2}])
def test_a_folded_vae_computes_the_same(settings):
    rng = torch.Generator().manual_seed(0)
    vae = VAE(generator=rng, **settings)
    for parameter in vae.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=rng)  # biases too
    folded = weights.fold(vae.state_dict())
    again = VAE(generator=rng, **settings)
    again.load_state_dict(weights.unfold(folded, again))
    latents = torch.randn(9, settings["latent"], generator=rng)
    torch.testing.assert_close(again.decode(latents), vae.decode(latents), atol=2e-6, rtol=0)
    if settings["width"] == 32:
        assert sum(value.numel() for value in folded.values()) < 0.31 * 4_446_915


def test_what_is_saved_comes_back_rounded_to_half_precision(tmp_path):
    rng = torch.Generator().manual_seed(0)
    model = WorldModel(LSTM(3 + 2, 7, generator=rng, forget_bias=1.0), 3, generator=rng)
    settings = {"latent": 3, "core": "lstm", "hidden": 7}
    weights.save("small", "world model", model.state_dict(), settings, tmp_path, made="here", scores={"none": 0})
    back, entry = weights.load("small", tmp_path)
    for ours, theirs in zip(back.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    assert entry["made"] == "here"
    path = tmp_path / "small.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="checksum differs"):
        weights.load("small", tmp_path)
    with pytest.raises(ValueError, match="name is 'big'; there are small"):
        weights.load("big", tmp_path)
