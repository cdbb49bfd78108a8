"""What opponents have: clues against the states, counting by hand, a tracker that learns, tallies by hand."""

import numpy as np
import torch

from wmlib.lessons.pommerman import hidden_numbers
from wmlib.lessons.pommerman.data import Trainer
from wmlib.lessons.pommerman.hidden_numbers import INPUTS, START, Clues, Tracker, find_clues, predict_numbers, tally
from wmlib.models.lstm import LSTM


def make_tracker(hidden_size, **options):
    generator = torch.Generator().manual_seed(0)
    return Tracker(LSTM(INPUTS, hidden_size, generator=generator, **options), generator=generator), generator


def test_the_truth_is_that_of_the_states(played):
    clues, views = find_clues(played.table, played.views), played.views
    players = played.table.states[views.rows][:, 847:].reshape(-1, 4, 6)
    for n in range(0, len(views.rows), 41):
        opponents = [j for j in range(4) if j != views.agents[n]]
        assert clues.truth[n].tolist() == players[n, opponents, 2:5].tolist()
        assert clues.alive[n].tolist() == (players[n, opponents, 5] > 0).tolist()


def test_counting_by_hand_is_nearly_always_right(played):
    clues = find_clues(played.table, played.views)
    living = clues.alive[..., None] & np.ones(3, bool)
    assert (clues.counted == clues.truth)[living].mean() > 0.95
    changed = living & (clues.truth != START)
    assert changed.sum() > 100 and (clues.counted == clues.truth)[changed].mean() > 0.85
    assert np.array_equal(tally(clues, clues.truth, played.views.games)["changed"].sum(0), changed.sum((0, 1)))


def test_a_laid_bomb_costs_ammo_until_it_explodes():
    """One agent in cell 60 lays a bomb in step 1, which is gone in step 3; it takes more range in step 2."""
    board, life = np.zeros((4, 121), np.uint8), np.zeros((4, 121), np.uint8)
    board[:, 60] = 10
    life[1, 60], life[2, 60] = 9, 8
    flags = np.zeros((4, 4, hidden_numbers.FLAGS))
    flags[1, 0, 1] = flags[2, 0, 3] = 1
    counted = hidden_numbers.count_by_hand(board, life, flags)
    assert counted[:, 0].tolist() == [[1, 2, 0], [0, 2, 0], [0, 3, 0], [1, 3, 0]]
    assert (counted[:, 1:] == START).all()


def test_a_rolling_bomb_is_followed():
    """The bomb of agent 0 rolls to the next cell in each step, and another one blows up where it was."""
    board, life = np.zeros((4, 121), np.uint8), np.zeros((4, 121), np.uint8)
    board[:2, 60] = 10
    for t in (1, 2, 3):
        life[t, 59 + t] = 10 - t
    flags = np.zeros((4, 4, hidden_numbers.FLAGS))
    flags[1, 0, 1] = 1
    assert hidden_numbers.count_by_hand(board, life, flags)[:, 0, 0].tolist() == [1, 0, 0, 0]


def test_answers_do_not_depend_on_how_lives_are_read(played):
    clues = find_clues(played.table, played.views)
    model, _ = make_tracker(5)
    assert np.array_equal(predict_numbers(model, clues, 7), predict_numbers(model, clues, 100))


def test_a_tracker_learns_what_pickups_mean():
    """In made-up lives the first opponent takes a kick at some step, and nothing else happens."""
    rng, steps, lives = np.random.default_rng(0), 20, 40
    inputs, truth = np.zeros((lives * steps, INPUTS), np.float32), np.tile(START, (lives * steps, 3, 1))
    for life in range(lives):
        at = life * steps + rng.integers(2, 12)
        inputs[at, 4] = 1
        truth[at : (life + 1) * steps, 0, 2] = 1
    resets = np.arange(lives * steps) % steps == 0
    clues = Clues(inputs, truth, truth, np.ones((lives * steps, 3), bool), resets, np.zeros_like(truth))
    model, generator = make_tracker(8, forget_bias=1.0)

    def read(places):
        return hidden_numbers.read_clues(clues, places)

    list(Trainer(model, resets, read, generator=generator, batch_size=8, seq_len=20, lr=3e-2).run(400))
    predicted = predict_numbers(model, clues)
    assert (predicted == truth).mean() > 0.98 and (predicted[truth[:, 0, 2] == 1, 0, 2] == 1).mean() > 0.9


def test_what_has_changed_is_counted_by_game():
    """Two games of two steps: in the second the first opponent has one more ammo, the last is dead, one answer is wrong."""
    truth = np.tile(START, (4, 3, 1))
    truth[2:, 0, 0] = 2
    alive = np.ones((4, 3), bool)
    alive[3, 2] = False
    predicted = truth.copy()
    predicted[3, 0, 0] = 1
    ages = np.zeros((4, 3, 3), int)
    ages[3] = 40
    counts = tally(Clues(None, truth, truth, alive, None, ages), predicted, np.array([4, 4, 9, 9]))
    assert counts["all"].tolist() == [[6, 6, 6], [5, 5, 5]] and counts["right"].tolist() == [[6, 6, 6], [4, 5, 5]]
    assert counts["changed"].tolist() == [[0, 0, 0], [2, 0, 0]] and counts["changed_right"].tolist() == [[0, 0, 0], [1, 0, 0]]
    assert counts["aged"][1, 0].tolist() == [1, 0, 1, 0] and counts["aged_right"][1, 0].tolist() == [1, 0, 0, 0]
    assert counts["aged"][0].sum() == 0 and counts["aged"][:, 1:].sum() == 0


def test_ages_are_steps_since_something_told_about_the_number(played):
    clues, table = hidden_numbers.by_game(played.table, [1])[1], played.table
    kick = clues.truth[..., 2]
    for i in range(4):
        taken = np.flatnonzero(np.diff(kick[:, i]) > 0) + 1
        for t in taken[:1]:
            assert clues.ages[t, i, 2] == 0
    flags = np.zeros((6, 4, hidden_numbers.FLAGS))
    flags[1, 2, 1] = flags[3, 2, 2] = flags[4, 2, 3] = 1  # a bomb, an extra bomb, more range
    ages = hidden_numbers.steps_since(flags)
    assert ages[:, 2].T.tolist() == [[0, 0, 1, 0, 1, 2], [0, 1, 2, 3, 0, 1], [0, 1, 2, 3, 4, 5]]
    assert len(clues.ages) == table.starts[2] - table.starts[1]


def test_nearly_every_changed_blast_strength_and_kick_was_told_about(played):
    """What changed did so at a pickup; all but a few (an item that lay under a flame) were seen: the age is below the step."""
    told = []
    for clues in hidden_numbers.by_game(played.table, range(5)).values():
        changed = (clues.truth != START)[..., 1:]
        step = np.arange(len(clues.truth))[:, None, None]
        told.append((clues.ages < step)[..., 1:][changed])
    told = np.concatenate(told)
    assert len(told) > 50 and told.mean() > 0.9
