"""Which run's figure is shown: this run's, the stored study's, both, or none."""

from types import SimpleNamespace

import pytest

from wmlib.viz import study


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(study, "save_figure", lambda run, figure, name, alt, caption: calls.append(("saved", figure, caption)))
    monkeypatch.setattr(study, "show_figure", lambda figure, alt: calls.append(("shown", figure)))
    monkeypatch.setattr(study, "note", lambda text: calls.append(("said", text)))
    return calls


def show(part, stored, **options):
    run = SimpleNamespace(settings=SimpleNamespace(games=5), study=stored)
    study.show_part(run, part, "rounds", len, "alt", lambda _, s: f"{s['games']} games", **options)


STORED = {"data": {"rounds": [1, 2, 3]}, "settings": {"games": 500}}


def test_this_run_s_own_figure_is_saved(shown):
    show([1, 2], STORED)
    assert shown == [("saved", 2, "5 games")]


def test_without_one_the_study_s_is_shown(shown):
    show([], STORED)
    assert shown == [("shown", 3), ("said", "*From the study run. 500 games*")]


def test_both_beside_each_other(shown):
    show([1], STORED, beside=True)
    assert [call[0] for call in shown] == ["saved", "shown", "said"]
    del shown[:]
    for stored in (None, STORED | {"settings": {"games": 5}}):  # none, or the same run again
        show([1], stored, beside=True)
        assert shown == [("saved", 1, "5 games")]
        del shown[:]


@pytest.mark.parametrize("stored", [None, {"data": {}, "settings": {}}])
def test_without_any_a_line_says_so(shown, stored):
    show([], stored)
    assert shown == [("said", "*This profile makes no such run; the study run draws this figure.*")]
