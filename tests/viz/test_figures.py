"""Figures: one style that leaves the reader's alone, the same bytes for the same input, and words for those who cannot see."""

import ast
import inspect
import io
import subprocess
import sys
from pathlib import Path

import IPython.display
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from wmlib.experiment import results
from wmlib.experiment.results import ResultsError
from wmlib.experiment.run import Run
from wmlib.experiment.statistics import Estimate
from wmlib.viz import figures
from wmlib.viz.figures import new_figure, save_animation, save_figure, show_figure, style, styled, to_png

WORDS = {"alt": "A curve that rises to the right", "caption": "A curve, drawn from stored numbers, n = 3."}


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would display."""
    displayed = []

    def display(content, metadata=None, raw=False):
        if raw:
            displayed.append((content, metadata))

    monkeypatch.setattr(IPython.display, "display", display)
    return displayed


def make_run(project, profile="quick"):
    project.notebook("01_good")
    run = Run("01_good", profile, 1, "cpu")
    run.store(("success rate", Estimate(0.5, 0.1, 0.9, 4), "half of them"), [], {"line": [1.0, 2.0, 4.0]}, {})
    return run


@styled
def draw(data):
    """Draw a line with a title and a legend."""
    figure, axes = new_figure(3, 2)
    axes[0, 0].plot(data, label="line")
    axes[0, 0].set_title("title")
    axes[0, 0].legend()
    return figure


# --- style -----------------------------------------------------------------------------------------------------------------


def test_importing_changes_no_setting_of_the_reader():
    code = "import matplotlib as mpl; mpl.rcParams['lines.linewidth'] = 9; before = dict(mpl.rcParams)\n"
    code += "import wmlib.viz.figures, wmlib.viz.memory_inspector, wmlib.viz.widgets, wmlib.viz.lesson\n"
    code += "print(dict(mpl.rcParams) == before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_the_style_holds_inside_its_block_only(readers_style):
    with readers_style():  # checks at its end that the settings are as they were
        with style():
            assert mpl.rcParams["lines.linewidth"] == figures.STYLE["lines.linewidth"] == 1.8
            assert mpl.rcParams["savefig.facecolor"] == "auto"  # matplotlib's own value, where the style says nothing
            with style():
                mpl.rcParams["font.size"] = 3
            assert mpl.rcParams["font.size"] == 10
        assert mpl.rcParams["lines.linewidth"] == 9 and mpl.rcParams["savefig.facecolor"] == "blue"


def test_the_readers_settings_come_back_after_an_error(readers_style):
    @styled
    def fails():
        assert mpl.rcParams["lines.linewidth"] == 1.8
        raise RuntimeError("no luck")

    with readers_style():
        with pytest.raises(RuntimeError, match="no luck"):
            fails()
        assert mpl.rcParams["lines.linewidth"] == 9
        with pytest.raises(RuntimeError), style():
            raise RuntimeError
        assert mpl.rcParams["lines.linewidth"] == 9


def test_a_styled_function_is_otherwise_the_same():
    @styled
    def add(a: int, *, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1) == 3 and add(1, b=5) == 6
    assert (add.__name__, add.__doc__, str(inspect.signature(add))) == ("add", "Add.", "(a: int, *, b: int = 2) -> int")


def test_a_picture_does_not_depend_on_the_readers_style(readers_style):
    picture = to_png(draw([1, 2, 4]))
    with readers_style():
        figure = draw([1, 2, 4])
        axes = figure.axes[0]
        assert axes.lines[0].get_linewidth() == 1.8 and axes.get_title(loc="left") == "title"
        assert not axes.spines["top"].get_visible() and not axes.get_legend().get_frame_on()
        assert to_png(figure) == picture
    unstyled = draw.__wrapped__
    with readers_style():
        assert to_png(unstyled([1, 2, 4])) != picture  # the decorator is what does it


def test_new_figures_are_not_pyplots():
    before = plt.get_fignums()
    figure, axes = new_figure(5, 3, rows=2, columns=3, sharex=True)
    assert plt.get_fignums() == before and axes.shape == (2, 3) and tuple(figure.get_size_inches()) == (5, 3)
    assert axes[0, 0].get_shared_x_axes().joined(axes[0, 0], axes[1, 2])


def test_every_function_that_draws_is_styled():
    """Public ones, at the top of a module, that return a figure; others belong to them, or draw on axes they are given."""
    package = Path(figures.__file__).parents[1]
    plain = []
    for path in package.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            returns = getattr(node, "returns", None)
            if returns is not None and ast.unparse(returns) == "Figure" and not node.name.startswith("_"):
                if "styled" not in map(ast.unparse, node.decorator_list):
                    plain.append(f"{path.relative_to(package.parent)}: {node.name}")
    assert plain == []


# --- pictures --------------------------------------------------------------------------------------------------------------


def test_the_same_data_is_the_same_bytes(project, shown):
    run = make_run(project)
    line = results.read(run.results_file)["data"]["line"]
    save_figure(run, draw(line), "line", **WORDS)
    stored = (run.figures / "line.png").read_bytes()
    assert stored == to_png(draw(results.read(run.results_file)["data"]["line"])) != to_png(draw([1.0, 2.0, 5.0]))


def test_a_figure_can_be_written_again_and_larger():
    figure = draw([1, 2, 4])
    plain = to_png(figure)
    marked = to_png(figure, watermark=True)
    assert marked != plain == to_png(figure) and figure.texts == []  # the watermark is gone
    sizes = [Image.open(io.BytesIO(to_png(figure, dpi=dpi))).size for dpi in (50, 100)]
    assert sizes == [(150, 100), (300, 200)]


def test_a_figure_is_listed_and_shown_with_its_alt_text(project, shown):
    run = make_run(project)
    for _ in range(2):  # drawn again, it replaces itself
        save_figure(run, draw([1, 2]), "line", **WORDS)
    assert results.read(run.results_file)["figures"] == [{"name": "line", "file": "line.png", **WORDS}]
    data, metadata = shown[0]
    assert metadata["image/png"] == {"alt": WORDS["alt"], "width": 288} and data["text/plain"] == WORDS["alt"]


def test_a_figure_that_only_explains_is_shown_and_not_saved(project, shown):
    run = make_run(project)
    show_figure(draw([1, 2]), "A line from one to two")
    ((data, metadata),) = shown
    assert metadata["image/png"]["alt"] == data["text/plain"] == "A line from one to two"
    assert {path.name for path in run.figures.iterdir()} == {"results.json"}


@pytest.mark.parametrize("missing", ["alt", "caption"])
def test_a_figure_without_words_is_refused_and_not_written(project, shown, missing):
    run = make_run(project)
    words = {**WORDS, missing: " "}
    with pytest.raises(ValueError, match=f"{missing}: got ' ' for figure line"):
        save_figure(run, draw([1, 2]), "line", **words)
    with pytest.raises(ValueError, match=f"{missing}: got ' ' for figure film"):
        save_animation(run, lambda i: draw([i, 2]), range(3), "film", poster=2, **words)
    assert {path.name for path in run.figures.iterdir()} == {"results.json"} and not shown
    assert results.read(run.results_file)["figures"] == []


def test_a_figure_without_stored_results_is_refused(project, shown):
    project.notebook("01_good")
    run = Run("01_good", "quick", 1, "cpu")
    with pytest.raises(ResultsError, match="run its notebook again"):
        save_figure(run, draw([1, 2]), "line", **WORDS)


def test_smoke_figures_are_watermarked_and_lie_apart(project, shown):
    run = make_run(project, "smoke")
    figure = draw([1, 2])
    save_figure(run, figure, "line", **WORDS)
    assert "smoke" in run.figures.parts
    marked = np.asarray(Image.open(run.figures / "line.png").convert("RGB")).astype(int)
    plain = np.asarray(Image.open(io.BytesIO(to_png(figure))).convert("RGB")).astype(int)
    assert (np.abs(marked - plain).sum(axis=2) > 0).mean() > 0.01


def test_an_animation_has_frames_a_poster_and_the_same_bytes_again(project, shown):
    run = make_run(project)
    arguments = {"frames": range(4), "name": "film", "poster": 3, **WORDS}
    save_animation(run, lambda i: draw([0, i, 3]), **arguments)
    film = (run.figures / "film.gif").read_bytes()
    assert Image.open(io.BytesIO(film)).n_frames == 4
    assert (run.figures / "film.png").read_bytes() == to_png(draw([0, 3, 3]), dpi=figures.FILM_DPI)
    assert {f["file"] for f in results.read(run.results_file)["figures"]} == {"film.gif", "film.png"}
    assert shown[0][1]["image/gif"]["alt"] == WORDS["alt"]
    save_animation(run, lambda i: draw([0, i, 3]), **arguments)
    assert (run.figures / "film.gif").read_bytes() == film


# --- colours ---------------------------------------------------------------------------------------------------------------


def test_the_first_colours_stand_out_from_white_and_all_from_one_another(contrast):
    for name in ("blue", "orange", "green", "grey"):
        assert contrast(figures.COLORS[name], "#ffffff") >= 3  # the guideline for graphics
    # as perceived without red-green vision (Vienot 1999, deuteranopia)
    matrix = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    perceived = [matrix @ [int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in list(figures.COLORS.values())[:4]]
    assert min(np.abs(a - b).sum() for i, a in enumerate(perceived) for b in perceived[:i]) > 0.25
