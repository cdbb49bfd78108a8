"""The numbers of Pixelcopter for one size of the screen, and how its terrain scrolls.

Reading guide. `Geometry` holds everything that a size, a frame rate and a rounding fix. Its arrays `sizes` and `numbers` are
what the compiled functions get; the names below are places in them.

Terrain comes in batches of columns. All columns of a batch move together, and nothing about where they are is left to chance:
the first batch of an episode is always at the same place after t frames, and so is every later one. So the game keeps one
number for a batch, the row of `Geometry.scroll` that says which of its columns are left, which are at the player, and which
are on the screen; `lefts` has their pixels. The rows of the first batch come first, then, from `LATER_ROW` on, those of all
later ones. Positions are made by subtracting again and again, as the reference does, so they are equal to the last bit.

Source: the rules are the reference's (`RULES.md`; numbers such as 3.2 are its sections); tables instead of lists are ours.
"""

from __future__ import annotations

import dataclasses
import functools
from numbers import Integral

import numpy as np

ROUNDINGS = ("trunc", "round")
SMALLEST, LARGEST = 20, 1024  # pixels: below, the player has none
MOST_FPS = 240

# places in `sizes`, int64, pixels unless another unit is given
(
    WIDTH,
    HEIGHT,
    PLAYER_X,
    PLAYER_WIDTH,
    PLAYER_HEIGHT,
    BLOCK_WIDTH,
    BLOCK_HEIGHT,
    COLUMN_WIDTH,
    IMAGE_HEIGHT,  # of a column: ceiling, gap and floor
    CEILING_END,  # row of the image
    FLOOR_START,  # row of the image
    COLUMNS,  # of a batch; the first and later ones have equally many
    LATER_ROW,  # row of `scroll` where a later batch starts
    ROUNDS,  # 1 for "round", 0 for "trunc"
    BLOCK_X_LOW,
    BLOCK_X_HIGH,  # excluded
    BLOCK_Y_LOW,
    BLOCK_Y_HIGH,  # excluded
    MAX_STEPS,  # frames; 0 for no limit
    NUM_SIZES,
) = range(20)

# places in `numbers`, float64
(
    SCROLL,  # pixels a frame
    CLIMB,  # pixels a frame, each frame
    FALL,
    START_Y,
    NOMINAL_HEIGHT,  # of the player
    HALF_GAP,  # from the middle of a column to its ceiling and floor
    TOP_BOUND,
    BOTTOM_BOUND,
    FREQUENCY,  # of the terrain, before chance is added
    MIDDLE,  # of the terrain
    AMPLITUDE,
    NUM_NUMBERS,
) = range(12)

# places in a row of `scroll`, int16: numbers of columns, those that end a range excluded
(
    FIRST,  # columns before it have left
    AT_PLAYER,
    AT_PLAYER_END,
    SHOWN_END,  # FIRST … SHOWN_END are on the screen
    NUM_SCROLL,
) = range(5)

FEW_COLUMNS = 13  # with so many left, a new batch is made


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """What is fixed by the size of the screen, the frame rate and the rounding of boxes.

    Args:
        width, height: W, H, pixels, 20 to 1024.
        fps: frames a second, 1 to 240. It changes the physics: speed is in pixels a frame.
        rounding: how boxes are put on whole pixels, "trunc" (pygame before 2.2, and all results of its time) or "round".

    Attributes:
        sizes: int64 (NUM_SIZES,).
        numbers: float64 (NUM_NUMBERS,).
        scroll: int16 (R, NUM_SCROLL), a row for each frame of a batch's life.
        lefts: int16 (R, COLUMNS), the left edges of the columns' boxes.
        positions: float64 (R, COLUMNS), the columns' centres.
        has_gaps: there are frames without any terrain at the player.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> geometry = Geometry(48, 48)
        >>> geometry.sizes[[PLAYER_X, COLUMN_WIDTH, COLUMNS]].tolist(), round(float(geometry.numbers[SCROLL]), 2)
        ([16, 4, 48], 0.64)
    """

    width: int = 48
    height: int = 48
    fps: int = 30
    rounding: str = "trunc"

    def __post_init__(self) -> None:
        for name, most, least in (("width", LARGEST, SMALLEST), ("height", LARGEST, SMALLEST), ("fps", MOST_FPS, 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or not least <= int(value) <= most:
                raise ValueError(f"{name}: got {value!r}; allowed are whole numbers from {least} to {most}")
        if self.rounding not in ROUNDINGS:
            raise ValueError(f"rounding: got {self.rounding!r}; allowed are {', '.join(map(repr, ROUNDINGS))}")

    @functools.cached_property
    def sizes(self) -> np.ndarray:  # noqa: D102, see the class
        width = int(self.width)
        height = int(self.height)
        sizes = np.zeros(NUM_SIZES, np.int64)
        sizes[WIDTH] = width
        sizes[HEIGHT] = height
        sizes[PLAYER_X] = int(0.35 * width)
        sizes[PLAYER_WIDTH] = int(0.05 * width)
        sizes[PLAYER_HEIGHT] = int(0.05 * height)
        sizes[BLOCK_WIDTH] = int(0.1 * width)
        sizes[BLOCK_HEIGHT] = int(0.2 * height)
        sizes[COLUMN_WIDTH] = int(0.1 * width)
        sizes[IMAGE_HEIGHT] = int(1.5 * height)
        sizes[CEILING_END] = int(0.5 * height)
        sizes[FLOOR_START] = int(1.05 * height)
        sizes[COLUMNS] = -(-4 * width // sizes[COLUMN_WIDTH])
        sizes[LATER_ROW] = len(self._batches[0])
        sizes[ROUNDS] = self.rounding == "round"
        sizes[BLOCK_X_LOW] = width
        sizes[BLOCK_X_HIGH] = int(1.5 * width)
        sizes[BLOCK_Y_LOW] = int(0.25 * height)
        sizes[BLOCK_Y_HIGH] = int(0.75 * height)
        return sizes

    @functools.cached_property
    def numbers(self) -> np.ndarray:  # noqa: D102
        speed = self._speed
        frame = 1000.0 / self.fps  # ms
        numbers = np.zeros(NUM_NUMBERS)
        numbers[SCROLL] = speed * frame
        numbers[CLIMB] = (speed * -0.875) * frame
        numbers[FALL] = (speed * 0.09) * frame
        numbers[START_Y] = self.height / 2
        numbers[NOMINAL_HEIGHT] = 0.05 * self.height
        numbers[HALF_GAP] = 0.25 * self.height
        numbers[TOP_BOUND] = 0.125 * self.height
        numbers[BOTTOM_BOUND] = 0.875 * self.height
        numbers[FREQUENCY] = 4.5 / self.width
        numbers[MIDDLE] = self.height / 2.0
        numbers[AMPLITUDE] = self.height * 0.125
        return numbers

    @functools.cached_property
    def positions(self) -> np.ndarray:  # noqa: D102
        return np.concatenate(self._batches)

    @functools.cached_property
    def lefts(self) -> np.ndarray:  # noqa: D102
        whole = np.trunc(self.positions)
        if self.rounding == "round":
            whole += np.trunc(2 * (self.positions - whole))  # halves away from zero
        return (whole - (self._column_width >> 1)).astype(np.int16)

    @functools.cached_property
    def scroll(self) -> np.ndarray:  # noqa: D102
        left = int(self.sizes[PLAYER_X] - (self.sizes[PLAYER_WIDTH] >> 1))
        right = left + int(self.sizes[PLAYER_WIDTH])
        scroll = np.zeros((len(self.lefts), NUM_SCROLL), np.int16)
        scroll[:, FIRST] = (self.positions <= -self._column_width).sum(axis=1)
        scroll[:, AT_PLAYER] = (self.lefts + self._column_width <= left).sum(axis=1)
        scroll[:, AT_PLAYER_END] = (self.lefts < right).sum(axis=1)
        scroll[:, SHOWN_END] = (self.lefts < self.width).sum(axis=1)
        return scroll

    @functools.cached_property
    def has_gaps(self) -> bool:  # noqa: D102
        at_player = self.scroll[:, AT_PLAYER] < self.scroll[:, AT_PLAYER_END]
        left = int(self.sizes[COLUMNS]) - self.scroll[:, FIRST]
        older = len(left) - 1  # all its columns have left
        newer = 0
        for _ in range(2):  # first and second batch, second and third: after that it repeats
            while left[older] + left[newer] > FEW_COLUMNS:
                if not (at_player[older] or at_player[newer]):
                    return True
                older += left[older] > 0
                newer += left[newer] > 0
            older = newer
            newer = int(self.sizes[LATER_ROW])
        return False

    @property
    def _speed(self) -> float:
        return 0.0004 * self.width  # pixels a ms

    @property
    def _column_width(self) -> int:
        return int(0.1 * self.width)

    @functools.cached_property
    def _batches(self) -> list[np.ndarray]:
        """Return the columns' centres frame by frame of the first batch and of a later one, each (frames, COLUMNS)."""
        scroll = self._speed * (1000.0 / self.fps)
        batches = []
        for start in (0, self.width):
            half = self._column_width // 2
            rows = [np.arange(start + half, start + 4 * self.width + half, self._column_width).astype(float)]
            while rows[-1][-1] > -self._column_width:
                rows.append(rows[-1] - scroll)
            batches.append(np.stack(rows))
        return batches


@functools.lru_cache(maxsize=16)
def geometry_of(width: int, height: int, fps: int, rounding: str) -> Geometry:
    """Return the geometry of a size, made once."""
    return Geometry(width, height, fps, rounding)
