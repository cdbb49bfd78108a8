"""Scripted players: how often things happen, repeatability, survival, fog."""

import numpy as np
import pytest

from wmlib.envs.pommerman import Games, Style, act, layout


def frequencies(style, variant="ffa", count=48, steps=400, seed=1):
    """Return what happens in 100 steps of a living agent: bombs, kicks, pickups, deaths."""
    rng = np.random.default_rng(seed)
    games, total, lived = Games(count, rng, variant, starts=400), np.zeros(4), 0
    for _ in range(steps):
        agents, rolling = games.fields["agents"].copy(), (games.fields["bomb"]["direction"] > 0).sum(axis=1)
        actions, running, ground = act(games.rows, rng, style), games.running, games.fields["ground"].copy()
        games.step(actions)
        now, alive = games.fields["agents"], (agents["alive"] == 1) & running[:, None]
        lived += alive.sum()
        items = np.take_along_axis(ground, now["cell"].astype(int), 1) >= 6
        total += (
            (alive & (actions == 5) & (agents["ammo"] > 0)).sum(),
            np.maximum((games.fields["bomb"]["direction"] > 0).sum(axis=1) - rolling, 0)[running].sum(),
            (alive & items).sum(),
            (alive & (now["alive"] == 0)).sum(),
        )
    return 100 * total / lived


@pytest.mark.parametrize(
    "style, least, most", [("simple", (3, 0.01, 0.7, 0.12), (7, 0.3, 3, 0.6)), ("chaos", (6, 0.3, 1, 0.3), (11, 2, 4, 1.5))]
)
def test_scripted_players_fill_games_about_like_the_recorded_ones(style, least, most):
    """Recorded: simple 4.1 bombs, 0.05 kicks, 1.5 pickups, 0.30 deaths; chaos 7.5, 0.8, 1.4, 0.66."""
    seen = frequencies(style)
    assert (seen > least).all() and (seen < most).all(), seen


def test_players_differ_by_style_and_repeat_by_seed(some_games):
    rows = some_games(steps=30).rows
    one, again = (act(rows, np.random.default_rng(2), "simple") for _ in range(2))
    assert np.array_equal(one, again) and not np.array_equal(one, act(rows, np.random.default_rng(2), "chaos"))
    mixed = act(rows, np.random.default_rng(2), ["simple", "chaos", Style(0, 0, 0), "simple"])
    assert np.array_equal(mixed[:, [0, 3]], one[:, [0, 3]])
    dead = rows.view(layout.GAME)[:, 0]["agents"]["alive"] == 0
    assert dead.any() and not one[dead].any()


def test_a_careful_player_without_bombs_never_dies_of_its_own_accord():
    rng = np.random.default_rng(3)
    games = Games(16, rng, starts=16)
    careful = Style(0, 0, 0)
    for _ in range(200):
        games.step(act(games.rows, rng, [careful] * 4))
    assert games.fields["agents"]["alive"].all() and games.running.all()


def test_players_see_no_further_than_fog_lets_them(some_games):
    """What is outside the view of an agent, however it is changed, does not change what it does."""
    rng = np.random.default_rng(4)
    games = some_games("team", steps=25)
    cells = np.arange(169)
    for i in range(4):
        changed = games.rows.copy()
        fields = changed.view(layout.GAME)[:, 0]
        mine = fields["agents"]["cell"][:, i].astype(int)
        far = (abs(cells // 13 - (mine // 13)[:, None]) > 4) | (abs(cells % 13 - (mine % 13)[:, None]) > 4)
        free = far & (fields["bomb_at"] == 0) & (fields["flames"] == 0) & (fields["ground"] != 1)
        fields["ground"][free] = rng.choice([0, 2, 6, 7, 8], size=free.sum())
        seed = int(rng.integers(99))
        one, other = (act(rows, np.random.default_rng(seed), "chaos")[:, i] for rows in (games.rows, changed))
        assert np.array_equal(one, other)


def test_bad_styles_are_named(some_games):
    rows = some_games(steps=0).rows
    with pytest.raises(ValueError, match="styles: got 'wild'; allowed are 'simple', 'chaos' and Style"):
        act(rows, np.random.default_rng(1), "wild")
    with pytest.raises(ValueError, match="styles: got 2; allowed is one for all or one for each"):
        act(rows, np.random.default_rng(1), ["simple", "chaos"])
    with pytest.raises(ValueError, match="rows: got"):
        act(rows[0], np.random.default_rng(1))
