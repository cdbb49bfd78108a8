"""The pictures of notebook 02, each a function of stored numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled

TITLES = {"author": "the author's toy", "bishop": "Bishop's inverse problem"}
AMBIGUOUS_X = {"author": 0.25, "bishop": 0.35}  # an x with several answers


def _scatter(ax: Axes, x: Sequence[float], y: Sequence[float], color: str) -> None:
    ax.plot(x, y, "o", color=COLORS[color], markersize=2, alpha=0.6)


@styled
def draw_problems(samples: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw samples of the problems, and an x that has several answers.

    Args:
        samples: by problem: x, y (M,).
    """
    figure, axes = new_figure(8.4, 3.4, columns=len(samples), sharey=True)
    for ax, (problem, (x, y)) in zip(axes[0], samples.items(), strict=True):
        ax.plot(x, y, "o", markersize=2.5, color=COLORS["grey"])
        ax.axvline(AMBIGUOUS_X[problem], color=COLORS["orange"], linestyle=":")
        ax.set(xlabel="x", title=TITLES[problem])
    axes[0, 0].set_ylabel("y")
    return figure


@styled
def draw_fits(data: dict) -> Figure:
    """Draw data, least squares and samples of densities, one row per problem.

    Args:
        data: by problem: x, y (M,) data; grid, line (G,) the least-squares curve; samples: by title x, y (S,).
    """
    figure, axes = new_figure(10.4, 5.4, rows=len(data), columns=4, sharey=True)
    for row, (problem, panel) in zip(axes, data.items(), strict=True):
        _scatter(row[0], panel["x"], panel["y"], "grey")
        _scatter(row[1], panel["x"], panel["y"], "grey")
        row[1].plot(panel["grid"], panel["line"], color=COLORS["orange"], linewidth=3)
        for ax, color, samples in zip(row[2:], ("pink", "blue"), panel["samples"].values(), strict=True):
            _scatter(ax, samples["x"], samples["y"], color)
        limits = (min(panel["grid"]), max(panel["grid"]))
        for ax, title in zip(row, ("data", "least squares", *panel["samples"]), strict=True):
            ax.set(xlim=limits, ylim=(-0.3, 1.3), xlabel="x", title=title)
        row[0].set_ylabel(f"{TITLES[problem]}\ny")
    return figure


@styled
def draw_steps(data: dict) -> Figure:
    """Draw how far each kind of answer is from the truth, one panel per problem.

    Args:
        data: by problem a list of rows: label, fits (n,) and value, low, high; the exact row has value alone.
    """
    figure, axes = new_figure(10.4, 3.6, columns=len(data))
    for ax, (problem, rows) in zip(axes[0], data.items(), strict=True):
        for i, row in enumerate(rows):
            if not len(row["fits"]):
                ax.plot(row["value"], i, "|", color=COLORS["grey"], markersize=16, markeredgewidth=3)
                continue
            ax.plot(row["fits"], np.full(len(row["fits"]), i), "o", color=COLORS["blue"], markersize=3.5, alpha=0.4)
            ax.plot([row["low"], row["high"]], [i, i], color=COLORS["blue"], linewidth=3, alpha=0.5)
            ax.plot(row["value"], i, "D", color=COLORS["blue"], markersize=6)
        ax.set_yticks(range(len(rows)), [row["label"] for row in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set(xlabel="mean KL from the truth, nats", title=TITLES[problem], xlim=(0, None))
        ax.grid(axis="y", visible=False)
    return figure


@styled
def draw_components(data: dict) -> Figure:
    """Draw each component's mean over x, opaque where its weight is large, with a band of one standard deviation.

    Args:
        data: by problem: grid (G,), weights, means, stds (G, K).
    """
    figure, axes = new_figure(8.4, 3.8, columns=len(data), sharey=True)
    for ax, (problem, panel) in zip(axes[0], data.items(), strict=True):
        grid = np.asarray(panel["grid"])
        weights, means, stds = (np.asarray(panel[name]) for name in ("weights", "means", "stds"))
        for k in range(weights.shape[1]):
            _draw_component(ax, k, grid, weights[:, k], means[:, k], stds[:, k])
        ax.set(xlim=(grid[0], grid[-1]), ylim=(-0.15, 1.15), xlabel="x", title=TITLES[problem])
    axes[0, 0].set_ylabel("y")
    return figure


def _draw_component(ax: Axes, k: int, grid: np.ndarray, weight: np.ndarray, mean: np.ndarray, std: np.ndarray) -> None:
    """Draw the k-th component in pieces, one from each point of the grid to the next; arrays (G,)."""
    colors = list(COLORS.values())
    color = colors[k % len(colors)]
    low, middle, high = (np.stack([grid, curve], 1) for curve in (mean - std, mean, mean + std))
    bands = np.stack([low[:-1], low[1:], high[1:], high[:-1]], 1)
    lines = np.stack([middle[:-1], middle[1:]], 1)
    alpha = np.where(weight[:-1] > 0.02, weight[:-1], 0.0)
    ax.add_collection(PolyCollection(list(bands), facecolors=[to_rgba(color, 0.35 * a) for a in alpha], linewidths=0))
    ax.add_collection(LineCollection(list(lines), colors=[to_rgba(color, a) for a in alpha], linewidths=2.4))
    top = weight.argmax()
    if weight[top] > 0.2:
        ax.plot(grid[top], mean[top], MARKERS[k % len(MARKERS)], color=color, markersize=8, markeredgecolor="white")


@styled
def draw_density(data: dict) -> Figure:
    """Draw the true conditional density beside the fitted one, as heat maps, and a cut through both.

    Args:
        data: x (G,), y (H,), true and model (G, H), cut: index into x.
    """
    figure, axes = new_figure(8.8, 3.6, columns=3)
    extent = (data["x"][0], data["x"][-1], data["y"][0], data["y"][-1])
    true = np.asarray(data["true"])
    model = np.asarray(data["model"])
    cut_x = data["x"][data["cut"]]
    for ax, density, title in zip(axes[0, :2], (true, model), ("true p(y | x)", "mixture p(y | x)"), strict=True):
        image = ax.imshow(density.T, extent=extent, origin="lower", aspect="auto", vmin=0, vmax=true.max())
        ax.axvline(cut_x, color="white", linestyle=":")
        ax.set(xlabel="x", ylabel="y", title=title)
        ax.grid(False)
    figure.colorbar(image, ax=axes[0, :2])
    draw_cut(axes[0, 2], data["y"], true[data["cut"]], model[data["cut"]], cut_x)
    return figure


def draw_cut(ax: Axes, y: Sequence[float] | np.ndarray, true: np.ndarray, model: np.ndarray, x: float) -> None:
    """Draw the two densities of y at one x.

    Args:
        ax: to draw on.
        y, true, model: (H,).
        x: for the title.
    """
    ax.fill_between(y, true, color=COLORS["grey"], alpha=0.35, linewidth=0, label="true")
    ax.plot(y, model, color=COLORS["blue"], label="mixture")
    ax.set(xlabel="y", ylabel="density, per unit of y", title=f"at x = {x:.2f}", xlim=(y[0], y[-1]))
    ax.set_ylim(0, 1.4 * max(true.max(), model.max()))
    ax.legend(loc="upper left", ncols=2, columnspacing=1.0)


@styled
def draw_excess(data: dict) -> Figure:
    """Draw the mean KL from the truth against the number of components, least squares as a line.

    Args:
        data: by problem: components (C,), excess (C, fits), least_squares (fits,); single_gaussian: the optimum for K = 1.
    """
    figure, axes = new_figure(8.4, 3.8, columns=len(data), sharey=True)
    for ax, (problem, panel) in zip(axes[0], data.items(), strict=True):
        counts = np.asarray(panel["components"])
        excess = np.asarray(panel["excess"])
        for fits in excess.T:
            ax.plot(counts, fits, "o", color=COLORS["blue"], markersize=4, alpha=0.5)
        ax.plot(counts, excess.mean(1), "-", color=COLORS["blue"], label="mixture (line: mean)")
        ax.axhline(np.mean(panel["least_squares"]), color=COLORS["orange"], linestyle="--", label="least squares")
        ax.axhline(panel["single_gaussian"], color=COLORS["grey"], linestyle=":", label="best single Gaussian")
        ax.set_xscale("log")
        ax.set_xticks(counts, [str(count) for count in counts])
        ax.minorticks_off()
        ax.set(xlabel="components K", title=TITLES[problem])
        ax.set_ylim(bottom=0)
    axes[0, 0].set_ylabel("mean KL from the truth, nats")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@styled
def draw_public(data: dict) -> Figure:
    """Draw what two differences of the public code do.

    Args:
        data: linear: x, y (S,) samples without a non-linearity; right and wrong: x, y (S,) samples of the hard dimension.
    """
    figure, axes = new_figure(8.4, 3.4, columns=3, sharey=True)
    panels = (
        ("linear", "pink", "no non-linearity"),
        ("right", "blue", "two dimensions:\nsum of logarithms"),
        ("wrong", "pink", "two dimensions:\nlogarithm of a sum"),
    )
    for ax, (name, color, title) in zip(axes[0], panels, strict=True):
        _scatter(ax, data[name]["x"], data[name]["y"], color)
        ax.set(xlabel="x", title=title, ylim=(-0.35, 1.35))
    axes[0, 0].set_ylabel("y")
    return figure


@styled
def draw_conditional(y: np.ndarray, true: np.ndarray, model: np.ndarray, x: float) -> Figure:
    """Draw the densities of y at one x, for the sliders; arguments as for `draw_cut`."""
    figure, axes = new_figure(6.4, 3.4)
    draw_cut(axes[0, 0], y, true, model, x)
    axes[0, 0].set(ylabel="density", ylim=(0, max(12.0, 1.05 * float(true.max()))))
    return figure
