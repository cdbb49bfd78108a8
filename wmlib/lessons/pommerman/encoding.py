"""Pommerman's view A as a network takes it and gives it: what is in each cell, where each agent is, one's own numbers.

Reading guide. `parse` takes a vector of 372 integers apart: a *cell type* for each of 121 cells (one of 16: a bomb with 4
steps to go is another type than one with 5), the blast strength of bombs, the cell of each agent. `input_planes` draws that
as planes for a convolution. `targets` says what the next vector is, in the same terms: cell types, blast strengths, a *move*
of each agent, the changes of one's own numbers. `write` goes back from such answers to a vector. An agent is given as a move
and drawn on the board at the end, so no answer can double an agent or lose it by accident: `likeliest_moves` chooses the
moves of all four together.

Axes: N states, in any order; 121 cells, row by row; 4 agents, the seeing one first, then the others in ascending order.

Source: ours. Of the thesis' own coding of states only the words "as integers" are known.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB, EXTRA_BOMB, FLAMES, FREE, KICK, MOST, RIGID, SIZE, WOOD
from wmlib.envs.pommerman.views import BOARD, FEATURES, FULL_STATE

CELL_TYPES = 16  # free, rigid, wood, flames, three items, bombs with life 1 … 9
BLASTS = 9  # blast strengths 2 … 10
MOVES = 6  # stay, up, down, left, right, gone
GONE = MOVES - 1
FIRST_BOMB = 7  # the cell type of a bomb with life 1
CHANGE_CLASSES = (4, 2, 2)  # of one's own numbers: ammo -1, 0, +1, +2; blast strength 0, +1; kick as it is, learnt
ACTIONS = 6
BOARD_PLANES = CELL_TYPES + 2 + AGENTS  # planes of what is seen: cell types, blast strength, inside, four agents
NUMBER_PLANES = 3  # ammo, blast strength, kick, in the cell of whoever has them
HIDDEN_PLANES = 14  # of view B: flames (3), direction of bombs (4), hidden items (3), owner of bombs (4)

# largest value of each component of view A; the smallest is 0, but for the blast strength (2), teammate and enemies (9)
LARGEST = np.r_[np.repeat([13, 10, 9], BOARD), 10, 10, 10, 10, 1, np.full(4, 13)].astype(np.uint8)
SMALLEST = np.r_[np.zeros(3 * BOARD + 3), 2, 0, np.full(4, 9)].astype(np.uint8)
NUMBERS = 3 * BOARD  # place of row, column, ammo, blast strength, can kick, teammate, enemies

_PLAIN_CODES = torch.tensor([FREE, RIGID, WOOD, FLAMES, EXTRA_BOMB, EXTRA_BOMB + 1, KICK])
_TYPE_OF_CODE = torch.zeros(AGENT + AGENTS, dtype=torch.long)
_TYPE_OF_CODE[_PLAIN_CODES] = torch.arange(7)
_CODE_OF_TYPE = torch.cat([_PLAIN_CODES, torch.full((9,), BOMB)])
_SHIFT = torch.tensor([0, -SIZE, SIZE, -1, 1, 0])  # of a cell, by move


class ParsedView(NamedTuple):
    """Hold view A of N states, taken apart."""

    cell_types: Tensor  # int64 (N, 121), 0 … 15
    blasts: Tensor  # int64 (N, 121), 0 where there is no bomb, 2 … 10
    cells: Tensor  # int64 (N, 4), cell of each agent, the seeing one first; -1: not on the board
    codes: Tensor  # int64 (N, 4), their codes on the board
    numbers: Tensor  # int64 (N, 5): own row, column, ammo, blast strength, can kick


class Targets(NamedTuple):
    """Hold what follows, as classes."""

    cell_types: Tensor  # int64 (N, 121)
    blasts: Tensor  # int64 (N, 121), strength - 2; counts only where the cell type is a bomb
    moves: Tensor  # int64 (N, 4), -1 where there was no agent
    changes: Tensor  # int64 (N, 3), of own ammo, blast strength, kick; see `CHANGE_CLASSES`


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
    vectors = np.empty((len(states), FEATURES), np.uint8)
    vectors[:, :BOARD] = states[:, :BOARD]
    vectors[:, BOARD : 2 * BOARD] = states[:, 2 * BOARD : 3 * BOARD]  # blast strength before life
    vectors[:, 2 * BOARD : NUMBERS] = states[:, BOARD : 2 * BOARD]
    players = states[:, 7 * BOARD :].reshape(-1, AGENTS, 6)
    vectors[:, NUMBERS : NUMBERS + 5] = players[np.arange(len(states)), agents, :5]
    vectors[:, NUMBERS + 5] = AGENT - 1  # no teammate
    enemies = np.array([[AGENT + j for j in range(AGENTS) if j != i] for i in range(AGENTS)], np.uint8)
    vectors[:, NUMBERS + 6 :] = enemies[agents]
    return vectors


def parse(vectors: Tensor) -> ParsedView:
    """Take view A apart.

    Args:
        vectors: uint8 (N, 372), of free-for-all games (no fog).

    Raises:
        ValueError: another shape or dtype.

    Example:
        >>> from wmlib.envs.pommerman import full_states, start_rows
        >>> states = full_states(start_rows(3, np.random.default_rng(1)))
        >>> parsed = parse(torch.from_numpy(view_a(states, np.array([0, 1, 2]))))
        >>> parsed.cells[0].tolist(), parsed.codes[1].tolist(), parsed.numbers[2].tolist()
        ([12, 100, 108, 20], [11, 10, 12, 13], [9, 9, 1, 2, 0])
    """
    if vectors.ndim != 2 or vectors.shape[1] != FEATURES or vectors.dtype != torch.uint8:
        raise ValueError(f"vectors: got {vectors.dtype} {tuple(vectors.shape)}; allowed is uint8 (N, {FEATURES}), view A")
    board, blasts, life = vectors[:, :NUMBERS].long().split(BOARD, 1)
    cell_types = torch.where(life > 0, life + FIRST_BOMB - 1, _TYPE_OF_CODE[board])
    enemies = vectors[:, NUMBERS + 6 :].long()
    own_code = (AGENT * AGENTS + 6) - enemies.sum(1, keepdim=True)  # the fourth of 10, 11, 12, 13
    codes = torch.cat([own_code, enemies], 1)
    drawn = board.unsqueeze(1) == codes.unsqueeze(2)  # (N, 4, 121)
    cells = torch.where(drawn.any(2), drawn.to(torch.uint8).argmax(2), -1)
    return ParsedView(cell_types, blasts, cells, codes, vectors[:, NUMBERS : NUMBERS + 5].long())


def input_planes(parsed: ParsedView, actions: Tensor, known_actions: int = 1, full: Tensor | None = None) -> Tensor:
    """Draw a state, with actions, for a convolution.

    Args:
        parsed: of N states.
        actions: int64 (N, 4), the seeing agent's first.
        known_actions: of how many of the four the actions (and with `full` the numbers) are shown: 1 or 4.
        full: uint8 (N, 871), view B of the same states: adds its planes, and the numbers of all whose actions are known.

    Returns:
        float32 (N, C, 11, 11), C = `BOARD_PLANES` + `NUMBER_PLANES` + `ACTIONS`, and `HIDDEN_PLANES` more with `full`.
    """
    n = len(parsed.cell_types)
    num_planes = BOARD_PLANES + NUMBER_PLANES + ACTIONS + (HIDDEN_PLANES if full is not None else 0)
    planes = torch.zeros(n, num_planes, BOARD)
    planes[:, :BOARD_PLANES] = board_planes(parsed)
    each = torch.arange(n)
    for i in range(known_actions):
        cells = parsed.cells[:, i].clamp(min=0)
        on_board = (parsed.cells[:, i] >= 0).float()
        numbers = parsed.numbers[:, 2:] if i == 0 else None
        if full is not None:
            first = (parsed.codes[:, i] - AGENT) * 6 + 7 * BOARD + 2
            numbers = full.gather(1, first.unsqueeze(1) + torch.arange(3)).long()
        if numbers is not None:
            for k, scale in enumerate((MOST, MOST, 1)):
                planes[each, BOARD_PLANES + k, cells] += on_board * numbers[:, k] / scale
        planes[each, BOARD_PLANES + NUMBER_PLANES + actions[:, i], cells] += on_board
    if full is not None:
        direction, owner, flames, hidden = (full[:, k * BOARD : (k + 1) * BOARD] for k in (3, 4, 5, 6))
        extra = [(flames >> k) & 1 for k in range(3)]
        extra += [direction == k for k in range(1, 5)]
        extra += [hidden == EXTRA_BOMB + k for k in range(3)]
        extra += [owner == parsed.codes[:, i : i + 1] - AGENT + 1 for i in range(AGENTS)]  # the seeing agent first
        planes[:, -HIDDEN_PLANES:] = torch.stack(extra, 1)
    return planes.unflatten(2, (SIZE, SIZE))


def board_planes(parsed: ParsedView) -> Tensor:
    """Draw what is seen.

    Args:
        parsed: of N states.

    Returns:
        float32 (N, `BOARD_PLANES`, 121): a plane for each cell type, blast strength, the board, each agent.
    """
    planes = torch.zeros(len(parsed.cell_types), BOARD_PLANES, BOARD)
    planes.scatter_(1, parsed.cell_types.unsqueeze(1), 1.0)
    planes[:, CELL_TYPES] = parsed.blasts / MOST
    planes[:, CELL_TYPES + 1] = 1.0
    cells = parsed.cells.clamp(min=0).unsqueeze(2)
    planes[:, CELL_TYPES + 2 :].scatter_(2, cells, (parsed.cells >= 0).float().unsqueeze(2))
    return planes


def targets(now: ParsedView, after: ParsedView) -> Targets:
    """Say what happened between two states, as classes."""
    step = after.cells - now.cells
    moves = torch.zeros_like(step)
    for move in range(1, GONE):
        moves[step == _SHIFT[move]] = move
    moves[after.cells < 0] = GONE
    moves[now.cells < 0] = -1
    change = after.numbers[:, 2:] - now.numbers[:, 2:]
    lowest = torch.tensor([-1, 0, 0])
    last_class = torch.tensor(CHANGE_CLASSES) - 1
    changes = torch.minimum((change - lowest).clamp(min=0), last_class)
    return Targets(after.cell_types, (after.blasts - 2).clamp(min=0), moves, changes)


_JOINT = torch.tensor(list(itertools.product(range(MOVES), repeat=AGENTS)))  # (1296, 4), all combinations of moves
_PAIRS = list(itertools.combinations(range(AGENTS), 2))


def likeliest_moves(now: ParsedView, scores: Tensor) -> Tensor:
    """Choose the moves of all agents together: the likeliest combination in which no two end in, or swap, cells.

    Args:
        now: of N states.
        scores: float (N, 4, 6), log probabilities of each agent's moves.

    Returns:
        int64 (N, 4). Nobody leaves the board or walks into a rigid wall, or wood. 0 for those not on the board.
    """
    ahead = now.cells.clamp(min=0).unsqueeze(2) + _SHIFT  # (N, 4, 6)
    absent = now.cells < 0
    scores = scores.masked_fill(_blocked(now, ahead) | absent.unsqueeze(2), -1e9)
    scores[..., 0] = scores[..., 0].masked_fill(absent, 0.0)
    moves = scores.argmax(2)  # each for itself: nearly always right
    end = ahead.gather(2, moves.unsqueeze(2)).squeeze(2)
    clash = _clash(now.cells, end, absent | (moves == GONE)).nonzero().squeeze(1)
    for k in clash.split(500):
        total = sum((scores[k, i][:, _JOINT[:, i]] for i in range(AGENTS)), torch.zeros(()))  # (n, 1296)
        ends = torch.stack([ahead[k, i][:, _JOINT[:, i]] for i in range(AGENTS)], 2)  # (n, 1296, 4)
        off_board = absent[k].unsqueeze(1) | (_JOINT == GONE)
        total = total.masked_fill(_clash(now.cells[k].unsqueeze(1).expand_as(ends), ends, off_board), -4e9)
        moves[k] = _JOINT[total.argmax(1)]
    return moves


def _blocked(now: ParsedView, ahead: Tensor) -> Tensor:
    """Say which moves end outside the board or in a wall: int64 (N, 4, 6) cells to bool (N, 4, 6)."""
    cells = now.cells.clamp(min=0)
    row = cells // SIZE
    column = cells % SIZE
    into = now.cell_types.gather(1, ahead.clamp(0, BOARD - 1).flatten(1)).view_as(ahead)
    blocked = (into == RIGID) | (into == WOOD)
    for move, at_edge in ((1, row == 0), (2, row == SIZE - 1), (3, column == 0), (4, column == SIZE - 1)):
        blocked[..., move] |= at_edge
    blocked[..., 0] = blocked[..., GONE] = False
    return blocked


def _clash(start: Tensor, end: Tensor, off_board: Tensor) -> Tensor:
    """Say where two agents that are on the board end in one cell or swap cells: int64 (..., 4) twice, bool (..., 4)."""
    clash = torch.zeros(start.shape[:-1], dtype=torch.bool)
    for i, j in _PAIRS:
        same = end[..., i] == end[..., j]
        swap = (end[..., i] == start[..., j]) & (end[..., j] == start[..., i])
        clash |= (same | swap) & ~(off_board[..., i] | off_board[..., j])
    return clash


def write(now: ParsedView, cell_types: Tensor, blasts: Tensor, moves: Tensor, changes: Tensor) -> Tensor:
    """Write the next state as view A.

    Args:
        now: the state before.
        cell_types: int64 (N, 121).
        blasts: int64 (N, 121), strength - 2, used where the cell type is a bomb.
        moves: int64 (N, 4).
        changes: int64 (N, 3), classes of `CHANGE_CLASSES`.

    Returns:
        uint8 (N, 372). What is in the cell of an agent is drawn under it: only a bomb still shows, in the bomb planes.
    """
    n = len(cell_types)
    vectors = torch.empty(n, FEATURES, dtype=torch.uint8)
    bomb = cell_types >= FIRST_BOMB
    board = _CODE_OF_TYPE[cell_types]
    on_board = (now.cells >= 0) & (moves != GONE)
    cells = now.cells.clamp(min=0) + _SHIFT[moves]
    each = torch.arange(n)
    for i in range(AGENTS):
        drawn = on_board[:, i]
        board[each[drawn], cells[drawn, i]] = now.codes[drawn, i]
    vectors[:, :BOARD] = board
    vectors[:, BOARD : 2 * BOARD] = torch.where(bomb, blasts + 2, 0)
    vectors[:, 2 * BOARD : NUMBERS] = torch.where(bomb, cell_types - FIRST_BOMB + 1, 0)
    place = torch.where(on_board[:, 0], cells[:, 0], now.numbers[:, 0] * SIZE + now.numbers[:, 1])
    vectors[:, NUMBERS] = place // SIZE
    vectors[:, NUMBERS + 1] = place % SIZE
    changed = now.numbers[:, 2:] + changes - torch.tensor([1, 0, 0])
    limits = torch.from_numpy(np.stack([SMALLEST, LARGEST])[:, NUMBERS + 2 : NUMBERS + 5].astype(np.int64))
    vectors[:, NUMBERS + 2 : NUMBERS + 5] = changed.clamp(limits[0], limits[1])
    vectors[:, NUMBERS + 5] = AGENT - 1
    vectors[:, NUMBERS + 6 :] = now.codes[:, 1:]
    return vectors


def impossible(now: Tensor, after: Tensor) -> Tensor:
    """Say which predicted boards cannot be.

    A board is impossible if an agent that was not there appears, or one is there twice, or more than one cell away from where
    it was, or on a wall; if a bomb is drawn where there is none or the reverse; or if a bomb has a life and no strength or the
    reverse. That an agent vanishes is possible: it may have died.

    Args:
        now: uint8 (N, 372), a true state.
        after: uint8 (N, 372), the one that is predicted to follow.

    Returns:
        bool (N,).
    """
    before = parse(now)
    board = after[:, :BOARD]
    wrong = torch.zeros(len(now), dtype=torch.bool)
    walls = (before.cell_types == RIGID) | (before.cell_types == WOOD)
    cells = torch.arange(BOARD)
    for i in range(AGENTS):
        drawn = board == before.codes[:, i : i + 1]
        start = before.cells[:, i : i + 1]
        out_of_reach = (cells // SIZE - start // SIZE).abs() + (cells % SIZE - start % SIZE).abs() > 1
        wrong |= (drawn.sum(1) > 1) | (drawn & ((start < 0) | out_of_reach | walls)).any(1)
    blast = after[:, BOARD : 2 * BOARD] > 0
    life = after[:, 2 * BOARD : NUMBERS] > 0
    return wrong | (blast != life).any(1) | ((board == BOMB) & ~life).any(1) | (life & (board != BOMB) & (board < AGENT)).any(1)
