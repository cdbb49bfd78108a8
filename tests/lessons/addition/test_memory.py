"""What is measured inside a DNC, on one whose weights are set by hand so that it adds by its memory alone."""

import math

import numpy as np
import pytest
import torch

from wmlib.lessons.addition import measures, memory, recipes
from wmlib.lessons.addition.recipes import Recipe
from wmlib.models.specs import CoreConfig


def build(num_slots: int = 5, seed: int = 0):
    recipe = Recipe(CoreConfig("dnc", 7, num_slots, 3))
    return recipes.build(recipe, "addition", torch.Generator().manual_seed(seed))


@pytest.fixture
def adder():
    """A DNC that adds by its memory alone: it writes the digit evenly over all slots, and reads all slots evenly."""
    core = build()
    for parameter in core.parameters():
        parameter.detach().zero_()
    big = 20.0
    bias, weight = core.controller.bias.detach(), core.controller.weight.detach()
    bias[:7] = big  # in, keep, out: h = tanh(tanh(candidate))
    bias[7:14] = -big
    bias[21:] = big
    weight[14, :5] = 0.1 * torch.arange(5.0)  # the candidate of cell 0 is a tenth of the digit
    weight[15, 5] = big  # and that of cell 1 says that the sum is asked for
    interface = core.interface
    interface.weight.detach()[11, 0] = 10.0  # write vector, after read key 3, strength, write key 3, strength, erase 3
    interface.bias.detach()[[8, 9, 10]] = -big  # erase nothing
    interface.bias.detach()[[14, 15, 16]] = torch.tensor([-big, -big, big])  # free nothing, no allocation, write
    interface.bias.detach()[18] = big  # read by content
    core.output.weight.detach()[0, 7] = core.num_slots
    return core


def test_ridge_is_least_squares():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(101, 7, generator=generator)
    y = x @ torch.arange(7.0) + 3 + 0.1 * torch.randn(101, generator=generator)
    weights, constant = memory.ridge(x, y, penalty=1e-12)
    expected = np.linalg.lstsq(np.c_[x.double(), np.ones(101)], y.double().numpy(), rcond=None)[0]
    np.testing.assert_allclose([*weights, constant], expected, rtol=1e-6)


def test_r_squared_gives_no_credit_for_knowing_the_time():
    target = torch.tensor([[0.0, 10.0], [2.0, 12.0]])
    assert memory.r_squared(target.mean(0).expand(2, 2), target) == 0
    assert memory.r_squared(target, target) == 1
    one_length = torch.arange(11.0)
    assert memory.r_squared(one_length.mean().expand(11), one_length) == pytest.approx(0, abs=1e-6)


def test_the_total_is_found_in_a_memory_that_has_it(adder):
    fitted = memory.read_out(adder, seed=1, length=7)
    assert fitted["memory"] > 0.99 and fitted["lstm"] < 0.5
    held_out = memory.record_states(adder, 2, 7)
    assert fitted["total"].tolist() == held_out.total[: 96 // 7].flatten().tolist()
    np.testing.assert_allclose(fitted["predicted"], fitted["total"], atol=2)


def test_the_transfer_is_what_the_read_out_finds_of_an_early_edit():
    core = build(seed=5)
    weights = memory.read_out(core, 1, 4, 64)["weights"]
    unit = memory.direction(core, 1, 2, samples=64)
    inputs = measures.draw_test_set("addition", 4, 2, memory.EDITED).inputs
    totals = []
    with torch.no_grad():
        for alpha in (-2, 2):
            _, state = core(inputs[:, :2])
            state = state._replace(h=state.h + alpha * unit["h"], c=state.c + alpha * unit["c"])
            for t in (2, 3):
                _, state = core.step(inputs[:, t], state)
            totals.append((state.memory.flatten(1).double() @ weights).mean().item())
    expected = (totals[1] - totals[0]) / 4
    assert abs(expected) > 1e-4
    assert memory.transfer_to_memory(core, 1, at=2, length=4, samples=64) == pytest.approx(expected, rel=1e-3)


def test_an_edit_of_the_memory_moves_the_answer(adder):
    slope = memory.edit(adder, seed=1, alphas=[-2, -1, 1, 2], length=7, at=3)["slope"]
    assert slope["memory"] == pytest.approx(slope["both"], abs=0.02) and abs(slope["LSTM"]) < 0.02
    assert 0.9 < slope["memory"] < 1.05
    parts = memory.contribution_by_part(adder, seed=1, times=(2, 7), length=7)
    np.testing.assert_allclose(parts["memory"], 1, atol=0.1)
    np.testing.assert_allclose(parts["LSTM"], 0, atol=0.02)
    assert memory.transfer_to_memory(adder, seed=1, at=2, length=7) == pytest.approx(
        0, abs=0.02
    )  # its LSTM never holds a total


def test_a_random_edit_moves_an_adder_as_its_part_along_the_write_vector_says(adder):
    # only the first of the three numbers in a slot counts: of a random change, a third of the square
    edited = memory.edit(adder, seed=1, alphas=[-1, 1], length=7, at=3, draws=400)
    assert edited["slope"]["random"] == pytest.approx(edited["slope"]["memory"] / 3**0.5, rel=0.1)
    assert "random" not in memory.edit(adder, seed=1, alphas=[1], length=7, at=3, draws=0)["slope"]


def test_several_changes_at_once_are_each_of_them_alone():
    core = build(seed=5)
    batch = measures.draw_test_set("addition", 4, 1, 7)
    more = torch.randn(2, 3, 5, 3, generator=torch.Generator().manual_seed(0))
    together = memory.answers(core, batch, 2, {"memory": more})
    assert together.shape == (2, 3, 7)
    torch.testing.assert_close(together[1, 2], memory.answers(core, batch, 2, {"memory": more[1, 2]}))
    torch.testing.assert_close(memory.answers(core, batch, 2), core(batch.inputs)[0][:, -1, 0].detach())


def test_the_use_of_a_memory_that_spreads(adder):
    use = memory.memory_use(adder, seed=1, length=7)
    assert use["effective_slots"] == pytest.approx(5, abs=0.01) and use["largest_slot"] == pytest.approx(0.2, abs=0.01)
    assert use["write_gate"] > 0.99 and use["allocation_gate"] < 0.01


def test_replay_is_the_network_and_twice_the_slots_halve_a_sum_that_is_spread(adder):
    digits = [3, 1, 4, 2]
    rows, answer = memory.replay(adder, digits)
    assert rows.shape == (4, 5, 3) and answer == pytest.approx(10, rel=0.08)  # tanh bends a little
    assert memory.replay(adder, digits, num_slots=10)[1] == pytest.approx(answer / 2, rel=0.01)
    unit = {"memory": memory.direction(adder, 1, at=2)["memory"]}
    moved = memory.replay(adder, digits, at=2, change=unit)[1]
    assert moved - answer == pytest.approx(1, rel=0.1)


def test_samples_are_the_sequences_behind_a_direction(adder):
    many, few = (memory.direction(adder, 1, at=3, samples=samples)["memory"] for samples in (512, 64))
    assert not torch.equal(many, few)
    torch.testing.assert_close(many, few, rtol=0.1, atol=0.01)
    wider = memory.direction(adder, 1, at=3, num_slots=7)
    assert wider["memory"].shape == (7, 3) and wider["h"].shape == (7,)


def test_examine_is_all_of_it(adder):
    untrained = build(seed=3)
    examined = memory.examine(adder, untrained, 1, alphas=[-2, 2], times=[3], samples=64)
    assert examined["memory"] == memory.read_out(adder, 1, samples=64)["memory"] > 0.95
    assert examined["untrained"] == memory.read_out(untrained, 1, samples=64)["memory"]
    assert examined["slope"] == memory.edit(adder, 1, [-2, 2], samples=64)["slope"]
    assert examined["contributions"]["memory"].shape == (1,)
    assert examined["memory_use"] == memory.memory_use(adder, 1)
    assert examined["transfer"] == memory.transfer_to_memory(adder, 1, samples=64)


def test_what_cannot_be_measured_in_a_network_of_nan_is_zero(adder):
    for parameter in adder.parameters():
        parameter.detach().fill_(math.nan)
    assert set(memory.memory_use(adder, 1).values()) == {0.0}
    examined = memory.examine(adder, build(seed=3), 1, alphas=[-2, 2], times=[3], samples=64)
    assert examined["memory"] == examined["lstm"] == examined["transfer"] == 0 != examined["untrained"]
    assert set(examined["slope"].values()) == {0.0} and not examined["predicted"].any() and not examined["weights"].any()
    assert not examined["contributions"]["memory"].any() and not examined["moved"]["random"].any()
