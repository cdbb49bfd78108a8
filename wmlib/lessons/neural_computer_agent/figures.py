"""The pictures of notebook 07 on grids, each a function of stored numbers.

Reading guide. `draw_levels`, `draw_loop` and `draw_film` explain; `draw_cost` and `draw_matrices` report;
`draw_dream` stands behind the sliders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from wmlib.experiment.statistics import geometric_mean
from wmlib.lessons.neural_computer_agent.baselines import PPO_ARM, TABLE_ARM
from wmlib.lessons.neural_computer_agent.pipeline import DNC, FEEDFORWARD, LSTM, LSTM_EQUAL
from wmlib.viz.figures import COLORS, new_figure, styled

ARM_COLORS = {  # one hue a family, as in notebooks 03, 05 and 06
    DNC: COLORS["blue"],
    LSTM: "#EBAA78",
    LSTM_EQUAL: COLORS["orange"],
    FEEDFORWARD: COLORS["green"],
    PPO_ARM: COLORS["grey"],
    TABLE_ARM: COLORS["grey"],
}
# colours of a cell by its digit, see `measures.encode`: free, agent, goal, agent on goal, obstacle; the rest is never right
CELLS = ListedColormap(["#F4F1EA", "#D55E00", "#009E73", "#E69F00", "#3C3C44", "#CC79A7", "#CC79A7", "#CC79A7"])
STAGE_NAMES = {
    "explore": "explore\nlive, at random",
    "model": "model\ntrained on all that was seen",
    "dream": "dream\nPPO in the model",
    "act": "act\nlive, with the policy",
}
PLACES = {"explore": (0.2, 0.8), "model": (0.8, 0.8), "dream": (0.8, 0.2), "act": (0.2, 0.2)}
ARROWS = (("explore", "model"), ("model", "dream"), ("dream", "act"), ("act", "model"))


def _cells(text: str) -> np.ndarray:
    size = round(len(text) ** 0.5)
    return np.array([int(digit) for digit in text]).reshape(size, size)


def _draw_frame(ax: Axes, text: str, title: str, truth: str | None = None) -> None:
    """Draw a frame; cells that are not as in `truth` get red frames."""
    cells = _cells(text)
    ax.imshow(cells, cmap=CELLS, vmin=0, vmax=7)
    ax.set_xticks(np.arange(len(cells) + 1) - 0.5, [])
    ax.set_yticks(np.arange(len(cells) + 1) - 0.5, [])
    ax.tick_params(length=0)
    ax.grid(color="#C6C2B8", linewidth=0.8)
    ax.set_title(title, fontsize=10)
    if truth is not None:
        for row, column in zip(*np.nonzero(cells != _cells(truth)), strict=True):
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#B00020", linewidth=2.5, zorder=3))


def _draw_path(ax: Axes, frames: Sequence[str]) -> None:
    """Draw where the agent was: the red cells of frames, one after another."""
    places = [np.argwhere(np.isin(_cells(text), (1, 3))) for text in frames]
    steps = np.array([place[0] for place in places if len(place)])
    if len(steps):
        ax.plot(steps[:, 1], steps[:, 0], color=COLORS["gold"], linewidth=2, alpha=0.8)


@styled
def draw_levels(levels: Mapping[str, Sequence[str]]) -> Figure:
    """Draw levels with a shortest path.

    Args:
        levels: by title, the frames along the path.
    """
    figure, axes = new_figure(1.5 * len(levels), 1.9, columns=len(levels))
    for ax, (title, frames) in zip(axes[0], levels.items(), strict=True):
        _draw_frame(ax, frames[0], title)
        _draw_path(ax, frames)
    return figure


@styled
def draw_loop(data: Sequence[Mapping[str, Any]], frame: int) -> Figure:
    """Draw the loop with the stage that is on lit up, and how far the run is.

    Args:
        data: a run, of `estimates.story`.
        frame: number of the stage.
    """
    now = data[min(frame, len(data) - 1)]
    figure, axes = new_figure(8.4, 3.6, columns=2, width_ratios=[3, 2])
    ring, bars = axes[0]
    ring.set(xlim=(-0.04, 1.04), ylim=(0, 1))
    ring.axis("off")
    boxes = {}
    for stage, (x, y) in PLACES.items():
        lit = stage == now["stage"]
        boxes[stage] = FancyBboxPatch(
            (x - 0.2, y - 0.1),
            0.4,
            0.2,
            boxstyle="round,pad=0.01",
            facecolor=COLORS["orange"] if lit else "#EEF0F2",
            edgecolor=COLORS["grey"],
            zorder=3,
        )
        ring.add_patch(boxes[stage])
        ring.text(x, y, STAGE_NAMES[stage], ha="center", va="center", color="white" if lit else "black", fontsize=8, zorder=4)
    for begin, end in ARROWS:
        lit = end == now["stage"]
        arrow = FancyArrowPatch(
            PLACES[begin],
            PLACES[end],
            patchA=boxes[begin],
            patchB=boxes[end],
            arrowstyle="-|>",
            mutation_scale=18,
            shrinkA=2,
            shrinkB=2,
            linewidth=2.5 if lit else 1.2,
            color=COLORS["orange" if lit else "grey"],
        )
        ring.add_patch(arrow)
    ring.set_title(f"level {now['level']}, round {now['round'] + 1}: {now['words']}", fontsize=9)
    exact = now["exact"] or [0.0] * len(data[-1]["exact"] or [0.0])
    bars.bar(range(len(exact)), exact, color=[COLORS["blue" if i < now["solved"] else "sky"] for i in range(len(exact))])
    bars.set(ylim=(0, 1), xlabel="level (dark: solved)")
    bars.set_title(f"moves predicted exactly, {now['live_steps']:,} live steps", fontsize=9)
    bars.set_xticks(range(len(exact)))
    return figure


@styled
def draw_film(data: Sequence[Mapping[str, Any]], frame: int) -> Figure:
    """Draw dreams of one level beside the live environment, a row a dream.

    Args:
        data: dreams of `estimates.dreams`.
        frame: step that is shown; a shorter dream stays at its last one.
    """
    figure, axes = new_figure(7.4, 2.6 * len(data) + 0.1, rows=len(data), columns=3)
    for row, dream in zip(axes, data, strict=True):
        real, dreamt, predicted = dream["real"], dream["dreamt"], dream["predicted"]
        at = min(frame, len(real) - 1)
        _draw_frame(row[0], real[at], f"live, step {at}")
        _draw_path(row[0], real[: at + 1])
        _draw_frame(row[1], dreamt[at], "dreamt path", truth=real[at])
        _draw_path(row[1], dreamt[: at + 1])
        before = min(at, len(predicted))
        text = predicted[before - 1] if before else real[0]
        _draw_frame(row[2], text, "predicted one step before", truth=real[before])
        row[0].set_ylabel(f"iteration {dream['iteration']}")
    return figure


@styled
def draw_dream(data: Sequence[Mapping[str, Any]], level: int, iteration: int, step: int) -> Figure:
    """Draw one dream beside reality at one step.

    Args:
        data: dreams of a run, of `estimates.dreams`.
        level: which level.
        iteration: of the loop on this level; past the last one, the last one.
        step: of the dream; past its end, the last one.
    """
    on_level = [dream for dream in data if dream["level"] == level] or [data[-1]]
    dream = on_level[min(iteration, len(on_level)) - 1]
    at = min(step, len(dream["real"]) - 1)
    figure, axes = new_figure(6.4, 3.2, columns=2)
    _draw_frame(axes[0, 0], dream["dreamt"][at], f"dream, iteration {dream['iteration']}, step {at}", truth=dream["real"][at])
    _draw_frame(axes[0, 1], dream["real"][at], "the same moves, live")
    for ax, name, end in ((axes[0, 0], "dreamt", "dream_ends"), (axes[0, 1], "real", "real_ends")):
        _draw_path(ax, dream[name][: at + 1])
        ends = dream[end]
        ax.set_xlabel(f"ends after {ends} steps" if ends else "does not end")
    return figure


@styled
def draw_cost(data: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw what it costs to solve all levels: live steps and CPU seconds, a dot a seed, with geometric means.

    Args:
        data: rows of `estimates.arm_row`.
    """
    figure, axes = new_figure(8.4, 0.6 + 0.55 * len(data), columns=2, sharey=True)
    for ax, measure, label in zip(axes[0], ("live_steps", "cpu_seconds"), ("live steps", "CPU seconds"), strict=True):
        for place, row in enumerate(data):
            color = ARM_COLORS[row["name"]]
            values = np.asarray(row[measure], float)
            whole = np.asarray(row["whole"], bool)
            ax.plot(values[whole], np.full(whole.sum(), place), "o", color=color, alpha=0.6)
            ax.plot(values[~whole], np.full((~whole).sum(), place), "o", markerfacecolor="none", markeredgecolor=color)
            if len(values) > 1 and (values > 0).all():
                ax.plot(geometric_mean(values).value, place, "|", color=color, markersize=18, markeredgewidth=2.5)
            tell_levels(ax, place, row[measure], row)
        ax.set(xscale="log", xlabel=f"{label} until all levels are solved")
        tick_in_numbers(ax)
        ax.grid(axis="y")
    axes[0, 0].set_yticks(range(len(data)), [row["name"] for row in data])
    axes[0, 0].set_ylim(len(data) - 0.5, -0.5)
    return figure


def tick_in_numbers(ax: Axes) -> None:
    """Tick a logarithmic x axis in plain numbers: at 1, 2, 5, 10, … or 1, 3, 10, … or at decades, by its span."""
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 10 * low else (1, 3) if high < 100 * low else (1,)))
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def tell_levels(ax: Axes, place: float, values: Sequence[float], row: Mapping[str, Any]) -> None:
    """Write how many levels were solved above the last of a row's dots, where one of them is open."""
    if all(row["whole"]):
        return
    least = min(row["levels"])
    most = max(row["levels"])
    solved = f"{least}" if least == most else f"{least}–{most}"
    text = f"{solved} of {len(row['solved_at'][0])} levels"
    ax.annotate(text, (max(values), place), (8, 10), textcoords="offset points", ha="right", fontsize=7)


@styled
def draw_matrices(data: Mapping[str, Mapping[str, Sequence]], label: str) -> Figure:
    """Draw what could be done on level j after level i was solved: arms in columns, replays in rows.

    Args:
        data: by replay and arm, the matrix of `estimates.matrix_panel`.
        label: what the numbers are.
    """
    arms = list(next(iter(data.values())))
    figure, axes = new_figure(2.1 * len(arms) + 0.6, 2.3 * len(data) + 0.4, rows=len(data), columns=len(arms))
    for row, (replay_name, panels) in zip(axes, data.items(), strict=True):
        for ax, arm in zip(row, arms, strict=True):
            values = np.array([[np.nan if v is None else v for v in line] for line in panels[arm]], float)
            ax.imshow(100 * values, vmin=0, vmax=100, cmap="viridis")
            for (i, j), value in np.ndenumerate(values):
                if not np.isnan(value):
                    ax.text(
                        j,
                        i,
                        f"{100 * value:.0f}",
                        ha="center",
                        va="center",
                        fontsize=7,
                        color="white" if value < 0.6 else "black",
                    )
            ax.set_xticks(range(len(values)))
            ax.set_yticks(range(len(values)))
            ax.grid(False)
            ax.set_title(arm, fontsize=9)
        row[0].set_ylabel(f"replay: {replay_name}\nafter level")
    for ax in axes[-1]:
        ax.set_xlabel("level")
    figure.colorbar(axes[0, 0].images[0], ax=axes, label=f"{label}, %", shrink=0.8)
    return figure
