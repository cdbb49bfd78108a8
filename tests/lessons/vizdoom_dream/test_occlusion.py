"""Questions to recorded games, on made-up frames in which it is known where the ball is."""

import numpy as np
import torch

from wmlib.lessons.vizdoom_dream import occlusion as seeing_study
from wmlib.agents.world_models_agent import Player, values
from wmlib.lessons.vizdoom_dream.occlusion import balls, danger, dodging, occlusion, paint_out
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

BUTTONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])


def frames_with(*boxes):
    """Dark frames, each with bright boxes (row, column, height, width)."""
    frames = np.full((len(boxes), 64, 64, 3), 40, np.uint8)
    for frame, own in zip(frames, boxes, strict=True):
        for y, x, h, w in own:
            frame[y : y + h, x : x + w] = 250
    return frames


FRAMES = frames_with([(20, 10, 3, 4)], [(20, 50, 5, 5), (40, 5, 2, 3)], [], [(9, 30, 9, 9)], [(0, 0, 64, 64)], [(5, 5, 1, 5)])


def test_the_largest_ball_is_found():
    found = balls(FRAMES)
    assert found.size.tolist() == [12, 25, 0, 81, 0, 0] and found.count.tolist() == [1, 2, 0, 1, 0, 0]
    assert np.allclose(found.place[[0, 1, 3]], [(2 * x / 63) - 1 for x in (11.5, 52, 34)])
    assert found.mask.sum((1, 2)).tolist() == found.size.tolist() and found.mask[1, 20:25, 50:55].all()
    assert seeing_study.classes(np.array([0, 5, 6, 20, 21, 60, 61])).tolist() == [-1, -1, 0, 0, 1, 1, 2]


def test_what_is_painted_out_is_background_and_nothing_else_changes():
    background = np.full((64, 64, 3), 40, np.uint8)
    painted = paint_out(FRAMES[:2], balls(FRAMES[:2]).mask, background)
    assert (painted[0] == 40).all() and (painted[1, 40:42, 5:8] == 250).all() and (painted[1, 18:27, 48:57] == 40).all()


def test_moves_away_and_towards_are_counted_by_size():
    found = balls(FRAMES)  # far left, near right, none, near the middle, flash, too small
    counts = dodging(found, np.array([2, 2, 0, 0, 0, 0]))
    assert counts["counted"].tolist() == [1, 1, 0] and counts["away"].tolist() == [1, 0, 0]
    assert counts["towards"].tolist() == [0, 1, 0]


def test_danger_is_counted_a_second_before():
    count = np.array([1] * 10 + [5] * 40)
    found = danger(count, died=True)
    assert found["tics"].tolist() == [0, 10, 0, 5] and found["deaths"].tolist() == [0, 0, 0, 1]
    assert danger(count, died=False)["deaths"].sum() == 0 and danger(count[:20], died=True)["deaths"].sum() == 0


class Eye:
    """Sees three numbers: brightness of the left half, of the right half, and one."""

    def encode(self, frames):
        pixels = torch.from_numpy((frames > 200).all(-1).astype(np.float32))
        left, right = pixels[..., :32].sum((-1, -2)), pixels[..., 32:].sum((-1, -2))
        mean = torch.stack([left, right, torch.ones_like(left)], -1)
        return Posterior(mean, torch.full_like(mean, -90.0))


def agent(weights):
    rng = torch.Generator().manual_seed(0)
    mind = WorldModel(LSTM(3 + 2, 7, generator=rng), 3, components=2, generator=rng)
    return mind, torch.tensor(weights + [0.0] * 7)


def test_an_agent_that_looks_is_told_from_one_that_does_not():
    background = np.full((64, 64, 3), 40, np.uint8)
    actions = BUTTONS[[1] * 6]
    looks = occlusion(Eye(), *agent([1.0, -1.0, 0.0]), ("z", "h"), FRAMES, actions, background)
    assert looks["counted"].tolist() == looks["ball"].tolist() == [1, 1, 0] and looks["patch"].tolist() == [0, 0, 0]
    assert looks["push"][0] > 0.9  # a ball on the left drives it to the right
    blind = occlusion(Eye(), *agent([0.0, 0.0, 1.0]), ("z", "h"), FRAMES, actions, background)
    assert blind["counted"].tolist() == [1, 1, 0] and blind["ball"].sum() == blind["patch"].sum() == 0


def test_values_are_what_the_player_would_answer():
    mind, weights = agent([0.3, -0.2, 0.1])
    weights[3:] = torch.linspace(-2, 2, 7)
    player = Player(Eye(), mind, weights, ("z", "h"), BUTTONS)
    player.begin(0, np.random.default_rng(0))
    done = [player.act(frame[None])[0] for frame in FRAMES]
    latents = Eye().encode(FRAMES).mean
    answers = values(mind, weights, ("z", "h"), latents, BUTTONS[done], [latents, latents * 0])
    assert answers.shape == (2, 6) and (np.where(np.abs(answers[0]) < 1 / 3, 1, 1 + np.sign(answers[0])) == done).all()
    assert not np.allclose(answers[0], answers[1])
