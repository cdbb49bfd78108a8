"""The bonus pays for what is newer than usual, forgets nothing when it is stopped, and refuses negative numbers."""

import pytest
import torch
from gymnasium import spaces

from wmlib.agents.novelty_bonus import MOST, NoveltyBonus

SPACE = spaces.Box(0, 1, (12,))


def make(above=2.0, seed=0):
    return NoveltyBonus(SPACE, 0.05, above, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def frames():
    rng = torch.Generator().manual_seed(1)
    return (torch.rand(64, 12, generator=rng) < 0.3).float()


def test_nothing_is_paid_before_anything_is_known(frames):
    assert make()(frames).tolist() == [0.0] * 64


def test_the_excess_alone_is_paid_and_known_frames_earn_nothing(frames):
    excess, whole = make(), make(above=0.0)
    for bonus in (excess, whole):
        for _ in range(200):
            bonus.learn(frames)
    assert excess.usual == whole.usual
    assert excess(frames).mean() < 0.1 * whole(frames).mean()
    unseen = 1 - frames
    assert excess(unseen).mean() > 20 * excess(frames).mean() and whole(unseen).mean() > whole(frames).mean()
    assert excess(unseen).max() <= 0.05 * MOST * 1.0001
    between = (whole(frames) / 0.05 - 2).clamp(0, MOST) * 0.05
    torch.testing.assert_close(excess(frames), between)


def test_a_stopped_one_goes_on_with_the_same_bits(frames):
    whole, other = make(), make(seed=3)
    for _ in range(3):
        whole.learn(frames)
    other.load_state_dict(whole.state_dict())
    for bonus in (whole, other):
        bonus.learn(frames[:8])
    assert torch.equal(whole(1 - frames), other(1 - frames)) and whole.usual == other.usual


@pytest.mark.parametrize(("coef", "above", "word"), [(-1, 2, "coef is -1"), (0.1, -0.5, "above is -0.5")])
def test_negative_numbers_are_refused(coef, above, word):
    with pytest.raises(ValueError, match=f"{word}; it must be at least 0"):
        NoveltyBonus(SPACE, coef, above, generator=torch.Generator())
