"""Views are the lives of the living; batches are read right; a trainer learns, resumes to the bit, and refuses too much."""

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman.data import Trainer, held_out_views, list_views, read_batch, training_pairs
from wmlib.lessons.pommerman.games import load_games, split


def trainer_of(model, played, seed=0, **options):
    numbers = {"batch_size": 3, "seq_len": 4, "lr": 4e-3} | options
    return Trainer(model, played.views.resets, played.read, generator=torch.Generator().manual_seed(seed), **numbers)


def test_views_are_the_lives_of_the_living(played):
    table = played.table
    views = list_views(table, [1, 2])
    expected = []
    for game in (1, 2):
        for agent in range(4):
            for row in range(table.starts[game], table.starts[game + 1] - 1):
                if table.states[row, 7 * 121 + 6 * agent + 5]:
                    expected.append((row, agent, game))
    assert list(zip(views.rows, views.agents, views.games, strict=True)) == expected
    with pytest.raises(ValueError, match="games: got none"):
        list_views(table, [])


def test_shuffled_lives_are_the_same_lives(shuffled):
    plain = list_views(shuffled.table, range(4))
    assert all(shuffled.views.rows[life[0]] in shuffled.table.starts for life in shuffled.views.lives)
    lives = [{(*tuple(views.rows[life]), views.agents[life[0]]) for life in views.lives} for views in (plain, shuffled.views)]
    assert lives[0] == lives[1] and not np.array_equal(plain.agents, shuffled.views.agents)


def test_taken_places_keep_their_order(played):
    some = played.views.take(np.array([7, 3]))
    assert some.rows.tolist() == [played.views.rows[7], played.views.rows[3]] and len(some.games) == 2


def test_one_s_own_action_comes_first(played):
    views, table = played.views, played.table
    assert played.read([[0, 1]]).actions[0, 0].tolist() == table.actions[views.rows[0]].tolist()  # of agent 0
    last = len(views.rows) - 1  # of agent 3 or another
    actions = played.read([[last]]).actions[0, 0].tolist()
    assert actions[0] == table.actions[views.rows[last], views.agents[last]]
    assert sorted(actions) == sorted(table.actions[views.rows[last]])


def test_full_states_are_read_when_asked_for(played):
    assert played.read([[4]]).full is None
    assert np.array_equal(played.read([[4]], full=True).full[0, 0], played.table.states[played.views.rows[4]])


def test_held_out_views_are_the_first_steps_of_the_test_games(world):
    views = held_out_views(load_games(world.folder), max_steps=5)
    assert set(views.games) == {8, 9} and max(map(len, views.lives)) == 5 and views.resets.sum() == len(views.lives) == 8


def test_training_pairs_are_consecutive_states_of_training_games(world):
    now, after = training_pairs(world.folder)
    table = load_games(world.folder)
    views = list_views(table, split(table).train)
    assert len(now) == len(after) == len(views.rows)  # fewer than are counted at most
    batch = read_batch(table, views, np.array([[17]]))
    assert np.array_equal(now[17], batch.vectors[0, 0]) and np.array_equal(after[17], batch.following[0, 0])


@pytest.mark.parametrize("kind", ["none", "window", "lstm", "dnc", "vector"])
def test_a_few_steps_of_training_lower_the_loss(kind, build, shuffled):
    losses = list(trainer_of(build(kind), shuffled, seq_len=5, lr=1e-2).run(25))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.2


@pytest.mark.parametrize("kind", ["lstm", "dnc", "window"])
def test_stop_and_go_on_is_the_same_to_the_bit(kind, build, shuffled):
    straight, first, second = (trainer_of(build(kind, seed), shuffled, seed) for seed in (0, 0, 1))
    expected = list(straight.run(9))
    before = list(first.run(5))
    second.load_state_dict(first.state_dict())
    assert before + list(second.run(4)) == expected and second.step == 9


def test_more_rows_than_there_are_are_refused(build, shuffled):
    with pytest.raises(ValueError, match="batch_size, seq_len: got 900, 900"):
        trainer_of(build("none"), shuffled, batch_size=900, seq_len=900)
