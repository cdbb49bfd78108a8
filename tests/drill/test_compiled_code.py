"""Compiled code gets only what it can read: another network's state, rows that no game can have, replaced arrays."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from wmlib.envs.pommerman import Games, Style, act, checks, features, from_full_states, full_states, rules, start_rows
from wmlib.envs.pommerman import parallel_env as pommerman_env
from wmlib.envs.pommerman.layout import CELLS, GAME, ROW, RUNNING, VARIANTS, WISHES, Variant
from wmlib.models.dnc import DNC, DNCState
from wmlib.models.lstm import LSTM, LSTMState

pytestmark = [pytest.mark.slow, pytest.mark.kind("compiled code without a gate")]

B, H, N, W, R = 3, 7, 11, 5, 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dnc(**options):
    return DNC(
        **{"input_size": 2, "hidden_size": H, "num_slots": N, "word_size": W, "num_heads": R, **options}, generator=generator()
    )


def state_of(core, batch=B):
    return core(torch.randn(batch, 4, 2, generator=generator(1)))[1]


def changed(**parts):
    return state_of(dnc())._replace(**parts)


STATES = {
    "of a DNC without link": lambda: state_of(dnc(link="none")),
    "of a sparse link": lambda: changed(link=torch.zeros(B, N, 8)),
    "link of fewer slots": lambda: changed(link=torch.zeros(B, 4, 4)),
    "link of more slots": lambda: changed(link=torch.zeros(B, 99, 99)),
    "usage of fewer slots": lambda: changed(usage=torch.zeros(B, 4)),
    "one more head": lambda: changed(read=torch.zeros(B, R + 1, N)),
    "another word size": lambda: state_of(dnc(word_size=4)),
    "another hidden size": lambda: state_of(dnc(hidden_size=5)),
    "a larger c": lambda: changed(c=torch.zeros(B, H + 20)),
    "a smaller memory": lambda: changed(memory=torch.zeros(B, 2, W)),
    "memory of one word": lambda: changed(memory=torch.zeros(B, 0, W)),
    "memory in 64 bits": lambda: changed(memory=torch.zeros(B, N, W).double()),
    "all in 64 bits": lambda: DNCState(*(part.double() for part in state_of(dnc()))),
    "memory of integers": lambda: changed(memory=torch.ones(B, N, W).long()),
    "write in 16 bits": lambda: changed(write=torch.zeros(B, N).bfloat16()),
    "parts of another batch": lambda: changed(memory=torch.zeros(2, N, W), link=torch.zeros(2, N, N)),
    "another batch": lambda: state_of(dnc(), 2),
    "an LSTM's": lambda: LSTMState(torch.zeros(B, H), torch.zeros(B, H)),
    "a list": lambda: list(state_of(dnc())),
    "a dictionary": lambda: state_of(dnc())._asdict(),
    "parts in another order": lambda: DNCState(*reversed(state_of(dnc()))),
    "without storage": lambda: DNCState(*(part.to("meta") for part in state_of(dnc()))),
    "a part is None": lambda: changed(link=None),
    "a part is an array": lambda: changed(usage=np.zeros((B, N), np.float32)),
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("fast", [True, False])
def test_a_state_that_is_not_this_dncs_is_refused(drill, name, fast):
    drill.refused(lambda: dnc(fast=fast)(torch.zeros(B, 3, 2), STATES[name]()), "state", error=ValueError)


@pytest.mark.parametrize(
    "state",
    [
        LSTMState(torch.zeros(2 * B, H), torch.zeros(B, H)),
        LSTMState(torch.zeros(B, H), torch.zeros(H, B)),
        LSTMState(torch.zeros(B, 2 * H), torch.zeros(B, 2 * H)),
        LSTMState(torch.zeros(B, H).double(), torch.zeros(B, H).double()),
        (torch.zeros(B, H), torch.zeros(B, H)),
    ],
)
@pytest.mark.parametrize("steps", [1, 3])
def test_a_state_that_is_not_this_lstms_is_refused(drill, state, steps):
    drill.refused(lambda: LSTM(2, H, generator=generator())(torch.zeros(B, steps, 2), state), "state", error=ValueError)


def test_a_state_with_gaps_in_memory_is_right(drill):
    core = dnc()
    state = DNCState(*(part[:1].expand(B, *part.shape[1:]) for part in state_of(core)))
    inputs = torch.randn(B, 3, 2, generator=generator(2))
    same = core(inputs, DNCState(*(part.clone() for part in state)))[0]
    drill.good(torch.equal(core(inputs, state)[0], same), "another result for the same state")


@pytest.mark.parametrize("name", ["controller.weight", "controller.bias", "interface.weight", "interface.bias"])
@pytest.mark.parametrize("change", [lambda w: w[..., :-1].clone(), lambda w: w.double(), lambda w: torch.cat([w, w])])
def test_weights_that_were_replaced_are_refused(drill, name, change):
    core = dnc()
    layer, part = name.split(".")
    weight = core.get_parameter(name).detach()
    setattr(core.get_submodule(layer), part, torch.nn.Parameter(change(weight)))
    drill.refused(lambda: core(torch.zeros(B, 3, 2)), error=ValueError)


def test_what_is_done_to_a_trace_does_not_change_the_gradient(drill):
    core = dnc()
    gradients = []
    for spoil in (False, True):
        outputs, _, trace = core(torch.randn(B, 5, 2, generator=generator(1)), trace=True)
        for part in trace if spoil else ():
            part.detach().zero_()
        gradients.append(torch.autograd.grad(outputs.sum(), list(core.parameters())))
    drill.good(all(torch.equal(a, b) for a, b in zip(*gradients, strict=True)), "another gradient")


def rows_with(field, value, inside=None, at=...):
    rows = start_rows(5, np.random.default_rng(1))
    game = rows.view(GAME)[:, 0]
    (game if inside is None else game[inside])[field][3:, ...][at] = value
    return rows


def walked(seed):
    return np.random.default_rng(seed).integers(0, 256, (5, ROW)).astype(np.uint8)


ROWS = {
    "all 255": lambda: np.full((2, ROW), 255, np.uint8),
    "all 0": lambda: np.zeros((2, ROW), np.uint8),
    "noise": lambda: walked(0),
    "more noise": lambda: walked(1),
    "an agent on the rim": lambda: rows_with("cell", 0, "agents"),
    "an agent on the right rim": lambda: rows_with("cell", 25, "agents"),
    "an agent far away": lambda: rows_with("cell", 250, "agents"),
    "more bombs than cells": lambda: rows_with("bombs", 255),
    "a bomb that is not there": lambda: rows_with("bombs", 1),
    "more flames than cells": lambda: rows_with("burning", 250),
    "a flame that is not listed": lambda: rows_with("flames", 1),
    "an open rim": lambda: rows_with("ground", 0),
    "no such ground": lambda: rows_with("ground", 99),
    "an agent as ground": lambda: rows_with("ground", 11),
    "no such hidden item": lambda: rows_with("hidden", 3),
    "a bomb's number": lambda: rows_with("bomb_at", 200),
    "ammunition": lambda: rows_with("ammo", 200, "agents"),
    "blast strength": lambda: rows_with("blast", 255, "agents"),
    "half alive": lambda: rows_with("alive", 2, "agents"),
    "the largest blast": lambda: rows_with("max_blast", 77),
    "a view of 200": lambda: rows_with("view", 200),
    "step 60000": lambda: rows_with("step_count", 60000),
    "type 7": lambda: rows_with("type", 7),
}
USES = {
    "full_states": full_states,
    "features": features,
    "act": lambda rows: act(rows, np.random.default_rng(1), "chaos"),
    "Games": lambda rows: Games(len(rows), None, starts=rows),
    "assigned": lambda rows: setattr(Games(len(rows), np.random.default_rng(1)), "rows", rows),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("use", USES)
def test_rows_that_no_game_can_have_are_refused(drill, name, use):
    drill.refused(lambda: USES[use](ROWS[name]()), "rows" if use != "Games" else "starts", "allowed is", error=ValueError)


def played(rows=None, **other):
    rows = start_rows(3, np.random.default_rng(1)) if rows is None else rows
    arrays = {
        "rows": rows,
        "actions": np.zeros((3, 4), np.uint8),
        "starts": rows.copy(),
        "turn": np.zeros(1, np.int64),
        "rewards": np.zeros((3, 4), np.int8),
        "results": np.full(3, RUNNING, np.uint8),
        "wishes": np.zeros(WISHES, np.uint8),
    }
    return rules.play(**{**arrays, **other})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", np.full((3, ROW), 200, np.uint8)),
        ("rows", [[1, 2]]),
        ("rows", np.zeros((3, ROW), np.int64)),
        ("actions", np.zeros((1, 4), np.uint8)),
        ("actions", [[0] * 4] * 3),
        ("starts", np.zeros((0, ROW), np.uint8)),
        ("starts", np.full((3, ROW), 200, np.uint8)),
        ("turn", np.zeros(0, np.int64)),
        ("rewards", np.zeros((1, 4), np.int8)),
        ("results", np.full(1, RUNNING, np.uint8)),
        ("results", np.full(6, RUNNING, np.uint8)[::2]),
        ("wishes", np.zeros(1, np.uint8)),
        ("wishes", None),
    ],
)
def test_the_step_of_the_rules_refuses_wrong_arrays(drill, name, value):
    drill.refused(lambda: played(**{name: value}), name, error=ValueError)


RNG = np.random.default_rng(1)
ARGUMENTS = {
    "no whole number of games": (lambda: Games(1.5, RNG), "count"),
    "games: true": (lambda: Games(True, RNG), "count"),
    "games: a word": (lambda: Games("3", RNG), "count"),
    "starts: 0": (lambda: Games(3, RNG, starts=0), "starts"),
    "starts after the last step": (lambda: Games(1, None, starts=rows_with("step_count", 800)), "starts"),
    "no generator": (lambda: start_rows(2, None), "rng"),
    "a seed for a generator": (lambda: start_rows(2, 1), "rng"),
    "NumPy's old generator": (lambda: act(start_rows(2, RNG), np.random.RandomState(1)), "rng"),
    "a chance above 1": (lambda: act(start_rows(2, RNG), RNG, [Style(7, 0, 0)] * 4), "styles"),
    "a chance that is no number": (lambda: act(start_rows(2, RNG), RNG, [Style(float("nan"), 0, 0)] * 4), "styles"),
    "rows: a list": (lambda: features([[1, 2]]), "rows"),
    "rows of another dtype": (lambda: features(start_rows(2, RNG).astype(np.int16)), "rows"),
    "out is read-only": (lambda: features(start_rows(1, RNG), np.broadcast_to(np.uint8(0), (1, 4, 372))), "out"),
    "out of another shape": (lambda: full_states(start_rows(1, RNG), np.zeros((2, 871), np.uint8)), "out"),
    "states: halves": (lambda: from_full_states(full_states(start_rows(2, RNG)) + 0.5, 0, VARIANTS["ffa"]), "states"),
    "states: NaN": (lambda: from_full_states(full_states(start_rows(2, RNG)) * np.nan, 0, VARIANTS["ffa"]), "states"),
    "states: words": (lambda: from_full_states(np.full((2, 871), "a"), 0, VARIANTS["ffa"]), "states"),
    "states: a wall of fog": (lambda: from_full_states(np.full((2, 871), 5), 0, VARIANTS["ffa"]), "states"),
    "step -1": (lambda: from_full_states(full_states(start_rows(2, RNG)), -1, VARIANTS["ffa"]), "step_count"),
    "step 70000": (lambda: from_full_states(full_states(start_rows(2, RNG)), 70000, VARIANTS["ffa"]), "step_count"),
    "a variant's name": (lambda: from_full_states(full_states(start_rows(2, RNG)), 0, "ffa"), "variant"),
    "no such variant": (lambda: from_full_states(full_states(start_rows(2, RNG)), 0, Variant(9, 300, 99)), "type"),
    "a function that is compiled into others": (lambda: rules.step(1, 2, 3, 4), "step"),
    "another one": (lambda: rules.judge(start_rows(1, RNG)[0], np.zeros(4, np.int8)), "judge"),
    "actions of another shape": (lambda: Games(2, RNG).step(np.zeros((3, 4), np.uint8)), "actions"),
    "actions: words": (lambda: Games(1, RNG).step([["a", "b", "c", "d"]]), "actions"),
    "actions: 6": (lambda: Games(1, RNG).step([[6, 0, 0, 0]]), "actions"),
    "a seed below 0": (lambda: pommerman_env().reset(seed=-1), "seed"),
    "a seed that is not whole": (lambda: pommerman_env().reset(seed=1.5), "seed"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_arguments_of_the_engine_are_refused(drill, name):
    call, named = ARGUMENTS[name]
    drill.refused(call, named, error=(ValueError, TypeError))


def test_games_cannot_be_written_to_from_outside(drill):
    starts = start_rows(4, np.random.default_rng(1))
    games = Games(4, None, starts=starts)
    drill.refused(lambda: games.rows.__setitem__(..., 255), "read-only", error=ValueError)
    drill.refused(lambda: games.fields["bombs"].__setitem__(..., 255), "read-only", error=ValueError)
    drill.refused(lambda: setattr(games, "rewards", np.zeros((1, 1), np.int8)), "rewards", error=AttributeError)
    drill.refused(lambda: setattr(games, "results", np.zeros(1, np.uint8)), "results", error=AttributeError)
    starts[:] = 255
    other = Games(4, None, starts=start_rows(4, np.random.default_rng(1)))
    for seed in range(300):
        actions = np.random.default_rng(seed).integers(6, size=(4, 4))
        games.step(actions)
        other.step(actions)
    drill.good(np.array_equal(games.rows, other.rows), "starts changed from outside changed the games")


def test_a_copy_of_games_goes_its_own_way(drill):
    games = Games(4, np.random.default_rng(1))
    twin = copy.deepcopy(games)
    twin.step(np.ones((4, 4), int))
    drill.good((games.fields["step_count"] == 0).all() and (twin.fields["step_count"] == 1).all(), "a copy shows other games")


@pytest.mark.parametrize("seed", range(12))
def test_what_the_check_lets_through_can_be_played(drill, seed):
    """Rows with random right numbers everywhere: whatever the rules make of them, the check is right about it all along."""
    rng = np.random.default_rng(seed)
    games = Games(32, rng, list(VARIANTS)[seed % 3])
    for _ in range(20):
        games.step(act(games.rows, rng, "chaos"))
    rows = games.rows.copy()
    game = rows.view(GAME)[:, 0]
    board = (checks.ON_BOARD[:CELLS] == 1)[None].repeat(32, 0)
    loose = board & (rng.random(board.shape) < 0.3)
    game["ground"][loose] = rng.choice([0, 1, 2, 6, 7, 8], loose.sum())
    game["hidden"][loose] = rng.choice([0, 6, 7, 8], loose.sum())
    for field, values in (("cell", np.flatnonzero(board[0])), ("ammo", range(11)), ("blast", range(11)), ("kick", (0, 1))):
        game["agents"][field] = rng.choice(np.array(values), (32, 4))
    for field, values in (("life", range(1, 11)), ("blast", range(11)), ("direction", range(5)), ("owner", range(4))):
        game["bomb"][field] = rng.choice(np.array(values), game["bomb"][field].shape)
    games.rows = rows
    for _ in range(60):
        games.step(rng.integers(6, size=(32, 4)))
        checks.checked_rows(games.rows.copy())
    drill.good(True, "")


@pytest.mark.parametrize("seed", range(8))
def test_the_compiled_check_and_its_words_agree(drill, seed):
    rng = np.random.default_rng(seed)
    games = Games(16, rng, starts=16)
    for _ in range(40):
        games.step(act(games.rows, rng, "chaos"))
    for _ in range(200):
        row = games.rows[rng.integers(16)][None].copy()
        for _ in range(rng.integers(3)):
            row[0, rng.integers(ROW)] = rng.integers(256)
        right = all(np.all(ok) for _, _, ok, _ in checks._rules(row[0]))
        try:
            checks.checked_rows(row)
            taken = True
        except ValueError:
            taken = False
        assert taken == right
    drill.good(True, "")


INTERPRETED = """
import hashlib, numpy as np, torch
from wmlib.envs.pommerman import Games, act
from wmlib.models.dnc import DNC
rng = np.random.default_rng(1)
games = Games(3, rng, "team", starts=5)
for _ in range(25):
    games.step(act(games.rows, rng, "chaos"))
print(hashlib.sha256(games.rows.tobytes() + games.features().tobytes() + games.full_states().tobytes()).hexdigest())
core = DNC(2, 7, 5, 3, 2, generator=torch.Generator().manual_seed(0))
outputs, _ = core(9 * torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(1)))
outputs.sum().backward()
print(round(outputs.sum().item(), 3), round(core.controller.weight.grad.norm().item(), 3))
"""


def test_without_a_compiler_all_is_the_same(drill):
    printed = []
    for disable in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-c", INTERPRETED],
            capture_output=True,
            text=True,
            env={**os.environ, "NUMBA_DISABLE_JIT": disable},
        )
        printed.append((done.returncode, done.stdout, done.stderr))
    drill.good(printed[0][0] == 0 and printed[0] == printed[1], printed)
