"""The search for the best blind player, on a game whose rule is known."""

import numpy as np
import pytest

from wmlib.envs.doom.scripted import BASELINES
from wmlib.lessons.vizdoom_dream import blind, games
from wmlib.lessons.vizdoom_dream.blind import Beat


@pytest.fixture
def played(monkeypatch):
    """Metronomes live longest at a period of 110 with a first turn after a quarter; the shuttle lives 500 tics, others 100."""
    calls = []

    def life(policy):
        if hasattr(policy, "keywords"):
            first, period = policy.keywords["first"], policy.keywords["period"]
            return 900 - abs(period - 110) - abs(first - 28)
        return 500 if policy is BASELINES["blind shuttle"] else 100

    def play(run, policies, count, name):
        calls.append((len(policies), count, name))
        return [life(policy) + np.array([-1, 1] * (count // 2)) for policy in policies]

    monkeypatch.setattr(games, "play", play)
    return calls


def test_period_first_then_phase(played):
    found = blind.search(None, 4, periods=3, stored=Beat(1, 2))
    assert found.beat == Beat(28, 110) and found.best == "metronome"
    assert [row[:2] for row in found.tried] == [(65, 130), (55, 110), (75, 150), (28, 110), (82, 110), (0, 110)]
    assert dict((row[:2], row[2]) for row in found.tried)[28, 110] == 900
    assert played == [(3, 4, "blind search"), (3, 4, "blind search"), (5, 4, "blind search")]
    assert list(found.policies) == [*BASELINES, "metronome"] == list(found.tics)
    assert found.policies["metronome"].keywords == {"first": 28, "period": 110}
    assert found.tics["metronome"].tolist() == [899, 901, 899, 901]


def test_a_stored_beat_is_played_alone(played):
    found = blind.search(None, 2, periods=0, stored=Beat(10, 800))
    assert found.beat == Beat(10, 800) and [row[:2] for row in found.tried] == [(10, 800)]
    assert found.best == "blind shuttle" and played[0] == (1, 2, "blind search")
