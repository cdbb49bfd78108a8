"""The pictures of notebook 06, each a function of stored numbers.

Reading guide. Boards are stored as text (see `board_text`) and painted by `_paint`. A model's hue is that of its family, as in
the whole book; rows are grouped, and lines dashed, by its kind (see `roster.kind`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from wmlib.envs.pommerman.drawing import COLOURS, PLAYERS
from wmlib.envs.pommerman.layout import AGENT, BOMB, EXTRA_BOMB, SIZE
from wmlib.lessons.pommerman.board_text import unpack
from wmlib.lessons.pommerman.estimates import FEW_CHANGES
from wmlib.lessons.pommerman.measures import GROUPS
from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled

WRONG = "#C5221F"
HEADINGS = {
    "rule": "rules that count",
    "thesis": "the thesis' models",
    "ours": "behind a convolution",
    "oracle": "given all four actions",
}
LOWEST = 97.0  # percent of all components from which dots are drawn; copying has more
LINES = ("-", "--", ":", "-.")  # of rules, in their order
KIND_LINES = {"thesis": "--", "ours": "-", "oracle": "-"}
NOT_DRAWN = ("kick",)  # of the hidden numbers: one bit, for which a sentence is enough


def _color(name: str, kind: str) -> str:
    """Return the hue of a predictor: rules grey, the oracle pink, models by their cores."""
    if kind in ("rule", "oracle"):
        return COLORS["grey" if kind == "rule" else "pink"]
    return COLORS["blue" if "DNC" in name else "orange" if "LSTM" in name else "green"]


def _paint(ax: Axes, board: np.ndarray, truth: np.ndarray | None = None, title: str = "") -> None:
    """Paint a board of 121 codes; cells that are not as in `truth` get a red frame."""
    board = np.asarray(board).reshape(SIZE, SIZE)
    ax.imshow(COLOURS[board] / 255, interpolation="nearest")
    for row, column in np.argwhere((board == BOMB) | (board >= EXTRA_BOMB)):
        code = board[row, column]
        if code >= AGENT:
            ax.add_patch(Circle((column, row), 0.4, facecolor=np.array(PLAYERS[code - AGENT]) / 255, edgecolor="black"))
        elif code == BOMB:
            ax.add_patch(Circle((column, row), 0.3, facecolor="black"))
        else:
            ax.text(column, row, "brk?"[code - EXTRA_BOMB], ha="center", va="center", fontsize=6)
    if truth is not None:
        for row, column in np.argwhere(board != np.asarray(truth).reshape(SIZE, SIZE)):
            ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=WRONG, linewidth=1.6))
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.set_title(title, fontsize=8)


@styled
def draw_step(before: np.ndarray, after: np.ndarray) -> Figure:
    """Draw two consecutive boards, 121 codes each; what has changed is framed."""
    figure, axes = new_figure(5.6, 2.9, columns=2)
    _paint(axes[0, 0], before, title="one step")
    _paint(axes[0, 1], after, before, title="the next (red: changed)")
    return figure


def _draw_boards(title: str, truth: np.ndarray, predicted: Mapping[str, np.ndarray]) -> Figure:
    """Draw a true board and what each model predicted, with the number of wrong cells."""
    figure, axes = new_figure(2.0 * (1 + len(predicted)), 2.25, columns=1 + len(predicted))
    _paint(axes[0, 0], truth, title=title)
    for ax, (name, board) in zip(axes[0, 1:], predicted.items(), strict=True):
        _paint(ax, board, truth, f"{name}: {np.count_nonzero(board != truth)} wrong")
    return figure


@styled
def draw_film(data: Mapping, step: int) -> Figure:
    """Draw one step of a game and, beside it, what each model predicted of it one step before.

    Args:
        data: first_step: number of the first step; truth: texts (T,); predicted: by name texts (T,).
        step: 0 … T - 1.
    """
    predicted = {name: unpack(boards[step]) for name, boards in data["predicted"].items()}
    return _draw_boards(f"the game, step {data['first_step'] + step}", unpack(data["truth"][step]), predicted)


@styled
def draw_dream(data: Mapping, start: int, horizon: int) -> Figure:
    """Draw a board some steps after the models were left alone, and what they predict it is.

    Args:
        data: starts: step numbers (S,); truth: texts (S, H); predicted: by name texts (S, H).
        start: one of the starts.
        horizon: 1 … H.
    """
    i = list(data["starts"]).index(start)
    predicted = {name: unpack(boards[i][horizon - 1]) for name, boards in data["predicted"].items()}
    return _draw_boards(f"the game, step {start} + {horizon}", unpack(data["truth"][i][horizon - 1]), predicted)


@styled
def draw_strip(data: Mapping, start: int, horizons: Sequence[int]) -> Figure:
    """Draw the same at several horizons: a row for the game and for each model.

    Args:
        data, start: as for `draw_dream`.
        horizons: one a column.
    """
    i = list(data["starts"]).index(start)
    names = list(data["predicted"])
    figure, axes = new_figure(1.4 * len(horizons), 1.5 * (1 + len(names)), rows=1 + len(names), columns=len(horizons))
    for column, h in enumerate(horizons):
        truth = unpack(data["truth"][i][h - 1])
        _paint(axes[0, column], truth, title=f"{h} step{'s' * (h > 1)} on")
        for row, name in enumerate(names):
            board = unpack(data["predicted"][name][i][h - 1])
            _paint(axes[row + 1, column], board, truth, f"{np.count_nonzero(board != truth)} wrong")
    for row, name in enumerate(["the game", *names]):
        axes[row, 0].set_ylabel(name.replace(", ", ",\n"), fontsize=9)
    return figure


def _grouped(kinds: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Return rows for predictors, grouped by kind in their order, and the rows of the groups' headings.

    Example:
        >>> _grouped(["rule", "rule", "ours"])
        ([1, 2, 4], {0: 'rules that count', 3: 'behind a convolution'})
    """
    rows: list[int] = []
    headings = {}
    row = 0
    for i, kind in enumerate(kinds):
        if i == 0 or kind != kinds[i - 1]:
            headings[row] = HEADINGS[kind]
            row += 1
        rows.append(row)
        row += 1
    return rows, headings


def _label_rows(ax: Axes, rows: Sequence[int], names: Sequence[str], headings: Mapping[int, str]) -> None:
    """Write names and headings beside the rows of an axis."""
    ax.set_yticks([*rows, *headings], [*names, *headings.values()])
    for label in ax.get_yticklabels()[len(rows) :]:
        label.set(fontweight="bold", color="#3C4043")
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")


@styled
def draw_scores(rows: Sequence[Mapping]) -> Figure:
    """Draw all predictors as dots with intervals: all components, those that changed, whole states.

    Args:
        rows: as from `estimates.score_rows`, with kinds, those of one kind together.
    """
    places, headings = _grouped([row["kind"] for row in rows])
    figure, axes = new_figure(10.2, 0.27 * (len(rows) + len(headings)) + 1.1, columns=3, sharey=True)
    labels = {
        "all right": "all components right, %",
        "changed right": "changed components right, %",
        "exact": "whole state right, %",
    }
    for ax, (part, label) in zip(axes[0], labels.items(), strict=True):
        lowest = LOWEST if part == "all right" else 0.0
        for y, row in zip(places, rows, strict=True):
            value, low, high = (100 * v for v in row[part])
            color = _color(row["name"], row["kind"])
            if value < lowest:  # far to the left: a number in the place of a dot
                ax.text(lowest, y, f"◂ {value:.0f} %", color=color, va="center", fontsize=8.5)
                continue
            ax.plot([max(low, lowest), high], [y, y], color=color, linewidth=3, alpha=0.45)
            ax.plot(value, y, "o", color=color, markersize=6)
        ax.set(xlabel=label, ylim=(places[-1] + 0.6, -0.6), xlim=(lowest - 0.2, 100.2) if lowest else (-3, 103))
    for ax in axes[0]:
        _label_rows(ax, places, _names_with_seeds(rows), headings)
    copied = next((row for row in rows if row["name"] == "copy baseline"), rows[0])
    axes[0, 0].axvline(100 * copied["all right"][0], color=COLORS["grey"], linestyle=":", linewidth=1.2)
    return figure


def _names_with_seeds(rows: Sequence[Mapping]) -> list[str]:
    """Return the names of rows, with the number of training seeds where models differ in it."""
    differ = len({row["training_seeds"] for row in rows if row["kind"] != "rule"}) > 1
    return [f"{row['name']}, n = {row['training_seeds']}" if differ and row["kind"] != "rule" else row["name"] for row in rows]


@styled
def draw_groups(data: Mapping) -> Figure:
    """Draw, as a table of colours, the proportion of changed components that were predicted, by group; faint: few cases.

    Args:
        data: as from `estimates.by_group`.
    """
    names = list(data["right"])
    places, headings = _grouped([data["kinds"][name] for name in names])
    changed = [int(n) for n in data["changed"]]
    figure, axes = new_figure(8.8, 0.29 * (len(names) + len(headings)) + 1.2)
    ax = axes[0, 0]
    for y, name in zip(places, names, strict=True):
        for x, right in enumerate(data["right"][name]):
            faint = changed[x] < FEW_CHANGES
            color = colormaps["viridis"](float(right))
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, alpha=0.25 if faint else 1.0))
            letters = "#3C4043" if faint else "black" if right > 0.6 else "white"
            ax.text(x, y, f"{100 * right:.0f}", ha="center", va="center", fontsize=9, color=letters)
    columns = [f"{group}\n({n:,})" for group, n in zip(GROUPS, changed, strict=True)]
    ax.set(xlim=(-0.5, len(GROUPS) - 0.5), ylim=(places[-1] + 0.5, -0.5))
    ax.set_xticks(range(len(GROUPS)), columns, fontsize=8.5)
    _label_rows(ax, places, names, headings)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.grid(False)
    return figure


@styled
def draw_ahead(data: Mapping) -> Figure:
    """Draw what is left of the predictions after several steps without correction.

    Args:
        data: as from `estimates.ahead`.
    """
    figure, axes = new_figure(9.0, 3.8, columns=2)
    names = list(data["curves"])
    rules = [name for name in names if data["kinds"][name] == "rule"]
    labels = {"all right": "all components right, %", "changed right": "changed since the start, right, %"}
    for ax, (part, label) in zip(axes[0], labels.items(), strict=True):
        for i, name in enumerate(names):
            kind = data["kinds"][name]
            values = 100 * np.mean(data["curves"][name][part], 0)
            ax.plot(
                data["horizons"],
                values,
                marker=MARKERS[i % len(MARKERS)],
                markersize=5,
                label=name,
                color=_color(name, kind),
                linestyle=LINES[rules.index(name) % len(LINES)] if name in rules else KIND_LINES[kind],
            )
        ax.set(xscale="log", xlabel="steps without correction", ylabel=label)
        ax.set_xticks(data["horizons"], data["horizons"])
        ax.minorticks_off()
    ends = [np.min(data["curves"][name]["all right"]) for name in names]
    low = min([end for end in ends if end > 0.9], default=min(ends))  # the most common board is far below
    axes[0, 0].set_ylim(100 * low - 0.5, 100.2)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9, handlelength=3.2)
    return figure


@styled
def draw_near(data: Mapping) -> Figure:
    """Draw where changes are predicted: rows and columns away from the seeing agent, which is in the middle.

    Args:
        data: as from `estimates.near`.
    """
    figure, axes = new_figure(3.1 * len(data), 3.3, columns=len(data))
    for ax, (name, table) in zip(axes[0], data.items(), strict=True):
        table = np.asarray(table)
        reach = len(table) // 2
        shown = np.ma.masked_less(100 * table, 0)
        colors = colormaps["viridis"].with_extremes(bad="#DDDDDD")
        image = ax.imshow(shown, cmap=colors, vmin=0, vmax=100, extent=(-reach - 0.5, reach + 0.5, reach + 0.5, -reach - 0.5))
        ax.plot(0, 0, "x", color="white", markersize=7)
        ax.set(title=name, xlabel="columns away")
        ax.grid(False)
    axes[0, 0].set_ylabel("rows away")
    figure.colorbar(image, ax=list(axes[0]), label="changed cells predicted, %", shrink=0.85)
    return figure


@styled
def draw_hidden(data: Mapping) -> Figure:
    """Draw how often the opponents' hidden numbers are right, by the steps since the last clue: ages that occur, no kick.

    Args:
        data: kinds: of number (K,); columns: their labels (C,); right: by name for each kind and column [value, low, high];
            cases: how many numbers stand behind each kind and column, (K, C); rules: names of those that are no network.
    """
    panels = [k for k, kind in enumerate(data["kinds"]) if kind not in NOT_DRAWN]
    figure, axes = new_figure(9.0, 3.5, columns=len(panels), sharey=True)
    names = list(data["right"])
    for ax, k in zip(axes[0], panels, strict=True):
        shown = [c for c, cases in enumerate(data["cases"][k]) if cases]
        most = int(np.argmax(data["cases"][k]))
        for i, name in enumerate(names):
            rule = name in data["rules"]
            color = _color(name, "rule" if rule else "ours")
            line = LINES[1 + data["rules"].index(name) % 3] if rule else "-"
            shift = 0.08 * (i - (len(names) - 1) / 2)
            aged = [c for c in shown if c > 0]
            values = {c: [100 * v for v in data["right"][name][k][c]] for c in shown}
            ax.plot([c + shift for c in aged], [values[c][0] for c in aged], line, color=color, linewidth=1.2, alpha=0.7)
            for c in shown:
                value, low, high = values[c]
                alpha = 0.3 if data["cases"][k][c] < FEW_CHANGES else 1.0
                ax.plot([c + shift] * 2, [max(low, 0), min(high, 100)], color=color, linewidth=2, alpha=0.4 * alpha)
                label = name if c == most else None
                ax.plot(c + shift, value, MARKERS[i % len(MARKERS)], color=color, markersize=5.5, alpha=alpha, label=label)
        ax.axvline(0.5, color=COLORS["grey"], linewidth=0.8)
        ax.set_xticks(shown, [f"{data['columns'][c]}\n({data['cases'][k][c]:,})" for c in shown], fontsize=7.5)
        ax.set(title=data["kinds"][k], ylim=(-4, 104), xlim=(-0.5, max(shown) + 0.5), xlabel="steps since the last clue")
    axes[0, 0].set_ylabel("right, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=9)
    return figure
