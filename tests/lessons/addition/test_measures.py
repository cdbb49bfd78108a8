"""Measures: right and wrong answers, levels, what is kept of a training, and that a short one learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.lessons.addition import measures, recipes
from wmlib.lessons.addition.measures import measure, train_and_measure
from wmlib.lessons.addition.recipes import TASKS, Recipe
from wmlib.lessons.addition.training import train
from wmlib.models.specs import CLOSED, CoreConfig

SMALL = Recipe(CoreConfig("dnc", 7, 5, 3, allocation_bias=CLOSED))
LSTM = Recipe(CoreConfig("lstm", 7))
THREE = {"task": "addition", "levels": [(1, 1), (2, 2), (3, 3)]}


class Adder(torch.nn.Module):
    """Answers sums exactly, plus a constant, or plus one for each digit."""

    def __init__(self, wrong: float = 0.0, wrong_a_digit: float = 0.0):
        super().__init__()
        self.wrong, self.wrong_a_digit = wrong, wrong_a_digit

    def forward(self, inputs, state=None):
        digits = (inputs[..., :-1] * torch.arange(inputs.shape[-1] - 1)).sum(-1)
        off = self.wrong + self.wrong_a_digit * inputs[..., :-1].sum((1, 2)).unsqueeze(-1)
        return (digits.cumsum(-1) * inputs[..., -1] + off).unsqueeze(-1), None


def test_measure_knows_right_from_wrong():
    (exact,), (near,), (far,) = (measure(Adder(wrong), "addition", [5], 1) for wrong in (0.0, 0.4, 0.6))
    assert exact == (0, 1)
    assert near == (pytest.approx(0.16, rel=1e-4), 1)
    assert far == (pytest.approx(0.36, rel=1e-4), 0)


def test_test_sets_are_those_of_their_seed_and_length():
    one, again, other = (measures.draw_test_set("addition", 5, seed, 7).inputs for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other) and one.shape == (7, 6, 6)


def test_a_level_is_the_mean_over_its_lengths():
    core = Adder(wrong_a_digit=0.1)
    scores = measures.measure_levels(core, "addition", [(2, 2), (3, 6), (2, 4)], seed=1, per_length=5)
    squares = {n: (0.1 * n) ** 2 for n in range(2, 7)}
    expected = [squares[2], np.mean([squares[n] for n in range(3, 7)]), np.mean([squares[n] for n in (2, 3, 4)])]
    assert [score.error for score in scores] == pytest.approx(expected, rel=1e-4)
    assert [score.accuracy for score in scores] == [1, 0.5, 1]  # off by 0.5 and 0.6 at lengths 5 and 6


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("recipe", [SMALL, LSTM])
def test_every_task_is_trained_and_measured(task, recipe):
    result = train_and_measure(recipe, (1, 2), task, [(2, 3), (2, 4)], 64, test_seed=3)
    assert result["retention_error"].shape == result["retention_accuracy"].shape == (2, 2)
    assert result["lengths"] == [2, 3, 4, *TASKS[task].beyond] and len(result["errors"]) == len(result["lengths"])
    assert result["seen"][0] == 0 and result["seen"][-1] == 64 and len(result["curve"]) == len(result["seen"])
    assert 0 < result["error"] == pytest.approx(np.mean(result["errors"][:3]))
    assert all(0 <= accuracy <= 1 for accuracy in result["accuracies"])


@pytest.mark.parametrize("sequences", [96, 112, 130])
def test_retention_is_measured_after_every_level_wherever_it_ends(sequences):
    result = train_and_measure(SMALL, (1, 2), **THREE, sequences=sequences, test_seed=3)
    assert result["retention_error"].shape == (3, 3) and (result["retention_error"] < measures.DIVERGED).all()
    updates = sequences // 16  # the batch that begins at or after a switch belongs to the next level
    ends = [next(u for u in range(updates + 1) if u * 16 >= sequences // 3 * k) for k in (1, 2)] + [updates]
    scores = {}

    def watch(core, seen):
        scores[seen] = [score.error for score in measure(core, "addition", [1, 2, 3], 3, per_length=32)]

    train(SMALL, (1, 2), **THREE, sequences=sequences, watch=watch)
    np.testing.assert_allclose(result["retention_error"], [scores[16 * end] for end in ends], rtol=1e-6)


@pytest.mark.parametrize("recipe", [SMALL, LSTM])
def test_a_training_that_diverges_counts_as_bad_in_the_same_shapes(recipe):
    result, finite = (
        train_and_measure(each, (1, 2), **THREE, sequences=200, test_seed=3)
        for each in (replace(recipe, lr=1e30, max_grad_norm=1e30), recipe)
    )
    assert finite["error"] < measures.DIVERGED == result["error"] and result["retention_error"].shape == (3, 3)
    assert result["seen"].tolist() == finite["seen"].tolist() == [0, 64, 128, 192]
    assert result["curve"][0] == finite["curve"][0] and (result["curve"][1:] == measures.DIVERGED).all()
    assert result["errors"] == [measures.DIVERGED] * len(finite["errors"])
    assert (result["retention_error"] == measures.DIVERGED).all() and not result["retention_accuracy"].any()


def test_kept_weights_are_those_that_were_measured():
    result = train_and_measure(SMALL, (1, 2), **THREE, sequences=96, test_seed=3)
    again = measure(recipes.restore(SMALL, "addition", result["weights"]), "addition", result["lengths"], 3)
    assert [score.error for score in again] == pytest.approx(result["errors"], rel=1e-6)


def test_a_task_can_be_practised_and_another_one_tested():
    even = train_and_measure(SMALL, (1, 2), **THREE, sequences=96, test_seed=3, practice="addition, even totals")
    plain = train_and_measure(SMALL, (1, 2), **THREE, sequences=96, test_seed=3)
    assert even["curve"][0] == plain["curve"][0] and even["error"] != plain["error"]  # the same tests, another training


def test_batches_of_one_are_observed_too():
    recipe = replace(SMALL, batch_size=1)
    result = train_and_measure(recipe, (1, 2), **THREE, sequences=20, test_seed=3)
    assert result["seen"].tolist() == [0, 4, 8, 12, 16, 20] and len(result["curve"]) == 6


def test_a_dnc_is_tested_with_other_slots():
    core = recipes.build(SMALL, "addition", torch.Generator().manual_seed(0))
    (own,), (same,), (more,) = (measure(core, "addition", [5], 1, num_slots=n) for n in (None, 5, 11))
    assert own == same != more


def test_a_short_training_learns():
    recipe = Recipe(CoreConfig("lstm", 32), lr=2e-2)
    result = train_and_measure(recipe, (1, 2), "addition", [(2, 2)], 8000, test_seed=3, details=False)
    assert list(result) == ["error"] and result["error"] < 0.3  # the digits' sum has variance 4
