"""Recorded games: they are the engine's, the same for any number of workers, and held out as a whole."""

import numpy as np
import pytest

from wmlib.envs.pommerman import Games, from_full_states
from wmlib.envs.pommerman.layout import VARIANTS
from wmlib.lessons.pommerman.encoding import view_a
from wmlib.lessons.pommerman.games import GameTable, load_games, play_block, play_games, record_games, split


def test_games_are_those_of_the_engine(world):
    table = load_games(world.folder)
    assert len(table.starts) == 11 and table.starts[-1] == len(table.states) == len(table.actions)
    for game in (0, 3):
        first, last = table.starts[game], table.starts[game + 1]
        row = from_full_states(table.states[first : first + 1], 0, VARIANTS["ffa"])
        replay = Games(1, None, starts=row)
        for t in range(first, last - 1):  # the actions lead from each state to the next
            assert replay.running.all()
            replay.step(table.actions[t : t + 1])
            assert np.array_equal(replay.full_states()[0], table.states[t + 1])
        assert not replay.running.any()
        seen = view_a(table.states[last - 1 : last], np.array([2]))
        assert np.array_equal(replay.features()[0, 2], seen[0])


def test_games_do_not_depend_on_who_plays_them(world):
    table = load_games(world.folder)
    states, actions = play_block(1, 0, 10)
    assert list(map(len, states)) == np.diff(table.starts).tolist()
    assert np.array_equal(np.concatenate(states), table.states) and np.array_equal(np.concatenate(actions), table.actions)
    later, _ = play_block(1, 20, 2)  # another block of the same run: other games
    assert not np.array_equal(later[0][0], states[0][0])


def test_blocks_are_put_together_in_order(tmp_path):
    play_games(tmp_path, 22, seed=3)
    table = load_games(tmp_path)
    (states, _), (last, _) = play_block(3, 0, 20), play_block(3, 20, 2)
    assert len(table.starts) == 23
    assert np.array_equal(table.states[: table.starts[1]], states[0])
    assert np.array_equal(table.states[table.starts[21] :], last[1])


@pytest.mark.parametrize(("count", "sizes"), [(10, [6, 2, 2]), (160, [128, 16, 16])])
def test_split_is_by_game(count, sizes):
    parts = split(GameTable(None, None, np.arange(count + 1)))
    assert [len(part) for part in parts] == sizes and np.array_equal(np.concatenate(parts), np.arange(count))


def test_too_few_games_are_refused(world):
    with pytest.raises(ValueError, match="count: got 9"):
        record_games(world.run, 9)
