import io
import json

import IPython.display
import numpy as np
import pytest
from PIL import Image

from wmlib.experiment import results
from wmlib.experiment.results import ResultsError
from wmlib.experiment.run import Run
from wmlib.experiment.statistics import Estimate
from wmlib.viz import figures, lesson, widgets
from wmlib.command import claims as readme
from wmlib.viz.figures import new_figure, save_animation, save_figure, to_png

WORDS = {"alt": "A curve that rises to the right", "caption": "A curve, drawn from stored numbers, n = 3."}


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would display."""
    seen = []

    def display(content, metadata=None, raw=False):
        if raw:
            seen.append((content, metadata))

    monkeypatch.setattr(IPython.display, "display", display)
    return seen


def make_run(project, profile="quick"):
    project.notebook("01_good")
    run = Run("01_good", profile, 1, "cpu")
    run.store(("share", Estimate(0.5, 0.1, 0.9, 4), "half of them"), [], {"line": [1.0, 2.0, 4.0]})
    return run


def draw(data):
    figure, axes = new_figure(3, 2)
    axes[0, 0].plot(data)
    return figure


def test_the_same_data_is_the_same_bytes(project, shown):
    run = make_run(project)
    line = results.read(run.results_file)["data"]["line"]
    save_figure(run, draw(line), "line", **WORDS)
    stored = (run.figures / "line.png").read_bytes()
    assert stored == to_png(draw(results.read(run.results_file)["data"]["line"])) != to_png(draw([1.0, 2.0, 5.0]))


def test_a_figure_is_listed_and_shown_with_its_alt_text(project, shown):
    run = make_run(project)
    for _ in range(2):  # drawn again, it replaces itself
        save_figure(run, draw([1, 2]), "line", **WORDS)
    assert results.read(run.results_file)["figures"] == [{"name": "line", "file": "line.png", **WORDS}]
    data, metadata = shown[0]
    assert metadata["image/png"]["alt"] == WORDS["alt"] and data["text/plain"] == WORDS["alt"]


@pytest.mark.parametrize("missing", ["alt", "caption"])
def test_a_figure_without_words_is_refused_and_not_written(project, shown, missing):
    run = make_run(project)
    with pytest.raises(ValueError, match=f"{missing}: got ' '"):
        save_figure(run, draw([1, 2]), "line", **{**WORDS, missing: " "})
    assert not (run.figures / "line.png").exists()


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


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def test_the_first_colours_stand_out_from_white_and_all_from_one_another():
    for name in ("blue", "orange", "green", "grey"):
        assert 1.05 / (luminance(figures.COLORS[name]) + 0.05) >= 3  # the guideline for graphics
    # as seen without red-green vision (Vienot 1999, deuteranopia)
    matrix = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    seen = [matrix @ [int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in list(figures.COLORS.values())[:4]]
    assert min(np.abs(a - b).sum() for i, a in enumerate(seen) for b in seen[:i]) > 0.25


def test_sliders_redraw_when_let_go():
    asked = []

    def plot(power):
        asked.append(power)
        return draw([0, 1, 2**power])

    box = widgets.explore(plot, "A curve that bends", power=("power", [1, 2, 3], 2))
    slider, picture = box.children[:2]
    before = picture.value
    slider.value = 3
    assert asked == [2, 3] and picture.value != before and not slider.continuous_update
    with pytest.raises(ValueError, match="power: the start value 7"):
        widgets.explore(plot, "A curve that bends", power=("power", [1, 2], 7))


def test_the_readme_table_is_a_function_of_the_results(project, store, tmp_path):
    project.notebook("01_good")
    exec(store("01_good"), {"profile": "quick", "seed": 1, "device": "cpu"})
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"
    new = readme.with_claims(text, tmp_path / "figures")
    assert "share that works: **0.9** [0.596, 0.982]" in new and "**reproduced**" in new and "old" not in new
    assert new.startswith("before\n") and new.endswith("\nafter\n")
    assert readme.with_claims(new, tmp_path / "figures") == new
    with pytest.raises(ValueError, match="marks"):
        readme.with_claims("no marks", tmp_path / "figures")


def with_docstring(x):
    """Say something."""
    return x + 1


def test_source_is_shown_without_its_docstring():
    assert lesson.source(with_docstring) == "def with_docstring(x):\n    return x + 1"


@pytest.mark.parametrize("yours, start", [(None, "not answered"), (1.0, "right"), (1.5, "not yet"), ("one", "yours is 'one'")])
def test_exercises_check_themselves(yours, start):
    assert lesson.check(yours, 1.0).startswith(start)
    assert json.dumps(lesson.check(yours, 1.0))


def test_a_part_of_a_source_is_shown_and_a_missing_line_is_an_error(monkeypatch):
    seen = []
    monkeypatch.setattr(IPython.display, "display", lambda code: seen.append(code.data))
    lesson.show_source(lesson.check, first="if yours is None", last="return")
    assert seen[0].splitlines()[0] == "if yours is None:" and len(seen[0].splitlines()) == 2
    with pytest.raises(ValueError, match="no line with 'nothing of the kind'"):
        lesson.show_source(lesson.check, first="nothing of the kind")
