"""A view into the memory of a DNC: records of a sequence, and pictures of them."""

import json

import numpy as np
import pytest
import torch

from wmlib.experiment import checkpoint
from wmlib.experiment.results import plain
from wmlib.viz import memory_inspector as inspector
from wmlib.viz.figures import to_png
from wmlib.viz.memory_inspector.step import StepView

B, T, D, Y, N, W, R = 3, 7, 6, 2, 5, 4, 2  # the sizes of conftest.py's `Sequences`


@pytest.mark.parametrize("link", ["full", "sparse", "none"])
def test_a_record_has_every_part_of_one_sequence(dnc, link):
    x, y, trace = dnc.run(link)
    record = inspector.record(x, y, trace, 1)
    links, modes = (0, 0) if link == "none" else (N, 3)
    assert {name: part.shape for name, part in record.items() if name != "start"} == {
        "inputs": (T, D),
        "outputs": (T, Y),
        "write": (T, N),
        "read": (T, R, N),
        "usage": (T, N),
        "free_gates": (T, R),
        "allocation_gate": (T,),
        "write_gate": (T,),
        "read_modes": (T, R, modes),
        "link": (T, links, links),
        "memory": (T + 1, N, W),
    }
    for name in ("write", "read", "usage", "free_gates", "write_gate", "read_modes", "link"):
        np.testing.assert_allclose(record[name], getattr(trace, name)[1], atol=0.00051)
    np.testing.assert_allclose(record["memory"][1:], trace.memory[1], atol=0.001 * trace.memory[1].abs().max().item())
    assert (record["memory"][0] == 0).all() and all(part.dtype == np.float32 for part in list(record.values())[:-1])


def test_a_record_of_some_steps_starts_with_the_memory_before_them(dnc):
    whole, some = dnc.record(), dnc.record(steps=(2, 6))
    assert some["start"] == 2 and len(some["inputs"]) == 4
    np.testing.assert_allclose(some["memory"], whole["memory"][2:7], atol=0.001 * np.abs(whole["memory"]).max())
    x, y, trace = dnc.run()
    before = torch.ones(B, N, W) * torch.arange(1.0, B + 1).reshape(B, 1, 1)
    assert (inspector.record(x, y, trace, 2, before=before)["memory"][0] == 3).all()


def test_a_small_record_keeps_both_ends_of_the_memory(dnc, assert_same_cells):
    whole, small = dnc.record(), dnc.record(every_step=False)
    assert "link" not in small and small["memory"].shape == (2, N, W)
    np.testing.assert_array_equal(small["memory"], whole["memory"][[0, -1]])
    assert_same_cells(inspector.draw_strip(small), inspector.draw_strip(whole))
    with pytest.raises(ValueError, match="every_step=True"):
        inspector.draw_step(small, 0, 0)
    with pytest.raises(ValueError, match="ends only"):
        inspector.draw_strip(small, steps=(1, 3))


@pytest.mark.parametrize("link", ["full", "none"])
def test_results_json_and_the_cache_give_the_same_pictures(dnc, assert_same_cells, link, tmp_path):
    record = dnc.record(link)
    checkpoint.save(tmp_path / "record", record)
    for stored in (json.loads(json.dumps(plain(record))), checkpoint.load(tmp_path / "record")):
        for a, b in (
            (inspector.draw_strip(stored), inspector.draw_strip(record)),
            (inspector.draw_step(stored, 3, 2), inspector.draw_step(record, 3, 2)),
        ):
            assert_same_cells(a, b)
    assert all(len(str(number)) <= 8 for number in plain(record)["write"][3])  # rounding keeps the file small


def test_the_strip_draws_the_record_slots_down_and_time_across(dnc, images, titled):
    record = dnc.record()
    figure = inspector.draw_strip(record, dnc.LABELS)
    gates = np.column_stack([record["write_gate"], record["allocation_gate"], record["free_gates"]])
    expected = {
        "input": [record["inputs"].T],
        "output": [record["outputs"].T],
        "write weighting": [record["write"].T],
        "read weighting 1": [record["write"].T, record["read"][:, 0].T],
        "read weighting 2": [record["write"].T, record["read"][:, 1].T],
        "usage": [record["usage"].T],
        "gates": [gates.T],
        "read mode": [record["read_modes"].reshape(T, 3 * R).T],
        "memory before": [record["memory"][0]],
        "memory after": [record["memory"][-1]],
    }
    for title, arrays in expected.items():
        ax = titled(figure, title)
        cells = images(ax)
        assert len(cells) == len(arrays)
        for a, b in zip(cells, arrays, strict=True):
            np.testing.assert_array_equal(a, b)
        if not title.startswith("memory"):
            assert ax.get_xlim() == (-0.5, T - 0.5)
        assert ax.get_ylim() == (len(arrays[0]) - 0.5, -0.5)  # the first row is at the top
        assert tuple(ax.images[0].get_extent()) == (-0.5, arrays[0].shape[1] - 0.5, len(arrays[0]) - 0.5, -0.5)
    names = [label.get_text() for label in titled(figure, "gates").get_yticklabels()]
    assert names == ["write", "allocate", "free 1", "free 2"]
    names = [label.get_text() for label in titled(figure, "read mode").get_yticklabels()]
    assert names == ["backward 1", "content 1", "forward 1", "backward 2", "content 2", "forward 2"]
    assert [text.get_text() for text in titled(figure, "input").texts] == list(dnc.LABELS)


def test_one_number_a_step_is_a_line(dnc, titled):
    record = inspector.record(*dnc.run(outputs=1), 0)
    line = titled(inspector.draw_strip(record), "output").lines[0]
    np.testing.assert_array_equal(line.get_ydata(), record["outputs"][:, 0])
    np.testing.assert_array_equal(line.get_xdata(), np.arange(T))


def test_a_window_of_steps_keeps_their_numbers(dnc, images, titled):
    record = dnc.record()
    figure = inspector.draw_strip(record, dnc.LABELS, steps=(2, 6))
    np.testing.assert_array_equal(images(titled(figure, "write"))[0], record["write"][2:6].T)
    np.testing.assert_array_equal(images(titled(figure, "memory before"))[0], record["memory"][2])
    np.testing.assert_array_equal(images(titled(figure, "memory after"))[0], record["memory"][6])
    assert titled(figure, "usage").get_xlim() == (1.5, 5.5)
    assert [text.get_text() for text in titled(figure, "input").texts] == list(dnc.LABELS[2:6])


def test_a_read_names_the_step_that_wrote(dnc, titled):
    record = dnc.writes_then_reads()
    for labels, names in ((None, ["0", "1", "2", "3"]), (list("abcd????"), list("abcd"))):
        figure = inspector.draw_strip(record, labels)
        assert [text.get_text() for text in titled(figure, "write weighting").texts] == names
        reads = titled(figure, "read weighting").texts
        assert [text.get_text() for text in reads] == names
        assert [text.get_position()[0] for text in reads] == [4, 5, 6, 7]
    figure = inspector.draw_strip(record, steps=(4, 8))  # the writes are outside the window, but known
    assert [text.get_text() for text in titled(figure, "read weighting").texts] == ["0", "1", "2", "3"]


def test_the_sliders_move_step_and_slot(dnc):
    record = dnc.record(steps=(2, 6))
    box = inspector.inspect(record)
    time, slot, picture = box.children[:3]
    assert list(time.options) == [(str(t), t) for t in range(2, 6)] and [v for _, v in slot.options] == list(range(N))
    view = StepView(inspector._arrays(record, None))
    time.value, slot.value = 5, 4
    assert picture.value == view.png(5, 4)
    slot.value = 0
    assert picture.value == view.png(5, 0) != view.png(4, 0)


@pytest.mark.parametrize(
    "sizes",
    [
        dict(link="full", steps=1, inputs=1, outputs=1, slots=1, width=1, heads=1),
        dict(link="none", steps=2, inputs=1, outputs=1, slots=1, width=1, heads=3),
        dict(link="sparse", steps=70, inputs=90, outputs=70, slots=65, width=33, heads=4),
        dict(link="none", steps=801, inputs=3, outputs=1, slots=256, width=8, heads=1),
    ],
)
def test_any_size_is_drawn_without_a_warning(dnc, sizes):
    record = inspector.record(*dnc.run(batch=(), **sizes))
    last, slot = sizes["steps"] - 1, sizes["slots"] - 1
    for figure in (inspector.draw_strip(record), inspector.draw_step(record, last, slot)):
        assert len(to_png(figure, dpi=50)) > 3000
        assert 8 <= figure.get_figwidth() <= 10
    assert len(StepView(inspector._arrays(record, None)).png(0, slot)) > 3000


def test_a_few_numbers_in_a_large_memory_can_be_seen(dnc, titled):
    record = inspector.record(*dnc.run(batch=(), slots=65))
    record["memory"][:] = 0
    record["memory"][:, 3, 1] = 0.5
    ax = titled(inspector.draw_strip(record), "memory after")
    assert 0 < ax.images[0].norm.vmax <= 0.5


def test_an_empty_trace_of_zeros_is_drawn(dnc):
    record = {name: 0 * part for name, part in dnc.record().items()}
    assert len(to_png(inspector.draw_strip(record))) > 3000 and len(to_png(inspector.draw_step(record, 0, 0))) > 3000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda dnc: inspector.draw_step(dnc.record(), 7, 0), r"t is 7; this record has 0 \.\.\. 6"),
        (lambda dnc: inspector.draw_step(dnc.record(), -1, 0), r"t is -1"),
        (lambda dnc: inspector.draw_step(dnc.record(steps=(2, 6)), 1, 0), r"t is 1; this record has 2 \.\.\. 5"),
        (lambda dnc: inspector.draw_step(dnc.record(), 0, 5), r"slot is 5; this record has 0 \.\.\. 4"),
        (lambda dnc: inspector.draw_strip(dnc.record(), ["3"]), "labels has 1 entries, the record 7 steps"),
        (lambda dnc: inspector.draw_strip(dnc.record(), steps=(3, 3)), r"steps is \(3, 3\)"),
        (lambda dnc: dnc.record(steps=(0, 8)), r"steps is \(0, 8\); .* <= 7"),
        (lambda dnc: dnc.record(index=()), r"index is \(\), the trace has leading axes \(3,\)"),
        (lambda dnc: dnc.record(index=3), r"index is \(3,\)"),
        (lambda dnc: inspector.record(dnc.run()[0][:, 1:], *dnc.run()[1:], 0), r"inputs has shape \(3, 6, 6\)"),
    ],
)
def test_what_cannot_be_drawn_is_named(dnc, call, message):
    with pytest.raises(ValueError, match=message):
        call(dnc)


def test_pictures_are_the_same_whatever_style_the_reader_has_set(dnc, readers_style):
    record = dnc.record()

    def draw():
        strip, step = inspector.draw_strip(record, dnc.LABELS), inspector.draw_step(record, 3, 2, dnc.LABELS)
        return to_png(strip, dpi=50), to_png(step, dpi=50), inspector.inspect(record).children[2].value

    pictures = draw()
    with readers_style():
        assert draw() == pictures
