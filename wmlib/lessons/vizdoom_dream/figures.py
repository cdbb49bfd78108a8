"""The pictures of notebook 05, each a function of stored numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from wmlib.lessons.vae.figures import unpack
from wmlib.lessons.vizdoom_dream.claims import BEST_REPORTED, COUNTS, SOLVED
from wmlib.lessons.vizdoom_dream.closed_loop import HANDICAPS
from wmlib.lessons.vizdoom_dream.estimates import ROUND_MEASURES
from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled

REPORTED = (BEST_REPORTED, f"{BEST_REPORTED:,.0f} reported")  # the best score that others report, and its label


def family_color(name: str) -> str:
    """Return the color of a model's family: one for LSTMs, one for DNCs, grey for what learns nothing, another for all else."""
    if name in ("copy baseline", "posterior entropy"):
        return COLORS["grey"]
    return COLORS["blue" if "DNC" in name else "orange" if "LSTM" in name else "green"]


def styles(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return color and marker for each name: the color is the family's, the markers go by their order."""
    pairs = zip(names, cycle(MARKERS), strict=False)
    return {name: {"color": family_color(name), "marker": marker} for name, marker in pairs}


@styled
def draw_scores(data: Mapping[str, Any]) -> Figure:
    """Draw how long players survive in the real game.

    Args:
        data: rows, made by `estimates.score_rows`; blind: name and mean tics of the best blind player.
    """
    rows = data["rows"]
    best, blind = data["blind"]
    figure, axes = new_figure(7.6, 0.42 * len(rows) + 1.2)
    ax = axes[0, 0]
    for y, row in enumerate(rows):
        color = COLORS["grey"] if row["kind"] == "scripted" else family_color(row["name"])
        ax.plot(row["quartiles"], [y, y], color=color, linewidth=9, alpha=0.18, solid_capstyle="butt")
        ax.plot(row["interquartile_mean"], y, "D", color=color, markersize=5, markerfacecolor="white")
        ax.plot([row["low"], row["high"]], [y, y], color=color, linewidth=2.2)
        ax.plot(row["value"], y, "o", color=color, markersize=8)
        if row["kind"] == "agent":
            ax.plot(row["training_seeds"], [y] * len(row["training_seeds"]), "|", color="black", markersize=12)
    for tics, text, line, side in ((SOLVED, "solved", "--", "right"), (blind, best, "-", "left"), (*REPORTED, ":", "left")):
        ax.axvline(tics, color=COLORS["grey"], linestyle=line, linewidth=1, zorder=0)
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": side}
        ax.annotate(text, (tics, 1), (0, 3), color=COLORS["grey"], fontsize=9, **place)
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    longest = max(max(row["high"], row["quartiles"][1], *row["training_seeds"]) for row in rows)
    ax.set(
        xlabel="tics survived in the real game, mean", ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.1 * max(longest, BEST_REPORTED))
    )
    return figure


@styled
def draw_evolution(data: Mapping[str, Any]) -> Figure:
    """Draw how long candidates live in dreams, generation by generation.

    Args:
        data: agents: by name (training seeds, generations), mean of the population; max_steps: longest dream.
    """
    figure, axes = new_figure(7.6, 3.6)
    ax = axes[0, 0]
    for (name, style), curves in zip(styles(list(data["agents"])).items(), data["agents"].values(), strict=True):
        for i, curve in enumerate(curves):
            x = np.arange(1, len(curve) + 1)
            ax.plot(x, curve, markevery=5, markersize=5, alpha=0.85, label=name if i == 0 else None, **style)
    ax.axhline(data["max_steps"], color=COLORS["grey"], linestyle=":")
    ax.set(xlabel="generation", ylabel="steps lived in the dream", ylim=(0, None))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize=9)
    return figure


@styled
def draw_transfer(data: Mapping[str, Any]) -> Figure:
    """Draw the score in the real game against that in the dream.

    Args:
        data: by name, for each training seed [dream, real]: agents; no_op: of standing still in the dreams of a kind of models.
    """
    figure, axes = new_figure(5.6, 4.6)
    ax = axes[0, 0]
    for (name, style), points in zip(styles(list(data["agents"])).items(), data["agents"].values(), strict=True):
        ax.plot(*np.transpose(points), linestyle="none", markersize=8, label=name, **style)
    for name, points in data["no_op"].items():
        label = f"standing still, dreams of the {name}"
        ax.plot(*np.transpose(points), "x", color=family_color(name), markersize=8, label=label)
    top = max(ax.get_xlim()[1], ax.get_ylim()[1])
    ax.plot([0, top], [0, top], ":", color=COLORS["grey"])
    ax.set(xlabel="steps lived in its dreams", ylabel="tics survived in the real game", xlim=(0, top), ylim=(0, top))
    ax.legend(fontsize=9)
    return figure


@styled
def draw_prediction(data: Mapping[str, Any]) -> Figure:
    """Draw how well models predict held-out episodes, one step ahead and many.

    Args:
        data: nll: by name, nats per latent dimension, of each training seed; ahead: by name squared error by horizon.
    """
    figure, axes = new_figure(8.4, 3.6, columns=2)
    dots, lines = axes[0]
    names = list(data["nll"])
    for y, name in enumerate(names):
        values = data["nll"][name]
        dots.plot(values, [y] * len(values), "o", color=family_color(name), markersize=8, alpha=0.8)
    dots.set_yticks(range(len(names)), names)
    dots.set(xlabel="−ln p of the next latent, nats per dimension", ylim=(len(names) - 0.5, -0.5), title="one step")
    for (name, style), errors in zip(styles(list(data["ahead"])).items(), data["ahead"].values(), strict=True):
        lines.plot(np.arange(1, len(errors) + 1), errors, markevery=8, markersize=5, label=name, **style)
    lines.set(
        xlabel="steps ahead, without new frames", ylabel="squared error per dimension", ylim=(0, None), title="many steps"
    )
    lines.legend(fontsize=9)
    return figure


@styled
def draw_losses(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw how many tics agents lose when something is taken from them.

    Args:
        rows: made by `estimates.loss_rows`.
    """
    names = list(dict.fromkeys(row["agent"] for row in rows))
    handicaps = [each for each in HANDICAPS if each in {row["handicap"] for row in rows}]
    figure, axes = new_figure(7.6, 0.62 * len(handicaps) + 1.2)
    ax = axes[0, 0]
    for row in rows:
        number = names.index(row["agent"])
        y = handicaps.index(row["handicap"]) + 0.26 * (number - (len(names) - 1) / 2)
        first = row["agent"] not in ax.get_legend_handles_labels()[1]
        color = family_color(row["agent"])
        ax.plot([row["low"], row["high"]], [y, y], color=color, linewidth=2.2)
        ax.plot(row["value"], y, MARKERS[number], color=color, markersize=8, label=row["agent"] if first else None)
        ax.plot(row["training_seeds"], [y] * len(row["training_seeds"]), "|", color="black", markersize=9)
    ax.axvline(0, color=COLORS["grey"], linewidth=1)
    ax.axvline(COUNTS, color=COLORS["grey"], linestyle=":")
    ax.set_yticks(range(len(handicaps)), handicaps)
    ax.set(xlabel="tics lost in the real game, mean", ylim=(len(handicaps) - 0.5, -0.5))
    ax.legend(fontsize=9)
    return figure


@styled
def draw_rounds(data: Mapping[str, Any]) -> Figure:
    """Draw what becomes of agents that learn from their own games, round by round.

    Args:
        data: made by `estimates.rounds`.
    """
    agents = data["agents"]
    best, blind = data["blind"]
    figure, axes = new_figure(10.4, 3.2, columns=len(ROUND_MEASURES))
    for ax, (measure, title) in zip(axes[0], ROUND_MEASURES.items(), strict=True):
        for shift, (name, style) in zip((-0.06, 0.06), styles(list(agents)).items(), strict=False):
            value, low, high = np.transpose(agents[name][measure])
            x = np.arange(len(value)) + shift
            ax.vlines(x, low, high, color=style["color"], alpha=0.6)
            ax.plot(x, value, label=name, markersize=6, **style)
        ax.set(xlabel="round", title=title)
        ax.xaxis.get_major_locator().set_params(integer=True)
    in_game = axes[0, list(ROUND_MEASURES).index("tics")]
    for tics, text, line in ((blind, best, "-"), (*REPORTED, ":")):
        in_game.axhline(tics, color=COLORS["grey"], linestyle=line, linewidth=1, zorder=0)
        place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        in_game.annotate(text, (0, tics), (3, 2), color=COLORS["grey"], fontsize=8, **place)
    axes[0, 0].legend(fontsize=8)
    return figure


@styled
def draw_tunings(data: Mapping[str, Any]) -> Figure:
    """Draw what the search tried, the chosen tunings ringed.

    Left likelihood and recall of the short trainings, right the life of one who stands still in the dreams of the full ones.

    Args:
        data: tried, made by `search.search`, and finals, made by `search.finals`: by name of the world model the tunings, the
            chosen one first; still: mean tics of one who stands still in the game.
    """
    figure, axes = new_figure(9.6, 3.8, columns=2)
    left, right = axes[0]
    for name, style in styles(list(data["tried"])).items():
        points = np.array([[np.mean(row["nll"]), np.mean(row["strict_recall"])] for row in data["tried"][name]])
        lives = np.array([[row["lr"], np.mean(row["still"])] for row in data["finals"][name]])
        for ax, of_tunings in ((left, points), (right, lives)):
            ax.plot(*of_tunings.T, linestyle="none", markersize=8, alpha=0.7, label=name, **style)
            ax.plot(*of_tunings[0], "o", markersize=16, markerfacecolor="none", color=style["color"])
    left.set(xlabel="−ln p of the next latent, nats per dimension", ylabel="recall of deaths", title="short trainings")
    right.axhline(data["still"], color=COLORS["grey"], linestyle=":", label="in the game")
    right.set(xlabel="learning rate", ylabel="steps lived standing still", title="full trainings", xscale="log", ylim=(0, None))
    right.legend(fontsize=9)
    return figure


@styled
def draw_film(data: Mapping[str, Any], frame: int) -> Figure:
    """Draw one moment of a film: its pictures beside each other.

    Args:
        data: png: packed (R, frames, 64, 64, 3); rows: names of the R pictures; every: steps from one frame to the next.
        frame: number of it.
    """
    grid = unpack(data["png"])[:, frame]
    figure, axes = new_figure(2.4 * len(grid), 2.8, columns=len(grid))
    for ax, picture, name in zip(axes[0], grid, data["rows"], strict=True):
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(name)
        ax.axis("off")
    axes[0, 0].text(2, 61, f"tic {frame * data['every']}", color="white", fontsize=9)
    return figure
