"""The blind bar of notebook 05: the longest life without a look at the fireballs.

Reading guide. `search` lets all scripted players play games of their own, finds the metronome's beat on them, and names the
player that lives longest there. That name is *the best blind player*: other games, the test games, say how long it lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from wmlib.envs.doom.scripted import BASELINES, metronome
from wmlib.lessons.vizdoom_dream import games

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

K = TypeVar("K")
METRONOME = "metronome"
PERIODS = (130, 110, 150, 90, 170, 70, 200)  # tics from turn to turn
PHASES = (0.5, 0.25, 0.75, 0.0)  # proportion of a period before the first turn; a half runs to and fro around the start
GAMES = "blind search"  # name of the games, which are used for nothing else


class Beat(NamedTuple):
    """Hold one metronome: tics before the first turn, and from turn to turn."""

    first: int
    period: int

    def policy(self) -> Callable:
        """Return the player."""
        return partial(metronome, first=self.first, period=self.period)


class BlindPlayers(NamedTuple):
    """Hold all blind players and what the search found."""

    policies: dict[str, Callable]  # by name, the metronome with the beat that was found
    beat: Beat
    tics: dict[str, np.ndarray]  # by name, int64 (games,), in the search games
    tried: list[tuple[int, int, float]]  # of each metronome: first, period, mean tics
    best: str  # name of the player with the longest mean life


def search(run: Run, count: int, periods: int, stored: Beat) -> BlindPlayers:
    """Find the best blind player on games that are used for nothing else.

    Args:
        count: games, the same for all.
        periods: so many of `PERIODS` are tried, each with a first turn after half a period, and then the other `PHASES` with
            the best of them; 0: nothing is tried, the beat is `stored`.
        stored: the beat of a search that was run before.
    """
    beats = [Beat(period // 2, period) for period in PERIODS[:periods]] or [stored]
    lives = _lives(run, beats, count)
    if periods:
        period = longest(lives).period
        lives |= _lives(run, [Beat(round(phase * period), period) for phase in PHASES[1:]], count)
    beat = longest(lives)
    scripted = dict(zip(BASELINES, games.play(run, list(BASELINES.values()), count, GAMES), strict=True))
    tics = {**scripted, METRONOME: lives[beat]}
    return BlindPlayers(
        policies={**BASELINES, METRONOME: beat.policy()},
        beat=beat,
        tics=tics,
        tried=[(*each, float(of_beat.mean())) for each, of_beat in lives.items()],
        best=longest(tics),
    )


def longest(lives: Mapping[K, np.ndarray]) -> K:
    """Return the key whose tics (games,) have the largest mean, the first of several."""
    return max(lives, key=lambda key: lives[key].mean())


def _lives(run: Run, beats: Sequence[Beat], count: int) -> dict[Beat, np.ndarray]:
    """Return the tics that metronomes live, int64 (count,) each."""
    return dict(zip(beats, games.play(run, [beat.policy() for beat in beats], count, GAMES), strict=True))
