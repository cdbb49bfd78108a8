"""Recipes: networks of equal size, a search that is the same for all, and what cannot be."""

from dataclasses import replace

import pytest
import torch

from wmlib.experiment import settings
from wmlib.lessons.addition import recipes
from wmlib.lessons.addition.accumulator import UnboundedLSTM
from wmlib.lessons.addition.recipes import TASKS, Recipe
from wmlib.lessons.addition.sequences import curriculum
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CLOSED, CoreConfig

DNC_RECIPE = Recipe(CoreConfig("dnc", 7, 5, 3, allocation_bias=CLOSED))
LSTM_RECIPE = Recipe(CoreConfig("lstm", 7, forget_bias=1.0))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(2)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_fits_its_task(task):
    for recipe, kind in ((DNC_RECIPE, DNC), (LSTM_RECIPE, LSTM)):
        core = recipes.build(recipe, task, generator())
        batch = TASKS[task].make(torch.tensor([3, 2]), generator=generator())
        assert isinstance(core, kind) and core.hidden_size == 7
        assert core(batch.inputs)[0].shape == batch.targets.shape


def test_an_unbounded_lstm_has_the_forget_bias_too():
    core = recipes.build(replace(LSTM_RECIPE, unbounded=True), "addition", generator())
    assert isinstance(core, UnboundedLSTM) and core.forget_bias == 1 and core.hidden_size == 7
    assert not isinstance(recipes.build(LSTM_RECIPE, "addition", generator()), UnboundedLSTM)


def test_the_initial_bias_and_its_absence():
    core = recipes.build(DNC_RECIPE, "addition", generator())
    plain = recipes.build(recipes.with_default_initialization(DNC_RECIPE), "addition", generator())
    assert core.biases == {"allocation_gate": CLOSED} and plain.biases == {}
    assert recipes.build(LSTM_RECIPE, "addition", generator()).forget_bias == 1
    assert recipes.build(recipes.with_default_initialization(LSTM_RECIPE), "addition", generator()).forget_bias is None
    for recipe in (DNC_RECIPE, LSTM_RECIPE):
        assert recipes.has_initial_bias(recipe)
        assert not recipes.has_initial_bias(recipes.with_default_initialization(recipe))


def test_the_notebook_s_gate_starts_closed_under_every_profile():
    setting = settings.read("03_dnc_addition_curriculum")["allocation_bias"]
    assert setting.smoke == setting.quick == setting.paper == CLOSED


@pytest.mark.parametrize("task", ["addition", "priority_sort"])
def test_equal_parameters_are_as_near_as_can_be(task):
    dnc, lstm = Recipe(CoreConfig("dnc")), Recipe(CoreConfig("lstm"))
    wanted = recipes.parameter_count(dnc, task)
    hidden_size = recipes.equal_parameters(lstm, dnc, task).core.hidden_size
    counts = [
        recipes.parameter_count(replace(lstm, core=replace(lstm.core, hidden_size=n)), task)
        for n in (hidden_size - 1, hidden_size, hidden_size + 1)
    ]
    off = [abs(count - wanted) for count in counts]
    assert min(off) == off[1] and off[1] / wanted < 0.01


def test_stored_weights_come_back():
    core = recipes.build(DNC_RECIPE, "addition", generator())
    again = recipes.restore_adder(DNC_RECIPE, core.state_dict())
    assert not again.training
    assert all(map(torch.equal, core.state_dict().values(), again.state_dict().values()))
    with pytest.raises(ValueError, match="got 'lstm'"):
        recipes.restore_adder(LSTM_RECIPE, recipes.build(LSTM_RECIPE, "addition", generator()).state_dict())


def test_the_search_is_the_same_for_all():
    dnc = recipes.grid(DNC_RECIPE, search_default_initialization=True)
    lstm = recipes.grid(LSTM_RECIPE, search_default_initialization=True)
    assert len(set(dnc)) == len(dnc) == 24

    def searched(tried: list[Recipe]) -> list[tuple]:
        return [(recipe.lr, recipe.max_grad_norm, recipes.has_initial_bias(recipe)) for recipe in tried]

    assert searched(dnc) == searched(lstm)
    assert searched(dnc)[:3] == [(5e-3, 1.0, False), (5e-3, 1.0, True), (5e-3, 10.0, False)]
    few = recipes.grid(DNC_RECIPE, recipes.middle_learning_rates(2))
    assert [(recipe.lr, recipe.max_grad_norm) for recipe in few] == [(0.02, 1), (0.02, 10), (0.04, 1), (0.04, 10)]
    assert all(recipe.core == DNC_RECIPE.core for recipe in few)
    assert recipes.middle_learning_rates(6) == recipes.LEARNING_RATES


def test_the_lowest_median_survives():
    tried = recipes.grid(DNC_RECIPE)
    a, b, c = tried[0], tried[3], tried[-1]
    errors = {a: [1.0, 4.0, 5.0], b: [2.0, 3.0, 1.0], c: [0.5]}
    assert recipes.survivors(errors, 2) == [c, b]
    assert recipes.survivors({a: [1.0], b: [1.0]}, 1) == [a]
    assert recipes.on_edge(a) and recipes.on_edge(c) and not recipes.on_edge(b)
    assert recipes.on_edge(b, [b.lr, 2 * b.lr])


def test_the_default_curriculum_is_that_of_addition():
    assert curriculum()[-1] == (2, 12) and TASKS["addition"].levels == len(curriculum()) and TASKS["addition"].longest == 12


@pytest.mark.parametrize(
    "wrong",
    [
        Recipe(CoreConfig("gru")),
        replace(DNC_RECIPE, off_at_first="both"),
        replace(LSTM_RECIPE, off_at_first="memory"),
        replace(DNC_RECIPE, unbounded=True),
        replace(LSTM_RECIPE, cut_read_out=True),
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"allowed are dnc|the core is a"):
        recipes.build(wrong, "addition", generator())


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match=r"'sums'.*a task of addition"):
        recipes.build(DNC_RECIPE, "sums", generator())
