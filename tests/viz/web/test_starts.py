"""Where dreams begin: what is committed fits the agents, and the game, where it is installed, gives it again."""

import base64
import io
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from PIL import Image

from wmlib import weights
from wmlib.viz.web import build, published, starts


def picture_of(game):
    return Image.open(io.BytesIO(base64.b64decode(game["webp"])))


def test_what_is_committed_is_small_and_of_the_published_agents():
    recorded = starts.read()
    assert starts.FILE.stat().st_size < 50_000 and recorded["made"]
    assert sorted(recorded["starts"]) == sorted(published.AGENTS.values())
    for part in (part for start in recorded["starts"].values() for part in start.values()):
        assert part["type"] == "half" and starts.unpack(part).shape == (starts.STARTS, 64)
    game = recorded["game"]
    picture = picture_of(game)
    assert picture.size == (64 * game["pictures"], 64)
    assert np.asarray(picture).std() > 10, "something is to be seen"


def test_a_tensor_comes_back():
    for numbers in (torch.tensor([[0.5, -2.0]]), torch.tensor([[1 / 3], [1e-9]])):
        assert starts.unpack(build.pack(numbers)).tolist() == numbers.tolist()


def test_the_first_picture_of_the_game_is_that_of_the_first_start():
    """As latents, since the page's dream 0 begins there."""
    recorded = starts.read()
    strip = np.asarray(picture_of(recorded["game"]).convert("RGB"))
    for name, start in recorded["starts"].items():
        with torch.no_grad():
            mean = weights.load_agent(name).vae.encode(strip[None, :, :64]).mean[0].numpy()
        distances = np.abs(starts.unpack(start["mean"]) - mean).mean(1)
        assert distances[0] == distances.min()


def test_a_player_who_always_dies_too_soon_is_refused(monkeypatch):
    env = SimpleNamespace(reset=lambda seed: (np.zeros((64, 64, 3), np.uint8), {}))
    monkeypatch.setattr(gymnasium, "make", lambda name: env)
    monkeypatch.setattr(starts, "_play", lambda env, agent, seed: [env.reset(seed)[0]] * (100 + seed))
    with pytest.raises(ValueError, match="player: a hasty one dies in all 16 games before tic 240; let another agent play"):
        starts.record({"a hasty one": None}, "a hasty one")


def test_recording_again_gives_the_same_latents(monkeypatch):
    pytest.importorskip("vizdoom", reason="needs the game: pip install -e '.[doom]'")
    monkeypatch.setattr(starts, "PICTURES", 2)
    again = starts.record({"controller": weights.load_agent("controller")}, "controller")
    assert again["game"]["seed"] == 0 and picture_of(again["game"]).size == (2 * 64, 64)
    for part, packed in again["starts"]["controller"].items():
        ours = starts.unpack(starts.read()["starts"]["controller"][part])
        np.testing.assert_allclose(starts.unpack(packed), ours, atol=2e-2)
