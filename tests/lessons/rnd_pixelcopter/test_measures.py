"""Numbers of episodes by hand, tapes on other levels, play against a plain loop, where novelty is."""

import numpy as np
import pytest
import torch

from wmlib.agents.rnd import RND, RNDConfig
from wmlib.lessons.rnd_pixelcopter import blind, measures
from wmlib.lessons.rnd_pixelcopter.kinds import shares, stuck
from wmlib.lessons.rnd_pixelcopter.pipeline import RND_NETWORKS, make_policy
from wmlib.lessons.rnd_pixelcopter.world import Copters
from wmlib.models.specs import CoreConfig


def played(*rows, at_floor=True):
    """Return episodes of (frames with an up, frames)."""
    count = len(rows)
    zeros = np.zeros(count)
    floors = np.full(count, at_floor)
    ups = [np.array(up, np.int64) for up, _ in rows]
    return measures.Played(zeros, zeros.astype(int), np.array([frames for _, frames in rows]), floors, ups)


def policy_of(view="state", logit=0.0, scale=0.0, core=None):
    """Return a policy whose preference for "up" is a constant, and a part of its random answer."""
    policy = make_policy(view, core, 1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        policy.policy_head.weight.mul_(scale)
        policy.policy_head.bias.copy_(torch.tensor([logit, 0.0]))
    return policy


def test_numbers_of_episodes_by_hand():
    numbers = measures.numbers(played(([], 21), ([3], 24), ([5, 6, 9], 60)))
    assert {name: values.tolist() for name, values in numbers.items()} == {
        "returns": [0, 0, 0],
        "blocks": [0, 0, 0],
        "frames": [21, 24, 60],
        "at_floor": [True] * 3,
        "num_ups": [0, 1, 3],
        "last_up": [-1, 3, 9],
        "min_gap": [0, 0, 1],
        "max_gap": [0, 0, 3],
    }


def test_never_up_falls_to_the_floor_and_is_blind():
    seeds = np.arange(30) + 100
    never = measures.play(policy_of(logit=-9.0), "state", seeds, 1000)
    np.testing.assert_array_equal(never.returns, blind.play_tapes(np.ones((1, 10), int), seeds)[0])
    assert never.at_floor.mean() > 0.95  # or a block on the way down
    assert stuck(measures.numbers(never)) == 1.0
    np.testing.assert_array_equal(measures.replayed(never, seeds), np.roll(never.returns, -1))


def test_always_up_dies_at_the_ceiling():
    always = measures.play(policy_of(logit=9.0), "state", range(20), 1000)
    assert (
        not always.at_floor.any() and (always.returns == -5).all() and shares(measures.numbers(always)).tolist() == [0, 0, 0, 1]
    )


@pytest.mark.parametrize(
    ("view", "core"), [("state", None), ("pixels", None), ("positions", CoreConfig("lstm", 8))], ids=["state", "pixels", "lstm"]
)
def test_play_is_that_of_one_game_after_another(view, core):
    policy = policy_of(view, logit=-0.02, scale=30.0, core=core)
    seeds = [4, 77, 5]
    together = measures.play(policy, view, seeds, 60)
    assert core is None or len(set(together.frames)) > 1  # one state of a core goes on without another
    for i, seed in enumerate(seeds):
        envs = Copters(1, view, max_frames=60)
        obs, _ = envs.reset(seed=[seed])
        total, blocks, ups, over, frame = 0.0, 0, [], False, 0
        state = policy.initial_state(1)
        while not over:
            with torch.no_grad():
                logits, _, state = policy.step(torch.from_numpy(obs), state, torch.zeros(1, dtype=torch.bool))
            action = int(logits.argmax())
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


def test_a_coin_presses_as_often_as_asked_for():
    def by_a_coin(up):
        return measures.play(up, "state", range(300), 1000, generator=torch.Generator().manual_seed(0))

    often, seldom = by_a_coin(0.5), by_a_coin(0.09)
    assert -5 <= often.returns.mean() < -4.5 and 5 < often.frames.mean() < 10
    pressed = sum(map(len, seldom.ups)) / seldom.frames.sum()
    assert 0.08 < pressed < 0.1 and seldom.returns.mean() > often.returns.mean() + 2


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
