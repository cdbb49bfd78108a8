"""Pixelcopter with Gymnasium's interface: one game."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from wmlib.envs.pixelcopter.games import CHANNELS, MAX_SEED, Games
from wmlib.envs.pixelcopter.geometry import (
    AMPLITUDE,
    BLOCK_HEIGHT,
    BLOCK_X_HIGH,
    BLOCK_Y_HIGH,
    BLOCK_Y_LOW,
    BOTTOM_BOUND,
    CLIMB,
    FALL,
    HALF_GAP,
    MIDDLE,
    PLAYER_X,
    TOP_BOUND,
    Geometry,
)
from wmlib.envs.pixelcopter.rules import DAMPING, NOTHING, UP

ENV_ID = "wmlib/PixelCopter-v0"
MAX_EPISODE_STEPS = 10_000  # of the registered environment, as in gym-ple
COLOURS, GREY = CHANNELS
OBSERVATIONS = ("pixels", "grey", "state")
RENDER_MODES = (None, "rgb_array")


class PixelCopter(gymnasium.Env):
    """Fly a helicopter through a cave with one button.

    ## Action space
    `Discrete(2)`: 0 up, 1 nothing. One frame of "up" is worth about ten frames of gravity.

    ## Observation space
    `observation="pixels"`: `Box(0, 255, (H, W, 3), uint8)`, the screen: black, the player white, terrain and blocks green.
    `observation="grey"`: the same in one channel, `Box(0, 255, (H, W, 1), uint8)`.
    `observation="state"`: `Box` of shape (7,), float32, not normalized:

    | number | what | at 48 x 48 |
    |---|---|---|
    | 0 | the player's y, pixels from the top | 6 to 42 in a living game |
    | 1 | its velocity, pixels a frame, downward | |
    | 2 | its distance to the ceiling | |
    | 3 | its distance to the floor | |
    | 4 | horizontal distance to the next block, centre to centre | 0 to 55 |
    | 5 | that block's centre y | 12 to 35 |
    | 6 | the same plus the block's height | 21 to 44 |

    ## Rewards
    1 for each terrain column that leaves the screen and 1 for each block that is passed; -5 in the fatal frame, on top.

    ## Starting state
    The player hovers in the middle. Terrain and blocks are drawn anew. `reset(seed=s)`, s from 0 to 2^32 - 1, makes this and
    all following episodes depend on s and the actions alone; the level is the one that the reference draws from
    `numpy.random.RandomState(s)`.

    ## Episode end
    Termination: the player touches a block, the ceiling or the floor of the cave. Truncation: none by itself;
    `gymnasium.make` cuts after 10,000 frames.

    ## Arguments
    | argument | default | meaning |
    |---|---|---|
    | observation | "pixels" | or "grey" or "state" |
    | width, height | 48, 48 | pixels, 20 to 1024; "state" refuses widths that leave gaps in the terrain: 25 to 29 and 39 |
    | fps | 30 | frames a second, 1 to 240; it changes the physics |
    | rounding | "trunc" | how boxes are put on whole pixels: "trunc" as in pygame before 2.2, which all results before 2023 \
used; "round" as in newer ones |
    | fixed_level | False | every episode is on one and the same level, whatever the seed |
    | render_mode | None | "rgb_array": `render()` returns the screen |

    ## The fixed level
    The author's wrapper had a fixed seed of its own, 24. Who made a new environment for every episode and gave no seed has
    trained on a single level; `fixed_level=True` is that level.

    Source: the rules (`RULES.md`) are those of PyGame-Learning-Environment's Pixelcopter and of gym-ple's PixelCopter-v0.
    Differs: `reset` returns the picture of the new episode, gym-ple the last one of the episode before; its `seed(n)` used up
        the first episode of the stream, here it is played.

    Example:
        >>> import gymnasium, wmlib.envs
        >>> env = gymnasium.make("wmlib/PixelCopter-v0", observation="state")
        >>> state, _ = env.reset(seed=3)
        >>> state, reward, terminated, truncated, _ = env.step(0)  # up
        >>> state.shape, reward, terminated, state[1] < 0
        ((7,), 0.0, False, np.True_)
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        observation: str = "pixels",
        width: int = 48,
        height: int = 48,
        fps: int = 30,
        rounding: str = "trunc",
        fixed_level: bool = False,
        render_mode: str | None = None,
    ) -> None:
        check_modes(observation, render_mode)
        self.observation = observation
        self.render_mode = render_mode
        self._games = Games(1, width, height, fps, rounding, fixed_level=fixed_level)
        self.observation_space = observation_space(observation, self._games.geometry)
        self.action_space = spaces.Discrete(2)
        self._running = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode; without a seed the next one of the game's stream of random numbers."""
        super().reset(seed=seed)
        if seed is not None:
            self._games.reset([seed])
        elif self._games.started:
            self._games.reset()
        else:
            self._games.reset([int(self.np_random.integers(MAX_SEED + 1))])
        self._running = True
        return observe(self._games, self.observation)[0], {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Play one frame.

        Raises:
            ValueError: the action is not in the action space.
            RuntimeError: the episode is over, or there is none.
        """
        if not self._running:
            raise RuntimeError("the episode is over or has not begun: call reset() before step()")
        if np.shape(action) != () or action not in (UP, NOTHING):
            raise ValueError(f"action: got {action!r}; allowed are {UP} (up) and {NOTHING} (nothing)")
        self._games.step(np.array([int(action)]))
        terminated = bool(self._games.terminated[0])
        self._running = not terminated
        return observe(self._games, self.observation)[0], float(self._games.rewards[0]), terminated, False, {}

    def render(self) -> np.ndarray | None:
        """Return the screen, uint8 (H, W, 3); None without a render_mode."""
        if self.render_mode is None:
            return None
        return self._games.pictures()[0]


def check_modes(observation: str, render_mode: str | None) -> None:
    """Refuse an observation or a render_mode that there is not.

    Raises:
        ValueError: names it.
    """
    if observation not in OBSERVATIONS:
        raise ValueError(f"observation: got {observation!r}; allowed are {', '.join(map(repr, OBSERVATIONS))}")
    if render_mode not in RENDER_MODES:
        raise ValueError(f"render_mode: got {render_mode!r}; allowed are {', '.join(map(repr, RENDER_MODES))}")


def observation_space(observation: str, geometry: Geometry) -> spaces.Box:
    """Return the space of one game's observations.

    Raises:
        ValueError: "state" with a width that leaves gaps in the terrain, where ceiling and floor have no number.
    """
    if observation != "state":
        channels = COLOURS if observation == "pixels" else GREY
        return spaces.Box(0, 255, (geometry.height, geometry.width, channels), np.uint8)
    if geometry.has_gaps:
        raise ValueError(
            f"width: got {geometry.width}, which leaves gaps in the terrain, where the numbers of 'state' are not defined; "
            "take another width, for example 48, or observation='pixels'"
        )
    sizes = geometry.sizes
    numbers = geometry.numbers
    # a velocity that is damped by d every frame stays below a · d / (1 - d)
    most = DAMPING / (1 - DAMPING)
    fastest_up = numbers[CLIMB] * most
    fastest_down = numbers[FALL] * most
    highest = numbers[TOP_BOUND] + fastest_up
    lowest = numbers[BOTTOM_BOUND] + fastest_down
    # middles of columns, cut to whole pixels
    middle_high = numbers[MIDDLE] - numbers[AMPLITUDE] - 1
    middle_low = numbers[MIDDLE] + numbers[AMPLITUDE]
    gap = numbers[HALF_GAP]
    farthest = sizes[BLOCK_X_HIGH] - sizes[PLAYER_X]
    block_high = sizes[BLOCK_Y_LOW]
    block_low = sizes[BLOCK_Y_HIGH]
    low = [highest, fastest_up, highest - middle_low + gap, middle_high + gap - lowest, 0, block_high, block_high]
    high = [lowest, fastest_down, lowest - middle_high + gap, middle_low + gap - highest, farthest, block_low]
    high.append(block_low + sizes[BLOCK_HEIGHT])
    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32))


def observe(games: Games, observation: str) -> np.ndarray:
    """Return the observations of all games in a new array, (B, H, W, 3 or 1) or (B, 7)."""
    if observation == "state":
        return games.states(np.empty((games.num_games, 7), np.float32))
    return games.pictures(channels=COLOURS if observation == "pixels" else GREY)
