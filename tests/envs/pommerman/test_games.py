"""Many games at once: each is the game alone, a finished one is shown and then replaced, bad arguments are named."""

import numpy as np
import pytest

from wmlib.envs import pommerman
from wmlib.envs.pommerman import Games, views
from wmlib.envs.pommerman.layout import WIN


def test_a_finished_game_is_shown_and_then_replaced():
    rng = np.random.default_rng(6)
    games = Games(64, rng, starts=7)
    ends = restarts = 0
    for _ in range(120):
        before, running = games.full_states(), games.running
        games.step(rng.integers(6, size=(64, 4)))
        states, count = games.full_states(), games.fields["step_count"]
        fresh = ~running
        assert (count[fresh] == 0).all() and (count[running] > 0).all() and not games.rewards[fresh].any()
        assert games.running[fresh].all()
        starts = {start.tobytes() for start in views.full_states(games.starts)}
        assert all(state.tobytes() in starts for state in states[fresh])
        over = ~games.running
        alive = states[over, 847:].reshape(-1, 4, 6)[:, :, 5].sum(axis=1)
        assert np.array_equal(alive == 1, games.results[over] == WIN) and (alive <= 1).all()
        assert (before[fresh] != states[fresh]).any(axis=1).all()
        ends, restarts = ends + over.sum(), restarts + fresh.sum()
    assert ends > 100 and restarts > 100


def test_games_in_a_batch_are_the_games_alone():
    rng = np.random.default_rng(8)
    starts = pommerman.start_rows(13, rng)
    many, alone = Games(13, None, starts=starts), [Games(1, None, starts=starts[i : i + 1]) for i in range(13)]
    first = many.running  # those still in their first game
    for _ in range(60):
        actions = rng.integers(6, size=(13, 4), dtype=np.uint8)
        many.step(actions)
        for i in np.flatnonzero(first):
            alone[i].step(actions[i : i + 1])
            assert np.array_equal(many.rows[i], alone[i].rows[0]) and many.results[i] == alone[i].results[0]
        first &= many.running
    assert not first.any()


@pytest.mark.parametrize("value", [6, -1, 255, 256, -250])
def test_a_wrong_action_is_refused_before_anything_is_played(value, some_games):
    games = some_games(steps=3)
    rows = games.rows.copy()
    actions = np.zeros((37, 4), int)
    actions[5, 2] = value
    with pytest.raises(ValueError, match=r"actions\[5\]: got one that is not in 0 to 5"):
        games.step(actions)
    assert np.array_equal(games.rows, rows)


def test_actions_of_any_integer_dtype_and_order_are_the_same(some_games):
    results = []
    for convert in (np.uint8, np.int64, np.int8, np.asfortranarray):
        games = some_games(steps=3)
        actions = convert(np.random.default_rng(1).integers(6, size=(37, 4), dtype=np.uint8))
        games.step(actions)
        results.append(games.rows)
    assert all(np.array_equal(results[0], other) for other in results)


def test_bad_arguments_of_a_batch_are_named():
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="count: got 0"):
        Games(0, rng)
    with pytest.raises(ValueError, match="starts: got 0; allowed is 1 and above"):
        Games(3, rng, starts=0)
    with pytest.raises(ValueError, match="rng: got None"):
        Games(3, None)
    with pytest.raises(ValueError, match=r"starts: got uint8 \(3, 7\)"):
        Games(3, rng, starts=np.zeros((3, 7), np.uint8))
    with pytest.raises(ValueError, match="variant: got 'x'"):
        Games(3, rng, "x")
    games = Games(3, rng, starts=3)
    with pytest.raises(ValueError, match=r"actions: got shape \(4,\); allowed is \(3, 4\)"):
        games.step(np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match="actions: got dtype float64; allowed are integers"):
        games.step(np.zeros((3, 4)))
