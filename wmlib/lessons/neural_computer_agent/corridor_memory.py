"""Inside the memory of a DNC in the cue corridor: which slot holds which cue, and what happens when two are exchanged by hand.

Reading guide. `watch` walks a model through the corridor and returns what its memory did. `slots_of_cues` says where each cue
went. `exchange` swaps two slots in a state. `swap_test` does so with every pair of cues, just before the first door, and counts
the episodes in which the choices at these two doors swap and all others stay; `one_swap` keeps one episode for a picture.
`examine` does both with one model.

What is exchanged and what is not. A slot's *content* is its row of the memory. Its *place in the order of writing* is in link,
precedence and usage, and in the last read and write weightings. To exchange the rows alone puts each content at the other's
place in the order. To exchange both would only give two slots each other's numbers, and a DNC does not know its slots by
number: then nothing at all may change. That is the second control (`RENAMED`), and an exact one.

Axes: B episodes, n cues and doors, T steps, N slots.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.grid.cue_corridor import MAX_SYMBOLS, Level
from wmlib.experiment import seeding
from wmlib.lessons.neural_computer_agent.corridor import Walk, draw_cues, play
from wmlib.models.dnc import DNCState
from wmlib.models.dnc.memory import Trace
from wmlib.models.frame_model import FrameModel

CONTENT = ("memory",)
RENAMED = ("memory", "usage", "precedence", "link", "write", "read")  # all parts of a state that have a slot axis
AXES = {"memory": (-2,), "usage": (-1,), "precedence": (-1,), "link": (-2, -1), "write": (-1,), "read": (-1,)}


@torch.no_grad()
def watch(model: FrameModel, level: Level, cues: np.ndarray) -> tuple[Walk, Trace]:
    """Walk through the corridor and return what the memory did; arguments as for `corridor.play`, the core is a DNC."""
    walk = play(model, level, cues)
    _, _, trace = model.core(model.core_inputs(walk.frames, walk.actions), trace=True)
    return walk, trace


def slots_of_cues(trace: Trace, count: int) -> Tensor:
    """Return the slot that was written most strongly when each cue was shown, int64 (B, n)."""
    return trace.write[:, :count].argmax(-1)


def unused_slots(trace: Trace, level: Level, slots: Tensor) -> Tensor:
    """Return the two slots that were written least before the first door and hold no cue, int64 (B, 2)."""
    written = trace.write[:, : sum(level)].amax(1)
    written = written.scatter(1, slots, torch.inf)
    return written.argsort(1)[:, :2]


def exchange(state: DNCState, first: Tensor, second: Tensor, parts: tuple[str, ...] = CONTENT) -> DNCState:
    """Exchange two slots of each episode.

    Args:
        state: leading axis B.
        first, second: int64 (B,), the slots.
        parts: of the state that are exchanged, names in `AXES`.
    """
    slots = state.memory.shape[-2]
    rows = torch.arange(len(first))
    order = torch.arange(slots).repeat(len(first), 1)
    order[rows, first] = second
    order[rows, second] = first
    changed = {}
    for name in parts:
        part = getattr(state, name)
        for axis in AXES[name]:
            shape = [1] * part.ndim
            shape[0] = len(first)
            shape[axis] = slots
            part = torch.take_along_dim(part, order.view(shape), axis)
        changed[name] = part
    return state._replace(**changed)


def unlike_pairs(level: Level, episodes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw episodes for every pair of cues; the two cues of the pair differ, or an exchange could not be seen.

    Returns:
        pairs int64 (B, 2), cues int64 (B, n), with B = pairs x episodes.
    """
    pairs = np.array(list(itertools.combinations(range(level[0]), 2))).repeat(episodes, 0)
    cues = draw_cues(level, len(pairs), rng)
    rows = np.arange(len(pairs))
    cues[rows, pairs[:, 1]] = (cues[rows, pairs[:, 0]] + rng.integers(1, MAX_SYMBOLS, len(pairs))) % MAX_SYMBOLS
    return pairs, cues


def swapped(choices: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return choices (B, n) with those at the doors of each pair (B, 2) exchanged."""
    rows = np.arange(len(pairs))[:, None]
    result = choices.copy()
    result[rows, pairs] = choices[rows, pairs[:, ::-1]]
    return result


def restarted(choices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the choices of a model that finds cue 1 by its content, and goes on from there, after it was put elsewhere.

    Args:
        choices: (B, n), without the exchange.
        others: (B,), number of the cue whose slot has got the content of cue 1, from 1 on.

    Returns:
        (B, n): the choice of door 1, then those of the doors that follow the other cue's; -1 when there is no such door.
    """
    count = choices.shape[1]
    doors = others[:, None] + np.arange(count)
    result = np.where(doors < count, np.take_along_axis(choices, np.minimum(doors, count - 1), 1), -1)
    result[:, 0] = choices[:, 0]
    return result


def swap_test(model: FrameModel, level: Level, seed: int, episodes: int) -> dict[str, Any]:
    """Exchange the slots of every pair of cues just before the first door, and count what the choices do.

    Args:
        model: trained, its core a DNC with at least two slots more than cues.
        level: n, at least 3, and L.
        seed: of the episodes.
        episodes: of each pair of cues.

    Returns:
        Proportions of episodes. Under "later" (content of the slots of two cues, not of cue 1), "first" (of cue 1 and another),
        "all" (both together), "unused" (of two slots that hold no cue) and "renamed" (content and order of two cues' slots):
        swap, the choices at the two doors swap and all others stay as they are without the exchange; unchanged, no choice
        changes; and under "first" restart, the choices are those of `restarted`, doors without a prediction aside.
        pairs: float64 (n, n), swap by pair; 0 on the diagonal.
        apart: every cue has a slot of its own.
        episodes: B, their number.
    """
    pairs, cues = unlike_pairs(level, episodes, seeding.generator(seed, "corridor", "swap", *level))
    walk, trace = watch(model, level, cues)
    slots = slots_of_cues(trace, level[0])
    chosen = slots.gather(1, torch.from_numpy(pairs))
    unused = unused_slots(trace, level, slots)

    def edited(two: Tensor, parts: tuple[str, ...]) -> np.ndarray:
        return play(model, level, cues, lambda state: exchange(state, two[:, 0], two[:, 1], parts)).choices

    content = edited(chosen, CONTENT)
    controls = {"unused": edited(unused, CONTENT), "renamed": edited(chosen, RENAMED)}
    first = pairs[:, 0] == 0
    expected = restarted(walk.choices, pairs[:, 1])
    results: dict[str, Any] = {
        "later": _count(content, walk.choices, pairs, ~first),
        "first": _count(content, walk.choices, pairs, first),
        "all": _count(content, walk.choices, pairs, np.ones_like(first)),
        **{name: _count(choices, walk.choices, pairs, np.ones_like(first)) for name, choices in controls.items()},
    }
    counted = first & (pairs[:, 1] < level[0] - 1)
    results["first"]["restart"] = float(((content == expected) | (expected < 0)).all(1)[counted].mean())
    results["pairs"] = np.zeros((level[0], level[0]))
    for row, column in itertools.combinations(range(level[0]), 2):
        swap = _count(content, walk.choices, pairs, (pairs == (row, column)).all(1))["swap"]
        results["pairs"][row, column] = results["pairs"][column, row] = swap
    results["apart"] = float(np.mean([len(set(row)) == level[0] for row in slots.tolist()]))
    results["episodes"] = len(pairs)
    return results


def _count(edited: np.ndarray, plain: np.ndarray, pairs: np.ndarray, which: np.ndarray) -> dict[str, float]:
    """Return in which proportion of some episodes just two choices swap, and in which nothing changes."""
    expected = swapped(plain, pairs)
    follows = (edited == expected).all(1) & (expected != plain).any(1)
    unchanged = (edited == plain).all(1)
    return {"swap": float(follows[which].mean()), "unchanged": float(unchanged[which].mean())}


def one_swap(model: FrameModel, level: Level, seed: int, pair: tuple[int, int] | None = None) -> dict[str, Any]:
    """Keep one episode, without and with the exchange of two cues' slots, for a picture.

    Args:
        model: as for `swap_test`.
        level: n and L.
        seed: of the episode.
        pair: numbers of the two cues; None: one in the first third and one in the last.

    Returns:
        cues (n,); pair; slots (n,) of the cues; order (N,), the slots in the order of their cues, then the others; write
        (T, N); and under "before" and "after" the choices (n,) and read (T, N), of the heads together.
    """
    count = level[0]
    two = (count // 4, count - 1 - count // 4) if pair is None else pair
    cues = draw_cues(level, 1, seeding.generator(seed, "corridor", "one swap"))
    cues[0, two[1]] = (cues[0, two[0]] + 2) % MAX_SYMBOLS
    walk, trace = watch(model, level, cues)
    slots = slots_of_cues(trace, count)[0]
    own = list(dict.fromkeys(slots.tolist()))
    order = own + [slot for slot in range(trace.write.shape[-1]) if slot not in own]

    def edit(state: DNCState) -> DNCState:
        return exchange(state, slots[None, two[0]], slots[None, two[1]])

    edited = play(model, level, cues, edit)
    return {
        "cues": cues[0],
        "pair": list(two),
        "slots": slots.numpy(),
        "order": np.array(order),
        "write": trace.write[0].numpy(),
        "before": {"choices": walk.choices[0], "read": trace.read[0].sum(1).numpy()},
        "after": {"choices": edited.choices[0], "read": _reads_after(model, level, walk, edited, edit)},
    }


@torch.no_grad()
def _reads_after(model: FrameModel, level: Level, walk: Walk, edited: Walk, edit: Any) -> np.ndarray:
    """Return where the heads read in an episode whose state is edited before the first door, (T, N)."""
    before = sum(level)
    inputs = model.core_inputs(edited.frames, edited.actions)
    _, state, first = model.core(inputs[:, :before], trace=True)
    _, _, second = model.core(inputs[:, before:], edit(state), trace=True)
    return torch.cat([first.read, second.read], 1)[0].sum(1).numpy()


def examine(model: FrameModel, level: Level, seed: int, episodes: int) -> dict[str, Any]:
    """Do all of this module with one model: "test" as `swap_test`, "episode" as `one_swap`, "modes" as `read_modes`."""
    return {
        "test": swap_test(model, level, seed, episodes),
        "episode": {"level": list(level), **one_swap(model, level, seed)},
        "modes": read_modes(model, level, seed),
    }


def read_modes(model: FrameModel, level: Level, seed: int, episodes: int = 64) -> np.ndarray:
    """Return the mean share of each way to read at each door, (n, 3): backward, content, forward; over episodes and heads."""
    cues = draw_cues(level, episodes, seeding.generator(seed, "corridor", "read modes"))
    _, trace = watch(model, level, cues)
    return trace.read_modes[:, sum(level) :].mean((0, 2)).numpy()
