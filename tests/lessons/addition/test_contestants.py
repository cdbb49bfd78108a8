"""Contestants: equal sizes, the author's numbers, and shams that differ from their interventions in one thing."""

import math
from dataclasses import replace

import pytest
import torch

from wmlib.lessons.addition import contestants, recipes
from wmlib.lessons.addition.recipes import TASKS, Recipe
from wmlib.models.layers import num_parameters
from wmlib.models.specs import CLOSED, CoreConfig

DNC = Recipe(CoreConfig("dnc", 7, 5, 3, allocation_bias=CLOSED), lr=0.03, max_grad_norm=2.0)


@pytest.mark.parametrize("task", ["addition", "copy", "associative_recall"])
def test_all_are_equal_but_for_what_their_names_say(task):
    models = contestants.contestants(DNC, task)
    assert list(models) == ["DNC", "LSTM", "LSTM, equal cells", "LSTM, o · c"] and models["DNC"] == DNC
    counts = {name: recipes.parameter_count(recipe, task) for name, recipe in models.items()}
    assert counts["LSTM"] == counts["LSTM, o · c"] == pytest.approx(counts["DNC"], rel=0.1)
    assert models["LSTM, equal cells"].core.hidden_size == 7 and counts["LSTM, equal cells"] < counts["LSTM"]
    assert {(recipe.lr, recipe.max_grad_norm) for recipe in models.values()} == {(0.03, 2.0)}
    assert [name for name, recipe in models.items() if recipe.unbounded] == ["LSTM, o · c"]


def test_the_author_s_networks():
    networks = contestants.author_networks(256, 256)
    cores = [recipe.core for recipe in networks.values()]
    assert [core.detach_addressing for core in cores] == [True, False, False]
    assert [(core.num_slots, core.word_size, core.num_heads) for core in cores[:2]] == [(256, 64, 4)] * 2
    assert {(each.lr, each.max_grad_norm, each.batch_size, each.final_lr) for each in networks.values()} == {
        (1e-4, math.inf, 1, 1.0)
    }
    lstm = recipes.build(networks["the author's LSTM"], "addition", torch.Generator().manual_seed(0))
    assert num_parameters(lstm) == 270_593


def test_what_was_tried_can_be_built_and_is_all_different():
    tried = contestants.towards_far(DNC)
    assert len(set(tried.values())) == len(tried) and tried["5 slots"] == (DNC, "addition", 1)
    for trial in tried.values():
        assert trial.practice in TASKS and recipes.build(trial.recipe, trial.practice, torch.Generator().manual_seed(0))


def test_a_sham_is_its_intervention_with_nothing_off():
    race = contestants.race(DNC)
    for name, part in (("6e-3", "LSTM"), ("2e-2", "memory")):
        off, sham = race[f"{name}, {part} off at first"], race[f"{name}, {part} sham"]
        assert sham == replace(off, sham=True) and off.off_at_first == part.lower()
    assert race["6e-3, LSTM off at first"] == replace(race["6e-3"], off_at_first="lstm")
    assert race["2e-2, memory off at first"] == replace(race["2e-2, gate closed"], off_at_first="memory")
