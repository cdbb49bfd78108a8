"""Policies that never look: whoever flies by a clock or by heart. The best of them is what an agent that looks has to beat.

Reading guide. A blind policy is a *tape*: its actions, one a frame, whatever happens. `play_tapes` scores many tapes on many
levels; `search` looks for the best rhythm, and evolves a tape from it, on levels that are used for nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wmlib.envs.pixelcopter import Games

UP, NOTHING = 0, 1
FRAMES = 600  # of a tape; afterwards the player falls
MOST_GAMES = 2**15  # at once, for the sake of memory
PERIODS = np.round(np.arange(6, 16.01, 0.1), 2)  # frames between two ups that the search tries


class Tape(NamedTuple):
    """Hold a blind policy and what it scored where it was searched."""

    name: str
    actions: np.ndarray  # int64 (T,)
    returns: np.ndarray  # (L,), on the levels of the search


def rhythm(period: float, phase: float, frames: int = FRAMES) -> np.ndarray:
    """Return a tape that goes up every `period` frames, on average, the first time after `phase` periods.

    Args:
        period: frames, 1 and above, not necessarily a whole number.
        phase: 0 … 1.
        frames: T.

    Example:
        >>> rhythm(2.5, 0.0, 8)
        array([0, 1, 0, 1, 1, 0, 1, 0])
    """
    actions = np.full(frames, NOTHING)
    ups = np.floor((np.arange(frames / period + 1) + phase) * period).astype(int)
    actions[ups[ups < frames]] = UP
    return actions


def play_tapes(tapes: np.ndarray, seeds: np.ndarray, fixed_level: bool = False) -> np.ndarray:
    """Return what tapes score.

    Args:
        tapes: int64 (P, T).
        seeds: (L,), of the levels.
        fixed_level: every level is the author's one.

    Returns:
        float64 (P, L), returns.
    """
    together = max(1, MOST_GAMES // len(seeds))
    return np.concatenate([_play(tapes[i : i + together], seeds, fixed_level) for i in range(0, len(tapes), together)])


def _play(tapes: np.ndarray, seeds: np.ndarray, fixed_level: bool) -> np.ndarray:
    count, frames = tapes.shape
    games = Games(count * len(seeds), fixed_level=fixed_level)
    games.reset(np.tile(seeds, count))
    returns = np.zeros(games.num_games)
    playing = np.ones(games.num_games, bool)
    frame = 0
    while playing.any():
        actions = tapes[:, frame] if frame < frames else np.full(count, NOTHING)
        games.step(np.repeat(actions, len(seeds)))
        returns += np.where(playing, games.rewards, 0.0)
        playing &= ~games.terminated
        frame += 1
    return returns.reshape(count, len(seeds))


def search(seeds: np.ndarray, generations: int, population: int, seed: int) -> list[Tape]:
    """Look for the best rhythm, then let a tape evolve from it.

    Args:
        seeds: (L,), of the levels that the search may see.
        generations, population: of the evolution: in each, so many changed copies of the best tape; the best stays.
        seed: of the changes.

    Returns:
        "never up", "best rhythm", "evolved tape", in this order.
    """
    never = np.full((1, FRAMES), NOTHING)
    rhythms = np.stack([rhythm(period, phase) for period in PERIODS for phase in np.arange(0, 1, 0.1)])
    scores = play_tapes(rhythms, seeds)
    best = int(scores.mean(1).argmax())
    tapes = [Tape("never up", never[0], play_tapes(never, seeds)[0]), Tape("best rhythm", rhythms[best], scores[best])]
    rng = np.random.default_rng(seed)
    tape, returns = tapes[-1].actions, tapes[-1].returns
    for _ in range(generations):
        children = np.stack([changed(tape, rng) for _ in range(population)])
        scores = play_tapes(children, seeds)
        best = int(scores.mean(1).argmax())
        if scores[best].mean() >= returns.mean():
            tape, returns = children[best], scores[best]
    return [*tapes, Tape("evolved tape", tape, returns)]


def changed(tape: np.ndarray, rng: np.random.Generator, horizon: int = 240) -> np.ndarray:
    """Return a tape with one to three of the ups before a frame moved by up to three frames, dropped or doubled."""
    actions = tape.copy()
    for _ in range(rng.integers(1, 4)):
        ups = np.flatnonzero(actions[:horizon] == UP)
        chosen = int(rng.choice(ups)) if len(ups) else 0
        kind = rng.integers(4)
        if kind < 3:
            actions[chosen] = NOTHING
        if kind != 2:
            actions[np.clip(chosen + rng.integers(-3, 4), 0, len(actions) - 1)] = UP
    return actions
