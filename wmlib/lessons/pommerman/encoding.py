"""Pommerman's view A as a network takes it and gives it: what is in each cell, where each agent stands, one's own numbers.

Reading guide. `read` takes a vector of 372 integers apart: a *thing* in each of 121 cells (one of 16: a bomb with 4 steps to go
is another thing than one with 5), the blast strength of bombs, the cell of each agent. `planes` draws that as pictures for a
convolution. `targets` says what the next vector is, in the same terms: things, blasts, a *move* of each agent, the changes of
one's own numbers. `write` goes back from such answers to a vector. Because an agent is told by its move and drawn on the
board at the end, no answer can double an agent or lose it by accident: `likeliest_moves` chooses the moves of all four
together.

Axes: N states, in any order; 121 cells, row by row; 4 agents, the seeing one first, then the others in ascending order.

Source: ours. The thesis' own coding of states ("as integers") is unknown but for that word.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB, EXTRA_BOMB, FLAMES, FREE, KICK, MOST, RIGID, SIZE, WOOD
from wmlib.envs.pommerman.views import BOARD, FEATURES, FULL_STATE

THINGS, BLASTS, MOVES = 16, 9, 6  # kinds of cells; blast strengths 2 … 10; stay, up, down, left, right, gone
GONE = MOVES - 1
BURNING, BOMBS_FROM = 3, 7  # things: free, rigid, wood, flames, three items, bombs with life 1 … 9
OWN_CHANGES = (4, 2, 2)  # classes: ammo -1, 0, +1, +2; blast strength 0, +1; kick as it is, learnt
ACTIONS = 6
PICTURE = THINGS + 2 + AGENTS  # planes of what is seen: things, blast, inside, four agents
NUMBERS = 3  # planes: ammo, blast strength, kick, in the cell of whoever has them
UNSEEN = 10  # planes of view B: flames (3), direction of bombs (4), hidden items (3)

# largest value of each component of view A; the smallest is 0, but for the blast strength (2), teammate and enemies (9)
LARGEST = np.r_[np.repeat([13, 10, 9], BOARD), 10, 10, 10, 10, 1, np.full(4, 13)].astype(np.uint8)
SMALLEST = np.r_[np.zeros(3 * BOARD + 3), 2, 0, np.full(4, 9)].astype(np.uint8)
OWN = 3 * BOARD  # place of row, column, ammo, blast strength, can kick, teammate, enemies

_THING_OF_CODE = torch.zeros(AGENT + AGENTS, dtype=torch.long)
_THING_OF_CODE[torch.tensor([FREE, RIGID, WOOD, FLAMES, EXTRA_BOMB, EXTRA_BOMB + 1, KICK])] = torch.arange(7)
_CODE_OF_THING = torch.tensor([FREE, RIGID, WOOD, FLAMES, EXTRA_BOMB, EXTRA_BOMB + 1, KICK] + [BOMB] * 9)
_SHIFT = torch.tensor([0, -SIZE, SIZE, -1, 1, 0])  # of a cell, by move


class Reading(NamedTuple):
    """Hold view A of N states, taken apart."""

    things: Tensor  # int64 (N, 121), 0 … 15
    blasts: Tensor  # int64 (N, 121), 0 where there is no bomb, 2 … 10
    cells: Tensor  # int64 (N, 4), cell of each agent, the seeing one first; -1: not on the board
    codes: Tensor  # int64 (N, 4), their codes on the board
    own: Tensor  # int64 (N, 5): row, column, ammo, blast strength, can kick


class Targets(NamedTuple):
    """Hold what follows, as classes."""

    things: Tensor  # int64 (N, 121)
    blasts: Tensor  # int64 (N, 121), strength - 2; counts only where the thing is a bomb
    moves: Tensor  # int64 (N, 4), -1 where there was no agent
    own: Tensor  # int64 (N, 3), index into `OWN_CHANGES`


def view_a(states: np.ndarray, agents: np.ndarray) -> np.ndarray:
    """Cut what one agent sees out of full states of free-for-all games.

    Args:
        states: uint8 (N, 871), view B.
        agents: integers (N,), 0 … 3, who sees.

    Returns:
        uint8 (N, 372), as `views.features` makes them.

    Raises:
        ValueError: another length of a state.
    """
    if states.ndim != 2 or states.shape[1] != FULL_STATE:
        raise ValueError(f"states: got shape {states.shape}; allowed is (N, {FULL_STATE}), view B")
    made = np.empty((len(states), FEATURES), np.uint8)
    made[:, :BOARD] = states[:, :BOARD]
    made[:, BOARD : 2 * BOARD], made[:, 2 * BOARD : OWN] = states[:, 2 * BOARD : 3 * BOARD], states[:, BOARD : 2 * BOARD]
    players = states[:, 7 * BOARD :].reshape(-1, AGENTS, 6)
    made[:, OWN : OWN + 5] = players[np.arange(len(states)), agents, :5]
    made[:, OWN + 5] = AGENT - 1
    others = np.array([[AGENT + j for j in range(AGENTS) if j != i] for i in range(AGENTS)], np.uint8)
    made[:, OWN + 6 :] = others[agents]
    return made


def read(vectors: Tensor) -> Reading:
    """Take view A apart.

    Args:
        vectors: uint8 (N, 372), of free-for-all games (no fog).

    Raises:
        ValueError: another shape or dtype.

    Example:
        >>> from wmlib.envs.pommerman import full_states, start_rows
        >>> states = full_states(start_rows(3, np.random.default_rng(1)))
        >>> reading = read(torch.from_numpy(view_a(states, np.array([0, 1, 2]))))
        >>> reading.cells[0].tolist(), reading.codes[1].tolist(), reading.own[2].tolist()
        ([12, 100, 108, 20], [11, 10, 12, 13], [9, 9, 1, 2, 0])
    """
    if vectors.ndim != 2 or vectors.shape[1] != FEATURES or vectors.dtype != torch.uint8:
        raise ValueError(f"vectors: got {vectors.dtype} {tuple(vectors.shape)}; allowed is uint8 (N, {FEATURES}), view A")
    board, blasts, life = vectors[:, :OWN].long().split(BOARD, 1)
    things = torch.where(life > 0, life + BOMBS_FROM - 1, _THING_OF_CODE[board])
    others = vectors[:, OWN + 6 :].long()
    me = (AGENT * AGENTS + 6) - others.sum(1, keepdim=True)  # the one that is no enemy: 10 + 11 + 12 + 13 less the others
    codes = torch.cat([me, others], 1)
    found = board.unsqueeze(1) == codes.unsqueeze(2)  # (N, 4, 121)
    cells = torch.where(found.any(2), found.to(torch.uint8).argmax(2), -1)
    return Reading(things, blasts, cells, codes, vectors[:, OWN : OWN + 5].long())


def planes(reading: Reading, actions: Tensor, known: int = 1, full: Tensor | None = None) -> Tensor:
    """Draw a reading, with actions, for a convolution.

    Args:
        reading: of N states.
        actions: int64 (N, 4), the seeing agent's first.
        known: of how many of the four the actions (and with `full` the numbers) are shown: 1 or 4.
        full: uint8 (N, 871), view B of the same states: adds its planes, and the numbers of all who are known.

    Returns:
        float32 (N, C, 11, 11), C = `PICTURE` + `NUMBERS` + `ACTIONS`, and `UNSEEN` more with `full`.
    """
    n = len(reading.things)
    count = PICTURE + NUMBERS + ACTIONS + (UNSEEN if full is not None else 0)
    drawn = torch.zeros(n, count, BOARD)
    drawn[:, :PICTURE] = picture(reading)
    each = torch.arange(n)
    for i in range(known):
        at, here = reading.cells[:, i].clamp(min=0), (reading.cells[:, i] >= 0).float()
        numbers = reading.own[:, 2:] if i == 0 else None
        if full is not None:
            player = (reading.codes[:, i] - AGENT) * 6 + 7 * BOARD + 2
            numbers = full.gather(1, player.unsqueeze(1) + torch.arange(3)).long()
        if numbers is not None:
            for k, scale in enumerate((MOST, MOST, 1)):
                drawn[each, PICTURE + k, at] += here * numbers[:, k] / scale
        drawn[each, PICTURE + NUMBERS + actions[:, i], at] += here
    if full is not None:
        direction, flames, hidden = (full[:, k * BOARD : (k + 1) * BOARD] for k in (3, 5, 6))
        extra = [(flames >> k) & 1 for k in range(3)] + [direction == k for k in range(1, 5)]
        extra += [hidden == EXTRA_BOMB + k for k in range(3)]
        drawn[:, -UNSEEN:] = torch.stack(extra, 1)
    return drawn.unflatten(2, (SIZE, SIZE))


def picture(reading: Reading) -> Tensor:
    """Draw what is seen: float32 (N, PICTURE, 121), a plane for each kind of thing, blast strength, the board, each agent."""
    n = len(reading.things)
    drawn = torch.zeros(n, PICTURE, BOARD)
    drawn.scatter_(1, reading.things.unsqueeze(1), 1.0)
    drawn[:, THINGS] = reading.blasts / MOST
    drawn[:, THINGS + 1] = 1.0
    at = reading.cells.clamp(min=0).unsqueeze(2)
    drawn[:, THINGS + 2 :].scatter_(2, at, (reading.cells >= 0).float().unsqueeze(2))
    return drawn


def targets(now: Reading, after: Reading) -> Targets:
    """Say what happened between two states, as classes."""
    step = after.cells - now.cells
    moves = torch.zeros_like(step)
    for move in range(1, GONE):
        moves[step == _SHIFT[move]] = move
    moves[after.cells < 0] = GONE
    moves[now.cells < 0] = -1
    change = after.own[:, 2:] - now.own[:, 2:]
    low, high = torch.tensor([-1, 0, 0]), torch.tensor(OWN_CHANGES) - 1
    own = torch.minimum((change - low).clamp(min=0), high)
    return Targets(after.things, (after.blasts - 2).clamp(min=0), moves, own)


_JOINT = torch.tensor(list(itertools.product(range(MOVES), repeat=AGENTS)))  # (1296, 4), all combinations of moves
_PAIRS = list(itertools.combinations(range(AGENTS), 2))


def likeliest_moves(now: Reading, scores: Tensor) -> Tensor:
    """Choose the moves of all agents together: the likeliest combination in which no two end in, or swap, cells.

    Args:
        now: of N states.
        scores: float (N, 4, 6), log probabilities of each agent's moves.

    Returns:
        int64 (N, 4). Nobody leaves the board or walks into a rigid wall, or wood. 0 for those not on the board.
    """
    cells, ahead = now.cells, now.cells.clamp(min=0).unsqueeze(2) + _SHIFT  # (N, 4, 6)
    row, column = cells.clamp(min=0) // SIZE, cells.clamp(min=0) % SIZE
    into = now.things.gather(1, ahead.clamp(0, BOARD - 1).flatten(1)).view_as(ahead)
    shut = (into == RIGID) | (into == WOOD)
    for move, edge in ((1, row == 0), (2, row == SIZE - 1), (3, column == 0), (4, column == SIZE - 1)):
        shut[..., move] |= edge
    shut[..., 0] = shut[..., GONE] = False
    absent = cells < 0
    scores = scores.masked_fill(shut | absent.unsqueeze(2), -1e9)
    scores[..., 0] = scores[..., 0].masked_fill(absent, 0.0)
    moves = scores.argmax(2)  # each for itself: nearly always right
    end = ahead.gather(2, moves.unsqueeze(2)).squeeze(2)
    clash = _clash(cells, end, absent | (moves == GONE)).nonzero().squeeze(1)
    for k in clash.split(500):
        total = sum(scores[k, i][:, _JOINT[:, i]] for i in range(AGENTS))  # (n, 1296)
        ends = torch.stack([ahead[k, i][:, _JOINT[:, i]] for i in range(AGENTS)], 2)  # (n, 1296, 4)
        away = absent[k].unsqueeze(1) | (_JOINT == GONE)
        total = total.masked_fill(_clash(cells[k].unsqueeze(1).expand_as(ends), ends, away), -4e9)
        moves[k] = _JOINT[total.argmax(1)]
    return moves


def _clash(start: Tensor, end: Tensor, away: Tensor) -> Tensor:
    """Say where two agents that are not away end in one cell or swap cells: int64 (..., 4) twice, bool (..., 4)."""
    found = torch.zeros(start.shape[:-1], dtype=torch.bool)
    for i, j in _PAIRS:
        same = end[..., i] == end[..., j]
        swap = (end[..., i] == start[..., j]) & (end[..., j] == start[..., i])
        found |= (same | swap) & ~(away[..., i] | away[..., j])
    return found


def write(now: Reading, things: Tensor, blasts: Tensor, moves: Tensor, own: Tensor) -> Tensor:
    """Write the next state as view A.

    Args:
        now: the state before.
        things: int64 (N, 121).
        blasts: int64 (N, 121), strength - 2, used where the thing is a bomb.
        moves: int64 (N, 4).
        own: int64 (N, 3), classes of `OWN_CHANGES`.

    Returns:
        uint8 (N, 372). What is in the cell of an agent is drawn under it: only a bomb is still to be told.
    """
    n = len(things)
    made = torch.empty(n, FEATURES, dtype=torch.uint8)
    bomb = things >= BOMBS_FROM
    board = _CODE_OF_THING[things]
    on_board = (now.cells >= 0) & (moves != GONE)
    cells = now.cells.clamp(min=0) + _SHIFT[moves]
    each = torch.arange(n)
    for i in range(AGENTS):
        there = on_board[:, i]
        board[each[there], cells[there, i]] = now.codes[there, i]
    made[:, :BOARD] = board
    made[:, BOARD : 2 * BOARD] = torch.where(bomb, blasts + 2, 0)
    made[:, 2 * BOARD : OWN] = torch.where(bomb, things - BOMBS_FROM + 1, 0)
    place = torch.where(on_board[:, 0], cells[:, 0], now.own[:, 0] * SIZE + now.own[:, 1])
    made[:, OWN], made[:, OWN + 1] = place // SIZE, place % SIZE
    changed = now.own[:, 2:] + own - torch.tensor([1, 0, 0])
    limits = torch.from_numpy(np.stack([SMALLEST, LARGEST])[:, OWN + 2 : OWN + 5].astype(np.int64))
    made[:, OWN + 2 : OWN + 5] = changed.clamp(limits[0], limits[1])
    made[:, OWN + 5], made[:, OWN + 6 :] = AGENT - 1, now.codes[:, 1:]
    return made


def impossible(now: Tensor, after: Tensor) -> Tensor:
    """Say which predicted boards can not be: bool (N,).

    Args:
        now, after: uint8 (N, 372), a true state and the one that is said to follow.

    A board is impossible if an agent that was not there appears, or one is there twice, or more than one cell away from where
    it was, or on a wall; if a bomb is drawn where there is none or the reverse; or if a bomb has a life and no strength or the
    reverse. That an agent vanishes is possible: it may have died.
    """
    before, board = read(now), after[:, :BOARD]
    wrong = torch.zeros(len(now), dtype=torch.bool)
    walls = (before.things == RIGID) | (before.things == WOOD)
    for i in range(AGENTS):
        found = board == before.codes[:, i : i + 1]
        at = before.cells[:, i : i + 1]
        cells = torch.arange(BOARD)
        far = (cells // SIZE - at // SIZE).abs() + (cells % SIZE - at % SIZE).abs() > 1
        wrong |= (found.sum(1) > 1) | (found & ((at < 0) | far | walls)).any(1)
    blast, life = after[:, BOARD : 2 * BOARD] > 0, after[:, 2 * BOARD : OWN] > 0
    return wrong | (blast != life).any(1) | ((board == BOMB) & ~life).any(1) | (life & (board != BOMB) & (board < AGENT)).any(1)
