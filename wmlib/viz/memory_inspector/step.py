"""One step of a DNC's memory, drawn quickly: what `draw_step` and the sliders of `memory_inspector` show.

Reading guide. The constructor of `StepView` makes the figure with everything that can move; `show` moves it; `png` does so for
the screen, over a stored picture of what stands still.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.ticker import MaxNLocator
from PIL import Image

from wmlib.viz.figures import COLORS, styled
from wmlib.viz.memory_inspector.parts import (
    GATES,
    GLASS,
    INK,
    MARK,
    MODES,
    MOST_ROWS,
    SIGNED,
    heat,
    note_writes,
    strongest,
    time_axis,
)


class StepView:
    """The figure of `draw_step`, made once; another step moves its artists, far quicker than a new figure.

    Args:
        data: a record of every step with arrays in it, see `memory_inspector`.

    Raises:
        ValueError: the record has the memory at its ends only.

    Attributes:
        figure: shows the last step and slot 0 until `show` or `png` is called.
    """

    @styled
    def __init__(self, data: dict) -> None:
        self.data = data
        length, heads, _ = data["read"].shape
        if "link" not in data or len(data["memory"]) != length + 1:
            raise ValueError("record has no memory and link of every step; make it with every_step=True")
        self.figure = Figure(figsize=(9.6, 7.2), dpi=96)
        grid = self.figure.add_gridspec(3, 1, height_ratios=(1.5, 2.6, 0.9 + 0.1 * heads))
        widths = (0.5, 0.7, 2.4, *[0.7] * heads, 2.6)
        middle = grid[1].subgridspec(1, 4 + heads, width_ratios=widths).subplots(squeeze=False)[0]
        below = grid[2].subgridspec(1, 3, width_ratios=(3.2, 1.2, 1.6)).subplots(squeeze=False)[0]
        self.time = self.figure.add_subplot(grid[0])
        self._draw_time()
        self._draw_slots(middle)
        self._draw_content(below[0])
        self._draw_gates(below[1])
        self._draw_modes(below[2])
        self.show(data["start"] + length - 1, 0)
        self.figure.draw_without_rendering()  # lays the axes out
        self.figure.set_layout_engine("none")  # once is enough
        self._still: Any = None

    def _draw_time(self) -> None:
        """All writes and the strongest head's reads over time: where in the sequence are we?"""
        data, ax = self.data, self.time
        heat(ax, data["write"].T, INK["orange"], data["start"], high=data["write_top"])
        heat(ax, data["read"].max(1).T, GLASS, data["start"], high=data["read_top"])
        for weights in (data["write"], *data["read"].swapaxes(0, 1)):
            note_writes(ax, data, weights)
        ax.set_ylabel("slot")
        self.time_title = ax.set_title(" ")
        time_axis([ax], data)
        self.cursor = ax.axvspan(0, 1, **MARK)

    def _draw_slots(self, axes: Sequence[Axes]) -> None:
        """Usage, write, memory, reads and link side by side, a slot a row."""
        data = self.data
        _, heads, slots = data["read"].shape
        scale = 1.05 * max(0.05, data["write"].max(), data["read"].max())
        reads = ["read"] if heads == 1 else [f"read {i + 1}" for i in range(heads)]
        columns = [("usage", "grey", 1.05), ("write", "orange", scale), *((name, "blue", scale) for name in reads)]
        usage, write, memory, *rest = axes
        *read, link = rest
        self.bars: list[StepPatch] = []
        for ax, (name, color, width) in zip((usage, write, *read), columns, strict=True):
            edges = np.arange(slots + 1) - 0.5
            bar = ax.stairs(np.zeros(slots), edges, orientation="horizontal", fill=True, color=COLORS[color])
            ax.set(xlim=(0, width), ylim=(slots - 0.5, -0.5), title=name)
            ax.set_xticks([max(x for x in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if x < width)])
            ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
            ax.tick_params(labelleft=ax is usage)
            self.bars.append(bar)
        several = -(-slots // MOST_ROWS)
        usage.set_ylabel("slot" if several == 1 else f"slot (in heat maps: strongest of {several})")
        self.memory = heat(memory, data["memory"][0], SIGNED, 0, -data["scale"], data["scale"])
        memory.set(title="memory after this step", xlabel="number in the slot")
        memory.tick_params(labelleft=False)
        self.rows: list[Rectangle] = [ax.axhspan(0, 1, **MARK) for ax in (*axes[:-1], self.time)]
        self._draw_link(link)

    def _draw_link(self, ax: Axes) -> None:
        """Draw the order of writing, or say that there is none."""
        self.link: AxesImage | None = None
        if not self.data["link"].size:
            ax.set_axis_off()
            ax.text(0.5, 0.5, "no link:\nno order of writing\nis kept", ha="center", va="center", color=COLORS["grey"])
            return
        self.link = heat(ax, self.data["link"][0], INK["grey"], 0)
        ax.set(title="link: order of writing", xlabel="... right after this slot", ylabel="this slot was written ...")
        self.rows.append(ax.axhspan(0, 1, **MARK))
        self.column = ax.axvspan(0, 1, **MARK)

    def _draw_content(self, ax: Axes) -> None:
        """What the chosen slot holds, with an outline of what it held before the step."""
        memory = self.data["memory"]
        edges = np.arange(memory.shape[-1] + 1) - 0.5
        limit = 1.05 * (float(np.abs(memory).max()) or 1.0)
        zeros = np.zeros(len(edges) - 1)
        self.held = ax.stairs(zeros, edges, fill=True, color=COLORS["green"])
        self.held_before = ax.stairs(zeros, edges, color="#202124", linewidth=1.2)
        ax.set(xlim=(edges[0], edges[-1]), ylim=(-limit, limit), xlabel="number in the slot (line: before this step)")
        self.content_title = ax.set_title(" ", fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))

    def _draw_gates(self, ax: Axes) -> None:
        heads = self.data["read"].shape[1]
        names = ["write", "allocate", *(["free"] if heads == 1 else [f"free {i + 1}" for i in range(heads)])]
        edges = np.arange(len(names) + 1) - 0.5
        self.gates = ax.stairs(np.zeros(len(names)), edges, orientation="horizontal", fill=True, color=COLORS["gold"])
        ax.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), title="gates")
        ax.set_yticks(range(len(names)), names, fontsize=7)

    def _draw_modes(self, ax: Axes) -> None:
        """Draw the shares of each head's three modes, one after the other on a bar."""
        self.modes: list[StepPatch] = []
        if not self.data["read_modes"].size:
            ax.set_axis_off()
            return
        heads = self.data["read"].shape[1]
        zeros = np.zeros(heads)
        edges = np.arange(heads + 1) - 0.5
        for mode, color in zip(MODES, ("sky", "grey", "blue"), strict=True):
            bar = ax.stairs(zeros, edges, orientation="horizontal", fill=True, color=COLORS[color], label=mode)
            self.modes.append(bar)
        ax.set(xlim=(0, 1), ylim=(heads - 0.5, -0.5), title="read mode (shares)", xticks=[])
        ax.set_yticks(range(heads), [f"head {i + 1}" for i in range(heads)])
        ax.legend(loc="upper center", bbox_to_anchor=(0.45, 0.0), ncols=3, fontsize=8, handlelength=1, columnspacing=0.8)

    @styled
    def show(self, t: int, slot: int) -> Figure:
        """Move everything to one step and one slot; return the figure.

        Args:
            t: the step, in the numbers of the time axis.
            slot: 0 ... N - 1.

        Raises:
            ValueError: a step or a slot that the record does not have.
        """
        data = self.data
        start = data["start"]
        length, heads, slots = data["read"].shape
        check_range("t", t, start, start + length)
        check_range("slot", slot, 0, slots)
        i = t - start
        for bar, values in zip(self.bars, (data["usage"][i], data["write"][i], *data["read"][i]), strict=True):
            bar.set_data(values)
        self.memory.set_data(strongest(data["memory"][i + 1]))
        self.held.set_data(data["memory"][i + 1, slot])
        self.held_before.set_data(data["memory"][i, slot])
        self.gates.set_data(np.concatenate([np.atleast_1d(data[name][i]) for name in GATES]))
        base = np.zeros(heads)
        for bar, share in zip(self.modes, data["read_modes"][i].T, strict=False):
            bar.set_data(base + share, baseline=base)  # type: ignore[arg-type]  # an array is allowed too
            base = base + share
        for mark in self.rows:
            mark.set_y(slot - 0.5)
        self.cursor.set_x(t - 0.5)
        if self.link is not None:
            self.link.set_data(strongest(data["link"][i]))
            self.column.set_x(slot - 0.5)
        label = f", input {data['labels'][i]}" if data["labels"] and data["labels"][i] else ""
        self.time_title.set_text(f"step {t}{label} (orange: where it writes, blue: where it reads)")
        self.content_title.set_text(f"slot {slot}" + self._order(i, slot))
        return self.figure

    @styled
    def png(self, t: int, slot: int) -> bytes:
        """Return the picture for the screen: only what moves is drawn, over a copy of what stands still.

        Args:
            t, slot: as for `show`.

        Raises:
            ValueError: as for `show`.
        """
        self.show(t, slot)
        moving = self._moving()
        if self._still is None:
            self.canvas = FigureCanvasAgg(self.figure)
            for artist in moving:
                artist.set_visible(False)
            self.canvas.draw()
            for artist in moving:
                artist.set_visible(True)
            self._still = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._still)
        renderer = self.canvas.get_renderer()
        for artist in moving:
            artist.draw(renderer)
        buffer = io.BytesIO()
        picture = Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3])
        picture.save(buffer, format="png", compress_level=1)  # quick
        return buffer.getvalue()

    def _moving(self) -> list[Artist]:
        """Return what `show` moves, in the order in which it is drawn."""
        artists: list[Artist] = [*self.bars, self.memory, self.held, self.held_before, self.gates, *self.modes]
        artists += [self.time_title, self.content_title]
        if self.link is not None:
            artists += [self.link, self.column]
        return [*artists, *self.rows, self.cursor]

    def _order(self, i: int, slot: int) -> str:
        """Put into words what the link knows of a slot."""
        if self.link is None:
            return ""
        link = self.data["link"][i]
        clauses = []
        for word, row in (("after", link[slot]), ("before", link[:, slot])):
            if row.max() >= 0.2:
                clauses.append(f"{word} slot {row.argmax()}")
        return f", written {' and '.join(clauses)}" if clauses else ""


def check_range(name: str, value: int, low: int, end: int) -> None:
    """Raise a `ValueError` that names the value and the range unless low <= value < end."""
    if not low <= value < end:
        raise ValueError(f"{name} is {value}; this record has {low} ... {end - 1}, choose one of them")
