"""The pictures of notebook 03, each a function of stored numbers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from wmlib.experiment.statistics import proportion
from wmlib.viz.figures import COLORS, MARKERS, new_figure

FLOOR = 1e-5  # errors below it are drawn at it: a logarithmic axis has no zero
_PALETTE = list(COLORS.values())
_SHADES = ("#E69F00", "#8C5A00", "#3D2700", "#B8A47E")  # of our default's colour, for its variants


def middle(values: np.ndarray, rng: np.random.Generator, resamples: int = 1000) -> dict[str, np.ndarray]:
    """Return median, low and high of (seeds, points): the median over seeds and its percentile-bootstrap 95 % interval."""
    values = np.asarray(values, float)
    drawn = rng.integers(len(values), size=(resamples, len(values)))
    low, high = np.percentile(np.median(values[drawn], axis=1), [2.5, 97.5], axis=0)
    return {"median": np.median(values, axis=0), "low": low, "high": high}


def curves(results: dict[str, list[dict]], count: int, levels: int, rng: np.random.Generator) -> dict:
    """Return what `draw_curves` needs, from the results of `sequence_study.run` by model."""
    seen = next(iter(results.values()))[0]["seen"]
    every = count // levels
    models = {name: middle([one["curve"] for one in found], rng) for name, found in results.items()}
    return {"switches": [every * k for k in range(1, levels)], "seen": seen, "models": models}


def searched(results: dict[str, tuple]) -> dict:
    """Return what `draw_search` needs, from winner, errors of each recipe, and recipes by model."""
    tables = {}
    for model, (won, errors, recipes) in results.items():
        rates = sorted({recipe.rate for recipe in recipes})
        kinds = sorted({(recipe.clip, recipe.bias) for recipe in recipes})
        table = np.zeros((len(kinds), len(rates)))
        for recipe, found in zip(recipes, errors, strict=True):
            table[kinds.index((recipe.clip, recipe.bias)), rates.index(recipe.rate)] = np.median(found)
        both = len({bias for _, bias in kinds}) > 1
        rows = [f"clip {clip:g}{' *' if bias and both else ''}" for clip, bias in kinds]
        place = [kinds.index((won.clip, won.bias)), rates.index(won.rate)]
        tables[model] = {"rates": rates, "rows": rows, "errors": table, "winner": place}
    return tables


def by_length(title: str, results: dict[str, list[dict]], longest: int, rng: np.random.Generator) -> dict:
    """Return one panel of `draw_lengths`; `longest` is the longest trained length."""
    lengths = next(iter(results.values()))[0]["lengths"]
    lines = {name: middle([one["errors"] for one in found], rng) for name, found in results.items()}
    return {"title": title, "trained": [lengths[0], longest], "lengths": lengths, "lines": lines}


def retention(levels: Sequence[tuple[int, int]], results: dict[str, list[dict]]) -> dict:
    """Return one curriculum of `draw_retention`: its levels by name, and the median matrix by model."""
    models = {name: np.median([one["retention"] for one in found], axis=0) for name, found in results.items()}
    return {"levels": [f"{a}" if a == b else f"{a}–{b}" for a, b in levels], "models": models}


def arm(effective: list[float], results: list[dict], length: int, limit: float) -> dict:
    """Return one recipe of `draw_seeds`: effective slots and error at a length by seed, and the share below the limit."""
    errors = [one["errors"][one["lengths"].index(length)] for one in results]
    share = proportion(sum(error < limit for error in errors), len(errors))
    return {"effective": effective, "error": errors, "value": share.value, "low": share.low, "high": share.high}


def shares(results: dict[str, list[dict]], trained: int) -> dict:
    """Return one panel of `draw_recall`; `trained` is the longest trained length."""
    lengths = next(iter(results.values()))[0]["lengths"]
    return {
        "trained": trained,
        "lengths": lengths,
        "variants": {n: [r["rights"] for r in found] for n, found in results.items()},
    }


def _line(ax: Axes, x: list, part: dict, k: int, label: str, colors: Sequence[str] = _PALETTE) -> None:
    color = colors[k % len(colors)]
    median, low, high = (np.maximum(part[name], FLOOR) for name in ("median", "low", "high"))
    ax.plot(x, median, color=color, marker=MARKERS[k % len(MARKERS)], markersize=3.5, linewidth=1.4, label=label)
    ax.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def draw_curves(data: dict) -> Figure:
    """Draw the error on the level of the moment against the sequences seen.

    Args:
        data: switches (L - 1,): where the level changes; seen (C,); models: label -> median, low, high (C,).
    """
    figure, axes = new_figure(8.4, 4.4)
    ax = axes[0, 0]
    for at in data["switches"]:
        ax.axvline(at, color=COLORS["grey"], linestyle=":", linewidth=1)
    for k, (label, part) in enumerate(data["models"].items()):
        _line(ax, data["seen"], part, k, label)
    ax.set_yscale("log")
    ax.set(xlabel="training sequences", ylabel="squared error, level of the moment", xlim=(0, data["seen"][-1]))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_search(data: dict) -> Figure:
    """Draw every combination that was tried, one table a model: numbers are errors, dark is good, the winner is framed.

    Args:
        data: by model: rates (C,), rows (R,) labels, errors (R, C), winner [row, column].
    """
    figure, axes = new_figure(9.2, 4.6, rows=2, columns=2)
    shown = np.log10(np.concatenate([np.ravel(d["errors"]) for d in data.values()]))
    low, high = shown.min(), np.percentile(shown, 90)
    for ax, (model, d) in zip(axes.flat, data.items(), strict=True):
        errors = np.asarray(d["errors"])
        ax.imshow(np.log10(errors), aspect="auto", vmin=low, vmax=high)
        ax.set_xticks(range(len(d["rates"])), [f"{rate:g}" for rate in d["rates"]])
        ax.set_yticks(range(len(d["rows"])), d["rows"], fontsize=8)
        for (row, column), error in np.ndenumerate(errors):
            light = np.log10(error) > (low + high) / 2
            text = f"{error:.2g}" if error < 1e5 else "—"
            ax.text(column, row, text, ha="center", va="center", fontsize=7, color="black" if light else "white")
        row, column = d["winner"]
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLORS["orange"], linewidth=2.5))
        ax.set(title=model, xlabel="learning rate")
        ax.grid(False)
    return figure


def draw_lengths(panels: list[dict]) -> Figure:
    """Draw the error by length, trained lengths shaded.

    Args:
        panels: two, models and variants of our default: title, trained [low, high], lengths (C,), lines: label -> median,
            low, high (C,).
    """
    figure, axes = new_figure(9.2, 4.4, columns=len(panels), sharey=True)
    for ax, panel, colors in zip(axes[0], panels, (_PALETTE, _SHADES), strict=True):
        ax.axvspan(*panel["trained"], color=COLORS["grey"], alpha=0.15, linewidth=0)
        for k, (label, part) in enumerate(panel["lines"].items()):
            _line(ax, panel["lengths"], part, k, label, colors)
        ax.set(xscale="log", yscale="log", xlabel="length (trained lengths shaded)", title=panel["title"])
        ticks = [n for n in (2, 4, 6, 12, 20, 30, 60, 100) if n <= panel["lengths"][-1]]
        ax.set_xticks(ticks, [str(n) for n in ticks])
        ax.minorticks_off()
        ax.legend(fontsize=8, loc="upper left")
    axes[0, 0].set_ylabel("mean squared error")
    return figure


def draw_retention(data: dict) -> Figure:
    """Draw what is still known: the error on each level (column) after each stage of training (row).

    Args:
        data: by curriculum: levels (L,) labels, and models: label -> (L, L) median errors.
    """
    columns = max(len(d["models"]) for d in data.values())
    figure, axes = new_figure(9.2, 3.9 * len(data), rows=len(data), columns=columns)
    for row, (kind, d) in zip(axes, data.items(), strict=True):
        for ax, (label, errors) in zip(row, d["models"].items(), strict=True):
            errors = np.maximum(errors, FLOOR)
            ax.imshow(np.log10(errors), vmin=-3, vmax=2, aspect="auto", cmap="viridis")
            for (i, j), error in np.ndenumerate(errors):
                color = "black" if np.log10(error) > 0 else "white"
                ax.text(
                    j, i, f"{error:.2g}" if error < 100 else f"{error:.0f}", ha="center", va="center", fontsize=7, color=color
                )
            ax.set_xticks(range(len(errors)), d["levels"])
            ax.set_yticks(range(len(errors)), [f"after {i + 1}" for i in range(len(errors))])
            ax.set(title=f"{label}, {kind}", xlabel="tested on lengths")
            ax.grid(False)
    return figure


def draw_seeds(data: dict) -> Figure:
    """Draw each seed's way of writing against its error beyond the trained lengths, and the share of seeds that succeed.

    Args:
        data: limit: the error that divides; slots: N; arms: label -> effective (S,), error (S,), value, low, high.
    """
    figure, axes = new_figure(9.6, 4.4, columns=2, width_ratios=(1.2, 1))
    scatter, bars = axes[0]
    scatter.axhline(data["limit"], color=COLORS["grey"], linestyle=":")
    for k, arm in enumerate(data["arms"].values()):
        look = {"color": _PALETTE[k % len(_PALETTE)], "marker": MARKERS[k % len(MARKERS)], "linestyle": "none"}
        look["markerfacecolor"] = look["color"] if k < len(_PALETTE) else "white"  # more recipes than colours: hollow
        scatter.plot(arm["effective"], np.maximum(arm["error"], FLOOR), markersize=5, alpha=0.8, **look)
        bars.errorbar(arm["value"], k, xerr=[[arm["value"] - arm["low"]], [arm["high"] - arm["value"]]], capsize=3, **look)
    scatter.set(yscale="log", xlim=(0, data["slots"] + 1), ylabel="squared error beyond the trained lengths")
    scatter.set(xlabel=f"effective slots of a write (of {data['slots']})", title="each seed")
    bars.set_yticks(range(len(data["arms"])), list(data["arms"]), fontsize=8)
    bars.set(xlim=(-0.03, 1.03), xlabel="share of seeds below the line", title="each recipe")
    bars.invert_yaxis()
    return figure


def draw_memory(data: dict) -> Figure:
    """Draw the read-out of the running total, what an edit of the state does to the answer, and who carries the total when.

    Args:
        data: total, predicted (P,): true totals and the memory's read-out; alphas (A,); moved: label -> median, low, high (A,);
            times (C,): digits seen before an edit; carriers: label -> median, low, high (C,), shares of the predicted change.
    """
    figure, axes = new_figure(11.0, 3.9, columns=3)
    left, middle, right = axes[0]
    left.plot(data["total"], data["total"], color=COLORS["grey"], linestyle=":")
    left.plot(data["total"], data["predicted"], "o", color=COLORS["blue"], markersize=3, alpha=0.7)
    left.set(xlabel="true running total", ylabel="linear read-out of the memory", title="what the memory says")
    middle.plot(data["alphas"], data["alphas"], color=COLORS["grey"], linestyle=":", label="predicted")
    right.axhline(1, color=COLORS["grey"], linestyle=":")
    for ax, x, lines in ((middle, data["alphas"], data["moved"]), (right, data["times"], data["carriers"])):
        for k, (label, part) in enumerate(lines.items()):
            ax.plot(x, part["median"], color=_PALETTE[k], marker=MARKERS[k], markersize=4, label=label)
            ax.fill_between(x, part["low"], part["high"], color=_PALETTE[k], alpha=0.2, linewidth=0)
    middle.set(xlabel="edit in mid-sequence, units of the total", ylabel="change of the answer", title="what an edit does")
    middle.legend(fontsize=8)
    right.set(xlabel="digits seen before the edit", ylabel="change of the answer / predicted", title="who carries it when")
    return figure


def draw_recall(data: dict) -> Figure:
    """Draw the share of sequences answered without a mistake, by length.

    Args:
        data: by task: trained: longest trained length; lengths (C,); variants: label -> (seeds, C) shares.
    """
    figure, axes = new_figure(9.2, 3.8, columns=len(data), sharey=True)
    for ax, (task, d) in zip(axes[0], data.items(), strict=True):
        place = np.arange(len(d["lengths"]))
        width = 0.8 / len(d["variants"])
        for k, (label, shares) in enumerate(d["variants"].items()):
            shares = np.asarray(shares)
            at = place + (k - (len(d["variants"]) - 1) / 2) * width
            ax.bar(at, shares.mean(0), width, color=_PALETTE[k], label=label)
            for one in shares:
                ax.plot(at, one, ".", color="black", markersize=3)
        beyond = np.searchsorted(d["lengths"], d["trained"] + 0.5) - 0.5
        ax.axvspan(-0.5, beyond, color=COLORS["grey"], alpha=0.15, linewidth=0)
        ax.set_xticks(place, [str(n) for n in d["lengths"]])
        ax.set(xlabel="length (trained lengths shaded)", title=task, ylim=(0, 1.05))
    axes[0, 0].set_ylabel("share without a mistake")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_sum(digits: list[int], memory: np.ndarray, said: np.ndarray, answer: float, title: str) -> Figure:
    """Draw one sum, for the sliders: the running total and what the memory says, and the memory at the end.

    Args:
        digits: (T,); memory: (N, W) after the last digit; said: (T,) the memory's read-out, or none; answer: the network's.
    """
    figure, axes = new_figure(8.4, 3.4, columns=2, width_ratios=(1.3, 1))
    left, right = axes[0]
    steps = np.arange(1, len(digits) + 1)
    left.bar(steps, digits, color=COLORS["grey"], alpha=0.5, label="digit")
    left.step(steps, np.cumsum(digits), color=COLORS["grey"], where="mid", label="true total")
    if len(said):
        left.plot(steps, said, "o", color=COLORS["blue"], label="read from the memory")
    left.plot(len(digits) + 1, answer, "*", color=COLORS["orange"], markersize=14, label=f"answer: {answer:.1f}")
    left.set(xlabel="step", title=title)
    left.legend(fontsize=8, loc="upper left")
    reach = max(float(np.abs(memory).max()), 1e-9)
    right.imshow(memory, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
    right.set(xlabel="place in the slot", ylabel="slot", title="memory after the last digit")
    right.grid(False)
    return figure
