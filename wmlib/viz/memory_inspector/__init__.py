"""A view into the memory of a DNC: what it wrote where, what it read, and how it found it, from a stored trace.

Reading guide. `record` turns one sequence and its `Trace` into a plain dict of rounded arrays, to be kept in the cache or in
results.json. `draw_strip` draws all of it over time; `draw_step` one moment of it, and `inspect` puts sliders above that.

Axes: T steps, N slots, W numbers in a slot, R read heads, D and Y numbers in an input and an output. In every picture a slot is
a row, writing is orange and reading is blue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wmlib.models.dnc.memory import Trace
from wmlib.viz.figures import new_figure, styled
from wmlib.viz.memory_inspector import parts
from wmlib.viz.memory_inspector.parts import GATES, GLASS, INK, MODES, SIGNED, heat
from wmlib.viz.memory_inspector.step import StepView
from wmlib.viz.widgets import explore


def record(
    inputs: Any,
    outputs: Any,
    trace: Trace,
    index: int | tuple[int, ...] = (),
    *,
    steps: tuple[int, int] | None = None,
    before: Any = None,
    every_step: bool = True,
) -> dict:
    """Keep what the pictures of one sequence need.

    Args:
        inputs: float (..., T, D), tensor or array.
        outputs: float (..., T, Y), what the picture shall show (for bits: after the sigmoid).
        trace: of the same call.
        index: which sequence, one number for each leading axis; () where there is none.
        steps: (first, end) of the steps to keep, end not included; None keeps all.
        before: float (..., N, W), the memory with which the call started; None, an empty one.
        every_step: False keeps the memory at both ends only, and no link: enough for `draw_strip`, and small enough for
            results.json.

    Returns:
        start (int, number of the first step kept) and float32 arrays: inputs (T, D), outputs (T, Y), write (T, N),
        read (T, R, N), usage (T, N), free_gates (T, R), allocation_gate (T,), write_gate (T,), read_modes (T, R, 3) or
        without a link (T, R, 0), memory (T + 1, N, W), before the first step and after each, link (T, N, N) or (T, 0, 0).
        With `every_step=False`, memory (2, N, W) and no link. Inputs, outputs and memory keep 4 digits of their largest
        number, the others 3 decimals.

    Raises:
        ValueError: an index that does not choose one sequence, unlike lengths, steps outside the sequence.

    Source: ours.
    """
    index = index if isinstance(index, tuple) else (index,)
    *leading, length = trace.write_gate.shape
    if len(index) != len(leading) or not all(-n <= i < n for i, n in zip(index, leading, strict=True)):
        raise ValueError(f"index is {index}, the trace has leading axes {tuple(leading)}; give one number in range for each")
    first, end = _checked_steps(steps, 0, length)
    sources = {"inputs": inputs, "outputs": outputs, **trace._asdict()}
    for name in ("inputs", "outputs"):
        shape = tuple(sources[name].shape)
        if shape[:-1] != (*leading, length):
            raise ValueError(f"{name} has shape {shape}; with this trace it must be {(*leading, length)} + width")
    del sources["allocation"]  # no picture shows it
    arrays = {name: _numpy(part[index][first:end]) for name, part in sources.items()}
    if first:
        memory_before = _numpy(trace.memory[index][first - 1])
    else:
        memory_before = np.zeros_like(arrays["memory"][0]) if before is None else _numpy(before[index])
    arrays["memory"] = np.concatenate([memory_before[None], arrays["memory"]])
    if not every_step:
        arrays["memory"] = arrays["memory"][[0, -1]]
        del arrays["link"]
    for name, part in arrays.items():
        arrays[name] = _rounded(part) if name in ("inputs", "outputs", "memory") else part.round(3)
    return arrays | {"start": first}


@styled
def draw_strip(record: Mapping, labels: Sequence[str] | None = None, steps: tuple[int, int] | None = None) -> Figure:
    """Draw a sequence over time: what came in and out, where it wrote and read, and the memory before and after.

    Args:
        record: made by `record`; lists, as read from results.json, will do.
        labels: what each input of the record means, for example ["3", "1", "?"]; "" where nothing shall stand.
        steps: (first, end) of the steps to draw, in the numbers of the time axis; None draws all. With more than 400 steps
            or 64 slots, a cell of a heat map shows the strongest of several, and the axis says of how many.

    Raises:
        ValueError: labels or steps that do not fit the record; steps of a record made with `every_step=False`.

    Source: ours.
    """
    data = _window(_arrays(record, labels), steps)
    _, heads, slots = data["read"].shape
    tall = float(np.clip(0.105 * slots, 0.8, 1.8 if heads < 3 else 1.2))
    series = [parts.series_height(data[name]) for name in ("inputs", "outputs")]
    rows_of_few = [0.16 * part.shape[1] for part in (_gates(data), _modes(data)) if part.size]
    heights = [*series, *[tall] * (1 + heads), max(0.7, 0.6 * tall), *rows_of_few]
    size = (9.6, sum(heights) + 0.3 * len(heights) + 0.6)
    figure, axes = new_figure(*size, len(heights), 2, height_ratios=heights, width_ratios=(4.8, 1))
    _draw_rows(list(axes[:, 0]), data)
    for ax in axes[:, 1]:
        ax.set_axis_off()
    for ax, which, title in ((axes[2, 1], 0, "memory before"), (axes[3, 1], -1, "memory after")):
        ax.set_axis_on()
        heat(ax, data["memory"][which], SIGNED, 0, -data["scale"], data["scale"])
        ax.set(title=title, xticks=[], yticks=[])
    parts.key(axes[3 + heads, 1], data["scale"], data["write_top"], data["read_top"])
    return figure


def _gates(data: dict) -> np.ndarray:
    """Return all gates, (T, 2 + R)."""
    return np.column_stack([data[name] for name in GATES])


def _modes(data: dict) -> np.ndarray:
    """Return the read modes of all heads, (T, 3R), or (T, 0) without a link."""
    return data["read_modes"].reshape(len(data["read_modes"]), -1)


def _draw_rows(axes: Sequence[Axes], data: dict) -> None:
    """Draw the rows of `draw_strip` that share the time axis."""
    start = data["start"]
    _, heads, slots = data["read"].shape
    number = [f" {i + 1}" if heads > 1 else "" for i in range(heads)]
    inputs, outputs, write, *rest = axes
    parts.series(inputs, "input", data["inputs"], start)
    parts.series(outputs, "output", data["outputs"], start)
    heat(write, data["write"].T, INK["orange"], start, high=data["write_top"])
    parts.note_writes(write, data, data["write"])
    write.set_title("write weighting: where it writes")
    for i in range(heads):
        _draw_reads(rest[i], data, i, f"read weighting{number[i]}")
    usage, gates, *modes = rest[heads:]
    heat(usage, data["usage"].T, INK["grey"], start)
    usage.set_title("usage: which slots are taken")
    several = -(-slots // parts.MOST_ROWS)
    for ax in axes[2 : 4 + heads]:
        ax.set_ylabel("slot" if several == 1 else f"slot\n(strongest of {several})", fontsize=10 if several == 1 else 7)
    names = ["write", "allocate", *(f"free{n}" for n in number)]
    title = "gates: does it write? to a free slot (allocate)? does it free what it read?"
    parts.named(gates, _gates(data), names, start, title)
    if modes:
        names = [mode + n for n in number for mode in MODES]
        title = "read mode: by content, or the slot written before or after the last one read"
        parts.named(modes[0], _modes(data), names, start, title)
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    parts.time_axis(axes, data)


def _draw_reads(ax: Axes, data: dict, head: int, title: str) -> None:
    """Draw where one head reads, over the writes in pale."""
    heat(ax, data["write"].T, INK["orange"], data["start"], high=data["write_top"]).set_alpha(0.35)
    heat(ax, data["read"][:, head].T, GLASS, data["start"], high=data["read_top"])
    noted = parts.note_writes(ax, data, data["read"][:, head])
    note = f"pale: writes; {'label' if data['labels'] else 'number'}: the step that wrote it" if noted else "pale: writes"
    ax.set_title(f"{title}: where it reads ({note})")


@styled
def draw_step(record: Mapping, t: int, slot: int, labels: Sequence[str] | None = None) -> Figure:
    """Draw one step: the weightings beside the memory after it, the link, the gates, and what the chosen slot holds.

    Args:
        record: made by `record` with `every_step=True`.
        t: the step, in the numbers of the time axis.
        slot: the slot whose content is shown, 0 ... N - 1.
        labels: as in `draw_strip`.

    Raises:
        ValueError: a step or a slot that the record does not have, a record without every step.

    Source: ours.
    """
    return StepView(_arrays(record, labels)).show(t, slot)


def inspect(record: Mapping, labels: Sequence[str] | None = None) -> Any:
    """Return a widget: sliders for step and slot above the picture of `draw_step`, redrawn in a fraction of its time.

    Args:
        record: made by `record` with `every_step=True`.
        labels: as in `draw_strip`.

    Raises:
        ValueError: as in `draw_step`.

    Source: ours.

    Show `draw_strip` or `draw_step` as a saved figure first: an exported page has no sliders.
    """
    view = StepView(_arrays(record, labels))
    start = view.data["start"]
    length, _, slots = view.data["read"].shape
    return explore(
        view.png,
        "Orange: where it writes, blue: where it reads at this step, beside the memory after it. A slot is a row.",
        t=("step", list(range(start, start + length)), start + length // 2),
        slot=("slot", list(range(slots)), int(view.data["write"].max(0).argmax())),
    )


def _numpy(part: Any) -> np.ndarray:
    return np.asarray(part.detach().cpu() if hasattr(part, "detach") else part, dtype=np.float32)


def _rounded(part: np.ndarray) -> np.ndarray:
    """Keep 4 digits of the largest number."""
    largest = np.abs(part).max(initial=0.0)
    return part.round(3 - int(np.floor(np.log10(largest)))) if largest > 0 else part


def _checked_steps(steps: tuple[int, int] | None, start: int, end: int) -> tuple[int, int]:
    first, last = (start, end) if steps is None else steps
    if not start <= first < last <= end:
        raise ValueError(f"steps is {steps}; it must be (first, end) with {start} <= first < end <= {end}")
    return first, last


def _arrays(record: Mapping, labels: Sequence[str] | None) -> dict:
    """Return the record with arrays in it (results.json has lists), and what several pictures need besides.

    These are: labels (T or 0), names of the steps (T), writer (T, N): which step wrote this slot last, -1 for none, and the
    numbers with full colour: scale of the memory, write_top and read_top of the weightings.
    """
    data = {name: part if name == "start" else np.asarray(part, np.float32) for name, part in record.items()}
    length = len(data["inputs"])
    if labels is not None and len(labels) != length:
        raise ValueError(f"labels has {len(labels)} entries, the record {length} steps; give one for each, '' for none")
    strong = np.where(data["write"] >= 0.5, np.arange(len(data["write"]))[:, None], -1)
    size = np.abs(data["memory"][-1])
    return data | {
        "labels": list(labels or []),
        "names": labels or [str(data["start"] + i) for i in range(len(strong))],
        "writer": np.maximum.accumulate(strong, 0),
        # a few large numbers do not set the colours alone
        "scale": float(max(np.quantile(size, 0.98), size.max() / 4)) or 1.0,
        "write_top": _top(data["write"]),
        "read_top": _top(data["read"]),
    }


def _top(weightings: np.ndarray) -> float:
    """Return the weight with full colour: 1, or where all slots share, a small one."""
    most = float(weightings.max(initial=0))
    return 1.0 if most > 0.3 else max(float(np.ceil(20 * most) / 20), 0.05)


def _window(data: dict, steps: tuple[int, int] | None) -> dict:
    """Return some steps of a record."""
    start = data["start"]
    length = len(data["inputs"])
    first, end = (step - start for step in _checked_steps(steps, start, start + length))
    if end - first == length:
        return data
    if len(data["memory"]) != length + 1:
        raise ValueError(f"steps is {steps}, but the record has the memory at its ends only; give steps to `record` instead")
    names = ("inputs", "outputs", "write", "read", "usage", *GATES, "read_modes", "labels", "writer")
    cut = {name: data[name][first:end] for name in names}
    return data | cut | {"memory": data["memory"][first : end + 1], "start": start + first}
