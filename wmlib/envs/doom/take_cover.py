"""Take Cover: monsters at the far wall throw fireballs, the player may step left or right and lives as long as it can.

Reading guide: `TakeCover` is the Gymnasium environment, `VARIANTS` is the table of what the two papers' wrappers did
differently, `shrink` makes 64 x 64 pixels of the screen. The engine process is in `engine.py`; scripted players are in
`scripted.py`.
"""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

from wmlib.envs.doom.engine import DoomEngine

SIZE = 64
ENV_ID = "wmlib/TakeCover-v0"
MAX_TICS = 2100  # 60 seconds of Doom
BUTTONS = ((1, 0), (0, 0), (0, 1))  # left, stay, right


class Variant(NamedTuple):
    """What one of the papers' wrappers asked of the engine, and the rows of the screen that it kept."""

    settings: dict[str, object]
    kept: float  # proportion of the rows, from the top


VARIANTS = {
    "mufti": Variant({"episode_start_time": 1}, 1.0),
    "world_models": Variant(
        {
            "episode_start_time": 14,  # the weapon is up by then
            "render_hud": True,
            "render_weapon": False,
            "render_crosshair": False,
            "render_decals": False,
            "render_particles": False,
        },
        5 / 6,  # the status bar is the rest
    ),
}


class TakeCover(gymnasium.Env):
    """Stay alive among fireballs, with two buttons.

    ## Action space
    `Discrete(3)`: 0 left, 1 stay, 2 right. With `continuous=True` `Box(-1, 1, (1,))`, split in thirds: below -1/3 left,
    above 1/3 right, else stay. One action is one tic of the game, 1/35 s.

    ## Observation space
    `Box(0, 255, (64, 64, 3), uint8)`: the screen, shrunk. Nothing is to be seen after death, so the observation that
    comes with it is the one before.

    ## Rewards
    1 a tic, the last and fatal one included: the return is the number of tics survived.

    ## Starting state
    The player stands in the middle, facing the wall where monsters appear. `reset(seed=s)` makes every frame of the
    episode depend on s and the actions alone, to the bit: in any process, after any other episodes.

    ## Episode end
    Termination: the player is dead. Truncation: `max_tics` are over and it is alive.

    ## Arguments
    | argument | default | meaning |
    |---|---|---|
    | variant | "mufti" | see below |
    | skill | 4 | difficulty 1 … 5 of the engine |
    | continuous | False | actions as a number in [-1, 1] |
    | max_tics | 2100 | the cap |
    | shrunk | True | False: observations are the screen as it is, (H, 160, 3) with H = 120 or 100, to be given to \
`shrink` in batches |
    | render_mode | None | "rgb_array": `render()` returns the whole screen, 640 x 480 |

    | variant | screen | kept | drawn | first tic | wrapper |
    |---|---|---|---|---|---|
    | "mufti" | 160 x 120 | all | the scenario's defaults: no status bar | 1 | Mufti's WorldModels repository, 2018 |
    | "world_models" | 160 x 120 | the upper 5/6 | status bar (cut off); no weapon, crosshair, decals, particles | 14 | \
Ha & Schmidhuber's doomrnn, 2018, over gym-doom |

    Source: the scenario is ViZDoom's `take_cover`; cap and thirds are gym-doom's and doomrnn's.
    Differs: doomrnn drew 640 x 480, stretched each frame to its own brightest and darkest pixel and shifted its values by
        one; ours does neither. It asked for skill 5, which today is another, much harder game than its scores can come
        from, so both variants start from 4, the scenario's own; pass skill=5 for the letter of it.

    Example:
        >>> import gymnasium, wmlib.envs
        >>> env = gymnasium.make("wmlib/TakeCover-v0")
        >>> frame, _ = env.reset(seed=3)
        >>> frame, reward, terminated, truncated, _ = env.step(0)  # left
        >>> frame.shape, reward, terminated
        ((64, 64, 3), 1.0, False)
        >>> env.close()
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 35}  # noqa: RUF012, Gymnasium's own form

    def __init__(
        self,
        variant: str = "mufti",
        skill: int = 4,
        continuous: bool = False,
        max_tics: int = MAX_TICS,
        shrunk: bool = True,
        render_mode: str | None = None,
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(f"variant: got {variant!r}; allowed are {', '.join(map(repr, VARIANTS))}")
        if skill not in range(1, 6):
            raise ValueError(f"skill: got {skill!r}; allowed are 1 (easy) to 5, for example skill=4")
        if max_tics < 1:
            raise ValueError(f"max_tics: got {max_tics!r}; allowed is 1 and above, for example max_tics={MAX_TICS}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: got {render_mode!r}; allowed are None and 'rgb_array'")
        self.continuous, self.max_tics, self.render_mode = continuous, max_tics, render_mode
        self._kept = round(120 * VARIANTS[variant].kept)
        self._shrunk = shrunk
        self.observation_space = spaces.Box(0, 255, (SIZE, SIZE, 3) if shrunk else (self._kept, 160, 3), np.uint8)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32) if continuous else spaces.Discrete(3)
        settings = {**VARIANTS[variant].settings, "doom_skill": skill}
        self._engine = DoomEngine("take_cover", (160, 120), settings)
        # Pictures for people come from a second engine, started when asked for: frames do not depend on who watches
        self._camera = DoomEngine("take_cover", (640, 480), settings)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode; without a seed the next one of the environment's own generator."""
        super().reset(seed=seed)
        self._engine.begin(int(self.np_random.integers(2**32)))
        self._see()
        return self._frame, {}

    def step(self, action: int | np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Play one tic.

        Raises:
            ValueError: the action is not in the action space.
            RuntimeError: the episode is over; or the engine died again and again.
        """
        if self._engine.over or len(self._engine.actions) >= self.max_tics:
            raise RuntimeError("the episode is over: call reset() before step()")
        self._engine.advance(BUTTONS[self._direction(action)])
        terminated = self._engine.over
        if not terminated:
            self._see()
        truncated = not terminated and len(self._engine.actions) >= self.max_tics
        return self._frame, 1.0, terminated, truncated, {}

    def render(self) -> np.ndarray | None:
        """Return the screen as it was last seen, uint8 (480, 640, 3); slow (several ms a tic), for videos."""
        if self.render_mode is None:
            return None
        self._camera.follow(self._engine)
        return self._camera.frame

    def close(self) -> None:
        """End the engine and remove its files."""
        self._engine.close()
        self._camera.close()

    def _see(self) -> None:
        screen = self._engine.frame[: self._kept]
        self._frame = shrink(screen) if self._shrunk else screen

    def _direction(self, action: int | np.ndarray) -> int:
        if self.continuous and np.shape(action) == (1,):
            value = np.asarray(action)[0]
            if -1 <= value <= 1:
                return 1 - int(value < -1 / 3) + int(value > 1 / 3)
        if not self.continuous and np.shape(action) == () and action in (0, 1, 2):
            return int(action)
        raise ValueError(f"action: got {action!r}; allowed is what {self.action_space} contains, see action_space.sample()")


def shrink(screens: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Shrink pictures to a square; many at once take a third of the time a picture.

    Args:
        screens: uint8 (H, W, 3) or (B, H, W, 3), C-contiguous.
        size: S, pixels.

    Returns:
        uint8 (S, S, 3) or (B, S, S, 3), C-contiguous: each pixel a triangle-weighted mean of those it covers ("bilinear"
        with antialiasing).

    Source: Pillow's BILINEAR, which Mufti's wrapper used through scipy.misc.imresize.
    Differs: computed by PyTorch, which is several times faster; a value may differ from Pillow's by 1 of 255.
    """
    # (B, 3, H, W), channels last in memory; by reshape, whose strides let PyTorch see that and return the same
    pictures = torch.from_numpy(screens.reshape(-1, *screens.shape[-3:])).permute(0, 3, 1, 2)
    small = torch.nn.functional.interpolate(pictures, size=(size, size), mode="bilinear", antialias=True)
    return small.permute(0, 2, 3, 1).reshape(*screens.shape[:-3], size, size, 3).numpy()
