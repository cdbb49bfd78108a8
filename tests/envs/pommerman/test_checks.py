"""Rows are looked at before compiled code reads them: every game is right, one wrong byte is found and named."""

import copy

import numpy as np
import pytest

from wmlib.envs.pommerman import Games, act, checks, features, full_states, rules
from wmlib.envs.pommerman.layout import GAME, ROW


def changed(rows, field, value, inside=None):
    rows = rows.copy()
    game = rows.view(GAME)[:, 0]
    (game if inside is None else game[inside])[field][5] = value
    return rows


def test_all_that_the_engine_makes_is_right(some_games):
    for variant in ("ffa", "team"):
        rows = some_games(variant).rows.copy()
        assert np.array_equal(checks.checked_rows(rows), rows)


@pytest.mark.parametrize(
    ("field", "value", "inside", "message"),
    [
        ("cell", 0, "agents", r"rows\[5\], agents' cell: got 0; allowed is 13"),
        ("ammo", 11, "agents", r"rows\[5\], agents' ammo: got 11; allowed is 0 to 10"),
        ("bombs", 255, None, r"rows\[5\], bombs: got 255; allowed is 0 to 121"),
        ("ground", 0, None, r"rows\[5\], ground of the rim: got 0; allowed is 1, rigid"),
        ("view", 12, None, r"rows\[5\], view: got 12"),
        ("step_count", 801, None, r"rows\[5\], step_count: got 801; allowed is 0 to 800"),
        ("flames", 7, None, r"rows\[5\], burning: got"),
    ],
)
def test_a_wrong_number_is_named_before_it_is_used(field, value, inside, message, some_games):
    rows = changed(some_games(steps=3).rows, field, value, inside)
    for use in (features, full_states, lambda rows: act(rows, np.random.default_rng(1))):
        with pytest.raises(ValueError, match=message):
            use(rows)
    with pytest.raises(ValueError, match=message.replace("rows", "starts")):
        Games(3, None, starts=rows)


def test_the_check_and_its_words_agree_about_changed_bytes(some_games):
    rng = np.random.default_rng(1)
    rows = some_games().rows
    found = 0
    for _ in range(300):
        row = rows[rng.integers(len(rows))][None].copy()
        row[0, rng.integers(ROW)] = rng.integers(256)
        right = all(np.all(ok) for _, _, ok, _ in checks._rules(row[0]))
        assert (checks._first_wrong(row) == -1) == right
        found += not right
    assert 50 < found < 300


def test_rows_of_games_are_trusted_and_only_they(some_games):
    games = some_games(steps=3)
    assert checks.checked_rows(games.rows[2:5]).base is games.rows.base
    with pytest.raises(ValueError, match="read-only"):
        games.rows[:] = 255
    twin = copy.deepcopy(games)
    twin.step(np.zeros((37, 4), int))
    assert (twin.fields["step_count"] == games.fields["step_count"] + 1).all()
    key = id(games._rows)
    assert key in checks._OWN
    del games
    assert key not in checks._OWN


def test_compiled_parts_cannot_be_called_from_python():
    with pytest.raises(TypeError, match=r"rules\.step is for compiled functions alone"):
        rules.step(1, 2, 3, 4)
