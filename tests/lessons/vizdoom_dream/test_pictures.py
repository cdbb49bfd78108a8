"""Strips and films of games and dreams."""

import numpy as np
import pytest
import torch

from wmlib.agents.dream import dream_episode
from wmlib.lessons.vae.figures import unpack
from wmlib.lessons.vizdoom_dream import controllers, pictures
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController

Z, H = 3, 5
CONFIG = EvolutionConfig(names=("z", "h"), max_steps=200)


@pytest.fixture
def agent(world, lstm):
    _, encoded = world
    model = lstm.model.build(torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        model.done.bias.fill_(-3.0)
    weights = np.linspace(-3, 3, Z + H)
    return controllers.make_agent(encoded, model, EvolvedController(("z", "h"), weights, 1.0, np.zeros((1, 3)), weights[None]))


@pytest.fixture
def begin(world):
    _, encoded = world
    return controllers.starts(encoded.latents)


def test_a_dream_is_the_agent_s_own(agent, begin):
    dream = pictures.dream(agent, CONFIG, begin, 2, 30)
    expected = dream_episode(controllers.dreams(CONFIG, agent.world_model, begin, 3), agent.weights, agent.names, 2, 30)
    assert torch.equal(dream.latents, expected[0]) and torch.equal(dream.actions, expected[1])
    assert len(dream.latents) == len(dream.actions) == 30
    assert torch.equal(pictures.dream(agent, CONFIG, begin, 2, 5).latents, dream.latents[:5])


def test_what_is_missing_is_black(world, agent):
    vae = agent.vae
    rows = pictures.decoded(vae, torch.zeros(2, Z), 5)
    assert rows.shape == (5, 64, 64, 3) and (rows[2:] == 0).all() and (rows[:2] > 0).all()
    with torch.no_grad():
        assert np.array_equal(rows[0], vae.decode(torch.zeros(1, Z))[0])


class Recorded:
    """Games whose frames are made by hand: dark, with a square ball of so many pixels a side."""

    def __init__(self, *games):
        self.lengths = np.array([len(game) - 1 for game in games])
        ends = np.cumsum(self.lengths + 1)
        self.starts = ends - self.lengths - 1
        self._sides = [side for game in games for side in game]

    def episode(self, number):
        return np.arange(self.starts[number], self.starts[number] + self.lengths[number] + 1)

    def frames(self, rows):
        frames = np.full((len(rows), 64, 64, 3), 40, np.uint8)
        for frame, row in zip(frames, rows, strict=True):
            frame[10 : 10 + self._sides[row], 10 : 10 + self._sides[row]] = 250
        return frames


def test_the_part_with_most_fireballs_is_chosen():
    played = Recorded([1, 0, 0, 0, 0, 0, 0], [0, 0, 2, 3, 0, 2, 0, 0, 0], [3, 0, 0])
    assert pictures.brightest_rows(played, 2, 2).tolist() == [7 + 2, 7 + 4]  # frames 2 to 5 of the second game hold 17 pixels
    assert pictures.brightest_rows(Recorded([0, 0, 0], [2, 1]), 2, 4).tolist() == [3]  # no game is long enough
    assert pictures.brightest_rows(Recorded([0] * 5), 1, 3).tolist() == [0, 1, 2]


def test_an_explosion_is_no_brighter_than_a_near_ball():
    played = Recorded([0, 3, 10, 40])
    assert pictures.brightness(played.frames(np.arange(4))).tolist() == [0, 9, 60, 0]  # 1,600 pixels are a flash


def test_recorded_rows_and_their_reconstructions(data, agent):
    rows = data.episode(2)[::3]
    frames, again = pictures.recorded(agent.vae, data, rows, 6)
    assert len(rows) == 4 and frames.shape == again.shape == (6, 64, 64, 3)
    np.testing.assert_allclose(frames[:4], data.frames(rows) / 255, atol=1e-6)
    assert (frames[4:] == 0).all() and (again[4:] == 0).all()
    with torch.no_grad():
        expected = agent.vae.decode(agent.vae.encode(data.frames(rows)).mean)
    np.testing.assert_allclose(again[:4], expected, atol=1e-6)


def test_a_strip_has_a_row_for_each_temperature(data, agent, begin):
    strip = pictures.strip(agent, data, CONFIG, begin, (0.1, 1.15))
    grid = unpack(strip["png"])
    assert strip["rows"] == ["real game", "reconstruction", "τ = 0.1", "τ = 1.15"]
    assert strip["columns"] == [f"step {12 * i}" for i in range(8)] and grid.shape == (4, 8, 64, 64, 3)
    assert np.array_equal(grid[2, 0], grid[3, 0]) and not np.array_equal(grid[2, 3], grid[3, 3])  # the same start


def test_a_film_shows_the_dream_with_most_fireballs_from_the_game_s_own_frame(agent, monkeypatch):
    played = Recorded([0] * 50 + [3] * 90 + [4] * 71, [1] * 170)
    pixels = iter([5, 9, 1] + [0] * 13)
    count = pictures.brightness
    monkeypatch.setattr(
        pictures,
        "brightness",
        lambda frames: np.full(1, next(pixels)) if frames.dtype == np.float32 else count(frames),
    )
    data, dream = pictures.film(agent, played, CONFIG)
    grid = unpack(data["png"])
    assert grid.shape == (3, 40, 64, 64, 3) and data["rows"] == ["real game", "reconstruction", "dream"] and data["every"] == 4
    assert np.array_equal(grid[0], played.frames(np.arange(51, 211, 4))) and data["poster"] == 23
    with torch.no_grad():
        first = agent.vae.encode(played.frames([51]))
    assert torch.equal(dream.latents, pictures.dream(agent, CONFIG, first, 1, 160).latents) and len(dream.latents) == 160


def test_a_film_shows_the_longest_dream_and_a_poster_within_it(agent):
    played = Recorded([0] * 50 + [3] * 90 + [4] * 71, [1] * 170)
    with torch.no_grad():
        agent.world_model.done.weight.normal_(0, 10, generator=torch.Generator().manual_seed(0))
        agent.world_model.done.bias.fill_(-2.0)
    data, dream = pictures.film(agent, played, CONFIG)
    with torch.no_grad():
        first = agent.vae.encode(played.frames([51]))
    lengths = [len(pictures.dream(agent, CONFIG, first, i, 160).latents) for i in range(pictures.FILM_DREAMS)]
    assert len(set(lengths)) > 1 and len(dream.latents) == max(lengths) < 160
    assert 4 * data["poster"] < max(lengths)
