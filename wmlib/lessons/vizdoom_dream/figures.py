"""The pictures of notebook 05, each a function of stored numbers."""

from collections.abc import Mapping
from itertools import cycle, pairwise

import numpy as np
import scipy.stats
import torch
from matplotlib.figure import Figure
from torch import Tensor

from wmlib.lessons.vizdoom_dream.occlusion import CLASSES
from wmlib.experiment.statistics import share
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts
from wmlib.viz.figures import COLORS, MARKERS, new_figure
from wmlib.lessons.vae.figures import unpack

ORDER = ("blue", "orange", "green", "pink", "gold", "sky")
LEAST = 30  # cases below which no share is drawn
SOLVED = 750  # tics, the mean over 100 games that counts as solving


def look(names: list[str]) -> dict[str, dict]:
    """Return color and marker for each agent, in their order."""
    return {name: {"color": COLORS[c], "marker": m} for name, c, m in zip(names, cycle(ORDER), cycle(MARKERS), strict=False)}


def table(scripted: Mapping[str, np.ndarray], agents: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[dict]:
    """Return the rows that `draw_scores` draws, scripted players first.

    Args:
        scripted: tics (games,) by name.
        agents: tics (complete runs, games) by name.
    """
    rows = []
    for kind, players in (("scripted", scripted), ("agent", agents)):
        for name, tics in players.items():
            runs = np.atleast_2d(tics)
            mean = share(runs, np.ones(runs.shape[1]), rng)
            lived = np.sort(runs.ravel())
            row = {"name": name, "kind": kind, **mean._asdict(), "quartiles": np.quantile(lived, (0.25, 0.75))}
            row["interquartile_mean"] = scipy.stats.trim_mean(lived, 0.25)
            rows.append({**row, "starts": runs.mean(1) if kind == "agent" else [], "lived": runs.ravel()})
    return rows


def draw_scores(data: Mapping) -> Figure:
    """Draw how long players survive in the real game.

    Args:
        data: rows, made by `table`; games: number of each.
    """
    rows = data["rows"]
    figure, axes = new_figure(7.6, 0.42 * len(rows) + 1.2)
    ax = axes[0, 0]
    for y, row in enumerate(rows):
        color = COLORS["grey" if row["kind"] == "scripted" else "blue"]
        ax.plot(row["quartiles"], [y, y], color=color, linewidth=9, alpha=0.18, solid_capstyle="butt")
        ax.plot(row["interquartile_mean"], y, "D", color=color, markersize=5, markerfacecolor="white")
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


def draw_curve(data: Mapping) -> Figure:
    """Draw the score in the real game, and in the dream, by generation.

    Args:
        data: generations: numbers; agents: by name, of each complete run {"real": …, "dream": …} at these generations;
            blind: score of the blind runner; games: number of real games behind each point.
    """
    figure, axes = new_figure(8.4, 3.4, columns=2, sharex=True)
    for ax, part, title in (
        (axes[0, 0], "dream", "in the 64 dreams that choose the agent"),
        (axes[0, 1], "real", "in the real game"),
    ):
        for (name, style), runs in zip(look(list(data["agents"])).items(), data["agents"].values(), strict=True):
            for i, run in enumerate(runs):
                ax.plot(data["generations"], run[part], alpha=0.85, label=name if i == 0 else None, markersize=5, **style)
        ax.set(xlabel="generation", title=title, ylim=(0, None))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 1].axhline(data["blind"], color=COLORS["grey"], linestyle=":")
    axes[0, 1].annotate("blind runner", (data["generations"][0], data["blind"]), (0, 3), textcoords="offset points", fontsize=9)
    axes[0, 0].set_ylabel("steps lived, mean")
    axes[0, 0].legend(fontsize=9)
    return figure


def seeing(looked: Mapping[str, list[Mapping]], rng: np.random.Generator) -> dict:
    """Make of counts, by player and complete run (see `stages.take_cover_games.seeing`), what `draw_seeing` draws."""

    def by_class(runs: list[Mapping], hits, counts: str, scale: float = 1.0, events: bool = True) -> list:
        each, base = (np.stack([part(run) for run in runs]) for part in (hits, lambda run: run[counts]))
        found = [share(each[..., c], base[..., c], rng) if base[..., c].sum() >= LEAST else None for c in range(base.shape[-1])]
        if events:  # of none in n cases a bootstrap makes an interval without width; 3 / n is its end, if cases are independent
            found = [f and (f if each[..., c].any() else (0.0, 0.0, 3 / base[..., c].sum())) for c, f in enumerate(found)]
        return [f and [scale * v for v in f[:3]] for f in found]

    asked = {name: runs for name, runs in looked.items() if "asked" in runs[0]}
    return {
        "classes": [f"{a}-{b - 1}" for a, b in pairwise(CLASSES)] + [f"{CLASSES[-1]} +"],
        "changed": {n: {p: by_class(r, lambda x, p=p: x[p], "asked") for p in ("ball", "patch")} for n, r in asked.items()},
        "dodges": {n: by_class(r, lambda x: x["away"] - x["towards"], "counted", events=False) for n, r in looked.items()},
        "danger": {n: by_class(r, lambda x: x["deaths"], "tics", 1000.0) for n, r in looked.items()},
    }


def draw_seeing(data: Mapping) -> Figure:
    """Draw whether players look at fireballs.

    Args:
        data: classes: names of the sizes; changed: by agent {"ball": …, "patch": …}, lists of [value, low, high] by size (None
            where nothing was asked); dodges: by player [value, low, high] by size, moves away minus moves towards;
            danger: by player deaths in a thousand tics by number of balls a second before, [value, low, high].
    """
    figure, axes = new_figure(10.4, 3.6, columns=3)
    left, middle, right = axes[0]
    styles = look([*data["changed"], *(n for n in data["dodges"] if n not in data["changed"])])
    for shift, (name, parts) in zip((-0.12, 0.12), data["changed"].items(), strict=False):
        for part, filled in (("ball", True), ("patch", False)):
            face = {} if filled else {"markerfacecolor": "white", "linestyle": "--"}
            what = "the ball" if filled else "a patch elsewhere"
            _points(left, parts[part], shift, label=f"{name}, {what}", **{**styles[name], **face})
    for ax, part in ((middle, "dodges"), (right, "danger")):
        for i, (name, points) in enumerate(data[part].items()):
            _points(ax, points, 0.12 * (i - 1), label=name, **styles[name])
    middle.axhline(0, color=COLORS["grey"], linewidth=1)
    for ax in (left, middle):
        ax.set_xticks(range(len(data["classes"])), data["classes"])
        ax.set_xlabel("pixels of the largest fireball")
    left.set(ylabel="answers that change", title="painted out", ylim=(0, None))
    middle.set(ylabel="moves away − moves towards", title="do they move away?")
    right.set(xlabel="fireballs in sight a second before", ylabel="deaths in 1,000 tics", title="danger", ylim=(0, None))
    right.set_xticks(range(4), ["0", "1", "2", "3+"])
    for ax, size in ((left, 7), (right, 8)):
        if ax.get_legend_handles_labels()[0]:  # a short run may have nothing to show
            ax.legend(fontsize=size)
    return figure


def _points(ax, points: list, shift: float, **style) -> None:
    """Draw estimates with intervals, one a class; None is left out."""
    there = [(x + shift, *p) for x, p in enumerate(points) if p is not None]
    if there:
        x, value, low, high = np.array(there, float).T
        ax.vlines(x, low, high, color=style["color"], alpha=0.6)
        ax.plot(x, value, markersize=5, **{"linestyle": "-", "linewidth": 1.2, **style})


def shown(eye: VAE, latents: Tensor, count: int) -> np.ndarray:
    """Return pictures of latents (T, Z), float (count, 64, 64, 3); black where there are fewer."""
    with torch.no_grad():
        pictures = eye.decode(latents[:count]).numpy()
    return np.pad(pictures, ((0, count - len(pictures)), (0, 0), (0, 0), (0, 0)))


def seen_again(eye: VAE, played: Rollouts, every: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of the longest of some recorded games, and what a VAE makes of them, float (count, 64, 64, 3) each."""
    rows = played.episode(int(played.lengths.argmax()))[::every][:count]
    with torch.no_grad():
        posterior = eye.encode(played.frames(rows))
    frames = np.pad(played.frames(rows), ((0, count - len(rows)), (0, 0), (0, 0), (0, 0)))
    return frames / np.float32(255), shown(eye, posterior.mean, count)


def draw_film(data: Mapping, frame: int) -> Figure:
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
    axes[0, 0].text(2, 61, f"{frame * data['every']}", color="white", fontsize=9)
    return figure
