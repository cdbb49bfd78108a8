"""The pictures of notebook 01, each a function of stored numbers."""

import functools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from wmlib.lessons.cma_es_toy.schaffer import HIGH, LOW, NEAR, OPTIMUM, schaffer
from wmlib.lessons.cma_es_toy.solvers import TARGET, local_optima, loss
from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled

RED = "#C5221F"  # the population


@functools.cache
def _background(low: float, high: float, pixels: int = 500) -> np.ndarray:
    line = np.linspace(low, high, pixels)
    return np.round(10 * schaffer(np.stack(np.meshgrid(line, line), -1))) / 10  # few greys: small files


def draw_landscape(ax: Axes, low: float = LOW, high: float = HIGH) -> None:
    """Draw the function in grey, dark where it is high."""
    ax.imshow(_background(low, high), extent=(low, high, low, high), origin="lower", cmap="Greys", vmin=0, vmax=1.6)
    ax.set(xlim=(low, high), ylim=(low, high), xlabel="x", ylabel="y", aspect="equal")
    ax.grid(False)


@styled
def draw_start_and_goal() -> Figure:
    """Draw the landscape from start to goal, and near the goal."""
    figure, axes = new_figure(8.4, 4.2, columns=2)
    for ax, (low, high) in zip(axes[0], [(LOW, HIGH), (7, 13)], strict=True):
        draw_landscape(ax, low, high)
        ax.plot(*OPTIMUM, "*", color=COLORS["blue"], markersize=13)
    axes[0, 0].plot(0, 0, "o", color=RED)
    axes[0, 0].set_title("start (dot) and goal (star)")
    axes[0, 1].set_title("near the goal")
    return figure


def _ellipse(film: dict, generation: int, linestyle: str) -> Ellipse:
    values, vectors = np.linalg.eigh(np.asarray(film["covariance"][generation]))
    width, height = 4 * film["sigma"][generation] * np.sqrt(np.maximum(values, 0))
    angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    style = {"facecolor": "none", "edgecolor": COLORS["green"], "linewidth": 1.5, "linestyle": linestyle}
    return Ellipse(film["mean"][generation], width, height, angle=angle, **style)


def draw_generation(ax: Axes, film: dict, generation: int) -> None:
    """Draw one generation: population, mean, sampling ellipse (two standard deviations), optimum.

    Args:
        film: population (G, P, 2), mean (G, 2), sigma (G,), covariance (G, 2, 2), best (G,), solved.
        generation: from 0; beyond the last one, the last one is drawn.
    """
    g = min(generation, len(film["mean"]) - 1)
    draw_landscape(ax)
    ax.add_patch(_ellipse(film, g, "-"))
    points = np.asarray(film["population"][g])
    ax.plot(*points.T, "o", color=RED, markersize=3, label="population")
    ax.plot(*film["mean"][g], "s", color=COLORS["green"], markersize=7, markeredgecolor="white", label="mean, 2 sigma")
    ax.plot(*OPTIMUM, "*", color=COLORS["blue"], markersize=14, markeredgecolor="white", label="optimum")
    state = "found" if film["best"][g] <= TARGET else f"best loss {film['best'][g]:.1e}"
    ax.set_title(f"generation {g + 1}: {state}")


@styled
def draw_films(films: list[dict], generation: int) -> Figure:
    """Draw the same generation of two runs side by side."""
    figure, axes = new_figure(8.4, 4.6, columns=len(films))
    for ax, film in zip(axes[0], films, strict=True):
        draw_generation(ax, film, generation)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


@styled
def draw_generation_steps(film: dict, generation: int, parents: float) -> Figure:
    """Draw one generation in four panels: draw, rank, move, reshape.

    Args:
        film: as for `draw_generation`.
        generation: from 0, not the last one.
        parents: proportion of the population.
    """
    points = np.asarray(film["population"][generation])
    best = np.argsort(loss(points))[: max(1, int(parents * len(points)))]
    old, new = np.asarray(film["mean"][generation : generation + 2])
    centre = (old + new) / 2
    reach = 2 * film["sigma"][generation + 1] * np.sqrt(np.diag(film["covariance"][generation + 1]))
    half = 1.1 * max(np.abs(points - centre).max(), (np.abs(new - centre) + reach).max())
    left, right, bottom, top = centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half
    arrow = {"arrowstyle": "-|>", "color": COLORS["blue"], "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0}
    figure, axes = new_figure(10.4, 3.0, columns=4)
    for ax, title in zip(axes[0], ("draw", "rank", "move", "reshape"), strict=True):
        ax.imshow(
            schaffer(np.stack(np.meshgrid(np.linspace(left, right, 400), np.linspace(bottom, top, 400)), -1)),
            extent=(left, right, bottom, top),
            origin="lower",
            cmap="Greys",
            vmin=0,
            vmax=3,
        )
        ax.set(title=title, xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
        ax.plot(*points.T, "o", color="white", markeredgecolor=RED, markersize=3.5)
    for ax in axes[0, :3]:
        ax.add_patch(_ellipse(film, generation, "-"))
    for ax in axes[0, 1:]:
        ax.plot(*points[best].T, "o", color=RED, markersize=3.5)
    for ax in axes[0, 2:]:
        ax.annotate("", new, old, arrowprops=arrow)
    axes[0, 3].add_patch(_ellipse(film, generation, ":"))
    axes[0, 3].add_patch(_ellipse(film, generation + 1, "-"))
    return figure


@styled
def draw_ends(data: dict) -> Figure:
    """Draw where runs end, over the landscape near the optimum, and how good those places are.

    Args:
        data: x (runs, 2), loss (runs,), solved (runs,).
    """
    figure, axes = new_figure(8.4, 4.4, columns=2)
    ax = axes[0, 0]
    x = np.asarray(data["x"])
    solved = np.asarray(data["solved"], dtype=bool)
    draw_landscape(ax, *NEAR)
    cross = {"color": COLORS["blue"], "markersize": 7, "markeredgewidth": 1.6}
    ax.plot(*local_optima(*NEAR).T, "x", **cross, label="local optima, by theory")
    ax.plot(*x[~solved].T, "o", color=RED, markersize=4.5, markeredgecolor="white", label="runs that missed")
    ax.plot(*x[solved].T, "s", color=COLORS["green"], markersize=6, markeredgecolor="white", label="runs that found it")
    ax.set_title("where runs end")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)

    ax = axes[0, 1]
    a = np.linspace(-6, 6, 2001)
    ax.plot(10 + a, schaffer(np.stack([10 + a, np.full_like(a, 10.0)], -1)), color=COLORS["grey"])
    bottoms = local_optima(*NEAR)
    bottoms = bottoms[bottoms[:, 1] == 10]
    ax.plot(bottoms[:, 0], schaffer(bottoms), "x", **cross)
    ax.plot(*OPTIMUM * [1, 0], "*", color=COLORS["blue"], markersize=14, markeredgecolor="white")
    ax.set(xlabel="x (at y = 10)", ylabel="f", title="a cut through the optimum")
    return figure


@styled
def draw_success(rows: list[dict]) -> Figure:
    """Draw success rates as dots with 95 % intervals, one row per method.

    Args:
        rows: label, value, low, high, n, kind ("author", "ours", "peer", "random").
    """
    colors = {"author": COLORS["pink"], "ours": COLORS["blue"], "peer": COLORS["orange"], "random": COLORS["grey"]}
    marks = {"author": "^", "ours": "o", "peer": "s", "random": "D"}
    figure, axes = new_figure(8.0, 0.6 + 0.5 * len(rows))
    ax = axes[0, 0]
    for i, row in enumerate(rows):
        color = colors[row["kind"]]
        ax.plot([100 * row["low"], 100 * row["high"]], [i, i], color=color, linewidth=3, alpha=0.5)
        ax.plot(100 * row["value"], i, marks[row["kind"]], color=color, markersize=8)
        ax.annotate(f"{round(row['value'] * row['n'])} of {row['n']}", (104, i), va="center", annotation_clip=False)
    ax.set_yticks(range(len(rows)), [r["label"] for r in rows])
    ax.invert_yaxis()
    ax.set(xlim=(-2, 102), xlabel="runs that find the optimum, % (bar: 95 % Wilson interval)")
    ax.grid(axis="y", visible=False)
    return figure


@styled
def draw_sweeps(sweeps: dict[str, dict]) -> Figure:
    """Draw success rate against one setting at a time; the author's value is marked.

    Args:
        sweeps: by axis label: settings (S,), value (S,), low (S,), high (S,), author (one of the settings).
    """
    figure, axes = new_figure(8.4, 3.4, columns=len(sweeps), sharey=True)
    for ax, (label, sweep), mark in zip(axes[0], sweeps.items(), MARKERS, strict=False):
        low, high, value = (100 * np.asarray(sweep[k]) for k in ("low", "high", "value"))
        ax.fill_between(sweep["settings"], low, high, color=COLORS["blue"], alpha=0.2, linewidth=0)
        ax.plot(sweep["settings"], value, mark + "-", color=COLORS["blue"])
        ax.axvline(sweep["author"], color=COLORS["grey"], linestyle=":", linewidth=1.4)
        ax.annotate(" the author's", (sweep["author"], 101), color=COLORS["grey"], va="bottom", annotation_clip=False)
        ax.set_xscale("log")
        ax.set_xticks(sweep["settings"], [f"{s:g}" for s in sweep["settings"]])
        ax.minorticks_off()
        ax.set(xlabel=label, ylim=(-3, 103))
    axes[0, 0].set_ylabel("runs that find it, %")
    return figure


@styled
def draw_slip(curves: dict[str, dict]) -> Figure:
    """Draw the outer product against the scalar on an ill-conditioned function.

    Args:
        curves: right and slip: evaluations, low, median, high (G,) each.
    """
    figure, axes = new_figure(6.0, 3.4)
    ax = axes[0, 0]
    for name, color, style, label in (("right", "blue", "-", "outer product"), ("slip", "pink", "--", "scalar product")):
        low, median, high = (np.asarray(curves[name][k]) for k in ("low", "median", "high"))
        evaluations = curves[name]["evaluations"]
        ax.fill_between(evaluations, low, high, color=COLORS[color], alpha=0.2, linewidth=0)
        ax.plot(evaluations, median, style, color=COLORS[color], label=label)
    ax.set_yscale("log")
    ax.set(xlabel="evaluations", ylabel="best value", title="ellipsoid, N = 10, condition 10⁶")
    ax.legend()
    return figure
