"""The pictures of notebook 04, each a function of stored numbers; stored pictures are PNG, as text.

Reading guide. `pack` and `unpack` turn a grid of frames into text for results.json and back, without loss. `_draw_grid` draws
one, and `_draw_rings` marks which bright blobs are detected in it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from PIL import Image
from scipy import ndimage

from wmlib.lessons.vae.measures import THRESHOLD, blobs
from wmlib.viz.figures import COLORS, new_figure, styled

GAP = 3  # pixels between frames
SIDES = (0.02, 0, 0.97, 1)  # room for the rows' names, which the layout does not see in time
LEAST_R_SQUARED = -0.2  # of a probe; below, it is no better than a constant guess and only marked
STYLE = {
    "paper's loss": ("blue", "o"),
    "cheap nats alone": ("sky", "v"),
    "weight alone": ("gold", "P"),
    "weighted loss": ("orange", "s"),
    "PCA": ("green", "^"),
    "mean picture": ("grey", "D"),
}
FACTORS = ("all pixels alike, β 1", "all pixels alike, β 0.1", "weighted, β 1", "weighted, β 0.1")  # of `arms.LOSSES`


def pack(grid: np.ndarray) -> str:
    """Return a grid of pictures, (R, C, H, W, 3), uint8 or float in [0, 1], as the text of a PNG."""
    grid = np.asarray(grid)
    if grid.dtype != np.uint8:
        grid = (np.clip(grid, 0, 1) * 255).round().astype(np.uint8)
    rows, columns, height, width, _ = grid.shape
    buffer = io.BytesIO()
    Image.fromarray(grid.swapaxes(1, 2).reshape(rows * height, columns * width, 3)).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(text: str, size: int = 64) -> np.ndarray:
    """Return the grid that was packed, uint8 (R, C, size, size, 3)."""
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    rows = image.shape[0] // size
    columns = image.shape[1] // size
    return image.reshape(rows, size, columns, size, 3).swapaxes(1, 2)


@styled
def draw_pictures(data: Mapping, width: float = 8.4, rings: bool = False) -> Figure:
    """Draw a grid of pictures with names for its rows and columns.

    Args:
        data: png: packed (R, C, 64, 64, 3); rows: R names; columns: C names.
        width: inches.
        rings: mark the bright blobs of 6 pixels and more in the first row, and in the others whether they are detected.
    """
    grid = unpack(data["png"])
    height = width * (len(grid) + 0.25) / (grid.shape[1] + 1.1)
    figure, axes = new_figure(width, height)
    figure.set_layout_engine("constrained", rect=SIDES)
    _draw_grid(axes[0, 0], grid, data["rows"], data["columns"])
    if rings:
        _draw_rings(axes[0, 0], grid)
    return figure


def _draw_grid(ax: Axes, grid: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    height, width = grid.shape[2:4]
    spaced = np.pad(grid, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    ax.imshow(spaced.swapaxes(1, 2).reshape(len(grid) * (height + GAP), -1, 3), interpolation="nearest")
    ax.set_yticks([r * (height + GAP) + height / 2 for r in range(len(grid))], rows)
    ax.set_xticks([c * (width + GAP) + width / 2 for c in range(grid.shape[1])], columns)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(False)


def _draw_rings(ax: Axes, grid: np.ndarray, least: int = 6) -> None:
    """Draw a ring around each bright blob of the first row, in every row: solid where it is detected, else dotted."""
    labels, sizes = blobs(grid[0])
    centres = ndimage.center_of_mass(labels > 0, labels, np.arange(1, len(sizes) + 1)) if len(sizes) else []
    for number, (column, y, x) in enumerate(centres, 1):
        if sizes[number - 1] < least:
            continue
        for r, row in enumerate(grid):
            detected = (row[labels == number].mean(-1) > THRESHOLD * 255).any()
            color, line = (COLORS["sky"], "-") if detected else (COLORS["gold"], ":")
            centre = (x + round(column) * (64 + GAP), y + r * (64 + GAP))
            radius = max(6.0, 1.5 * np.sqrt(sizes[number - 1] / np.pi))
            ring = ax.add_patch(Circle(centre, radius, fill=False, edgecolor=color, linestyle=line, linewidth=1.6))
            corner = (round(column) * (64 + GAP) - 0.5, r * (64 + GAP) - 0.5)
            ring.set_clip_path(Rectangle(corner, 64, 64, transform=ax.transData))


@styled
def draw_hits(data: Mapping) -> Figure:
    """Draw, by size of blob, recall (blobs of the frames that are detected) and precision (drawn blobs that are in the frames).

    Args:
        data: classes: C names; recall and precision, each by model: C triples (value, low, high) or null where there were too
            few blobs.
    """
    figure, axes = new_figure(8.4, 3.8, columns=2, sharey=True)
    panels = {
        "recall": "recall: blobs of the frame that are detected",
        "precision": "precision: drawn blobs that are in the frame",
    }
    for ax, (measure, title) in zip(axes[0], panels.items(), strict=True):
        for shift, (name, triples) in zip((-0.28, -0.14, 0.0, 0.14, 0.28), data[measure].items(), strict=False):
            color, marker = STYLE[name]
            points = [(c + shift, *triple) for c, triple in enumerate(triples) if triple is not None]
            if points:
                x, value, low, high = np.array(points).T
                ax.errorbar(x, value, [value - low, high - value], fmt=marker, color=COLORS[color], capsize=3, label=name)
        ax.set_xticks(range(len(data["classes"])), data["classes"])
        ax.set(xlabel="size of the blob, pixels", title=title, xlim=(-0.5, len(data["classes"]) - 0.5), ylim=(-0.05, 1.05))
        ax.axhline(0.9, color=COLORS["grey"], linestyle=":", linewidth=1)
    axes[0, 0].set_ylabel("proportion")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


@styled
def draw_training(data: Mapping) -> Figure:
    """Draw recall of small blobs and squared error against the frames trained on.

    Args:
        data: frames (S,); models: by name recall and squared_error (S, seeds); baselines: squared error by name.
    """
    figure, axes = new_figure(8.4, 3.6, columns=2)
    frames = np.array(data["frames"]) / 1000
    for name, curves in data["models"].items():
        color, marker = STYLE[name]
        for ax, measure in zip(axes[0], ("recall", "squared_error"), strict=True):
            values = np.array(curves[measure])
            ax.plot(frames, values, marker, color=COLORS[color], markersize=4, alpha=0.6)
            ax.plot(frames, np.median(values, 1), color=COLORS[color], label=name)
    for name, value in data["baselines"].items():
        axes[0, 1].axhline(value, color=COLORS[STYLE[name][0]], linestyle="--", label=name)
    for ax in axes[0]:
        ax.set_xscale("log")
        ax.set_xticks(frames, [f"{f:.3g}" for f in frames])
        ax.minorticks_off()
        ax.set_xlabel("frames trained on, thousands")
    axes[0, 0].axhline(0.9, color=COLORS["grey"], linestyle=":", linewidth=1)
    axes[0, 0].set(ylabel="recall", title="blobs of 6–20 pixels detected", ylim=(-0.05, 1.05))
    axes[0, 1].set(ylabel="squared error a frame", title="squared error", yscale="log")
    axes[0, 1].yaxis.set_major_formatter("{x:g}")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled
def draw_kl(data: Mapping) -> Figure:
    """Draw the KL divergence of each latent dimension, sorted: the mean of the training seeds, and their range in pale.

    Args:
        data: models: by name (seeds, Z), nats, each falling; tolerance: nats a dimension.
    """
    figure, axes = new_figure(7.0, 3.6)
    ax = axes[0, 0]
    for name, seeds in data["models"].items():
        color, marker = STYLE[name]
        kl = np.asarray(seeds)
        dimensions = np.arange(1, kl.shape[1] + 1)
        label = f"{name}: {kl.sum(1).mean():.0f} nats in all"
        ax.plot(dimensions, kl.mean(0), label=label, color=COLORS[color], marker=marker, markevery=8, markersize=5)
        ax.fill_between(dimensions, kl.min(0), kl.max(0), color=COLORS[color], alpha=0.2, linewidth=0)
    ax.axhline(data["tolerance"], color=COLORS["grey"], linestyle=":", label="the tolerance: if all had the same")
    ax.set(xlabel="dimension, in falling order", ylabel="KL, nats", yscale="log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend()
    return figure


@styled
def draw_latent(data: Mapping) -> Figure:
    """Draw grids of decoded pictures below each other: ways through the latents.

    Args:
        data: by part png, rows and columns as for `draw_pictures`.
    """
    grids = {part: unpack(each["png"]) for part, each in data.items()}
    figure = Figure(figsize=(8.4, 0.98 * sum(map(len, grids.values())) + 0.45 * len(grids)))
    figure.set_layout_engine("constrained", rect=SIDES)
    axes = figure.subplots(len(grids), 1, height_ratios=[len(grid) for grid in grids.values()])
    for ax, (part, grid) in zip(axes, grids.items(), strict=True):
        _draw_grid(ax, grid, data[part]["rows"], data[part]["columns"])
    return figure


@styled
def draw_two_by_two(data: Mapping) -> Figure:
    """Draw recall of small blobs and squared error a frame, a row for each loss.

    Args:
        data: losses: by name recall and squared_error (value, low, high), recalls and squared_errors by training seed;
            baselines: by name recall and squared_error.
    """
    figure, axes = new_figure(8.4, 3.0, columns=2, sharey=True)
    panels = (("recall", "recalls"), ("squared_error", "squared_errors"))
    for ax, (measure, by_seed) in zip(axes[0], panels, strict=True):
        for y, (name, row) in enumerate(data["losses"].items()):
            color = COLORS[STYLE[name][0]]
            value, low, high = row[measure]
            low = max(low, 0.0)
            ax.errorbar(value, y, xerr=[[value - low], [high - value]], fmt="D", color=color, capsize=3)
            ax.plot(row[by_seed], np.full(len(row[by_seed]), y + 0.25), "o", color=color, markersize=4, alpha=0.6)
        for name, row in data["baselines"].items():
            color, line = COLORS[STYLE[name][0]], "--" if name == "PCA" else ":"
            ax.axvline(row[measure], color=color, linestyle=line, label=name)
    names = [f"{name}\n{factors}" for name, factors in zip(data["losses"], FACTORS, strict=True)]
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].set(xlabel="recall, blobs of 6–20 pixels", xlim=(-0.05, 1.05), ylim=(len(names) - 0.4, -0.5))
    axes[0, 1].set(xlabel="squared error a frame", xlim=(0, None))
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@styled
def draw_probe(data: Mapping) -> Figure:
    """Draw where a linear probe reads the only fireball of a frame, and how much of the variance that explains.

    Args:
        data: columns (M,), where it is, pixels; read: by name of the loss (M,), pixels; r_squared: by name of the model, one
            number a training seed; below `LEAST_R_SQUARED` it is drawn there, as an arrow.
    """
    count = len(data["read"])
    figure, axes = new_figure(8.4, 3.1, columns=count + 1, width_ratios=[1] * count + [1.15])
    for ax, (name, read) in zip(axes[0], data["read"].items(), strict=False):
        ax.plot([0, 63], [0, 63], color=COLORS["grey"], linestyle=":", linewidth=1)
        ax.plot(data["columns"], read, ".", color=COLORS[STYLE[name][0]], markersize=3, alpha=0.6)
        ax.set(xlabel="where it is, pixel", title=name, xlim=(-2, 66), ylim=(-20, 84))
    axes[0, 0].set_ylabel("where the probe reads it, pixel")
    ax = axes[0, -1]
    for y, (name, values) in enumerate(data["r_squared"].items()):
        color, marker = STYLE.get(name, ("pink", "X"))
        values = np.asarray(values)
        inside = values[values >= LEAST_R_SQUARED]
        ax.plot(inside, np.full(len(inside), y), marker, color=COLORS[color], markersize=5, alpha=0.7)
        if len(inside) < len(values):
            ax.plot(LEAST_R_SQUARED, y, "<", color=COLORS[color], markersize=8)
        ax.plot(max(np.median(values), LEAST_R_SQUARED), y, "|", color=COLORS[color], markersize=16, markeredgewidth=2)
    ax.set_yticks(range(len(data["r_squared"])), data["r_squared"])
    ax.set(xlabel="R²", title="R², held-out episodes", ylim=(len(data["r_squared"]) - 0.5, -0.5))
    ax.set_xlim(min(-0.02, ax.get_xlim()[0]), 1)
    return figure


@styled
def draw_row(pictures: Sequence[np.ndarray], titles: Sequence[str], size: float = 2.0) -> Figure:
    """Draw a few pictures side by side; for the sliders.

    Args:
        pictures: each (64, 64, 3), uint8 or float in [0, 1].
        titles: one a picture.
        size: of a picture, inches.
    """
    figure, axes = new_figure(size * len(pictures), size + 0.35, columns=len(pictures))
    for ax, picture, title in zip(axes[0], pictures, titles, strict=True):
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    return figure
