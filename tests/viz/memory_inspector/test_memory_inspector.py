import json
import warnings

import numpy as np
import pytest
import torch

from wmlib.experiment import checkpoint
from wmlib.experiment.results import plain
from wmlib.models.dnc import DNC
from wmlib.viz import memory_inspector as inspector
from wmlib.viz.memory_inspector import parts as memory_parts
from wmlib.viz.figures import to_png
from wmlib.viz.memory_inspector.step import StepView

B, T, D, Y, N, W, R = 3, 7, 6, 2, 5, 4, 2
LABELS = ["3", "1", "", "4", "?", "", ""]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def run(link="full", batch=(B,), steps=T, inputs=D, outputs=Y, slots=N, width=W, heads=R):
    generator = torch.Generator().manual_seed(1)
    dnc = DNC(inputs, 8, slots, width, heads, outputs, generator=generator, link=link)
    x = torch.randn(*batch, steps, inputs, generator=generator)
    y, _, trace = dnc(x, trace=True)
    return x, y, trace


def made(link="full", index=1, **options):
    return inspector.record(*run(link), index, **options)


def images(ax):
    return [np.asarray(image.get_array()) for image in ax.images]


def titled(figure, start):
    return next(ax for ax in figure.axes if ax.get_title(loc="left").startswith(start))


def same(figure, other):
    """Both show the same cells."""
    for a, b in zip(figure.axes, other.axes, strict=True):
        for x, y in zip(images(a), images(b), strict=True):
            np.testing.assert_array_equal(x, y)


def writes_then_reads(steps=8):
    """A record made by hand: slots 2, 0, 3, 1 are written, then read in the same order."""
    order = [2, 0, 3, 1]
    record = {
        name: part.copy() for name, part in inspector.record(*run(batch=(), steps=steps, heads=1)).items() if name != "start"
    }
    record["write"][:], record["read"][:] = 0, 0
    for t, slot in enumerate(order):
        record["write"][t, slot] = record["read"][t + 4, 0, slot] = 1
    return record | {"start": 0}


@pytest.mark.parametrize("link", ["full", "sparse", "none"])
def test_a_record_has_every_part_of_one_sequence(link):
    x, y, trace = run(link)
    record = inspector.record(x, y, trace, 1)
    links, modes = (0, 0) if link == "none" else (N, 3)
    assert {name: part.shape for name, part in record.items() if name != "start"} == {
        "inputs": (T, D), "outputs": (T, Y), "write": (T, N), "read": (T, R, N), "usage": (T, N), "free_gates": (T, R),
        "allocation_gate": (T,), "write_gate": (T,), "read_modes": (T, R, modes), "link": (T, links, links),
        "memory": (T + 1, N, W),
    }  # fmt: skip
    for name in ("write", "read", "usage", "free_gates", "write_gate", "read_modes", "link"):
        np.testing.assert_allclose(record[name], getattr(trace, name)[1], atol=0.00051)
    np.testing.assert_allclose(record["memory"][1:], trace.memory[1], atol=0.001 * trace.memory[1].abs().max().item())
    assert (record["memory"][0] == 0).all() and all(part.dtype == np.float32 for part in list(record.values())[:-1])


def test_a_record_of_some_steps_starts_with_the_memory_before_them():
    whole, some = made(), made(steps=(2, 6))
    assert some["start"] == 2 and len(some["inputs"]) == 4
    np.testing.assert_allclose(some["memory"], whole["memory"][2:7], atol=0.001 * np.abs(whole["memory"]).max())
    x, y, trace = run()
    before = torch.ones(B, N, W) * torch.arange(1.0, B + 1).reshape(B, 1, 1)
    assert (inspector.record(x, y, trace, 2, before=before)["memory"][0] == 3).all()


def test_a_small_record_keeps_both_ends_of_the_memory():
    whole, small = made(), made(every_step=False)
    assert "link" not in small and small["memory"].shape == (2, N, W)
    np.testing.assert_array_equal(small["memory"], whole["memory"][[0, -1]])
    same(inspector.draw_strip(small), inspector.draw_strip(whole))
    with pytest.raises(ValueError, match="every_step=True"):
        inspector.draw_step(small, 0, 0)
    with pytest.raises(ValueError, match="ends only"):
        inspector.draw_strip(small, steps=(1, 3))


@pytest.mark.parametrize("link", ["full", "none"])
def test_results_json_and_the_cache_give_the_same_pictures(link, tmp_path):
    record = made(link)
    checkpoint.save(tmp_path / "record", record)
    for stored in (json.loads(json.dumps(plain(record))), checkpoint.load(tmp_path / "record")):
        for a, b in (
            (inspector.draw_strip(stored), inspector.draw_strip(record)),
            (inspector.draw_step(stored, 3, 2), inspector.draw_step(record, 3, 2)),
        ):
            same(a, b)
    assert all(len(str(number)) <= 8 for number in plain(record)["write"][3])  # rounding keeps the file small


def test_the_strip_draws_the_record_slots_down_and_time_across():
    record = made()
    figure = inspector.draw_strip(record, LABELS)
    gates = np.column_stack([record["write_gate"], record["allocation_gate"], record["free_gates"]])
    expected = {
        "input": [record["inputs"].T], "output": [record["outputs"].T],
        "write weighting": [record["write"].T],
        "read weighting 1": [record["write"].T, record["read"][:, 0].T],
        "read weighting 2": [record["write"].T, record["read"][:, 1].T],
        "usage": [record["usage"].T], "gates": [gates.T], "read mode": [record["read_modes"].reshape(T, 3 * R).T],
        "memory before": [record["memory"][0]], "memory after": [record["memory"][-1]],
    }  # fmt: skip
    for title, arrays in expected.items():
        ax = titled(figure, title)
        shown = images(ax)
        assert len(shown) == len(arrays)
        for a, b in zip(shown, arrays, strict=True):
            np.testing.assert_array_equal(a, b)
        if not title.startswith("memory"):
            assert ax.get_xlim() == (-0.5, T - 0.5)
        assert ax.get_ylim() == (len(arrays[0]) - 0.5, -0.5)  # the first row is at the top
        assert tuple(ax.images[0].get_extent()) == (-0.5, arrays[0].shape[1] - 0.5, len(arrays[0]) - 0.5, -0.5)
    names = [label.get_text() for label in titled(figure, "gates").get_yticklabels()]
    assert names == ["write", "allocate", "free 1", "free 2"]
    names = [label.get_text() for label in titled(figure, "read mode").get_yticklabels()]
    assert names == ["backward 1", "content 1", "forward 1", "backward 2", "content 2", "forward 2"]
    assert [text.get_text() for text in titled(figure, "input").texts] == LABELS


def test_one_number_a_step_is_a_line():
    record = inspector.record(*run(outputs=1), 0)
    line = titled(inspector.draw_strip(record), "output").lines[0]
    np.testing.assert_array_equal(line.get_ydata(), record["outputs"][:, 0])
    np.testing.assert_array_equal(line.get_xdata(), np.arange(T))


def test_a_window_of_steps_keeps_their_numbers():
    record = made()
    figure = inspector.draw_strip(record, LABELS, steps=(2, 6))
    np.testing.assert_array_equal(images(titled(figure, "write"))[0], record["write"][2:6].T)
    np.testing.assert_array_equal(images(titled(figure, "memory before"))[0], record["memory"][2])
    np.testing.assert_array_equal(images(titled(figure, "memory after"))[0], record["memory"][6])
    assert titled(figure, "usage").get_xlim() == (1.5, 5.5)
    assert [text.get_text() for text in titled(figure, "input").texts] == LABELS[2:6]


def test_a_read_names_the_step_that_wrote():
    record = writes_then_reads()
    for labels, names in ((None, ["0", "1", "2", "3"]), (list("abcd????"), list("abcd"))):
        figure = inspector.draw_strip(record, labels)
        assert [text.get_text() for text in titled(figure, "write weighting").texts] == names
        reads = titled(figure, "read weighting").texts
        assert [text.get_text() for text in reads] == names
        assert [text.get_position()[0] for text in reads] == [4, 5, 6, 7]
    figure = inspector.draw_strip(record, steps=(4, 8))  # the writes are outside the window, but known
    assert [text.get_text() for text in titled(figure, "read weighting").texts] == ["0", "1", "2", "3"]


def test_a_heat_map_with_too_many_cells_shows_the_strongest():
    cells = np.zeros((130, 801), np.float32)  # blocks of 3 x 3
    cells[129, 800], cells[3, 4], cells[4, 4] = -2, 1, 0.5
    shown = memory_parts.strongest(cells)
    assert shown.shape == (44, 267) and shown[43, 266] == -2 and shown[1, 1] == 1 and np.count_nonzero(shown) == 2
    np.testing.assert_array_equal(memory_parts.strongest(cells[66:, 401:]), cells[66:, 401:])  # 64 x 400 fit


def test_a_step_draws_the_record():
    record = made()
    view = StepView(inspector._arrays(record, LABELS))
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


def test_the_link_is_put_into_words():
    record = writes_then_reads()
    record["link"][:] = 0
    record["link"][:, 0, 2], record["link"][:, 3, 0] = 0.9, 0.8  # 0 after 2, 3 after 0
    figure = inspector.draw_step(record, 5, 0)
    assert titled(figure, "slot 0, written after slot 2 and before slot 3")


def test_the_quick_picture_is_the_slow_one_and_forgets_the_last():
    view = StepView(inspector._arrays(made(), LABELS))
    first = view.png(2, 1)
    assert view.png(5, 3) != first and view.png(2, 1) == first
    assert StepView(inspector._arrays(made(), LABELS)).png(2, 1) == first


def test_the_sliders_move_step_and_slot():
    record = made(steps=(2, 6))
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
def test_any_size_is_drawn_without_a_warning(sizes):
    record = inspector.record(*run(batch=(), **sizes))
    last, slot = sizes["steps"] - 1, sizes["slots"] - 1
    for figure in (inspector.draw_strip(record), inspector.draw_step(record, last, slot)):
        assert len(to_png(figure, dpi=50)) > 3000
        assert 8 <= figure.get_figwidth() <= 10
    assert len(StepView(inspector._arrays(record, None)).png(0, slot)) > 3000


def test_a_few_numbers_in_a_large_memory_can_be_seen():
    record = inspector.record(*run(batch=(), slots=65))
    record["memory"][:] = 0
    record["memory"][:, 3, 1] = 0.5
    ax = titled(inspector.draw_strip(record), "memory after")
    assert 0 < ax.images[0].norm.vmax <= 0.5


def test_an_empty_trace_of_zeros_is_drawn():
    record = {name: 0 * part for name, part in made().items()}
    assert len(to_png(inspector.draw_strip(record))) > 3000 and len(to_png(inspector.draw_step(record, 0, 0))) > 3000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inspector.draw_step(made(), 7, 0), r"t is 7; this record has 0 \.\.\. 6"),
        (lambda: inspector.draw_step(made(), -1, 0), r"t is -1"),
        (lambda: inspector.draw_step(made(steps=(2, 6)), 1, 0), r"t is 1; this record has 2 \.\.\. 5"),
        (lambda: inspector.draw_step(made(), 0, 5), r"slot is 5; this record has 0 \.\.\. 4"),
        (lambda: inspector.draw_strip(made(), ["3"]), "labels has 1 entries, the record 7 steps"),
        (lambda: inspector.draw_strip(made(), steps=(3, 3)), r"steps is \(3, 3\)"),
        (lambda: made(steps=(0, 8)), r"steps is \(0, 8\); .* <= 7"),
        (lambda: made(index=()), r"index is \(\), the trace has leading axes \(3,\)"),
        (lambda: made(index=3), r"index is \(3,\)"),
        (lambda: inspector.record(run()[0][:, 1:], *run()[1:], 0), r"inputs has shape \(3, 6, 6\)"),
    ],
)
def test_what_cannot_be_drawn_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
