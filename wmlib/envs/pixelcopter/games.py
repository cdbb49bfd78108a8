"""Many games at once, for data and for the environments.

Example:
    >>> games = Games(256)
    >>> games.reset(range(256))
    >>> games.step(np.ones(256, int))  # nobody climbs
    >>> games.pictures().shape, games.states().shape, games.rewards.sum()
    ((256, 48, 48, 3), (256, 7), np.float64(0.0))
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from wmlib.envs.pixelcopter.geometry import (
    COLUMNS,
    FIRST,
    MAX_STEPS,
    geometry_of,
)
from wmlib.envs.pixelcopter.mersenne import WORDS
from wmlib.envs.pixelcopter.rules import (
    BLOCK_X,
    BLOCK_Y,
    BLOCKS,
    KEEP,
    LIVES,
    NEWER,
    NUM_BODIES,
    NUM_FACTS,
    OLDER,
    SCORE,
    STEPS,
    UP,
    VELOCITY,
    Y,
    start_games,
    step_games,
)
from wmlib.envs.pixelcopter.views import NUM_STATE, describe_games, draw_games, edges_of, pattern_of

MAX_SEED = 2**32 - 1
FIXED_SEED, FIXED_STARTS = 24, 2  # of the reference's environment without a seed; its first episode is the third start
CHANNELS = (3, 1)
STORED = ("bodies", "facts", "heights", "words", "used", "rewards", "terminated", "truncated", "started")  # `state_dict`


class Games:
    """Play B games at once, vectorized; one that has ended is shown as it ended, and the next call starts it anew.

    That call does not look at the action for the game and gives it no reward, as in Gymnasium's vector environments ("next
    step" mode). Each game has a stream of random numbers of its own, from which its episodes are drawn one after another.

    Args:
        num_games: B, 1 and above.
        width, height: W, H, pixels, 20 to 1024.
        fps: frames a second, 1 to 240; it changes the physics (`RULES.md`, 11).
        rounding: "trunc" or "round", how boxes are put on whole pixels (`RULES.md`, 8).
        max_steps: frames after which an episode is cut; 0 for no limit.
        fixed_level: every episode is on the level that the reference shows first when it is not given a seed.

    Raises:
        ValueError: an argument out of range.

    Source: ours. Every game is equal to the reference's, frame by frame, for the same seed.
    """

    def __init__(
        self,
        num_games: int,
        width: int = 48,
        height: int = 48,
        fps: int = 30,
        rounding: str = "trunc",
        max_steps: int = 0,
        fixed_level: bool = False,
    ) -> None:
        _check_whole("num_games", num_games, 1)
        _check_whole("max_steps", max_steps, 0)
        self.geometry = geometry_of(width, height, fps, rounding)
        self.fixed_level = fixed_level
        sizes = self.geometry.sizes.copy()
        sizes[MAX_STEPS] = max_steps
        self._fixed = (sizes, self.geometry.numbers, self.geometry.scroll)
        self._bodies = np.zeros((num_games, NUM_BODIES))
        self._facts = np.zeros((num_games, NUM_FACTS), np.int64)
        self._heights = np.zeros((num_games, 2, sizes[COLUMNS]), np.int16)
        self._words = np.zeros((num_games, WORDS), np.uint32)
        self._used = np.zeros(num_games, np.int64)
        self._level = np.zeros(0, np.int64)
        self._rewards = np.zeros(num_games)
        self._terminated = np.zeros(num_games, bool)
        self._truncated = np.zeros(num_games, bool)
        self._scratch = {channels: self._make_scratch(channels) for channels in CHANNELS}
        self._started = False
        self._shape = (int(num_games),)
        if fixed_level:
            self._level = self._make_level()

    @property
    def num_games(self) -> int:
        """B."""
        return self._shape[0]

    @property
    def started(self) -> bool:
        """Whether `reset` has been called, so that every game has a stream of random numbers."""
        return self._started

    @property
    def rewards(self) -> np.ndarray:
        """The rewards of the last step, float64 (B,): 0, 1, 2, or -5 … -3 for the last frame; the next step overwrites it."""
        return self._rewards

    @property
    def terminated(self) -> np.ndarray:
        """Which games are over, bool (B,); the next step overwrites it."""
        return self._terminated

    @property
    def truncated(self) -> np.ndarray:
        """Which games were cut at `max_steps`, bool (B,); the next step overwrites it."""
        return self._truncated

    @property
    def y(self) -> np.ndarray:
        """The players' centres, pixels from the top, float64 (B,), a copy."""
        return self._bodies[:, Y].copy()

    @property
    def velocity(self) -> np.ndarray:
        """The players' velocities, pixels a frame, downward, float64 (B,), a copy."""
        return self._bodies[:, VELOCITY].copy()

    @property
    def scores(self) -> np.ndarray:
        """The sums of rewards of the current episodes, int64 (B,), a copy."""
        return self._facts[:, SCORE].copy()

    @property
    def lives(self) -> np.ndarray:
        """The lives left, int64 (B,), a copy: 1, or below once the game is over, by 1 for every test that failed."""
        return self._facts[:, LIVES].copy()

    @property
    def steps(self) -> np.ndarray:
        """The frames of the current episodes so far, int64 (B,), a copy."""
        return self._facts[:, STEPS].copy()

    @property
    def num_blocks(self) -> np.ndarray:
        """How many blocks there are, int64 (B,), 1 or 2, a copy: it rises in the frame in which one is passed."""
        return self._facts[:, BLOCKS].copy()

    def blocks(self, g: int) -> np.ndarray:
        """Return the centres (x, y) of the blocks of one game, float64 (1 or 2, 2), the oldest first."""
        count = self._facts[g, BLOCKS]
        return np.stack([self._bodies[g, BLOCK_X:], self._facts[g, BLOCK_Y : BLOCK_Y + 2]], axis=1)[:count]

    def columns(self, g: int) -> np.ndarray:
        """Return the centres (x, y) of the terrain columns of one game, float64 (N, 2), the oldest first."""
        parts = []
        for batch, row in enumerate(self._facts[g, [OLDER, NEWER]]):
            first = self.geometry.scroll[row, FIRST]
            parts.append(np.stack([self.geometry.positions[row], self._heights[g, batch]], axis=1)[first:])
        return np.concatenate(parts)

    def random_state(self, g: int) -> np.random.RandomState:
        """Return NumPy's legacy generator at the point of its stream where one game is."""
        state = np.random.RandomState(0)
        state.set_state(("MT19937", self._words[g], int(self._used[g]), 0, 0.0))
        return state

    def reset(self, seeds: Sequence[int] | np.ndarray | None = None) -> None:
        """Start an episode in every game.

        Args:
            seeds: whole numbers from 0 to 2^32 - 1, B of them: game i draws from `numpy.random.RandomState(seeds[i])` from
                now on. None: every game goes on with its stream, which must have begun. With a fixed level they are
                checked and change nothing.

        Raises:
            ValueError: not B seeds, or one out of range.
            RuntimeError: no seeds, and none were given before.
        """
        if seeds is None:
            if not self._started and not self.fixed_level:
                raise RuntimeError("the games have no random numbers yet: give reset() seeds, for example range(num_games)")
            checked = np.full(self._shape, KEEP, np.int64)
        else:
            checked = self._checked_seeds(seeds)
        start_games(*self._fixed, *self._games(), self._level, checked)
        self._started = True
        self._rewards[:] = 0
        self._terminated[:] = False
        self._truncated[:] = False

    def step(self, actions: np.ndarray) -> None:
        """Play a frame of every game, and start anew those that had ended; fills in rewards, terminated and truncated.

        Args:
            actions: whole numbers (B,): 0 up, 1 nothing.

        Raises:
            ValueError: another shape or dtype, or another number; then nothing has been played.
            RuntimeError: the games have not been started.
        """
        if not self._started:
            raise RuntimeError("the games have not begun: call reset() before step()")
        actions = np.asarray(actions)
        if actions.shape != self._shape:
            raise ValueError(f"actions: got shape {actions.shape}; allowed is {self._shape}, one for every game")
        if actions.dtype.kind not in "iu":
            raise ValueError(f"actions: got dtype {actions.dtype}; allowed are whole numbers, for example int64")
        actions = np.ascontiguousarray(actions, np.int64)
        ends = (self._rewards, self._terminated, self._truncated)
        wrong = step_games(*self._fixed, *self._games(), self._level, actions, *ends)
        if wrong >= 0:
            raise ValueError(f"actions[{wrong}]: got {actions[wrong]}; allowed are {UP} (up) and 1 (nothing)")

    def pictures(self, out: np.ndarray | None = None, channels: int = 3) -> np.ndarray:
        """Return what is on the screen of each game, after `reset` too.

        Args:
            out: uint8 (B, H, W, channels), C-contiguous, to be filled in; None for a new array.
            channels: 3 for red, green, blue; 1 for grey.

        Returns:
            uint8 (B, H, W, channels): black, white (the player) and green (120, 240, 80), in grey 186.

        Raises:
            ValueError: out is no such array, or channels is neither 3 nor 1.
        """
        if channels not in CHANNELS:
            raise ValueError(f"channels: got {channels!r}; allowed are 3 (red, green, blue) and 1 (grey)")
        shape = (*self._shape, self.geometry.height, self.geometry.width, channels)
        if out is None:
            out = np.empty(shape, np.uint8)
        _check_out(out, shape, ("uint8",))
        flat = out.reshape(*shape[:2], -1)
        sizes, _, scroll = self._fixed
        games = (self._bodies, self._facts, self._heights)
        draw_games(sizes, scroll, self.geometry.lefts, *games, *self._scratch[channels], flat)
        return out

    def states(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return the seven numbers of each game (`RULES.md`, 9).

        Args:
            out: float64 or float32 (B, 7), C-contiguous, to be filled in; None for a new float64 array.

        Returns:
            (B, 7): the player's y, its velocity, its distance to the ceiling and to the floor, the distance to the next block,
            that block's centre, and the same plus the block's height. All NaN where there is no terrain at the player, which
            happens only if `geometry.has_gaps`.

        Raises:
            ValueError: out is no such array.
        """
        shape = (*self._shape, NUM_STATE)
        if out is None:
            out = np.empty(shape)
        _check_out(out, shape, ("float64", "float32"))
        describe_games(*self._fixed, self._bodies, self._facts, self._heights, out)
        return out

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copy where every game and its stream of random numbers is."""
        return {name: np.array(getattr(self, f"_{name}")) for name in STORED}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state_dict`, to the bit.

        Raises:
            ValueError: it is of another number or size of games.
        """
        for name in STORED:
            ours = np.shape(getattr(self, f"_{name}"))
            if np.shape(state[name]) != ours:
                raise ValueError(f"state: got {name} of shape {np.shape(state[name])}; allowed is {ours}, of games alike")
        for name in STORED[:-1]:
            getattr(self, f"_{name}")[:] = state[name]
        self._started = bool(state["started"])

    def _games(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self._bodies, self._facts, self._heights, self._words, self._used

    def _make_scratch(self, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        edges = edges_of(self.geometry.width, self.geometry.height, channels)
        return pattern_of(self.geometry.width, channels), edges, np.arange(self.geometry.height, dtype=edges.dtype)

    def _make_level(self) -> np.ndarray:
        """Return the stream of the fixed level as the start of the episode finds it, int64 (625,)."""
        one = Games(1, self.geometry.width, self.geometry.height, self.geometry.fps, self.geometry.rounding)
        one.reset([FIXED_SEED])
        for _ in range(FIXED_STARTS - 1):
            one.reset()
        return np.append(one._words[0], one._used[0]).astype(np.int64)

    def _checked_seeds(self, seeds: Sequence[int] | np.ndarray) -> np.ndarray:
        if np.shape(seeds) != self._shape:
            raise ValueError(f"seeds: got shape {np.shape(seeds)}; allowed is {self._shape}, one for every game")
        for i, seed in enumerate(seeds):
            _check_whole(f"seeds[{i}]", seed, 0, MAX_SEED)
        return np.array(seeds, np.int64)


def _check_whole(name: str, value: Any, least: int, most: float = np.inf) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or not least <= int(value) <= most:
        allowed = f"{least} and above" if most == np.inf else f"{least} to {most}"
        raise ValueError(f"{name}: got {value!r}; allowed is a whole number, {allowed}")


def _check_out(out: np.ndarray, shape: tuple[int, ...], dtypes: tuple[str, ...]) -> None:
    """Refuse what compiled code cannot write to as it is."""
    right = isinstance(out, np.ndarray) and out.shape == shape and out.dtype.name in dtypes
    if not right or not out.flags.c_contiguous or not out.flags.writeable:
        got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
        raise ValueError(f"out: got {got}; allowed is {' or '.join(dtypes)} {shape}, C-contiguous and writeable")
