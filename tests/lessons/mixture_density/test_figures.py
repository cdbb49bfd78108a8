"""The pictures, drawn from made-up numbers: what is on them is what was given."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from wmlib.lessons.mixture_density import figures
from wmlib.viz.figures import COLORS, to_png

RNG = np.random.default_rng(0)
GRID = np.linspace(-1, 1, 11)


def scatter(count: int) -> dict[str, list[float]]:
    return {"x": RNG.random(count).tolist(), "y": RNG.random(count).tolist()}


def fit_panel() -> dict:
    return {**scatter(13), "grid": GRID, "line": GRID**2, "samples": {"one": scatter(7), "several": scatter(8)}}


def component_panel() -> dict:
    weights = np.tile([0.9, 0.1, 0.0], (11, 1))
    return {"grid": GRID, "weights": weights, "means": np.tile([0.2, 0.5, 0.8], (11, 1)), "stds": np.full((11, 3), 0.1)}


def excess_panel() -> dict:
    return {
        "components": [1, 3],
        "excess": [[1.0, 1.2, 1.7], [0.3, 0.1, 0.2]],
        "least_squares": [2.0, 2.5, 4.0],
        "single_gaussian": 0.9,
    }


def density() -> dict:
    true = np.zeros((5, 7))
    true[:, 3] = 3.0
    return {"x": np.linspace(0, 1, 5), "y": np.linspace(0, 1, 7), "cut": 2, "true": true, "model": 0.5 * true}


def lines(ax) -> dict:
    return {line.get_label(): line for line in ax.lines}


def test_problems_are_drawn_with_the_asked_x():
    samples = {"author": (GRID, GRID), "bishop": (GRID, -GRID)}
    axes = figures.draw_problems(samples).axes
    assert [ax.get_title(loc="left") for ax in axes] == ["the author's toy", "Bishop's inverse problem"]
    assert [ax.lines[1].get_xdata()[0] for ax in axes] == [0.25, 0.35]


def test_fits_show_data_line_and_samples():
    panels = {"author": fit_panel(), "bishop": fit_panel()}
    axes = np.reshape(figures.draw_fits(panels).axes, (2, 4))
    for row, panel in zip(axes, panels.values(), strict=True):
        assert [len(ax.lines[0].get_xdata()) for ax in row] == [13, 13, 7, 8]
        assert [ax.get_title(loc="left") for ax in row] == ["data", "least squares", "one", "several"]
        np.testing.assert_array_equal(row[1].lines[1].get_ydata(), panel["line"])
    assert axes[1, 0].get_ylabel().startswith("Bishop")


def test_components_are_opaque_where_their_weight_is_large_and_marked_at_its_top():
    ax = figures.draw_components({"author": component_panel()}).axes[0]
    bands, curves = ax.collections[::2], ax.collections[1::2]
    assert [curve.get_alpha() or curve.get_colors()[0, 3] for curve in curves] == pytest.approx([0.9, 0.1, 0.0])
    assert bands[0].get_facecolors()[0] == pytest.approx(to_rgba(COLORS["blue"], 0.35 * 0.9))
    corners = bands[0].get_paths()[0].vertices[:4]
    np.testing.assert_allclose(corners, [[-1, 0.1], [-0.8, 0.1], [-0.8, 0.3], [-1, 0.3]])
    assert len(ax.lines) == 1 and ax.lines[0].get_ydata() == [0.2]  # only the first reaches a weight of 0.2


def test_steps_show_every_fit_its_mean_and_the_exact_optimum():
    rows = [
        {"label": "coarse", "fits": [1.0, 1.2], "value": 1.1, "low": 0.9, "high": 1.3},
        {"label": "exact", "fits": [], "value": 0.6},
    ]
    ax = figures.draw_steps({"author": rows, "bishop": rows}).axes[0]
    assert [line.get_xdata().tolist() if hasattr(line.get_xdata(), "tolist") else line.get_xdata() for line in ax.lines] == [
        [1.0, 1.2],
        [0.9, 1.3],
        [1.1],
        [0.6],
    ]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["coarse", "exact"]


def test_distances_are_drawn_with_means_and_optimum():
    ax = figures.draw_excess({"author": excess_panel(), "bishop": excess_panel()}).axes[0]
    drawn = lines(ax)
    assert drawn["mixture (line: mean)"].get_ydata() == pytest.approx([1.3, 0.2])
    assert drawn["least squares"].get_ydata()[0] == pytest.approx(8.5 / 3)
    assert drawn["best single Gaussian"].get_ydata()[0] == 0.9


def test_the_cut_of_the_densities_is_the_stored_one():
    figure = figures.draw_density(density())
    assert figure.axes[2].get_title(loc="left") == "at x = 0.50"
    assert lines(figure.axes[2])["mixture"].get_ydata().tolist() == [0, 0, 0, 1.5, 0, 0, 0]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), density()["true"].T)


def test_the_public_codes_differences_are_three_panels():
    figure = figures.draw_public({name: scatter(count) for name, count in (("linear", 3), ("right", 5), ("wrong", 7))})
    assert [len(ax.lines[0].get_xdata()) for ax in figure.axes] == [3, 5, 7]


def test_the_conditional_leaves_room_for_tall_densities():
    data = density()
    true, model = data["true"][2], data["model"][2]
    assert figures.draw_conditional(data["y"], true, model, 0.5).axes[0].get_ylim() == (0, 12)
    assert figures.draw_conditional(data["y"], 10 * true, model, 0.5).axes[0].get_ylim()[1] == pytest.approx(31.5)


def test_a_reader_s_settings_do_not_matter_and_are_left_alone():
    plain = to_png(figures.draw_excess({"author": excess_panel()}))
    with mpl.rc_context({"lines.linewidth": 9, "font.size": 25}):
        assert to_png(figures.draw_excess({"author": excess_panel()})) == plain
        assert mpl.rcParams["lines.linewidth"] == 9
