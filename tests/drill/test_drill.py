"""The drill itself: it sees the difference between a clear refusal, a poor one and none."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.kind("the drill itself")]


def take(x):
    return x


def refuse(x):
    raise ValueError(f"x: got {x}; allowed is 1")


def crash(x):
    raise KeyError(x)


def outcome(judge, record, *arguments, **keywords):
    with pytest.raises(AssertionError):
        judge(*arguments, **keywords)
    return record[-1]


def test_the_three_outcomes(drill):
    record = []
    judged = type(drill)("a kind", lambda name, value: record.append(value))
    judged.refused(lambda: refuse(2), "x", 2)
    assert record == ["a kind|clear"]
    assert outcome(judged.refused, record, lambda: refuse(2), "y") == "a kind|poor"
    assert outcome(judged.refused, record, lambda: crash(2), "x") == "a kind|poor"
    assert outcome(judged.refused, record, lambda: take(2), "x") == "a kind|bad"
    for code, expected in (
        ("raise SystemExit(0)", "bad"),
        ("import os; os.abort()", "bad"),
        ("raise KeyError(1)", "poor"),
    ):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert outcome(judged.refused_at_the_command_line, record, done, "1") == f"a kind|{expected}"
    drill.good(len(record) == 7, record)
