"""Levels of the grid navigation: ours, drawn at random, or a caller's own; and their shortest paths.

A level is a *layout*, bool (S, S), True where an obstacle is. The start is the top left cell, the goal the bottom right one.

Source: Mufti, Penkov & Ramamoorthy 2019 (arXiv 1906.07248) say where start and goal are and that obstacles make levels harder;
    the layouts are ours.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from wmlib.envs.grid.checks import check_count

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right
TRIES = 2000  # of `random_level`, obstacles put or taken
RESTARTS = 10

# One level a column. Paths grow longer, and from level 1 on what solves a level runs into a wall on the next: 2 is 1
# transposed, 4 and 6 have walls that stand between levels whose walls lie.
_SERIES = {
    6: """
        ......  .#....  ......  ......  .#....  ......  .#....
        ......  .#....  ####..  ####..  .#....  #####.  .#.##.
        ......  .#....  ......  ......  .#.#..  ......  .#.#..
        ......  .#....  ......  ...###  .#.#..  .#####  .#.#.#
        ......  ......  ......  ......  ...#..  ......  .#.#..
        ......  ......  ......  ......  ...#..  ......  ...#..
    """,
    8: """
        ........  .#......  ........  ........  .#......  ........  .#......  ...#....
        ........  .#......  ######..  #####...  .#......  #######.  .#.####.  ..#..#..
        ........  .#......  ........  ........  .#......  ........  .#.#....  .#..###.
        ........  .#......  ........  ....####  .#.#....  .#######  .#.#.###  ...#....
        ........  .#......  ........  ........  .#.#....  ........  .#.#....  ###..###
        ........  .#......  ........  ........  ...#....  #######.  .#.#....  ....#...
        ........  ........  ........  ........  ...#....  ........  .#.#....  .####.#.
        ........  ........  ........  ........  ...#....  ........  ...#....  ......#.
    """,
}


def as_layout(level: int | str | Sequence | np.ndarray, size: int = 6) -> np.ndarray:
    """Return the layout of a level.

    Args:
        level: number of one of `LEVELS[size]`; or text, a line a row, `.` free and `#` obstacle; or an array (S, S), true where
            an obstacle is.
        size: S, 2 and above.

    Returns:
        bool (S, S), read-only.

    Raises:
        ValueError: no such level, not of this size, start or goal is an obstacle, or no path leads from one to the other.

    Example:
        >>> as_layout("..# ... #..", 3).astype(int).tolist()
        [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    """
    check_count(2, size=size)
    if isinstance(level, int | np.integer) and not isinstance(level, bool):
        count = len(LEVELS.get(size, ()))
        if not 0 <= level < count:
            allowed = (
                f"0 to {count - 1}" if count else f"a layout: there are numbered levels for sizes {', '.join(map(str, LEVELS))}"
            )
            raise ValueError(f"level: got {level} at size={size}; allowed is {allowed}")
        return LEVELS[size][level]
    layout = _array(level)
    if layout is None or layout.shape != (size, size):
        given = repr(level) if layout is None else f"an array {layout.shape}"
        raise ValueError(
            f"level: got {given}; allowed are a number, {size} lines of {size} signs . or #, a bool ({size}, {size})"
        )
    if layout[0, 0] or layout[-1, -1]:
        raise ValueError("level: got an obstacle at the start (top left) or at the goal (bottom right); both must be free")
    if distances(layout)[0, 0] < 0:
        raise ValueError("level: got one without a path from the top left to the bottom right; remove obstacles")
    layout = layout.copy()
    layout.flags.writeable = False
    return layout


def _array(level: Any) -> np.ndarray | None:
    """Return a bool array of what may be one, or None."""
    if isinstance(level, str):
        rows = level.split()
        if set(level) - set(".# \t\n") or len({len(row) for row in rows}) != 1:
            return None
        return np.array([list(row) for row in rows]) == "#"
    try:
        values = np.asarray(level)
    except ValueError:  # rows of different lengths
        return None
    return values.astype(bool) if values.dtype.kind in "biu" and ((values == 0) | (values == 1)).all() else None


def as_text(layout: np.ndarray) -> str:
    """Write a layout, a line a row: `.` free, `#` obstacle."""
    return "\n".join("".join(row) for row in np.where(layout, "#", "."))


def moves(layout: np.ndarray) -> np.ndarray:
    """Return where each move leads.

    Args:
        layout: bool (S, S).

    Returns:
        int64 (S · S, 4): the cell, S · row + column, to which up, down, left, right lead from each cell. A move into an
        obstacle or out of the grid stays.
    """
    size = len(layout)
    cells = np.arange(size * size)
    row, column = np.divmod(cells, size)
    to = np.empty((size * size, len(MOVES)), np.int64)
    for action, (down, right) in enumerate(MOVES):
        new_row = (row + down).clip(0, size - 1)
        new_column = (column + right).clip(0, size - 1)
        to[:, action] = np.where(layout[new_row, new_column], cells, new_row * size + new_column)
    return to


def distances(layout: np.ndarray) -> np.ndarray:
    """Return the steps from each cell to the goal by breadth-first search, int64 (S, S); -1 where no path leads there."""
    neighbours = moves(layout).tolist()
    steps = [-1] * layout.size
    steps[-1] = 0
    queue = deque([layout.size - 1])
    while queue:
        cell = queue.popleft()
        for neighbour in neighbours[cell]:  # what a move reaches, a move leaves
            if steps[neighbour] < 0:
                steps[neighbour] = steps[cell] + 1
                queue.append(neighbour)
    return np.array(steps).reshape(layout.shape)


def shortest_path(level: int | str | Sequence | np.ndarray, size: int = 6) -> list[int]:
    """Return the actions of a shortest path from start to goal; its length is the minimum number of steps.

    Args:
        level: see `as_layout`.
        size: S.

    Example:
        >>> shortest_path("... ##. ...", 3)  # 3 right, 1 down
        [3, 3, 1, 1]
    """
    layout = as_layout(level, size)
    steps = distances(layout).ravel().tolist()
    neighbours = moves(layout).tolist()
    cell = 0
    actions = []
    while steps[cell]:
        ahead = [steps[neighbour] for neighbour in neighbours[cell]]
        actions.append(ahead.index(steps[cell] - 1))
        cell = neighbours[cell][actions[-1]]
    return actions


def random_level(size: int, path_length: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a level whose shortest path has a given length.

    Args:
        size: S, 3 and above.
        path_length: even, from 2 · (S - 1), the way without detours; up to 16, 22, 28, 34 for S = 5, 6, 7, 8 one is
            found in about a tenth of a second.
        rng: draws the obstacles.

    Returns:
        bool (S, S), True where an obstacle is.

    Raises:
        ValueError: a length that no level has, or that was not found.

    Source: ours, a random search: obstacles are put and taken one at a time, and what brings the shortest path nearer to the
        length or leaves it as near is kept. It begins at a third of the cells as obstacles, so easy levels are varied too.
    """
    check_count(3, size=size)
    shortest = 2 * (size - 1)
    if path_length < shortest or path_length % 2:
        raise ValueError(f"path_length: got {path_length}; allowed at size={size} are even numbers from {shortest} on")
    for _ in range(RESTARTS):
        layout = np.zeros((size, size), bool)
        length = shortest
        order = rng.permutation(np.arange(1, size * size - 1))
        for i, cell in enumerate(np.concatenate([order[: len(order) // 3], rng.choice(order, TRIES)])):
            if i >= len(order) // 3 and length == path_length:
                return layout
            layout.flat[cell] ^= True
            new = int(distances(layout)[0, 0])
            if new < 0 or abs(new - path_length) > abs(length - path_length):
                layout.flat[cell] ^= True
            else:
                length = new
    raise ValueError(f"path_length: got {path_length}; no such level of size={size} was found, try a shorter one")


def _parse_series(size: int) -> tuple[np.ndarray, ...]:
    lines = [line.split() for line in _SERIES[size].split("\n") if line.strip()]
    return tuple(as_layout(" ".join(rows), size) for rows in zip(*lines, strict=True))


LEVELS: dict[int, tuple[np.ndarray, ...]] = {}
LEVELS.update({size: _parse_series(size) for size in _SERIES})  # `as_layout` looks for it
