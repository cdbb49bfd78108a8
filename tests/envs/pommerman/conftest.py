"""What several test files of Pommerman share."""

import numpy as np
import pytest

from wmlib.envs.pommerman import Games, act


@pytest.fixture(scope="session")
def some_games():
    """Return a function that makes games in full swing: some_games(variant, count, steps, style, seed)."""

    def make(variant="ffa", count=37, steps=45, style="chaos", seed=3):
        rng = np.random.default_rng(seed)
        games = Games(count, rng, variant, starts=53)
        for _ in range(steps):
            games.step(act(games.rows, rng, style))
        return games

    return make
