"""What is built around the rules of Pommerman: views, start boards, batch, players, PettingZoo, pictures, comparison."""

import hashlib
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from wmlib.envs import pommerman
from wmlib.envs.pommerman import Games, Style, act, boards, drawing, layout, players, reference, rules, views
from wmlib.envs.pommerman.layout import MAX_STEPS, RUNNING, TIE, VARIANTS, WIN

ROWS = layout.ROW


def some_games(variant="ffa", count=37, steps=45, style="chaos", seed=3):
    rng = np.random.default_rng(seed)
    games = Games(count, rng, variant, starts=53)
    for _ in range(steps):
        games.step(act(games.rows, rng, style))
    return games


# Views


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_full_state_is_the_whole_state(variant):
    games = some_games(variant)
    states = games.full_states()
    again = Games(37, None, starts=pommerman.from_full_states(states, games.fields["step_count"], VARIANTS[variant]))
    assert np.array_equal(again.full_states(), states)
    games.results[:] = RUNNING
    rng = np.random.default_rng(4)
    for _ in range(15):
        actions = rng.integers(6, size=(37, 4), dtype=np.uint8)
        games.step(actions)
        again.step(actions)
        assert np.array_equal(games.full_states(), again.full_states()) and np.array_equal(games.rewards, again.rewards)
        games.results[:] = again.results[:] = RUNNING  # no new boards


def test_components_are_in_their_documented_ranges():
    game = some_games("team")
    vectors, states = game.features(), game.full_states()
    assert (states <= views.LARGEST).all() and set(np.unique(states[:, 6 * 121 : 7 * 121])) <= {0, 6, 7, 8}
    assert vectors.shape == (37, 4, 372) and vectors[..., :121].max() <= 13 and (vectors[..., 242:363] <= 9).all()
    assert (vectors[..., 363:365] <= 10).all() and (vectors[..., 368:] >= 9).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_features_and_observations_are_what_the_full_state_shows_within_the_view(variant):
    """A slow plain form of section 6, from view B."""
    games = some_games(variant)
    vectors = games.features()
    view = VARIANTS[variant].view
    for g in range(11):
        state = games.full_states()[g].astype(int)
        board, life, blast, direction, _, flames, _ = state[:847].reshape(7, 11, 11)
        agents = state[847:].reshape(4, 6)
        observed = pommerman.observations(games.rows[g])
        for i, (y, x, ammo, strength, kick, _) in enumerate(agents):
            rows, columns = np.mgrid[:11, :11]
            seen = (abs(rows - y) <= view) & (abs(columns - x) <= view)
            if variant == "ffa":
                friends = [9, *(10 + j for j in range(4) if j != i)]
            else:
                friends = [10 + (i + 2) % 4, *(10 + j for j in range(4) if j % 2 != i % 2), 9]
            planes = [np.where(seen, board, 5), blast * seen, life * seen]
            assert vectors[g, i].tolist() == [*np.ravel(planes).tolist(), y, x, ammo, strength, kick, *friends]
            one = observed[i]
            assert one["teammate"] == friends[0] and one["enemies"] == friends[1:] and one["position"] == (y, x)
            assert np.array_equal(one["bomb_moving_direction"], direction * seen)
            youngest = np.array([int(mask).bit_length() for mask in flames.ravel()]).reshape(11, 11)
            assert np.array_equal(one["flame_life"], youngest * seen)
            assert one["alive"] == [10 + j for j in range(4) if agents[j, 5]]
    assert (vectors[..., :121] == 5).any() == (variant == "team")


def test_observations_have_the_types_of_the_reference_and_are_copies():
    first, second, *_ = pommerman.observations(some_games().rows[0])
    assert first["board"].dtype == np.uint8 and first["bomb_life"].dtype == np.float64
    assert isinstance(first["can_kick"], bool) and isinstance(first["ammo"], int) and isinstance(first["alive"], list)
    assert sorted(first) == sorted(
        "alive board bomb_blast_strength bomb_life bomb_moving_direction flame_life game_type game_env position "
        "blast_strength can_kick ammo teammate enemies step_count".split()
    )
    first["board"][:] = 99
    first["alive"].append(99)
    assert second["board"].max() < 99 and 99 not in second["alive"]


def test_bad_states_are_named():
    states = some_games(steps=0).full_states().astype(int)
    for value, message in ((14, r"states\[0, 3\]: got 14; allowed is 0 to 13"), (-1, r"states\[0, 3\]: got -1")):
        wrong = states.copy()
        wrong[0, 3] = value
        with pytest.raises(ValueError, match=message):
            pommerman.from_full_states(wrong, 0, VARIANTS["ffa"])
    wrong = states.copy()
    wrong[2, 121 + 7] = 4
    with pytest.raises(ValueError, match=r"states\[2, 491\]: got 0; a cell with a bomb needs an owner"):
        pommerman.from_full_states(wrong, 0, VARIANTS["ffa"])
    with pytest.raises(ValueError, match=r"states: got shape \(3, 5\); allowed is \(B, 871\)"):
        pommerman.from_full_states(np.zeros((3, 5), int), 0, VARIANTS["ffa"])
    with pytest.raises(ValueError, match=r"rows: got uint8 \(3, 5\)"):
        pommerman.features(np.zeros((3, 5), np.uint8))
    with pytest.raises(ValueError, match=r"out: got shape \(2,\)"):
        pommerman.features(some_games(steps=0).rows, np.zeros(2))


# Start boards


def test_start_boards_follow_section_3():
    board, hidden = pommerman.start_boards(300, np.random.default_rng(2))
    assert (np.stack([board[:, r, c] for r, c in ((1, 1), (9, 1), (9, 9), (1, 9))], axis=1) == (10, 11, 12, 13)).all()
    walls = np.where(board > 2, 0, board)
    assert np.array_equal(walls, walls.transpose(0, 2, 1)) and not walls[:, range(11), range(11)].any()
    for r, c in ((1, 2), (1, 3), (9, 8), (9, 7), (1, 8), (1, 7), (8, 1), (7, 1)):
        assert not board[:, r, c].any() and not board[:, c, r].any()
    for r, c in ((1, 4), (1, 5), (1, 6), (9, 4), (9, 5), (9, 6)):
        assert (board[:, r, c] == 2).all() and (board[:, c, r] == 2).all()
    assert ((board == 1).sum(axis=(1, 2)) == 36).all() and ((board == 2).sum(axis=(1, 2)) == 36).all()
    assert ((hidden > 0).sum(axis=(1, 2)) == 20).all() and (board[hidden > 0] == 2).all()
    for one in board:  # a slow plain walk
        reached, todo = {(9, 9)}, [(9, 9)]
        while todo:
            y, x = todo.pop()
            for cell in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= min(cell) and max(cell) < 11 and one[cell] != 1 and cell not in reached:
                    reached.add(cell)
                    todo.append(cell)
        assert sum(one[cell] == 0 and cell not in reached for cell in np.ndindex(11, 11)) <= 4
        assert {(1, 1), (9, 1), (1, 9)} <= reached


def test_start_boards_are_drawn_evenly():
    board, hidden = pommerman.start_boards(3000, np.random.default_rng(9))
    flat = board.reshape(3000, 121)[:, boards.PAIRS[:, 0]]
    for code, share in ((1, 18 / 40), (2, 12 / 40)):  # nearly: thrown away boards favour some places a little
        assert np.abs((flat == code).mean(axis=0) - share).max() < 0.06
    kinds = np.bincount(hidden.ravel(), minlength=9)[6:] / hidden.astype(bool).sum()
    assert np.abs(kinds - 1 / 3).max() < 0.01
    share = (hidden > 0).sum(axis=0)[board[0] == 2] / (board == 2).sum(axis=0)[board[0] == 2]
    assert np.abs(share - 20 / 36).max() < 0.07
    cut = np.bincount(boards._cut_off(board), minlength=5) / 3000
    assert np.abs(cut - (0.091, 0.257, 0.328, 0.201, 0.123)).max() < 0.04 and len(cut) == 5


def test_boards_depend_on_the_generator_alone_and_counts_are_checked():
    a, b, c = (pommerman.start_rows(5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    with pytest.raises(ValueError, match="count: got 0; allowed is 1 and above"):
        pommerman.start_rows(0, np.random.default_rng(1))
    with pytest.raises(ValueError, match="variant: got 'solo'; allowed are 'ffa', 'team', 'team_full_view'"):
        pommerman.start_rows(1, np.random.default_rng(1), "solo")


# A batch of games


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
def test_a_wrong_action_is_refused_before_anything_is_played(value):
    games = some_games(steps=3)
    rows = games.rows.copy()
    actions = np.zeros((37, 4), int)
    actions[5, 2] = value
    with pytest.raises(ValueError, match=r"actions\[5\]: got one that is not in 0 to 5"):
        games.step(actions)
    assert np.array_equal(games.rows, rows)


def test_actions_of_any_integer_dtype_and_order_are_the_same():
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


# Scripted players


def rates(style, variant="ffa", count=48, steps=400, seed=1):
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
    seen = rates(style)
    assert (seen > least).all() and (seen < most).all(), seen


def test_players_differ_by_style_and_repeat_by_seed():
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


def test_players_see_no_further_than_fog_lets_them():
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


def test_bad_styles_are_named():
    rows = some_games(steps=0).rows
    with pytest.raises(ValueError, match="styles: got 'wild'; allowed are 'simple', 'chaos' and Style"):
        act(rows, np.random.default_rng(1), "wild")
    with pytest.raises(ValueError, match="styles: got 2; allowed is one for all or one for each"):
        act(rows, np.random.default_rng(1), ["simple", "chaos"])
    with pytest.raises(ValueError, match="rows: got"):
        act(rows[0], np.random.default_rng(1))


# PettingZoo


@pytest.mark.parametrize("arguments", [{}, {"variant": "team", "observation": "vector"}])
def test_pettingzoos_own_tests_are_content(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(pettingzoo.make("parallel", "wmlib/Pommerman-v0", **arguments), num_cycles=120)
        parallel_seed_test(lambda: pommerman.parallel_env(**arguments), num_cycles=40)


@pytest.mark.parametrize("variant", VARIANTS)
def test_observations_are_in_their_space_all_game_long(variant):
    env = pommerman.parallel_env(variant)
    seen, _ = env.reset(seed=2)
    rng = np.random.default_rng(2)
    while env.agents:
        for name, one in seen.items():
            assert one in env.observation_space(name), one
        seen, *_ = env.step({name: int(rng.integers(6)) for name in env.agents})


@pytest.mark.parametrize("variant", ["ffa", "team"])
def test_an_episode_ends_for_all_at_once_with_the_games_rewards(variant):
    env = pommerman.parallel_env(variant, observation="vector")
    outcomes = set()
    for seed in range(12):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        while env.agents:
            # the dead may be left out
            alive = env.state()[847:].reshape(4, 6)[:, 5]
            actions = {name: rng.integers(6) for name, one in zip(env.agents, alive, strict=True) if one}
            seen, rewards, terminated, truncated, infos = env.step(actions)
            assert set(seen) == set(rewards) == set(terminated) == set(env.possible_agents)
            assert len(set(terminated.values())) == 1 and not any(truncated.values())
        info = infos["agent_0"]
        won = [i for i in range(4) if rewards[f"agent_{i}"] == 1]
        assert info.get("winners", []) == won and (info["result"] == WIN) == bool(won)
        outcomes.add(tuple(won))
        with pytest.raises(RuntimeError, match=r"call reset\(\) before step"):
            env.step({})
    assert len(outcomes) > (2 if variant == "ffa" else 1)


def test_the_time_limit_ends_a_game_for_all():
    env = pommerman.parallel_env(observation="vector")
    env.reset(seed=1)
    steps = 0
    while env.agents:
        _, rewards, _, _, infos = env.step(dict.fromkeys(env.agents, 0))
        steps += 1
    assert steps == MAX_STEPS and set(rewards.values()) == {-1} and infos["agent_3"] == {"result": TIE}


def test_episodes_differ_and_repeat_by_seed():
    env = pommerman.parallel_env()
    runs = []
    for seed in (5, 5, 6):
        runs.append([env.reset(seed=s)[0]["agent_0"]["board"].tobytes() for s in (seed, None, None)])
    assert runs[0] == runs[1] != runs[2] and len(set(runs[0])) == 3


def test_bad_use_of_the_environment_is_named():
    for arguments, message in (
        ({"variant": "x"}, "variant: got 'x'"),
        ({"observation": "x"}, "observation: got 'x'; allowed are 'dict', 'vector'"),
        ({"render_mode": "human"}, "render_mode: got 'human'; allowed are None, 'rgb_array', 'ansi'"),
    ):
        with pytest.raises(ValueError, match=message):
            pommerman.parallel_env(**arguments)
    env = pommerman.parallel_env()
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        env.step({})
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.state()
    env.reset(seed=1)
    for action in (6, None, 1.5):
        with pytest.raises(ValueError, match=r"actions\['agent_2'\]: got .*; allowed is 0 \(stop\) to 5 \(bomb\)"):
            env.step({"agent_0": 0, "agent_1": 0, "agent_2": action, "agent_3": 0})


# Pictures and text


def test_pictures_and_text_show_the_game():
    env = pommerman.parallel_env(render_mode="rgb_array")
    env.reset(seed=1)
    first = env.render()
    assert first.shape == (220, 220, 3) and first.dtype == np.uint8
    env.step({**dict.fromkeys(env.agents, 0), "agent_0": 4})
    changed = (env.render() != first).any(axis=2)
    assert changed[20:40, 20:60].any() and not changed[60:].any() and not changed[:, 60:].any()
    games = some_games(steps=20)
    for row in games.rows:
        plain, coloured = drawing.text(row), drawing.text(row, colour=True)
        assert [len(line) for line in plain.splitlines()[:11]] == [11] * 11 and "\x1b[" in coloured
        codes = views.full_states(row[None])[0, :121]
        assert "".join(plain.splitlines()[:11]) == "".join(drawing.SIGNS[code] for code in codes)
    shown = pommerman.parallel_env(render_mode="ansi")
    shown.reset(seed=1)
    assert "step 0" in shown.render() and pommerman.parallel_env().render() is None
    with pytest.raises(ValueError, match="cell: got 3; allowed is 8 and above"):
        drawing.picture(games.rows[0], cell=3)


def test_bombs_under_agents_and_items_can_be_told_apart_in_a_picture():
    states = np.zeros((6, 871), int)
    states[0, 0], states[1, 0], states[2, 0], states[3, 0], states[4, 0] = 6, 7, 8, 3, 10
    states[3:6, 121], states[3:6, 242], states[3:6, 484] = 5, 2, 1
    states[4, 121] = states[4, 242] = 0
    states[5, 0] = 10
    states[4:, 847 + 5] = 1  # agent 0 lives
    pictures = [drawing.picture(row) for row in pommerman.from_full_states(states, 0, VARIANTS["ffa"])]
    assert len({one.tobytes() for one in pictures}) == 6


# The comparison with the reference, with a stand-in for it


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


# Numba's files on disk


@pytest.mark.parametrize("module", [rules, views, players], ids=lambda m: m.__name__)
def test_compiled_modules_change_when_the_layout_does(module):
    """Numba compiles a function anew only if its own file has changed, so that file names the layout it was made for."""
    digest = hashlib.sha256(Path(layout.__file__).read_bytes()).hexdigest()[:12]
    assert module.LAYOUT == digest, f'write LAYOUT = "{digest}" in {Path(module.__file__).name}'
