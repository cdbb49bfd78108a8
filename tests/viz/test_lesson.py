"""What a lesson cell needs: the library's own source, and exercises that check themselves."""

import json
from dataclasses import replace
from types import SimpleNamespace

import IPython.display
import pytest

from wmlib.experiment import results
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.statistics import Evidence
from wmlib.viz import lesson
from wmlib.viz.figures import new_figure, styled


def with_docstring(x):
    """Say something."""
    return x + 1


class Thing:
    """A class with a docstring
    of two lines.
    """

    size = 3

    def method(self):
        """Stays: only the class's own goes."""
        return self.size


@styled
def decorated(data):
    """Draw."""
    figure, _ = new_figure()
    return figure


def without_docstring():
    return "not a docstring"


def test_source_is_shown_without_its_docstring():
    assert lesson.source(with_docstring) == "def with_docstring(x):\n    return x + 1"
    assert lesson.source(Thing).splitlines()[:3] == ["class Thing:", "", "    size = 3"]
    assert '"""Stays: only the class\'s own goes."""' in lesson.source(Thing)
    assert lesson.source(Thing.method) == "def method(self):\n    return self.size"
    assert lesson.source(without_docstring) == 'def without_docstring():\n    return "not a docstring"'


def test_the_source_of_a_styled_function_is_its_own():
    assert lesson.source(decorated).splitlines()[:3] == ["@styled", "def decorated(data):", "    figure, _ = new_figure()"]


@pytest.fixture
def shown(monkeypatch):
    """The code that a notebook would display."""
    codes = []
    monkeypatch.setattr(IPython.display, "display", lambda code: codes.append(code.data))
    return codes


def test_a_part_of_a_source_is_shown_and_a_missing_line_is_an_error(shown):
    lesson.show_source(lesson.check, first="if yours is None", last="return")
    lesson.show_source(with_docstring)
    part, whole = (code.splitlines() for code in shown)
    assert part[0] == "if yours is None:" and len(part) == 2
    assert whole == ["def with_docstring(x):", "    return x + 1"]
    for words in ({"first": "nothing of the kind"}, {"first": "try:", "last": "nothing of the kind"}):
        with pytest.raises(ValueError, match="no line with 'nothing of the kind'"):
            lesson.show_source(lesson.check, **words)
    assert len(shown) == 2


@pytest.mark.parametrize(
    "yours, start",
    [
        (None, "not answered"),
        (1.0, "right"),
        (1.019, "right"),
        ("1.0", "right"),
        (1.03, "not yet"),
        (-1.0, "not yet"),
        ("one", "yours is 'one'"),
        ([1.0], "yours is [1.0]"),
    ],
)
def test_exercises_check_themselves(yours, start):
    assert lesson.check(yours, 1.0).startswith(start)
    assert json.dumps(lesson.check(yours, 1.0))


def test_an_exercise_may_be_as_strict_as_it_likes():
    assert lesson.check(1.3, 1.0, tolerance=0.5).startswith("right") and lesson.check(1.001, 1.0, 1e-4).startswith("not yet")
    assert lesson.check(0, 0.0).startswith("right") and lesson.check(0.01, 0.0).startswith("not yet")


def test_the_table_of_claims_says_what_the_study_measured_where_it_is_something_else(monkeypatch):
    claim = Claim("far", "It adds far.", "ours", "-", "error of a small one", smallest=0.7, null=0.5)
    evidence = Evidence("proportion", {"successes": 75, "n": 100})
    other = replace(claim, measure="error of a large one")
    shown = []
    monkeypatch.setattr(lesson, "note", shown.append)
    monkeypatch.setattr(results, "read", lambda file: {"claims": [judge(claim, evidence)]})
    for study, cell in (
        (claim, "| 0.75 [0.657, 0.825], n = 100 | **reproduced**"),
        (other, "| error of a large one: 0.75 [0.657"),
    ):
        run = SimpleNamespace(profile="quick", results_file="-", study={"claims": [judge(study, evidence)]})
        lesson.show_claims(run)
        assert cell in shown[-1]
    lesson.show_claims(SimpleNamespace(profile="quick", results_file="-", study=None))
    assert "| none yet | **undecided**: no study run yet |" in shown[-1]
