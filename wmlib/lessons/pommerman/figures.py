"""The pictures of notebook 06, each a function of stored numbers.

Reading guide. Boards are stored as text, one sign a cell (`pack`, `unpack`), and painted by `paint`. `rate`, `ahead` and
`summary` make records of tallies (see `prediction_study.tally`), one tally a random start; the functions after them draw.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from wmlib.envs.pommerman.drawing import COLOURS, PLAYERS
from wmlib.envs.pommerman.layout import AGENT, BOMB, EXTRA_BOMB, SIZE
from wmlib.experiment.statistics import Estimate, share
from wmlib.lessons.pommerman.measures import GROUPS
from wmlib.viz.figures import COLORS, MARKERS, new_figure

SIGNS = "0123456789abcd"  # by board code
Tallies = Sequence[Mapping[str, np.ndarray]]
WRONG = "#C5221F"
PARTS = {  # label -> hits and counts of a tally
    "all right": ("right", "steps"),
    "changed right": ("changed_right", "changed"),
    "kept": ("kept", "same"),
    "exact": ("exact", "steps"),
    "impossible": ("impossible", "steps"),
    "agents drawn": ("drawn", "living"),
}
COMPONENTS = 372


def pack(boards: np.ndarray) -> list:
    """Return boards, (..., 121), as a nesting of texts of 121 signs."""
    boards = np.asarray(boards)
    return "".join(SIGNS[code] for code in boards) if boards.ndim == 1 else [pack(part) for part in boards]


def unpack(texts) -> np.ndarray:
    """Return the boards again, int (..., 121)."""
    return np.array([SIGNS.index(sign) for sign in texts]) if isinstance(texts, str) else np.stack([unpack(t) for t in texts])


def counts(tallies: Tallies, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and counts of a part, (runs, games) each; all groups together."""
    hits, of = (np.stack([np.asarray(t[name]).reshape(len(t["steps"]), -1).sum(1) for t in tallies]) for name in PARTS[part])
    return hits, of * COMPONENTS if part == "all right" else of


def rate(tallies: Tallies, part: str, rng: np.random.Generator) -> Estimate:
    """Return a share with its interval over random starts and games; a rule without chance counts as one start twice."""
    hits, of = counts(tallies, part)
    return share(*(np.repeat(v, 2, 0) if len(v) == 1 else v for v in (hits, of)), rng)


def gap(a: Tallies, b: Tallies, part: str, rng: np.random.Generator) -> Estimate:
    """Return the difference of two shares, a minus b, random starts and games paired."""
    (hits, of), (others, _) = counts(a, part), counts(b, part)
    return share(hits - others, of, rng)


def summary(tallies: Mapping[str, Tallies], rng: np.random.Generator) -> list[dict]:
    """Return a row for each predictor: name, starts, and each of `PARTS` as [value, low, high]."""
    return [{"name": name, "starts": len(own), **{part: list(rate(own, part, rng)[:3]) for part in PARTS}}
            for name, own in tallies.items()]  # fmt: skip


def by_group(tallies: Mapping[str, Tallies]) -> dict:
    """Return changed (7,), how many components of each group, and right: by name shares of them (7,)."""
    first = next(iter(tallies.values()))[0]["changed"].sum(0)
    return {"changed": first, "right": {name: np.mean([t["changed_right"].sum(0) for t in own], 0) / np.maximum(first, 1)
                                        for name, own in tallies.items()}}  # fmt: skip


def ahead(judged: Mapping[str, Sequence[Mapping]], horizons: Sequence[int]) -> dict:
    """Return horizons, and by name for each part the shares (starts, horizons)."""

    def curve(own: Mapping, part: str) -> list[float]:
        return [float(hits.sum() / of.sum()) for hits, of in (counts([t], part) for t in own["ahead"])]

    parts = ("all right", "changed right", "agents drawn")
    found = {name: {part: [curve(own, part) for own in runs] for part in parts} for name, runs in judged.items()}
    return {"horizons": list(horizons), "curves": found}


def near(tallies: Mapping[str, Tallies], reach: int = 6) -> dict:
    """Return by name the share of changed cells foretold by distance, (13, 13), -1 where fewer than 20 changed."""
    made = {}
    for name, own in tallies.items():
        hits, of = (np.sum([t[part] for t in own], 0) for part in ("near_right", "near"))
        middle = slice(len(of) // 2 - reach, len(of) // 2 + reach + 1)
        hits, of = hits[middle, middle], of[middle, middle]
        made[name] = np.where(of >= 20 * len(own), hits / np.maximum(of, 1), -1.0)
    return made


def hidden_rates(tallies: Tallies, rng: np.random.Generator, moved: bool = True) -> list[list[float]]:
    """Return for each of `hidden_numbers.KINDS` the share of right answers among numbers that moved, or among those that are
    still as at the start: [value, low, high]."""
    made = []
    for kind in range(3):
        hits, of = (np.stack([t[part][:, kind] for t in tallies]) for part in ("moved_right", "moved"))
        if not moved:
            hits, of = (np.stack([t[part][:, kind] for t in tallies]) - v for part, v in (("right", hits), ("all", of)))
        hits, of = (np.repeat(v, 2, 0) if len(v) == 1 else v for v in (hits, of))  # a rule has no random starts
        made.append(list(share(hits, of, rng)[:3]) if of.sum() else [0.0, 0.0, 0.0])
    return made


def hidden_gap(a: Tallies, b: Tallies | None, rng: np.random.Generator) -> Estimate:
    """Return the share of right answers among all numbers that moved, or the difference of two such shares, paired."""
    hits, of = (np.stack([t[part].sum(1) for t in a]) for part in ("moved_right", "moved"))
    if b is not None:
        hits = hits - np.stack([t["moved_right"].sum(1) for t in b])
    return share(hits, of, rng)


def paint(ax: Axes, board: np.ndarray, truth: np.ndarray | None = None, title: str = "") -> None:
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
    ax.set_title(title, fontsize=8.5)


def draw_film(data: Mapping, step: int) -> Figure:
    """Draw one step of a game and, beside it, what each model had foretold of it one step before.

    Args:
        data: first: number of the first step; truth: texts (T,); said: by name texts (T,).
        step: 0 … T - 1.
    """
    truth = unpack(data["truth"][step])
    figure, axes = new_figure(2.0 * (1 + len(data["said"])), 2.25, columns=1 + len(data["said"]))
    paint(axes[0, 0], truth, title=f"the game, step {data['first'] + step}")
    for ax, (name, said) in zip(axes[0, 1:], data["said"].items(), strict=True):
        board = unpack(said[step])
        paint(ax, board, truth, f"{name}: {np.count_nonzero(board != truth)} wrong")
    return figure


def draw_dream(data: Mapping, start: int, horizon: int) -> Figure:
    """Draw a board some steps after the models were left alone, and what they think it is.

    Args:
        data: starts: step numbers (S,); truth: texts (S, H); said: by name texts (S, H).
        start: one of the starts.
        horizon: 1 … H.
    """
    i = list(data["starts"]).index(start)
    truth = unpack(data["truth"][i][horizon - 1])
    figure, axes = new_figure(2.0 * (1 + len(data["said"])), 2.25, columns=1 + len(data["said"]))
    paint(axes[0, 0], truth, title=f"the game, step {start} + {horizon}")
    for ax, (name, said) in zip(axes[0, 1:], data["said"].items(), strict=True):
        board = unpack(said[i][horizon - 1])
        paint(ax, board, truth, f"{name}: {np.count_nonzero(board != truth)} wrong")
    return figure


def draw_strip(data: Mapping, start: int, horizons: Sequence[int]) -> Figure:
    """Draw the same at several horizons: a row for the game and for each model."""
    i, names = list(data["starts"]).index(start), list(data["said"])
    figure, axes = new_figure(1.4 * len(horizons), 1.5 * (1 + len(names)), rows=1 + len(names), columns=len(horizons))
    for column, h in enumerate(horizons):
        truth = unpack(data["truth"][i][h - 1])
        paint(axes[0, column], truth, title=f"{h} step{'s' * (h > 1)} on")
        for row, name in enumerate(names):
            board = unpack(data["said"][name][i][h - 1])
            paint(axes[row + 1, column], board, truth, f"{np.count_nonzero(board != truth)} wrong")
    for row, name in enumerate(["the game", *names]):
        axes[row, 0].set_ylabel(name, fontsize=9)
    return figure


def draw_scores(rows: Sequence[Mapping]) -> Figure:
    """Draw all predictors as dots with intervals: all components, those that changed, whole states.

    Args:
        rows: as from `summary`, and kind: "rule", "thesis", "ours" or "told".
    """
    colors = {"rule": "grey", "thesis": "orange", "ours": "blue", "told": "green"}
    figure, axes = new_figure(9.6, 0.34 * len(rows) + 1.1, columns=3, sharey=True)
    labels = {"all right": "all components right, %", "changed right": "changed components right, %",
              "exact": "whole state right, %"}  # fmt: skip
    for ax, (part, label) in zip(axes[0], labels.items(), strict=True):
        for y, row in enumerate(rows):
            value, low, high = (100 * v for v in row[part])
            color = COLORS[colors[row["kind"]]]
            ax.plot([low, high], [y, y], color=color, linewidth=3, alpha=0.45)
            ax.plot(value, y, "o", color=color, markersize=6.5)
        ax.set(xlabel=label, ylim=(len(rows) - 0.4, -0.6))
    axes[0, 0].set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes[0, 0].axvline(100 * rows[0]["all right"][0], color=COLORS["grey"], linestyle=":", linewidth=1.2)
    return figure


def draw_groups(data: Mapping) -> Figure:
    """Draw, as a table of colours, the share of changed components foretold, by group.

    Args:
        data: as from `by_group`.
    """
    names = list(data["right"])
    table = 100 * np.array([data["right"][name] for name in names])
    figure, axes = new_figure(8.6, 0.36 * len(names) + 1.2)
    ax = axes[0, 0]
    ax.imshow(table, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for y, x in np.ndindex(table.shape):
        color = "black" if table[y, x] > 60 else "white"
        ax.text(x, y, f"{table[y, x]:.0f}", ha="center", va="center", fontsize=9, color=color)
    columns = [f"{group}\n({int(n):,})" for group, n in zip(GROUPS, data["changed"], strict=True)]
    ax.set_xticks(range(len(GROUPS)), columns, fontsize=8.5)
    ax.set_yticks(range(len(names)), names)
    ax.grid(False)
    return figure


def _family(name: str) -> str:
    """Return the colour of a predictor that can dream, as in `draw_scores`."""
    if name in ("copying", "average board") or name.startswith("table"):
        return "grey"
    return "orange" if name.startswith("MDN") else "blue"


def draw_ahead(data: Mapping) -> Figure:
    """Draw what is left of the predictions after several steps without correction.

    Args:
        data: as from `ahead`.
    """
    figure, axes = new_figure(9.6, 3.6, columns=3)
    names = list(data["curves"])
    families = [_family(name) for name in names]
    lines = ["-", "--", ":", "-."]  # within a family, the last one first: the DNC
    styles = [{"color": COLORS[f], "linestyle": lines[families[i + 1 :].count(f) % len(lines)]} for i, f in enumerate(families)]
    labels = {"all right": "all components right, %", "changed right": "changed since the start, right, %",
              "agents drawn": "living agents that are on the board, %"}  # fmt: skip
    for ax, (part, label) in zip(axes[0], labels.items(), strict=True):
        for i, (name, style) in enumerate(zip(names, styles, strict=True)):
            values = 100 * np.mean(data["curves"][name][part], 0)
            ax.plot(data["horizons"], values, marker=MARKERS[i % len(MARKERS)], markersize=5, label=name, **style)
        ax.set(xscale="log", xlabel="steps without correction", ylabel=label)
        ax.set_xticks(data["horizons"], data["horizons"])
        ax.minorticks_off()
    low = min(np.min(data["curves"][name]["all right"]) for name in names if _family(name) == "blue")
    axes[0, 0].set_ylim(100 * min(low, 0.9) - 1, 100.2)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def draw_near(data: Mapping) -> Figure:
    """Draw where changes are foretold: rows and columns away from the seeing agent, which is in the middle.

    Args:
        data: as from `near`.
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
    figure.colorbar(image, ax=list(axes[0]), label="changed cells foretold, %", shrink=0.85)
    return figure


def draw_hidden(data: Mapping) -> Figure:
    """Draw how often the opponents' hidden numbers are told: dots, where they are no longer those of the start; rings, where
    they still are.

    Args:
        data: kinds (3,); rows and still: name -> for each kind [value, low, high].
    """
    figure, axes = new_figure(8.4, 3.2, columns=len(data["kinds"]), sharey=True)
    for k, (ax, kind) in enumerate(zip(axes[0], data["kinds"], strict=True)):
        for y, (name, values) in enumerate(data["rows"].items()):
            value, low, high = (100 * v for v in values[k])
            color = COLORS["grey" if name in ("start values", "counting by hand") else "blue"]
            ax.plot([low, high], [y, y], color=color, linewidth=3, alpha=0.45)
            ax.plot(value, y, "o", color=color, markersize=7)
            ax.plot(100 * data["still"][name][k][0], y, "o", color=color, markersize=7, fillstyle="none")
        ax.set(title=kind, xlabel="right, %", xlim=(-3, 103), ylim=(len(data["rows"]) - 0.5, -0.5))
    axes[0, 0].set_yticks(range(len(data["rows"])), list(data["rows"]))
    return figure
