"""The rules of notebook 05: each verdict of the thesis' claim can come out."""

import pytest

from wmlib.lessons.vizdoom_dream import claims


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((100, 20, 180), "reproduced"),
        ((50, 20, 80), "partly"),
        ((-10, -60, 40), "not reproduced"),
        ((-200, -300, -100), "not reproduced"),
        ((60, -20, 140), "undecided"),
    ],
)
def test_the_dnc_is_better_from_70_tics(interval, verdict):
    dnc_better = claims.rules(1.15, 0.1)[0]
    assert dnc_better.id == "dnc_better" and dnc_better.verdict(*interval) == verdict


def test_the_temperatures_are_those_of_the_run():
    rules = {claim.id: claim for claim in claims.rules(1.0, 0.25)}
    assert list(rules) == ["dnc_better", "solved", "beats_blind", "transfer", "looks"]
    assert "LSTM at 1 minus at 0.25" in rules["transfer"].measure
