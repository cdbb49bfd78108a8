"""The parts that the pictures of a DNC's memory are made of: heat maps on one time axis, and their colours.

Reading guide. `heat` draws every heat map; `strongest` thins out one that has more cells than can be seen. `data` is a record
of `memory_inspector` with arrays in it, and `labels`, `names`, `writer`, `scale`, `write_top` and `read_top` besides. The
functions draw on axes that they are given; whoever makes the figure sets the style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from wmlib.viz.figures import COLORS

MOST_ROWS, MOST_COLUMNS = 64, 400  # a heat map of more cells is finer than a page or a screen shows
MOST_STEPS = 60  # up to so many steps, each one has room for a dot, a line beside it and a name
GATES = ("write_gate", "allocation_gate", "free_gates")
MODES = ("backward", "content", "forward")


def _ramp(name: str, glass: bool = False) -> LinearSegmentedColormap:
    """White (or clear) to a colour, half of the way at 0.3: weak weights can be seen too, and 0 and 1 keep their meaning."""
    zero = (*to_rgba(COLORS[name])[:3], 0) if glass else to_rgba("white")
    half = tuple((a + b) / 2 for a, b in zip(zero, to_rgba(COLORS[name]), strict=True))
    return LinearSegmentedColormap.from_list(name, [(0, zero), (0.3, half), (1, COLORS[name])])


INK = {name: _ramp(name) for name in ("orange", "blue", "grey")}
GLASS = _ramp("blue", glass=True)  # lets writes shine through
SIGNED = LinearSegmentedColormap.from_list("signed", ["#762A83", "white", "#1B7837"])  # purple, green: safe, and not yet used
MARK: dict[str, Any] = {"facecolor": "none", "edgecolor": COLORS["pink"], "linewidth": 1.4, "zorder": 5}


def strongest(cells: np.ndarray) -> np.ndarray:
    """Let the number of largest size stand for each block of cells, when there are too many to be seen.

    Args:
        cells: (rows, columns).

    Returns:
        (at most 64, at most 400); `cells` itself if it is not larger.
    """
    down, across = (-(-n // most) for n, most in zip(cells.shape, (MOST_ROWS, MOST_COLUMNS), strict=True))
    if down == across == 1:
        return cells
    rows, columns = (-(-n // k) for n, k in zip(cells.shape, (down, across), strict=True))
    padded = np.zeros((rows * down, columns * across), cells.dtype)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    blocks = padded.reshape(rows, down, columns, across).swapaxes(1, 2).reshape(rows, columns, -1)
    return np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]


def heat(ax: Axes, cells: np.ndarray, cmap: Any, first: int, low: float = 0.0, high: float = 1.0) -> AxesImage:
    """Draw a heat map with row 0 at the top.

    Args:
        ax: where.
        cells: (rows, columns); of too many the strongest ones are drawn.
        cmap: colours from `low` to `high`.
        first: number of column 0 on the x axis.
        low, high: the numbers with the first and the last colour.

    Returns:
        The image, for new data.
    """
    thinned = strongest(cells)
    down, across = (-(-n // k) for n, k in zip(cells.shape, thinned.shape, strict=True))
    extent = (first - 0.5, first - 0.5 + across * thinned.shape[1], down * thinned.shape[0] - 0.5, -0.5)
    image = ax.imshow(thinned, cmap=cmap, norm=Normalize(low, high), extent=extent, aspect="auto", interpolation="nearest")
    ax.set(xlim=(first - 0.5, first + cells.shape[1] - 0.5), ylim=(cells.shape[0] - 0.5, -0.5))
    ax.grid(False)
    ax.spines[:].set(visible=True, color="#9AA0A6", linewidth=0.6)
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return image


def signed(cells: np.ndarray) -> tuple[Any, float, float, str]:
    """Choose colours for numbers of any size: grey from 0 up, or purple to green when there are negative ones.

    Returns:
        Colour map, the numbers with its first and last colour, and the same in words.
    """
    high = float(np.abs(cells).max()) or 1.0
    if cells.min() >= 0:
        return "Greys", 0.0, high, f"0 white, {high:.3g} black"
    return SIGNED, -high, high, f"{-high:.3g} purple, 0 white, {high:.3g} green"


def series_height(part: np.ndarray) -> float:
    """Return the height in inches that `series` needs for inputs or outputs (T, D)."""
    return 0.6 if part.shape[1] == 1 else float(np.clip(0.1 * part.shape[1], 0.3, 0.8))


def series(ax: Axes, name: str, part: np.ndarray, first: int) -> None:
    """Draw inputs or outputs (T, D), from step `first` on: a line when D = 1, else a heat map."""
    if part.shape[1] == 1:
        line: dict[str, Any] = {"marker": ".", "linewidth": 1.4} if len(part) <= MOST_STEPS else {"linewidth": 1.0}
        ax.plot(np.arange(first, first + len(part)), part[:, 0], color=COLORS["grey"], drawstyle="steps-mid", **line)
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.set_title(name)
        return
    cmap, low, high, colors = signed(part)
    heat(ax, part.T, cmap, first, low, high).axes.set_title(f"{name} ({colors})")


def named(ax: Axes, part: np.ndarray, names: list[str], first: int, title: str) -> None:
    """Draw a few rows (T, rows), from step `first` on, with a name each."""
    heat(ax, part.T, INK["grey"], first).axes.set_title(title)
    ax.set_yticks(range(len(names)), names, fontsize=8)


def note_writes(ax: Axes, data: dict, weights: np.ndarray) -> bool:
    """Write into each strong cell of weights (T, N) the name of the step that wrote its slot, if there is room.

    Returns:
        Whether there is any.
    """
    length, slots = weights.shape
    if length > MOST_STEPS:
        return False
    strong = np.argwhere((weights >= 0.5) & (data["writer"] >= 0))
    thin = slots > 16  # the row is lower than the letters: they stand above it
    for i, slot in strong:
        below = thin and slot < 0.06 * slots  # at the upper edge there is no room above
        ax.text(
            data["start"] + i,
            slot + (0.5 if below else -0.5) * thin,
            data["names"][data["writer"][i, slot]],
            color="#202124" if thin else "white",
            fontsize=7.5,
            ha="center",
            va=("top" if below else "bottom") if thin else "center_baseline",
            clip_on=True,
        )
    return len(strong) > 0


def time_axis(axes: Sequence[Axes], data: dict) -> None:
    """Give the axes one time axis: steps below the last, the inputs' labels above the first, thin lines between steps."""
    first = data["start"]
    end = first + len(data["inputs"])
    for ax in axes:
        ax.set_xlim(first - 0.5, end - 0.5)
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if end - first <= MOST_STEPS:
            for edge in np.arange(first, end - 1) + 0.5:
                ax.axvline(edge, color="#DADCE0", linewidth=0.5)
    several = -(-(end - first) // MOST_COLUMNS)
    axes[-1].set_xlabel("step" if several == 1 else f"step (a cell shows the strongest of {several})")
    for i, label in enumerate(data["labels"]):
        place = (first + i, 1)
        axes[0].annotate(label, place, (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center")
    if data["labels"]:
        axes[0].set_title(axes[0].get_title(loc="left"), pad=18)


def key(ax: Axes, scale: float, write_top: float, read_top: float) -> None:
    """Show which colours mean what: memory goes from -scale to scale, weights from 0 to their top, all else to 1."""
    ax.set_axis_on()
    ramp = np.linspace(0, 1, 101)[None]
    rows = [
        ("writing", INK["orange"], write_top),
        ("reading", INK["blue"], read_top),
        ("others", INK["grey"], 1.0),
        ("memory", SIGNED, scale),
    ]
    for y, (name, cmap, top) in enumerate(rows):
        ax.imshow(ramp, cmap=cmap, extent=(0, 1, y + 0.42, y - 0.42), aspect="auto")
        low, high = (f"−{top:.2g}", f"{top:.2g}") if name == "memory" else ("0", f"{top:g}")
        ax.text(0.03, y, low, color="#202124" if low == "0" else "white", va="center_baseline", fontsize=8)
        ax.text(0.97, y, high, color="white", ha="right", va="center_baseline", fontsize=8)
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xticks=[])
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows], fontsize=8)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
