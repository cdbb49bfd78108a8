"""Gates: bounds are included, NaN never passes, and a run is stopped only if it asked for that."""

import pytest

from wmlib.experiment.gate import GateError, gate


@pytest.mark.parametrize(
    ("value", "bounds", "passed"),
    [
        (0.9, {"least": 0.9}, True),
        (0.89, {"least": 0.9}, False),
        (0.003, {"most": 0.003}, True),
        (0.0031, {"most": 0.003}, False),
        (5.0, {"least": 4, "most": 6}, True),
        (float("nan"), {"least": 0}, False),
    ],
)
def test_bounds_are_included(value, bounds, passed, capsys):
    record = gate("recall", value, **bounds)
    assert record["passed"] is passed and ("gate passed" if passed else "gate MISSED") in capsys.readouterr().out
    assert record["least"] == bounds.get("least") and record["most"] == bounds.get("most")


def test_a_run_stops_only_if_told_to():
    assert gate("recall", 0.5, least=0.4, stop=True)["passed"]
    with pytest.raises(GateError, match=r"gate MISSED: recall is 0.3 \(at least 0.4\)\. .* -p gates=report"):
        gate("recall", 0.3, least=0.4, stop=True)
