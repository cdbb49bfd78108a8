"""The stages of notebook 06 on ten short games: the same data for any number of workers, resuming, search, measures."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wmlib.envs.pommerman import Games, from_full_states
from wmlib.envs.pommerman.layout import VARIANTS
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.run import Run
from wmlib.lessons.pommerman.encoding import view_a
from wmlib.lessons.pommerman import pipeline as stages
from wmlib.lessons.pommerman import evaluation as study

NET = stages.Net(hidden=5, channels=3, slots=4, width=3, updates=6, batch=3, length=4)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Ten games, and what the stages need of a Run."""
    folder = tmp_path_factory.mktemp("pommerman")
    run = SimpleNamespace(cache=ArtifactCache(folder / "cache"), seed=1, device=torch.device("cpu"), profile="smoke")
    run.cached = lambda *a, **k: Run.cached(run, *a, **k)
    return run, stages.games(run, 10)


def test_games_are_those_of_the_engine(world):
    record = stages.record(world[1])
    assert len(record.starts) == 11 and record.starts[-1] == len(record.states) == len(record.actions)
    for game in (0, 3):
        first, last = record.starts[game], record.starts[game + 1]
        row = from_full_states(record.states[first : first + 1], 0, VARIANTS["ffa"])
        replay = Games(1, None, starts=row)
        for t in range(first, last - 1):  # the actions lead from each state to the next
            assert replay.running.all()
            replay.step(record.actions[t : t + 1])
            assert np.array_equal(replay.full_states()[0], record.states[t + 1])
        assert not replay.running.any()
        seen = view_a(record.states[last - 1 : last], np.array([2]))
        assert np.array_equal(replay.features()[0, 2], seen[0])


def test_games_do_not_depend_on_who_plays_them(world):
    record = stages.record(world[1])
    states, actions, lengths = stages._play(1, 0, 10)
    assert lengths == np.diff(record.starts).tolist()
    assert np.array_equal(np.concatenate(states), record.states) and np.array_equal(np.concatenate(actions), record.actions)
    later, _, _ = stages._play(1, 20, 2)  # another block of the same run: other games
    assert not np.array_equal(later[0][0], states[0][0])


def test_split_is_by_game(world):
    parts = stages.split(stages.record(world[1]))
    assert [len(p) for p in parts] == [6, 2, 2] and np.array_equal(np.concatenate(parts), np.arange(10))
    of = stages.test_views(stages.record(world[1]), cap=5)
    assert set(of.games) == {8, 9} and max(map(len, of.lives)) == 5 and of.resets.sum() == len(of.lives) == 8
    with pytest.raises(ValueError, match="count: got 9"):
        stages.games(world[0], 9)


@pytest.mark.parametrize("net", [replace(NET, core="dnc"), replace(NET, family="vector", core="lstm")])
def test_training_in_blocks_is_training_in_one_go(world, net):
    run, folder = world
    (path,) = stages.train(run, folder, [net])
    other = SimpleNamespace(cache=ArtifactCache(run.cache.path.parent / f"again-{net.family}"), seed=1)
    for until in (0, 2, 4):
        assert stages._train_until(other.cache, 1, folder, net, until) is None
    again = stages._train_until(other.cache, 1, folder, net, 6)
    for ours, theirs in zip(stages.load(path, net).parameters(), stages.load(again, net).parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_search_and_measures(world):
    run, folder = world
    tracker = replace(NET, family="tracker", core="lstm")
    losses = stages.search(run, folder, {"a": NET, "b": tracker}, 2)
    assert list(losses["a"]) == list(stages.RATES["board"][:2]) and stages.best({0.1: 3.0, 0.2: 1.0}) == 0.2
    nets = [NET, replace(NET, full=True, known=4)]
    found = study.measure(run, folder, nets, stages.train(run, folder, nets), cap=30)
    assert found[0]["one"]["steps"].sum() == len(stages.test_views(stages.record(folder), 30).rows)
    assert len(found[0]["ahead"]) == len(study.HORIZONS) and found[1]["ahead"] == []
    simple = study.measure_rules(run, folder, cap=30)
    assert list(simple) == ["copying", "average board", "table of values", "table of cells"]
    copied = simple["copying"]["one"]
    assert copied["changed_right"].sum() == 0 and np.array_equal(copied["kept"], copied["same"])
    known = study.hidden(run, folder, [tracker], stages.train(run, folder, [tracker]), cap=30)
    assert known["rules"][0]["moved_right"].sum() == 0 and len(known["nets"]) == 1
    film = study.film(run, folder, {"no core": NET}, {"no core": stages.train(run, folder, [NET])[0]}, 2, 5, 2, cap=30)
    assert film["truth"].shape == film["said"]["no core"].shape == (5, 121)
    assert film["starts"][0] == 2 and film["dreamt"]["no core"].shape == film["dream_truth"].shape
    with pytest.raises(ValueError, match="first, steps: got 100, 5"):
        study.film(run, folder, {"no core": NET}, {"no core": stages.train(run, folder, [NET])[0]}, 100, 5, 2, cap=30)


def test_equal_parameters_and_wrong_names():
    dnc = replace(NET, core="dnc")
    hidden = stages.equal_hidden(dnc)
    sizes = [stages.size(replace(NET, core="lstm", hidden=h)) for h in (hidden - 1, hidden, hidden + 1)]
    assert abs(sizes[1] - stages.size(dnc)) <= min(abs(sizes[0] - stages.size(dnc)), abs(sizes[2] - stages.size(dnc)))
    for wrong in (replace(NET, core="gru"), replace(NET, family="vector"), replace(NET, family="tree")):
        with pytest.raises(ValueError, match="family, core: got"):
            wrong.build((), torch.Generator())
