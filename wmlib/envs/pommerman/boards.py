"""Start positions: walls in mirrored pairs, items under wood, every corner connected.

Reading guide. `start_boards` draws boards, `start_rows` makes games of them. All boards of a call are drawn at once, by
NumPy; those with more than four passages cut off are thrown away, about one of five.

Source: the distribution is that of the reference's generator (`RULES.md`, section 3).
Differs: the reference draws from one process-wide generator that its seeding does not reach, so its boards cannot be asked for
    by seed. Ours depend on the given generator alone.
"""

import numpy as np

from wmlib.envs.pommerman.checks import check_count, check_rng
from wmlib.envs.pommerman.layout import AGENT, AGENTS, EXTRA_BOMB, FREE, KICK, RIGID, SIZE, WOOD, variant_named
from wmlib.envs.pommerman.views import BOARD, FULL_STATE, from_full_states

STARTS = ((1, 1), (9, 1), (9, 9), (1, 9))  # of agents 0 … 3
PAIRS_RIGID, PAIRS_WOOD, ITEMS, CUT_OFF = 18, 12, 20, 4


def _template() -> tuple[np.ndarray, np.ndarray]:
    """Return the board that all share, and the 40 pairs of mirrored places, int (40, 2), that are to be drawn."""
    board = np.full((SIZE, SIZE), FREE, np.uint8)  # nothing ever on the diagonal
    kept = np.eye(SIZE, dtype=bool)
    far = SIZE - 2
    for near, wooden in (((2, 3), False), ((far - 1, far - 2), False), ((4, 5, 6), True)):
        for line in (1, far):  # the ring of cells through the four starts: free beside them, wood between
            for along in near:
                for cell in ((line, along), (along, line)):
                    kept[cell] = True
                    board[cell] = WOOD if wooden else FREE
    for i, start in enumerate(STARTS):
        kept[start] = True
        board[start] = AGENT + i
    above = np.argwhere(np.triu(~kept, 1))
    return board.ravel(), np.stack([above @ (SIZE, 1), above @ (1, SIZE)], axis=1)


TEMPLATE, PAIRS = _template()


def start_boards(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw boards of new games.

    Args:
        count: N, 1 and above.
        rng: the source of all chance.

    Returns:
        Boards uint8 (N, 11, 11), codes 0, 1, 2 and 10 … 13; hidden items uint8 (N, 11, 11), 0 or 6 … 8.

    Raises:
        ValueError: count below 1.

    Example:
        >>> boards, hidden = start_boards(3, np.random.default_rng(1))
        >>> (boards == 1).sum(axis=(1, 2)), (boards == 2).sum(axis=(1, 2)), (hidden > 0).sum(axis=(1, 2))
        (array([36, 36, 36]), array([36, 36, 36]), array([20, 20, 20]))
    """
    check_count(count=count)
    check_rng(rng)
    boards = _candidates(count + count // 4 + 1, rng)
    boards = boards[_cut_off(boards) <= CUT_OFF]
    while len(boards) < count:
        more = _candidates(count - len(boards), rng)
        boards = np.concatenate([boards, more[_cut_off(more) <= CUT_OFF]])
    boards = boards[:count]
    # the 20 wood cells with the smallest random numbers get an item
    places = np.where(boards == WOOD, rng.random(boards.shape), 1).argsort(axis=1)[:, :ITEMS]
    hidden = np.zeros_like(boards)
    np.put_along_axis(hidden, places, rng.integers(EXTRA_BOMB, KICK + 1, places.shape, np.uint8), axis=1)
    return boards.reshape(-1, SIZE, SIZE), hidden.reshape(-1, SIZE, SIZE)


def _candidates(count: int, rng: np.random.Generator) -> np.ndarray:
    order = rng.random((count, len(PAIRS))).argsort(axis=1)
    boards = np.tile(TEMPLATE, (count, 1))
    for code, chosen in ((RIGID, order[:, :PAIRS_RIGID]), (WOOD, order[:, PAIRS_RIGID : PAIRS_RIGID + PAIRS_WOOD])):
        np.put_along_axis(boards, PAIRS[chosen].reshape(count, -1), np.uint8(code), axis=1)
    return boards


def _cut_off(boards: np.ndarray) -> np.ndarray:
    """Count the passages of each board that agent 2 cannot get to, through wood if need be."""
    boards = boards.reshape(-1, SIZE, SIZE)
    rim = ((0, 0), (1, 1), (1, 1))
    reached = np.pad(boards == AGENT + 2, rim)
    inside = reached[:, 1:-1, 1:-1]
    reach = 0
    while reach != (reach := int(reached.sum())):
        beside = reached[:, :-2, 1:-1] | reached[:, 2:, 1:-1] | reached[:, 1:-1, :-2] | reached[:, 1:-1, 2:]
        inside |= beside & (boards != RIGID)
    return ((boards == FREE) & ~inside).sum(axis=(1, 2))


def start_rows(count: int, rng: np.random.Generator, variant: str = "ffa") -> np.ndarray:
    """Make new games.

    Args:
        count: N, 1 and above.
        rng: the source of all chance.
        variant: "ffa", "team" or "team_full_view".

    Returns:
        uint8 (N, ROW), rows as described in `layout`.

    Raises:
        ValueError: count below 1, no such variant.
    """
    kind = variant_named(variant)
    check_count(count=count)
    states = np.zeros((count, FULL_STATE), np.uint8)
    boards, hidden = start_boards(count, rng)
    states[:, :BOARD] = boards.reshape(count, -1)
    states[:, 6 * BOARD : 7 * BOARD] = hidden.reshape(count, -1)
    # row, column, ammo, blast strength, can kick, alive
    states[:, 7 * BOARD :] = np.ravel([(*STARTS[i], 1, 2, 0, 1) for i in range(AGENTS)])
    return from_full_states(states, 0, kind)
