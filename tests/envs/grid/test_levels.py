import itertools

import numpy as np
import pytest

from wmlib.envs.grid.levels import LEVELS, MOVES, as_layout, as_text, distances, moves, random_level, shortest_path

STATED = {6: [10, 10, 10, 14, 16, 20, 22], 8: [14, 14, 14, 18, 20, 28, 34, 38]}  # minimum number of steps
ALL = [(size, number) for size, lengths in STATED.items() for number in range(len(lengths))]


def neighbour(layout, row, column, action):
    """Return where a move leads, one cell at a time."""
    new = row + MOVES[action][0], column + MOVES[action][1]
    inside = 0 <= new[0] < len(layout) and 0 <= new[1] < len(layout)
    return new if inside and not layout[new] else (row, column)


def brute_force_length(layout):
    """Return the first power of the neighbour matrix that links start and goal; None if none does."""
    size = len(layout)
    linked = np.zeros((size**2, size**2), bool)
    for row, column in np.argwhere(~layout):
        for action in range(4):
            to = neighbour(layout, row, column, action)
            linked[row * size + column, to[0] * size + to[1]] = True
    reached = np.zeros(size**2, bool)
    reached[0] = True
    for length in range(size**2):
        if reached[-1]:
            return length
        reached = reached @ linked
    return None


def shortest_paths(layout):
    """Yield all shortest paths as tuples of actions."""
    steps = distances(layout)

    def go_on(row, column):
        if steps[row, column] == 0:
            yield ()
        for action in range(4):
            to = neighbour(layout, row, column, action)
            if steps[to] == steps[row, column] - 1:
                yield from ((action, *rest) for rest in go_on(*to))

    return go_on(0, 0)


def solves(layout, actions):
    cell = (0, 0)
    for action in actions:
        cell = neighbour(layout, *cell, action)
    return cell == (len(layout) - 1, len(layout) - 1)


def success_of_a_random_walk(layout, steps):
    """Return the exact probability to be at the goal within so many steps."""
    to = moves(layout)
    chances = np.zeros(layout.size)
    chances[0] = 1
    for _ in range(steps):
        there = chances[-1]
        chances = np.bincount(to[:-1].ravel(), np.repeat(chances[:-1] / 4, 4), layout.size)
        chances[-1] += there
    return chances[-1]


@pytest.mark.parametrize(("size", "number"), ALL)
def test_our_levels_have_the_path_lengths_that_we_state(size, number):
    assert len(shortest_path(number, size)) == STATED[size][number] == brute_force_length(LEVELS[size][number])


def test_our_levels_grow_harder():
    for size, lengths in STATED.items():
        assert lengths == sorted(lengths) and len(LEVELS[size]) == len(lengths)
        chances = [success_of_a_random_walk(layout, 16 * size) for layout in LEVELS[size]]
        assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(chances))


@pytest.mark.parametrize("size", LEVELS)
def test_no_shortest_path_of_a_level_solves_a_harder_one_except_that_without_obstacles(size):
    assert not LEVELS[size][0].any()
    for one, harder in itertools.combinations(LEVELS[size][1:], 2):
        assert not any(solves(harder, actions) for actions in shortest_paths(one))


@pytest.mark.parametrize("size", LEVELS)
def test_no_policy_by_place_alone_is_optimal_on_two_levels_except_that_without_obstacles(size):
    for one, other in itertools.combinations(LEVELS[size][1:], 2):
        good = []
        for layout in (one, other):
            steps = distances(layout).ravel()
            good.append((steps[moves(layout)] == steps[:, None] - 1) & (steps > 0)[:, None])
        contradicted = good[0].any(1) & good[1].any(1) & ~(good[0] & good[1]).any(1)
        assert contradicted.any()


def test_levels_1_and_2_are_transposed():
    for levels in LEVELS.values():
        assert np.array_equal(levels[1].T, levels[2])


def test_distances_and_shortest_paths_equal_brute_force_on_random_layouts():
    rng = np.random.default_rng(3)
    lengths = set()
    for _ in range(200):
        layout = rng.random((5, 5)) < 0.35
        layout[0, 0] = layout[-1, -1] = False
        length = brute_force_length(layout)
        lengths.add(length)
        if length is None:
            assert distances(layout)[0, 0] == -1
            with pytest.raises(ValueError, match="without a path"):
                shortest_path(layout, 5)
        else:
            actions = shortest_path(layout, 5)
            assert len(actions) == length == distances(layout)[0, 0] and solves(layout, actions)
    assert {None, 8, 10} <= lengths


def test_moves_are_those_of_the_rules():
    layout = as_layout("..#.. #...# ..#.. .#... .....", 5)
    for row, column in np.argwhere(~layout):
        for action in range(4):
            to = neighbour(layout, row, column, action)
            assert moves(layout)[row * 5 + column, action] == to[0] * 5 + to[1]


@pytest.mark.parametrize(("size", "longest"), [(3, 4), (4, 6), (5, 16), (6, 22), (7, 26)])
def test_random_levels_have_the_length_asked_for(size, longest):
    rng = np.random.default_rng(0)
    for length in range(2 * (size - 1), longest + 1, 2):
        assert brute_force_length(random_level(size, length, rng)) == length


def test_random_levels_vary_and_repeat_with_their_generator():
    levels = [random_level(6, 14, np.random.default_rng(seed)).tobytes() for seed in (*range(20), 0)]
    assert len(set(levels)) == 20 and levels[0] == levels[-1]
    assert len({random_level(6, 10, np.random.default_rng(seed)).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize(("length", "message"), [(8, "even numbers from 10"), (11, "even numbers"), (36, "shorter")])
def test_a_length_that_no_level_has_is_refused(length, message):
    with pytest.raises(ValueError, match=f"path_length: got {length}.*{message}"):
        random_level(6, length, np.random.default_rng(0))


def test_a_level_may_be_a_number_text_or_an_array():
    layout = LEVELS[6][3]
    assert np.array_equal(as_layout(3, 6), layout)
    assert np.array_equal(as_layout(np.int64(3), 6), layout)
    assert np.array_equal(as_layout(as_text(layout), 6), layout)
    assert np.array_equal(as_layout(layout.astype(np.uint8), 6), layout)
    assert np.array_equal(as_layout(layout.tolist(), 6), layout)


def test_a_layout_is_a_copy_that_cannot_be_changed():
    mine = np.zeros((4, 4), bool)
    layout = as_layout(mine, 4)
    mine[1, 1] = True
    assert not layout.any()
    with pytest.raises(ValueError, match="read-only"):
        layout[1, 1] = True


@pytest.mark.parametrize(
    ("level", "size", "message"),
    [
        (7, 6, "got 7 at size=6; allowed is 0 to 6"),
        (-1, 6, "allowed is 0 to 6"),
        (0, 5, "there are numbered levels for sizes 6, 8"),
        (True, 6, "got an array"),
        (None, 6, "got None"),
        ("..x ... ...", 3, "3 lines of 3 signs"),
        ("... .. ...", 3, "3 lines of 3 signs"),
        ("... ... ...", 4, r"an array \(3, 3\)"),
        ([[0, 2], [0, 0]], 2, "got"),
        ([[0, 0], [0]], 2, "got"),
        ("", 2, "got ''"),
        (np.zeros((3, 3)), 3, "got"),
        ("#.. ... ...", 3, "at the start"),
        ("... ... ..#", 3, "at the start"),
        (".#. #.. ...", 3, "without a path"),
        (0, 1, "size: got 1"),
        (0, 6.0, "size: got 6.0"),
    ],
)
def test_what_is_no_level_is_refused(level, size, message):
    with pytest.raises(ValueError, match=message):
        as_layout(level, size)


def test_random_walks_succeed_as_often_as_in_a_prototype_on_the_level_without_obstacles():
    """A prototype, another program, measured these on the same level; its shares are of some hundred walks."""
    measured = {(6, 48): 0.15, (6, 96): 0.38, (6, 144): 0.55, (8, 128): 0.25, (8, 256): 0.51}
    for (size, steps), share in measured.items():
        assert abs(success_of_a_random_walk(LEVELS[size][0], steps) - share) < 0.03
