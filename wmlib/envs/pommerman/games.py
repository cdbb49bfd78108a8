"""Many games at once, for data collection: one call steps them all, and none waits for another.

Example:
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> games = Games(64, rng)
    >>> for _ in range(100):
    ...     vectors = games.features()  # uint8 (64, 4, 372), what the agents see
    ...     games.step(rng.integers(6, size=(64, 4), dtype=np.uint8))
    >>> games.rewards.shape, games.results.dtype
    ((64, 4), dtype('uint8'))
"""

from typing import Any

import numpy as np

from wmlib.envs.pommerman.boards import start_rows
from wmlib.envs.pommerman.checks import UINT8, check_count, checked_rows, checked_starts, own
from wmlib.envs.pommerman.layout import AGENTS, GAME, LAY, RUNNING, WISHES
from wmlib.envs.pommerman.rules import play_checked
from wmlib.envs.pommerman.views import features_of, full_states_of


class Games:
    """Play B games at once, vectorized; a finished one is shown as it ended, and the next call puts a new one in its place.

    That call does not look at the actions of the game it replaces and gives it no reward, as in Gymnasium's vector
    environments ("next step" mode). So every state is seen, the last of each game too, and pairs of consecutive states are
    one step apart except where `results` was not RUNNING (3) before the call.

    Args:
        count: B, 1 and above.
        rng: draws the start positions, now; nothing is drawn later. None if `starts` are positions.
        variant: "ffa", "team" (fog, blasts up to 4) or "team_full_view".
        starts: how many start positions are drawn, 1 and above; the games take them in turn, over and over. Or the
            positions: uint8 (S, ROW) from `start_rows` or `from_full_states`, which then say the variant too.

    Raises:
        ValueError: count or starts out of range, no such variant, no generator.

    What compiled code reads and writes is this object's own: rows that are assigned and starts that are given are checked.

    Source: ours.
    """

    def __init__(
        self, count: int, rng: np.random.Generator | None, variant: str = "ffa", starts: int | np.ndarray = 1000
    ) -> None:
        check_count(count=count)
        if not isinstance(starts, np.ndarray):
            check_count(starts=starts)
            starts = start_rows(starts, rng, variant)  # type: ignore[arg-type]  # refuses None
        self._starts = checked_starts(starts).copy()
        self._rows = self._starts[np.arange(count) % len(self._starts)]
        self._shown = own(self._rows)
        self._rewards = np.zeros((count, AGENTS), np.int8)
        self._results = np.full(count, RUNNING, np.uint8)
        self._shape = (int(count), AGENTS)
        self._turn = np.array([count])
        self._wishes = np.zeros(WISHES, np.uint8)

    @property
    def rows(self) -> np.ndarray:
        """The games, uint8 (B, ROW), read-only; to change them, assign rows of the same shape, which are checked."""
        return self._shown

    @rows.setter
    def rows(self, rows: np.ndarray) -> None:
        rows = checked_rows(rows)
        if rows.shape != self._rows.shape:
            raise ValueError(f"rows: got shape {rows.shape}; allowed is {self._rows.shape}, as many games as there are")
        self._rows[:] = rows

    @property
    def starts(self) -> np.ndarray:
        """The start positions, uint8 (S, ROW), read-only."""
        view = self._starts.view()
        view.flags.writeable = False
        return view

    @property
    def rewards(self) -> np.ndarray:
        """The rewards of the last step, int8 (B, 4), -1, 0 or 1; the next step writes over them."""
        return self._rewards

    @property
    def results(self) -> np.ndarray:
        """The results after the last step, uint8 (B,), 0 won, 2 tie, 3 running; the next step writes over them."""
        return self._results

    @property
    def fields(self) -> np.ndarray:
        """The games field by field, a view of `rows` of dtype `layout.GAME`, (B,): fields["agents"]["ammo"] is (B, 4)."""
        return self.rows.view(GAME)[:, 0]

    @property
    def running(self) -> np.ndarray:
        """Which games are not over, bool (B,)."""
        return self._results == RUNNING

    def step(self, actions: np.ndarray) -> None:
        """Play one step of every running game and start anew those that are over; fills in rows, rewards and results.

        Args:
            actions: integers (B, 4): 0 stop, 1 up, 2 down, 3 left, 4 right, 5 lay a bomb. uint8 is taken as it is, other
                dtypes are copied first. Those of dead agents do not matter, but must be in range.

        Raises:
            ValueError: another shape or dtype, or an action out of range; then nothing has been played.
        """
        if type(actions) is not np.ndarray:
            actions = np.asarray(actions)
        if actions.shape != self._shape:
            raise ValueError(f"actions: got shape {actions.shape}; allowed is {self._shape}, one for every agent")
        if actions.dtype is not UINT8:
            if actions.dtype.kind not in "iu":
                raise ValueError(f"actions: got dtype {actions.dtype}; allowed are integers, for example uint8")
            actions = actions.clip(0, LAY + 1).astype(np.uint8) + np.uint8(LAY + 1) * (actions < 0)
        elif not actions.flags.c_contiguous:
            actions = actions.copy()
        wrong = play_checked(self._rows, actions, self._starts, self._turn, self._rewards, self._results, self._wishes)
        if wrong >= 0:
            raise ValueError(f"actions[{wrong}]: got one that is not in 0 to {LAY}: {LAY} lays a bomb, 0 stops")

    def features(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return what the four agents of each game see as 372 numbers, (B, 4, 372); see `views.features`."""
        return features_of(self._shown, out)

    def full_states(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return each game's whole state as 871 numbers, (B, 871); see `views.full_states`."""
        return full_states_of(self._shown, out)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._shown = own(self._rows)  # a copy's would show other games
