"""The comparison with the reference simulator, with a stand-in for it."""

import sys
import types

import numpy as np
import pytest

from wmlib.envs.pommerman import Games, reference


class StandIn:
    """Our own engine, with the attributes of the reference's environment."""

    def __init__(self, wrong_step=None):
        self.rng, self.wrong_step = np.random.default_rng(3), wrong_step

    def reset(self):
        self.games = Games(1, self.rng, starts=1)
        self.look()

    def look(self):
        board, life, blast, direction, owner, flames, hidden = self.games.full_states()[0, :847].reshape(7, 11, 11).astype(int)
        agents = self.games.full_states()[0, 847:].reshape(4, 6).tolist()
        names = "ammo blast_strength can_kick is_alive".split()
        self._agents = [
            types.SimpleNamespace(agent_id=i, position=(y, x), **dict(zip(names, rest, strict=True)))
            for i, (y, x, *rest) in enumerate(agents)
        ]
        self._board, self._step_count = board, int(self.games.fields["step_count"][0])
        at = [tuple(map(int, cell)) for cell in np.argwhere(life)]
        moving = [types.SimpleNamespace(value=int(direction[c])) if direction[c] else None for c in at]
        self._bombs = [
            types.SimpleNamespace(
                position=c, life=life[c], blast_strength=blast[c], moving_direction=d, bomber=self._agents[owner[c] - 1]
            )
            for c, d in zip(at, moving, strict=True)
        ]
        self._flames = [
            types.SimpleNamespace(position=tuple(c), life=k) for k in range(3) for c in np.argwhere(flames >> k & 1).tolist()
        ]
        self._items = {tuple(c): hidden[tuple(c)] for c in np.argwhere(hidden).tolist()}

    def step(self, actions):
        self.games.step(np.array([actions]))
        self.look()
        if self._step_count == self.wrong_step:
            self._agents[1].ammo += 1
        result = types.SimpleNamespace(value=int(self.games.results[0]))
        return None, self.games.rewards[0].tolist(), not self.games.running[0], {"result": result}


def test_the_comparison_counts_equal_steps_and_stops_at_a_difference(monkeypatch):
    assert reference.compare(3, np.random.default_rng(1), env=StandIn()) > 30
    with pytest.raises(AssertionError, match=r"game 0, step 5, .* states differ in \[855\] of 871"):
        reference.compare(3, np.random.default_rng(1), env=StandIn(wrong_step=5))
    monkeypatch.setitem(sys.modules, "pommerman", None)  # as if it were not there
    with pytest.raises(ImportError, match="package pommerman is not installed"):
        reference.compare(1, np.random.default_rng(1))
