"""What one's own action does, on boards written by hand; and the table with it, on played games."""

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman.baselines import table_of_cells
from wmlib.lessons.pommerman.own_action import BEST_TABLE, RULES, carry_out, table_with_action

STAY, UP, DOWN, LEFT, RIGHT, LAY = range(6)
FREE, RIGID, WOOD, BOMB, FLAMES = range(5)
OWN = 12  # the code of the agent that sees
CELLS, BLASTS, LIVES, ROW, AMMO, BLAST = 0, 121, 242, 363, 365, 366  # places in a state


def state(row, column, around=FREE, direction=RIGHT, ammo=1, under=0):
    """Return an empty board with one agent, one thing next to it, and perhaps a bomb of some life under it."""
    vector = np.zeros(372, np.uint8)
    vector[11 * row + column] = OWN
    if around != FREE:
        beside = {UP: (row - 1, column), DOWN: (row + 1, column), LEFT: (row, column - 1), RIGHT: (row, column + 1)}
        vector[11 * beside[direction][0] + beside[direction][1]] = around
    vector[LIVES + 11 * row + column] = under
    vector[BLASTS + 11 * row + column] = 4 if under else 0
    vector[ROW : ROW + 5] = row, column, ammo, 3, 0
    vector[368:] = 9, 10, 11, 13
    return vector


def after(vector, action):
    """Return the state after an action, if nothing else happens."""
    return carry_out(vector[None], np.array([action]), vector[None])[0]


@pytest.mark.parametrize(("action", "end"), [(STAY, (5, 6)), (UP, (4, 6)), (DOWN, (6, 6)), (LEFT, (5, 5)), (RIGHT, (5, 7))])
def test_you_go_where_you_press(action, end):
    expected = state(*end)
    assert np.array_equal(after(state(5, 6), action), expected)


@pytest.mark.parametrize("thing", [RIGID, WOOD, BOMB, FLAMES, 10, 13])
@pytest.mark.parametrize("direction", [UP, DOWN, LEFT, RIGHT])
def test_what_is_not_free_stops_you(thing, direction):
    now = state(5, 6, thing, direction)
    assert np.array_equal(after(now, direction), now)


@pytest.mark.parametrize("item", [6, 7, 8])
def test_an_item_stops_nobody(item):
    assert np.array_equal(after(state(5, 6, item, LEFT), LEFT), state(5, 5))


@pytest.mark.parametrize(("place", "action"), [((0, 4), UP), ((10, 4), DOWN), ((4, 0), LEFT), ((4, 10), RIGHT)])
def test_the_board_ends(place, action):
    assert np.array_equal(after(state(*place), action), state(*place))


def test_a_bomb_is_laid_under_you():
    expected = state(5, 6, ammo=1)
    expected[[LIVES + 61, BLASTS + 61]] = 9, 3
    assert np.array_equal(after(state(5, 6, ammo=2), LAY), expected)
    assert np.array_equal(after(state(5, 6, ammo=0), LAY), state(5, 6, ammo=0))
    assert np.array_equal(after(state(5, 6, under=7), LAY), state(5, 6, under=7))


def test_a_bomb_is_left_behind():
    expected = state(5, 5)
    expected[[61, LIVES + 61, BLASTS + 61]] = BOMB, 7, 4
    assert np.array_equal(after(state(5, 6, under=7), LEFT), expected)


def test_the_own_code_is_an_agent_s_even_if_a_dream_has_the_others_wrong():
    for enemies in ((0, 0, 0), (13, 13, 13)):
        dreamt = state(5, 6)
        dreamt[369:] = enemies
        assert after(dreamt, RIGHT)[11 * 5 + 7] in (10, 13)


def test_what_others_are_predicted_to_do_stays():
    now, predicted = state(5, 6, ammo=1), state(5, 6, ammo=1)
    predicted[[0, LIVES, BLASTS]] = BOMB, 3, 2
    expected = state(6, 6)
    expected[[0, LIVES, BLASTS]] = BOMB, 3, 2
    assert np.array_equal(carry_out(now[None], np.array([DOWN]), predicted[None])[0], expected)
    assert np.array_equal(predicted[363:], now[363:])  # what is given is not changed


def test_the_best_table_is_given_the_action(played):
    table = table_of_cells(played.now, played.after)
    best = RULES[BEST_TABLE](played.now, played.after)
    (predicted,), state = best.predict(played.batch, best.initial_state(1))
    (counted,), _ = table.predict(played.batch, ())
    assert state == () and predicted.dtype == torch.uint8
    truth, now = played.after, played.now
    changed = truth != now
    right, right_of_table = ((each.numpy() == truth) for each in (predicted, counted))
    assert right[:, ROW : ROW + 2].mean() > 0.9 > right_of_table[:, ROW : ROW + 2].mean()
    assert (right & changed).sum() > (right_of_table & changed).sum() and right.sum() > right_of_table.sum()
    assert list(RULES)[-1] == BEST_TABLE and RULES[BEST_TABLE] is table_with_action
