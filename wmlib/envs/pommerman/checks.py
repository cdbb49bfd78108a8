"""What compiled functions may rely on, and what refuses the rest: they look at no size and no number again.

Reading guide. `is_right` says of a row, compiled, whether every number in it is one that a game can have; `_rules` is the same
in words, for the error. A row that is right is all that index safety needs: agents, bombs and flames are on the board, the rim
is rigid, so that nothing leaves it, and the lists are no longer than the board has cells. `Games` keeps rows that only the
engine writes to (`own`); every other row is looked at in each call.
"""

import weakref
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np

from wmlib.envs.compiled import inner, outer
from wmlib.envs.pommerman.layout import (
    AGENTS,
    ALIVE,
    AMMO,
    B_BLAST,
    B_CELL,
    B_DIRECTION,
    B_LIFE,
    B_OWNER,
    BLAST,
    BOMB,
    BOMB_AT,
    BOMB_LIFE,
    BOMBS,
    BURNING,
    BURNING_CELL,
    CAN_KICK,
    CELL,
    CELLS,
    COUNTER,
    EXTRA_BOMB,
    FFA,
    FLAME,
    FOG,
    GAME,
    GROUND,
    HIDDEN,
    KICK,
    MAX_BLAST,
    MAX_STEPS,
    MOST,
    RIGHT,
    RIGID,
    ROW,
    SIZE,
    STRIDE,
    TEAM,
    TYPE,
    VIEW,
)

UINT8 = np.dtype(np.uint8)  # there is only one such object, and asking for it is quick
BOARD = SIZE * SIZE
ON_BOARD = np.zeros(256, np.uint8)  # 1 for the cells of the board: neither on the rim nor beyond
ON_BOARD[:CELLS] = np.pad(np.ones((SIZE, SIZE), np.uint8), 1).ravel()


@inner
def is_right(row):
    """Return whether all numbers of a row, uint8 (ROW,), are such as a game can have."""
    bombs = np.int64(row[BOMBS])
    wrong = row[COUNTER] + 256 * row[COUNTER + 1] > MAX_STEPS or not FFA <= row[TYPE] <= TEAM
    wrong |= row[MAX_BLAST] > MOST or row[VIEW] > SIZE or bombs > BOARD
    for i in range(AGENTS):
        me = STRIDE * i
        wrong |= ON_BOARD[row[CELL + me]] == 0 or row[AMMO + me] > MOST or row[BLAST + me] > MOST
        wrong |= row[CAN_KICK + me] > 1 or row[ALIVE + me] > 1
    for b in range(min(int(bombs), BOARD)):
        at = STRIDE * b
        cell = row[B_CELL + at]
        wrong |= ON_BOARD[cell] == 0 or row[BOMB_AT + cell] != b + 1 or row[B_DIRECTION + at] > RIGHT
        wrong |= not 1 <= row[B_LIFE + at] <= BOMB_LIFE or row[B_BLAST + at] > MOST or row[B_OWNER + at] >= AGENTS
    for slot in range(3):
        for i in range(min(int(row[BURNING + slot]), BOARD)):
            cell = row[BURNING_CELL + BOARD * slot + i]
            wrong |= ON_BOARD[cell] == 0 or row[FLAME + cell] >> slot & 1 == 0
    return not (wrong or _cells_are_wrong(row))


@inner
def _cells_are_wrong(row):
    wrong = np.uint8(0)  # with bytes alone, and without a branch, many cells are done at once
    laid = np.uint8(0)
    first = np.uint8(0)
    second = np.uint8(0)
    third = np.uint8(0)
    for cell in range(CELLS):
        ground = row[GROUND + cell]
        hidden = row[HIDDEN + cell]
        flames = row[FLAME + cell]
        wrong |= ((ON_BOARD[cell] == 0) & (ground != RIGID)) | (ground > KICK) | ((ground >= BOMB) & (ground <= FOG))
        wrong |= (hidden > KICK) | ((hidden != 0) & (hidden < EXTRA_BOMB)) | (flames > 7)
        laid = np.uint8(laid + (row[BOMB_AT + cell] != 0))
        first = np.uint8(first + (flames & 1))
        second = np.uint8(second + (flames >> 1 & 1))
        third = np.uint8(third + (flames >> 2 & 1))
    burning = (first == row[BURNING]) & (second == row[BURNING + 1]) & (third == row[BURNING + 2])
    return wrong != 0 or laid != row[BOMBS] or not burning


@outer
def _first_wrong(rows):
    for g in range(rows.shape[0]):
        if not is_right(rows[g]):
            return g
    return -1


def _rules(row: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray, str]]:
    """Yield what is looked at, its numbers, which of them are right, and what is allowed."""
    game = row.view(GAME)[0]

    def upto(name: str, values: np.ndarray, most: int, least: int = 0) -> tuple[str, np.ndarray, np.ndarray, str]:
        return name, values, (values >= least) & (values <= most), f"{least} to {most}"

    def on_board(name: str, cells: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, str]:
        return name, cells, ON_BOARD[cells] == 1, "13 · (row + 1) + column + 1, row and column 0 to 10"

    agents = game["agents"]
    yield upto("step_count", game["step_count"], MAX_STEPS)
    yield upto("type", game["type"], TEAM, FFA)
    yield upto("max_blast", game["max_blast"], MOST)
    yield upto("view", game["view"], SIZE)
    yield on_board("agents' cell", agents["cell"])
    for name, most in (("ammo", MOST), ("blast", MOST), ("kick", 1), ("alive", 1)):
        yield upto(f"agents' {name}", agents[name], most)
    yield upto("bombs", game["bombs"], BOARD)
    yield upto("burning", game["burning"], BOARD)
    ground = game["ground"]
    yield "ground of the rim", ground, (ON_BOARD[:CELLS] == 1) | (ground == RIGID), f"{RIGID}, rigid"
    yield "ground", ground, (ground <= KICK) & ((ground < BOMB) | (ground > FOG)), "0, 1, 2, 6, 7, 8"
    hidden = game["hidden"]
    yield "hidden", hidden, (hidden == 0) | ((hidden >= EXTRA_BOMB) & (hidden <= KICK)), "0, 6, 7, 8"
    yield upto("flames", game["flames"], 7)
    bombs = game["bomb"][: game["bombs"]]
    yield on_board("bombs' cell", bombs["cell"])
    yield upto("bombs' life", bombs["life"], BOMB_LIFE, 1)
    yield upto("bombs' blast", bombs["blast"], MOST)
    yield upto("bombs' direction", bombs["direction"], RIGHT)
    yield upto("bombs' owner", bombs["owner"], AGENTS - 1)
    numbers = np.zeros(CELLS, np.uint8)
    numbers[bombs["cell"]] = np.arange(len(bombs)) + 1
    yield "bomb_at", game["bomb_at"], game["bomb_at"] == numbers, "the number of the bomb in the cell + 1, or 0"
    for slot, count in enumerate(game["burning"]):
        cells = game["burning_cell"][slot, :count]
        yield on_board("burning_cell", cells)
        bits = game["flames"] >> slot & 1
        yield "flames", cells, bits[cells] == 1, f"cells whose flames have bit {slot}"
        yield upto("burning", game["burning"][slot], int(bits.sum()), int(bits.sum()))


def _refuse(rows: np.ndarray, g: int, name: str) -> None:
    for what, values, right, allowed in _rules(rows[g]):
        if not np.all(right):
            value = values if values.ndim == 0 else values[np.argmin(right)]
            raise ValueError(
                f"{name}[{g}], {what}: got {value}; allowed is {allowed}. Rows are made by start_rows and from_full_states"
            )
    raise AssertionError(f"{name}[{g}]: the compiled check and its words disagree")


_OWN: dict[int, "weakref.ref[np.ndarray]"] = {}


def own(rows: np.ndarray) -> np.ndarray:
    """Return a read-only view of rows that are right and that compiled code alone will write to: they stay right."""
    key = id(rows)
    _OWN[key] = weakref.ref(rows, lambda _: _OWN.pop(key, None))
    view = rows.view()
    view.flags.writeable = False
    return view


def _is_own(rows: np.ndarray) -> bool:
    reference = _OWN.get(id(rows.base))
    return reference is not None and reference() is rows.base and not rows.flags.writeable and rows.dtype is UINT8


def checked_rows(rows: np.ndarray, name: str = "rows") -> np.ndarray:
    """Return rows as compiled functions read them: every number such as a game can have, C-contiguous, read-only.

    Raises:
        ValueError: no uint8 (B, ROW), or a number that is not right; names row and field.
    """
    if type(rows) is np.ndarray and _is_own(rows) and rows.ndim == 2 and rows.shape[1] == ROW and rows.flags.c_contiguous:
        return rows
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != ROW or rows.dtype != np.uint8:
        allowed = f"uint8 (B, {ROW}), as start_rows() makes them"
        raise ValueError(f"{name}: got {described(rows)}; allowed is {allowed}")
    if type(rows) is not np.ndarray or rows.flags.writeable or not rows.flags.c_contiguous:
        rows = np.ascontiguousarray(rows).view()
        rows.flags.writeable = False
    wrong = _first_wrong(rows)
    if wrong >= 0:
        _refuse(rows, wrong, name)
    return rows


def checked_starts(starts: np.ndarray) -> np.ndarray:
    """Return start positions as `checked_rows` does.

    Raises:
        ValueError: there is none, or one is of a game that is over.
    """
    starts = checked_rows(starts, "starts")
    counts = starts.view(GAME)["step_count"]
    if not len(starts) or counts.max() >= MAX_STEPS:
        got = f"a game after {counts.max()} steps" if len(starts) else "none"
        raise ValueError(f"starts: got {got}; allowed are 1 and above, each before step {MAX_STEPS}")
    return starts


def check_array(name: str, array: Any, shape: tuple[int, ...], dtype: type) -> None:
    """Refuse what a compiled function cannot write to as it is.

    Raises:
        ValueError: another shape or dtype, not C-contiguous, or read-only.
    """
    right = isinstance(array, np.ndarray) and array.shape == shape and array.dtype == dtype
    if not right or not array.flags.c_contiguous or not array.flags.writeable:
        kind = np.dtype(dtype)
        raise ValueError(f"{name}: got {described(array)}; allowed is {kind} {shape}, C-contiguous and writeable")


def described(value: Any) -> str:
    """Return dtype and shape of an array, or what else it is."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def check_count(**counts: Any) -> None:
    """Refuse what is no whole number from 1 on, by name.

    Raises:
        ValueError: names it.
    """
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name}: got {count!r}; allowed is 1 and above, whole, for example {name}=1000")


def check_rng(rng: Any) -> None:
    """Refuse what is no generator of NumPy.

    Raises:
        ValueError: says how to make one.
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng: got {rng!r}; pass a generator, for example np.random.default_rng(1)")
