"""The pictures of notebook 05 from made-up data: what is drawn where, and what a short run leaves out."""

import numpy as np
import pytest

from wmlib.lessons.vae.figures import pack
from wmlib.lessons.vizdoom_dream import figures
from wmlib.lessons.vizdoom_dream.closed_loop import BLINDFOLD, FROZEN, NO_READS
from wmlib.lessons.vizdoom_dream.estimates import ROUND_MEASURES
from wmlib.viz.figures import COLORS, to_png

CURVES = {"MDN-LSTM": [[1, 2, 3], [2, 3, 4]], "MDN-DNC": [[1, 5, 9], [3, 3, 3]]}


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def draws(figure):
    assert len(to_png(figure)) > 5000
    return figure.axes


def test_a_family_has_one_color_and_markers_differ():
    styles = figures.styles(["MDN-LSTM", "MDN-DNC", "MDN-LSTM, τ = 0.1", "z alone"])
    assert len({style["marker"] for style in styles.values()}) == 4
    colors = [style["color"] for style in styles.values()]
    assert colors[0] == colors[2] and len(set(colors)) == 3


def test_scores():
    row = {"kind": "scripted", "quartiles": [1, 3], "interquartile_mean": 2, "low": 1, "high": 3, "value": 2}
    agent = {**row, "name": "MDN-DNC", "kind": "agent", "value": 500, "training_seeds": [400, 600]}
    rows = [{**row, "name": "blind shuttle", "training_seeds": []}, agent]
    (ax,) = draws(figures.draw_scores({"rows": rows, "blind": ["blind shuttle", 2.0]}))
    assert labels(ax) == ["blind shuttle", "MDN-DNC"]
    ticks = [line for line in ax.lines if line.get_marker() == "|"]
    assert len(ticks) == 1 and list(ticks[0].get_xdata()) == [400, 600]
    assert {text.get_text(): text.xy[0] for text in ax.texts} == {"solved": 750, "blind shuttle": 2, "1,125 reported": 1125}
    assert ax.get_xlim()[1] > 1125


def test_evolution():
    (ax,) = draws(figures.draw_evolution({"agents": CURVES, "max_steps": 60}))
    assert legend(ax) == list(CURVES) and len(ax.lines) == 5 and ax.get_xlabel() == "generation"


def test_transfer():
    (ax,) = draws(figures.draw_transfer({"agents": {"a": [[900, 200], [800, 700]]}, "no_op": {"MDN-DNC": [[150, 140]]}}))
    assert legend(ax) == ["a", "standing still, dreams of the MDN-DNC"] and ax.get_xlim() == ax.get_ylim()


def test_prediction():
    nll = {"untrained LSTM": [2, 2.1], "MDN-LSTM": [0.5, 0.6], "copy baseline": [1, 1], "posterior entropy": [0.3, 0.3]}
    data = {"nll": nll, "ahead": {"MDN-LSTM": np.arange(40.0), "copy baseline": np.arange(40.0)}}
    left, right = draws(figures.draw_prediction(data))
    assert labels(left) == list(nll) and legend(right) == ["MDN-LSTM", "copy baseline"]
    colors = {panel: [line.get_color() for line in panel.lines] for panel in (left, right)}
    assert colors[left][:2] == [COLORS["orange"]] * 2 and set(colors[left][2:]) == {COLORS["grey"]}
    assert colors[right] == [COLORS["orange"], COLORS["grey"]]


def test_losses():
    row = {"value": 100.0, "low": -300.0, "high": 900.0, "n": 2, "training_seeds": [90.0, 110.0]}
    agents = {"MDN-LSTM": (BLINDFOLD, FROZEN), "MDN-DNC": (BLINDFOLD, NO_READS, FROZEN)}
    rows = [{**row, "agent": agent, "handicap": handicap} for agent, of in agents.items() for handicap in of]
    (ax,) = draws(figures.draw_losses(rows))
    assert labels(ax) == [BLINDFOLD, NO_READS, FROZEN] and legend(ax) == list(agents)
    assert ax.get_xlim()[0] < -300 and ax.get_xlim()[1] > 900  # no interval is cut
    points = [line for line in ax.lines if line.get_marker() in ("o", "s")]
    assert [round(float(line.get_ydata()[0]), 2) for line in points] == [-0.13, 1.87, 0.13, 1.13, 2.13]


def test_rounds():
    points = [[0.3, 0.1, 0.5], [0.6, 0.5, 0.7]]
    agents = {name: dict.fromkeys(ROUND_MEASURES, points) for name in ("MDN-LSTM", "MDN-DNC")}
    axes = draws(figures.draw_rounds({"agents": agents, "blind": ["metronome", 835.0]}))
    assert [ax.get_title(loc="left") for ax in axes] == list(ROUND_MEASURES.values()) and legend(axes[0]) == list(agents)
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [[], [], ["metronome", "1,125 reported"], []]
    assert list(axes[2].lines[1].get_ydata()) == [0.3, 0.6]


def test_tunings():
    rows = [{"lr": 1e-3, "gate": "default", "nll": [0.5, 0.7], "strict_recall": [0.2, 0.4], "still": [140, 160]}] * 2
    models = {"MDN-LSTM": rows, "MDN-DNC": rows}
    left, right = draws(figures.draw_tunings({"tried": models, "finals": models, "still": 155.0}))
    assert legend(right) == ["MDN-LSTM", "MDN-DNC", "in the game"]
    for ax, place in ((left, [0.6, 0.3]), (right, [1e-3, 150])):
        rings = [line for line in ax.lines if line.get_markersize() == 16]
        assert len(rings) == 2 and rings[0].get_xydata()[0].tolist() == pytest.approx(place)


@pytest.mark.parametrize("frame", [0, 3])
def test_a_moment_of_a_film(frame):
    grid = np.random.default_rng(0).integers(256, size=(3, 4, 64, 64, 3), dtype=np.uint8)
    data = {"png": pack(grid), "rows": ["real game", "reconstruction", "dream"], "every": 4}
    axes = draws(figures.draw_film(data, frame))
    assert [ax.get_title(loc="left") for ax in axes] == data["rows"]
    assert np.array_equal(axes[2].images[0].get_array(), grid[2, frame]) and axes[0].texts[0].get_text() == f"tic {4 * frame}"
