"""The pictures of notebook 05, each a function of stored numbers."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from wmlib.viz.figures import COLORS, MARKERS, new_figure

ORDER = ("blue", "orange", "green", "pink", "gold", "sky")
SOLVED = 750  # tics, the mean over 100 games that counts as solving


def look(names: list[str]) -> dict[str, dict]:
    """Return color and marker for each agent, in their order."""
    return {name: {"color": COLORS[c], "marker": m} for name, c, m in zip(names, ORDER, MARKERS, strict=False)}


def draw_scores(data: Mapping) -> Figure:
    """Draw how long players survive in the real game.

    Args:
        data: rows: each with name, kind ("scripted" or "agent"), value, low, high, and starts: mean of each random start;
            games: number of each.
    """
    rows = data["rows"]
    figure, axes = new_figure(7.6, 0.42 * len(rows) + 1.2)
    ax = axes[0, 0]
    for y, row in enumerate(rows):
        color = COLORS["grey" if row["kind"] == "scripted" else "blue"]
        ax.plot([row["low"], row["high"]], [y, y], color=color, linewidth=2.2)
        ax.plot(row["value"], y, "o", color=color, markersize=8)
        if row["kind"] == "agent":
            ax.plot(row["starts"], [y] * len(row["starts"]), "|", color="black", markersize=12)
    ax.axvline(SOLVED, color=COLORS["orange"], linestyle="--")
    ax.annotate("solved", (SOLVED, len(rows) - 0.55), (4, 0), textcoords="offset points", color=COLORS["orange"], fontsize=9)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.set(xlabel="tics survived in the real game, mean", ylim=(len(rows) - 0.4, -0.6), xlim=(0, None))
    return figure


def draw_evolution(data: Mapping) -> Figure:
    """Draw how long candidates live in dreams, generation by generation.

    Args:
        data: agents: by name (starts, generations), mean of the population; cap: longest dream.
    """
    figure, axes = new_figure(7.6, 3.6)
    ax = axes[0, 0]
    for (name, style), curves in zip(look(list(data["agents"])).items(), data["agents"].values(), strict=True):
        for i, curve in enumerate(curves):
            x = np.arange(1, len(curve) + 1)
            ax.plot(x, curve, markevery=5, markersize=5, alpha=0.85, label=name if i == 0 else None, **style)
    ax.axhline(data["cap"], color=COLORS["grey"], linestyle=":")
    ax.set(xlabel="generation", ylabel="steps lived in the dream", ylim=(0, None))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize=9)
    return figure


def draw_transfer(data: Mapping) -> Figure:
    """Draw the score in the real game against that in the dream.

    Args:
        data: agents: by name starts of [dream, real]; no_op: [[dream, real], …] of standing still.
    """
    figure, axes = new_figure(5.6, 4.6)
    ax = axes[0, 0]
    for (name, style), points in zip(look(list(data["agents"])).items(), data["agents"].values(), strict=True):
        ax.plot(*np.transpose(points), linestyle="none", markersize=8, label=name, **style)
    ax.plot(*np.transpose(data["no_op"]), "x", color="black", markersize=8, label="standing still")
    top = max(ax.get_xlim()[1], ax.get_ylim()[1])
    ax.plot([0, top], [0, top], ":", color=COLORS["grey"])
    ax.set(xlabel="steps lived in its dreams", ylabel="tics survived in the real game", xlim=(0, top), ylim=(0, top))
    ax.legend(fontsize=9)
    return figure


def draw_foresight(data: Mapping) -> Figure:
    """Draw how well models foretell held-out episodes, one step ahead and many.

    Args:
        data: nll: by name values, nats a dimension, of each random start; ahead: by name mean squared error by horizon.
    """
    figure, axes = new_figure(8.4, 3.6, columns=2)
    bars, lines = axes[0]
    names = list(data["nll"])
    for y, name in enumerate(names):
        color = COLORS["blue" if name.startswith("MDN") else "grey"]
        bars.plot(data["nll"][name], [y] * len(data["nll"][name]), "o", color=color, markersize=8, alpha=0.8)
    bars.set_yticks(range(len(names)), names)
    bars.set(xlabel="−ln p of the next latent, nats a dimension", ylim=(len(names) - 0.5, -0.5), title="one step")
    for (name, style), errors in zip(look(list(data["ahead"])).items(), data["ahead"].values(), strict=True):
        lines.plot(np.arange(1, len(errors) + 1), errors, markevery=8, markersize=5, label=name, **style)
    lines.set(xlabel="steps ahead, without looking", ylabel="squared error a dimension", ylim=(0, None), title="many steps")
    lines.legend(fontsize=9)
    return figure


def draw_view(frame: np.ndarray, text: str) -> Figure:
    """Draw one picture of a dream, (64, 64, 3), with a line of text: for the playable dream."""
    figure, axes = new_figure(3.2, 3.5)
    axes[0, 0].imshow(frame, interpolation="nearest")
    axes[0, 0].set_title(text)
    axes[0, 0].axis("off")
    return figure
