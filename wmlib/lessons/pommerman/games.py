"""Games of scripted players, recorded step by step, and which of them are for what.

Reading guide. `record_games` plays, or finds the same games again, and returns a folder; `load_games` reads it. `split`
gives whole games to training, validation and test.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wmlib.envs.pommerman import Games, Style, act
from wmlib.experiment import seeding
from wmlib.training.jobs import parallel_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

RANDOM = Style(0.0, 0.0, 1.0)  # does anything at all
OPPONENT_MIXES = (  # who plays, game by game in turn
    ("simple",) * 4,
    ("simple", "chaos", "simple", "simple"),
    ("chaos",) * 4,
    ("simple", RANDOM, "chaos", "simple"),
)
BLOCK = 20  # games with one random stream and one worker; another number would make other games
HELD_OUT = 0.1  # proportion of the games for validation, and again for the test; two at least


class GameTable(NamedTuple):
    """Hold M states of G games, one game after another; the last row of a game has no action."""

    states: np.ndarray  # uint8 (M, 871), view B
    actions: np.ndarray  # uint8 (M, 4)
    starts: np.ndarray  # int64 (G + 1,), where each game begins; the last is M


class Split(NamedTuple):
    """Hold the numbers of the games for each use."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def record_games(run: Run, count: int) -> Path:
    """Play games, or find them in the cache; return their folder, for `load_games`.

    Args:
        run: its seed determines the games; how many workers there are does not matter.
        count: at least 10.

    Raises:
        ValueError: count below 10.
    """
    if count < 10:
        raise ValueError(f"count: got {count!r}; allowed is 10 and above, so that some games can be held out")
    return run.cached_folder(play_games, count, run.seed)


def play_games(folder: Path, count: int, seed: int) -> None:
    """Play games and write the arrays of a `GameTable` into a folder."""
    calls = [(seed, first, min(BLOCK, count - first)) for first in range(0, count, BLOCK)]
    blocks = parallel_map(play_block, calls, "games", parallel=len(calls) >= 4)
    states = [game for block in blocks for game in block[0]]
    actions = [game for block in blocks for game in block[1]]
    np.save(folder / "states.npy", np.concatenate(states))
    np.save(folder / "actions.npy", np.concatenate(actions))
    np.save(folder / "starts.npy", np.cumsum([0, *map(len, states)]))


def play_block(seed: int, first: int, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Play some games to their ends.

    Args:
        seed: of the run.
        first: number of the first game.
        count: how many.

    Returns:
        states uint8 (T, 871) and actions uint8 (T, 4) of each game.
    """
    rng = seeding.generator(seed, "pommerman games", first)
    games = Games(count, rng, starts=count)
    mixes = [OPPONENT_MIXES[(first + g) % len(OPPONENT_MIXES)] for g in range(count)]
    states: list[list[np.ndarray]] = [[] for _ in range(count)]
    actions: list[list[np.ndarray]] = [[] for _ in range(count)]
    unfinished = np.ones(count, bool)
    while unfinished.any():
        chosen = np.concatenate([act(games.rows[g : g + 1], rng, mixes[g]) for g in range(count)])
        current = games.full_states()
        for g in np.flatnonzero(unfinished):
            states[g].append(current[g])
            actions[g].append(chosen[g])
        unfinished &= games.running
        games.step(chosen)
    return [np.stack(game) for game in states], [np.stack(game) for game in actions]


def load_games(folder: Path) -> GameTable:
    """Return the games in a folder, mapped into memory."""
    arrays = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in GameTable._fields)
    return GameTable(*(array.view(np.ndarray) for array in arrays))


def split(table: GameTable) -> Split:
    """Return the games for training, validation and test: the last ones are held out, in whole games."""
    count = len(table.starts) - 1
    held_out = max(2, round(HELD_OUT * count))
    return Split(*np.split(np.arange(count), [count - 2 * held_out, count - held_out]))
