"""Pictures of notebook 06: every one is drawn, and what it shows can be found in it."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from wmlib.lessons.pommerman import figures
from wmlib.lessons.pommerman.board_text import pack
from wmlib.lessons.pommerman.estimates import AHEAD, PARTS
from wmlib.viz.figures import to_png

BOARDS = np.random.default_rng(0).integers(14, size=(2, 20, 121))
FILM = {"first_step": 60, "truth": pack(BOARDS[0]), "predicted": {"DNC": pack(BOARDS[1])}}
DREAMS = {"starts": [60, 65], "truth": pack(BOARDS), "predicted": {"DNC": pack(BOARDS[::-1])}}
KINDS = {"copy baseline": "rule", "MDN-LSTM": "thesis", "DNC": "ours", "oracle": "oracle"}
SCORES = [{"name": name, "kind": kind} | {key: [0.5, 0.4, 0.6] for key in PARTS} for name, kind in KINDS.items()]
CURVES = {name: {key: [[0.9, 0.8], [0.7, 0.6]] for key in AHEAD} for name in KINDS}
HIDDEN = {
    "kinds": ["ammo", "kick"],
    "changed": {"start values": [[0, 0, 0]] * 2, "DNC": [[0.5, 0.4, 0.6]] * 2},
    "unchanged": {"start values": [[1, 1, 1]] * 2, "DNC": [[0.9, 0.9, 0.9]] * 2},
    "rules": ["start values"],
}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.draw_step(BOARDS[0, 0], BOARDS[0, 1]),
        lambda: figures.draw_film(FILM, 3),
        lambda: figures.draw_dream(DREAMS, 65, 7),
        lambda: figures.draw_strip(DREAMS, 60, (1, 2, 20)),
        lambda: figures.draw_scores(SCORES),
        lambda: figures.draw_groups({"changed": [1200] * 7, "right": {"DNC": [0.5] * 7, "copy baseline": [0] * 7}}),
        lambda: figures.draw_ahead({"horizons": [1, 5], "kinds": KINDS, "curves": CURVES}),
        lambda: figures.draw_near({"DNC": np.full((13, 13), 0.4), "table of cells": np.full((13, 13), -1.0)}),
        lambda: figures.draw_hidden(HIDDEN),
    ],
)
def test_all_pictures_are_drawn(draw):
    assert len(to_png(draw(), dpi=40)) > 2000


def frames(ax):
    return sum(isinstance(patch, Rectangle) for patch in ax.patches)


def test_wrong_cells_are_framed():
    wrong = BOARDS[0, 0].copy()
    wrong[[3, 70, 120]] = (wrong[[3, 70, 120]] + 1) % 14
    figure = figures.draw_film({"first_step": 9, "truth": pack(BOARDS[0]), "predicted": {"DNC": [pack(wrong)]}}, 0)
    game, dnc = figure.axes
    assert game.get_title(loc="left") == "the game, step 9" and frames(game) == 0
    assert dnc.get_title(loc="left") == "DNC: 3 wrong" and frames(dnc) == 3


def test_a_dream_is_compared_with_its_own_game():
    right = DREAMS | {"predicted": {"DNC": pack(BOARDS)}}
    assert frames(figures.draw_dream(right, 65, 7).axes[1]) == 0
    assert frames(figures.draw_dream(DREAMS, 65, 7).axes[1]) == (BOARDS[0, 6] != BOARDS[1, 6]).sum()


def test_predictors_of_one_kind_have_one_colour_and_other_dashes():
    kinds = {"LSTM": "ours", "DNC": "ours", "copy baseline": "rule"}
    curves = {name: CURVES["DNC"] for name in kinds}
    lstm, dnc, copied = figures.draw_ahead({"horizons": [1, 5], "kinds": kinds, "curves": curves}).axes[0].lines
    assert lstm.get_color() == dnc.get_color() != copied.get_color()
    assert dnc.get_linestyle() == "-" and lstm.get_linestyle() == "--"
