"""Judging predictions: counts against plain loops, dreams, and answers that do not depend on how they are read."""

from collections import Counter

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman.baselines import Rule
from wmlib.lessons.pommerman.measures import GROUPS, dream, predict_views, tally


def group_of(component, now, after):
    """Return the group of a component that changed, by the words of `GROUPS`."""
    if component < 121:
        return "flames" if 4 in (now, after) else "board"
    return "bombs" if component < 363 else ("position", "position", "ammo", "blast strength", "kick")[component - 363]


def test_tally_equals_a_plain_loop(played):
    rng = np.random.default_rng(0)
    predicted = np.where(rng.random(played.after.shape) < 0.7, played.after, played.now)
    counts = tally(played.now, played.after, predicted, played.views.games)
    plain, changed, changed_right = Counter(), Counter(), Counter()
    states = zip(played.now.tolist(), played.after.tolist(), predicted.tolist(), played.views.games.tolist(), strict=True)
    for now, after, guess, game in states:
        plain["steps", game] += 1
        plain["exact", game] += guess == after
        for i in range(372):
            plain["right", game] += guess[i] == after[i]
            if now[i] == after[i]:
                plain["unchanged", game] += 1
                plain["kept", game] += guess[i] == after[i]
            else:
                changed[game, group_of(i, now[i], after[i])] += 1
                changed_right[game, group_of(i, now[i], after[i])] += guess[i] == after[i]
    for name in ("steps", "right", "exact", "kept", "unchanged"):
        assert counts[name].tolist() == [plain[name, g] for g in range(5)]
    for name, counted in (("changed", changed), ("changed_right", changed_right)):
        assert counts[name].tolist() == [[counted[g, group] for group in GROUPS] for g in range(5)]
    assert counts["living"].sum() == (played.after[:, :121] >= 10).sum()


def test_changed_cells_are_counted_by_distance(played):
    now, after, games = played.now, played.after, played.views.games
    board = (now != after)[:, :121]
    predicted = np.where(np.random.default_rng(0).random(after.shape) < 0.7, after, now)
    counts = tally(now, after, predicted, games)
    assert counts["near"].sum() == board.sum()
    assert counts["near_right"].sum() == (board & (predicted == after)[:, :121]).sum()
    n, cell = np.argwhere(board)[17]
    one = tally(now[n : n + 1], after[n : n + 1], after[n : n + 1], games[n : n + 1])
    assert one["near"][cell // 11 - now[n, 363] + 10, cell % 11 - now[n, 364] + 10] == 1


def test_shapes_that_do_not_fit_are_refused(played):
    with pytest.raises(ValueError, match="now, after, predicted: got shapes"):
        tally(played.now, played.after, played.after[:3], played.views.games)


@pytest.mark.parametrize("kind", ["window", "dnc"])
def test_predictions_do_not_depend_on_how_lives_are_read(kind, build, played):
    model = build(kind)
    expected = np.empty_like(played.now)
    for life in played.views.lives:
        expected[life] = model.predict(played.read(life[None]), model.initial_state(1))[0][0].numpy()
    for chunk, width in ((7, 3), (50, 64)):
        assert np.array_equal(predict_views(model, played.table, played.views, chunk, width), expected)


@pytest.mark.parametrize("kind", ["lstm", "window", "vector"])
def test_a_dream_is_a_loop_over_one_s_own_predictions(kind, build, played):
    model, views = build(kind), played.views
    dreams = dream(model, played.table, views, (1, 3, 6), every=11, width=4)
    life, t = sorted(views.lives, key=len, reverse=True)[0], 11
    number = next(i for i in range(len(dreams["games"])) if np.array_equal(dreams["start"][i], played.now[life[t]]))
    _, state = model.predict(played.read(life[None, :t]), model.initial_state(1))
    current = torch.from_numpy(played.now[life[t]])[None, None]
    for h in range(6):
        step = played.read(life[None, t + h : t + h + 1])
        current, state = model.predict(step._replace(vectors=current), state)
        if h + 1 in (1, 3, 6):
            k = (1, 3, 6).index(h + 1)
            assert np.array_equal(dreams["predicted"][number, k], current[0, 0].numpy())
            assert np.array_equal(dreams["after"][number, k], played.after[life[t + h]])
    assert len(dreams["games"]) == sum(len(range(0, len(life) - 5, 11)) for life in views.lives if len(life) >= 6)


def test_dreams_longer_than_lives_are_refused(played):
    with pytest.raises(ValueError, match="no life has 999 steps"):
        dream(Rule(lambda states: states), played.table, played.views, (1, 999))


def test_a_perfect_model_is_perfect_in_dreams_too(played):
    following = {tuple(now): after for now, after in zip(played.now.tolist(), played.after, strict=True)}
    oracle = Rule(lambda states: np.stack([following.get(tuple(state), state) for state in states.tolist()]).astype(np.uint8))
    dreams = dream(oracle, played.table, played.views, (1, 4), every=20)
    assert (dreams["predicted"] == dreams["after"]).mean() > 0.999  # an agent at rest may see one state twice
