"""The pictures of notebook 01: drawn from plain numbers, as results.json has them."""

import json

import matplotlib as mpl
import numpy as np
import pytest

from wmlib.experiment.results import plain
from wmlib.lessons.cma_es_toy import estimates, figures, solvers
from wmlib.viz.figures import to_png

FILM = solvers.film(np.random.default_rng(0), 8, 0.25, 0.3, 80)
ENDS = {"x": [[10.0, 10.0], [8.0, 10.0]], "solved": [1, 0]}
ROWS = [
    {"label": "outer", "kind": kind, "value": 0.5, "low": 0.2, "high": 0.8, "n": 4}
    for kind in ("author", "ours", "peer", "random")
]
CURVE = estimates.quartiles(np.array([[3.0, 2.0, 1.0], [6.0, 3.0, 2.0]]), 10, step=1)
SWEEP = {"settings": [0.1, 0.3], "author": 0.3, "value": [0.1, 0.5], "low": [0.0, 0.3], "high": [0.3, 0.7]}


def stored(data):
    return json.loads(json.dumps(plain(data)))


@pytest.mark.parametrize(
    "draw",
    [
        figures.draw_start_and_goal,
        lambda: figures.draw_films(stored([FILM, FILM]), 3),
        lambda: figures.draw_films(stored([FILM]), 10**6),
        lambda: figures.draw_ends(stored(ENDS)),
        lambda: figures.draw_success(ROWS),
        lambda: figures.draw_sweeps(stored({"sigma": SWEEP, "lambda": SWEEP})),
        lambda: figures.draw_slip(stored({"right": CURVE, "slip": CURVE})),
        lambda: figures.draw_generation_steps(stored(FILM), 3, 0.25),
    ],
)
def test_every_picture_can_be_drawn_and_leaves_the_reader_s_style_alone(draw):
    before = dict(mpl.rcParams)
    png = to_png(draw())
    assert png.startswith(b"\x89PNG") and len(png) > 3000
    assert dict(mpl.rcParams) == before
    assert to_png(draw()) == png


def test_the_title_says_when_it_is_found():
    film = {**FILM, "best": np.array([1.0, *[1e-11] * (len(FILM["best"]) - 1)])}
    titles = [figures.draw_films([film], g).axes[0].get_title(loc="left") for g in (0, 1)]
    assert titles[0].endswith("best loss 1.0e+00") and titles[1].endswith("found")


def test_the_author_s_value_is_marked():
    ax = figures.draw_sweeps({"sigma": {**SWEEP, "author": 0.1}}).axes[0]
    assert [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1] == [0.1]
