"""The pictures of the extensions, drawn from made-up numbers: what is on them is what was given."""

import numpy as np
import pytest

from wmlib.lessons.neural_computer_agent import extension_figures as figures
from wmlib.lessons.neural_computer_agent.ablations import ALL_GUARDS
from wmlib.lessons.neural_computer_agent.rehearsal import FORGETFUL, OLD_DREAMS, REHEARSED
from wmlib.viz.figures import to_png


def row(name, steps, **more):
    solved_at = [[10, 20, 30], [10, None, None]]
    kept = {"live_steps": steps, "cpu_seconds": [5.0, 7.0], "whole": [True, False], "levels": [3, 1], "solved_at": solved_at}
    return {"name": name, **kept, **more}


KEPT = [
    row(OLD_DREAMS, [900, 1100], before=[[1.0, 1.0, 1.0], [1.0, 1.0, None]], after=[]),
    row(FORGETFUL, [800, 1200], before=[[1.0, 0.5, 0.3], [1.0, 0.5, None]], after=[]),
    row(REHEARSED, [850, 950], before=[[1.0, 0.5, 0.6], [0.0, 1.0, None]], after=[[1.0, 1.0, 0.9], [1.0, 1.0, None]]),
]


def test_what_is_kept_before_and_after_rehearsal():
    curves, steps, seconds = figures.draw_kept(KEPT).axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in curves.lines}
    assert lines["newest level, before rehearsal"] == [0.5, 0.75, 0.6] and lines[REHEARSED] == [1.0, 1.0, 0.9]
    assert lines[FORGETFUL] == [1.0, 0.5, 0.3]
    assert steps.lines[0].get_xdata()[0] == 900 and seconds.lines[1].get_markerfacecolor() == "none"


def test_nothing_solved_draws_all_the_same():
    nothing = [row(OLD_DREAMS, [700, 700], before=[[None, None]], after=[])]
    assert len(to_png(figures.draw_kept(nothing))) > 1000


def test_a_row_for_each_guard_and_the_line_of_all():
    (ax,) = figures.draw_guards([row(ALL_GUARDS, [100, 400]), row("without greedy check", [300, 5000])]).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [ALL_GUARDS, "without greedy check"]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed[0].get_xdata()[0] == pytest.approx(200)
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("1–3 of 3 levels", (400, 0)), ("1–3 of 3 levels", (5000, 1))]


def test_levels_are_told_only_where_some_were_not_solved():
    whole = row(ALL_GUARDS, [100, 400], whole=[True, True], levels=[3, 3])
    same = row("without greedy check", [300, 5000], whole=[False, False], levels=[2, 2])
    (ax,) = figures.draw_guards([whole, same]).axes
    assert [text.get_text() for text in ax.texts] == ["2 of 3 levels"]


def test_the_small_view():
    rows = [row("DNC", [500, 700]), row("feed-forward", [1500, 1500])]
    walks = {"DNC": [[[100.0, 500.0], [0.6, 0.9]], [[90.0], [0.5]]], "feed-forward": [[[100.0], [0.4]], [[100.0], [0.3]]]}
    paths = {"DNC": [[[100.0, 500.0], [0.2, 1.0]]], "feed-forward": [[[100.0], [0.3]]]}
    steps, single, dreamt = figures.draw_view({"rows": rows, "walks": walks, "paths": paths}).axes
    assert [label.get_text() for label in steps.get_yticklabels()] == ["DNC", "feed-forward"]
    assert np.allclose(single.lines[0].get_xydata(), [[100, 0.6], [500, 0.9]]) and len(single.lines) == 4 + 2
    assert dreamt.lines[0].get_ydata().tolist() == [0.2, 1.0]
    median = single.lines[2].get_ydata()  # of one run that goes from 0.6 to 0.9 at its last step, and one that stays at 0.5
    assert median[0] == pytest.approx(0.55) and median[-2:] == pytest.approx([0.55, 0.7])
    assert [text.get_text() for text in single.get_legend().get_texts()] == ["DNC", "feed-forward"]
