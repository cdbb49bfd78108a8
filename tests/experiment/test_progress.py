"""One line, wherever it is shown: in a log, and in a kernel."""

import io
import sys
import types

import pytest

from wmlib.experiment import progress
from wmlib.experiment.progress import PROGRESS_KEY


def test_a_log_gets_few_plain_lines_and_the_end(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert list(progress.progress(range(1000), "adding")) == list(range(1000))
    lines = log.getvalue().splitlines()
    assert 1 <= len(lines) <= 2 and "adding" in lines[-1] and "1000/1000" in lines[-1]
    assert "\r" not in log.getvalue()


def test_a_slow_loop_gets_a_line_every_ten_seconds(monkeypatch):
    log, now = io.StringIO(), [1000.0]
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr(progress._Line, "_time", lambda self: now[0], raising=False)
    for _ in progress.progress(range(100), "adding"):
        now[0] += 1.0
    assert 8 <= len(log.getvalue().splitlines()) <= 12


@pytest.fixture
def kernel(monkeypatch):
    """A stand-in for a Jupyter kernel that records displays."""
    seen = []

    class Handle:
        def update(self, data, metadata, raw):
            seen.append(("update", data["text/plain"], metadata[PROGRESS_KEY]))

    def display(data, metadata, raw, display_id):
        seen.append(("display", data["text/plain"], metadata[PROGRESS_KEY]))
        return Handle()

    monkeypatch.setattr(progress, "in_kernel", lambda: True)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    stand_in = types.ModuleType("IPython.display")
    stand_in.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", stand_in)
    return seen


def test_a_kernel_shows_one_display_that_ends_complete(kernel):
    assert sum(progress.progress(range(7), "adding")) == 21
    assert [kind for kind, *_ in kernel].count("display") == 1
    assert "7/7" in kernel[-1][1] and kernel[-1][1] == kernel[-1][2]


def test_an_error_in_the_loop_leaves_the_line_where_it_was(kernel):
    with pytest.raises(RuntimeError):
        for i in progress.progress(range(7), "adding"):
            if i == 3:
                raise RuntimeError
    assert "7/7" not in kernel[-1][1]


def test_generators_need_a_total_to_show_a_percentage(kernel):
    list(progress.progress((i for i in range(4)), "adding", total=4))
    assert "100%" in kernel[-1][1]
