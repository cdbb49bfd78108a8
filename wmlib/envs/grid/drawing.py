"""Pictures for people, of worlds that are a few coloured tiles. Source: ours."""

from collections.abc import Iterable

import numpy as np

from wmlib.envs.grid.checks import check_count

FLOOR = np.array([244, 241, 234], np.uint8)
DARK = np.array([60, 60, 68], np.uint8)
LINE = (198, 194, 184)
AGENT = (213, 94, 0)
DOT = (240, 160, 100)


def enlarge(
    tiles: np.ndarray, scale: int, agent: tuple[int, int] | None = None, trail: Iterable[tuple[int, int]] = ()
) -> np.ndarray:
    """Draw tiles as squares with lines between them, the agent as a disc, and dots where it was.

    Args:
        tiles: uint8 (H, W, 3), the colours.
        scale: pixels a tile, 8 and above.
        agent: row and column, or None where it is not to be seen.
        trail: rows and columns.

    Returns:
        uint8 (H · scale, W · scale, 3).

    Raises:
        ValueError: scale below 8.
    """
    check_count(8, scale=scale)
    image = tiles.repeat(scale, 0).repeat(scale, 1)
    image[::scale], image[:, ::scale] = LINE, LINE
    y, x = (np.mgrid[:scale, :scale] + 0.5) / scale - 0.5  # from the middle of a tile, -0.5 … 0.5
    radius = np.hypot(y, x)
    for row, column in trail:
        image[row * scale :, column * scale :][:scale, :scale][radius < 0.14] = DOT
    if agent is not None:
        row, column = agent
        image[row * scale :, column * scale :][:scale, :scale][radius < 0.34] = AGENT
    return image
