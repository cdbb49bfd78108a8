"""A scripted player: it runs from blasts, collects, digs, hunts and kicks, well or carelessly as its `Style` says.

Reading guide. `_choose` is the player: its paragraphs are what it tries, in order. It looks at no more than an agent sees.
Below it are its means: `_threats`, when a blast will reach each cell (bombs set each other off), and `_spread`, which
cells it can walk to before that, nearest first; the others pick from these. `act` plays all four agents of many games.

Source: ours; made to fill games with bombs, pickups, kicks and deaths about as often as the recorded players do.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from wmlib.envs.compiled import inner, outer
from wmlib.envs.pommerman.checks import check_rng, checked_rows
from wmlib.envs.pommerman.layout import (
    AGENTS,
    ALIVE,
    AMMO,
    B_BLAST,
    B_CELL,
    B_LIFE,
    BLAST,
    BOMB_AT,
    BOMB_LIFE,
    BOMBS,
    CAN_KICK,
    CELL,
    CELLS,
    COUNTER,
    EXTRA_BOMB,
    FFA,
    FLAME,
    FREE,
    GROUND,
    LAY,
    OFFSET,
    RIGHT,
    RIGID,
    STOP,
    STRIDE,
    TYPE,
    UP,
    VIEW,
    WIDE,
    WOOD,
)


class Style(NamedTuple):
    """How a scripted player behaves: chances in a step, 0 … 1."""

    lay: float  # to lay a bomb where one is of use and there is a way out
    kick: float  # to kick a bomb that is beside it
    careless: float  # to do anything at all, whatever comes of it


STYLES = {"simple": Style(0.09, 0.02, 0.08), "chaos": Style(0.42, 0.3, 0.18)}

# Rows of the working space, each (169,)
WHEN, AFTER, FIRST, QUEUE, TIME, OTHER, WORK = range(7)
NEVER = 99


@inner
def _choose(row, i, lay, kick, careless, chance, work):
    """Return the action of agent i; chance is four numbers in [0, 1)."""
    me = STRIDE * i
    here = np.int64(row[CELL + STRIDE * i])
    if chance[0] < careless:
        return int(chance[1] * (LAY + 1))
    turn = int(chance[3] * 4)  # which direction is looked at first
    _threats(row, here, work)
    reached = _spread(row, i, turn, WHEN, work)

    if row[CAN_KICK + me] and chance[2] < kick:
        action = _bomb_to_kick(row, here, turn, work)
        if action != STOP:
            return action
    if work[WHEN, here] != NEVER:
        return work[FIRST, _refuge(reached, work)]

    if row[AMMO + me] and not row[BOMB_AT + here] and chance[1] < lay and _useful(row, i):
        for cell in range(CELLS):
            work[AFTER, cell] = work[WHEN, cell]
        _mark(row, here, row[BLAST + me], BOMB_LIFE, AFTER, work)
        for k in range(1, _spread(row, i, turn, AFTER, work)):
            if work[AFTER, work[QUEUE, k]] == NEVER:
                return LAY
        reached = _spread(row, i, turn, WHEN, work)

    goal = _goal(row, i, reached, work)
    if goal < 0 or goal == here:  # nothing to go for, or already there with nothing to lay: stroll
        goal = work[QUEUE, int(chance[2] * min(reached, 9))]
    step = work[FIRST, goal]
    return step if work[WHEN, here + OFFSET[step]] == NEVER else STOP


@inner
def _threats(row, here, work):
    """Fill WHEN: after how many steps a blast reaches a cell, NEVER if none does."""
    for cell in range(CELLS):
        work[WHEN, cell] = NEVER
    for b in range(row[BOMBS]):
        work[TIME, b] = row[B_LIFE + STRIDE * b]
    earlier = True
    while earlier:  # a bomb that is set off by another is due with it
        earlier = False
        for b in range(row[BOMBS]):
            place = np.int64(row[B_CELL + STRIDE * b])
            if _seen(row, here, place):
                _mark(row, place, row[B_BLAST + STRIDE * b], work[TIME, b], WHEN, work)
        for b in range(row[BOMBS]):
            first = work[WHEN, row[B_CELL + STRIDE * b]]
            if first < work[TIME, b]:
                work[TIME, b] = first
                earlier = True


@inner
def _mark(row, cell, blast, time, plane, work):
    """Note on a plane that a blast comes from a cell at a time."""
    work[plane, cell] = min(work[plane, cell], time)
    for direction in range(UP, RIGHT + 1):
        at = cell
        for _ in range(1, blast):
            at += OFFSET[direction]
            if row[GROUND + at] == RIGID:
                break
            work[plane, at] = min(work[plane, at], time)
            if row[GROUND + at] == WOOD:
                break


@inner
def _seen(row, here, cell):
    view = row[VIEW]
    return abs(cell // WIDE - here // WIDE) <= view and abs(cell % WIDE - here % WIDE) <= view


@inner
def _burns(row, cell, steps):
    """Return whether a flame of now still burns after some steps."""
    count = row[COUNTER] + 256 * row[COUNTER + 1]
    for life in range(steps, 3):
        if row[FLAME + cell] >> ((count + life) % 3) & 1:
            return True
    return False


@inner
def _spread(row, i, turn, plane, work):
    """Walk to every cell that can be got to alive, nearest first: fill QUEUE and FIRST, the first action of the way.

    Return how many cells there are, the own one included; FIRST of that is STOP.
    """
    here = np.int64(row[CELL + STRIDE * i])
    for cell in range(CELLS):
        work[FIRST, cell] = -1
        work[OTHER, cell] = 0
    for j in range(AGENTS):
        if row[ALIVE + STRIDE * j] and j != i:
            work[OTHER, row[CELL + STRIDE * j]] = 1
    work[QUEUE, 0], work[FIRST, here] = here, STOP
    first, last, end, steps = 0, 1, 1, 1
    while first < end:
        for k in range(first, end):
            for d in range(4):
                action = UP + (d + turn) % 4
                cell = work[QUEUE, k] + OFFSET[action]
                closed = row[GROUND + cell] == RIGID or row[GROUND + cell] == WOOD or row[BOMB_AT + cell] or work[OTHER, cell]
                if work[FIRST, cell] >= 0 or closed or not _seen(row, here, cell) or _burns(row, cell, steps):
                    continue
                if work[plane, cell] <= steps <= work[plane, cell] + 2:
                    continue
                work[FIRST, cell] = action if steps == 1 else work[FIRST, work[QUEUE, k]]
                work[QUEUE, last] = cell
                last += 1
        first, end = end, last
        steps += 1
    return last


@inner
def _refuge(reached, work):
    """Return the nearest cell that no blast will reach; if there is none, the one that a blast reaches last."""
    best = work[QUEUE, 0]
    for k in range(reached):
        cell = work[QUEUE, k]
        if work[WHEN, cell] > work[WHEN, best]:  # NEVER is last
            best = cell
    return best


@inner
def _bomb_to_kick(row, here, turn, work):
    for d in range(4):
        action = UP + (d + turn) % 4
        cell = here + OFFSET[action]
        if row[BOMB_AT + cell] and work[OTHER, cell] == 0:
            beyond = cell + OFFSET[action]
            if row[GROUND + beyond] == FREE and not row[BOMB_AT + beyond] and not work[OTHER, beyond]:
                return action
    return STOP


@inner
def _foe(row, i, j):
    return row[ALIVE + STRIDE * j] and j != i and (row[TYPE] == FFA or (i + j) % 2 == 1)


@inner
def _useful(row, i):
    """Return whether a bomb here would burn wood or reach an enemy, or an enemy is two steps away."""
    here = np.int64(row[CELL + STRIDE * i])
    for j in range(AGENTS):
        if _foe(row, i, j):
            cell = np.int64(row[CELL + STRIDE * j])
            if abs(cell // WIDE - here // WIDE) + abs(cell % WIDE - here % WIDE) <= 2:
                return True
    for direction in range(UP, RIGHT + 1):
        cell = here
        for _ in range(1, row[BLAST + STRIDE * i]):
            cell += OFFSET[direction]
            if row[GROUND + cell] == WOOD:
                return True
            if row[GROUND + cell] == RIGID:
                break
            for j in range(AGENTS):
                if _foe(row, i, j) and row[CELL + STRIDE * j] == cell:
                    return True
    return False


@inner
def _goal(row, i, reached, work):
    """Return the nearest cell with an item, else the nearest beside an enemy or wood, else -1."""
    here = np.int64(row[CELL + STRIDE * i])
    for k in range(1, reached):
        if row[GROUND + work[QUEUE, k]] >= EXTRA_BOMB:
            return work[QUEUE, k]
    for k in range(reached):
        for direction in range(UP, RIGHT + 1):
            cell = work[QUEUE, k] + OFFSET[direction]
            if not _seen(row, here, cell):
                continue
            if row[GROUND + cell] == WOOD:
                return work[QUEUE, k]
            for j in range(AGENTS):
                if _foe(row, i, j) and row[CELL + STRIDE * j] == cell:
                    return work[QUEUE, k]
    return -1


@outer
def _act(rows, chances, styles, work, out):
    for g in range(rows.shape[0]):
        for i in range(AGENTS):
            out[g, i] = STOP
            if rows[g, ALIVE + STRIDE * i]:
                lay, kick, careless = styles[i]
                out[g, i] = _choose(rows[g], i, lay, kick, careless, chances[g, i], work)


def act(rows: np.ndarray, rng: np.random.Generator, styles: str | Sequence[str | Style] = "simple") -> np.ndarray:
    """Choose actions for all four agents of many games.

    Args:
        rows: uint8 (B, ROW), the games.
        rng: the source of all chance; four numbers an agent are drawn, whatever it does.
        styles: "simple", "chaos", or four of these or of your own, one an agent.

    Returns:
        uint8 (B, 4), 0 … 5; 0 for dead agents.

    Raises:
        ValueError: no such style, a chance out of range, no rows, no generator.

    Example:
        >>> from wmlib.envs.pommerman.games import Games
        >>> rng = np.random.default_rng(1)
        >>> games = Games(8, rng)
        >>> for _ in range(50):
        ...     games.step(act(games.rows, rng, "chaos"))
        >>> int(games.fields["step_count"].max())
        50
    """
    rows = checked_rows(rows)
    check_rng(rng)
    four = [styles] * AGENTS if isinstance(styles, str) else list(styles)
    out = np.empty((len(rows), AGENTS), np.uint8)
    _act(rows, rng.random((len(rows), AGENTS, 4)), _table(tuple(four)), np.empty((WORK, CELLS), np.int64), out)
    return out


@functools.lru_cache
def _table(four: tuple[str | Style, ...]) -> np.ndarray:
    """Return the chances of four styles, float64 (4, 3)."""
    for style in four:
        if not isinstance(style, Style) and (not isinstance(style, str) or style not in STYLES):
            raise ValueError(
                f"styles: got {style!r}; allowed are {', '.join(map(repr, STYLES))} and Style(lay, kick, careless)"
            )
    if len(four) != AGENTS:
        raise ValueError(f"styles: got {len(four)}; allowed is one for all or one for each of the {AGENTS} agents")
    table = np.array([STYLES[style] if isinstance(style, str) else style for style in four], np.float64)
    if not ((table >= 0) & (table <= 1)).all():
        raise ValueError(f"styles: got {four}; allowed are chances, 0 to 1")
    table.flags.writeable = False
    return table
