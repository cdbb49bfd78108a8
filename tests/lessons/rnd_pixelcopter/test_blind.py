"""Blind policies: rhythms by hand, tapes scored as a plain loop scores them, and a search that never gets worse."""

import gymnasium
import numpy as np
import pytest

from wmlib.lessons.rnd_pixelcopter import blind


@pytest.mark.parametrize(
    ("period", "phase", "ups"), [(3.0, 0.0, [0, 3, 6, 9]), (2.5, 0.0, [0, 2, 5, 7]), (4.0, 0.5, [2, 6]), (20.0, 0.9, [])]
)
def test_a_rhythm(period, phase, ups):
    assert np.flatnonzero(blind.rhythm(period, phase, 10) == blind.UP).tolist() == ups


def test_tapes_score_what_a_single_game_scores(monkeypatch):
    rng = np.random.default_rng(0)
    tapes = (rng.random((3, 50)) > 0.09).astype(int)
    seeds = np.array([5, 11])
    expected = np.zeros((3, 2))
    env = gymnasium.make("wmlib/PixelCopter-v0", observation="state")
    for p, tape in enumerate(tapes):
        for level, seed in enumerate(seeds):
            env.reset(seed=int(seed))
            terminated = False
            frame = 0
            while not terminated:
                _, reward, terminated, _, _ = env.step(int(tape[frame]) if frame < 50 else blind.NOTHING)
                expected[p, level] += reward
                frame += 1
    np.testing.assert_allclose(blind.play_tapes(tapes, seeds), expected)
    monkeypatch.setattr(blind, "MOST_GAMES", 4)  # two tapes at a time
    np.testing.assert_allclose(blind.play_tapes(tapes, seeds), expected)


def test_the_search_never_gets_worse_and_is_repeatable():
    seeds = np.arange(8)
    found = blind.search(seeds, generations=3, population=6, seed=1)
    again = blind.search(seeds, generations=3, population=6, seed=1)
    assert [tape.name for tape in found] == ["never up", "best rhythm", "evolved tape"]
    assert all(np.array_equal(a.actions, b.actions) for a, b in zip(found, again, strict=True))
    never, rhythm, tape = (each.returns.mean() for each in found)
    assert never < -1 and rhythm > 5 and tape >= rhythm
    for each in found:
        np.testing.assert_array_equal(each.returns, blind.play_tapes(each.actions[None], seeds)[0])


def test_a_changed_tape_differs_in_few_places():
    rng = np.random.default_rng(2)
    tape = blind.rhythm(11.0, 0.3)
    differences = [int((blind.changed(tape, rng) != tape).sum()) for _ in range(200)]
    assert max(differences) <= 6 and np.mean(np.array(differences) > 0) > 0.7
    silent = np.full(600, blind.NOTHING)
    assert blind.changed(silent, rng).shape == silent.shape
