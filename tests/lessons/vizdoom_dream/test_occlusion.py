"""Questions to recorded games, on made-up frames in which it is known where the ball is."""

import numpy as np
import torch

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.lessons.vizdoom_dream.occlusion import (
    count_reactions,
    danger,
    dodging,
    largest_balls,
    occlusion,
    paint_out,
    size_classes,
)
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

ACTIONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
BACKGROUND = np.full((64, 64, 3), 40, np.uint8)


def frames_with(*boxes):
    """Dark frames, each with bright boxes (row, column, height, width)."""
    frames = np.full((len(boxes), 64, 64, 3), 40, np.uint8)
    for frame, of_frame in zip(frames, boxes, strict=True):
        for y, x, h, w in of_frame:
            frame[y : y + h, x : x + w] = 250
    return frames


FRAMES = frames_with([(20, 10, 3, 4)], [(20, 50, 5, 5), (40, 5, 2, 3)], [], [(9, 30, 9, 9)], [(0, 0, 64, 64)], [(5, 5, 1, 5)])


def test_the_largest_ball_is_found():
    balls = largest_balls(FRAMES)
    assert balls.size.tolist() == [12, 25, 0, 81, 0, 0] and balls.in_sight.tolist() == [1, 2, 0, 1, 0, 0]
    assert np.allclose(balls.place[[0, 1, 3]], [(2 * x / 63) - 1 for x in (11.5, 52, 34)])
    assert balls.mask.sum((1, 2)).tolist() == balls.size.tolist() and balls.mask[1, 20:25, 50:55].all()
    assert size_classes(np.array([0, 5, 6, 20, 21, 60, 61])).tolist() == [-1, -1, 0, 0, 1, 1, 2]


def test_what_is_painted_out_is_background_and_nothing_else_changes():
    painted = paint_out(FRAMES[:2], largest_balls(FRAMES[:2]).mask, BACKGROUND)
    assert (painted[0] == 40).all() and (painted[1, 40:42, 5:8] == 250).all() and (painted[1, 18:27, 48:57] == 40).all()


def test_moves_away_and_towards_are_counted_by_size():
    balls = largest_balls(FRAMES)  # far left, near right, none, near the middle, flash, too small
    counts = dodging(balls, np.array([2, 2, 0, 0, 0, 0]))
    assert counts["frames"].tolist() == [1, 1, 0] and counts["away"].tolist() == [1, 0, 0]
    assert counts["towards"].tolist() == [0, 1, 0]


def test_danger_is_counted_a_second_before():
    in_sight = np.array([1] * 10 + [5] * 40)
    counts = danger(in_sight, died=True)
    assert counts["tics"].tolist() == [0, 10, 0, 5] and counts["deaths"].tolist() == [0, 0, 0, 1]
    assert danger(in_sight, died=False)["deaths"].sum() == 0 and danger(in_sight[:20], died=True)["deaths"].sum() == 0


class BrightnessVAE:
    """Encodes three numbers: brightness of the left half, of the right half, and one."""

    latent_size = 3

    def eval(self):
        return self

    def encode(self, frames):
        pixels = torch.from_numpy((frames > 200).all(-1).astype(np.float32))
        left, right = pixels[..., :32].sum((-1, -2)), pixels[..., 32:].sum((-1, -2))
        mean = torch.stack([left, right, torch.ones_like(left)], -1)
        return Posterior(mean, torch.full_like(mean, -90.0))


def agent(weights):
    """An agent that sees the three numbers with these weights, and ignores what it remembers."""
    rng = torch.Generator().manual_seed(0)
    model = WorldModel(LSTM(3 + 2, 7, generator=rng), 3, num_components=2, generator=rng)
    return WorldModelsAgent(BrightnessVAE(), model, torch.tensor(weights + [0.0] * 7), ("z", "h"), ACTIONS)


LOOKS, BLIND = [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]


def test_an_agent_that_looks_is_told_from_one_that_does_not():
    balls, actions = largest_balls(FRAMES), ACTIONS[[1] * 6]
    counts = occlusion(agent(LOOKS), FRAMES, actions, BACKGROUND, balls)
    assert counts["asked"].tolist() == counts["ball"].tolist() == [1, 1, 0] and counts["patch"].tolist() == [0, 0, 0]
    assert counts["push"][0] > 0.9  # a ball on the left drives it to the right
    blind = occlusion(agent(BLIND), FRAMES, actions, BACKGROUND, balls)
    assert blind["asked"].tolist() == [1, 1, 0] and blind["ball"].sum() == blind["patch"].sum() == 0


def test_a_frame_with_light_on_the_other_side_is_not_asked():
    frames = frames_with([(20, 10, 3, 4), (20, 50, 3, 3)])
    assert occlusion(agent(LOOKS), frames, ACTIONS[[1]], BACKGROUND, largest_balls(frames))["asked"].sum() == 0


def test_recorded_games_are_asked_one_by_one():
    """Two games of three frames, the last of which is followed by no action; a fake of what is read from disk."""
    rows = [np.arange(0, 4), np.arange(4, 8)]
    all_frames = np.concatenate([FRAMES[[0, 1, 2, 2]], FRAMES[[2, 0, 3, 2]]])

    class Recorded:
        actions = np.array([2, 2, 0, 0, 1, 0, 1, 0])
        terminated = np.array([0, 0, 1, 0, 0, 0, 0, 0], bool)
        lengths = np.array([3, 3])

        def __len__(self):
            return len(all_frames)

        def frames(self, rows):
            return all_frames[rows]

        def episode(self, number):
            return rows[number]

    played = Recorded()
    first, second = count_reactions(played, agent(LOOKS))
    assert first["away"].tolist() == [1, 0, 0] and first["towards"].tolist() == [0, 1, 0]
    assert second["away"].sum() == 0 and second["towards"].tolist() == [1, 0, 0]
    assert first["asked"].tolist() == [1, 1, 0] and second["asked"].tolist() == [1, 0, 0]
    assert first["tics"].sum() == 0  # the games are shorter than a second
    assert "asked" not in count_reactions(played, None)[0]
