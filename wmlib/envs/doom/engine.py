"""One Doom engine process that cannot be lost: it is started again and the episode replayed when it dies.

Reading guide. An episode is its seed and its actions, nothing else, so a fresh engine can always be brought to where the old
one was. `DoomEngine._catch_up` is the one place that talks to the engine: an ordinary step, a replay after a death and a
second engine that follows the first are all the same loop. `_LAUNCHER` is the script that starts the engine.

The launcher does two things that the vizdoom package does not. The engine runs in a folder of its own, so nothing is written
into the caller's. And it never outlives us: if our process is killed, the end of a pipe tells the launcher, which ends the
engine and removes its folder and its shared memory. One thing is out of reach: vizdoom 1.3.2 takes the whole process down by
a segmentation fault if the engine dies while it is starting.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

ATTEMPTS = 3

# read succeeds on a line from us (we are done with the engine) and fails at the end of the pipe (we are gone). The watcher is
# nobody's child, so that whoever ends us with all our children, as joblib does after a fault, leaves it to its work
_LAUNCHER = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
previous=
for word; do [ "$previous" = +viz_instance_id ] && instance=$word; previous=$word; done
watch() {{
  read -r line </dev/fd/{pipe} || {{ kill -9 $$; rm -rf "$PWD" /dev/shm/ViZDoom*"$instance"; }}
}}
(watch </dev/null >/dev/null 2>&1 &)
exec "{engine}" "$@"
"""


class DoomEngine:
    """Play episodes of a scenario of the vizdoom package, one tic an action.

    Args:
        scenario: name of a scenario that comes with vizdoom, for example "take_cover".
        size: (width, height) of the frames in pixels; one of the engine's, for example (160, 120).
        settings: what differs from the scenario's file, by the names in that file, for example {"doom_skill": 4}.

    Raises:
        ImportError: vizdoom is not installed.

    Source: ours; the engine is ViZDoom (Wydmuch, Kempka & Jaśkowski 2018, arXiv 1809.03470).
    """

    def __init__(self, scenario: str, size: tuple[int, int], settings: dict[str, object]) -> None:
        self._vizdoom = vizdoom = _import_vizdoom()
        self._died = (
            vizdoom.ViZDoomErrorException,
            vizdoom.ViZDoomUnexpectedExitException,
            vizdoom.ViZDoomIsNotRunningException,
            vizdoom.MessageQueueException,
        )
        self._scenario, self._size, self._settings = scenario, size, settings
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
        self._game, self._played = None, -1

    def _catch_up(self) -> None:
        """Play what has not been played yet; -1 means from the seed."""
        for _ in range(ATTEMPTS):
            try:
                if self._game is None:
                    self._launch()
                if self._played < 0:
                    self._game.set_seed(self.seed)
                    self._game.new_episode()
                    self._played = 0
                while self._played < len(self.actions):
                    self._game.make_action(self.actions[self._played])
                    self._played += 1
                self.over = self._game.is_episode_finished()
                if not self.over:
                    self.frame = self._game.get_state().screen_buffer
                return
            except self._died as error:
                last = error
                self.close()
            except KeyboardInterrupt:  # the tic may have been played or not: the next call starts from the seed
                self.close()
                raise
        raise RuntimeError(
            f"the Doom engine died {ATTEMPTS} times at tic {len(self.actions)} of the episode of seed {self.seed} "
            f"({last}). Is memory short? The episode can be played again from its seed"
        )

    def _launch(self) -> None:
        vizdoom = self._vizdoom
        package = Path(vizdoom.__file__).parent
        folder = Path(tempfile.mkdtemp(prefix="wmlib-doom-"))
        inherited, ours = os.pipe()
        os.set_inheritable(inherited, True)
        launcher = folder / "launch"
        launcher.write_text(_LAUNCHER.format(pipe=inherited, engine=package / "vizdoom"))
        launcher.chmod(0o700)

        game = vizdoom.DoomGame()
        self._stop = weakref.finalize(self, _clean_up, game, folder, ours)
        game.load_config(str(package / "scenarios" / f"{self._scenario}.cfg"))
        for name, value in self._settings.items():
            getattr(game, f"set_{name}")(value)
        width, height = self._size
        game.set_screen_resolution(getattr(vizdoom.ScreenResolution, f"RES_{width}X{height}"))
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        game.set_window_visible(False)  # without a display a visible window ends the whole process
        game.set_sound_enabled(False)
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_vizdoom_path(str(launcher))
        game.set_doom_config_path(str(folder / "engine.ini"))
        try:
            game.init()
        finally:
            os.close(inherited)
        self._game = game


def _clean_up(game, folder: Path, pipe: int) -> None:
    game.close()
    with suppress(BrokenPipeError):
        os.write(pipe, b"\n")
    os.close(pipe)
    shutil.rmtree(folder, ignore_errors=True)


def _import_vizdoom():
    try:
        import vizdoom
    except ImportError as error:
        raise ImportError(
            "Doom needs the package vizdoom, which the extra `doom` brings: in the project's folder, "
            "pip install -c constraints.txt -e '.[doom]'"
        ) from error
    return vizdoom
