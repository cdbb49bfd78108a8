"""The pictures of notebook 03 from small made-up results: what they are given they show, and zeros and failures do no harm."""

import numpy as np
import pytest

from wmlib.lessons.addition.pipeline import DIVERGED, Recipe, grid
from wmlib.lessons.addition import figures as draw
from wmlib.viz.figures import to_png

LENGTHS = [2, 3, 4, 16, 20]


def rng():
    return np.random.default_rng(0)


def result(scale: float) -> dict:
    errors = [0.0, *(scale * np.arange(1.0, 5.0))]
    table = scale * np.arange(9.0).reshape(3, 3)
    return {"seen": np.array([0, 16, 32, 48]), "curve": errors[:4], "lengths": LENGTHS, "errors": errors,
            "rights": [1.0, 1.0, 0.5, 0.0, 0.0], "retention": table, "kept": np.ones((3, 3))}  # fmt: skip


RESULTS = {"DNC": [result(s) for s in (0.1, 0.2, 0.7)], "LSTM": [result(s) for s in (1.0, 2.0, DIVERGED)]}


def test_the_interval_of_a_median_holds_it():
    middle = draw.middle(rng().normal(size=(11, 5)), rng())
    assert (middle["low"] <= middle["median"]).all() and (middle["median"] <= middle["high"]).all()
    assert (middle["low"] < middle["high"]).all()
    same = draw.middle(np.ones((3, 2)), rng())
    assert (same["low"] == 1).all() and (same["high"] == 1).all()


def test_the_search_puts_each_error_in_its_place():
    recipes = grid(Recipe(), (0.01, 0.02))
    table = draw.searched({"DNC": (recipes[3], [[float(i), float(i)] for i in range(8)], recipes)})["DNC"]
    assert table["rows"] == ["clip 1", "clip 1 *", "clip 10", "clip 10 *"] and table["rates"] == [0.01, 0.02]
    np.testing.assert_array_equal(table["errors"], np.arange(8.0).reshape(2, 4).T)
    assert table["winner"] == [3, 0]


def test_an_arm_counts_the_seeds_below_the_limit():
    arm = draw.arm([1.0, 2.0, 3.0], RESULTS["DNC"], 20, limit=1.0)
    assert arm["error"] == pytest.approx([0.4, 0.8, 2.8]) and arm["value"] == pytest.approx(2 / 3)
    assert 0 < arm["low"] < arm["value"] < arm["high"] < 1


def test_every_picture_is_drawn():
    panel = draw.by_length("title", RESULTS, 4, rng())
    recipes = grid(Recipe(), (0.01, 0.02))
    errors = [[0.1 * (i + 1)] for i in range(7)] + [[DIVERGED]]
    searched = draw.searched({name: (recipes[0], errors, recipes) for name in "abcd"})
    arms = {name: draw.arm([1.0, 2.0, 3.0], found, 20, 1.0) for name, found in RESULTS.items()}
    retention = draw.retention([(1, 1), (2, 2), (2, 3)], RESULTS)
    assert retention["levels"] == ["1", "2", "2–3"] and retention["models"]["DNC"].shape == (3, 3)
    moved = {"memory": draw.middle(rng().normal(size=(3, 2)), rng())}
    figures = [
        draw.draw_curves(draw.curves(RESULTS, 48, 3, rng())),
        draw.draw_search(searched),
        draw.draw_lengths([panel, panel]),
        draw.draw_retention({"cumulative": retention, "disjoint": retention}),
        draw.draw_seeds({"limit": 1.0, "slots": 5, "arms": arms}),
        draw.draw_memory(
            {"total": [1, 2], "predicted": [1.1, 1.9], "alphas": [-1, 1], "moved": moved, "times": [2, 4], "carriers": moved}
        ),
        draw.draw_recall({"copy": draw.shares(RESULTS, 4), "recall": draw.shares(RESULTS, 3)}),
        draw.draw_sum([1, 2, 0], np.zeros((5, 3)), np.array([1.0, 3, 3]), 3.0, "title"),
        draw.draw_sum([1, 2, 0], np.ones((5, 3)), np.array([]), 3.0, "title"),
    ]
    for figure in figures:
        assert len(to_png(figure, dpi=50)) > 3000
