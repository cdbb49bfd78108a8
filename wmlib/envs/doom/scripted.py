"""Scripted players of Take Cover, all blind to fireballs: standing still, three random ones, a shuttle and a metronome.

Reading guide. A policy is a function of a random generator that returns a player: `player = held(rng)`, then
`action = player(frame)` for each frame of one episode (0 left, 1 stay, 2 right). All state is in the player, so a policy can
be used for many episodes at once, in any process.

How long a random player holds an action decides how far it gets, and so what "better than random" means: name the rule with
the score. And a score that the `shuttle` or the `metronome` reaches too is no proof that anyone looks at the fireballs.
"""

from collections.abc import Callable, Iterator

import numpy as np

LEFT, STAY, RIGHT = 0, 1, 2
Player = Callable[[np.ndarray], int]


def no_op(rng: np.random.Generator) -> Player:
    """Stand still."""
    return lambda frame: STAY


def fresh(rng: np.random.Generator) -> Player:
    """Draw a new action each tic, evenly from the three; what `action_space.sample()` does."""
    draws = _draws(rng)
    return lambda frame: next(draws)


def sticky(rng: np.random.Generator, keep: float = 0.9) -> Player:
    """Keep the last action with probability `keep`, else draw a new one.

    Source: Mufti's WorldModels repository (2018), random rollouts.
    """

    def actions() -> Iterator[int]:
        action = STAY
        draws = _draws(rng)
        while True:
            for kept in (rng.random(256) < keep).tolist():
                action = action if kept else next(draws)
                yield action

    play = actions()
    return lambda frame: next(play)


def held(rng: np.random.Generator, longest: int = 10) -> Player:
    """Draw an action and a number 1 … `longest`; draw both again at the next tic that the number divides.

    Source: Ha & Schmidhuber's doomrnn (2018), random rollouts. By this rule an action is held shorter than the number
        says: at tic 9 a 10 means one tic.
    """

    def actions() -> Iterator[int]:
        action = STAY
        number = 1
        tic = 0
        draws = _draws(rng)
        while True:
            if tic % number == 0:
                action = next(draws)
                number = int(rng.integers(1, longest + 1))
            yield action
            tic += 1

    play = actions()
    return lambda frame: next(play)


def shuttle(rng: np.random.Generator, filled: float = 0.95) -> Player:
    """Run to one side until its wall fills the edge of the picture, then to the other, and so on; ignore all fireballs.

    Args:
        rng: not used.
        filled: proportion of the edge that must be wall to turn, in (0, 1].

    Source: ours. Walls are brown, floor and ceiling grey: a pixel is wall where red exceeds blue by more than 16 of 255.
    """
    side = LEFT

    def play(frame: np.ndarray) -> int:
        nonlocal side
        edge = frame[:, :2] if side == LEFT else frame[:, -2:]  # (64, 2, 3)
        wall = edge[..., 0].astype(np.int16) - edge[..., 2] > 16
        if wall.mean() >= filled:
            side = RIGHT if side == LEFT else LEFT
        return side

    return play


def metronome(rng: np.random.Generator, first: int = 65, period: int = 130) -> Player:
    """Run left, turn after `first` tics and then every `period` tics; ignore every frame, walls included.

    Args:
        rng: not used.
        first: tics before the first turn, at least 0; 0: it runs right first.
        period: tics from one turn to the next, at least 1.

    Raises:
        ValueError: a number out of its range.

    Source: ours.
    """
    if first < 0 or period < 1:
        raise ValueError(f"first, period: got {first} and {period}; allowed are at least 0 and at least 1 tics")

    def actions() -> Iterator[int]:
        side = LEFT
        left = first
        while True:
            for _ in range(left):
                yield side
            side = RIGHT if side == LEFT else LEFT
            left = period

    play = actions()
    return lambda frame: next(play)


BASELINES: dict[str, Callable[[np.random.Generator], Player]] = {
    "no-op": no_op,
    "random, fresh each tic": fresh,
    "random, held 1-10": held,
    "random, sticky 0.9": sticky,
    "blind shuttle": shuttle,
}


def _draws(rng: np.random.Generator) -> Iterator[int]:
    """Yield actions, drawn in blocks, which is faster than one by one."""
    while True:
        yield from rng.integers(3, size=256).tolist()
