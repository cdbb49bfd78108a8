"""The cue corridor: n cues are shown one after another, then comes a corridor of length L, then n doors, each told by its cue.

Reading guide. A level is a pair (n, L); `LEVELS` are those that we use. An episode is a walk along a path of n + L + n places:
`draw` shows it. `CueCorridor` is the environment; `CueCorridorVector` looks up the same in tables.

What a frame tells: all of the level and the place on it, always, so that the next frame can be predicted but for the cues; the
symbol of a cue only while it is shown, and that of a door only after the choice. So whoever chooses right must have remembered.

Source: ours. The second environment of Mufti, Penkov & Ramamoorthy 2019 (arXiv 1906.07248) is not named in what was available.
"""

from collections.abc import Sequence
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

Level = tuple[int, int]  # n cues, corridor of length L

CUES = (1, 2, 4, 6, 8, 12)
LENGTHS = (1, 2, 4, 8, 16, 32)
LEVELS: tuple[Level, ...] = tuple((cues, length) for cues in CUES for length in LENGTHS)
SIDE = 8  # of a frame: one row for signs, the others for the path
MAX_STEPS = SIDE * (SIDE - 1)
MAX_SYMBOLS = 4
MODES = ("rgb_array", "ansi")
SIGNS = np.array([(255, 0, 0), (255, 255, 0), (0, 255, 255), (255, 0, 255)], np.uint8)  # red, yellow, cyan, pink
AGENT, CUE, CORRIDOR, DOOR = np.array([(255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 255)], np.uint8)
# and the same for people
SIGNS_SHOWN = np.array([(204, 60, 60), (230, 180, 40), (86, 180, 233), (204, 121, 167)], np.uint8)
LIGHT, MIDDLE, BLUE = np.array([(160, 214, 180), (222, 218, 208), (130, 165, 205)], np.uint8)


def num_steps(level: Level) -> int:
    """Return T = n + L + n, the steps of an episode."""
    cues, length = level
    return cues + length + cues


def checked_level(level: Any) -> Level:
    """Return a level as a pair of ints.

    Raises:
        ValueError: no pair of whole numbers from 1 on, or an episode of more than 56 steps, for which a frame has no room.
    """
    pair = tuple(level) if isinstance(level, tuple | list | np.ndarray) else ()
    whole = all(isinstance(number, int | np.integer) and not isinstance(number, bool) and number >= 1 for number in pair)
    if len(pair) != 2 or not whole or num_steps(pair) > MAX_STEPS:
        raise ValueError(
            f"level: got {level!r}; allowed are pairs (n cues, corridor of length L), both from 1 on, with n + L + n at most "
            f"{MAX_STEPS}, for example (12, 32)"
        )
    return int(pair[0]), int(pair[1])


def place(step: int) -> tuple[int, int]:
    """Return row and column of a place of the path, which winds through the rows below the signs: right, left and so on."""
    row, column = divmod(step, SIDE)
    return row + 1, column if row % 2 == 0 else SIDE - 1 - column


def draw(level: Level, step: int, sign: int | None) -> np.ndarray:
    """Draw what the agent sees, a pixel a place.

    Args:
        level: n and L.
        step: 0 … T, where the agent is; at T it has left by the last door.
        sign: the symbol that is shown in the first row, or None.

    Returns:
        uint8 (8, 8, 3), every value 0 or 255.
    """
    cues, length = level
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    if sign is not None:
        image[0, 2 * sign : 2 * sign + 2] = SIGNS[sign]
    for at in range(num_steps(level)):
        kind = CUE if at < cues else CORRIDOR if at < cues + length else DOOR
        image[place(at)] = AGENT if at == step else kind
    return image


def sign_at(level: Level, step: int, cues: Sequence[int] | np.ndarray) -> int | None:
    """Return the symbol that is shown at a step: a cue, the right one of the door before, or None."""
    count, length = level
    if step < count:
        return int(cues[step])
    behind = step - count - length - 1  # the door just passed
    return int(cues[behind]) if behind >= 0 else None


def picture(level: Level, step: int, sign: int | None, scale: int = 32, symbols: int = MAX_SYMBOLS) -> np.ndarray:
    """Draw an episode for people: uint8 (8 · scale, 8 · scale, 3); see `draw` for the arguments."""
    tiles = np.empty((SIDE, SIDE, 3), np.uint8)
    tiles[:] = DARK
    tiles[0, : 2 * symbols] = FLOOR
    if sign is not None:
        tiles[0, 2 * sign : 2 * sign + 2] = SIGNS_SHOWN[sign]
    cues, length = level
    for at in range(num_steps(level)):
        tiles[place(at)] = LIGHT if at < cues else MIDDLE if at < cues + length else BLUE
    return enlarge(tiles, scale, place(step) if step < num_steps(level) else None)


def ansi(level: Level, step: int, sign: int | None, symbols: int = MAX_SYMBOLS) -> str:
    """Write an episode: the sign, then the path: `c` cues, `.` corridor, `D` doors, `@` agent."""
    cues, length = level
    path = list("c" * cues + "." * length + "D" * cues)
    if step < len(path):
        path[step] = "@"
    return " ".join("#" if sign == symbol else "_" for symbol in range(symbols)) + "\n" + "".join(path)


class CueCorridor(gymnasium.Env):
    """Remember n cues in order through a corridor, and choose n doors by them.

    ## Action space
    `Discrete(symbols)`: at a door, which of the doors to take; elsewhere nothing, the agent walks on by itself.

    ## Observation space
    `Box(0, 255, (8 · cell, 8 · cell, 3), uint8)`, every value 0 or 255. The first row is for signs: while a cue is shown, two
    pixels of its colour, at its place; after a choice, the same for the door that was right. Below it the path winds from the
    upper left: cues green, corridor white, doors blue, the agent red. After the last door the agent is gone.

    ## Rewards
    1 for the right door, 0 for another one and elsewhere: the return is the number of right doors. An episode is a success when
    it is n.

    ## Starting state
    The first cue is shown. All cues are drawn evenly and independently; `reset(options={"cues": [...]})` gives this episode's.

    ## Episode end
    Termination: after T = n + L + n steps, behind the last door. There is no truncation.

    ## Arguments
    | argument | default | meaning |
    |---|---|---|
    | level | (1, 1) | (n, L): cues, and length of the corridor; n + L + n is at most 56; \
`reset(options={"level": ...})` changes it |
    | symbols | 4 | 2 to 4: how many cues and doors there are to choose from |
    | cell | 1 | pixels a side of a place |
    | render_mode | None | "rgb_array": a picture for people, 256 x 256; "ansi": text |

    Source: ours, after the tasks of the T-maze kind. Differs from a T-maze: several cues, to be recalled in order, and the
    right door is shown after the choice, so that a model of the frames learns the whole of it from every door.

    Example:
        >>> import gymnasium, wmlib.envs
        >>> env = gymnasium.make("wmlib/CueCorridor-v0", level=(2, 3), render_mode="ansi")
        >>> frame, _ = env.reset(options={"cues": [3, 1]})
        >>> print(env.render())
        _ _ _ #
        @c...DD
        >>> for _ in range(5):
        ...     frame, reward, terminated, truncated, _ = env.step(0)  # walk to the first door
        >>> env.step(3)[1], env.step(0)[1]  # right, wrong
        (1.0, 0.0)
    """

    metadata = {"render_modes": list(MODES), "render_fps": 4}  # noqa: RUF012, Gymnasium's own form

    def __init__(self, level: Level = (1, 1), symbols: int = 4, cell: int = 1, render_mode: str | None = None) -> None:
        self.level = checked_level(level)
        self.symbols, self.pixels = _checked(symbols, cell)
        check_render_mode(render_mode, MODES)
        self.render_mode = render_mode
        self.observation_space = _observation_space(cell)
        self.action_space = spaces.Discrete(symbols)
        self._over = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode, on another level with options["level"], with given cues with options["cues"]."""
        super().reset(seed=seed)
        options = checked_options(options, "level", "cues")
        level = checked_level(options["level"]) if "level" in options else self.level
        if "cues" in options:
            cues = checked_integers("cues", options["cues"], (level[0],))
            _check_symbols(cues, self.symbols)
        else:
            cues = self.np_random.integers(self.symbols, size=level[0])
        self.level = level
        self.cues: list[int] = cues.tolist()
        self.steps = 0
        self._over = False
        return self._see(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Walk on, at a door through the one of the action.

        Raises:
            ValueError: the action is not 0 to symbols - 1.
            RuntimeError: the episode is over, or there is none.
        """
        if self._over:
            raise RuntimeError("the episode is over or has not begun: call reset() before step()")
        action = checked_action(action, self.symbols)
        door = self.steps - sum(self.level)
        reward = float(door >= 0 and action == self.cues[door])
        self.steps += 1
        self._over = self.steps == num_steps(self.level)
        return self._see(), reward, self._over, False, {}

    def render(self) -> np.ndarray | str | None:
        """Return a picture uint8 (256, 256, 3) or text, by render_mode; None without one."""
        if self.render_mode is None:
            return None
        sign = sign_at(self.level, self.steps, self.cues)
        if self.render_mode == "ansi":
            return ansi(self.level, self.steps, sign, self.symbols)
        return picture(self.level, self.steps, sign, symbols=self.symbols)

    def _see(self) -> np.ndarray:
        image = draw(self.level, self.steps, sign_at(self.level, self.steps, self.cues))
        return image.repeat(self.pixels, 0).repeat(self.pixels, 1)


class CueCorridorVector(gymnasium.vector.VectorEnv):
    """Step many copies of `CueCorridor` at once, each on a level of its own.

    Spaces, rewards, ends and arguments are those of `CueCorridor`. The step after the end of an episode starts a new one on the
    same level, whatever its action, and pays 0 (Gymnasium's `AutoresetMode.NEXT_STEP`). One generator draws the cues of all
    copies, so `reset(seed=s)` makes them the same again, and other than those of `CueCorridor` with that seed.

    Options of `reset`, all of them optional:
        levels: one for each copy, kept until changed.
        cues: int (B, N), N at least the largest n: the cues of these episodes; a copy uses the first n of its row.
        reset_mask: bool (B,), which copies to reset, as in Gymnasium; of the others nothing changes, their rows of levels and
            cues are not used.

    Args:
        num_envs: B.
        level: the level of all copies.
        levels: instead, one for each copy.
        symbols, cell, render_mode: as in `CueCorridor`; `render` returns a picture or text for each copy.

    Attributes:
        levels: of the copies.
        cues: int64 (B, N), N the largest n, those of the current episodes; -1 beyond a copy's n.
        steps: int64 (B,), of the current episodes.

    Example:
        >>> import gymnasium, wmlib.envs
        >>> envs = gymnasium.make_vec("wmlib/CueCorridor-v0", num_envs=2, levels=[(1, 4), (2, 4)])
        >>> frames, _ = envs.reset(options={"cues": [[3, -1], [2, 0]]})
        >>> frames.shape, envs.cues.tolist()
        ((2, 8, 8, 3), [[3, -1], [2, 0]])
    """

    metadata = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "render_modes": list(MODES),
        "render_fps": 4,
    }

    def __init__(
        self,
        num_envs: int,
        level: Level = (1, 1),
        levels: Sequence[Level] | None = None,
        symbols: int = 4,
        cell: int = 1,
        render_mode: str | None = None,
    ) -> None:
        check_count(num_envs=num_envs)
        self.num_envs = num_envs
        self.symbols, self.pixels = _checked(symbols, cell)
        check_render_mode(render_mode, MODES)
        self.render_mode = render_mode
        self.single_observation_space = _observation_space(cell)
        self.single_action_space = spaces.Discrete(symbols)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        chosen = [level] * num_envs if levels is None else checked_levels(levels, num_envs)
        self.levels = tuple(checked_level(one) for one in chosen)
        self._begun = False
        self.cues = np.full((num_envs, 0), -1)
        self.steps = np.zeros(num_envs, np.int64)
        # by copy and step: the symbol that is shown (`symbols` for none), and the door that is right (-1 where there is none)
        self._signs = np.full((num_envs, MAX_STEPS + 1), symbols)
        self._right = np.full((num_envs, MAX_STEPS + 1), -1)
        self._rows = np.arange(num_envs) * (MAX_STEPS + 1)
        self._over = np.zeros(num_envs, bool)
        self._any_over = False
        self._make_tables()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start episodes, all of them or those of a mask; see the class for the options."""
        super().reset(seed=seed)
        options = checked_options(options, "levels", "cues", "reset_mask")
        mask = checked_mask(options.get("reset_mask"), self.num_envs)
        if not self._begun and not mask.all():
            raise ValueError("reset_mask: got one at the first reset; allowed from the second reset on")
        levels = self.levels
        if "levels" in options:
            chosen = checked_levels(options["levels"], self.num_envs)
            levels = tuple(checked_level(chosen[i]) if use else levels[i] for i, use in enumerate(mask))
        which = np.flatnonzero(mask)
        cues = self._checked_cues(options["cues"], levels, which) if "cues" in options else None
        if levels != self.levels:
            self.levels = levels
            self._make_tables()
        self._begin(which, cues)
        self._begun = True
        self._over = self._over & ~mask  # not in place: the last step returned it
        self._any_over = bool(self._over.any())
        return self._see(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict]:
        """Walk on, at doors through those of the actions, int (B,).

        Raises:
            ValueError: another shape or dtype, or an action that is not 0 to symbols - 1.
            RuntimeError: before the first reset.
        """
        if not self._begun:
            raise RuntimeError("no episode has begun: call reset() before step()")
        actions = checked_actions(actions, self.num_envs, self.symbols)
        rewards = (self._right.take(self._rows + self.steps) == actions).astype(np.float64)  # never right after the end
        self.steps += 1
        if self._any_over:
            self._begin(np.flatnonzero(self._over), None)
        terminated = self.steps == self._last
        self._over = terminated
        self._any_over = bool(terminated.any())
        return self._see(), rewards, terminated, np.zeros(self.num_envs, bool), {}

    def render(self) -> tuple[np.ndarray | str, ...] | None:
        """Return a picture or text for each copy, by render_mode; None without one."""
        if self.render_mode is None:
            return None
        views: list[np.ndarray | str] = []
        for level, step, cues in zip(self.levels, self.steps.tolist(), self.cues, strict=True):
            arguments = (level, step, sign_at(level, step, cues))
            if self.render_mode == "ansi":
                views.append(ansi(*arguments, self.symbols))
            else:
                views.append(picture(*arguments, symbols=self.symbols))
        return tuple(views)

    def _see(self) -> np.ndarray:
        signs = self._signs.take(self._rows + self.steps)
        return self._frames.take(self._first + self.steps * (self.symbols + 1) + signs, 0)

    def _begin(self, which: np.ndarray, cues: np.ndarray | None) -> None:
        """Start the episodes of some copies, int (b,), with cues (b, N) or such as are drawn."""
        size = (len(which), self.cues.shape[1])
        if cues is None:
            cues = self.np_random.integers(self.symbols, size=size)
        cues = np.where(np.arange(size[1]) < self._count[which, None], cues, -1)
        self.cues[which] = cues
        self.steps[which] = 0
        padded = np.pad(cues, ((0, 0), (0, 1)), constant_values=-1)
        signs = np.take_along_axis(padded, self._sign_cue[which], 1)
        self._signs[which] = np.where(signs < 0, self.symbols, signs)
        self._right[which] = np.take_along_axis(padded, self._right_cue[which], 1)

    def _make_tables(self) -> None:
        """Make the tables of the distinct levels: which cue belongs to which step, and frames by level, step and sign."""
        distinct = list(dict.fromkeys(self.levels))
        most = max(cues for cues, _ in distinct)
        sign_cue = np.full((len(distinct), MAX_STEPS + 1), most)  # `most` is the column of "none"
        right_cue = sign_cue.copy()
        frames = []
        first = [0]
        for row, level in enumerate(distinct):
            cues, length = level
            sign_cue[row, :cues] = range(cues)
            right_cue[row, cues + length : num_steps(level)] = range(cues)
            sign_cue[row, cues + length + 1 : num_steps(level) + 1] = range(cues)
            for step in range(num_steps(level) + 1):
                frames += [draw(level, step, sign) for sign in (*range(self.symbols), None)]
            first.append(len(frames))
        numbers = [distinct.index(level) for level in self.levels]
        self._sign_cue = sign_cue[numbers]
        self._right_cue = right_cue[numbers]
        self._first = np.array(first)[numbers]
        self._count = np.array([cues for cues, _ in self.levels])
        self._last = np.array([num_steps(level) for level in self.levels])
        self._frames = np.stack(frames).repeat(self.pixels, 1).repeat(self.pixels, 2)
        kept = self.cues[:, :most]
        self.cues = np.full((self.num_envs, most), -1)
        self.cues[:, : kept.shape[1]] = kept

    def _checked_cues(self, cues: Any, levels: Sequence[Level], which: np.ndarray) -> np.ndarray:
        """Return the cues of some copies, int64 (b, N), N the largest n of all copies."""
        most = max(count for count, _ in levels)
        width = np.shape(cues)[1] if np.ndim(cues) == 2 else most
        cues = checked_integers("cues", cues, (self.num_envs, max(width, most)))
        for i in which:
            _check_symbols(cues[i, : levels[i][0]], self.symbols)
        return cues[which, :most]


def _checked(symbols: int, cell: int) -> tuple[int, int]:
    check_count(cell=cell)
    if not isinstance(symbols, Integral) or not 2 <= symbols <= MAX_SYMBOLS:
        raise ValueError(f"symbols: got {symbols!r}; allowed are 2 to {MAX_SYMBOLS}")
    return symbols, cell


def _check_symbols(cues: np.ndarray, symbols: int) -> None:
    if ((cues < 0) | (cues >= symbols)).any():
        raise ValueError(f"cues: got {cues.tolist()}; allowed are 0 to {symbols - 1}")


def _observation_space(cell: int) -> spaces.Box:
    return spaces.Box(0, 255, (SIDE * cell, SIDE * cell, 3), np.uint8)
