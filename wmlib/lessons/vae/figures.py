"""The pictures of notebook 04, each a function of stored numbers; stored pictures are PNG, as text.

Reading guide. `pack` and `unpack` turn a grid of frames into text for results.json and back, without loss. `_grid` draws one,
and `_rings` marks what became of the bright blobs in it. `rate` and the functions after it make records of tallies (see
`vae_study.tally`), one tally a random start.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from PIL import Image
from scipy import ndimage

from wmlib.experiment.statistics import Estimate, share
from wmlib.lessons.vae.measures import blobs
from wmlib.viz.figures import COLORS, new_figure

GAP = 3  # pixels between frames
SIDES = (0.02, 0, 0.97, 1)  # room for the rows' names, which the layout does not see in time
CLASSES = ("1–5", "6–20", "21–60", "over 60")  # pixels
SMALL = 1  # the class that is judged
IN_USE = 0.05  # nats, from which a dimension counts as in use
Tallies = Sequence[Mapping[str, np.ndarray]]
LOOK = {
    "paper's loss": ("blue", "o"),
    "weighted loss": ("orange", "s"),
    "PCA": ("green", "^"),
    "mean picture": ("grey", "D"),
}


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
    """Return the grid again, uint8 (R, C, size, size, 3)."""
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    rows, columns = whole.shape[0] // size, whole.shape[1] // size
    return whole.reshape(rows, size, columns, size, 3).swapaxes(1, 2)


def rate(tallies: Tallies, part: str, rng: np.random.Generator, size: int = SMALL, least: int = 1) -> Estimate | None:
    """Return the share of blobs of one class of sizes that are kept, or real; None if there are fewer than `least`."""
    hits, counts = (np.stack([t[name][:, size] for t in tallies]) for name in (part, {"kept": "blobs", "real": "drawn"}[part]))
    return share(hits, counts, rng) if counts.sum() >= least else None


def squared_error(tallies: Tallies, rng: np.random.Generator) -> Estimate:
    """Return the squared error a frame."""
    return share(np.stack([t["squared_error"] for t in tallies]), tallies[0]["frames"], rng)


def hits(models: Mapping[str, Tallies], rng: np.random.Generator) -> dict:
    """Return what `draw_hits` needs; classes with fewer than 20 blobs are left out."""
    shares = {part: {name: [rate(t, part, rng, c, 20) for c in range(len(CLASSES))] for name, t in models.items()}
              for part in ("kept", "real")}  # fmt: skip
    return {"classes": CLASSES, **{p: {n: [e and e[:3] for e in es] for n, es in d.items()} for p, d in shares.items()}}


def training(frames: Sequence[float], models: Mapping[str, Sequence[Tallies]], baselines: Mapping[str, float]) -> dict:
    """Return what `draw_training` needs.

    Args:
        frames: trained on, by stage; models: by name and random start the tallies by stage; baselines: squared errors.
    """

    def table(starts: Sequence[Tallies], of: Callable[[Mapping], float]) -> np.ndarray:
        return np.array([[of(t) for t in stages] for stages in starts]).T  # (stages, starts)

    def kept(t: Mapping) -> float:
        return t["kept"][:, SMALL].sum() / max(t["blobs"][:, SMALL].sum(), 1)

    def error(t: Mapping) -> float:
        return t["squared_error"].sum() / t["frames"].sum()

    made = {name: {"kept": table(t, kept), "squared_error": table(t, error)} for name, t in models.items()}
    return {"frames": list(frames), "models": made, "baselines": dict(baselines)}


def terms(runs: Sequence[tuple[float, Mapping[str, np.ndarray]]]) -> dict:
    """Return one line of `draw_sweep` from pairs of β and a tally with kl (Z,)."""
    return {
        "beta": [beta for beta, _ in runs],
        "kl": [t["kl"].sum() for _, t in runs],
        "active": [int((t["kl"] > IN_USE).sum()) for _, t in runs],
        "squared_error": [t["squared_error"].sum() / t["frames"].sum() for _, t in runs],
        "kept": [t["kept"][:, SMALL].sum() / max(t["blobs"][:, SMALL].sum(), 1) for _, t in runs],
    }


def draw_pictures(data: Mapping, width: float = 8.4, rings: bool = False) -> Figure:
    """Draw a grid of pictures with names for its rows and columns.

    Args:
        data: png: packed (R, C, 64, 64, 3); rows: R names; columns: C names.
        rings: mark the bright blobs of 6 pixels and more in the first row, and in the others whether they are found.
    """
    grid = unpack(data["png"])
    height = width * (len(grid) + 0.25) / (grid.shape[1] + 1.1)
    figure, axes = new_figure(width, height)
    figure.get_layout_engine().set(rect=SIDES)
    _grid(axes[0, 0], grid, data["rows"], data["columns"])
    if rings:
        _rings(axes[0, 0], grid)
    return figure


def _grid(ax: Axes, grid: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> None:
    height, width = grid.shape[2:4]
    spaced = np.pad(grid, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    ax.imshow(spaced.swapaxes(1, 2).reshape(len(grid) * (height + GAP), -1, 3), interpolation="nearest")
    ax.set_yticks([r * (height + GAP) + height / 2 for r in range(len(grid))], rows)
    ax.set_xticks([c * (width + GAP) + width / 2 for c in range(grid.shape[1])], columns)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(False)


def _rings(ax: Axes, grid: np.ndarray, least: int = 6, threshold: float = 0.6) -> None:
    """Draw a ring around each bright blob of the first row's pictures, in every row: whole where it is found, else dashed."""
    labels, sizes = blobs(grid[0])
    centres = ndimage.center_of_mass(labels > 0, labels, np.arange(1, len(sizes) + 1)) if len(sizes) else []
    for number, (column, y, x) in enumerate(centres, 1):
        if sizes[number - 1] < least:
            continue
        for r, row in enumerate(grid):
            found = (row[labels == number].mean(-1) > threshold * 255).any()
            color, style = (COLORS["sky"], "-") if found else (COLORS["gold"], ":")
            place = (x + round(column) * (64 + GAP), y + r * (64 + GAP))
            radius = max(6.0, 1.5 * np.sqrt(sizes[number - 1] / np.pi))
            ring = ax.add_patch(Circle(place, radius, fill=False, edgecolor=color, linestyle=style, linewidth=1.6))
            corner = (round(column) * (64 + GAP) - 0.5, r * (64 + GAP) - 0.5)
            ring.set_clip_path(Rectangle(corner, 64, 64, transform=ax.transData))


def draw_hits(data: Mapping) -> Figure:
    """Draw, by size of blob, the share of blobs kept and the share of drawn blobs that are real.

    Args:
        data: classes: C names; kept and real, each by model: C triples (value, low, high) or null where there were too few.
    """
    figure, axes = new_figure(8.4, 3.8, columns=2, sharey=True)
    panels = (("kept", "blobs of the frame that are kept"), ("real", "drawn blobs that are real"))
    for ax, (part, title) in zip(axes[0], panels, strict=True):
        for shift, (name, triples) in zip((-0.24, -0.08, 0.08, 0.24), data[part].items(), strict=False):
            color, marker = LOOK[name]
            known = [(c + shift, t) for c, t in enumerate(triples) if t is not None]
            if known:
                x, value, low, high = np.array([(c, *t) for c, t in known]).T
                ax.errorbar(x, value, [value - low, high - value], fmt=marker, color=COLORS[color], capsize=3, label=name)
        ax.set_xticks(range(len(data["classes"])), data["classes"])
        ax.set(xlabel="size of the blob, pixels", title=title, xlim=(-0.5, len(data["classes"]) - 0.5), ylim=(-0.05, 1.05))
        ax.axhline(0.9, color=COLORS["grey"], linestyle=":", linewidth=1)
    axes[0, 0].set_ylabel("share")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_training(data: Mapping) -> Figure:
    """Draw share of blobs kept and squared error against the frames trained on.

    Args:
        data: frames (S,); by model kept and squared_error (S, seeds); baselines: squared error by name.
    """
    figure, axes = new_figure(8.4, 3.6, columns=2)
    frames = np.array(data["frames"]) / 1000
    for name, parts in data["models"].items():
        color, marker = LOOK[name]
        for ax, part in zip(axes[0], ("kept", "squared_error"), strict=True):
            values = np.array(parts[part])
            ax.plot(frames, values, marker, color=COLORS[color], markersize=4, alpha=0.6)
            ax.plot(frames, np.median(values, 1), color=COLORS[color], label=name)
    for name, value in data["baselines"].items():
        axes[0, 1].axhline(value, color=COLORS[LOOK[name][0]], linestyle="--", label=name)
    for ax in axes[0]:
        ax.set_xscale("log")
        ax.set_xticks(frames, [f"{f:.3g}" for f in frames])
        ax.minorticks_off()
        ax.set_xlabel("frames trained on, thousands")
    axes[0, 0].axhline(0.9, color=COLORS["grey"], linestyle=":", linewidth=1)
    axes[0, 0].set(ylabel="share", title="blobs of 6–20 pixels kept", ylim=(-0.05, 1.05))
    axes[0, 1].set(ylabel="squared error a frame", title="squared error", yscale="log")
    axes[0, 1].yaxis.set_major_formatter("{x:g}")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_kl(data: Mapping) -> Figure:
    """Draw the KL divergence of each latent dimension, sorted.

    Args:
        data: models: by name (seeds, Z), nats, each falling; tolerance: nats a dimension.
    """
    figure, axes = new_figure(7.0, 3.6)
    ax = axes[0, 0]
    for name, seeds in data["models"].items():
        color, marker = LOOK[name]
        for i, kl in enumerate(seeds):
            x = np.arange(1, len(kl) + 1)
            look = {"color": COLORS[color], "marker": marker, "markevery": 8, "markersize": 4, "alpha": 0.8}
            ax.plot(x, kl, label=name if i == 0 else None, **look)
    ax.axhline(data["tolerance"], color=COLORS["grey"], linestyle=":", label="the tolerance: if all had the same")
    ax.set(xlabel="dimension, in falling order", ylabel="KL, nats", yscale="log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend()
    return figure


def draw_sweep(data: Mapping) -> Figure:
    """Draw squared error against KL for several weights of the KL, with and without a floor.

    Args:
        data: floors: by name: beta (B,), kl (B,), squared_error (B,), active (B,) dimensions; total: KL of the floor, nats.
    """
    figure, axes = new_figure(8.4, 3.8, columns=2)
    above, below = ((6, 6), (8, 2), (8, 2)), ((-14, 8), (10, -11), (-32, -12))  # beside the points, one line above the other
    styles = zip(("pink", "blue"), ("--", "-"), ("^", "o"), (above, below), strict=True)
    for (color, line, marker, places), (name, d) in zip(styles, data["floors"].items(), strict=False):
        axes[0, 0].plot(d["kl"], d["squared_error"], line, marker=marker, color=COLORS[color], label=name)
        for i, beta in enumerate(d["beta"]):
            place, beside = (d["kl"][i], d["squared_error"][i]), places[i % len(places)]
            axes[0, 0].annotate(f"β = {beta:g}", place, beside, textcoords="offset points", fontsize=8, color=COLORS[color])
        axes[0, 1].plot(d["beta"], d["active"], line, marker=marker, color=COLORS[color], label=name)
    axes[0, 0].axvline(data["total"], color=COLORS["grey"], linestyle=":")
    axes[0, 0].set(xlabel="KL of the whole vector, nats", ylabel="squared error a frame", title="what the two terms pay")
    axes[0, 0].margins(x=0.25, y=0.12)
    axes[0, 1].set(xlabel="β", ylabel="dimensions above 0.05 nats", title="dimensions in use", xscale="log")
    axes[0, 1].set_xticks(d["beta"], [f"{b:g}" for b in d["beta"]])
    axes[0, 1].minorticks_off()
    axes[0, 1].set_ylim(bottom=-3)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def draw_latent(data: Mapping) -> Figure:
    """Draw walks along single dimensions above, and a way between two frames below.

    Args:
        data: traversal, interpolation: each png, rows and columns as for `draw_pictures`.
    """
    grids = [unpack(data[part]["png"]) for part in ("traversal", "interpolation")]
    figure = Figure(figsize=(8.4, 0.98 * sum(map(len, grids)) + 0.9))
    figure.get_layout_engine().set(rect=SIDES)
    axes = figure.subplots(2, 1, height_ratios=[len(g) for g in grids])
    for ax, grid, part in zip(axes, grids, ("traversal", "interpolation"), strict=True):
        _grid(ax, grid, data[part]["rows"], data[part]["columns"])
    return figure


def draw_row(pictures: np.ndarray, titles: Sequence[str], marks: float = 2.0) -> Figure:
    """Draw a few pictures side by side, each (64, 64, 3), uint8 or float in [0, 1]; for the sliders."""
    figure, axes = new_figure(marks * len(pictures), marks + 0.35, columns=len(pictures))
    for ax, picture, title in zip(axes[0], pictures, titles, strict=True):
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    return figure


def draw_neighbours(data: Mapping) -> Figure:
    """Draw walks from neighbour to neighbour, and how often a neighbour shows the same fireball.

    Args:
        data: png, rows, columns as for `draw_pictures`; shares: by name (value, low, high).
    """
    grid = unpack(data["png"])
    figure = Figure(figsize=(8.4, 0.95 * len(grid) + 2.2))
    figure.get_layout_engine().set(rect=SIDES)
    walks, bars = figure.subplots(2, 1, height_ratios=[len(grid), 1.5])
    _grid(walks, grid, data["rows"], data["columns"])
    names = list(data["shares"])
    value, low, high = np.array([data["shares"][n] for n in names]).T
    for i, name in enumerate(names):
        color = COLORS[LOOK.get(name, ("sky", ""))[0]]
        bars.barh(i, value[i], xerr=[[value[i] - low[i]], [high[i] - value[i]]], color=color, capsize=3)
    bars.set_yticks(range(len(names)), names)
    bars.invert_yaxis()
    bars.set(xlabel="share of fireballs that the nearest frame of another episode shows at the same place", xlim=(0, 1))
    return figure
