"""Kinds of episodes by hand, blindness of those who do not look, play against a plain loop, where novelty is."""

import numpy as np
import pytest
import torch

from wmlib.agents.rnd import RND, RNDConfig
from wmlib.lessons.rnd_pixelcopter import blind, measures
from wmlib.lessons.rnd_pixelcopter.pipeline import NETWORKS, RND_NETWORKS, make_policy
from wmlib.lessons.rnd_pixelcopter.world import Copters


def played(*rows, at_floor=True):
    """Return episodes of (frames with an up, frames)."""
    count = len(rows)
    zeros = np.zeros(count)
    floors = np.full(count, at_floor)
    ups = [np.array(up, np.int64) for up, _ in rows]
    return measures.Played(zeros, zeros.astype(int), np.array([frames for _, frames in rows]), floors, ups)


def policy_of(view="state", logit=0.0, scale=0.0):
    """Return a policy whose preference for "up" is a constant, and a part of its random answer."""
    policy = make_policy(view, 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        policy.policy_head.weight.mul_(scale)
        policy.policy_head.bias.copy_(torch.tensor([logit, 0.0]))
    return policy


@pytest.mark.parametrize(
    ("ups", "frames", "kind"),
    [
        ([], 21, "never"),
        ([3], 24, "hops"),
        ([3], 23, "other"),  # its tail is 19 frames
        ([5, 6, 7, 30], 60, "hops"),
        (list(range(0, 100, 10)), 111, "hops"),
        (list(range(0, 110, 10)), 131, "rhythm"),  # 11 ups
        ([0, 10, 21, 31], 35, "rhythm"),
        ([0, 10, 22, 31], 35, "other"),
        ([0, 1], 7, "other"),
        (list(range(7)), 7, "rhythm"),
    ],
)
def test_kinds(ups, frames, kind):
    assert measures.KINDS[measures.kinds(played((ups, frames)))[0]] == kind


def test_who_dies_elsewhere_is_not_stuck():
    rows = (([3], 40), ([], 21))
    assert measures.stuck(played(*rows)) == 1.0
    assert measures.stuck(played(*rows, at_floor=False)) == 0.5
    assert measures.shares(played(*rows, at_floor=False)).tolist() == [0.5, 0.0, 0.0, 0.5]


def test_same_actions_by_hand():
    # first 4 frames: 0100, 0110, and 01 of an episode of 2 frames
    three = played(([1], 9), ([1, 2], 9), ([1], 2))
    equal = {(0, 1): 3, (0, 2): 2, (1, 2): 2}
    both = {(0, 1): 4, (0, 2): 2, (1, 2): 2}
    assert measures.same_actions(three, first=4) == sum(equal.values()) / sum(both.values())


def test_never_up_falls_to_the_floor_and_is_blind():
    seeds = np.arange(30) + 100
    never = measures.play(policy_of(logit=-9.0), "state", seeds, 1000)
    np.testing.assert_array_equal(never.returns, blind.play_tapes(np.ones((1, 10), int), seeds)[0])
    assert never.at_floor.mean() > 0.95  # or a block on the way down
    assert measures.stuck(never) == 1.0 and measures.same_actions(never) == 1.0
    np.testing.assert_array_equal(measures.replayed(never, seeds), np.roll(never.returns, -1))


def test_always_up_dies_at_the_ceiling():
    always = measures.play(policy_of(logit=9.0), "state", range(20), 1000)
    assert not always.at_floor.any() and (always.returns == -5).all() and measures.stuck(always) == 0.0


@pytest.mark.parametrize("view", ["state", "pixels"])
def test_play_is_that_of_one_game_after_another(view):
    policy = policy_of(view, logit=-0.02, scale=30.0)
    seeds = [4, 77, 5]
    together = measures.play(policy, view, seeds, 60)
    for i, seed in enumerate(seeds):
        envs = Copters(1, view, max_frames=60)
        obs, _ = envs.reset(seed=[seed])
        total, blocks, ups, over, frame = 0.0, 0, [], False, 0
        while not over:
            with torch.no_grad():
                action = int(policy.step(torch.from_numpy(obs)).logits.argmax())
            before = envs.games.num_blocks[0]
            obs, reward, terminated, truncated, _ = envs.step(np.array([action]))
            total += reward[0]
            blocks += int(envs.games.num_blocks[0] > before)
            ups += [frame] if action == 0 else []
            over = terminated[0] or truncated[0]
            frame += 1
        assert (together.returns[i], together.blocks[i], together.frames[i]) == (total, blocks, frame)
        assert together.ups[i].tolist() == ups


def test_tapes_on_another_level_are_those_tapes():
    seeds = np.array([1, 2, 3, 4])
    tape = blind.rhythm(10.8, 0.4)
    ups = np.flatnonzero(tape == blind.UP)
    rhythm = played(*[(ups, len(tape))] * 4)
    expected = blind.play_tapes(tape[None], np.roll(seeds, -1))[0]
    np.testing.assert_array_equal(measures.replayed(rhythm, seeds), expected)


def test_random_play_is_that_of_a_coin():
    drawn = measures.play(None, "state", range(300), 1000, generator=torch.Generator().manual_seed(0))
    assert -5 <= drawn.returns.mean() < -4.5 and 5 < drawn.frames.mean() < 10


def test_the_novelty_map_is_a_mean_by_bin():
    seen = measures.sights("state", 8, 60, seed=3)
    assert len(seen.obs) == len(seen.heights) == 480
    rnd = RND(
        Copters(1).single_observation_space,
        1,
        RNDConfig(num_features=4, predictor_size=4, network=RND_NETWORKS["state"]),
        generator=torch.Generator().manual_seed(0),
    )
    errors = rnd.errors(seen.obs).numpy()
    novelty = measures.novelty_map(rnd, seen)
    assert novelty.shape == (len(measures.HEIGHTS) - 1, len(measures.DISTANCES) - 1)
    for i, j in np.argwhere(np.isfinite(novelty))[:5]:
        inside = (seen.heights >= measures.HEIGHTS[i]) & (seen.heights < measures.HEIGHTS[i + 1])
        inside &= (seen.distances >= measures.DISTANCES[j]) & (seen.distances < measures.DISTANCES[j + 1])
        assert novelty[i, j] == pytest.approx(errors[inside].mean())
    assert set(NETWORKS) == set(RND_NETWORKS)
