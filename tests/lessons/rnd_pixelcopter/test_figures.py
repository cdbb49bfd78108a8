"""The pictures, drawn from made-up numbers: what is on them is what was given."""

import numpy as np
import pytest

from wmlib.envs.pixelcopter import Games
from wmlib.lessons.rnd_pixelcopter import figures
from wmlib.lessons.rnd_pixelcopter.measures import DISTANCES, HEIGHTS
from wmlib.lessons.rnd_pixelcopter.pipeline import BOTH, EXTRINSIC, INTRINSIC
from wmlib.viz.figures import to_png


def novelty(value):
    rows = [[value] * (len(DISTANCES) - 1) for _ in range(len(HEIGHTS) - 1)]
    rows[0][0] = None
    return rows


SHOTS = [
    {
        "env_steps": 1_000_000 * (i + 1),
        "validation": 10.0 * i,
        "stuck": 0.25,
        "ups": [[0, 7], []],
        "frames": [30, 250],
        "novelty": novelty(2.0 - i),
    }
    for i in range(2)
]
CURVE = {"env_steps": [1_000_000, 2_000_000, 3_000_000], "values": [[None, 2.0, 8.0], [1.0, 4.0, 10.0]]}


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_a_film_replays_the_game():
    flight = {"name": "a", "seed": 7, "ups": [4, 15], "length": 40}
    figure = figures.draw_film([flight, {**flight, "name": "b", "ups": []}], 5)
    games = Games(1)
    games.reset([7])
    for frame in range(5):
        games.step(np.array([0 if frame == 4 else 1]))
    assert np.array_equal(figure.axes[0].images[0].get_array(), games.pictures()[0])
    assert titles(figure) == ["a\nframe 5, score 0 ▲", "b\nframe 5, score 0"]
    over = figures.draw_film([{**flight, "ups": []}], 39)
    title = titles(over)[0].splitlines()[1]
    assert title.startswith("over at frame 2") and "score -" in title


def test_a_walk_is_over_its_maps():
    data = {"positions": np.zeros((50, 2)), "at": [0, 49], "maps": np.stack([np.full((24, 24), 2.0), np.ones((24, 24))])}
    figure = figures.draw_walk(data)
    assert [len(ax.lines[0].get_xdata()) for ax in figure.axes[:2]] == [1, 50]
    assert [float(ax.images[0].get_array().mean()) for ax in figure.axes[:2]] == [1.0, 0.5]


def test_curves_leave_out_where_a_seed_has_no_number():
    data = {"panels": {"state": {EXTRINSIC: CURVE, BOTH: {**CURVE, "values": [[None] * 3]}}}, "blind": 18.0}
    (ax,) = figures.draw_curves(data).axes
    assert not ax.collections  # two seeds have no interval to be drawn
    line = ax.lines[0]
    np.testing.assert_allclose(line.get_xydata(), [[2.0, 3.0], [3.0, 9.0]])
    assert line.get_label() == EXTRINSIC and ax.lines[-1].get_ydata()[0] == 18.0
    assert ax.get_xscale() == "log" and "logarithmic" in ax.get_xlabel()


def test_runs_and_their_tests():
    three = {**CURVE, "values": [[0.0, 1.0, 1.0], [0.0, 2.0, 2.0], [0.0, 3.0, 3.0]]}
    data = {"curves": {INTRINSIC: three}, "tests": {INTRINSIC: [1.0, 2.0, 6.0]}}
    left, right = figures.draw_runs(data, "rewards", "blocks").axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("rewards", "blocks")
    np.testing.assert_allclose(left.lines[0].get_ydata(), [0.0, 2.0, 2.0])
    assert len(left.collections) == 1
    assert [list(line.get_ydata()) for line in right.lines] == [[1.0, 2.0, 6.0], [3.0]]


def test_rasters_mark_ups_and_what_is_over():
    data = {"agent": {"ups": [[0, 3], [5]], "frames": [10, 200], "kinds": {"never": 0.0, "other": 1.0}}}
    figure = figures.draw_rasters(data)
    picture = np.asarray(figure.axes[0].images[0].get_array())
    assert np.argwhere(picture == 1).tolist() == [[0, 0], [0, 3], [1, 5]]
    assert (picture == 2).sum() == 190 and titles(figure) == ["agent: other 100%"]


def test_novelty_is_relative_to_the_first_map():
    figure = figures.draw_novelty({INTRINSIC: SHOTS, BOTH: SHOTS})
    first, last = figure.axes[0].images[0].get_array(), figure.axes[2].images[0].get_array()
    assert float(np.nanmean(first)) == 1.0 and float(np.nanmean(last)) == 0.5 and np.isnan(np.asarray(first)[0, 0])


def test_one_scale_of_novelty_holds_all_maps():
    faint = [SHOTS[0], {**SHOTS[1], "novelty": novelty(3e-5)}]
    data = {INTRINSIC: SHOTS, BOTH: faint}
    maps = [ax.images[0] for ax in figures.draw_novelty(data).axes[:6]]
    maps += [figures.draw_snapshot(data, agent, 1).axes[0].images[0] for agent in data]
    assert {each.norm.vmin for each in maps} == {1e-5} and all(np.nanmin(each.get_array()) > 1e-5 for each in maps)


@pytest.mark.parametrize(("snapshot", "words"), [(1, "1.00 M steps: return 0.0"), (9, "2.00 M steps: return 10.0")])
def test_a_snapshot_past_the_last_is_the_last(snapshot, words):
    figure = figures.draw_snapshot({BOTH: SHOTS}, BOTH, snapshot)
    assert any(words in title for title in titles(figure))


def test_choices_show_kinds_and_seeds():
    shares = {"kinds": [0.25, 0.5, 0.0, 0.25], "sampled_kinds": [0.0, 0.0, 1.0, 0.0]}
    row = {"name": "paper", **shares, "returns": [1.0, 3.0], "sampled": [2.0, 5.0], "elsewhere": [4.0]}
    panels = {"from the state": [row, {**row, "name": "x"}], "from pixels": [row]}
    figure = figures.draw_choices({"panels": panels, "blind": 18.0, "fixed level": 7.0})
    for ax, kinds in zip(figure.axes[:2], shares.values(), strict=True):
        assert [bar.get_width() for bar in ax.patches[::2]] == kinds
    lines = figure.axes[2].lines
    shown = [list(line.get_xdata()) for line in (*lines[:4], lines[-1])]
    assert shown == [[1.0, 3.0], [2.0, 5.0], [4.0], [7.0], [18.0, 18.0]]


def test_scores_show_values_intervals_and_seeds():
    rows = [
        {"name": "never up", "value": -2.6, "kind": "blind", "seeds": [], "interval": [-2.7, -2.5]},
        {"name": "agent", "value": 300.0, "kind": "ours", "seeds": [250.0, 350.0], "interval": [100.0, 500.0]},
        {"name": "card", "value": 531.0, "kind": "card", "seeds": [], "interval": None},
    ]
    (ax,) = figures.draw_scores(rows).axes
    assert [bar.get_width() for bar in ax.patches] == [-2.6, 300.0, 531.0]
    assert [text.get_text() for text in ax.texts] == ["-2.6", "300.0", "531.0"]
    assert all(text.get_position()[0] > 1 for text in ax.texts)  # beside the panel, where no bar reaches
    wide = figures.draw_scores([{**rows[1], "interval": [-900.0, 9000.0]}]).axes[0].lines[0]
    assert tuple(wide.get_xdata()) == figures.SCORE_AXIS
    assert len(to_png(figures.draw_scores(rows))) > 5000
