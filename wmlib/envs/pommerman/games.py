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

import numpy as np

from wmlib.envs.pommerman.boards import start_rows
from wmlib.envs.pommerman.layout import AGENTS, GAME, LAY, ROW, RUNNING, WISHES
from wmlib.envs.pommerman.rules import play
from wmlib.envs.pommerman.views import features, full_states

UINT8 = np.dtype(np.uint8)  # there is only one such object, and asking for it is quick


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

    Attributes: rows uint8 (B, ROW), the games; rewards int8 (B, 4), -1, 0 or 1; results uint8 (B,), 0 won, 2 tie, 3 running.

    Raises:
        ValueError: count or starts out of range, no such variant, no generator.

    Source: ours.
    """

    def __init__(
        self, count: int, rng: np.random.Generator | None, variant: str = "ffa", starts: int | np.ndarray = 1000
    ) -> None:
        if count < 1:
            raise ValueError(f"count: got {count!r}; allowed is 1 and above, for example count=1024")
        if not isinstance(starts, np.ndarray):
            if starts < 1:
                raise ValueError(f"starts: got {starts!r}; allowed is 1 and above, or an array of start_rows()")
            if rng is None:
                raise ValueError("rng: got None; start positions are drawn, pass for example np.random.default_rng(seed)")
            starts = start_rows(starts, rng, variant)
        self.starts = np.ascontiguousarray(starts)
        if starts.ndim != 2 or starts.shape[1] != ROW or starts.dtype != np.uint8 or not len(starts):
            raise ValueError(f"starts: got {starts.dtype} {starts.shape}; allowed is uint8 (S, {ROW}), as start_rows() makes")
        self.rows = self.starts[np.arange(count) % len(self.starts)]
        self.rewards = np.zeros((count, AGENTS), np.int8)
        self.results = np.full(count, RUNNING, np.uint8)
        self._shape = (count, AGENTS)
        self._turn = np.array([count])
        self._wishes = np.zeros(WISHES, np.uint8)

    @property
    def fields(self) -> np.ndarray:
        """The games field by field, a view of `rows` of dtype `layout.GAME`, (B,): fields["agents"]["ammo"] is (B, 4)."""
        return self.rows.view(GAME)[:, 0]

    @property
    def running(self) -> np.ndarray:
        """Which games are not over, bool (B,)."""
        return self.results == RUNNING

    def step(self, actions: np.ndarray) -> None:
        """Play one step of every running game and start anew those that are over; fills in rows, rewards and results.

        Args:
            actions: integers (B, 4): 0 stop, 1 up, 2 down, 3 left, 4 right, 5 lay a bomb. uint8 is taken as it is, other
                dtypes are copied first. Those of dead agents do not matter, but must be in range.

        Raises:
            ValueError: another shape or dtype, or an action out of range; then nothing has been played.
        """
        if actions.shape != self._shape:
            raise ValueError(f"actions: got shape {actions.shape}; allowed is {self._shape}, one for every agent")
        if actions.dtype is not UINT8:
            if actions.dtype.kind not in "iu":
                raise ValueError(f"actions: got dtype {actions.dtype}; allowed are integers, for example uint8")
            actions = actions.clip(0, LAY + 1).astype(np.uint8) + np.uint8(LAY + 1) * (actions < 0)
        elif not actions.flags.c_contiguous:
            actions = actions.copy()
        wrong = play(self.rows, actions, self.starts, self._turn, self.rewards, self.results, self._wishes)
        if wrong >= 0:
            raise ValueError(f"actions[{wrong}]: got one that is not in 0 to {LAY}: {LAY} lays a bomb, 0 stops")

    def features(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return what the four agents of each game see as 372 numbers, (B, 4, 372); see `views.features`."""
        return features(self.rows, out)

    def full_states(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return each game's whole state as 871 numbers, (B, 871); see `views.full_states`."""
        return full_states(self.rows, out)
