"""Obstacle-based grid navigation: from the top left cell to the bottom right one around obstacles, in as few steps as possible.

Reading guide. `GridNavigation` is the environment, a screen of code; `GridNavigationVector` looks up the same in tables: where
each move leads from each cell, and what is to be seen there. Levels are in `levels.py`.

Source: Mufti, Penkov & Ramamoorthy 2019 (arXiv 1906.07248) name the environment and say that obstacles make its levels
    harder, and where start and goal are. Sizes, layouts, colours, rewards and the cap are ours: their text was not available.
"""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from wmlib.envs.grid.checks import (
    check_count,
    check_render_mode,
    checked_action,
    checked_actions,
    checked_integers,
    checked_levels,
    checked_mask,
    checked_options,
)
from wmlib.envs.grid.drawing import DARK, FLOOR, enlarge
from wmlib.envs.grid.levels import MOVES, as_layout, moves

STEP_REWARD = -0.02
GOAL_REWARD = 1.0
MODES = ("rgb_array", "ansi")
GREEN = (0, 158, 115)


def draw(layout: np.ndarray, cell: int, view: int | None = None) -> np.ndarray:
    """Draw what the agent sees, a pixel a cell.

    Args:
        layout: bool (S, S).
        cell: where the agent is, S · row + column.
        view: k, odd: only the k x k cells around the agent, which is then in the middle; None: the whole grid.

    Returns:
        uint8 (S, S, 3) or (k, k, 3), every value 0 or 255: red the agent, green the goal (yellow when it is reached), blue
        obstacles and what is outside the grid, black free cells.
    """
    size = len(layout)
    image = np.zeros((size, size, 3), np.uint8)
    row, column = divmod(cell, size)
    image[row, column, 0] = 255
    image[-1, -1, 1] = 255
    image[layout, 2] = 255
    if view is None:
        return image
    padded = np.pad(image, ((view // 2, view // 2), (view // 2, view // 2), (0, 0)))
    padded[..., 2] = np.pad(image[..., 2], view // 2, constant_values=255)
    return padded[row : row + view, column : column + view]


def picture(layout: np.ndarray, cell: int, view: int | None = None, trail: Iterable[int] = (), scale: int = 32) -> np.ndarray:
    """Draw a level for people.

    Args:
        layout: bool (S, S).
        cell: where the agent is.
        view: k: what the agent does not see is darker.
        trail: cells where it was, drawn as dots.
        scale: pixels a cell, 8 and above.

    Returns:
        uint8 (S · scale, S · scale, 3): an orange disc on light floor, a green goal, dark obstacles.
    """
    size = len(layout)
    row, column = divmod(cell, size)
    tiles = np.where(layout[..., None], DARK, FLOOR)
    tiles[-1, -1] = GREEN
    if view is not None:
        unseen = np.ones(layout.shape, bool)
        unseen[max(row - view // 2, 0) : row + view // 2 + 1, max(column - view // 2, 0) : column + view // 2 + 1] = False
        tiles[unseen] = tiles[unseen] // 5 * 3
    return enlarge(tiles, scale, (row, column), [divmod(at, size) for at in trail])


def ansi(layout: np.ndarray, cell: int) -> str:
    """Write a level and the agent in it, a line a row: `.` free, `#` obstacle, `G` goal, `@` agent."""
    signs = np.where(layout, "#", ".")
    signs[-1, -1] = "G"
    signs.flat[cell] = "@"
    return "\n".join("".join(row) for row in signs)


class GridNavigation(gymnasium.Env):
    """Go from the top left cell to the bottom right one, around obstacles.

    ## Action space
    `Discrete(4)`: 0 up, 1 down, 2 left, 3 right. A move into an obstacle or out of the grid stays.

    ## Observation space
    `Box(0, 255, (S · cell, S · cell, 3), uint8)`: the grid from above, every value 0 or 255. Red is the agent, green the goal,
    yellow the agent on the goal, blue an obstacle, black a free cell. All of the level is in every frame, so one frame is all
    that an agent needs. With `view=k` only the k x k cells around the agent are seen, `(k · cell, k · cell, 3)`, the agent in
    the middle and blue outside the grid: frames of different places look alike, so memory is needed.

    ## Rewards
    -0.02 a step; the step onto the goal gives 1 instead. A level counts as solved when the greedy policy takes
    `len(shortest_path(level))` steps.

    ## Starting state
    The agent is in the top left cell; `reset(options={"cell": c})` starts this episode in the free cell c = S · row + column.
    Nothing is left to chance.

    ## Episode end
    Termination: the goal, the bottom right cell, is reached. Truncation: after `max_steps`.

    ## Arguments
    | argument | default | meaning |
    |---|---|---|
    | level | 0 | number in `LEVELS[size]` (sizes 6 and 8), or a layout, see `as_layout`; \
`reset(options={"level": ...})` changes it |
    | size | 6 | S, cells a side |
    | view | None | k, odd: see above |
    | cell | 1 | pixels a side of a cell |
    | max_steps | None | the cap; None: 16 · S |
    | render_mode | None | "rgb_array": a picture for people, 32 pixels a cell; "ansi": text |

    Source: Mufti, Penkov & Ramamoorthy 2019 for the task; sizes, layouts, rewards, colours and the cap are ours. One pixel a
    cell is enough to see all, and makes a world model of it cheap.

    Example:
        >>> import gymnasium, wmlib.envs
        >>> env = gymnasium.make("wmlib/GridNavigation-v0", level=1, render_mode="ansi")
        >>> frame, _ = env.reset()
        >>> frame, reward, terminated, truncated, _ = env.step(1)  # down
        >>> frame.shape, reward, terminated
        ((6, 6, 3), -0.02, False)
        >>> print(env.render())
        .#....
        @#....
        .#....
        .#....
        ......
        .....G
    """

    metadata = {"render_modes": list(MODES), "render_fps": 8}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        level: int | str | Sequence | np.ndarray = 0,
        size: int = 6,
        view: int | None = None,
        cell: int = 1,
        max_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.layout = as_layout(level, size)
        self.size, self.view, self.pixels, self.max_steps = _checked(size, view, cell, max_steps)
        check_render_mode(render_mode, MODES)
        self.render_mode = render_mode
        self.observation_space = _observation_space(size, view, cell)
        self.action_space = spaces.Discrete(len(MOVES))
        self._over = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode, on another level with options["level"], in another cell with options["cell"]."""
        super().reset(seed=seed)
        options = checked_options(options, "level", "cell")
        layout = as_layout(options["level"], self.size) if "level" in options else self.layout
        self.cell = int(_checked_cells(options.get("cell", 0), [layout], ()))
        self.layout = layout
        self.steps = 0
        self._over = False
        return self._see(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Move.

        Raises:
            ValueError: the action is not 0 to 3.
            RuntimeError: the episode is over, or there is none.
        """
        if self._over:
            raise RuntimeError("the episode is over or has not begun: call reset() before step()")
        down, right = MOVES[checked_action(action, len(MOVES))]
        row, column = divmod(self.cell, self.size)
        row += down
        column += right
        if 0 <= row < self.size and 0 <= column < self.size and not self.layout[row, column]:
            self.cell = row * self.size + column
        self.steps += 1
        terminated = self.cell == self.size * self.size - 1
        truncated = not terminated and self.steps >= self.max_steps
        self._over = terminated or truncated
        return self._see(), GOAL_REWARD if terminated else STEP_REWARD, terminated, truncated, {}

    def render(self) -> np.ndarray | str | None:
        """Return a picture uint8 (32 · S, 32 · S, 3) or text, by render_mode; None without one."""
        if self.render_mode is None:
            return None
        if self.render_mode == "ansi":
            return ansi(self.layout, self.cell)
        return picture(self.layout, self.cell, self.view)

    def _see(self) -> np.ndarray:
        return draw(self.layout, self.cell, self.view).repeat(self.pixels, 0).repeat(self.pixels, 1)


class GridNavigationVector(gymnasium.vector.VectorEnv):
    """Step many copies of `GridNavigation` at once, each on a level of its own.

    Spaces, rewards, ends and arguments are those of `GridNavigation`. The step after the end of an episode starts a new one on
    the same level, whatever its action, and pays 0 (Gymnasium's `AutoresetMode.NEXT_STEP`).

    Options of `reset`, all of them optional:
        levels: one for each copy, kept until changed.
        cells: int (B,), where these episodes start; later ones start in the top left cell.
        reset_mask: bool (B,), which copies to reset, as in Gymnasium; of the others nothing changes, their rows of levels and
            cells are not used. So a copy whose episode has just ended can go on with another level.

    Args:
        num_envs: B.
        level: the level of all copies.
        levels: instead, one for each copy.
        size, view, cell, max_steps, render_mode: as in `GridNavigation`; `render` returns a picture or text for each copy.

    Attributes:
        cells: int64 (B,), where the agents are.
        layouts: the levels of the copies.

    Example:
        >>> import gymnasium, numpy as np, wmlib.envs
        >>> envs = gymnasium.make_vec("wmlib/GridNavigation-v0", num_envs=3, levels=[0, 1, 2])
        >>> frames, _ = envs.reset()
        >>> _, rewards, _, _, _ = envs.step(np.array([1, 1, 1]))  # down
        >>> frames.shape, envs.cells.tolist()
        ((3, 6, 6, 3), [6, 6, 0])
    """

    metadata = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "render_modes": list(MODES),
        "render_fps": 8,
    }

    def __init__(
        self,
        num_envs: int,
        level: int | str | Sequence | np.ndarray = 0,
        levels: Sequence | None = None,
        size: int = 6,
        view: int | None = None,
        cell: int = 1,
        max_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_count(num_envs=num_envs)
        self.num_envs = num_envs
        self.size, self.view, self.pixels, self.max_steps = _checked(size, view, cell, max_steps)
        check_render_mode(render_mode, MODES)
        self.render_mode = render_mode
        self.single_observation_space = _observation_space(size, view, cell)
        self.single_action_space = spaces.Discrete(len(MOVES))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.layouts: tuple[np.ndarray, ...] = ()
        if levels is None:
            self._set_layouts([as_layout(level, size)] * num_envs)
        else:
            self._set_layouts([as_layout(one, size) for one in checked_levels(levels, num_envs)])
        self._steps: np.ndarray | None = None

    @property
    def cells(self) -> np.ndarray:
        """Where the agents are, int64 (B,)."""
        return self._places % self.size**2

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start episodes, all of them or those of a mask; see the class for the options."""
        super().reset(seed=seed)
        options = checked_options(options, "levels", "cells", "reset_mask")
        mask = checked_mask(options.get("reset_mask"), self.num_envs)
        if self._steps is None and not mask.all():
            raise ValueError("reset_mask: got one at the first reset; allowed from the second reset on")
        layouts = self._layouts_after(options, mask)
        cells = np.zeros(self.num_envs, np.int64)
        if "cells" in options:
            cells[mask] = _checked_cells(options["cells"], layouts, (self.num_envs,), mask)[mask]
        if self._steps is None:
            self._steps = np.zeros(self.num_envs, np.int64)
            self._over = np.zeros(self.num_envs, bool)
        else:
            cells[~mask] = self.cells[~mask]
        if "levels" in options:
            self._set_layouts(layouts)
        self._places = self._first + cells
        self._steps[mask] = 0
        self._over[mask] = False
        self._any_over = bool(self._over.any())
        return self._frames.take(self._places, 0), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Move each agent: actions int (B,).

        Raises:
            ValueError: another shape or dtype, or an action that is not 0 to 3.
            RuntimeError: before the first reset.
        """
        if self._steps is None:
            raise RuntimeError("no episode has begun: call reset() before step()")
        actions = checked_actions(actions, self.num_envs, len(MOVES))
        self._places = places = self._moves.take(self._places * len(MOVES) + actions)
        self._steps += 1
        if self._any_over:
            places[self._over] = self._first[self._over]
            self._steps[self._over] = 0
        terminated = self._is_goal.take(places)
        rewards = self._rewards.take(places)
        truncated = self._steps >= self.max_steps
        truncated &= ~terminated
        if self._any_over:
            rewards[self._over] = 0.0
        self._over = terminated | truncated
        self._any_over = bool(self._over.any())
        return self._frames.take(places, 0), rewards, terminated, truncated, {}

    def render(self) -> tuple[np.ndarray | str, ...] | None:
        """Return a picture or text for each copy, by render_mode; None without one."""
        if self.render_mode is None:
            return None
        pairs = zip(self.layouts, self.cells.tolist(), strict=True)
        if self.render_mode == "ansi":
            return tuple(ansi(layout, cell) for layout, cell in pairs)
        return tuple(picture(layout, cell, self.view) for layout, cell in pairs)

    def _layouts_after(self, options: dict[str, Any], mask: np.ndarray) -> Sequence[np.ndarray]:
        """Return by copy the layout that it has after a reset."""
        if "levels" not in options:
            return self.layouts
        levels = checked_levels(options["levels"], self.num_envs)
        return [as_layout(levels[i], self.size) if use else self.layouts[i] for i, use in enumerate(mask)]

    def _set_layouts(self, layouts: Sequence[np.ndarray]) -> None:
        """Make the tables of the distinct levels, one after the other: a place is a cell of a level."""
        self.layouts = tuple(layouts)
        numbers: dict[bytes, int] = {}
        distinct: list[np.ndarray] = []
        which = []
        for layout in self.layouts:
            key = layout.tobytes()
            if key not in numbers:
                numbers[key] = len(distinct)
                distinct.append(layout)
            which.append(numbers[key])
        count = self.size**2
        self._first = np.array(which) * count  # each copy's top left cell
        self._moves = np.concatenate([moves(layout) + i * count for i, layout in enumerate(distinct)])
        frames = np.stack([draw(layout, cell, self.view) for layout in distinct for cell in range(count)])
        self._frames = frames.repeat(self.pixels, 1).repeat(self.pixels, 2)
        self._is_goal = np.tile(np.arange(count) == count - 1, len(distinct))
        self._rewards = np.where(self._is_goal, GOAL_REWARD, STEP_REWARD)


def _checked(size: int, view: int | None, cell: int, max_steps: int | None) -> tuple[int, int | None, int, int]:
    """Return size, view, pixels a cell and cap."""
    check_count(2, size=size)
    check_count(cell=cell)
    if view is not None and (not isinstance(view, Integral) or view < 3 or view % 2 == 0):
        raise ValueError(f"view: got {view!r}; allowed are None and odd numbers from 3 on")
    max_steps = 16 * size if max_steps is None else max_steps
    check_count(max_steps=max_steps)
    return size, view, cell, max_steps


def _observation_space(size: int, view: int | None, cell: int) -> spaces.Box:
    side = cell * (size if view is None else view)
    return spaces.Box(0, 255, (side, side, 3), np.uint8)


def _checked_cells(
    cells: Any, layouts: Sequence[np.ndarray], shape: tuple[int, ...], used: np.ndarray | None = None
) -> np.ndarray:
    """Return start cells, which must be free and not the goal, int64 of this shape; only those `used` matter."""
    cells = checked_integers("cells" if shape else "cell", cells, shape)
    for i, cell in enumerate(cells.ravel().tolist()):
        if used is not None and not used[i]:
            continue
        last = layouts[i].size - 1
        if not 0 <= cell < last or layouts[i].flat[cell]:
            name = f"cells[{i}]" if shape else "cell"
            raise ValueError(f"{name}: got {cell}; allowed are free cells, size · row + column from 0 to {last - 1}")
    return cells
