"""The pictures of the cue corridor in notebook 07, each a function of stored numbers; see `corridor` and `corridor_memory`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from wmlib.envs.grid.cue_corridor import SIGNS_SHOWN, Level, num_steps, picture, sign_at
from wmlib.viz.figures import COLORS, MARKERS, new_figure, styled
from wmlib.viz.memory_inspector.parts import GLASS, INK, heat

ARM_COLORS = {  # as in the other figures of the notebook
    "DNC": COLORS["blue"],
    "LSTM, equal parameters": COLORS["orange"],
    "LSTM, equal hidden size": "#EBAA78",
    "feed-forward": COLORS["green"],
}
ARM_MARKERS = dict(zip(ARM_COLORS, MARKERS, strict=False))
SYMBOL_COLORS = [tuple(color / 255) for color in SIGNS_SHOWN]
WRONG = "#202124"


@styled
def draw_episode(level: Level, cues: Sequence[int]) -> Figure:
    """Draw what is seen in an episode: the cues, the corridor, and the frame after the first choice.

    Args:
        level: n and L.
        cues: (n,).
    """
    count, length = level
    steps = [*range(count), count + length - 1, count + length, count + length + 1]
    titles = [*(f"cue {i + 1}" for i in range(count)), "corridor", "door 1: which?", "it was this one"]
    figure, axes = new_figure(1.7 * len(steps), 2.1, columns=len(steps))
    for ax, step, title in zip(axes[0], steps, titles, strict=True):
        ax.imshow(picture(level, step, sign_at(level, step, cues), scale=8))
        ax.set_title(title, fontsize=9)
        ax.set_axis_off()
    return figure


@styled
def draw_success(data: Mapping[str, Any]) -> Figure:
    """Draw the success against the number of cues and against the length of the corridor.

    Args:
        data: panels: a list of title, xlabel, x (C,), arms: name -> success (seeds, C); chance (C,) or None.
    """
    panels = data["panels"]
    figure, axes = new_figure(max(6.8, 4.8 * len(panels)), 3.9, columns=len(panels), sharey=True)
    for ax, panel in zip(axes[0], panels, strict=True):
        places = np.arange(len(panel["x"]))
        for k, (name, values) in enumerate(panel["arms"].items()):
            success = np.asarray(values)
            shift = 0.12 * (k - (len(panel["arms"]) - 1) / 2)
            color = ARM_COLORS[name]
            ax.plot(places + shift, success.mean(0), color=color, label=name, linewidth=1.6)
            for seed in success:
                ax.plot(places + shift, seed, ARM_MARKERS[name], color=color, markersize=4, alpha=0.7)
        if panel.get("chance") is not None:
            ax.plot(places, panel["chance"], color=COLORS["grey"], linestyle=":", linewidth=1, label="guessing")
        ax.set_xticks(places, [str(x) for x in panel["x"]])
        seeds = sorted({len(values) for values in panel["arms"].values()})
        title = f"{panel['title']} ({' to '.join(map(str, seeds))} training seeds)"
        ax.set(xlabel=panel["xlabel"], ylim=(-0.03, 1.05))
        ax.set_title(title, fontsize=10)
    axes[0, 0].set_ylabel("success (every door right)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    return figure


@styled
def draw_updates(data: Mapping[str, Any]) -> Figure:
    """Draw how many updates each arm needed at each level of the curriculum; a cross where it was not mastered in time.

    Args:
        data: levels: the curriculum as labels (C,); most: the updates after which a level ends anyway; arms: name -> updates
            (seeds, C).
    """
    figure, axes = new_figure(7.6, 3.6)
    ax = axes[0, 0]
    places = np.arange(len(data["levels"]))
    for k, (name, values) in enumerate(data["arms"].items()):
        updates = np.asarray(values)
        shift = 0.14 * (k - (len(data["arms"]) - 1) / 2)
        color = ARM_COLORS[name]
        ax.plot(places + shift, updates.mean(0), color=color, linewidth=1.2, label=name)
        for seed in updates:
            late = seed >= data["most"]
            ax.plot(places[~late] + shift, seed[~late], ARM_MARKERS[name], color=color, markersize=4, alpha=0.7)
            ax.plot(places[late] + shift, seed[late], "x", color=color, markersize=6)
    ax.axhline(data["most"], color=COLORS["grey"], linestyle=":", linewidth=1)
    ax.set_xticks(places, data["levels"])
    ax.set(xlabel="level of the curriculum", ylabel="updates until mastered", ylim=(0, 1.08 * data["most"]))
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@styled
def draw_swap(data: Mapping[str, Any]) -> Figure:
    """Draw the exchange of two slots in one episode beside the same episode without it, and how often it does what it should.

    Args:
        data: episode: level and what `corridor_memory.one_swap` returns; tests: one for each training seed, as
            `corridor_memory.swap_test` returns them.
    """
    episode, tests = data["episode"], data["tests"]
    figure = new_figure(11.4, 7.2)[0]
    figure.clear()
    grid = figure.add_gridspec(2, 1, height_ratios=(1.35, 1))
    walks = grid[0].subgridspec(3, 2, height_ratios=(0.5, 3.6, 0.5))
    left = [figure.add_subplot(walks[row, 0]) for row in range(3)]
    right = [figure.add_subplot(walks[row, 1]) for row in range(3)]
    _draw_walk(left, episode, episode["before"], swap=False)
    _draw_walk(right, episode, episode["after"], swap=True)
    left[0].set_title("as it is")
    first, second = (number + 1 for number in episode["pair"])
    right[0].set_title(f"slots of cues {first} and {second} exchanged before the first door")
    beneath = grid[1].subgridspec(1, 2, width_ratios=(1, 1.25))
    _draw_pairs(figure.add_subplot(beneath[0]), np.mean([test["pairs"] for test in tests], 0))
    _draw_tests(figure.add_subplot(beneath[1]), tests)
    return figure


def _draw_walk(axes: Sequence[Axes], data: Mapping[str, Any], walk: Mapping[str, Any], swap: bool) -> None:
    """Draw cues above, writes and reads in the middle, chosen doors below, on one axis of steps."""
    shown, memory, doors = axes
    count, length = data["level"]
    steps = num_steps(tuple(data["level"]))
    order = np.asarray(data["order"])
    row_of = {slot: row for row, slot in enumerate(order.tolist())}
    heat(memory, np.asarray(data["write"])[:, order].T, INK["orange"], 0)
    heat(memory, np.asarray(walk["read"])[:, order].T, GLASS, 0)
    cues = np.asarray(data["cues"])
    choices = np.asarray(walk["choices"])
    pair = list(data["pair"])
    content = {int(slot): int(cue) for slot, cue in zip(data["slots"], cues, strict=True)}  # what is in it at the doors
    if swap:
        first, second = (int(data["slots"][number]) for number in pair)
        content[first], content[second] = content[second], content[first]
    dot: dict[str, Any] = {"marker": "o", "markersize": 6, "markeredgecolor": "white", "zorder": 4}
    for step in range(count):
        _square(shown, step, cues[step])
        memory.plot(step, row_of[int(data["slots"][step])], color=SYMBOL_COLORS[cues[step]], **dot)
        at = count + length + step
        _square(doors, at, choices[step], wrong=choices[step] != cues[step])
        read = np.asarray(walk["read"])[at]
        if read.max() >= 0.3 and int(read.argmax()) in content:
            memory.plot(at, row_of[int(read.argmax())], color=SYMBOL_COLORS[content[int(read.argmax())]], **dot)
    if swap:
        at = count + length - 0.5
        rows = [row_of[int(data["slots"][number])] for number in pair]
        memory.axvline(at, color=COLORS["pink"], linewidth=1.4)
        arrow: dict[str, Any] = {
            "arrowstyle": "<|-|>",
            "color": COLORS["pink"],
            "linewidth": 1.8,
            "mutation_scale": 12,
            "zorder": 6,
        }
        bend = "arc3,rad=0.45"
        memory.add_patch(FancyArrowPatch((at - 0.4, rows[0]), (at - 0.4, rows[1]), connectionstyle=bend, **arrow))
        for number, row in zip(pair, rows, strict=True):
            memory.add_patch(Rectangle((-0.5, row - 0.5), steps, 1, fill=False, edgecolor=COLORS["pink"], linewidth=1))
            doors.add_patch(
                Rectangle((count + length + number - 0.5, 0), 1, 1, fill=False, edgecolor=WRONG, linewidth=2, zorder=5)
            )
    memory.set_ylabel("slot, in the\norder of its cue", fontsize=9)
    memory.tick_params(labelbottom=False)
    shown.set_ylabel("cue", rotation=0, ha="right", va="center", fontsize=9)
    doors.set_ylabel("door\ntaken", rotation=0, ha="right", va="center", fontsize=9)
    for ax in (shown, doors):
        ax.set(xlim=(-0.5, steps - 0.5), ylim=(0, 1), yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    shown.tick_params(bottom=False, labelbottom=False)
    names = {0: "cue 1", count - 1: f"cue {count}", count + length: "door 1", steps - 1: f"door {count}"}
    doors.set_xticks(list(names), list(names.values()), fontsize=9)
    doors.get_xticklabels()[1].set_horizontalalignment("right")
    doors.get_xticklabels()[2].set_horizontalalignment("left")


def _square(ax: Axes, step: int, symbol: int, wrong: bool = False) -> None:
    """Draw a symbol as a square of its colour at its own height; another colour than the cue's has a cross."""
    ax.add_patch(Rectangle((step - 0.4, 0.1), 0.8, 0.8, color=SYMBOL_COLORS[symbol]))
    ax.text(step, 0.5, str(symbol + 1), ha="center", va="center_baseline", fontsize=8, color="white", fontweight="bold")
    if wrong:
        ax.plot([step - 0.4, step + 0.4], [0.02, 0.02], color=WRONG, linewidth=2, clip_on=False)


def _draw_pairs(ax: Axes, pairs: np.ndarray) -> None:
    """Draw for each pair of cues how often exactly these two choices swap."""
    count = len(pairs)
    image = ax.imshow(np.where(np.eye(count, dtype=bool), np.nan, pairs), cmap="viridis", vmin=0, vmax=1)
    ax.set_xticks(range(count), [str(i + 1) for i in range(count)], fontsize=8)
    ax.set_yticks(range(count), [str(i + 1) for i in range(count)], fontsize=8)
    ax.set(xlabel="cue", ylabel="cue", title="just these two choices swap")
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("proportion of episodes")


def _draw_tests(ax: Axes, tests: Sequence[Mapping[str, Any]]) -> None:
    """Draw each seed's proportions of what happens after an exchange."""
    rows = {
        "later": "content of two cues' slots\n(not of cue 1)",
        "first": "content of the slots of\ncue 1 and another",
        "unused": "control: content of\ntwo unused slots",
        "renamed": "control: content and order\nof two cues' slots",
    }
    events = {
        "swap": ("blue", "o", "just these two choices swap"),
        "restart": ("pink", "D", "reading starts from the other's place"),
        "unchanged": ("grey", "s", "no choice changes"),
    }
    for k, name in enumerate(rows):
        for shift, (event, (color, marker, label)) in zip((-0.24, 0.0, 0.24), events.items(), strict=True):
            values = [test[name][event] for test in tests if event in test[name]]
            if values:
                ax.barh(
                    k + shift, np.mean(values), 0.22, color=COLORS[color], alpha=0.55, label=label if name == "first" else None
                )
                ax.plot(values, np.full(len(values), k + shift), marker, color=COLORS[color], markersize=4, clip_on=False)
    ax.set_yticks(range(len(rows)), list(rows.values()), fontsize=8)
    ax.set(xlim=(0, 1.02), ylim=(len(rows) - 0.5, -0.5), title="what an exchange does")
    ax.set_xlabel("proportion of episodes (a mark: a training seed)")
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.3, -0.2), ncols=3, columnspacing=1.0, handlelength=1.2)
