"""One step of a DNC's memory, drawn quickly: what `draw_step` and the sliders of `memory_inspector` show.

Reading guide. The constructor of `StepView` makes the figure with everything that can move; `show` moves it; `png` does so for
the screen, over a stored picture of what stands still.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from wmlib.viz.figures import COLORS
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
    """The figure of `draw_step`, made once; another step moves its artists, far quicker than a new figure."""

    def __init__(self, r: dict):
        self.r = r
        length, heads, _ = r["read"].shape
        if "link" not in r or len(r["memory"]) != length + 1:
            raise ValueError("record has no memory and link of every step; make it with every_step=True")
        self.figure = Figure(figsize=(9.6, 7.2), dpi=96)
        grid = self.figure.add_gridspec(3, 1, height_ratios=(1.5, 2.6, 0.9 + 0.1 * heads))
        middle = grid[1].subgridspec(1, 4 + heads, width_ratios=(0.5, 0.7, 2.4, *[0.7] * heads, 2.6)).subplots()
        below = grid[2].subgridspec(1, 3, width_ratios=(3.2, 1.2, 1.6)).subplots()
        self.time = self.figure.add_subplot(grid[0])
        self._draw_time()
        self._draw_slots(middle)
        self._draw_content(below[0])
        self._draw_gates(below[1], below[2])
        self.show(r["start"] + length - 1, 0)
        self.figure.draw_without_rendering()  # lays the axes out
        self.figure.set_layout_engine("none")  # once is enough
        self._still = None

    def _draw_time(self) -> None:
        """All writes and the strongest head's reads over time: where in the sequence are we?"""
        r, ax = self.r, self.time
        heat(ax, r["write"].T, INK["orange"], r["start"], high=r["top"])
        heat(ax, r["read"].max(1).T, GLASS, r["start"], high=r["top"])
        for weights in (r["write"], *r["read"].swapaxes(0, 1)):
            note_writes(ax, r, weights)
        ax.set_ylabel("slot")
        self.time_title = ax.set_title(" ")
        time_axis([ax], r)
        self.cursor = ax.axvspan(0, 1, **MARK)

    def _draw_slots(self, axes: Sequence[Axes]) -> None:
        """Usage, write, memory, reads and link side by side, a slot a row."""
        r, (_, heads, slots) = self.r, self.r["read"].shape
        scale = 1.05 * max(0.05, r["write"].max(), r["read"].max())
        names = ["usage", "write", "", *(["read"] if heads == 1 else [f"read {i + 1}" for i in range(heads)])]
        colors, widths = ["grey", "orange", "", *["blue"] * heads], [1.05, scale, 0, *[scale] * heads]
        self.bars = []
        for i, ax in enumerate(axes[:-1]):
            if i != 2:
                edges = np.arange(slots + 1) - 0.5
                bar = ax.stairs(np.zeros(slots), edges, orientation="horizontal", fill=True, color=COLORS[colors[i]])
                ax.set(xlim=(0, widths[i]), ylim=(slots - 0.5, -0.5), title=names[i])
                ax.set_xticks([max(x for x in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if x < widths[i])])
                ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
                ax.tick_params(labelleft=i == 0)
                self.bars.append(bar)
        several = -(-slots // MOST_ROWS)
        axes[0].set_ylabel("slot" if several == 1 else f"slot (in heat maps: strongest of {several})")
        self.memory = heat(axes[2], r["memory"][0], SIGNED, 0, -r["scale"], r["scale"])
        axes[2].set(title="memory after this step", xlabel="number in the slot")
        axes[2].tick_params(labelleft=False)
        self.rows = [ax.axhspan(0, 1, **MARK) for ax in (*axes[:-1], self.time)]
        self.link = None
        if r["link"].size:
            self.link = heat(axes[-1], r["link"][0], INK["grey"], 0)
            axes[-1].set(title="link: order of writing", xlabel="... right after this slot", ylabel="this slot was written ...")
            self.rows.append(axes[-1].axhspan(0, 1, **MARK))
            self.column = axes[-1].axvspan(0, 1, **MARK)
        else:
            axes[-1].set_axis_off()
            axes[-1].text(0.5, 0.5, "no link:\nno order of writing\nis kept", ha="center", va="center", color=COLORS["grey"])

    def _draw_content(self, ax: Axes) -> None:
        """What the chosen slot holds, with an outline of what it held before the step."""
        edges, limit = np.arange(self.r["memory"].shape[-1] + 1) - 0.5, 1.05 * (float(np.abs(self.r["memory"]).max()) or 1.0)
        zeros = np.zeros(len(edges) - 1)
        self.held = ax.stairs(zeros, edges, fill=True, color=COLORS["green"])
        self.held_before = ax.stairs(zeros, edges, color="#202124", linewidth=1.2)
        ax.set(xlim=(edges[0], edges[-1]), ylim=(-limit, limit), xlabel="number in the slot (line: before this step)")
        self.content_title = ax.set_title(" ", fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))

    def _draw_gates(self, gates: Axes, modes: Axes) -> None:
        heads = self.r["read"].shape[1]
        names = ["write", "allocate", *(["free"] if heads == 1 else [f"free {i + 1}" for i in range(heads)])]
        edges = np.arange(len(names) + 1) - 0.5
        self.gates = gates.stairs(np.zeros(len(names)), edges, orientation="horizontal", fill=True, color=COLORS["gold"])
        gates.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), title="gates")
        gates.set_yticks(range(len(names)), names, fontsize=7)
        self.modes = []
        if not self.r["read_modes"].size:
            modes.set_axis_off()
            return
        edges = np.arange(heads + 1) - 0.5
        for mode, color in zip(MODES, ("sky", "grey", "blue"), strict=True):
            self.modes.append(
                modes.stairs(np.zeros(heads), edges, orientation="horizontal", fill=True, color=COLORS[color], label=mode)
            )
        modes.set(xlim=(0, 1), ylim=(heads - 0.5, -0.5), title="read mode (shares)", xticks=[])
        modes.set_yticks(range(heads), [f"head {i + 1}" for i in range(heads)])
        modes.legend(loc="upper center", bbox_to_anchor=(0.45, 0.0), ncols=3, fontsize=8, handlelength=1, columnspacing=0.8)

    def show(self, t: int, slot: int) -> Figure:
        """Move everything to step t and the chosen slot; return the figure."""
        r, (length, _, slots) = self.r, self.r["read"].shape
        start = r["start"]
        in_range("t", t, start, start + length)
        in_range("slot", slot, 0, slots)
        i = t - start
        for bar, values in zip(self.bars, (r["usage"][i], r["write"][i], *r["read"][i]), strict=True):
            bar.set_data(values)
        self.memory.set_data(strongest(r["memory"][i + 1]))
        self.held.set_data(r["memory"][i + 1, slot])
        self.held_before.set_data(r["memory"][i, slot])
        self.gates.set_data(np.concatenate([np.atleast_1d(r[name][i]) for name in GATES]))
        base = np.zeros(r["read"].shape[1])
        for artist, share in zip(self.modes, r["read_modes"][i].T, strict=False):
            artist.set_data(base + share, baseline=base)
            base = base + share
        for mark in self.rows:
            mark.set_y(slot - 0.5)
        self.cursor.set_x(t - 0.5)
        if self.link is not None:
            self.link.set_data(strongest(r["link"][i]))
            self.column.set_x(slot - 0.5)
        label = f", input {r['labels'][i]}" if r["labels"] and r["labels"][i] else ""
        self.time_title.set_text(f"step {t}{label} (orange: where it writes, blue: where it reads)")
        self.content_title.set_text(f"slot {slot}" + self._order(i, slot))
        return self.figure

    def png(self, t: int, slot: int) -> bytes:
        """Return the picture for the screen: only what moves is drawn, over a copy of what stands still."""
        self.show(t, slot)
        moving = [*self.bars, self.memory, self.held, self.held_before, self.gates, *self.modes]
        moving += [self.time_title, self.content_title]
        moving += [] if self.link is None else [self.link, self.column]
        moving += [*self.rows, self.cursor]
        if self._still is None:
            self.canvas = FigureCanvasAgg(self.figure)
            for artist in moving:
                artist.set_visible(False)
            self.canvas.draw()
            for artist in moving:
                artist.set_visible(True)
            self._still = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._still)
        for artist in moving:
            artist.axes.draw_artist(artist)
        buffer = io.BytesIO()
        picture = Image.fromarray(np.asarray(self.canvas.buffer_rgba())[..., :3])
        picture.save(buffer, format="png", compress_level=1)  # quick
        return buffer.getvalue()

    def _order(self, i: int, slot: int) -> str:
        """Say in words what the link knows of a slot."""
        if self.link is None:
            return ""
        link, said = self.r["link"][i], []
        for word, row in (("after", link[slot]), ("before", link[:, slot])):
            if row.max() >= 0.2:
                said.append(f"{word} slot {row.argmax()}")
        return f", written {' and '.join(said)}" if said else ""


def in_range(name: str, value: int, low: int, end: int) -> None:
    if not low <= value < end:
        raise ValueError(f"{name} is {value}; this record has {low} ... {end - 1}, choose one of them")
