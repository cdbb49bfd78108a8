"""View A taken apart and put together: against the engine, plain loops, and games that can not be."""

import itertools

import numpy as np
import pytest
import torch

from wmlib.envs.pommerman import Games, act, features, full_states, start_rows
from wmlib.envs.pommerman.layout import AGENT, AGENTS, BOMB, FLAMES, FREE, RIGID, WOOD
from wmlib.envs.pommerman.views import BOARD, FEATURES
from wmlib.lessons.pommerman import encoding


@pytest.fixture(scope="module")
def busy_steps():
    """Return consecutive states of busy games, dead agents or not: view B before and after, and actions."""
    rng = np.random.default_rng(3)
    games, steps = Games(13, rng, starts=13), []
    for _ in range(140):
        running, before = games.running.copy(), games.full_states()
        actions = act(games.rows, rng, "chaos")
        games.step(actions)
        steps.append((before[running], games.full_states()[running], actions[running]))
    return [np.concatenate(parts) for parts in zip(*steps, strict=True)]


def seen(busy_steps, agent):
    """Return view A of one agent before and after, of steps that it begins alive and ends alive, as tensors."""
    before, after, actions = busy_steps
    alive = (before[:, 7 * BOARD + 5 + 6 * agent] > 0) & (after[:, 7 * BOARD + 5 + 6 * agent] > 0)
    who = np.full(alive.sum(), agent)
    return *(torch.from_numpy(encoding.view_a(states[alive], who)) for states in (before, after)), actions[alive]


def test_view_a_is_the_engine_s():
    rows = start_rows(5, np.random.default_rng(0))
    for agent in range(AGENTS):
        ours = encoding.view_a(full_states(rows), np.full(5, agent))
        assert (ours == features(rows)[:, agent]).all()


@pytest.mark.parametrize("agent", range(AGENTS))
def test_true_answers_give_the_true_next_state(busy_steps, agent):
    now, after, _ = seen(busy_steps, agent)
    parsed, true = encoding.parse(now), encoding.targets(encoding.parse(now), encoding.parse(after))
    scores = torch.zeros(len(now), 4, 6).scatter_(2, true.moves.clamp(min=0).unsqueeze(2), 9.0)
    moves = encoding.likeliest_moves(parsed, scores)
    assert len(now) > 300 and (true.moves[parsed.cells >= 0] == moves[parsed.cells >= 0]).all()
    assert (encoding.write(parsed, true.cell_types, true.blasts, moves, true.changes) == after).all()
    assert not encoding.impossible(now, after).any()


def test_parsed_equals_a_plain_loop(busy_steps):
    now, _, _ = seen(busy_steps, 2)
    parsed = encoding.parse(now)
    for n in range(0, len(now), 97):
        vector = now[n].tolist()
        for cell in range(BOARD):
            board, blast, life = vector[cell], vector[BOARD + cell], vector[2 * BOARD + cell]
            types = {FREE: 0, RIGID: 1, WOOD: 2, FLAMES: 3, 6: 4, 7: 5, 8: 6}
            assert parsed.cell_types[n, cell] == (6 + life if life else types.get(board, 0))
            assert parsed.blasts[n, cell] == blast
        for i, who in enumerate((2, 0, 1, 3)):
            places = [cell for cell in range(BOARD) if vector[cell] == AGENT + who]
            assert [parsed.cells[n, i].item()] == (places or [-1]) and parsed.codes[n, i] == AGENT + who
        assert parsed.numbers[n].tolist() == vector[363:368]


def test_planes_equal_a_plain_loop(busy_steps):
    before, _, actions = busy_steps
    who = np.full(len(before), 1)
    pick = np.flatnonzero(before[:, 7 * BOARD + 11] > 0)[::50]
    now, full = torch.from_numpy(encoding.view_a(before[pick], who[pick])), torch.from_numpy(before[pick])
    order = np.array([1, 0, 2, 3])
    acts = torch.from_numpy(actions[pick][:, order].astype(np.int64))
    parsed = encoding.parse(now)
    drawn = encoding.input_planes(parsed, acts, 4, full).flatten(2)
    alone = encoding.input_planes(parsed, acts).flatten(2)
    for n in range(len(pick)):
        plain = np.zeros(drawn.shape[1:])
        for cell in range(BOARD):
            plain[parsed.cell_types[n, cell], cell] = 1
            plain[16, cell], plain[17, cell] = parsed.blasts[n, cell] / 10, 1
        state = before[pick[n]].astype(int)
        for i, agent in enumerate(order):
            if state[7 * BOARD + 6 * agent + 5]:
                cell = 11 * state[7 * BOARD + 6 * agent] + state[7 * BOARD + 6 * agent + 1]
                plain[18 + i, cell] = 1
                plain[22:25, cell] = state[7 * BOARD + 6 * agent + 2 :][:3] / (10, 10, 1)
                plain[25 + acts[n, i], cell] = 1
        for cell in range(BOARD):
            for bit in range(3):
                plain[31 + bit, cell] = state[5 * BOARD + cell] >> bit & 1
                plain[38 + bit, cell] = state[6 * BOARD + cell] == 6 + bit
            if state[3 * BOARD + cell]:
                plain[33 + state[3 * BOARD + cell], cell] = 1
            if state[4 * BOARD + cell]:  # the owner of a bomb, the seeing agent first
                plain[41 + list(order).index(state[4 * BOARD + cell] - 1), cell] = 1
        np.testing.assert_allclose(drawn[n], plain, atol=1e-6)
        me = parsed.cells[n, 0]
        assert drawn[n, 41:].sum() == (state[BOARD : 2 * BOARD] > 0).sum()  # one owner a bomb
        assert torch.equal(alone[n, :22], drawn[n, :22]) and alone[n, 22:].sum(1).ne(0).sum() <= 4
        assert torch.equal(alone[n, 22:31, me], drawn[n, 22:31, me])


def some_parsed(cells, walls=()):
    cell_types = torch.zeros(1, BOARD, dtype=torch.int64)
    cell_types[0, list(walls)] = RIGID
    numbers, codes = torch.zeros(1, 5, dtype=torch.int64), torch.arange(10, 14)[None]
    return encoding.ParsedView(cell_types, torch.zeros_like(cell_types), torch.tensor([cells]), codes, numbers)


def best_by_trying(parsed, scores):
    """Return the likeliest possible combination, by a plain search of all 1296."""
    steps, best = (0, -11, 11, -1, 1, None), (-np.inf, None)
    for moves in itertools.product(range(6), repeat=4):
        total, ends = 0.0, []
        for i, move in enumerate(moves):
            cell = parsed.cells[0, i].item()
            if cell < 0:
                total += 0 if move == 0 else -np.inf
                continue
            total += scores[0, i, move].item()
            if move == 5:
                continue
            end = cell + steps[move]
            if abs(end // 11 - cell // 11) + abs(end % 11 - cell % 11) > 1 or not 0 <= end < BOARD:
                total = -np.inf
            elif move and parsed.cell_types[0, end] in (RIGID, WOOD):
                total = -np.inf
            ends.append((cell, end))
        for (a, to_a), (b, to_b) in itertools.combinations(ends, 2):
            if to_a == to_b or (to_a == b and to_b == a):
                total = -np.inf
        best = max(best, (total, moves), key=lambda pair: pair[0])
    return best


@pytest.mark.parametrize("cells", [[60, 61, 62, 72], [0, 1, 11, 12], [120, 119, -1, 109], [33, 35, 45, -1]])
def test_joint_moves_equal_a_search_of_all(cells):
    generator = torch.Generator().manual_seed(sum(cells))
    parsed = some_parsed(cells, walls=[50, 22, 110])
    for _ in range(4):
        scores = torch.randn(1, 4, 6, generator=generator) * 2
        moves = encoding.likeliest_moves(parsed, scores)[0]
        total, expected = best_by_trying(parsed, scores)
        got = sum(scores[0, i, m].item() for i, m in enumerate(moves) if cells[i] >= 0)
        assert moves.tolist() == list(expected) and got == pytest.approx(total)


def test_random_answers_never_give_an_impossible_board(busy_steps):
    now, _, _ = seen(busy_steps, 0)
    generator, parsed = torch.Generator().manual_seed(0), encoding.parse(now)
    n = len(now)
    cell_types = torch.randint(encoding.CELL_TYPES, (n, BOARD), generator=generator)
    blasts = torch.randint(encoding.BLASTS, (n, BOARD), generator=generator)
    changes = torch.stack([torch.randint(size, (n,), generator=generator) for size in encoding.CHANGE_CLASSES], 1)
    moves = encoding.likeliest_moves(parsed, torch.randn(n, 4, 6, generator=generator))
    predicted = encoding.write(parsed, cell_types, blasts, moves, changes)
    assert not encoding.impossible(now, predicted).any()
    values = predicted.numpy()
    assert (values >= encoding.SMALLEST)[:, encoding.NUMBERS :].all() and (values <= encoding.LARGEST).all()
    boards = predicted[:, :BOARD]
    for i in range(AGENTS):
        drawn = (boards == parsed.codes[:, i : i + 1]).sum(1)
        assert torch.equal(drawn, ((parsed.cells[:, i] >= 0) & (moves[:, i] != encoding.GONE)).long())


def test_impossible_boards_are_found(busy_steps):
    now, after, _ = seen(busy_steps, 0)
    n = (encoding.parse(now).cells[:, 1] >= 0).nonzero()[40].item()
    now, after = now[n : n + 1], after[n : n + 1]
    at = encoding.parse(after).cells[0, 1].item()
    free = [cell for cell in range(BOARD) if after[0, cell] == FREE and abs(cell // 11 - at // 11) > 3]
    doubled, moved, bomb, half = (after.clone() for _ in range(4))
    doubled[0, free[0]] = after[0, at]
    moved[0, free[0]], moved[0, at] = after[0, at], FREE
    bomb[0, free[0]] = BOMB
    half[0, BOARD + free[0]] = 2
    vanished = after.clone()
    vanished[0, at] = FREE
    for wrong in (doubled, moved, bomb, half):
        assert encoding.impossible(now, wrong).all()
    assert not encoding.impossible(now, after).any()
    life = after[0, 2 * BOARD + at] > 0
    assert encoding.impossible(now, vanished).item() == life  # under it there may have been a bomb


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"vectors: got torch.float32 \(2, 372\); allowed is uint8"):
        encoding.parse(torch.zeros(2, FEATURES))
    with pytest.raises(ValueError, match="states: got shape"):
        encoding.view_a(np.zeros((2, 5), np.uint8), np.zeros(2, int))
