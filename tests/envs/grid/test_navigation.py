import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import wmlib.envs  # noqa: F401  # registers
from wmlib.envs.grid.levels import LEVELS, as_layout, distances, moves, shortest_path
from wmlib.envs.grid.navigation import GridNavigation, GridNavigationVector, draw

ENV_ID = "wmlib/GridNavigation-v0"
RED, GREEN, YELLOW, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (255, 255, 0), (0, 0, 255), (0, 0, 0)


@pytest.mark.parametrize(
    "arguments", [{}, {"view": 3, "cell": 4}, {"size": 8, "level": 7, "render_mode": "rgb_array"}, {"render_mode": "ansi"}]
)
def test_gymnasiums_own_checker_is_content(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(ENV_ID, **arguments).unwrapped)


def test_the_vector_environment_is_what_gymnasium_makes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gymnasium.make_vec(ENV_ID, num_envs=3, level=1, view=3)
        assert isinstance(envs, GridNavigationVector)
        assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
        single = gymnasium.make(ENV_ID, level=1, view=3)
        assert envs.single_observation_space == single.observation_space and envs.single_action_space == single.action_space
        frames, _ = envs.reset(seed=1)
        assert envs.observation_space.contains(frames)
        frames, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(frames)
        assert rewards.shape == terminated.shape == truncated.shape == (3,) and terminated.dtype == truncated.dtype == bool


def test_two_environments_agree_step_by_step():
    one, other = GridNavigation(3), GridNavigation(3)
    assert np.array_equal(one.reset(seed=1)[0], other.reset(seed=2)[0])
    for action in np.random.default_rng(0).integers(4, size=90):
        (frame, *rest), (other_frame, *other_rest) = one.step(action), other.step(action)
        assert np.array_equal(frame, other_frame) and rest == other_rest


@pytest.mark.parametrize(
    ("levels", "arguments"),
    [
        ([0, 0, 1, 2, 0], {}),
        ([0, 3, 6], {"max_steps": 7, "view": 5}),
        ([LEVELS[6][0], "...... ...... .#.... ...... ...... ......"], {"cell": 3, "max_steps": 40}),
        ([7, 0], {"size": 8, "view": 3, "cell": 2, "max_steps": 50}),
        (["..\n.."], {"size": 2}),
    ],
)
def test_the_vector_environment_equals_single_ones_over_random_play(levels, arguments):
    envs = GridNavigationVector(len(levels), levels=levels, **arguments)
    singles = SyncVectorEnv([lambda level=level: GridNavigation(level, **arguments) for level in levels])
    rng = np.random.default_rng(1)
    assert np.array_equal(envs.reset()[0], singles.reset()[0])
    ends = np.zeros(2, int)
    for t in range(1500):
        actions = rng.choice(4, size=len(levels), p=[0.15, 0.35, 0.15, 0.35])  # drawn to the goal, so that it is reached
        result, expected = envs.step(actions), singles.step(actions)
        for part, wanted in zip(result[:4], expected[:4], strict=True):
            assert part.dtype == wanted.dtype and np.array_equal(part, wanted), t
        ends += result[2].sum(), result[3].sum()
    assert ends.sum() > 10 and (ends[0] > 0 or "max_steps" in arguments)


@pytest.mark.parametrize("number", range(7))
def test_every_move_from_every_cell_follows_the_rules(number):
    layout = LEVELS[6][number]
    places = [divmod(cell, 6) for cell in np.flatnonzero(~layout)[:-1].tolist()]
    pairs = [(*place, action) for place in places for action in range(4)]
    envs = GridNavigationVector(len(pairs), number)
    frames, _ = envs.reset(options={"cells": np.array([6 * row + column for row, column, _ in pairs])})
    for frame, (row, column, _) in zip(frames, pairs, strict=True):
        assert tuple(frame[row, column]) == RED
    frames, rewards, terminated, truncated, _ = envs.step(np.array([action for *_, action in pairs]))
    for i, (row, column, action) in enumerate(pairs):
        new_row = row + [-1, 1, 0, 0][action]
        new_column = column + [0, 0, -1, 1][action]
        if not (0 <= new_row < 6 and 0 <= new_column < 6) or layout[new_row, new_column]:
            new_row, new_column = row, column
        at_goal = (new_row, new_column) == (5, 5)
        assert envs.cells[i] == 6 * new_row + new_column
        assert tuple(frames[i, new_row, new_column]) == (YELLOW if at_goal else RED)
        assert (rewards[i], terminated[i], truncated[i]) == ((1.0, True, False) if at_goal else (-0.02, False, False))


def test_a_frame_shows_the_level_the_agent_and_the_goal():
    frame, _ = GridNavigation("... #.. ...", 3).reset()
    assert frame.dtype == np.uint8
    colours = [[tuple(pixel) for pixel in row] for row in frame.tolist()]
    assert colours == [[RED, BLACK, BLACK], [BLUE, BLACK, BLACK], [BLACK, BLACK, GREEN]]


@pytest.mark.parametrize("size", LEVELS)
def test_no_two_states_look_alike_in_the_full_view(size):
    frames = [draw(layout, cell).tobytes() for layout in LEVELS[size] for cell in np.flatnonzero(~layout).tolist()]
    assert len(set(frames)) == len(frames)


@pytest.mark.parametrize("view", [3, 5, 11])
def test_a_view_is_the_neighbourhood_and_nothing_else_matters(view):
    rng = np.random.default_rng(view)
    layout = rng.random((6, 6)) < 0.3
    layout[0, 0] = layout[-1, -1] = False
    for cell in np.flatnonzero(~layout).tolist():
        row, column = divmod(cell, 6)
        seen = draw(layout, cell, view)
        assert seen.shape == (view, view, 3)
        for i, j in np.ndindex(view, view):
            place = row + i - view // 2, column + j - view // 2
            if not (0 <= place[0] < 6 and 0 <= place[1] < 6):
                expected = BLUE
            else:
                agent, goal = place == (row, column), place == (5, 5)
                expected = {(1, 1): YELLOW, (1, 0): RED, (0, 1): GREEN}.get((agent, goal), BLUE if layout[place] else BLACK)
            assert tuple(seen[i, j]) == expected
        far = np.maximum(*np.abs(np.mgrid[:6, :6] - np.array([row, column])[:, None, None])) > view // 2
        far[0, 0] = far[-1, -1] = False
        assert np.array_equal(draw(layout ^ far, cell, view), seen)


def test_places_look_alike_in_a_small_view():
    """In the level without obstacles a 3 x 3 view has 16 places in the middle, of which 15 look the same."""
    looks = [draw(LEVELS[6][0], 6 * row + column, 3).tobytes() for row in range(1, 5) for column in range(1, 5)]
    assert len(set(looks)) == 2


@pytest.mark.parametrize(("size", "number"), [(size, number) for size in LEVELS for number in range(len(LEVELS[size]))])
def test_a_shortest_path_solves_its_level(size, number):
    env = GridNavigation(number, size)
    env.reset()
    path = shortest_path(number, size)
    results = [env.step(action)[1:] for action in path]
    assert all(result == (-0.02, False, False, {}) for result in results[:-1])
    assert results[-1] == (1.0, True, False, {})
    assert 16 * size > 2 * len(path)  # the cap leaves room


@pytest.mark.parametrize(("arguments", "cap"), [({}, 96), ({"size": 8}, 128), ({"max_steps": 5}, 5)])
def test_the_cap_truncates_and_a_further_step_is_refused(arguments, cap):
    env = GridNavigation(**arguments)
    env.reset()
    ends = [env.step(0)[1:4] for _ in range(cap)]
    assert ends == [(-0.02, False, False)] * (cap - 1) + [(-0.02, False, True)]
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)


def test_the_goal_at_the_last_step_terminates_and_does_not_truncate():
    path = shortest_path(0)
    for env in (GridNavigation(max_steps=10), GridNavigationVector(1, max_steps=10)):
        env.reset()
        for action in path:
            _, _, terminated, truncated, _ = env.step(action if env.action_space.shape == () else np.array([action]))
        assert np.all(terminated) and not np.any(truncated)


def test_random_walks_reach_the_goal_as_often_as_the_exact_chances_say():
    count, steps = 4000, 96
    for number in (0, 3):
        to = moves(LEVELS[6][number])
        chances = np.zeros(36)
        chances[0] = 1
        for _ in range(steps):
            reached = chances[-1]
            chances = np.bincount(to[:-1].ravel(), np.repeat(chances[:-1] / 4, 4), 36)
            chances[-1] += reached
        envs = GridNavigationVector(count, number)
        envs.reset()
        rng = np.random.default_rng(number)
        solved = np.zeros(count, bool)
        ended = np.zeros(count, bool)
        for _ in range(steps):
            _, _, terminated, truncated, _ = envs.step(rng.integers(4, size=count))
            solved |= terminated & ~ended
            ended |= terminated | truncated
        assert ended.all()
        spread = np.sqrt(chances[-1] * (1 - chances[-1]) / count)
        assert abs(solved.mean() - chances[-1]) < 4 * spread


def test_levels_and_cells_of_a_reset():
    env = GridNavigation(0)
    frame, _ = env.reset(options={"level": 1, "cell": 12})
    assert np.array_equal(frame, draw(LEVELS[6][1], 12))
    frame, _ = env.reset()  # the level stays, the cell does not
    assert np.array_equal(frame, draw(LEVELS[6][1], 0))
    envs = GridNavigationVector(3)
    frames, _ = envs.reset(options={"levels": [2, 0, LEVELS[6][1].tolist()], "cells": [2, 7, 30]})
    for frame, level, cell in zip(frames, (2, 0, 1), (2, 7, 30), strict=True):
        assert np.array_equal(frame, draw(LEVELS[6][level], cell))
    frames, _ = envs.reset()
    assert np.array_equal(frames, [draw(LEVELS[6][level], 0) for level in (2, 0, 1)])


def test_a_mask_resets_some_copies_and_leaves_the_others():
    arguments = {"max_steps": 9}
    envs = GridNavigationVector(4, **arguments)
    singles = [GridNavigation(**arguments) for _ in range(4)]
    envs.reset()
    for env in singles:
        env.reset()
    rng = np.random.default_rng(2)
    for t in range(200):
        actions = rng.integers(4, size=4)
        frames, rewards, _, truncated, _ = envs.step(actions)
        for i, env in enumerate(singles):
            frame, reward, _, end, _ = env.step(actions[i])
            assert np.array_equal(frames[i], frame) and (rewards[i], truncated[i]) == (reward, end), t
        mask = truncated | (rng.random(4) < 0.1)
        if mask.any():  # all that have ended among them, so no copy begins by itself
            numbers = rng.integers(7, size=4)
            levels = [int(number) if use else None for number, use in zip(numbers, mask, strict=True)]
            frames, _ = envs.reset(options={"reset_mask": mask, "levels": levels})
            for i in np.flatnonzero(mask):
                singles[i].reset(options={"level": int(numbers[i])})
            for i, env in enumerate(singles):
                assert np.array_equal(frames[i], draw(env.layout, env.cell))


def test_a_copy_reset_by_mask_starts_in_its_cell_while_another_begins_by_itself():
    envs = GridNavigationVector(2, max_steps=2)
    envs.reset()
    envs.step(np.array([1, 1]))
    _, _, _, truncated, _ = envs.step(np.array([1, 1]))
    assert truncated.all()
    envs.reset(options={"reset_mask": np.array([True, False]), "cells": np.array([21, 0])})
    frames, rewards, _, _, _ = envs.step(np.array([3, 3]))
    assert envs.cells.tolist() == [22, 0] and rewards.tolist() == [-0.02, 0.0]
    assert np.array_equal(frames, [draw(LEVELS[6][0], 22), draw(LEVELS[6][0], 0)])


def test_what_was_returned_stays_as_it_was():
    envs = GridNavigationVector(3, max_steps=4)
    kept = [envs.reset()[0], *envs.step(np.array([1, 3, 1]))[:4]]
    copies = [part.copy() for part in kept]
    for _ in range(9):
        envs.step(np.array([3, 1, 0]))
    assert all(map(np.array_equal, kept, copies))
    env = GridNavigation()
    frame, _ = env.reset()
    copy = frame.copy()
    env.step(1)
    assert np.array_equal(frame, copy)


def test_pictures_and_text():
    env = GridNavigation(1, render_mode="ansi")
    env.reset(options={"cell": 6})
    assert env.render() == ".#....\n@#....\n.#....\n.#....\n......\n.....G"
    env = GridNavigation(1, view=3, render_mode="rgb_array")
    env.reset()
    picture = env.render()
    assert picture.shape == (192, 192, 3) and picture.dtype == np.uint8
    assert picture[20, 100].sum() < picture[40, 20].sum()  # not seen, seen; both are free
    assert GridNavigation().render() is None
    envs = GridNavigationVector(2, levels=[0, 1], render_mode="rgb_array")
    envs.reset()
    assert [part.shape for part in envs.render()] == [(192, 192, 3)] * 2
    envs = GridNavigationVector(2, levels=[0, 1], render_mode="ansi")
    envs.reset()
    assert envs.render()[1].startswith("@#")
    assert GridNavigationVector(2).render() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"view": 4}, "view: got 4; allowed are None and odd"),
        ({"view": 1}, "view: got 1"),
        ({"cell": 0}, "cell: got 0"),
        ({"max_steps": 0}, "max_steps: got 0"),
        ({"size": 1}, "size: got 1"),
        ({"level": 9}, "level: got 9"),
        ({"render_mode": "human"}, "render_mode: got 'human'"),
    ],
)
@pytest.mark.parametrize("make", [GridNavigation, lambda **arguments: GridNavigationVector(2, **arguments)])
def test_wrong_arguments_are_refused_by_name(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1}, "options: got 'level'; allowed are 'levels', 'cells', 'reset_mask'"),
        ({"levels": [0]}, "levels: got 1 levels; allowed is a sequence of 2"),
        ({"levels": 3}, "levels: got 3"),
        ({"levels": [0, 99]}, "level: got 99"),
        ({"cells": [0, 35]}, r"cells\[1\]: got 35; allowed are free cells"),
        ({"cells": [-1, 0]}, r"cells\[0\]: got -1"),
        ({"cells": [0, 1], "levels": [1, 1]}, r"cells\[1\]: got 1"),
        ({"cells": [0]}, r"cells: got int64 \(1,\)"),
        ({"cells": [0.0, 1.0]}, "cells: got float64"),
        ({"reset_mask": [False, False]}, "reset_mask: got"),
        ({"reset_mask": [1, 0]}, "reset_mask: got"),
    ],
)
def test_wrong_options_are_refused_and_change_nothing(options, message):
    envs = GridNavigationVector(2)
    envs.reset()
    envs.step(np.array([1, 3]))
    with pytest.raises(ValueError, match=message):
        envs.reset(options=options)
    frames = envs.step(np.array([1, 3]))[0]
    assert np.array_equal(frames, [draw(LEVELS[6][0], 12), draw(LEVELS[6][0], 2)])


@pytest.mark.parametrize("options", [{"cell": 35}, {"cell": 1, "level": 1}, {"cells": 3}, {"level": 99}, {"cell": 1.5}])
def test_wrong_options_of_a_single_one_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        GridNavigation().reset(options=options)


@pytest.mark.parametrize("actions", [[0, 4], [-1, 0], [0.0, 1.0], [0], 0, [[0, 1]], [True, False]])
def test_wrong_actions_are_refused_and_nobody_moves(actions):
    envs = GridNavigationVector(2)
    with pytest.raises(RuntimeError, match="call reset"):
        envs.step(np.array([0, 0]))
    envs.reset()
    with pytest.raises(ValueError, match="actions: got"):
        envs.step(actions)
    assert envs.cells.tolist() == [0, 0]
    env = GridNavigation()
    env.reset()
    with pytest.raises(ValueError, match="action: got"):
        env.step(np.array(actions) if np.ndim(actions) else 4)


def test_a_first_reset_takes_all():
    with pytest.raises(ValueError, match="at the first reset"):
        GridNavigationVector(2).reset(options={"reset_mask": np.array([True, False])})


def test_episodes_start_in_any_free_cell_from_which_a_path_leads():
    layout = as_layout("....#. ....## ...... ...### ...... ......")
    free = np.flatnonzero(distances(layout).ravel() > 0)
    assert len(free) == 36 - layout.sum() - 2  # not the goal, and not the cell that is walled in
    envs = GridNavigationVector(len(free), layout)
    envs.reset(options={"cells": free})
    assert envs.cells.tolist() == free.tolist()
