"""What is to be seen of a game: the full state, the feature vectors, the observation dictionaries.

Reading guide. `full_states` and `from_full_states` go to view B and back, `features` makes view A of all four agents, and
`observations` the reference's dictionaries. The compiled functions, `_draw` first, write planes of 11 x 11 cells.

View A, 372 integers for one agent, all within its view (unseen cells: fog on the board, 0 in the others):

| components | count | values |
|---|---|---|
| board, row by row | 121 | 0 … 13, codes of `layout` |
| bomb blast strength | 121 | 0 (no bomb), 2 … 10 |
| bomb life | 121 | 0 (no bomb), 1 … 9 |
| row, column | 2 | 0 … 10 |
| ammo | 1 | 0 … 10 |
| blast strength | 1 | 2 … 10 |
| can kick | 1 | 0, 1 |
| teammate | 1 | 9 (nobody), 10 … 13 |
| enemies | 3 | 10 … 13 ascending, then 9 (nobody) |

View B, 871 integers, the whole state but for the step counter (which only the time limit needs):

| components | count | values |
|---|---|---|
| board | 121 | 0 … 13 |
| bomb life | 121 | 0 … 9 |
| bomb blast strength | 121 | 0, 2 … 10 |
| bomb direction | 121 | 0 (at rest), 1 up, 2 down, 3 left, 4 right |
| bomb owner + 1 | 121 | 0 (no bomb), 1 … 4 |
| flames | 121 | 0 … 7: bit k is set if a flame goes out after k more steps |
| hidden item | 121 | 0, 6, 7, 8 |
| four times row, column, ammo, blast strength, can kick, alive | 24 | as above; alive 0, 1 |

Source: view A is the reference's own flat vector (`RULES.md`, section 6); view B is ours.
"""

from collections.abc import Callable

import numpy as np

from wmlib.envs.compiled import inner, outer
from wmlib.envs.pommerman.checks import UINT8, checked_rows, described
from wmlib.envs.pommerman.layout import (
    AGENT,
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
    BOMBS,
    BURNING,
    BURNING_CELL,
    CAN_KICK,
    CELL,
    CELLS,
    COUNTER,
    DUMMY,
    FFA,
    FLAME,
    FLAMES,
    FOG,
    FREE,
    GAME,
    GROUND,
    HIDDEN,
    MAX_STEPS,
    MOST,
    RIGID,
    ROW,
    SIZE,
    STRIDE,
    TEAM,
    TYPE,
    VIEW,
    WIDE,
    Variant,
)

BOARD = SIZE * SIZE
FEATURES = 3 * BOARD + 9
FULL_STATE = 7 * BOARD + 6 * AGENTS


@inner
def _place(cell):
    """Return the place on a plane of 121 of a cell of 13 x 13."""
    return (cell // WIDE - 1) * SIZE + cell % WIDE - 1


@inner
def _draw(row, board):
    """Draw ground, bombs, flames and living agents, later over earlier."""
    for y in range(SIZE):
        for x in range(SIZE):
            board[SIZE * y + x] = row[GROUND + WIDE * (y + 1) + x + 1]
    for b in range(row[BOMBS]):
        board[_place(row[B_CELL + STRIDE * b])] = BOMB
    for slot in range(3):
        for i in range(row[BURNING + slot]):
            board[_place(row[BURNING_CELL + BOARD * slot + i])] = FLAMES
    for i in range(AGENTS):
        if row[ALIVE + STRIDE * i]:
            board[_place(row[CELL + STRIDE * i])] = AGENT + i


@inner
def _full_state(row, out):
    for i in range(BOARD, FULL_STATE):
        out[i] = 0
    _draw(row, out)
    for b in range(row[BOMBS]):
        bomb = STRIDE * b
        at = _place(row[B_CELL + bomb])
        out[1 * BOARD + at] = row[B_LIFE + bomb]
        out[2 * BOARD + at] = row[B_BLAST + bomb]
        out[3 * BOARD + at] = row[B_DIRECTION + bomb]
        out[4 * BOARD + at] = row[B_OWNER + bomb] + 1
    count = row[COUNTER] + 256 * row[COUNTER + 1]
    for life in range(3):
        slot = (count + life) % 3  # the list that is emptied in `life` steps
        for i in range(row[BURNING + slot]):
            out[5 * BOARD + _place(row[BURNING_CELL + BOARD * slot + i])] += 1 << life
    for y in range(SIZE):
        for x in range(SIZE):
            out[6 * BOARD + SIZE * y + x] = row[HIDDEN + WIDE * (y + 1) + x + 1]
    for i in range(AGENTS):
        me = STRIDE * i
        at = 7 * BOARD + 6 * i
        out[at], out[at + 1] = row[CELL + me] // WIDE - 1, row[CELL + me] % WIDE - 1
        out[at + 2] = row[AMMO + me]
        out[at + 3] = row[BLAST + me]
        out[at + 4] = row[CAN_KICK + me]
        out[at + 5] = row[ALIVE + me]


@inner
def _load(state, row):
    """Fill a row, zero but for type, view, largest blast and step counter, from a full state."""
    for cell in range(CELLS):
        row[GROUND + cell] = RIGID
    count = row[COUNTER] + 256 * row[COUNTER + 1]
    for at in range(BOARD):
        cell = WIDE * (at // SIZE + 1) + at % SIZE + 1
        code = state[at]
        row[GROUND + cell] = FREE if code in (BOMB, FLAMES) or code >= AGENT else code
        row[HIDDEN + cell] = state[6 * BOARD + at]
        if state[BOARD + at]:
            bomb = STRIDE * np.int64(row[BOMBS])
            row[BOMBS] += 1
            row[BOMB_AT + cell] = row[BOMBS]
            row[B_CELL + bomb], row[B_LIFE + bomb] = cell, state[BOARD + at]
            row[B_BLAST + bomb], row[B_DIRECTION + bomb] = state[2 * BOARD + at], state[3 * BOARD + at]
            row[B_OWNER + bomb] = state[4 * BOARD + at] - 1
        for life in range(3):
            if state[5 * BOARD + at] >> life & 1:
                slot = (count + life) % 3
                row[FLAME + cell] |= 1 << slot
                row[BURNING_CELL + BOARD * slot + row[BURNING + slot]] = cell
                row[BURNING + slot] += 1
    for i in range(AGENTS):
        me = STRIDE * i
        at = 7 * BOARD + 6 * i
        row[CELL + me] = WIDE * (state[at] + 1) + state[at + 1] + 1
        row[AMMO + me] = state[at + 2]
        row[BLAST + me] = state[at + 3]
        row[CAN_KICK + me] = state[at + 4]
        row[ALIVE + me] = state[at + 5]


@inner
def _features(row, out, seen):
    """Fill in view A of all four, (4, 372)."""
    for i in range(BOARD, 3 * BOARD):
        out[0, i] = 0
    _draw(row, out[0])
    for b in range(row[BOMBS]):
        at = _place(row[B_CELL + STRIDE * b])
        out[0, BOARD + at] = row[B_BLAST + STRIDE * b]
        out[0, 2 * BOARD + at] = row[B_LIFE + STRIDE * b]
    for i in range(1, AGENTS):
        for j in range(3 * BOARD):
            out[i, j] = out[0, j]
    for i in range(AGENTS):
        me = STRIDE * i
        at = 3 * BOARD
        y = np.int64(row[CELL + me]) // WIDE - 1
        x = np.int64(row[CELL + me]) % WIDE - 1
        if row[VIEW] < SIZE - 1:
            _fog(out[i], seen[row[VIEW], SIZE * y + x])
        out[i, at], out[i, at + 1] = y, x
        out[i, at + 2], out[i, at + 3], out[i, at + 4] = row[AMMO + me], row[BLAST + me], row[CAN_KICK + me]
        if row[TYPE] == FFA:
            out[i, at + 5] = DUMMY
            for j in range(3):
                out[i, at + 6 + j] = AGENT + j + (j >= i)
        else:
            out[i, at + 5] = AGENT + (i + 2) % 4
            out[i, at + 6], out[i, at + 7], out[i, at + 8] = AGENT + (i + 1) % 2, AGENT + (i + 1) % 2 + 2, DUMMY


@inner
def _fog(out, seen):
    for at in range(BOARD):  # written so that many cells are done at once
        board = out[at]
        blast = out[BOARD + at]
        life = out[2 * BOARD + at]
        out[at] = board if seen[at] else FOG
        out[BOARD + at] = blast if seen[at] else 0
        out[2 * BOARD + at] = life if seen[at] else 0


@outer
def _all_full_states(rows, out):
    for g in range(rows.shape[0]):
        _full_state(rows[g], out[g])


@outer
def _load_all(states, rows):
    for g in range(rows.shape[0]):
        _load(states[g], rows[g])


@outer
def _all_features(rows, out, seen):
    for g in range(rows.shape[0]):
        _features(rows[g], out[g], seen)


_FAR = np.abs(np.arange(SIZE)[:, None] - np.arange(SIZE))  # between two rows or two columns
# SEEN[view, place of the agent, place on the board]: a table, because asking for every cell takes three times as long
SEEN = np.stack([np.kron(_FAR <= view, _FAR <= view) for view in range(SIZE)]).astype(np.uint8)


def full_states(rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Write games as view B.

    Args:
        rows: uint8 (B, ROW).
        out: any integer or float dtype (B, 871), filled in if given; uint8 is quickest.

    Returns:
        `out`, or a new array uint8 (B, 871).

    Raises:
        ValueError: rows or out have another shape.

    Example:
        >>> from wmlib.envs.pommerman.boards import start_rows
        >>> rows = start_rows(5, np.random.default_rng(1))
        >>> bool((from_full_states(full_states(rows), 0, Variant(type=1, max_blast=10, view=11)) == rows).all())
        True
    """
    return full_states_of(checked_rows(rows), out)


def features(rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Write games as view A, for all four agents, dead ones included (from their last position).

    Args:
        rows: uint8 (B, ROW).
        out: any integer or float dtype (B, 4, 372), filled in if given; uint8 is quickest.

    Returns:
        `out`, or a new array uint8 (B, 4, 372).

    Raises:
        ValueError: rows or out have another shape.
    """
    return features_of(checked_rows(rows), out)


def full_states_of(rows: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Write view B of rows that were checked."""
    return _written(_all_full_states, rows, out, (FULL_STATE,))


def features_of(rows: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Write view A of rows that were checked."""
    return _written(_all_features, rows, out, (AGENTS, FEATURES), SEEN)


def _written(write: Callable, rows: np.ndarray, out: np.ndarray | None, shape: tuple[int, ...], *tables) -> np.ndarray:
    shape = (len(rows), *shape)
    # compiled for contiguous bytes alone; whatever else is wanted is copied from them
    if type(out) is np.ndarray and out.dtype is UINT8 and out.shape == shape:
        flags = out.flags
        if flags.c_contiguous and flags.writeable:
            write(rows, out, *tables)
            return out
    if out is not None and not (isinstance(out, np.ndarray) and out.shape == shape and out.flags.writeable):
        raise ValueError(f"out: got {described(out)}; allowed is an array {shape} that can be written to, or leave it out")
    numbers = np.empty(shape, np.uint8)
    write(rows, numbers, *tables)
    if out is None:
        return numbers
    out[...] = numbers
    return out


LARGEST = np.r_[np.repeat([13, 10, 10, 4, 4, 7, 8], BOARD), np.tile([10, 10, 10, 10, 1, 1], AGENTS)]


def from_full_states(states: np.ndarray, step_count: int | np.ndarray, variant: Variant) -> np.ndarray:
    """Make games of view B.

    Args:
        states: integers (B, 871).
        step_count: 0 … 800, or integers (B,).
        variant: the kind of game, one of `VARIANTS`; its three numbers may be arrays (B,).

    Returns:
        uint8 (B, ROW).

    Raises:
        ValueError: another shape; a component out of its range, or no whole number; a bomb without an owner; step_count or
            variant out of range.
    """
    states = np.asarray(states)
    if states.dtype.kind not in "biuf":
        raise ValueError(f"states: got dtype {states.dtype}; allowed are whole numbers, for example uint8")
    if states.ndim != 2 or states.shape[1] != FULL_STATE:
        raise ValueError(f"states: got shape {states.shape}; allowed is (B, {FULL_STATE}), as full_states() makes them")
    wrong = np.argwhere(~((states >= 0) & (states <= LARGEST) & (states == np.floor(states))))
    if len(wrong):
        g, i = wrong[0]
        raise ValueError(f"states[{g}, {i}]: got {states[g, i]}; allowed is 0 to {LARGEST[i]}, whole: see the table of view B")
    wrong = np.argwhere((states[:, BOARD : 2 * BOARD] > 0) & (states[:, 4 * BOARD : 5 * BOARD] == 0))
    if len(wrong):
        g, i = wrong[0]
        raise ValueError(f"states[{g}, {4 * BOARD + i}]: got 0; a cell with a bomb needs an owner, 1 to 4 (agent + 1)")
    rows = np.zeros((len(states), ROW), np.uint8)
    games = rows.view(GAME)[:, 0]
    if not isinstance(variant, Variant):
        raise ValueError(f"variant: got {variant!r}; allowed is one of layout.VARIANTS, for example VARIANTS['ffa']")
    largest = {"step_count": MAX_STEPS, "type": TEAM, "max_blast": MOST, "view": SIZE}
    for (name, most), value in zip(largest.items(), map(np.asarray, (step_count, *variant)), strict=True):
        whole = value.dtype.kind in "iu" and value.shape in ((), (len(rows),))
        if not whole or not ((value >= 0) & (value <= most)).all():
            raise ValueError(f"{name}: got {value}; allowed is a whole number, 0 to {most}, or one a game")
        games[name] = value
    _load_all(np.ascontiguousarray(states, np.uint8), rows)
    checked_rows(rows)
    return rows


def observations(row: np.ndarray) -> list[dict[str, object]]:
    """Show a game to each of its four agents, as the reference does.

    Args:
        row: uint8 (ROW,), one game.

    Returns:
        Four dictionaries, each its own copy: `alive` (codes 10 … 13, ascending), `board` uint8 (11, 11); float64 (11, 11)
        `bomb_blast_strength`, `bomb_life`, `bomb_moving_direction` (0 at rest, 1 … 4), `flame_life` (3, 2, 1, of the flame
        that burns longest; 0 none); `game_type`, `game_env`, `position` (row, column), `blast_strength`, `can_kick`, `ammo`,
        `teammate`, `enemies` (codes, 9 nobody) and `step_count`. Outside the view the board is fog (5), the planes are 0.

    Source: keys, types and content are the reference's (`RULES.md`, section 6).
    Differs: `teammate` and `enemies` are integers; in the reference objects of its enumeration with these values.

    Example:
        >>> from wmlib.envs.pommerman.boards import start_rows
        >>> first, *_ = observations(start_rows(1, np.random.default_rng(1))[0])
        >>> first["position"], first["ammo"], first["enemies"], first["board"][1, 1]
        ((1, 1), 1, [11, 12, 13], np.uint8(10))
    """
    game = row.view(GAME)[0]
    vectors = features(row[None])[0].astype(int)
    state = full_states(row[None])[0, : 6 * BOARD].reshape(6, SIZE, SIZE)
    flame_life = np.array([0, 1, 2, 2, 3, 3, 3, 3])[state[5]]  # by the highest bit of the mask
    alive = [AGENT + i for i in range(AGENTS) if game["agents"]["alive"][i]]
    dictionaries = []
    for vector in vectors:
        board, blast, life = vector[: 3 * BOARD].reshape(3, SIZE, SIZE)
        y, x, ammo, strength, kick, teammate, *enemies = vector[3 * BOARD :].tolist()
        seen = board != FOG
        planes = {
            "bomb_blast_strength": blast,
            "bomb_life": life,
            "bomb_moving_direction": state[3] * seen,
            "flame_life": flame_life * seen,
        }
        dictionaries.append(
            {
                "alive": list(alive),
                "board": board.astype(np.uint8),
                **{name: plane.astype(np.float64) for name, plane in planes.items()},
                "game_type": int(game["type"]),
                "game_env": "pommerman.envs.v0:Pomme",
                "position": (y, x),
                "blast_strength": strength,
                "can_kick": bool(kick),
                "ammo": ammo,
                "teammate": teammate,
                "enemies": enemies,
                "step_count": int(game["step_count"]),
            }
        )
    return dictionaries
