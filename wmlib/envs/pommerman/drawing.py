"""Games as text and as pictures.

Source: ours; signs and colours too.
"""

from numbers import Integral

import numpy as np

from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB, EXTRA_BOMB, GAME, KICK, MORE_RANGE, SIZE
from wmlib.envs.pommerman.views import BOARD, full_states

SIGNS = ".#+o*?erk-0123"  # by board code: free, rigid, wood, bomb, flames, fog, extra bomb, range, kick, dummy, agents
ANSI = (90, 37, 33, 35, 31, 90, 36, 36, 36, 90, 94, 93, 92, 95)  # and its colour in a terminal
FLOOR = (236, 232, 222)
DARK = (30, 30, 36)
ITEM = (86, 180, 233)
PLAYERS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167))
COLOURS = np.array(
    [FLOOR, (84, 84, 92), (176, 128, 80), FLOOR, (240, 180, 40), (150, 150, 150), ITEM, ITEM, ITEM, FLOOR] + [FLOOR] * AGENTS,
    np.uint8,
)


def text(row: np.ndarray, colour: bool = False) -> str:
    """Write a game in 11 lines of 11 signs and one about the agents.

    Args:
        row: uint8 (ROW,), one game.
        colour: with the escape codes of a terminal.

    Returns:
        Signs: . free, # rigid, + wood, o bomb, * flames, e r k items (extra bomb, range, kick), 0 … 3 agents. Below them the
        step counter and each agent's bombs in hand and blast strength, k if it can kick, or dead.

    Example:
        >>> from wmlib.envs.pommerman.boards import start_rows
        >>> print(text(start_rows(1, np.random.default_rng(1))[0]).splitlines()[-1])
        step 0 | 0: 1 bombs, blast 2 | 1: 1 bombs, blast 2 | 2: 1 bombs, blast 2 | 3: 1 bombs, blast 2
    """
    state = full_states(row[None])[0].tolist()
    signs = [f"\x1b[{ANSI[code]}m{SIGNS[code]}\x1b[0m" if colour else SIGNS[code] for code in state[:BOARD]]
    lines = ["".join(signs[SIZE * r : SIZE * (r + 1)]) for r in range(SIZE)]
    below = [f"step {row.view(GAME)[0]['step_count']}"]
    for i in range(AGENTS):
        _, _, ammo, blast, kick, alive = state[7 * BOARD + 6 * i :][:6]
        below.append(f"{i}: {ammo} bombs, blast {blast}{', k' if kick else ''}" if alive else f"{i}: dead")
    return "\n".join([*lines, " | ".join(below)])


def picture(row: np.ndarray, cell: int = 20) -> np.ndarray:
    """Draw a game.

    Args:
        row: uint8 (ROW,), one game.
        cell: pixels a cell, 8 and above.

    Returns:
        uint8 (11 · cell, 11 · cell, 3). Agents are discs: blue 0, orange 1, green 2, pink 3. Bombs are dark discs that grow
        as they come due; under an agent only the rim of one is seen. Rigid walls are grey, wood is brown, flames are yellow.
        Items are light blue squares with a dark mark: a disc (extra bomb), a cross (range), a bar (kick).

    Raises:
        ValueError: cell below 8.
    """
    if not isinstance(cell, Integral) or cell < 8:
        raise ValueError(f"cell: got {cell!r}; allowed is 8 and above, whole, for example cell=20")
    state = full_states(row[None])[0]
    board, life = state[: 2 * BOARD].reshape(2, SIZE, SIZE)
    image = COLOURS[board].repeat(cell, 0).repeat(cell, 1)
    y, x = (np.mgrid[:cell, :cell] + 0.5) / cell - 0.5  # from the middle of a cell, -0.5 … 0.5
    radius = np.hypot(y, x)
    bar = (np.abs(x) < 0.08) & (np.abs(y) < 0.3)
    marks = {EXTRA_BOMB: radius < 0.2, MORE_RANGE: bar | bar.T, KICK: bar.T}
    for r, c in np.ndindex(SIZE, SIZE):
        tile = image[cell * r :, cell * c :][:cell, :cell]
        code = board[r, c]
        if code in marks:
            tile[marks[code]] = DARK
        if code == BOMB:
            tile[radius < 0.45 - 0.02 * life[r, c]] = DARK
        if code >= AGENT:
            tile[radius < (0.48 if life[r, c] else 0.4)] = DARK
            tile[radius < 0.36] = PLAYERS[code - AGENT]
    image[::cell], image[:, ::cell] = DARK, DARK
    return image
