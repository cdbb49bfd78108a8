"""One step of a memory: what its picture shows, and that the quick way to draw it is the slow one."""

import io

import numpy as np
import pytest
from PIL import Image

from wmlib.viz import memory_inspector as inspector
from wmlib.viz.figures import to_png
from wmlib.viz.memory_inspector.step import StepView


def test_a_step_draws_the_record(dnc):
    record = dnc.record()
    view = StepView(inspector._arrays(record, dnc.LABELS))
    for t, slot in ((4, 3), (0, 0), (6, 4)):
        view.show(t, slot)
        values = [bar.get_data().values for bar in view.bars]
        expected = [record["usage"][t], record["write"][t], *record["read"][t]]
        for a, b in zip(values, expected, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(view.memory.get_array(), record["memory"][t + 1])
        np.testing.assert_array_equal(view.link.get_array(), record["link"][t])
        np.testing.assert_array_equal(view.held.get_data().values, record["memory"][t + 1, slot])
        np.testing.assert_array_equal(view.held_before.get_data().values, record["memory"][t, slot])
        gates = [record["write_gate"][t], record["allocation_gate"][t], *record["free_gates"][t]]
        np.testing.assert_array_equal(view.gates.get_data().values, gates)
        shares = [mode.get_data().values - mode.get_data().baseline for mode in view.modes]
        np.testing.assert_allclose(np.transpose(shares), record["read_modes"][t], atol=1e-6)
        assert view.cursor.get_x() == t - 0.5 and {mark.get_y() for mark in view.rows} == {slot - 0.5}


def test_the_link_is_put_into_words(dnc, titled):
    record = dnc.writes_then_reads()
    record["link"][:] = 0
    record["link"][:, 0, 2], record["link"][:, 3, 0] = 0.9, 0.8  # 0 after 2, 3 after 0
    figure = inspector.draw_step(record, 5, 0)
    assert titled(figure, "slot 0, written after slot 2 and before slot 3")


def test_the_quick_picture_is_the_slow_one_and_forgets_the_last(dnc):
    view = StepView(inspector._arrays(dnc.record(), dnc.LABELS))
    first = view.png(2, 1)
    assert view.png(5, 3) != first and view.png(2, 1) == first
    assert StepView(inspector._arrays(dnc.record(), dnc.LABELS)).png(2, 1) == first


def test_what_moves_is_drawn_over_what_stands_still_as_in_a_whole_picture(dnc):
    view = StepView(inspector._arrays(dnc.record(), dnc.LABELS))
    quick = np.asarray(Image.open(io.BytesIO(view.png(4, 3)))).astype(int)
    whole = StepView(inspector._arrays(dnc.record(), dnc.LABELS)).show(4, 3)
    slow = np.asarray(Image.open(io.BytesIO(to_png(whole, dpi=96))).convert("RGB")).astype(int)
    assert quick.shape == slow.shape and np.abs(quick - slow).mean() < 1.5  # of 255: what moves lies above the axes' frames
    other = np.asarray(Image.open(io.BytesIO(view.png(1, 0)))).astype(int)
    assert np.abs(other - slow).mean() > 2 * np.abs(quick - slow).mean()


@pytest.mark.parametrize("link, axes", [("full", {"link", "read mode"}), ("none", set())])
def test_without_a_link_there_is_no_picture_of_it(dnc, link, axes):
    view = StepView(inspector._arrays(dnc.record(link), None))
    titles = {ax.get_title(loc="left").split(" (")[0].split(":")[0] for ax in view.figure.axes if ax.axison}
    assert titles & {"link", "read mode"} == axes
    assert (view.link is None) == (link == "none") == (not view.modes)
    assert view.content_title.get_text().startswith("slot 0")


@pytest.mark.parametrize(
    "t, slot, message", [(7, 0, r"t is 7; this record has 0 \.\.\. 6"), (0, -1, "slot is -1"), (0, 5, "slot is 5")]
)
def test_a_step_or_slot_that_is_not_there_is_named_and_nothing_moves(dnc, t, slot, message):
    view = StepView(inspector._arrays(dnc.record(), None))
    view.show(2, 1)
    for call in (view.show, view.png):
        with pytest.raises(ValueError, match=message):
            call(t, slot)
    assert view.cursor.get_x() == 1.5 and view.time_title.get_text().startswith("step 2 ")


def test_a_record_without_every_step_is_refused(dnc):
    with pytest.raises(ValueError, match="every_step=True"):
        StepView(inspector._arrays(dnc.record(every_step=False), None))


def test_the_style_of_the_reader_does_not_matter(dnc, readers_style):
    picture = StepView(inspector._arrays(dnc.record(), None)).png(2, 1)
    with readers_style():
        assert StepView(inspector._arrays(dnc.record(), None)).png(2, 1) == picture
