"""One Doom engine that cannot be lost: it is started again and the episode replayed when its process dies.

Reading guide. An episode is its seed and its actions, nothing else, so a fresh engine can always be brought to where the old
one was. `DoomEngine._catch_up` is the one place that talks to the engine: an ordinary step, a replay after a death and a
second engine that follows the first are all the same loop. How the process is started, watched and ended is in `process.py`.
"""

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wmlib.envs.doom import process
from wmlib.envs.doom.process import EngineKilled, EngineProcess

ATTEMPTS = 3


class DoomEngine:
    """Play episodes of a scenario of the vizdoom package, one tic an action.

    Args:
        scenario: name of a scenario that comes with vizdoom, for example "take_cover".
        size: (width, height) of the frames in pixels; one of the engine's, for example (160, 120).
        settings: what differs from the scenario's file, by the names in that file, for example {"doom_skill": 4}.

    Raises:
        ImportError: vizdoom is not installed.

    `begin`, `advance` and `follow` raise:
        EngineError: the engine cannot be started; the message says why and what to do.
        RuntimeError: it died, or was silent, again and again.

    Source: ours; the engine is ViZDoom (Wydmuch, Kempka & Jaśkowski 2018, arXiv 1809.03470).
    """

    def __init__(self, scenario: str, size: tuple[int, int], settings: dict[str, object]) -> None:
        vizdoom = _import_vizdoom()
        self._died = (
            EngineKilled,
            vizdoom.ViZDoomErrorException,
            vizdoom.ViZDoomUnexpectedExitException,
            vizdoom.ViZDoomIsNotRunningException,
            vizdoom.MessageQueueException,
        )
        self._scenario, self._size, self._settings = scenario, size, settings
        self._process: EngineProcess | None = None
        self._game: Any = None  # vizdoom's, while it runs
        self._stop: Callable[[], object] = lambda: None
        self.seed = 0
        self.actions: list[Sequence[int]] = []
        self._played = 0  # actions that this engine has played; -1: it must begin at the seed
        self.frame = np.zeros((size[1], size[0], 3), np.uint8)  # the last one seen
        self.over = True

    def begin(self, seed: int) -> None:
        """Start the episode of a seed, 0 … 2^32 - 1."""
        self.seed = seed
        self.actions = []
        self._played = -1
        self._catch_up()

    def advance(self, buttons: Sequence[int]) -> None:
        """Hold the buttons for one tic; then `over` tells whether the player died, and `frame` what was seen last."""
        self.actions.append(buttons)
        self._catch_up()

    def follow(self, other: "DoomEngine") -> None:
        """Come to the last frame that another engine of the same scenario has seen."""
        actions = other.actions[:-1] if other.over else other.actions
        if self._game is None or self.seed != other.seed or self.actions != actions[: len(self.actions)]:
            self._played = -1
        self.seed = other.seed
        self.actions = list(actions)
        self._catch_up()

    def close(self) -> None:
        """End the engine and remove its files; `begin` starts it again."""
        self._stop()
        self._process, self._game, self._played = None, None, -1

    def _catch_up(self) -> None:
        """Play what has not been played yet; -1 means from the seed."""
        for _ in range(ATTEMPTS):
            try:
                engine = self._process or self._launch()
                if self._played < 0:
                    engine.asked = time.monotonic()
                    self._game.set_seed(self.seed)
                    self._game.new_episode()
                    self._played = 0
                while self._played < len(self.actions):
                    engine.asked = time.monotonic()
                    self._game.make_action(self.actions[self._played])
                    self._played += 1
                engine.asked = 0.0
                self.over = self._game.is_episode_finished()
                if not self.over:
                    self.frame = self._game.get_state().screen_buffer
                return
            except self._died as error:
                silent = self._process is not None and self._process.silent
                last = f"no answer for {process.ANSWERS_WITHIN:g} s: is it stopped?" if silent else error
                self.close()
            except KeyboardInterrupt:  # the tic may have been played or not: the next call starts from the seed
                self.close()
                raise
        raise RuntimeError(
            f"the Doom engine died {ATTEMPTS} times at tic {len(self.actions)} of the episode of seed {self.seed} "
            f"({last}). Is memory short? The episode can be played again from its seed"
        )

    def _launch(self) -> EngineProcess:
        def configure(game: Any) -> None:
            for name, value in self._settings.items():
                getattr(game, f"set_{name}")(value)

        self._process = engine = EngineProcess(self._scenario, self._size, configure)
        self._stop = weakref.finalize(self, engine.end)
        self._game = engine.game
        return engine


def _import_vizdoom():
    try:
        import vizdoom
    except ImportError as error:
        raise ImportError(
            "Doom needs the package vizdoom, which the extra `doom` brings: in the project's folder, "
            "pip install -c constraints.txt -e '.[doom]'"
        ) from error
    return vizdoom
