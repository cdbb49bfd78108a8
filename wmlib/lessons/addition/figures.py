"""The pictures of notebook 03, each a function of stored numbers (see `estimates`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled

LOWEST = 1e-5  # errors below it are drawn at it: a logarithmic axis has no zero
HIGHEST = 1e6  # intervals end there: of two seeds they can span hundreds of decades
PALETTE = list(COLORS.values())
FAMILIES = {  # one hue a family; the same model has the same line in every picture
    "DNC": (COLORS["blue"], "o", "-"),
    "DNC, 4 × the slots": ("#66AAD7", "o", "--"),
    "DNC, detached": ("#66AAD7", "o", "--"),
    "LSTM": (COLORS["orange"], "s", "-"),
    "LSTM, equal cells": ("#EBAA78", "s", "--"),
    "LSTM, not searched": ("#EBAA78", "X", ":"),
    "LSTM, o · c": (COLORS["green"], "^", "-"),
}
PARTS = {"memory": COLORS["blue"], "LSTM": COLORS["orange"], "both": COLORS["pink"], "random": COLORS["gold"]}  # of a DNC


@styled
def draw_curves(data: dict) -> Figure:
    """Draw the error on the current level against the sequences seen.

    Args:
        data: switches (L - 1,): where the level changes; seen (C,); models: label -> value, low, high (C,).
    """
    figure, axes = new_figure(8.4, 4.4)
    ax = axes[0, 0]
    for switch in data["switches"]:
        ax.axvline(switch, color=COLORS["grey"], linestyle=":", linewidth=1)
    for label, part in data["models"].items():
        _line(ax, data["seen"], part, label)
    ax.set_yscale("log")
    ax.set(xlabel="training sequences", ylabel="squared error, current level", xlim=(0, data["seen"][-1]))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _line(ax: Axes, x: Sequence[float], part: Mapping, label: str, share: bool = False) -> None:
    """Draw a model's line, solid ones with their interval; a share lies in 0 … 1."""
    color, marker, dash = FAMILIES[label]
    value, low, high = (np.clip(part[name], *((0, 1) if share else (LOWEST, HIGHEST))) for name in ("value", "low", "high"))
    ax.plot(x, value, color=color, marker=marker, linestyle=dash, markersize=3.5, linewidth=1.4, label=label)
    if dash == "-":
        ax.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


@styled
def draw_search(data: dict) -> Figure:
    """Draw the errors of all combinations that were tried, one table per model: dark is good, the winner is framed.

    Args:
        data: by model: lrs (C,), rows (R,) labels, errors (R, C), winner [row, column].
    """
    figure, axes = new_figure(9.2, 4.6, rows=2, columns=2)
    all_errors = np.log10(np.concatenate([np.ravel(table["errors"]) for table in data.values()]))
    low = all_errors.min()
    high = np.percentile(all_errors, 90)
    for ax, (model, table) in zip(axes.flat, data.items(), strict=True):
        errors = np.asarray(table["errors"])
        ax.imshow(np.log10(errors), aspect="auto", vmin=low, vmax=high)
        ax.set_xticks(range(len(table["lrs"])), [f"{lr:g}" for lr in table["lrs"]])
        ax.set_yticks(range(len(table["rows"])), table["rows"], fontsize=8)
        for (row, column), error in np.ndenumerate(errors):
            light = np.log10(error) > (low + high) / 2
            text = f"{error:.2g}" if error < 1e5 else "—"
            ax.text(column, row, text, ha="center", va="center", fontsize=7, color="black" if light else "white")
        row, column = table["winner"]
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLORS["orange"], linewidth=2.5))
        ax.set(title=model, xlabel="learning rate")
        ax.grid(False)
    return figure


@styled
def draw_lengths(data: dict) -> Figure:
    """Draw squared error, share of right answers and error ratio by length, trained lengths shaded.

    Args:
        data: trained [low, high], lengths (C,), errors, right: label -> value, low, high (C,); over: the label of the model by
            whose error the ratios, label -> value, low, high (C,), divide.
    """
    figure, axes = new_figure(11.6, 4.4, columns=3)
    left, middle, right = axes[0]
    for ax, name in ((left, "errors"), (middle, "right"), (right, "ratios")):
        ax.axvspan(*data["trained"], color=COLORS["grey"], alpha=0.15, linewidth=0)
        for label, part in data[name].items():
            _line(ax, data["lengths"], part, label, share=name == "right")
        ticks = [n for n in (2, 4, 6, 12, 25, 50, 100) if n <= data["lengths"][-1]]
        ax.set(xscale="log", xlabel="length (trained lengths shaded)")
        ax.set_xticks(ticks, [str(n) for n in ticks])
        ax.minorticks_off()
    right.axhline(1, color=FAMILIES[data["over"]][0], linewidth=1.4)
    left.set(yscale="log", ylabel="mean squared error", title="error")
    middle.set(ylim=(-0.03, 1.05), ylabel="proportion of right answers", title="right answers")
    right.set(yscale="log", ylabel=f"error / error of the {data['over']}", title=f"times the {data['over']}'s error")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


@styled
def draw_retention(data: dict) -> Figure:
    """Draw what is left of every level after the last one: error and share of right answers, a row for each curriculum.

    Args:
        data: by curriculum: levels (L,) labels; errors, right: label -> value, low, high (L,).
    """
    figure, axes = new_figure(9.6, 3.2 * len(data), rows=len(data), columns=2)
    for row, (kind, part) in zip(axes, data.items(), strict=True):
        place = range(len(part["levels"]))
        for ax, name in zip(row, ("errors", "right"), strict=True):
            for label, line in part[name].items():
                _line(ax, place, line, label, share=name == "right")
            ax.set_xticks(place, part["levels"])
            ax.set(xlabel="lengths of the level", title=f"{kind} curriculum, after the last level")
        row[0].set(yscale="log", ylabel="mean squared error")
        row[1].set(ylim=(-0.03, 1.05), ylabel="proportion of right answers")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def draw_seeds(data: dict) -> Figure:
    """Draw each seed's way of writing against its error beyond the trained lengths, and the proportion of seeds that succeed.

    Args:
        data: limit: the error that divides; num_slots: N; variants: label -> effective (S,), error (S,), value, low, high.
    """
    figure, axes = new_figure(9.6, 4.4, columns=2, width_ratios=(1.2, 1))
    scatter, bars = axes[0]
    scatter.axhline(data["limit"], color=COLORS["grey"], linestyle=":")
    for k, part in enumerate(data["variants"].values()):
        style = {"color": PALETTE[k % len(PALETTE)], "marker": MARKERS[k % len(MARKERS)], "linestyle": "none"}
        style["markerfacecolor"] = style["color"] if k < len(PALETTE) else "white"  # more recipes than colours: hollow
        scatter.plot(part["effective"], np.maximum(part["error"], LOWEST), markersize=5, alpha=0.8, **style)
        interval = [[part["value"] - part["low"]], [part["high"] - part["value"]]]
        bars.errorbar(part["value"], k, xerr=interval, capsize=3, **style)
    scatter.set(yscale="log", xlim=(0, data["num_slots"] + 1), ylabel="squared error beyond the trained lengths")
    scatter.set(xlabel=f"effective slots of a write (of {data['num_slots']})", title="each seed")
    bars.set_yticks(range(len(data["variants"])), list(data["variants"]), fontsize=8)
    bars.set(xlim=(-0.03, 1.03), xlabel="proportion of seeds below the line", title="each recipe")
    bars.invert_yaxis()
    return figure


@styled
def draw_memory(data: dict) -> Figure:
    """Draw the read-out of the running total, what an edit does to the answer, and which part contributes how much when.

    Args:
        data: total, predicted (P,): true totals and the memory's read-out; alphas (A,); moved: label -> value, low, high (A,);
            times (C,): digits seen before an edit; contributions: label -> value, low, high (C,), change by that predicted.
    """
    figure, axes = new_figure(11.0, 3.9, columns=3)
    left, middle, right = axes[0]
    left.plot(data["total"], data["total"], color=COLORS["grey"], linestyle=":")
    left.plot(data["total"], data["predicted"], "o", color=COLORS["blue"], markersize=3, alpha=0.7)
    left.set(xlabel="true running total", ylabel="linear read-out of the memory", title="what the memory says")
    middle.plot(data["alphas"], data["alphas"], color=COLORS["grey"], linestyle=":", label="predicted")
    right.axhline(1, color=COLORS["grey"], linestyle=":")
    for ax, x, lines in ((middle, data["alphas"], data["moved"]), (right, data["times"], data["contributions"])):
        for k, (label, part) in enumerate(lines.items()):
            if label == "random":  # a size, whose sign says nothing
                size = np.abs(part["value"])
                ax.fill_between(x, -size, size, color=PARTS[label], alpha=0.4, linewidth=0, label="random, either way")
                continue
            ax.plot(x, part["value"], color=PARTS[label], marker=MARKERS[k], markersize=4, label=label)
            ax.fill_between(x, part["low"], part["high"], color=PARTS[label], alpha=0.2, linewidth=0)
    middle.set(xlabel="edit in mid-sequence, units of the total", ylabel="change of the answer", title="what an edit does")
    middle.legend(fontsize=8)
    right.set(
        xlabel="digits seen before the edit", ylabel="change of the answer / predicted", title="which part contributes when"
    )
    return figure


@styled
def draw_recall(data: dict) -> Figure:
    """Draw the proportion of sequences answered without a mistake, by length.

    Args:
        data: by task: trained: longest trained length; lengths (C,); models: label -> (seeds, C) accuracies.
    """
    figure, axes = new_figure(11.2, 3.9, columns=len(data), sharey=True)
    for ax, (task, part) in zip(axes[0], data.items(), strict=True):
        place = np.arange(len(part["lengths"]))
        width = 0.84 / len(part["models"])
        for k, (label, seeds) in enumerate(part["models"].items()):
            accuracies = np.asarray(seeds)
            x = place + (k - (len(part["models"]) - 1) / 2) * width
            ax.bar(x, accuracies.mean(0), width, color=FAMILIES[label][0], label=label)
            for seed in accuracies:
                ax.plot(x, seed, ".", color="black", markersize=2.5)
        beyond = np.searchsorted(part["lengths"], part["trained"] + 0.5) - 0.5
        ax.axvspan(-0.5, beyond, color=COLORS["grey"], alpha=0.15, linewidth=0)
        ax.set_xticks(place, [str(n) for n in part["lengths"]])
        ax.set(xlabel="length (trained lengths shaded)", title=task, ylim=(0, 1.05), xlim=(-0.5, len(place) - 0.5))
    axes[0, 0].set_ylabel("proportion without a mistake")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


@styled
def draw_copied(data: Mapping, title: str) -> Figure:
    """Draw what a network copies and how, for the sliders: rows wanted, rows answered, and where it writes and reads.

    Args:
        data: wanted, answered (T, Y); write, read (T, N).
        title: of the figure.
    """
    figure, axes = new_figure(8.4, 4.6, rows=3, height_ratios=(1, 1, 2.4), sharex=True)
    top, middle, bottom = axes[:, 0]
    for ax, name in ((top, "wanted"), (middle, "answered")):
        ax.imshow(np.asarray(data[name]).T, vmin=0, vmax=1, cmap="Greys", aspect="auto", interpolation="nearest")
        ax.set(yticks=[], ylabel=name)
        ax.grid(False)
    weights = np.stack([1 - np.asarray(data["read"]), 1 - np.asarray(data["write"])], -1).clip(0, 1)
    red, blue = weights[..., :1], weights[..., 1:]  # written: orange; read: blue
    bottom.imshow(np.concatenate([red, (red + blue) / 2, blue], -1).swapaxes(0, 1), aspect="auto", interpolation="nearest")
    bottom.set(xlabel="step", ylabel="slot (orange: written, blue: read)")
    bottom.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bottom.grid(False)
    top.set_title(title)
    return figure


@styled
def draw_sum(
    digits: Sequence[int], memory: np.ndarray, predicted: Sequence[float] | np.ndarray, answer: float, title: str
) -> Figure:
    """Draw one sum, for the sliders: the running total and the memory's read-out, and the memory at the end.

    Args:
        digits: (T,) of the sum.
        memory: (N, W) after the last digit.
        predicted: (T,) running totals read from the memory; empty: none is drawn.
        answer: the network's.
        title: of the left panel.
    """
    figure, axes = new_figure(8.4, 3.4, columns=2, width_ratios=(1.3, 1))
    left, right = axes[0]
    steps = np.arange(1, len(digits) + 1)
    left.bar(steps, digits, color=COLORS["grey"], alpha=0.5, label="digit")
    left.step(steps, np.cumsum(digits), color=COLORS["grey"], where="mid", label="true total")
    if len(predicted):
        left.plot(steps, predicted, "o", color=COLORS["blue"], label="read from the memory")
    left.plot(len(digits) + 1, answer, "*", color=COLORS["orange"], markersize=14, label=f"answer: {answer:.1f}")
    left.set(xlabel="step", title=title)
    left.legend(fontsize=8, loc="upper left")
    reach = max(float(np.abs(memory).max()), 1e-9)
    right.imshow(memory, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    right.set(xlabel="place in the slot", ylabel="slot", title="memory after the last digit")
    right.grid(False)
    return figure
