"""The parts of the pictures of a memory: heat maps that show what is there, lines, names and the time axis."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from wmlib.viz.figures import COLORS, new_figure, style
from wmlib.viz.memory_inspector import parts


@pytest.fixture(autouse=True)
def in_style():
    with style():
        yield


@pytest.fixture
def ax():
    return new_figure(4, 3)[1][0, 0]


def data(length=8, slots=4, labels=(), start=0):
    """A record in which step 2 writes slot 1 and step 5 slot 3."""
    writer = np.full((length, slots), -1)
    writer[2:, 1], writer[5:, 3] = 2, 5
    names = list(labels) or [str(start + i) for i in range(length)]
    inputs = np.zeros((length, 3), np.float32)
    return {"start": start, "inputs": inputs, "labels": list(labels), "names": names, "writer": writer}


def test_a_heat_map_with_too_many_cells_shows_the_strongest():
    cells = np.zeros((130, 801), np.float32)  # blocks of 3 x 3
    cells[129, 800], cells[3, 4], cells[4, 4] = -2, 1, 0.5
    thinned = parts.strongest(cells)
    assert thinned.shape == (44, 267) and thinned[43, 266] == -2 and thinned[1, 1] == 1 and np.count_nonzero(thinned) == 2
    np.testing.assert_array_equal(parts.strongest(cells[66:, 401:]), cells[66:, 401:])  # 64 x 400 fit


def test_each_block_is_shown_by_its_strongest_cell():
    cells = np.random.default_rng(0).standard_normal((67, 407)).astype(np.float32)  # blocks of 2 x 2, the last ones cut
    thinned = parts.strongest(cells)
    assert thinned.shape == (34, 204)
    for i, j in ((0, 0), (17, 101), (33, 203), (33, 0)):
        block = cells[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        assert thinned[i, j] == block.flat[np.abs(block).argmax()]


@pytest.mark.parametrize("rows, columns", [(5, 7), (1, 1), (65, 3), (3, 801)])
def test_a_heat_map_puts_every_cell_at_its_number(ax, rows, columns):
    cells = np.random.default_rng(1).random((rows, columns))
    image = parts.heat(ax, cells, "viridis", 11, low=-1, high=2)
    down, across = -(-rows // parts.MOST_ROWS), -(-columns // parts.MOST_COLUMNS)
    left, right, bottom, top = image.get_extent()
    height, width = image.get_array().shape
    assert (left, top) == (10.5, -0.5) and (right - left, bottom - top) == (across * width, down * height)
    assert ax.get_xlim() == (10.5, 10.5 + columns) and ax.get_ylim() == (rows - 0.5, -0.5)  # row 0 at the top
    assert (image.norm.vmin, image.norm.vmax) == (-1, 2)


def test_colours_of_signed_and_unsigned_numbers():
    assert parts.signed(np.array([[0.5, 2.0]])) == ("Greys", 0.0, 2.0, "0 white, 2 black")
    cmap, low, high, words = parts.signed(np.array([[0.5, -4.0]]))
    assert cmap is parts.SIGNED and (low, high) == (-4, 4) and words == "-4 purple, 0 white, 4 green"
    assert parts.signed(np.zeros((2, 2)))[1:3] == (0.0, 1.0)  # no division by zero


def test_ink_is_white_at_zero_and_full_at_one_and_glass_lets_through():
    for name, ramp in parts.INK.items():
        assert ramp(0.0) == (1, 1, 1, 1) and ramp(1.0) == pytest.approx(to_rgba(COLORS[name]))
    assert parts.GLASS(0.0)[3] == 0 and parts.GLASS(1.0) == parts.INK["blue"](1.0)
    halfway = np.add(to_rgba("white"), to_rgba(COLORS["grey"])) / 2
    np.testing.assert_allclose(parts.INK["grey"](0.3), halfway, atol=0.01)


@pytest.mark.parametrize("length, marker", [(60, "."), (61, "None")])
def test_one_number_a_step_is_a_line(ax, length, marker):
    part = np.random.default_rng(2).random((length, 1))
    parts.series(ax, "output", part, 3)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(3, 3 + length))
    np.testing.assert_array_equal(line.get_ydata(), part[:, 0])
    assert line.get_marker() == marker and ax.get_title(loc="left") == "output"


def test_several_numbers_a_step_are_a_heat_map(ax):
    part = np.arange(12.0).reshape(4, 3)
    parts.series(ax, "input", part, 2)
    np.testing.assert_array_equal(ax.images[0].get_array(), part.T)
    assert ax.get_title(loc="left") == "input (0 white, 11 black)" and ax.get_xlim() == (1.5, 5.5)
    heights = [parts.series_height(np.zeros((4, width))) for width in (1, 2, 5, 90)]
    assert heights == [0.6, 0.3, 0.5, 0.8]


def test_rows_with_names(ax):
    part = np.array([[0.0, 1.0], [0.25, 0.5], [1.0, 0.0]])
    parts.named(ax, part, ["write", "free"], 0, "gates")
    np.testing.assert_array_equal(ax.images[0].get_array(), part.T)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["write", "free"]


def test_a_strong_weight_is_named_after_the_step_that_wrote_its_slot(ax):
    weights = np.zeros((8, 4))
    weights[1, 1] = weights[6, 1] = weights[7, 3] = 0.5
    weights[7, 0], weights[6, 3] = 1.0, 0.49  # never written; weak
    assert parts.note_writes(ax, data(), weights)
    assert [(t.get_text(), t.get_position()) for t in ax.texts] == [("2", (6, 1)), ("5", (7, 3))]
    assert not parts.note_writes(ax, data(), np.zeros((8, 4))) and len(ax.texts) == 2
    assert parts.note_writes(ax, data(labels="abcdefgh"), weights) and ax.texts[-1].get_text() == "f"


def test_names_stand_above_thin_rows_and_are_left_out_of_long_sequences(ax):
    weights = np.zeros((8, 17))
    weights[6, 1] = weights[7, 3] = 1
    assert parts.note_writes(ax, data(slots=17), weights)
    below, above = ax.texts  # no room above the second row
    assert below.get_position() == (6, 1.5) and below.get_va() == "top"
    assert above.get_position() == (7, 2.5) and above.get_va() == "bottom"
    assert not parts.note_writes(ax, data(length=61), np.ones((61, 4)))


def test_the_time_axis_has_labels_above_and_steps_below():
    _, axes = new_figure(4, 3, rows=2)
    axes[0, 0].set_title("input")
    parts.time_axis(axes[:, 0], data(labels=list("ab?") + [""] * 5, start=10))
    assert [text.get_text() for text in axes[0, 0].texts] == ["a", "b", "?", "", "", "", "", ""]
    assert [text.xy for text in axes[0, 0].texts][:2] == [(10, 1), (11, 1)] and not axes[1, 0].texts
    for ax in axes[:, 0]:
        assert ax.get_xlim() == (9.5, 17.5)
        assert [line.get_xdata()[0] for line in ax.lines] == [10.5, 11.5, 12.5, 13.5, 14.5, 15.5, 16.5]
    assert axes[1, 0].get_xlabel() == "step" and axes[0, 0].get_xlabel() == ""


def test_a_long_time_axis_says_how_many_steps_a_cell_is(ax):
    parts.time_axis([ax], data(length=801))
    assert ax.get_xlabel() == "step (a cell shows the strongest of 3)" and not ax.lines


def test_the_key_says_what_the_colours_mean(ax):
    parts.key(ax, 0.123, 0.25, 0.1)
    assert [text.get_text() for text in ax.texts] == ["0", "0.25", "0", "0.1", "0", "1", "−0.12", "0.12"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["writing", "reading", "others", "memory"]
    assert [image.cmap for image in ax.images] == [*(parts.INK[name] for name in ("orange", "blue", "grey")), parts.SIGNED]
