"""What several test files of lesson 06 share: a short table of games, small models, and a small stand-in for a run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.envs.pommerman import Games, act
from wmlib.experiment.cache import ArtifactCache
from wmlib.lessons.pommerman import data, models, one_hot
from wmlib.lessons.pommerman.games import GameTable, record_games
from wmlib.lessons.pommerman.models import BoardModel, VectorModel
from wmlib.lessons.pommerman.one_hot import OneHotModel
from wmlib.models.dnc import DNC
from wmlib.models.feedforward import FeedForward
from wmlib.models.lstm import LSTM


def play(count, steps, seed):
    """Return a short table of careless games, all cut at one length or at their end."""
    rng = np.random.default_rng(seed)
    games = Games(count, rng, starts=count)
    states, actions, unfinished = [[] for _ in range(count)], [[] for _ in range(count)], np.ones(count, bool)
    for _ in range(steps):
        current, chosen = games.full_states(), act(games.rows, rng, "chaos")
        for g in np.flatnonzero(unfinished):
            states[g].append(current[g])
            actions[g].append(chosen[g])
        unfinished &= games.running
        games.step(chosen)
    starts = np.cumsum([0, *map(len, states)])
    return GameTable(np.concatenate([np.stack(s) for s in states]), np.concatenate([np.stack(a) for a in actions]), starts)


class Played:
    """A table of games, all its lives, and all their steps in one batch."""

    def __init__(self, count, steps, seed, shuffle=None):
        self.table = play(count, steps, seed)
        rng = None if shuffle is None else np.random.default_rng(shuffle)
        self.views = data.list_views(self.table, range(count), rng)
        self.batch = self.read(np.arange(len(self.views.rows))[None])
        self.now, self.after = self.batch.vectors[0].numpy(), self.batch.following[0].numpy()

    def read(self, places, full=False):
        """Return the steps at some places of the list of views."""
        return data.read_batch(self.table, self.views, np.asarray(places), full)


@pytest.fixture(scope="session")
def shuffled():
    """Return four games, their lives in a random order."""
    return Played(4, 70, 5, shuffle=0)


@pytest.fixture(scope="session")
def played():
    """Return five games, their lives in order."""
    return Played(5, 60, 8)


@pytest.fixture(scope="session")
def build():
    """Return a function that makes a small model: build(kind, seed, **options)."""

    def make(kind, seed=0, **options):
        generator = torch.Generator().manual_seed(seed)
        if kind == "vector":
            return VectorModel(LSTM(378, 7, generator=generator), 3, generator=generator, **options)
        if kind in one_hot.HEADS:
            core = LSTM(one_hot.INPUTS, 7, generator=generator)
            return OneHotModel(core, kind, one_hot.no_counts(), generator=generator, **options)
        if kind == "lstm":
            core = LSTM(BoardModel.CORE_INPUTS, 7, generator=generator)
        elif kind == "dnc":
            core = DNC(BoardModel.CORE_INPUTS, 7, 5, 3, 2, generator=generator)
        else:
            core = FeedForward(BoardModel.CORE_INPUTS, 7, generator=generator)
            options["window"] = kind == "window"
        return BoardModel(core, 5, models.uniform_tables(), generator=generator, **options)

    return make


class SmallRun:
    """What the lesson needs of a `Run`."""

    def __init__(self, folder, seed=1):
        self.cache, self.seed = ArtifactCache(folder), seed

    def cached(self, function, /, *args, **kwargs):
        """Call a function, or find its result again."""
        return self.cache.values(function, *args, **kwargs)

    def cached_folder(self, function, /, *args, **kwargs):
        """Return the folder that a function has filled."""
        return self.cache.folder(function, *args, **kwargs)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Return ten recorded games: `run`, their `folder`, and `again(name)`, which makes the same in an empty cache."""
    root = tmp_path_factory.mktemp("pommerman")

    def make(name):
        run = SmallRun(root / name)
        return SimpleNamespace(run=run, folder=record_games(run, 10), again=make)

    return make("cache")
