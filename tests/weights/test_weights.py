"""Trained weights: whole, small, usable, and refused when they are other files than the manifest's."""

import json

import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmlib import weights
from wmlib.agents import linear_controller
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.models.frame_model import FrameModel
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CoreConfig
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel


def test_everything_in_the_manifest_loads_and_is_small():
    assert {"vae", "world_model", "controller"} <= set(weights.names())
    total = 0
    for name in weights.names():
        part, entry = weights.load(name)
        tensors = [part] if torch.is_tensor(part) else list(part.parameters())
        assert all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors)
        assert entry["made"] and entry["scores"] and entry["bytes"] == (weights.FOLDER / f"{name}.safetensors").stat().st_size
        if entry["kind"] == "vae":
            assert entry["bytes"] < sum(t.numel() for t in tensors)  # folded: less than one byte a number, in half precision
        total += entry["bytes"]
    assert total < 10e6


@pytest.mark.parametrize("name", ["controller", "controller_dnc_512"])
def test_the_parts_fit_together_to_an_agent(name):
    agent = weights.load_agent(name)
    frames = np.random.default_rng(0).integers(256, size=(3, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        latents = agent.vae.encode(frames).mean
        state = agent.world_model.core.initial_state(3)
        features = linear_controller.features(agent.world_model, latents, state, agent.names)
        actions = linear_controller.act(agent.weights, features)
        prediction, _ = agent.world_model.step(latents, agent.actions[actions], state)
        assert agent.vae.decode(prediction.mixture.mean()).shape == (3, 64, 64, 3)
    assert agent.actions.tolist() == [[1, 0], [0, 0], [0, 1]]  # left, stay, right
    assert weights.load_agent(name).describe() == agent.describe()


def test_an_agent_is_known_by_its_controller():
    with pytest.raises(ValueError, match="name is 'vae', a vae; give the name of a controller"):
        weights.load_agent("vae")
    with pytest.raises(ValueError, match="name is 'eye'; there are"):
        weights.load_agent("eye")


@pytest.mark.parametrize(
    "settings", [{"latent_size": 64, "channels": 32}, {"latent_size": 5, "channels": 1}, {"latent_size": 64, "channels": 2}]
)
def test_a_folded_vae_computes_the_same(settings):
    rng = torch.Generator().manual_seed(0)
    vae = VAE(generator=rng, **settings)
    for parameter in vae.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=rng)  # biases too
    folded = weights.fold(vae.state_dict())
    again = VAE(generator=rng, **settings)
    again.load_state_dict(weights.unfold(folded, again))
    latents = torch.randn(9, settings["latent_size"], generator=rng)
    torch.testing.assert_close(again.decode(latents), vae.decode(latents), atol=2e-6, rtol=0)
    if settings["channels"] == 32:
        assert sum(value.numel() for value in folded.values()) < 0.31 * 4_446_915


def test_what_is_saved_comes_back_rounded_to_half_precision(tmp_path):
    rng = torch.Generator().manual_seed(0)
    model = WorldModel(LSTM(3 + 2, 7, generator=rng, forget_bias=1.0), 3, generator=rng)
    settings = {"latent_size": 3, "core": {"kind": "lstm", "hidden_size": 7}}
    weights.save("small", "world model", model.state_dict(), settings, tmp_path, made="here", scores={"none": 0})
    back, entry = weights.load("small", tmp_path)
    for ours, theirs in zip(back.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    assert entry["made"] == "here"
    path = tmp_path / "small.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="its checksum does not match"):
        weights.load("small", tmp_path)
    with pytest.raises(ValueError, match="name is 'big'; there are small"):
        weights.load("big", tmp_path)


@pytest.fixture
def small():
    """What `save` needs for a small VAE, but for the folder."""
    vae = VAE(generator=torch.Generator().manual_seed(0), latent_size=3, channels=1)
    settings = {"latent_size": 3, "channels": 1}
    return {"name": "vae", "kind": "vae", "tensors": vae.state_dict(), "settings": settings, "made": "here", "scores": {}}


@pytest.mark.parametrize(
    "argument, value",
    [
        ("name", "../vae"),
        ("name", "sha256"),
        ("kind", "vea"),
        ("kind", "world model"),
        ("settings", {"latent_size": 4, "channels": 1}),
        ("settings", None),
        ("tensors", {}),
        ("scores", {"tics": float("nan")}),
        ("sha256", "0"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(tmp_path, small, argument, value):
    with pytest.raises(ValueError, match=argument):
        weights.save(**{**small, argument: value}, folder=tmp_path / "w")
    assert not list(tmp_path.iterdir())
    small["tensors"]["convolutions.0.bias"][0] = 1e5
    with pytest.raises(ValueError, match=r"tensors: .* is not finite in half precision"):
        weights.save(**small, folder=tmp_path / "w")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "null", '{"vae": {}}', '{"vae": 1, "sha256": "0"}'])
def test_a_damaged_manifest_is_named_and_left(tmp_path, small, text):
    (tmp_path / "manifest.json").write_text(text)
    for call in (lambda: weights.load("vae", tmp_path), lambda: weights.save(**small, folder=tmp_path)):
        with pytest.raises(ValueError, match=r"manifest.json cannot be read .*; get it again from the repository"):
            call()
    assert (tmp_path / "manifest.json").read_text() == text


def test_a_manifest_without_a_checksum_is_read_but_none_with_a_wrong_one(tmp_path, small):
    weights.save(**small, folder=tmp_path)
    path = tmp_path / "manifest.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "sha256": "0"}))
    with pytest.raises(ValueError, match=r"manifest.json has changed"):
        weights.load("vae", tmp_path)
    path.write_text(json.dumps({"vae": record["vae"]}))
    assert weights.load("vae", tmp_path)[1] == record["vae"]
    (tmp_path / "vae.safetensors").unlink()
    with pytest.raises(ValueError, match=r"vae.safetensors is missing"):
        weights.load("vae", tmp_path)


def test_an_agent_plays_only_with_the_parts_it_was_saved_with(tmp_path, small):
    core = {"kind": "lstm", "hidden_size": 7}
    model = WorldModel(
        LSTM(3 + 2, 7, generator=torch.Generator().manual_seed(0), forget_bias=1.0), 3, generator=torch.Generator()
    )
    settings = {"vae": "vae", "world_model": "m", "names": ["z"], "actions": [[1, 0], [0, 0], [0, 1]]}
    c = {"tensors": {"weights": torch.ones(3)}, "settings": settings, "folder": tmp_path}
    with pytest.raises(ValueError, match=r"kind, tensors, settings: they do not make a controller .*KeyError: 'vae'"):
        weights.save("c", "controller", **c)
    weights.save(**small, folder=tmp_path)
    weights.save("m", "world model", model.state_dict(), {"latent_size": 3, "core": core}, tmp_path)
    with pytest.raises(ValueError, match="weights of shape"):
        weights.save("c", "controller", **{**c, "tensors": {"weights": torch.ones(400)}})
    weights.save("c", "controller", **c)
    assert weights.load_agent("c", tmp_path).names == ("z",)
    small["tensors"]["convolutions.0.bias"] += 1
    weights.save(**small, folder=tmp_path)
    with pytest.raises(ValueError, match="c was saved with another vae; save c again"):
        weights.load_agent("c", tmp_path)


def test_models_of_frames_and_policies_come_back(tmp_path):
    rng = torch.Generator().manual_seed(0)
    model = FrameModel(CoreConfig("dnc", 5, 4, 3), (3, 4, 4), 2, generator=rng)
    core = {"kind": "dnc", "hidden_size": 5, "num_slots": 4, "word_size": 3}
    settings = {"shape": [3, 4, 4], "num_actions": 2, "core": core}
    weights.save("model", "frame model", model.state_dict(), settings, tmp_path)
    policy = ActorCritic(spaces.Box(0, 1, (48,), np.float32), 2, PolicyConfig((7,)), generator=rng)
    settings = {"observation_size": 48, "num_actions": 2, "hidden_sizes": [7]}
    weights.save("policy", "policy", policy.state_dict(), settings, tmp_path)
    frames = (torch.rand(1, 5, 3, 4, 4, generator=rng) < 0.5).float()
    actions = torch.tensor([[0, 1, 1, 0, 1]])
    with torch.no_grad():
        ours = weights.load("model", tmp_path)[0](frames, actions)[0]
        torch.testing.assert_close(ours, model(frames, actions)[0], atol=1e-2, rtol=0)
        logits = weights.load("policy", tmp_path)[0].step(frames[0]).logits
        torch.testing.assert_close(logits, policy.step(frames[0]).logits, atol=1e-2, rtol=0)
    with pytest.raises(ValueError, match="they do not make a policy that load"):
        weights.save("other", "policy", policy.state_dict(), {**settings, "observation_size": 47}, tmp_path)
