"""Episodes kept and read back: windows that are cut and masked where an episode ends, draws by level, a state that goes on."""

import numpy as np
import pytest

from wmlib.agents.experience import Episode, Experience


def episode(level, length, terminated=True):
    """Frames count up, so that a window tells where it was cut."""
    frames = np.arange(length + 1, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    return Episode(level, frames, np.arange(length) % 4, np.linspace(0, 1, length).astype(np.float32), terminated)


def filled(*episodes, seed=0):
    experience = Experience(seed)
    for each in episodes:
        experience.add(each)
    return experience


def test_windows_are_cut_from_episodes():
    experience = filled(episode(0, 12), episode(1, 20, terminated=False))
    windows = experience.windows(64, 5)
    first = (windows.frames[:, 0, 0, 0, 0] * 255).round().long()
    for b in range(64):
        steps = (windows.frames[b, :, 0, 0, 0] * 255).round().long()
        assert steps.tolist() == list(range(first[b], first[b] + 6))
        assert windows.actions[b].tolist() == [(first[b].item() + k) % 4 for k in range(5)]
        assert windows.before[b] == ((first[b].item() - 1) % 4 if first[b] else -1)
    assert windows.mask.all()
    assert windows.done[:, :4].sum() == 0 and windows.done[:, 4].any()


def test_a_window_longer_than_its_episode_is_masked():
    windows = filled(episode(0, 3)).windows(4, 5)
    assert windows.mask.tolist() == [[True, True, True, False, False]] * 4
    assert windows.done.tolist() == [[False, False, True, False, False]] * 4


def test_half_of_a_batch_is_of_the_newest_level_and_a_quarter_are_ends():
    experience = filled(*(episode(0, 40, terminated=False) for _ in range(50)), episode(3, 9))
    frames = experience.windows(400, 2).frames[:, 0, 0, 0, 0] * 255
    assert (frames[:200] <= 9).all()  # the newest level's episode is short
    assert (frames[200:] > 9).float().mean() > 0.5
    ends = filled(episode(0, 40)).windows(400, 2).done[:, 1]
    assert 0.25 <= ends.float().mean() < 0.35
    assert not filled(episode(0, 40), episode(1, 40, terminated=False)).windows(40, 2, levels=[1]).done.any()


def test_starts_are_first_frames_or_any_but_the_last():
    experience = filled(episode(0, 10), episode(1, 10))
    rng = np.random.default_rng(0)
    assert not experience.starts(20, 0, 0.0, rng).any()
    drawn = experience.starts(300, 1, 1.0, rng)[:, 0, 0, 0]
    assert set(drawn) == set(range(10))


def test_rewards_are_summed_up():
    low = Episode(0, np.zeros((4, 1, 1, 1), np.uint8), np.zeros(3, int), np.array([-0.02, -0.02, 1.0], np.float32), True)
    experience = filled(low)
    assert experience.reward_range() == pytest.approx((-0.02, 1.0)) and experience.usual_reward() == pytest.approx(-0.02)
    assert experience.steps == 3


def test_a_state_goes_on_with_the_same_draws():
    experience = filled(episode(0, 12), episode(1, 7))
    experience.windows(3, 4)
    other = Experience(99)
    other.load_state_dict(experience.state_dict())
    for ours, theirs in zip(experience.windows(8, 4), other.windows(8, 4), strict=True):
        assert ours.equal(theirs)
    assert other.steps == 19


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no episode to draw from"):
        Experience(0).windows(2, 2)
    bad = episode(0, 5)._replace(actions=np.zeros(3, int))
    with pytest.raises(ValueError, match=r"frames are uint8 \(6, 2, 2, 1\) for 3 actions"):
        Experience(0).add(bad)
