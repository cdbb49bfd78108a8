"""The extensions: the runs that the settings ask for, none where there are no seeds, and figures of this run or the study."""

from types import SimpleNamespace

import pytest

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.experiment import settings
from wmlib.lessons.neural_computer_agent import baselines, extension_figures, extensions, pipeline

NONE = {"rehearsal_seeds": 0, "ablation_seeds": 0, "larger_seeds": 0, "view_seeds": 0}
ROWS = [{"name": "all guards", "live_steps": [1, 2], "whole": [True, True]}]


def test_dreams_grow_with_the_grid():
    big = extensions.larger(pipeline.RunConfig(AgentConfig(dream_horizon=96)), 3)
    assert big.size == 8 and big.levels == (0, 1, 2) and big.agent.dream_horizon == 128


def test_where_no_seed_is_asked_for_nothing_is_run():
    run = SimpleNamespace(settings=SimpleNamespace(**NONE))
    configs = {pipeline.DNC: pipeline.RunConfig()}
    parts = extensions.run_all(run, configs, {pipeline.DNC: []}, baselines.TUNINGS[0], 10)
    assert set(parts) == {"rehearsal", "guards", "larger", "view"} and not any(parts.values())


def test_every_number_of_seeds_is_a_setting():
    table = settings.read("07_neural_computer_agent")
    assert all(table[name].study >= 3 and table[name].smoke == 1 for name in NONE)


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(extensions, "save_figure", lambda run, figure, name, alt, caption: calls.append(("saved", caption)))
    monkeypatch.setattr(extensions, "show_figure", lambda figure, alt: calls.append(("shown", alt)))
    monkeypatch.setattr(extensions, "note", lambda text: calls.append(("said", text)))
    return calls


@pytest.mark.parametrize(
    ("own", "study", "expected"),
    [
        (ROWS, None, [("saved", "2 seeds")]),
        ([], {"data": {"guards": ROWS}}, [("shown", "alt"), ("said", "*From the study run. 2 seeds*")]),
        ([], {"data": {}}, [("said", "*This profile makes no such run; the study run draws this figure.*")]),
        ([], None, [("said", "*This profile makes no such run; the study run draws this figure.*")]),
    ],
)
def test_a_figure_is_this_run_s_or_the_study_s(shown, own, study, expected):
    run = SimpleNamespace(study=study)

    def caption(rows):
        return f"{len(rows[0]['live_steps'])} seeds"

    extensions.show(run, {"guards": own}, "guards", extension_figures.draw_guards, "alt", caption)
    assert shown == expected
