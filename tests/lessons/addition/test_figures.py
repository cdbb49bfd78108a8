"""The pictures of notebook 03 from small made-up results: what they are given they show, and zeros and failures do no harm."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from wmlib.lessons.addition import estimates, figures
from wmlib.lessons.addition.measures import DIVERGED
from wmlib.viz.figures import COLORS, to_png


def interval(points: int) -> dict[str, list[float]]:
    middle = np.linspace(-1, 1, points)
    return {"value": middle.tolist(), "low": (middle - 0.5).tolist(), "high": (middle + 0.5).tolist()}


def texts(figure) -> list[str]:
    """Return all that is written in a figure's axes."""
    return [text.get_text() for ax in figure.axes for text in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]]


def test_curves(results):
    figure = figures.draw_curves(estimates.curves(results, 48, 3))
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [16, 32]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["DNC", "LSTM"]
    assert len(to_png(figure, dpi=50)) > 3000


def test_search_frames_the_winner_and_writes_no_number_for_a_failure():
    table = {"lrs": [0.01, 0.02], "rows": ["clip 1", "clip 10"], "errors": [[0.1, 0.2], [0.3, DIVERGED]], "winner": [1, 0]}
    figure = figures.draw_search({name: table for name in "abcd"})
    assert texts(figure)[:4] == ["0.1", "0.2", "0.3", "—"]
    assert figure.axes[0].patches[0].get_xy() == (-0.5, 0.5)
    assert len(to_png(figure, dpi=50)) > 3000


def test_lengths(results):
    figure = figures.draw_lengths(estimates.by_length(results, 4, over="DNC"))
    errors, right, ratios = figure.axes
    assert errors.lines[0].get_ydata()[0] == figures.LOWEST  # an error of zero
    assert right.lines[0].get_ydata()[2] == pytest.approx(0.4) and ratios.get_ylabel() == "error / error of the DNC"
    assert [line.get_label() for line in ratios.lines][:1] == ["LSTM"] and ratios.lines[1].get_ydata() == [1, 1]
    assert len(to_png(figure, dpi=50)) > 3000


def test_retention(results):
    part = estimates.retention([(1, 1), (2, 2), (2, 3)], results)
    figure = figures.draw_retention({"cumulative": part, "disjoint": part})
    errors, right = figure.axes[2:]
    assert errors.get_title(loc="left") == "disjoint curriculum, after the last level" and errors.get_yscale() == "log"
    assert [label.get_text() for label in right.get_xticklabels()] == ["1", "2", "2–3"]
    assert list(right.lines[0].get_ydata()) == pytest.approx([0.2, 0.6, 1.0])
    assert len(to_png(figure, dpi=50)) > 3000


def test_seeds(results):
    part = estimates.variant([1.0, 2.0, 3.0], results["DNC"])
    figure = figures.draw_seeds({"limit": 1.0, "num_slots": 5, "variants": {f"recipe {k}": part for k in range(9)}})
    scatter, bars = figure.axes
    assert scatter.lines[1].get_markerfacecolor() != "white" and scatter.lines[9].get_markerfacecolor() == "white"
    assert [label.get_text() for label in bars.get_yticklabels()] == [f"recipe {k}" for k in range(9)]
    assert "effective slots of a write (of 5)" in texts(figure)
    assert len(to_png(figure, dpi=50)) > 3000


def test_memory():
    data = {"total": [1, 2], "predicted": [1.1, 1.9], "alphas": [-1, 0, 1], "times": [2, 4]}
    data |= {"moved": {"memory": interval(3)}, "contributions": {"memory": interval(2)}}
    figure = figures.draw_memory(data)
    assert list(figure.axes[1].lines[1].get_ydata()) == [-1, 0, 1] and list(figure.axes[2].lines[1].get_xdata()) == [2, 4]
    data["moved"]["random"] = interval(3)
    (_, band) = figures.draw_memory(data).axes[1].collections
    edges = band.get_paths()[0].vertices
    assert (edges[:, 1].min(), edges[:, 1].max()) == (-1, 1)  # to both sides of 0
    assert len(to_png(figure, dpi=50)) > 3000


def test_recall(results):
    panels = {"copy": estimates.accuracies(results, 4), "recall": estimates.accuracies(results, 3)}
    figure = figures.draw_recall(panels)
    bars = figure.axes[0].containers
    assert [bar.get_height() for bar in bars[0]] == pytest.approx([1, 1, 0.4, 0, 0])
    assert [to_hex(part[0].get_facecolor(), keep_alpha=False).upper() for part in bars] == [COLORS["blue"], COLORS["orange"]]
    assert len(to_png(figure, dpi=50)) > 3000


def test_a_copy_shows_writes_in_orange_and_reads_in_blue():
    data = {"wanted": np.eye(3), "answered": np.eye(3), "write": np.eye(3, 5), "read": np.zeros((3, 5))}
    data["read"][2, 1] = 1
    figure = figures.draw_copied(data, "3 of 3")
    picture = figure.axes[2].images[0].get_array()
    assert picture.shape == (5, 3, 3)
    assert (
        picture[0, 0].tolist() == [1, 0.5, 0] and picture[1, 2].tolist() == [0, 0.5, 1] and picture[4, 0].tolist() == [1, 1, 1]
    )
    assert len(to_png(figure, dpi=50)) > 2000


@pytest.mark.parametrize("predicted", [[1.0, 3.0, 3.0], []])
def test_sum(predicted):
    figure = figures.draw_sum([1, 2, 0], np.zeros((5, 3)), predicted, 3.0, "true sum 3")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "answer: 3.0" in labels and ("read from the memory" in labels) == bool(predicted)
    assert len(to_png(figure, dpi=50)) > 3000
