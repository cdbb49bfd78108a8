"""The pictures, drawn from made-up numbers: what is on them is what was given."""

import numpy as np
import pytest

from wmlib.lessons.neural_computer_agent import figures
from wmlib.viz.figures import new_figure, to_png

FRAMES = ["100" + "000" + "002", "010" + "000" + "002", "000" + "010" + "002"]
WRONG = ["100" + "000" + "002", "110" + "000" + "002", "000" + "010" + "002"]
DREAM = {
    "level": 1,
    "iteration": 2,
    "actions": [3, 1],
    "real": FRAMES,
    "dreamt": WRONG,
    "predicted": WRONG[1:],
    "dream_ends": 2,
}
DREAMS = [{**DREAM, "level": 0, "iteration": 1, "real_ends": None}, {**DREAM, "real_ends": 2}]
ROWS = [
    {
        "name": name,
        "live_steps": [1000 * scale, 3000 * scale],
        "cpu_seconds": [5.0, 6.0],
        "whole": [True, False],
        "levels": [2, 1],
        "solved_at": [[200, 1000 * scale], [300, None]],
    }
    for name, scale in (("DNC", 1), ("PPO", 20))
]


def rectangles(ax):
    return [patch for patch in ax.patches if patch.get_edgecolor()[0] > 0.6]


def test_levels_with_their_paths():
    figure = figures.draw_levels({"level 0": FRAMES, "level 1": FRAMES[:1]})
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["level 0", "level 1"]
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[0, 0], [1, 0], [1, 1]]


def test_the_loop_lights_up_the_stage_that_is_on():
    story = [
        {"stage": "explore", "level": 0, "round": 0, "live_steps": 90, "exact": None, "solved": 0, "words": "a"},
        {"stage": "dream", "level": 1, "round": 2, "live_steps": 1234, "exact": [0.9, 0.4], "solved": 1, "words": "b"},
    ]
    ring, bars = figures.draw_loop(story, 1).axes
    assert ring.get_title(loc="left") == "level 1, round 3: b" and "1,234 live steps" in bars.get_title(loc="left")
    assert [bar.get_height() for bar in bars.patches] == [0.9, 0.4]
    lit = [text.get_text() for text in ring.texts if text.get_color() == "white"]
    assert len(lit) == 1 and lit[0].startswith("dream")
    assert [bar.get_height() for bar in figures.draw_loop(story, 0).axes[1].patches] == [0, 0]


def test_a_film_frames_wrong_cells():
    first, second = np.reshape(figures.draw_film(DREAMS, 1).axes, (2, 3))
    assert [len(rectangles(ax)) for ax in first] == [0, 1, 1] and second[0].get_ylabel() == "iteration 2"
    assert [len(rectangles(ax)) for ax in np.reshape(figures.draw_film(DREAMS, 0).axes, (2, 3))[0]] == [0, 0, 0]
    to_png(figures.draw_film(DREAMS, 99))


@pytest.mark.parametrize(("level", "iteration"), [(1, 1), (1, 9), (7, 1)])
def test_any_slider_shows_a_dream(level, iteration):
    dream, live = figures.draw_dream(DREAMS, level, iteration, 1).axes
    assert "iteration 2" in dream.get_title(loc="left") and len(rectangles(dream)) == 1
    assert dream.get_xlabel() == live.get_xlabel() == "ends after 2 steps"


def test_cost_shows_each_seed_and_which_run_is_whole():
    steps, seconds = figures.draw_cost(ROWS).axes
    assert steps.get_xscale() == seconds.get_xscale() == "log"
    assert steps.lines[0].get_xdata().tolist() == [1000] and steps.lines[1].get_xdata().tolist() == [3000]
    assert steps.lines[2].get_xdata()[0] == pytest.approx(3e6**0.5)
    assert [label.get_text() for label in steps.get_yticklabels()] == ["DNC", "PPO"]


def test_matrices_say_their_numbers():
    data = {"all": {"DNC": [[1.0, 0.25], [None, None]]}, "newest": {"DNC": [[0.5, 0.0], [0.1, 0.2]]}}
    first, second, _ = figures.draw_matrices(data, "moves").axes
    assert [text.get_text() for text in first.texts] == ["100", "25"] and len(second.texts) == 4
    assert first.get_ylabel().startswith("replay: all")


@pytest.mark.parametrize(("most", "ticks"), [(900, ["200", "500"]), (90_000, ["1,000", "10,000"])])
def test_a_short_logarithmic_axis_has_ticks_between_decades(most, ticks):
    figure, axes = new_figure()
    axes[0, 0].set(xscale="log", xlim=(150, most))
    figures.tick_in_numbers(axes[0, 0])
    figure.draw_without_rendering()
    low, high = axes[0, 0].get_xlim()
    shown = [
        label.get_text()
        for label, at in zip(axes[0, 0].get_xticklabels(), axes[0, 0].get_xticks(), strict=True)
        if low < at < high
    ]
    assert shown == ticks
