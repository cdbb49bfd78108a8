"""Pommerman against recorded games of the reference simulator: every array of every step must be equal.

The recordings lie outside the project, in WMLIB_CONFORMANCE or ../shared/conformance, below it in `pommerman`; every .npz file
there is one case. Without them these tests are skipped, and test_rules.py checks the rules alone.
"""

import functools
import os
from pathlib import Path

import numpy as np
import pytest

from wmlib.envs.pommerman.boards import CUT_OFF, PAIRS, TEMPLATE, _cut_off, start_boards
from wmlib.envs.pommerman.layout import FFA, GAME, RUNNING, SIZE, WISHES, Variant
from wmlib.envs.pommerman.rules import play
from wmlib.envs.pommerman.views import BOARD, features, from_full_states, full_states, observations

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("WMLIB_CONFORMANCE") or ROOT.parent / "shared/conformance") / "pommerman"
FILES = sorted(FOLDER.glob("*.npz"))

pytestmark = pytest.mark.conformance


def having(array, without=None):
    """Parametrize over the files that have one array and have not another."""
    names = {path: np.load(path).files for path in FILES}
    paths = [path for path in FILES if array in names[path] and without not in names[path]]
    if not paths:
        absent = pytest.mark.skip(reason=f"no recordings with {array} in {FOLDER}: set WMLIB_CONFORMANCE to their folder")
        return pytest.mark.parametrize("path", [pytest.param(None, marks=absent)], ids=["absent"])
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


class Recording:
    """The episodes of a file: `rows` and `states` of all states, and which state each step starts from."""

    def __init__(self, path):
        self.arrays = {name: array for name, array in np.load(path).items()}
        for name, array in self.arrays.items():
            setattr(self, name, array)
        count = len(self.board)
        planes = [self.board, self.bomb_life, self.bomb_blast_strength, self.bomb_moving_direction, self.bomb_owner + 1]
        planes = [plane.reshape(count, BOARD) for plane in (*planes, self.flame_mask, self.hidden_item)]
        self.states = np.concatenate([*planes, self.agents.reshape(count, -1)], axis=1, dtype=np.uint8, casting="unsafe")
        episode = np.repeat(np.arange(len(self.n_steps)), self.n_steps + 1)
        kind = self.game_type[episode]
        variant = Variant(kind, self.max_blast_strength[episode], np.where(kind == FFA, SIZE, 4))
        self.rows = from_full_states(self.states, self.step_count, variant)
        self.before = np.concatenate([a + np.arange(n) for a, n in zip(self.state_start, self.n_steps, strict=True)])

    def differences(self, rows, steps, rewards, results):
        """Return which of some steps, played from their states, ended in something else than recorded."""
        after = self.before[steps] + 1
        return (
            (full_states(rows) != self.states[after]).any(axis=1)
            | (rows.view(GAME)[:, 0]["step_count"] != self.step_count[after])
            | (rewards != self.rewards[steps]).any(axis=1)
            | (results != self.result[steps])
            | ((results != RUNNING) != self.done[steps])
        )


recorded = functools.cache(Recording)  # several tests look at one file


def played(rows, actions):
    """Return the rows after a step, rewards and results."""
    rows, rewards, results = rows.copy(), np.zeros((len(rows), 4), np.int8), np.full(len(rows), RUNNING, np.uint8)
    actions = np.ascontiguousarray(actions, np.uint8)
    assert play(rows, actions, rows[:1], np.zeros(1, np.int64), rewards, results, np.zeros(WISHES, np.uint8)) == -1
    return rows, rewards, results


def one_step(recording):
    """Return which steps differ when each is played from its recorded state."""
    steps = np.arange(len(recording.actions))
    rows, rewards, results = played(recording.rows[recording.before], recording.actions)
    return np.flatnonzero(recording.differences(rows, steps, rewards, results))


def free_run(recording):
    """Return which steps differ when each episode is played from its first state."""
    different, rows = [], recording.rows[recording.state_start]
    for t in range(recording.n_steps.max()):
        active = np.flatnonzero(recording.n_steps > t)
        steps = recording.step_start[active] + t
        rows[active], rewards, results = played(rows[active], recording.actions[steps])
        different.append(steps[recording.differences(rows[active], steps, rewards, results)])
    return np.sort(np.concatenate(different))


@having("actions")
def test_every_recorded_step_is_equal(path):
    recording = recorded(path)
    assert np.array_equal(full_states(recording.rows), recording.states)
    steps = len(recording.actions)
    for how, mode in (("from its recorded state", one_step), ("from the first state of its episode", free_run)):
        different = mode(recording)
        episodes = np.searchsorted(recording.step_start, different, side="right") - 1
        names = recording.arrays.get("name", np.arange(len(recording.n_steps)).astype(str))
        assert not len(different), (
            f"{path.name}: {len(different)} of {steps} steps differ, each played {how}; episodes "
            f"{names[np.unique(episodes)][:9]}, the first in step {different[0] - recording.step_start[episodes[0]]}"
        )
    print(f"{path.stem}: {len(recording.n_steps)} episodes, {steps} steps, each equal in every array, one step and free run")


@having("actions")
def test_the_comparison_notices_one_wrong_action_and_a_wrong_state(path):
    recording = recorded(path)
    alive = recording.agents[recording.before, :, 5] == 1
    step, agent = np.argwhere(alive)[0]
    moved = recording.rows[recording.before[step]].view(GAME)[0]
    moved["agents"]["ammo"][agent] ^= 1
    assert step in one_step(recording)
    moved["agents"]["ammo"][agent] ^= 1
    recording.rewards[step, agent] += 1
    assert one_step(recording).tolist() == free_run(recording).tolist() == [step]
    recording.rewards[step, agent] -= 1


@having("obs_board")
def test_observations_and_feature_vectors_are_equal(path):
    seen = np.load(path)
    sources = {name: recorded(path.with_name(f"{name}.npz")) for name in np.unique(seen["source_file"])}
    rows = np.stack([sources[f].rows[i] for f, i in zip(seen["source_file"], seen["source_state"], strict=True)])
    assert np.array_equal(features(rows), seen["feature_vector"])
    assert np.array_equal(features(rows, np.empty((len(rows), 4, 372), np.float32)), seen["feature_vector"])
    ours = [observations(row) for row in rows]
    planes = ("board", "bomb_blast_strength", "bomb_life", "bomb_moving_direction", "flame_life")
    numbers = ("position", "ammo", "blast_strength", "can_kick", "step_count", "game_type", "teammate", "enemies")
    for name in (*planes, *numbers):
        assert np.array_equal([[one[name] for one in four] for four in ours], seen[f"obs_{name}"]), name
    alive = [[[10 + i in one["alive"] for i in range(4)] for one in four] for four in ours]
    assert np.array_equal(alive, seen["obs_alive"])


def facts(boards, hidden):
    """Check what holds for every start board."""
    flat = boards.reshape(-1, BOARD)
    drawn = np.isin(np.arange(BOARD), PAIRS)
    assert (flat[:, ~drawn] == TEMPLATE[~drawn]).all()  # starts, fixed wood, cells kept free, the diagonal
    assert (flat[:, PAIRS[:, 0]] == flat[:, PAIRS[:, 1]]).all()
    assert ((flat == 1).sum(axis=1) == 36).all() and ((flat == 2).sum(axis=1) == 36).all()
    assert ((hidden > 0).sum(axis=(1, 2)) == 20).all() and (boards[hidden > 0] == 2).all()
    assert (_cut_off(boards) <= CUT_OFF).all()


def counts(boards, hidden):
    """Return what is drawn, as counts over all boards: pairs that are rigid or wood, items by place and kind, cut off."""
    flat, item = boards.reshape(-1, BOARD), hidden.reshape(-1, BOARD)
    pairs = flat[:, PAIRS[:, 0]]
    wood = (flat == 2).sum(axis=0)
    return {
        "rigid": ((pairs == 1).sum(axis=0), len(flat)),
        "wood": ((pairs == 2).sum(axis=0), len(flat)),
        "items by place": ((item > 0).sum(axis=0)[wood > 0], wood[wood > 0]),
        "items by kind": (np.bincount(item[item > 0], minlength=9)[6:], 20 * len(flat)),
        "cut off": (np.bincount(_cut_off(boards), minlength=5), len(flat)),
    }


@having("hidden_item", without="actions")
def test_start_boards_are_drawn_like_the_recorded_ones(path):
    given = np.load(path)["board"], np.load(path)["hidden_item"]
    ours = start_boards(4000, np.random.default_rng(7))
    facts(*given)
    facts(*ours)
    theirs = counts(*given)
    for name, (count, of) in counts(*ours).items():
        p, q = count / of, theirs[name][0] / theirs[name][1]
        together = (count + theirs[name][0]) / (of + theirs[name][1])
        error = np.sqrt(together * (1 - together) * (1 / of + 1 / theirs[name][1]))
        worst = np.abs((p - q) / error).max()
        assert worst < 4.2, f"{name}: {worst:.1f} standard errors apart"  # 4.2: once in 40,000, of about 180 numbers
