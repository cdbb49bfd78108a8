"""Judging predictions: counts against plain loops, rules, dreams, and answers that do not depend on how they are read."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman import hidden_numbers
from wmlib.lessons.pommerman import data as prediction_training
from wmlib.lessons.pommerman import measures as study
from wmlib.models.lstm import LSTM
from wmlib.lessons.pommerman.measures import GROUPS, Rule
from wmlib.lessons.pommerman.data import views

sys.path.insert(0, str(Path(__file__).parent))
from test_models import build, play

RECORD = play(count=5, steps=60, seed=8)
OF = views(RECORD, range(5))
BATCH = prediction_training.batch(RECORD, OF, np.arange(len(OF.rows))[None])
NOW, AFTER = BATCH.vectors[0].numpy(), BATCH.following[0].numpy()


def test_tally_equals_a_plain_loop():
    rng = np.random.default_rng(0)
    said = np.where(rng.random(AFTER.shape) < 0.7, AFTER, NOW)
    found = study.tally(NOW, AFTER, said, OF.games)
    steps, right, exact, kept, same = (Counter() for _ in range(5))
    changed, hit = Counter(), Counter()
    for now, after, guess, game in zip(NOW.tolist(), AFTER.tolist(), said.tolist(), OF.games.tolist(), strict=True):
        steps[game] += 1
        exact[game] += guess == after
        for i in range(372):
            right[game] += guess[i] == after[i]
            if now[i] == after[i]:
                same[game] += 1
                kept[game] += guess[i] == after[i]
                continue
            if i < 121:
                group = "flames" if 4 in (now[i], after[i]) else "board"
            else:
                group = "bombs" if i < 363 else ("position", "position", "ammo", "blast strength", "kick")[i - 363]
            changed[game, group] += 1
            hit[game, group] += guess[i] == after[i]
    for name, counted in (("steps", steps), ("right", right), ("exact", exact), ("kept", kept), ("same", same)):
        assert found[name].tolist() == [counted[g] for g in range(5)]
    for name, counted in (("changed", changed), ("changed_right", hit)):
        assert found[name].tolist() == [[counted[g, group] for group in GROUPS] for g in range(5)]
    board = (NOW != AFTER)[:, :121]
    assert found["near"].sum() == board.sum() and found["near_right"].sum() == (board & (said == AFTER)[:, :121]).sum()
    n, cell = np.argwhere(board)[17]
    one = study.tally(NOW[n : n + 1], AFTER[n : n + 1], AFTER[n : n + 1], OF.games[n : n + 1])
    assert one["near"][cell // 11 - NOW[n, 363] + 10, cell % 11 - NOW[n, 364] + 10] == 1
    assert found["living"].sum() == (AFTER[:, :121] >= 10).sum()
    with pytest.raises(ValueError, match="now, after, said: got shapes"):
        study.tally(NOW, AFTER, said[:3], OF.games)


def test_the_average_board_has_the_commonest_value_of_each_component():
    said = study.commonest(AFTER).rule(NOW[:5])
    assert said.dtype == np.uint8 and said.shape == (5, 372) and (said == said[0]).all()
    shares = (AFTER == said[0]).mean(0)
    assert all(shares[k] >= (AFTER[:, k] == value).mean() for k in (0, 60, 130, 250, 363, 366) for value in range(14))


def test_rules_are_what_counting_by_hand_says():
    assert (study.copying().rule(NOW) == NOW).all()
    after = Counter()
    for a, b in zip(NOW[:, :121].ravel().tolist(), AFTER[:, :121].ravel().tolist(), strict=True):
        after[a, b] += 1
    said = study.count_values(NOW, AFTER).rule(NOW[:7])
    for a, b in zip(NOW[:7, :121].ravel().tolist(), said[:, :121].ravel().tolist(), strict=True):
        assert after[a, b] == max(count for (first, _), count in after.items() if first == a)
    triples = Counter()
    for n in range(len(NOW)):
        for cell in range(121):
            triples[(*NOW[n, [cell, 121 + cell, 242 + cell]].tolist(), AFTER[n, 242 + cell].item())] += 1
    cells = study.count_cells(NOW, AFTER).rule(NOW[:7])
    for n in range(7):
        for cell in range(0, 121, 5):
            key = NOW[n, [cell, 121 + cell, 242 + cell]].tolist()
            best = max(count for (*first, _), count in triples.items() if first == key)
            assert triples[(*key, cells[n, 242 + cell].item())] == best
    assert (cells[:, 368:] == NOW[:7, 368:]).all()


@pytest.mark.parametrize("kind", ["window", "dnc"])
def test_foretelling_does_not_depend_on_how_it_is_read(kind):
    model = build(kind)
    expected = np.empty_like(NOW)
    for life in OF.lives:
        expected[life] = model.predict(prediction_training.batch(RECORD, OF, life[None]), model.initial_state(1))[0][0].numpy()
    for chunk, width in ((7, 3), (50, 64)):
        assert np.array_equal(study.foretell(model, RECORD, OF, chunk, width), expected)


@pytest.mark.parametrize("kind", ["lstm", "window", "vector"])
def test_a_dream_is_a_loop_over_one_s_own_answers(kind):
    model = build(kind)
    found = study.dream(model, RECORD, OF, (1, 3, 6), every=11, width=4)
    lives = sorted(OF.lives, key=len, reverse=True)
    life, t = lives[0], 11
    which = next(i for i in range(len(found["games"])) if np.array_equal(found["start"][i], NOW[life[t]]))
    state = model.initial_state(1)
    _, state = model.predict(prediction_training.batch(RECORD, OF, life[None, :t]), state)
    now = torch.from_numpy(NOW[life[t]])[None, None]
    for h in range(6):
        step = prediction_training.batch(RECORD, OF, life[None, t + h : t + h + 1])
        now, state = model.predict(step._replace(vectors=now), state)
        if h + 1 in (1, 3, 6):
            k = (1, 3, 6).index(h + 1)
            assert np.array_equal(found["said"][which, k], now[0, 0].numpy())
            assert np.array_equal(found["after"][which, k], AFTER[life[t + h]])
    long_enough = sum(len(range(0, len(life) - 5, 11)) for life in OF.lives if len(life) >= 6)
    assert len(found["games"]) == long_enough
    with pytest.raises(ValueError, match="no life has 999 steps"):
        study.dream(Rule(lambda now: now), RECORD, OF, (1, 999))


def test_a_perfect_model_is_perfect_in_dreams_too():
    class Oracle:
        """It looks the answer up."""

        def initial_state(self, batch):
            return ()

        def predict(self, batch, state):
            table = {tuple(now): after for now, after in zip(NOW.tolist(), AFTER, strict=True)}
            flat = [table.get(tuple(v), np.array(v, np.uint8)) for v in batch.vectors.flatten(0, 1).tolist()]
            return torch.from_numpy(np.stack(flat)).unflatten(0, batch.resets.shape), state

    found = study.dream(Oracle(), RECORD, OF, (1, 4), every=20)
    assert (found["said"] == found["after"]).mean() > 0.999  # a standing agent may see one state twice


def test_clues_and_counting_by_hand():
    clues = hidden_numbers.clues(RECORD, OF)
    players = RECORD.states[OF.rows][:, 847:].reshape(-1, 4, 6)
    for n in range(0, len(OF.rows), 41):
        others = [j for j in range(4) if j != OF.agents[n]]
        assert clues.truth[n].tolist() == players[n, others, 2:5].tolist()
        assert clues.alive[n].tolist() == (players[n, others, 5] > 0).tolist()
    living = clues.alive[..., None] & np.ones(3, bool)
    assert (clues.tracked == clues.truth)[living].mean() > 0.95
    moved = living & (clues.truth != hidden_numbers.START)
    assert moved.sum() > 100 and (clues.tracked == clues.truth)[moved].mean() > 0.85
    model = hidden_numbers.Tracker(LSTM(hidden_numbers.INPUTS, 5, generator=torch.Generator()), generator=torch.Generator())
    assert np.array_equal(hidden_numbers.answers(model, clues, 7), hidden_numbers.answers(model, clues, 100))
    found = hidden_numbers.tally(clues, clues.truth, OF.games)
    assert np.array_equal(found["all"], found["right"]) and found["all"].sum() == 3 * clues.alive.sum()
    assert np.array_equal(found["moved"].sum(0), moved.sum((0, 1)))


def test_a_tracker_learns_what_pickups_mean():
    """Made-up lives in which the first opponent takes a kick at some step, and nothing else happens."""
    rng, steps, lives = np.random.default_rng(0), 20, 40
    events, truth = (
        np.zeros((lives * steps, hidden_numbers.INPUTS), np.float32),
        np.tile(hidden_numbers.START, (lives * steps, 3, 1)),
    )
    for life in range(lives):
        at = life * steps + rng.integers(2, 12)
        events[at, 4] = 1
        truth[at : (life + 1) * steps, 0, 2] = 1
    resets = np.arange(lives * steps) % steps == 0
    clues = hidden_numbers.Clues(events, truth, truth, np.ones((lives * steps, 3), bool), resets)
    generator = torch.Generator().manual_seed(0)
    model = hidden_numbers.Tracker(LSTM(hidden_numbers.INPUTS, 8, generator=generator, forget_bias=1.0), generator=generator)
    trainer = prediction_training.Trainer(
        model, resets, lambda p: hidden_numbers.read(clues, p), generator=generator, batch=8, length=20, learning_rate=3e-2
    )
    list(trainer.run(400))
    said = hidden_numbers.answers(model, clues)
    assert (said == truth).mean() > 0.98 and (said[truth[:, 0, 2] == 1, 0, 2] == 1).mean() > 0.9


def test_what_moved_is_counted_by_game():
    """Two games of two steps: in the second the first opponent has one more ammo, the last is dead, one guess wrong."""
    truth = np.tile(hidden_numbers.START, (4, 3, 1))
    truth[2:, 0, 0] = 2
    alive = np.ones((4, 3), bool)
    alive[3, 2] = False
    said = truth.copy()
    said[3, 0, 0] = 1
    found = hidden_numbers.tally(hidden_numbers.Clues(None, truth, truth, alive, None), said, np.array([4, 4, 9, 9]))
    assert found["all"].tolist() == [[6, 6, 6], [5, 5, 5]] and found["right"].tolist() == [[6, 6, 6], [4, 5, 5]]
    assert found["moved"].tolist() == [[0, 0, 0], [2, 0, 0]] and found["moved_right"].tolist() == [[0, 0, 0], [1, 0, 0]]
