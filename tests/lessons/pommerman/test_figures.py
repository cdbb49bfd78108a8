"""Pictures of notebook 06: every one is drawn, and what it shows can be found in it."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from wmlib.lessons.pommerman import figures
from wmlib.lessons.pommerman.board_text import pack
from wmlib.lessons.pommerman.estimates import AHEAD, PARTS
from wmlib.viz.figures import COLORS, to_png

BOARDS = np.random.default_rng(0).integers(14, size=(2, 20, 121))
FILM = {"first_step": 60, "truth": pack(BOARDS[0]), "predicted": {"DNC": pack(BOARDS[1])}}
DREAMS = {"starts": [60, 65], "truth": pack(BOARDS), "predicted": {"DNC": pack(BOARDS[::-1])}}
KINDS = {"copy baseline": "rule", "MDN-LSTM": "thesis", "DNC": "ours", "oracle": "oracle"}
SCORES = [
    {"name": name, "kind": kind, "training_seeds": 2} | {key: [0.5, 0.4, 0.6] for key in PARTS} for name, kind in KINDS.items()
]
CURVES = {name: {key: [[0.9, 0.8], [0.7, 0.6]] for key in AHEAD} for name in KINDS}
HIDDEN = {
    "kinds": ["ammo", "blast strength", "kick"],
    "columns": ["at the start", "0–7", "8+"],
    "right": {name: [[[0.5, 0.4, 0.6]] * 3] * 3 for name in ("start values", "LSTM", "DNC")},
    "cases": [[900, 700, 20], [900, 300, 0], [900, 700, 300]],
    "rules": ["start values"],
}
GROUPS = {"changed": [1200] * 6 + [12], "right": {"copy baseline": [0] * 7, "DNC": [0.5] * 7}, "kinds": KINDS}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.draw_step(BOARDS[0, 0], BOARDS[0, 1]),
        lambda: figures.draw_film(FILM, 3),
        lambda: figures.draw_dream(DREAMS, 65, 7),
        lambda: figures.draw_strip(DREAMS, 60, (1, 2, 20)),
        lambda: figures.draw_scores(SCORES),
        lambda: figures.draw_groups(GROUPS),
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


def test_models_of_one_family_have_one_colour_and_kinds_have_dashes():
    kinds = {"MDN-LSTM": "thesis", "LSTM": "ours", "DNC": "ours", "copy baseline": "rule"}
    curves = {name: CURVES["DNC"] for name in kinds}
    thesis, lstm, dnc, copied = figures.draw_ahead({"horizons": [1, 5], "kinds": kinds, "curves": curves}).axes[0].lines
    assert thesis.get_color() == lstm.get_color() == COLORS["orange"] and dnc.get_color() == COLORS["blue"]
    assert copied.get_color() == COLORS["grey"]
    assert thesis.get_linestyle() == "--" and lstm.get_linestyle() == dnc.get_linestyle() == "-"
    dots = [line for line in figures.draw_hidden(HIDDEN).axes[0].lines if line.get_label() in HIDDEN["right"]]
    assert [dot.get_color() for dot in dots] == [COLORS[name] for name in ("grey", "orange", "blue")]


def test_rows_are_grouped_under_headings():
    ax = figures.draw_scores(SCORES).axes[0]
    texts = [label.get_text() for label in ax.get_yticklabels()]
    assert texts == [*KINDS, *(figures.HEADINGS[kind] for kind in KINDS.values())]
    assert list(ax.get_yticks()) == [1, 3, 5, 7, 0, 2, 4, 6]
    other = [row | {"training_seeds": 3 if row["name"] == "DNC" else 2} for row in SCORES]
    texts = [label.get_text() for label in figures.draw_scores(other).axes[0].get_yticklabels()]
    rules = [name for name, kind in KINDS.items() if kind == "rule"]
    assert texts[: len(KINDS)] == [name if name in rules else f"{name}, n = {3 if name == 'DNC' else 2}" for name in KINDS]


def test_a_predictor_far_to_the_left_is_a_number():
    ax = figures.draw_scores(SCORES).axes[0]
    assert [text.get_text() for text in ax.texts] == ["◂ 50 %"] * 4
    near = [row | {"all right": [0.98, 0.975, 0.985]} for row in SCORES]
    assert not figures.draw_scores(near).axes[0].texts


def test_columns_with_few_cases_are_faint():
    patches = [p for p in figures.draw_groups(GROUPS).axes[0].patches if isinstance(p, Rectangle)]
    assert [p.get_alpha() for p in patches] == ([1.0] * 6 + [0.25]) * 2
    dots = [line for line in figures.draw_hidden(HIDDEN).axes[0].lines if len(line.get_xdata()) == 1]
    assert [dot.get_alpha() for dot in dots] == [1.0, 1.0, 0.3] * 3


def test_an_age_that_was_never_met_and_kick_are_left_out():
    ammo, blast_strength = figures.draw_hidden(HIDDEN).axes
    assert [ax.get_title(loc="left") for ax in (ammo, blast_strength)] == HIDDEN["kinds"][:2]
    assert [list(ax.get_xticks()) for ax in (ammo, blast_strength)] == [[0, 1, 2], [0, 1]]
    dots = {round(float(x.get_xdata()[0])) for x in blast_strength.lines if len(x.get_xdata()) == 1}
    assert dots == {0, 1}
