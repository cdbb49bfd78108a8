"""The pictures of what notebook 07 adds to the loop: rehearsal, guards taken away, a small view; each of stored numbers.

Reading guide. `draw_kept`, `draw_guards` and `draw_view`, one a section. `draw_cost` of `figures` shows the larger grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wmlib.experiment.statistics import geometric_mean
from wmlib.lessons.neural_computer_agent.ablations import ALL_GUARDS
from wmlib.lessons.neural_computer_agent.figures import ARM_COLORS, tell_levels, tick_in_numbers
from wmlib.lessons.neural_computer_agent.rehearsal import FORGETFUL, OLD_DREAMS, REHEARSED
from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled

KEPT_COLORS = {OLD_DREAMS: "blue", FORGETFUL: "grey", REHEARSED: "pink"}


def _dots(ax: Axes, place: float, values: Sequence[float], whole: Sequence[bool], color: str) -> None:
    """Draw a dot a seed, open where a run is not whole, and a bar at the geometric mean of several."""
    for value, solved in zip(values, whole, strict=True):
        ax.plot(value, place, "o", color=color, markerfacecolor=color if solved else "none", alpha=0.7)
    if len(values) > 1 and min(values) > 0:
        ax.plot(geometric_mean(values).value, place, "|", color=color, markersize=18, markeredgewidth=2.5)


def _mean_curve(curves: Sequence[Sequence[float | None]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels that a run reached, and the mean of those runs there."""
    values = np.array([[np.nan if value is None else value for value in curve] for curve in curves], float)
    reached = np.flatnonzero(~np.isnan(values).all(0))
    return reached, np.nanmean(values[:, reached], 0)


def _median_curve(curves: Sequence[Sequence[Sequence[float]]], points: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of runs at evenly spaced steps; each has its last value until its next one, and after its end."""
    first = max(steps[0] for steps, _ in curves)
    last = max(steps[-1] for steps, _ in curves)
    grid = np.linspace(first, last, points)
    held = [np.asarray(values)[np.searchsorted(steps, grid, "right") - 1] for steps, values in curves]
    return grid, np.median(held, 0)


@styled
def draw_kept(data: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw which of the solved levels the greedy policy still solves, and what the arms cost.

    Args:
        data: rows of `rehearsal.kept_row`.
    """
    figure, axes = new_figure(9.6, 3.0, columns=3, width_ratios=[3, 2, 2])
    curve_ax = axes[0, 0]
    for i, row in enumerate(data):
        color = COLORS[KEPT_COLORS[row["name"]]]
        levels, mean = _mean_curve(row["before"])
        if row["after"]:
            curve_ax.plot(levels, mean, ":", color=color, label="newest level, before rehearsal")
            levels, mean = _mean_curve(row["after"])
        curve_ax.plot(levels, mean, marker=MARKERS[i], color=color, linewidth=4.2 - 1.2 * i, label=row["name"])
        for ax, measure in zip(axes[0, 1:], ("live_steps", "cpu_seconds"), strict=True):
            _dots(ax, i, row[measure], row["whole"], color)
    curve_ax.set(ylim=(-0.04, 1.04), xlabel="level just solved", ylabel="solved levels still solved")
    curve_ax.set_xticks(range(len(data[0]["before"][0])))
    curve_ax.legend(fontsize=7, loc="lower left")
    for ax, label in zip(axes[0, 1:], ("live steps", "CPU seconds"), strict=True):
        ax.set(xlabel=f"{label} until all are solved", ylim=(len(data) - 0.5, -0.5))
        ax.set_xlim(0, 1.05 * ax.get_xlim()[1])
        ax.set_yticks(range(len(data)), [""] * len(data))
    return figure


@styled
def draw_guards(data: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the live steps of the agent without each guard, a row a guard, a dot a seed; the line is the agent with all.

    Args:
        data: rows of `estimates.arm_row`, the first that of all guards.
    """
    figure, axes = new_figure(7.2, 0.8 + 0.36 * len(data))
    ax = axes[0, 0]
    for place, row in enumerate(data):
        color = COLORS["blue" if row["name"] == ALL_GUARDS else "grey"]
        _dots(ax, place, row["live_steps"], row["whole"], color)
        tell_levels(ax, place, row["live_steps"], row)
    ax.axvline(np.exp(np.mean(np.log(data[0]["live_steps"]))), color=COLORS["blue"], linewidth=1.2, linestyle="--")
    names = [row["name"] for row in data]
    ax.set(xscale="log", xlabel="live steps until all levels are solved", ylim=(len(data) - 0.5, -0.5))
    ax.set_yticks(range(len(data)), names)
    tick_in_numbers(ax)
    return figure


@styled
def draw_view(data: Mapping[str, Any]) -> Figure:
    """Draw the runs with a small view: live steps, and how well the models predict as these go by; the medians of the training
    seeds are bold.

    Args:
        data: rows, of `estimates.arm_row` by arm; walks, paths: of `partial_view.curves`, by arm's name.
    """
    figure, axes = new_figure(10.4, 2.9, columns=3)
    steps_ax = axes[0, 0]
    labels = {"walks": "single steps exact, random walks", "paths": "shortest path dreamt right"}
    for place, row in enumerate(data["rows"]):
        color = ARM_COLORS[row["name"]]
        _dots(steps_ax, place, row["live_steps"], row["whole"], color)
        tell_levels(steps_ax, place, row["live_steps"], row)
        for ax, measure in zip(axes[0, 1:], labels, strict=True):
            curves = data[measure][row["name"]]
            for steps, values in curves:
                ax.plot(steps, values, color=color, alpha=0.25, linewidth=0.8)
            ax.plot(*_median_curve(curves), marker=MARKERS[place], markevery=8, color=color, linewidth=2, label=row["name"])
    steps_ax.set(xlabel="live steps until all levels are solved", ylim=(len(data["rows"]) - 0.5, -0.5))
    steps_ax.set_xlim(0, 1.05 * steps_ax.get_xlim()[1])
    steps_ax.set_yticks(range(len(data["rows"])), [row["name"] for row in data["rows"]])
    for ax, label in zip(axes[0, 1:], labels.values(), strict=True):
        ax.set(ylim=(-0.04, 1.04), xlabel="live steps", ylabel=label)
    axes[0, 1].legend(fontsize=8, loc="lower right")
    return figure
