"""Pixelcopter against recorded episodes of the reference game: everything recorded must be equal.

The recordings lie outside the project, in WMLIB_CONFORMANCE or ../shared/conformance, below it in `pixelcopter`; every .npz
file there is one case, of whatever size and rounding it says. Without them these tests are skipped, and test_rules.py checks
the rules alone.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from wmlib.envs.pixelcopter import Games

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("WMLIB_CONFORMANCE") or ROOT.parent / "shared/conformance") / "pixelcopter"
FILES = sorted(FOLDER.glob("*.npz"))

pytestmark = pytest.mark.conformance


def having(array):
    """Parametrize over the files that have an array."""
    paths = [path for path in FILES if array in np.load(path).files]
    if not paths:
        absent = pytest.mark.skip(reason=f"no recordings with {array} in {FOLDER}: set WMLIB_CONFORMANCE to their folder")
        return pytest.mark.parametrize("path", [pytest.param(None, marks=absent)], ids=["absent"])
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


class Recording:
    """The episodes of a file, to be played again, those of one frame rate at a time."""

    def __init__(self, path):
        self.arrays = dict(np.load(path))
        for name, array in self.arrays.items():
            setattr(self, name, array)
        self.frame_of = dict(zip(self.frame_row.tolist(), self.frame, strict=True))
        ranges = zip(self.snap_row.tolist(), self.snap_off[:-1], self.snap_off[1:], strict=True)
        self.terrain_of = {row: np.stack([self.snap_x[a:b], self.snap_y[a:b]], axis=1) for row, a, b in ranges}
        self.compared = {"state rows": 0, "frames": 0, "terrain lists": 0}

    def differences(self):
        """Play all episodes; return what differs, (episode, step, what)."""
        found = []
        for fps in np.unique(self.fps):
            episodes = np.flatnonzero(self.fps == fps)
            width, height = (int(size) for size in self.screen)
            games = Games(len(episodes), width, height, int(fps), str(self.rect_mode))
            games.reset(self.seed[episodes])
            for t in range(self.length[episodes].max() + 1):
                playing = np.flatnonzero(self.length[episodes] >= t)
                actions = np.ones(len(episodes), np.int64)
                steps = self.step_off[episodes[playing]] + t - 1
                if t:
                    actions[playing] = self.action[steps]
                    games.step(actions)
                    for name, ours in (("reward", games.rewards), ("done", games.terminated)):
                        wrong = playing[ours[playing] != self.arrays[name][steps]]
                        found += [(e, t, name) for e in episodes[wrong]]
                found += [(episodes[g], t, what) for g, what in self._wrong_states(games, episodes, playing, t)]
                for g in playing[self.length[episodes[playing]] == t]:
                    if games.random_state(g).random_sample() != self.next_random[episodes[g]]:
                        found.append((episodes[g], t, "next_random"))
        return found

    def _wrong_states(self, games, episodes, playing, t):
        rows = self.state_off[episodes] + t
        states = games.states()
        pictures = games.pictures()
        y, velocity, scores, lives = games.y, games.velocity, games.scores, games.lives
        for g in playing:
            row = rows[g]
            blocks = games.blocks(g)
            columns = games.columns(g)
            count = self.n_block[row]
            recorded = {
                "y": (y[g], self.y[row]),
                "vel": (velocity[g], self.vel[row]),
                "score": (scores[g], self.score[row]),
                "lives": (lives[g], self.lives[row]),
                "n_block": (len(blocks), count),
                "block_x": (blocks[:, 0], self.block_x[row, :count]),
                "block_y": (blocks[:, 1], self.block_y[row, :count]),
                "n_terr": (len(columns), self.n_terr[row]),
                "terr_head_x": (columns[0, 0], self.terr_head_x[row]),
                "terr_tail_x": (columns[-1, 0], self.terr_tail_x[row]),
                "gamestate": (states[g], self.gamestate[row]),
            }
            self.compared["state rows"] += 1
            if row in self.terrain_of:
                recorded["terrain"] = columns, self.terrain_of[row]
                self.compared["terrain lists"] += 1
            if row in self.frame_of:
                recorded["frame"] = pictures[g], self.frame_of[row]
                self.compared["frames"] += 1
            yield from ((g, name) for name, (ours, theirs) in recorded.items() if not same(ours, theirs))


def same(ours, theirs):
    return np.array_equal(ours, theirs, equal_nan=np.asarray(theirs).dtype.kind == "f")


@having("gamestate")
def test_every_recorded_episode_is_equal(path):
    recording = Recording(path)
    found = recording.differences()
    assert not found, f"{path.name}: {len(found)} differences, first (episode, step, what) {found[:9]}"
    assert recording.compared["state rows"] == len(recording.y) and recording.compared["frames"] == len(recording.frame)
    assert recording.compared["terrain lists"] == len(recording.snap_row)
    counts = ", ".join(f"{count} {name}" for name, count in recording.compared.items())
    print(f"{path.stem}: {len(recording.seed)} episodes, {len(recording.action)} steps, {counts}, all equal")


@having("gamestate")
def test_every_recorded_draw_is_equal(path):
    """Blocks and terrain when they are made, by the games' own account."""
    recording = Recording(path)
    width, height = (int(size) for size in recording.screen)
    for episode, seed in enumerate(recording.seed):
        games = Games(1, width, height, int(recording.fps[episode]), str(recording.rect_mode))
        games.reset([seed])
        made = [(0, *games.blocks(0)[0])]
        batches = [(0, games.columns(0))]
        size = len(batches[0][1])
        first = recording.step_off[episode]
        for t in range(1, recording.length[episode] + 1):
            blocks, columns = len(games.blocks(0)), len(games.columns(0))
            games.step(recording.action[first + t - 1 : first + t])
            if len(games.blocks(0)) > blocks:
                made.append((t, *games.blocks(0)[-1]))
            if len(games.columns(0)) > columns:
                batches.append((t, games.columns(0)[-size:]))
        of = recording.blk_ep == episode
        assert np.array_equal(made, np.stack([recording.blk_t, recording.blk_x, recording.blk_y], axis=1)[of])
        of = np.flatnonzero(recording.bat_ep == episode)
        assert [t for t, _ in batches] == recording.bat_t[of].tolist()
        for number, (_, columns) in zip(of, batches, strict=True):
            drawn = recording.ter_bat == number
            assert np.array_equal(columns, np.stack([recording.ter_x0, recording.ter_y], axis=1)[drawn])


@having("gamestate")
def test_the_comparison_notices_one_wrong_action_reward_number_and_pixel(path):
    recording = Recording(path)
    recording.reward[3] += 1
    recording.gamestate[5, 1] += 1e-12
    recording.frame[0, 2, 1, 0] ^= 1
    recording.next_random[-1] += 1e-12
    assert sorted(what for _, _, what in recording.differences()) == ["frame", "gamestate", "next_random", "reward"]
    recording = Recording(path)
    recording.action[0] ^= 1
    assert {(0, 1, "y"), (0, 1, "vel")} <= set(recording.differences())


@having("frame_ep")
def test_the_wrappers_flow_of_episodes_is_equal(path):
    """Levels, rewards, ends, pictures. That of a reset is the last one of the episode before, which `PixelCopter` redraws."""
    data = dict(np.load(path))
    mode = str(data["mode"])
    steps = np.concatenate([[0], np.cumsum(data["length"])])
    games = Games(1, rounding=mode)
    last = None
    for episode, (flow, number) in enumerate(zip(data["flow"], data["ep_in_flow"], strict=True)):
        if number == 0:
            games.reset([24 if "unseeded" in flow else 7])
            if "unseeded" in flow:
                games.reset()  # the game's constructor and the wrapper's
            last = None
        games.reset()
        block = data["block_x"][episode], data["block_y"][episode]
        assert np.array_equal(games.blocks(0), [block])
        assert np.array_equal(games.columns(0)[:, 1], data["ter_y"][episode])
        if flow == "fresh_unseeded" and number == 0:
            fixed = Games(1, rounding=mode, fixed_level=True)
            fixed.reset()
            assert np.array_equal(fixed.pictures(), games.pictures()) and block == (65, 31)
        frames = data["frame"][data["frame_ep"] == episode]
        if last is not None:
            assert np.array_equal(frames[0], last)
        for t in range(data["length"][episode]):
            step = steps[episode] + t
            games.step(data["action"][step : step + 1])
            assert games.rewards[0] == data["reward"][step] and games.terminated[0] == data["done"][step]
            assert games.y[0] == data["y"][step]
            last = games.pictures()[0]
            assert np.array_equal(last, frames[t + 1])
