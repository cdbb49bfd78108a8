"""The pictures of notebook 08, each a function of stored numbers.

Reading guide. `draw_film` replays a stored flight in the game; `draw_walk` and `draw_novelty` show what is novel;
`draw_curves`, `draw_scores`, `draw_choices` and `draw_runs` report; `draw_rasters` and `draw_snapshot` show actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from wmlib.envs.pixelcopter import Games
from wmlib.experiment.statistics import mean
from wmlib.lessons.rnd_pixelcopter.blind import NOTHING, UP
from wmlib.lessons.rnd_pixelcopter.kinds import KINDS
from wmlib.lessons.rnd_pixelcopter.measures import DISTANCES, HEIGHTS
from wmlib.lessons.rnd_pixelcopter.pipeline import BOTH, BOTH_ON, DNC, EXTRINSIC, INTRINSIC, LSTM, NO_CORE, RASTER_FRAMES
from wmlib.viz.figures import COLORS, new_figure, styled

ARM_COLORS = {
    EXTRINSIC: "blue",
    INTRINSIC: "pink",
    BOTH: "green",
    BOTH_ON: "gold",
    NO_CORE: "green",
    LSTM: "orange",
    DNC: "blue",
}
ARM_MARKERS = {EXTRINSIC: "o", INTRINSIC: "s", BOTH: "^", BOTH_ON: "D", NO_CORE: "o", LSTM: "s", DNC: "^"}
KIND_COLORS = {"never": "orange", "hops": "gold", "rhythm": "sky", "other": "blue"}
ROW_COLORS = {"ours": "green", "blind": "grey", "rule": "gold", "card": "sky", "author": "orange"}
ROW_WORDS = {
    "ours": "agents of this notebook",
    "blind": "blind policies",
    "rule": "hand-written rule, our recordings",
    "card": "public model cards, as reported",
    "author": "Mufti 2019",
}
SCORE_AXIS = (-8, 2000)  # mean returns that are shown; 10,000 frames pay about 1,750
DOTS = (  # number, place, marker and legend of what `draw_choices` shows of an arm's returns
    ("returns", 0.0, "o", "greedy"),
    ("sampled", 0.2, "o", "sampled"),
    ("elsewhere", -0.2, "x", "one fixed level: greedy on test levels"),
)
UP_MAP = ListedColormap(["#E8EEF2", "#0072B2", "#FFFFFF"])  # nothing, up, over


@lru_cache(maxsize=4)
def _flight(seed: int, ups: tuple[int, ...], frames: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Fly again: pictures (frames + 1, 48, 48, 3), scores (frames + 1,), and when it was over; the last picture stays."""
    games = Games(1)
    games.reset([seed])
    pictures = [games.pictures()[0]]
    scores = [0.0]
    pressed = set(ups)
    end = frames + 1
    for frame in range(frames):
        if games.terminated[0]:
            end = min(end, frame)
            pictures.append(pictures[-1])
            scores.append(scores[-1])
            continue
        games.step(np.array([UP if frame in pressed else NOTHING]))
        pictures.append(games.pictures()[0])
        scores.append(float(games.scores[0]))
    return np.stack(pictures), np.array(scores), end


@styled
def draw_film(data: Sequence[Mapping[str, Any]], frame: int) -> Figure:
    """Draw flights side by side at one frame.

    Args:
        data: of each flight "name", "seed" of its level, "ups", the frames with an up, and "length", frames to be shown.
        frame: which.
    """
    figure, axes = new_figure(2.5 * len(data), 3.1, columns=len(data))
    figure.set_layout_engine("constrained", h_pad=0.12)
    for ax, flight in zip(axes[0], data, strict=True):
        pictures, scores, end = _flight(flight["seed"], tuple(flight["ups"]), flight["length"])
        at = min(frame, flight["length"])
        ax.imshow(pictures[at], interpolation="nearest")
        ax.set_axis_off()
        pressed = " ▲" if at < end and at - 1 in flight["ups"] else ""
        when = f"over at frame {end}" if at >= end else f"frame {at}"
        ax.set_title(f"{flight['name']}\n{when}, score {scores[at]:.0f}{pressed}", fontsize=9)
    return figure


@styled
def draw_walk(data: Mapping[str, Any]) -> Figure:
    """Draw a random walk over its novelty maps.

    Args:
        data: of `random_walk.film`.
    """
    maps = np.array(data["maps"])
    positions = np.array(data["positions"])
    figure, axes = new_figure(1.9 * len(maps), 2.3, columns=len(maps), sharey=True)
    for ax, novelty, at in zip(axes[0], maps, data["at"], strict=True):
        image = ax.imshow(novelty / maps[0].mean(), extent=(-1, 1, -1, 1), origin="lower", vmin=0, vmax=1.5, cmap="magma")
        ax.plot(*positions[: at + 1].T, color="white", linewidth=0.7)
        ax.grid(False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(f"{at:,} steps", fontsize=9)
    figure.colorbar(image, ax=axes, label="novelty, start = 1", shrink=0.8)
    return figure


def _line(ax: Axes, curve: Mapping[str, Any], color: str, marker: str, label: str) -> None:
    """Draw the mean of seeds, from three on with its interval; windows in which not every seed has a number are left out."""
    steps = np.array(curve["env_steps"]) / 1e6
    values = np.array([[np.nan if v is None else v for v in row] for row in curve["values"]], float)
    whole = np.isfinite(values).all(0)
    if not whole.any():
        return
    ax.plot(steps[whole], values[:, whole].mean(0), color=color, marker=marker, markevery=0.2, markersize=5, label=label)
    for row in values:
        ax.plot(steps[whole], row[whole], color=color, linewidth=0.6, alpha=0.6)
    if len(values) > 2:  # the interval of two seeds is wider than any axis
        estimates = [mean(column) for column in values[:, whole].T]
        low, high = np.array([(e.low, e.high) for e in estimates]).T
        ax.fill_between(steps[whole], low, high, color=color, alpha=0.15, linewidth=0)


@styled
def draw_curves(data: Mapping[str, Any]) -> Figure:
    """Draw learning curves: returns of training episodes against environment steps, a panel a view.

    Args:
        data: "panels", by title the curves of `estimates.curves`; "blind", the best blind policy's mean return in tests.
    """
    panels = data["panels"]
    figure, axes = new_figure(4.4 * len(panels), 3.4, columns=len(panels))
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        highest = data["blind"]
        for name, curve in curves.items():
            _line(ax, curve, COLORS[ARM_COLORS[name]], ARM_MARKERS[name], name)
            highest = max([highest, *(v for row in curve["values"] for v in row if v is not None)])
        ax.axhline(data["blind"], color=COLORS["grey"], linestyle=":", label="best blind policy, in tests")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
        ax.set(title=title, xlabel="environment steps (millions, logarithmic)", ylim=(-8, 1.15 * highest))
    axes[0, 0].set_ylabel("return of training episodes")
    axes[0, 0].legend(fontsize=8, loc="upper left")
    return figure


@styled
def draw_runs(data: Mapping[str, Any], paid: str, tested: str) -> Figure:
    """Draw what training episodes of some arms are paid, and what the arms reach in tests.

    Args:
        data: "curves", of `estimates.curves`; "tests", by arm a number a seed.
        paid, tested: labels of the two.
    """
    figure, axes = new_figure(7.6, 3.2, columns=2, width_ratios=[3, 2])
    left, right = axes[0]
    for place, (name, curve) in enumerate(data["curves"].items()):
        color = COLORS[ARM_COLORS[name]]
        _line(left, curve, color, ARM_MARKERS[name], name)
        values = data["tests"][name]
        right.plot([place] * len(values), values, ARM_MARKERS[name], color=color, alpha=0.7)
        right.plot(place, np.mean(values), "_", color=color, markersize=22, markeredgewidth=2)
    left.set(xlabel="environment steps (millions)", ylabel=paid)
    left.legend(fontsize=8, loc="upper left")
    right.set_xticks(range(len(data["tests"])), [name.replace(" ", "\n") for name in data["tests"]], fontsize=8)
    right.set(ylabel=tested, xlim=(-0.6, len(data["tests"]) - 0.4))
    return figure


def _rows_of(ups: Sequence[Sequence[int]], frames: Sequence[int]) -> np.ndarray:
    picture = np.zeros((len(ups), RASTER_FRAMES))
    for row, pressed, length in zip(picture, ups, frames, strict=True):
        row[[frame for frame in pressed if frame < RASTER_FRAMES]] = 1
        row[min(length, RASTER_FRAMES) :] = 2
    return picture


def _draw_raster(ax: Axes, ups: Sequence[Sequence[int]], frames: Sequence[int]) -> None:
    ax.imshow(_rows_of(ups, frames), cmap=UP_MAP, vmin=0, vmax=2, aspect="auto", interpolation="nearest")
    ax.grid(False)
    ax.set_yticks([])
    ax.set_ylabel("levels")


@styled
def draw_rasters(data: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the actions of greedy episodes, a row a level: dark where "up" is pressed, white after the end.

    Args:
        data: by agent, of `estimates.raster`.
    """
    figure, axes = new_figure(8.4, 1.25 * len(data) + 0.4, rows=len(data), sharex=True)
    for ax, (name, raster) in zip(axes[:, 0], data.items(), strict=True):
        _draw_raster(ax, raster["ups"], raster["frames"])
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in raster["kinds"].items() if round(100 * share))
        ax.set_title(f"{name}: {shares}", fontsize=9)
    axes[-1, 0].set_xlabel("frame")
    return figure


def _lowest(data: Mapping[str, Sequence[Mapping[str, Any]]]) -> float:
    """Return the power of ten below the least novelty of all agents and times."""
    least = [
        min(v for row in shot["novelty"] for v in row if v is not None) / _scale_of(shots)
        for shots in data.values()
        for shot in shots
    ]
    return float(10 ** np.floor(np.log10(min(least))))


def _draw_map(ax: Axes, novelty: Sequence, scale: float, lowest: float) -> Any:
    values = np.array([[np.nan if v is None else v for v in row] for row in novelty], float)
    extent = (DISTANCES[0], DISTANCES[-1], HEIGHTS[-1], HEIGHTS[0])
    image = ax.imshow(values / scale, extent=extent, norm=LogNorm(lowest, 4), cmap="magma", aspect="auto")
    ax.grid(False)
    ax.set_xlabel("pixels to the next block")
    return image


def _scale_of(data: Sequence[Mapping[str, Any]]) -> float:
    first = next(each["novelty"] for each in data if each["novelty"] is not None)
    return float(np.mean([v for row in first for v in row if v is not None]))


@styled
def draw_novelty(data: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw what is novel where, at the first, the middle and the last snapshot; a row an agent.

    Args:
        data: by agent, of `estimates.snapshots`.
    """
    figure, axes = new_figure(8.4, 2.3 * len(data) + 0.2, rows=len(data), columns=3, sharex=True, sharey=True)
    lowest = _lowest(data)
    for row, (name, shots) in zip(axes, data.items(), strict=True):
        scale = _scale_of(shots)
        for ax, shot in zip(row, (shots[0], shots[len(shots) // 2], shots[-1]), strict=True):
            image = _draw_map(ax, shot["novelty"], scale, lowest)
            ax.set_title(f"{name}, {shot['env_steps'] / 1e6:.2f} M steps", fontsize=9)
        row[0].set_ylabel("height\n(pixels from the top)")
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
    figure.colorbar(image, ax=axes, label="novelty, mean of the first map = 1", shrink=0.8)
    return figure


@styled
def draw_snapshot(data: Mapping[str, Sequence[Mapping[str, Any]]], agent: str, snapshot: int) -> Figure:
    """Draw the novelty map and the actions of one agent at one time of its training.

    Args:
        data: by agent, of `estimates.snapshots`.
        agent: which.
        snapshot: number, from 1; past the last one, the last one.
    """
    shots = data[agent]
    shot = shots[min(snapshot, len(shots)) - 1]
    figure, axes = new_figure(8.4, 3.0, columns=2, width_ratios=[2, 3])
    image = _draw_map(axes[0, 0], shot["novelty"], _scale_of(shots), _lowest(data))
    axes[0, 0].set_ylabel("height (pixels from the top)")
    axes[0, 0].set_title("novelty, mean of the first map = 1", fontsize=9)
    figure.colorbar(image, ax=axes[0, 0])
    _draw_raster(axes[0, 1], shot["ups"], shot["frames"])
    axes[0, 1].set_xlabel("frame")
    words = f"{agent}, {shot['env_steps'] / 1e6:.2f} M steps: return {shot['validation']:.1f}, stuck {shot['stuck']:.0%}"
    axes[0, 1].set_title(words, fontsize=9)
    return figure


@styled
def draw_choices(data: Mapping[str, Any]) -> Figure:
    """Draw what each of the author's choices does to an agent with curiosity alone: kinds of episodes, and returns.

    Args:
        data: "panels", by view, rows of `estimates.choice_rows`; "blind", the best blind policy's mean return on test levels;
            "fixed level", that of the best rhythm on the fixed level.
    """
    heights = [len(rows) + 2 for rows in data["panels"].values()]
    figure, axes = new_figure(
        9.4, 0.36 * sum(heights) + 0.7, rows=len(heights), columns=3, width_ratios=[2, 2, 1.6], height_ratios=heights
    )
    for (greedy, sampled, right), (view, rows) in zip(axes, data["panels"].items(), strict=True):
        places = np.arange(len(rows))
        for ax, name, word in ((greedy, "kinds", "greedy"), (sampled, "sampled_kinds", "sampled actions")):
            start = np.zeros(len(rows))
            for i, kind in enumerate(KINDS):
                shares = np.array([row[name][i] for row in rows])
                ax.barh(places, shares, left=start, color=COLORS[KIND_COLORS[kind]], label=kind, height=0.7)
                start += shares
            ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="proportion of episodes", title=f"{view}: {word}")
            ax.set_yticks(places, [])
        greedy.set_yticks(places, [row["name"] for row in rows])
        for place, row in zip(places, rows, strict=True):
            for name, shift, marker, word in DOTS:
                at = [place + shift] * len(row[name])
                label = word if place == 0 else None
                right.plot(row[name], at, marker, color=COLORS["pink"], fillstyle="none" if shift else "full", label=label)
            if row["elsewhere"]:
                right.plot(data["fixed level"], place, "|", color="black", markersize=14, markeredgewidth=2, zorder=4)
        right.set_yticks(places, [])
        right.set(ylim=(len(rows) - 0.5, -0.5), xlabel="mean test return")
        right.axvline(data["blind"], color=COLORS["grey"], linestyle=":", label="best blind policy")
    (bars, kinds), (dots, words) = (ax.get_legend_handles_labels() for ax in (axes[0, 0], axes[0, 2]))
    figure.legend([*bars, *dots], [*kinds, *words], fontsize=8, ncols=4, loc="outside upper center")
    return figure


@styled
def draw_scores(data: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw scores of PixelCopter: ours with seeds and intervals, blind policies, and what is reported elsewhere.

    Args:
        data: rows of `estimates.score_rows`.
    """
    figure, axes = new_figure(8.4, 0.28 * len(data) + 0.8)
    ax = axes[0, 0]
    ax.set_xscale("symlog", linthresh=10)
    labelled = set()
    for place, row in enumerate(data):
        label = None if row["kind"] in labelled else ROW_WORDS[row["kind"]]
        labelled.add(row["kind"])
        ax.barh(place, row["value"], color=COLORS[ROW_COLORS[row["kind"]]], height=0.7, alpha=0.75, label=label)
        if row["interval"] is not None:
            ax.plot(np.clip(row["interval"], *SCORE_AXIS), [place, place], color="black", linewidth=1.2)
        ax.plot(row["seeds"], [place] * len(row["seeds"]), "|", color="black", markersize=8)
        ax.text(1.06, place, f"{row['value']:.1f}", ha="right", va="center", fontsize=8, transform=ax.get_yaxis_transform())
    ax.set_yticks(range(len(data)), [row["name"] for row in data], fontsize=8)
    ax.set(xlim=SCORE_AXIS, xlabel="mean return (linear to ±10, then logarithmic)", ylim=(-0.7, len(data) - 0.3))
    ax.set_xticks([-5, 0, 5, 10, 100, 1000], ["-5", "0", "5", "10", "100", "1000"])
    ax.legend(fontsize=8, loc="lower right")
    return figure
