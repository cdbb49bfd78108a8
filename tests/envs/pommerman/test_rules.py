"""The rules of Pommerman, one small drawn scene for each; no recordings needed. Names give the section or quirk of RULES.md.

A scene is the top left part of an otherwise empty board, lines split by "/": . free, # rigid, + wood, e r k items (extra bomb,
range, kick), 0 … 3 agents, o a bomb at rest, ^ v < > a moving one, * flames. Agents not in it stand far away at the bottom. A
step is what agents 0 … 3 do, one letter each (those left out stop): s u d l r, b lays a bomb.
"""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from wmlib.envs.pommerman import Games, act, from_full_states, layout, rules
from wmlib.envs.pommerman.layout import GAME, RUNNING, TIE, VARIANTS, WIN
from wmlib.envs.pommerman.views import BOARD, FULL_STATE

SIGNS, LETTERS = ".#+o*?erk-0123", "sudlrb"
ARROWS = "o^v<>"


class Scene:
    """A drawn game; bombs get life 9 and blast 2 and belong to agent 3, flames burn two steps more, unless said otherwise."""

    def __init__(self, drawing, kick="", dead="", life=9, blast=2, under=(), hidden=(), flame=4, variant="ffa", step=0):
        self.drawing = drawing
        planes = np.zeros((7, 11, 11), int)
        agents = [[10, 10 - 2 * i, 1, 2, int(str(i) in kick), int(str(i) not in dead)] for i in range(4)]
        bombs = dict.fromkeys(under, 0)  # bombs under agents
        for r, line in enumerate(drawing.split("/")):
            for c, sign in enumerate(line):
                if sign in ARROWS:
                    bombs[r, c] = ARROWS.index(sign)
                elif sign.isdigit():
                    agents[int(sign)][:2] = r, c
                planes[0, r, c] = 3 if sign in ARROWS else SIGNS.index(sign)
                planes[5, r, c] = flame if sign == "*" else 0
        for (r, c), direction in bombs.items():
            planes[1:5, r, c] = life, blast, direction, 3 + 1
        for r, c, item in hidden:
            planes[6, r, c] = SIGNS.index(item)
        for i, agent in enumerate(agents):
            if agent[5]:
                planes[0, agent[0], agent[1]] = 10 + i
        states = np.concatenate([planes.ravel(), np.ravel(agents)])[None]
        self.games = Games(1, None, starts=from_full_states(states, step, VARIANTS[variant]))

    def play(self, step):
        self.games.step(np.array([[LETTERS.index(letter) for letter in step.ljust(4, "s")]], np.uint8))
        return self

    @property
    def planes(self):
        return self.games.full_states()[0, : 7 * BOARD].reshape(7, 11, 11)

    def __str__(self):
        board, _, _, direction, *_ = self.planes
        height, width = self.drawing.count("/") + 1, len(self.drawing.split("/")[0])
        signs = np.where(board == 3, np.array([*ARROWS])[direction], np.array([*SIGNS])[board])
        return "/".join("".join(line[:width]) for line in signs[:height])

    def agent(self, i):
        """Row, column, ammo, blast strength, can kick, alive."""
        return self.games.full_states()[0, 7 * BOARD :].reshape(4, 6)[i].tolist()

    def set(self, i, **fields):
        return self._change(lambda game: [game["agents"][name].__setitem__(i, value) for name, value in fields.items()])

    def due(self, bomb):
        """Make a bomb explode in the next step."""
        return self._change(lambda game: game["bomb"]["life"].__setitem__(bomb, 1))

    def _change(self, change):
        rows = self.games.rows.copy()
        change(rows.view(GAME)[0, 0])
        self.games.rows = rows
        return self


# name: (first drawing, settings, step, drawing after it, step, drawing …)
MOVES = {
    "4.2 up down left right": ("../.0", {}, "u", ".0/..", "l", "0./..", "d", "../0.", "r", "../.0"),
    "4.2 rigid, wood and the edge stop": ("#0+", {}, "l", "#0+", "r", "#0+", "u", "#0+"),
    "4.2 flames do not stop, and kill": ("0*", {}, "r", ".*"),
    "4.2 a dead agent does nothing": ("0.", {"dead": "0"}, "r", ".."),
    "4.1 flames of a dying fire are gone before the move": ("0*", {"flame": 1}, "r", ".0"),
    "4.1 flames last as long as they have life": ("*.", {"flame": 4}, "s", "*.", "s", "*.", "s", ".."),
    "4.1 a hidden item shows and is taken at once": ("0*", {"flame": 1, "hidden": [(0, 1, "k")]}, "r", ".0"),
    "4.1 a hidden item shows": ("0*", {"flame": 1, "hidden": [(0, 1, "k")]}, "s", "0k"),
    "4.1 stacked flames: the item is lost (quirk 13)": (
        "*.",
        {"flame": 5, "hidden": [(0, 0, "e")]},
        "s",
        "*.",
        "s",
        "*.",
        "s",
        "..",
    ),
    "4.3 a bomb rolls on and rests at the edge": ("..<", {}, "s", ".<.", "s", "<..", "s", "o.."),
    "4.3 a bomb rests before rigid": (">#", {}, "s", "o#"),
    "4.3 a bomb rests before wood": (">+", {}, "s", "o+"),
    "4.3 a bomb rests before an item": (">e", {}, "s", "oe"),
    "4.3 a bomb rolls over where a dead agent lies": (">0.", {"dead": "0"}, "s", ".>.", "s", "..>"),
    "4.4 agents cannot swap (quirk 6)": ("01", {}, "rl", "01"),
    "4.4 bombs cannot swap (quirk 6)": ("><", {}, "s", "oo"),
    "4.4 a bomb stops that meets an agent": ("0<", {}, "r", "0o"),
    "4.4 an agent kicks back the bomb it meets": ("0<.", {"kick": "0"}, "r", ".0>"),
    "4.4 the bomb stops even if the agent is blocked": (".1/0<", {"kick": "0"}, "rd", ".1/0o"),
    "4.4 a blocked agent still stopped the bomb": ("0<#", {"kick": "0"}, "r", "0o#"),
    "4.5 rivals for a cell all fail (quirk 5)": ("0.1", {}, "rl", "0.1"),
    "4.5 four rivals": (".0./1.2/.3.", {}, "drlu", ".0./1.2/.3."),
    "4.5 an agent at rest is not moved": ("01.", {}, "r", "01."),
    "4.5 a train moves if its head moves (quirk 7)": ("01.", {}, "rr", ".01"),
    "4.5 a train stays if its head fails": ("01#", {}, "rr", "01#"),
    "4.5 a failure runs back through the train": ("01.2", {}, "rrl", "01.2"),
    "4.5 four in a square turn (quirk 7)": ("01/32", {}, "rdlu", "30/21"),
    "4.5 four in a square, one stops": ("01/32", {}, "rdls", "01/32"),
    "4.5 two bombs want one cell": (">.<", {}, "s", "o.o"),
    "4.5 agents and a bomb want one cell": ("0.1/.^.", {}, "rl", "0.1/.o."),
    "4.5 bombs roll one behind the other": (">>.#", {}, "s", ".>>#", "s", ".oo#"),
    "4.6 an agent on its bomb": ("0.", {"under": [(0, 0)]}, "s", "0.", "r", "o0"),
    "4.6 a bomb rests before an agent": (">0", {}, "s", "o0"),
    "4.6 no kick without the ability (quirk 17)": ("0o.", {}, "r", "0o."),
    "4.6 a kick": ("0o..", {"kick": "0"}, "r", ".0>.", "r", "..0>"),
    "4.6 no kick onto rigid": ("0o#", {"kick": "0"}, "r", "0o#"),
    "4.6 no kick onto wood": ("0o+", {"kick": "0"}, "r", "0o+"),
    "4.6 no kick onto an item (quirk 9)": ("0oe", {"kick": "0"}, "r", "0oe"),
    "4.6 no kick onto a bomb": ("0oo", {"kick": "0"}, "r", "0oo"),
    "4.6 no kick onto an agent": ("0o1", {"kick": "0"}, "r", "0o1"),
    "4.6 no kick off the board": ("o0.", {"kick": "0"}, "l", "o0."),
    "4.6 a kick into flames: it explodes there (quirk 9)": ("0o*", {"kick": "0", "blast": 1}, "r", ".0*"),
    "4.6 an agent that leaves makes room (quirk 8)": ("0o1./....", {"kick": "0"}, "rd", ".0>./..1."),
    "4.6 an agent that runs ahead makes room": ("0o1.", {"kick": "0"}, "rr", ".0>1"),
    "4.6 an agent that comes in blocks (quirk 8)": ("0o./..1", {"kick": "0"}, "ru", "0o1/..."),
    "4.6 a cell fought over by agents is blocked (quirk 5)": ("0o.2/..1.", {"kick": "0"}, "rul", "0o.2/..1."),
    "4.6 a cell fought over by bombs is blocked (quirk 5)": ("..v/0o./..^", {"kick": "0"}, "r", "..o/0o./..o"),
    "4.6 a bomb kicked as it comes in goes on directly (quirk 12)": (".../>../.0.", {"kick": "0"}, "u", ".^./.0./..."),
    "4.6 without kick both stay": (".../>../.0.", {}, "u", ".../o../.0."),
    "4.6 the boomerang keeps its cell (quirk 11)": ("0.<.", {"kick": "0"}, "r", ".0>.", "s", ".0.>"),
    "4.6 no boomerang if someone follows the bomb": ("0.<1", {"kick": "0"}, "rl", "0.o1"),
    "4.6 a kick from under an agent that leaves": ("01./...", {"kick": "0", "under": [(0, 1)]}, "rd", ".0>/.1."),
    "4.6 no kick from under an agent that stays": ("01.", {"kick": "0", "under": [(0, 1)]}, "r", "01."),
    "4.7 a train stays if its head fails late (quirk 7)": ("20o", {}, "rsr", "20o"),
    "4.7 a kick is undone, the bomb rests (quirk 10)": (".o./01.", {"kick": "0", "under": [(1, 1)]}, "ru", ".o./01."),
    "4.7 two kicked bombs want one cell": ("0o.o1", {"kick": "01"}, "rl", "0o.o1"),
    "4.7 a bomb rests behind an agent that fails late": (">1o", {}, "sr", "o1o"),
    "4.8 a stopped bomb stays at rest (quirk 10)": (">1./...", {}, "s", "o1./...", "sd", "o../.1."),
    "4.8 a bomb enters the cell an agent leaves": (">0.", {}, "r", ".>0"),
}


@pytest.mark.parametrize("name", MOVES)
def test_movement(name):
    drawing, settings, *rest = MOVES[name]
    scene = Scene(drawing, **settings)
    for step, after in zip(rest[::2], rest[1::2], strict=True):
        assert str(scene.play(step)) == after, f"after {step!r} in {drawing}"


def test_4_2_a_bomb_is_laid_with_the_owners_blast_and_counts_down_at_once():  # quirk 1
    scene = Scene("0.").set(0, blast=5).play("b")
    assert scene.planes[1:5, 0, 0].tolist() == [9, 5, 0, 1] and scene.agent(0) == [0, 0, 0, 5, 0, 1]
    assert str(scene) == "0." and str(scene.play("r")) == "o0"  # under its agent it is not drawn (quirk 17)
    assert scene.planes[2, 0, 0] == 5 and scene.set(0, blast=9).play("s").planes[2, 0, 0] == 5  # fixed when laid


def test_4_2_no_bomb_without_ammo_nor_on_a_bomb():  # quirk 16
    assert not Scene("0.").set(0, ammo=0).play("b").planes[1].any()
    scene = Scene("0.").set(0, ammo=3).play("b").play("b")
    assert scene.agent(0)[2] == 2 and scene.planes[1, 0, 0] == 8


def test_4_2_dead_agents_lay_nothing():
    assert not Scene("0.", dead="0").play("b").planes[1].any()


@pytest.mark.parametrize(
    "item, column, value, capped, variant",
    [("e", 2, 2, 10, "ffa"), ("r", 3, 3, 10, "ffa"), ("r", 3, 3, 4, "team"), ("k", 4, 1, 1, "ffa")],
)
def test_4_8_items_are_taken_up_to_their_cap(item, column, value, capped, variant):  # quirk 4
    scene = Scene(f"0{item}.", variant=variant).play("r")
    assert scene.agent(0)[column] == value and str(scene.play("r")) == "..0"  # the item is gone
    name = ("ammo", "blast", "kick")[column - 2]
    for before in (capped, capped + 2) if variant == "team" else (capped,):
        scene = Scene(f"0{item}.", variant=variant).set(0, **{name: before}).play("r")
        assert scene.agent(0)[column] == capped and str(scene.play("r")) == "..0"


def test_4_8_an_item_is_taken_even_in_the_step_of_death():
    scene = Scene("0k/.o", life=1).play("r")
    assert scene.agent(0) == [0, 1, 1, 2, 1, 0] and str(scene) == ".*/**"


@pytest.mark.parametrize(
    "before, settings, after",
    [
        ("...../...../..o../...../.....", {}, "...../..*../.***./..*../....."),  # blast 2 reaches one cell (quirk 2)
        ("...../...../..o../...../.....", {"blast": 3}, "..*../..*../*****/..*../..*.."),
        ("...../.....", {"blast": 9, "under": [(0, 0)]}, "*****/*...."),  # the edge
        (".#.o.", {"blast": 5}, ".#***"),
        ("++o++", {"blast": 3}, "+***+"),  # only the first wood burns
        (".e.o.k.", {"blast": 4}, "*******"),  # items burn and do not stop it (quirk 14)
        (".0.o.1.", {"blast": 4}, "*******"),  # nor do agents
    ],
)
def test_4_9_the_shape_of_a_blast(before, settings, after):
    assert str(Scene(before, life=1, **settings).play("s")) == after


def test_4_9_bombs_set_each_other_off_and_wood_protects_in_that_step():  # quirk 14
    scene = Scene("o.o.+.o", blast=3)
    assert str(scene.due(0).play("s")) == "*****.o"  # the second sees the wood, the third is behind it
    scene = Scene("oo+..", blast=4)
    assert str(scene.due(0).play("s")) == "***.."  # wood burnt by the first stops the second too


def test_4_9_a_bomb_explodes_in_standing_flames_but_not_beside_them():
    assert str(Scene("o*..").play("s")) == "o*.."
    assert str(Scene(">*..").play("s")) == "***." and str(Scene(">*..", flame=1).play("s")) == ".>.."


def test_4_9_ammo_returns_to_the_owner_dead_or_alive_up_to_ten():  # quirk 15
    for before, after in ((0, 1), (9, 10), (10, 10)):
        for dead in ("", "3"):
            assert Scene("o.", life=1, dead=dead).set(3, ammo=before).play("s").agent(3)[2] == after


def test_4_9_a_bomb_laid_into_a_blast_explodes_at_once():
    scene = Scene("o0...", life=1, blast=2).set(0, blast=3).play("b")
    assert str(scene) == "****." and scene.agent(0)[2] == 1


def test_4_10_deaths_are_simultaneous_and_leave_the_position():  # quirk 18
    scene = Scene("0o1", life=1).play("s")
    assert [scene.agent(i)[5] for i in range(4)] == [0, 0, 1, 1] and scene.agent(1)[:2] == [0, 2]


def test_4_10_an_agent_may_leave_a_blast_or_walk_into_it():
    assert Scene("o0.", life=1).play("r").agent(0)[5] == 1
    assert Scene("o.0", life=1).play("l").agent(0)[5] == 0


def test_4_10_a_hidden_item_outlives_the_wood():
    scene = Scene("o+", life=1, hidden=[(0, 1, "e")]).play("s")
    assert str(scene) == "**" and scene.planes[6, 0, 1] == 6
    for _ in range(3):
        scene.play("s")
    assert str(scene) == ".e" and scene.planes[6, 0, 1] == 0


def test_4_10_a_second_blast_adds_a_flame_and_the_first_to_go_out_frees_the_item_for_the_second_to_burn():
    scene = Scene("*o", life=1, flame=1, hidden=[(0, 0, "e")]).play("s")  # the item shows and burns in one step
    assert scene.planes[5, 0, 0] == 4 and scene.planes[6, 0, 0] == 0
    scene = Scene("*o", life=1, flame=2, hidden=[(0, 0, "e")]).play("s")
    assert scene.planes[5, 0, 0] == 1 | 4 and scene.planes[6, 0, 0] == 6
    assert scene.play("s").planes[5, 0, 0] == 2 and scene.planes[6, 0, 0] == 0


def test_4_11_the_time_line_of_a_bomb():
    scene, seen = Scene("0..../.....").play("b"), []
    for step in "rrdsssssssss":
        seen.append((int(scene.planes[1, 0, 0]), int(scene.planes[5, 0, 0]), scene.agent(0)[2]))
        scene.play(step)
    assert seen == [*((life, 0, 0) for life in range(9, 0, -1)), (0, 4, 1), (0, 2, 1), (0, 1, 1)]
    assert scene.planes[5, 0, 0] == 0 and scene.games.fields["step_count"] == 13


@pytest.mark.parametrize(
    "variant, dead, step, rewards, result",
    [
        ("ffa", "", 0, [0, 0, 0, 0], RUNNING),
        ("ffa", "13", 0, [0, -1, 0, -1], RUNNING),  # the dead pay in every step (quirk 18)
        ("ffa", "123", 0, [1, -1, -1, -1], WIN),
        ("ffa", "0123", 0, [-1] * 4, TIE),
        ("ffa", "3", 798, [0, 0, 0, -1], RUNNING),
        ("ffa", "3", 799, [-1] * 4, TIE),  # the limit punishes survivors too (quirks 18, 19)
        ("ffa", "013", 799, [-1, -1, 1, -1], WIN),
        ("team", "12", 0, [0, 0, 0, 0], RUNNING),
        ("team", "02", 0, [-1, 1, -1, 1], WIN),
        ("team", "013", 0, [1, -1, 1, -1], WIN),
        ("team", "0123", 0, [-1] * 4, TIE),
        ("team", "12", 799, [-1] * 4, TIE),
        ("team", "13", 799, [1, -1, 1, -1], WIN),
        ("team_full_view", "02", 5, [-1, 1, -1, 1], WIN),
    ],
)
def test_5_rewards_and_end(variant, dead, step, rewards, result):
    games = Scene(".", variant=variant, dead=dead, step=step).play("s").games
    assert games.rewards[0].tolist() == rewards and games.results[0] == result
    assert games.fields["step_count"][0] == step + 1


def renumbered(states, order):
    """Give each agent another number: order[i] becomes agent i."""
    states, place = states.copy(), np.argsort(order)
    board, owner, agents = states[:, :BOARD], states[:, 4 * BOARD : 5 * BOARD], states[:, 7 * BOARD :]
    board[board >= 10] = 10 + place[board[board >= 10] - 10]
    owner[owner > 0] = 1 + place[owner[owner > 0] - 1]
    agents[:] = agents.reshape(-1, 4, 6)[:, order].reshape(-1, 24)
    return states


def test_neither_agents_nor_bombs_have_an_order():  # quirk 21
    rng, order = np.random.default_rng(5), np.array([2, 0, 3, 1])
    games = Games(64, rng, starts=64)
    for _ in range(30):
        games.step(act(games.rows, rng, "chaos"))
    rows = games.rows.copy()
    rows.view(GAME)[:, 0]["agents"]["kick"] = 1
    games.rows = rows
    # the mirror's bombs are in the order of the board, those of `games` in the order of laying
    rows = from_full_states(renumbered(games.full_states(), order), games.fields["step_count"], VARIANTS["ffa"])
    mirror, same = Games(64, rng, starts=rows), games.running
    for _ in range(30):
        actions = rng.integers(6, size=(64, 4), dtype=np.uint8)
        games.step(actions)
        mirror.step(actions[:, order])
        assert np.array_equal(renumbered(games.full_states(), order)[same], mirror.full_states()[same])
        same &= games.running
    assert same.sum() > 5


DIGESTS = {
    ("ffa", "random"): "ca1fcf8e65f7eff7",
    ("ffa", "chaos"): "bee25c77989b5327",
    ("team", "simple"): "c727c88aee3cf35a",
}


def digest(variant, player, spoil=None):
    """Hash all states, rewards and results of 32 seeded games over 250 steps; spoil changes the actions of that step."""
    rng = np.random.default_rng(11)
    games, sha = Games(32, rng, variant, starts=300), hashlib.sha256()
    for t in range(250):
        actions = rng.integers(6, size=(32, 4), dtype=np.uint8) if player == "random" else act(games.rows, rng, player)
        games.step((actions + (t == spoil)) % np.uint8(6))
        for array in (games.full_states(), games.fields["step_count"], games.rewards, games.results):
            sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize("variant, player", DIGESTS)
def test_seeded_games_are_as_they_always_were(variant, player):
    assert digest(variant, player) == DIGESTS[variant, player]


def test_the_digest_notices_one_step():
    assert digest("ffa", "random", spoil=249) != digest("ffa", "random")


def test_a_bomb_in_every_cell_is_not_too_many():
    states = np.zeros((1, FULL_STATE), int)
    states[0, :BOARD], states[0, BOARD : 2 * BOARD] = 3, 3
    states[0, 2 * BOARD : 3 * BOARD], states[0, 4 * BOARD : 5 * BOARD] = 10, 1
    states[0, 7 * BOARD :] = np.ravel([[0, i, 9, 2, 1, 1] for i in range(4)])
    states[0, :4] = range(10, 14)
    games = Games(1, None, starts=from_full_states(states, 0, VARIANTS["ffa"]))
    for _ in range(3):
        games.step(np.full((1, 4), 5, np.uint8))
    assert (games.full_states()[0, :BOARD] == 4).all() and games.results[0] == TIE


RULES = Path(rules.__file__).with_name("RULES.md").read_text(encoding="utf-8")


def test_every_section_and_quirk_that_is_named_is_in_the_rules():
    sections = set(re.findall(r"^#{2,3} (\d(?:\.\d+)?) ", RULES, flags=re.MULTILINE))
    quirks = {int(n) for n in re.findall(r"^(\d+)\. ", RULES.split("## 7 ")[1], flags=re.MULTILINE)}
    assert quirks == set(range(1, 22))
    tests, code = Path(__file__).read_text(encoding="utf-8"), Path(rules.__file__).read_text(encoding="utf-8")
    named = {name.split()[0] for name in MOVES} | set(re.findall(r'"""(4\.\d+)', code))
    named |= {section.replace("_", ".") for section in re.findall(r"def test_(\d_\d+|\d)_", tests)}
    assert named >= {"4.1", "4.5", "4.11", "5"} and named <= sections
    assert {int(n) for text in re.findall(r"quirks? ([\d, ]+)", tests) for n in text.split(",") if n.strip()} <= quirks


def test_the_numbers_in_the_rules_are_those_of_the_code():
    def row(what):
        return re.search(rf"^\| {re.escape(what)} \| (.+) \|$", RULES, flags=re.MULTILINE)[1]

    codes = dict(re.findall(r"(\d+) ([a-z ]+)", row("codes of a cell")))
    words = ("free", "rigid wall", "wood", "bomb", "flames", "fog", "extra bomb", "more range", "kick", "nobody ")
    assert [codes[str(code)] for code in range(10)] == list(words)
    assert row("ammo, at most") == str(layout.MOST) and f"{layout.BOMB_LIFE} when it is laid" in row("life of a bomb")
    assert row("length of a game") == f"{layout.MAX_STEPS} steps"
    limits = [int(n) for n in re.findall(r"\d+", row("blast strength, at most"))]
    assert limits == [VARIANTS["ffa"].max_blast, VARIANTS["team"].max_blast]
    assert f"fog {VARIANTS['team'].view} rows" in row("view")
