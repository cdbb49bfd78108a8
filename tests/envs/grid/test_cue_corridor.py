import itertools
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from scipy import stats

import wmlib.envs  # noqa: F401  # registers
from wmlib.envs.grid.cue_corridor import CUES, LENGTHS, LEVELS, CueCorridor, CueCorridorVector, draw, num_steps, place, sign_at

ENV_ID = "wmlib/CueCorridor-v0"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"level": (2, 3), "cell": 4, "symbols": 2}, {"render_mode": "rgb_array"}, {"level": (3, 1), "render_mode": "ansi"}],
)
def test_gymnasiums_own_checker_is_content(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(ENV_ID, **arguments).unwrapped)


def test_the_vector_environment_is_what_gymnasium_makes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = gymnasium.make_vec(ENV_ID, num_envs=3, level=(2, 4), cell=2)
        assert isinstance(envs, CueCorridorVector)
        assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
        single = gymnasium.make(ENV_ID, level=(2, 4), cell=2)
        assert envs.single_observation_space == single.observation_space and envs.single_action_space == single.action_space
        frames, _ = envs.reset(seed=1)
        assert envs.observation_space.contains(frames)
        frames, rewards, terminated, truncated, _ = envs.step(envs.action_space.sample())
        assert envs.observation_space.contains(frames)
        assert rewards.shape == terminated.shape == truncated.shape == (3,) and terminated.dtype == truncated.dtype == bool


def test_the_levels_are_all_pairs_and_the_largest_just_fits():
    assert len(LEVELS) == len(CUES) * len(LENGTHS) and num_steps(LEVELS[-1]) == 56
    assert len({place(step) for step in range(56)}) == 56


def test_the_path_goes_from_a_place_to_one_beside_it():
    places = np.array([place(step) for step in range(56)])
    assert (np.abs(np.diff(places, axis=0)).sum(1) == 1).all()
    assert places.min(0).tolist() == [1, 0] and places.max(0).tolist() == [7, 7]  # the first row is for signs


def frames_of(env, cues, actions):
    frames = [env.reset(options={"cues": cues})[0]]
    frames += [env.step(action)[0] for action in actions]
    return [frame.tobytes() for frame in frames]


@pytest.mark.parametrize(("count", "length", "symbols"), [(1, 1, 4), (2, 3, 4), (3, 2, 3), (4, 1, 2)])
def test_a_frame_tells_of_the_cues_only_the_one_that_is_shown(count, length, symbols):
    """Over all sequences of cues: the frame at each step is a function of the cue shown then, one to one, or constant."""
    env = CueCorridor((count, length), symbols)
    sequences = list(itertools.product(range(symbols), repeat=count))
    rng = np.random.default_rng(0)
    episodes = [frames_of(env, cues, rng.integers(symbols, size=2 * count + length)) for cues in sequences]
    for step in range(2 * count + length + 1):
        if step < count:
            shown = step
        elif step > count + length:
            shown = step - count - length - 1  # the answer to the door before
        else:
            shown = None  # corridor and first door
        looks = {
            (None if shown is None else cues[shown], frames[step]) for cues, frames in zip(sequences, episodes, strict=True)
        }
        assert len(looks) == (1 if shown is None else symbols)
        assert len({frame for _, frame in looks}) == len(looks)


def test_the_frame_at_a_door_does_not_tell_the_door():
    """At door i, whatever its cue, the same frames are seen: a policy of the frame alone is right by chance only."""
    count, length, symbols = 3, 2, 4
    env = CueCorridor((count, length), symbols)
    for door in range(count):
        seen = {symbol: set() for symbol in range(symbols)}
        for cues in itertools.product(range(symbols), repeat=count):
            frames = frames_of(env, cues, [0] * (count + length + door))
            seen[cues[door]].add(frames[-1])
        assert all(frames == seen[0] for frames in seen.values())


def test_level_and_place_are_in_every_frame():
    """So the next frame can be predicted from the frame alone, but for signs."""
    frames = [draw(level, step, None).tobytes() for level in LEVELS for step in range(num_steps(level) + 1)]
    assert len(set(frames)) == len(frames)


def test_a_frame_shows_the_path_the_agent_and_the_sign():
    red, green, white, blue, cyan = (255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 255), (0, 255, 255)
    for step in range(12):
        frame = draw((3, 5), step, 2)
        assert [tuple(pixel) for pixel in frame[0].tolist()] == [(0, 0, 0)] * 4 + [cyan] * 2 + [(0, 0, 0)] * 2
        expected = [green] * 3 + [white] * 5 + [blue] * 3
        if step < 11:
            expected[step] = red
        assert [tuple(frame[place(at)].tolist()) for at in range(11)] == expected
        assert frame[1:].any(-1).sum() == 11


def test_actions_change_nothing_but_the_rewards():
    env = CueCorridor((3, 4))
    rng = np.random.default_rng(1)
    episodes = [frames_of(env, [2, 0, 3], rng.integers(4, size=10)) for _ in range(5)]
    assert all(episode == episodes[0] for episode in episodes)


@pytest.mark.parametrize("level", [(1, 1), (4, 2), (12, 32)])
def test_who_remembers_gets_all_and_who_is_wrong_gets_nothing(level):
    count, length = level
    env = CueCorridor(level)
    env.reset(seed=3)
    walk = [0] * (count + length)
    for shift in (0, 1):
        results = [env.step(action)[1:4] for action in walk + [(cue + shift) % 4 for cue in env.cues]]
        assert all(reward == 0 for reward, _, _ in results[: count + length])
        assert all(reward == (shift == 0) for reward, _, _ in results[count + length :])
        assert [end for _, end, _ in results] == [False] * (len(results) - 1) + [True]
        assert not any(truncated for *_, truncated in results)
        with pytest.raises(RuntimeError, match="call reset"):
            env.step(0)
        env.reset()


def test_cues_repeat_with_the_seed_and_are_even_and_independent():
    env = CueCorridor((12, 1))
    drawn = []
    for seed in (5, 5, 6):
        env.reset(seed=seed)
        drawn.append(env.cues)
    assert drawn[0] == drawn[1] != drawn[2]
    envs = CueCorridorVector(3000, (2, 1))
    envs.reset(seed=4)
    first = envs.cues.copy()
    for _ in range(6):  # 5 steps, and the one that begins anew
        envs.step(np.zeros(3000, int))
    assert not np.array_equal(first, envs.cues)
    for cues in (first, envs.cues):
        pairs = np.bincount(4 * cues[:, 0] + cues[:, 1], minlength=16)
        assert stats.chisquare(pairs).pvalue > 1e-4
    envs.reset(seed=4)
    assert np.array_equal(first, envs.cues)


def test_a_random_player_is_right_one_time_in_four():
    envs = CueCorridorVector(2000, (4, 1))
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    total = sum(envs.step(rng.integers(4, size=2000))[1] for _ in range(9))
    assert abs(total.mean() - 1) < 4 * np.sqrt(4 * 0.25 * 0.75 / 2000)


@pytest.mark.parametrize(
    ("levels", "arguments"),
    [
        ([(1, 1)], {}),
        ([(2, 3), (2, 3), (4, 1), (1, 9)], {"cell": 3}),
        ([(12, 32), (1, 1), (6, 2)], {}),
        ([(3, 5), (5, 3)], {"symbols": 2}),
    ],
)
def test_the_vector_environment_equals_single_ones_over_random_play(levels, arguments):
    envs = CueCorridorVector(len(levels), levels=levels, **arguments)
    singles = [CueCorridor(level, **arguments) for level in levels]
    symbols = arguments.get("symbols", 4)
    rng = np.random.default_rng(1)
    frames, _ = envs.reset(seed=2)

    def cues_of(i):
        row = envs.cues[i]
        assert (row[levels[i][0] :] == -1).all()
        return row[: levels[i][0]]

    for i, env in enumerate(singles):
        assert np.array_equal(env.reset(options={"cues": cues_of(i)})[0], frames[i])
    over = [False] * len(levels)
    ends = 0
    for _ in range(400):
        actions = rng.integers(symbols, size=len(levels))
        frames, rewards, terminated, truncated, _ = envs.step(actions)
        for i, env in enumerate(singles):
            if over[i]:
                expected = env.reset(options={"cues": cues_of(i)})[0], 0.0, False, False
            else:
                expected = env.step(actions[i])[:4]
            over[i] = expected[2]
            ends += over[i]
            assert np.array_equal(frames[i], expected[0])
            assert (rewards[i], terminated[i], truncated[i]) == expected[1:]
    assert ends > 5


def test_levels_and_cues_of_a_reset():
    envs = CueCorridorVector(2)
    envs.reset(seed=1)
    frames, _ = envs.reset(options={"levels": [(3, 2), (1, 4)], "cues": [[3, 1, 0], [2, -1, -1]]})
    assert envs.cues.tolist() == [[3, 1, 0], [2, -1, -1]] and envs.levels == ((3, 2), (1, 4))
    assert np.array_equal(frames, [draw((3, 2), 0, 3), draw((1, 4), 0, 2)])
    frames, _ = envs.reset(options={"cues": [[0, 0, 0, 9], [1, 7, 7, 7]]})  # more than are needed
    assert envs.cues.tolist() == [[0, 0, 0], [1, -1, -1]]
    frames, _ = envs.reset(options={"levels": [(1, 1), (1, 1)]})
    assert envs.cues.shape == (2, 1)
    env = CueCorridor()
    env.reset(options={"level": (2, 1), "cues": [1, 3]})
    env.reset()
    assert env.level == (2, 1) and len(env.cues) == 2


def test_a_mask_resets_some_copies_and_leaves_the_others():
    envs = CueCorridorVector(3, levels=[(2, 1), (4, 3), (1, 1)])
    envs.reset(seed=1, options={"cues": [[1, 2, 0, 0], [3, 2, 1, 0], [0, 0, 0, 0]]})
    for _ in range(3):
        _, _, terminated, _, _ = envs.step(np.zeros(3, int))
    assert terminated.tolist() == [False, False, True]
    mask = np.array([True, False, False])
    options = {"reset_mask": mask, "levels": [(6, 2), None, None], "cues": np.full((3, 6), 2)}
    frames, _ = envs.reset(options=options)
    assert envs.levels == ((6, 2), (4, 3), (1, 1)) and envs.steps.tolist() == [0, 3, 3]
    assert np.array_equal(frames, [draw((6, 2), 0, 2), draw((4, 3), 3, 0), draw((1, 1), 3, 0)])
    frames, _, terminated, _, _ = envs.step(np.zeros(3, int))
    last = int(envs.cues[2, 0])  # a new episode
    assert np.array_equal(frames, [draw((6, 2), 1, 2), draw((4, 3), 4, None), draw((1, 1), 0, last)])
    rewards = np.array([envs.step(np.array([2, action, 0]))[1] for action in (0, 0, 0, 3, 2, 1, 0)])
    assert rewards[:, 1].tolist() == [0, 0, 0, 1, 1, 1, 1]
    frames, _ = envs.reset(options={"reset_mask": np.array([True, False, False]), "levels": [(1, 1), None, None]})
    assert envs.cues.shape == (3, 4) and envs.cues[1].tolist() == [3, 2, 1, 0]  # the longest is the second one now


def test_what_was_returned_stays_as_it_was():
    envs = CueCorridorVector(3)
    kept = [envs.reset(seed=1)[0], *envs.step(np.array([1, 3, 1]))[:4]]
    kept += envs.step(np.array([1, 3, 1]))[:4]
    kept += envs.step(np.array([1, 3, 1]))[:4]
    copies = [part.copy() for part in kept]
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    assert all(map(np.array_equal, kept, copies))
    for _ in range(9):
        envs.step(np.array([3, 1, 0]))
    assert all(map(np.array_equal, kept, copies))


def test_pictures_and_text():
    env = CueCorridor((2, 3), render_mode="ansi")
    env.reset(options={"cues": [3, 1]})
    texts = [env.render()]
    for _ in range(7):
        env.step(0)
        texts.append(env.render())
    assert texts[0] == "_ _ _ #\n@c...DD" and texts[2] == "_ _ _ _\ncc@..DD"
    assert texts[5] == "_ _ _ _\ncc...@D" and texts[6] == "_ _ _ #\ncc...D@" and texts[7] == "_ # _ _\ncc...DD"
    env = CueCorridor((12, 32), render_mode="rgb_array")
    env.reset(seed=1)
    assert env.render().shape == (256, 256, 3) and env.render().dtype == np.uint8
    assert CueCorridor().render() is None
    for mode in ("rgb_array", "ansi"):
        envs = CueCorridorVector(2, levels=[(1, 1), (3, 4)], render_mode=mode)
        envs.reset(seed=1)
        for i, view in enumerate(envs.render()):
            env = CueCorridor(envs.levels[i], render_mode=mode)
            env.reset(options={"cues": envs.cues[i, : envs.levels[i][0]]})
            assert np.array_equal(env.render(), view)
    assert CueCorridorVector(2).render() is None


def test_signs_are_cues_then_nothing_then_answers():
    assert [sign_at((2, 2), step, [3, 1]) for step in range(7)] == [3, 1, None, None, None, 3, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": (12, 33)}, r"level: got \(12, 33\); allowed are pairs"),
        ({"level": (0, 1)}, "level: got"),
        ({"level": (1, 0)}, "level: got"),
        ({"level": 3}, "level: got 3"),
        ({"level": (1, 2, 3)}, "level: got"),
        ({"level": (1.0, 2)}, "level: got"),
        ({"level": (True, 2)}, "level: got"),
        ({"symbols": 5}, "symbols: got 5; allowed are 2 to 4"),
        ({"symbols": 1}, "symbols: got 1"),
        ({"cell": 0}, "cell: got 0"),
        ({"render_mode": "human"}, "render_mode: got 'human'"),
    ],
)
@pytest.mark.parametrize("make", [CueCorridor, lambda **arguments: CueCorridorVector(2, **arguments)])
def test_wrong_arguments_are_refused_by_name(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": (1, 1)}, "options: got 'level'"),
        ({"levels": [(1, 1)]}, "levels: got 1 levels"),
        ({"levels": [(1, 1), (40, 1)]}, r"level: got \(40, 1\)"),
        ({"cues": [[0, 1], [0, 4]]}, r"cues: got \[0, 4\]; allowed are 0 to 3"),
        ({"cues": [[0, 1], [-1, 0]]}, "cues: got"),
        ({"cues": [[0], [1]]}, "cues: got"),
        ({"cues": [0, 1]}, "cues: got"),
        ({"cues": [[0.0, 1.0], [1.0, 1.0]]}, "cues: got float64"),
        ({"reset_mask": [False, False]}, "reset_mask: got"),
    ],
)
def test_wrong_options_are_refused_and_change_nothing(options, message):
    envs = CueCorridorVector(2, (2, 1))
    envs.reset(options={"cues": [[1, 2], [3, 0]]})
    envs.step(np.array([0, 0]))
    with pytest.raises(ValueError, match=message):
        envs.reset(options=options)
    assert envs.levels == ((2, 1),) * 2 and envs.cues.tolist() == [[1, 2], [3, 0]] and envs.steps.tolist() == [1, 1]


@pytest.mark.parametrize("actions", [[0, 4], [-1, 0], [0.0, 1.0], [0], 0])
def test_wrong_actions_are_refused_and_nobody_moves(actions):
    envs = CueCorridorVector(2)
    with pytest.raises(RuntimeError, match="call reset"):
        envs.step(np.array([0, 0]))
    envs.reset()
    with pytest.raises(ValueError, match="actions: got"):
        envs.step(actions)
    assert envs.steps.tolist() == [0, 0]
    env = CueCorridor()
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)
    env.reset()
    with pytest.raises(ValueError, match="action: got"):
        env.step(np.array(actions) if np.ndim(actions) else 4)


def test_a_first_reset_takes_all():
    with pytest.raises(ValueError, match="at the first reset"):
        CueCorridorVector(2).reset(options={"reset_mask": np.array([True, False])})
