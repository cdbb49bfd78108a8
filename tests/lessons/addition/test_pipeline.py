"""The study of sequences: equal conditions, honest measures, a search with a rule, and what is read from a memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.lessons.addition import memory
from wmlib.lessons.addition import pipeline as study
from wmlib.lessons.addition.pipeline import Recipe
from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.addition.sequences import Sequences, curriculum

SMALL = Recipe(hidden=7, slots=5, width=3)
SHORT = {"task": "addition", "levels": [(1, 2), (3, 4)], "count": 96}


TASKS_LENGTH = {  # how many items a sequence shows, from the rows inside it
    "addition": lambda b: b.rows.sum(1) - 1,
    "repeat": lambda b: (b.rows.sum(1) - 1) // 2,
    "copy": lambda b: (b.rows.sum(1) - 1) // 2,
    "priority_sort": lambda b: (b.rows.sum(1) - 2) // 2,
    "associative_recall": lambda b: b.inputs[..., 6].sum(1).long(),
}


class Adder(torch.nn.Module):
    """Answers sums exactly, plus a constant."""

    def __init__(self, wrong: float = 0.0):
        super().__init__()
        self.wrong = wrong

    def forward(self, inputs, state=None):
        digits = (inputs[..., :-1] * torch.arange(inputs.shape[-1] - 1)).sum(-1)
        return (digits.cumsum(-1) * inputs[..., -1] + self.wrong).unsqueeze(-1), None


def weights(core):
    return torch.cat([p.detach().flatten() for p in core.parameters()])


@pytest.mark.parametrize("task", study.TASKS)
@pytest.mark.parametrize("recipe", [SMALL, replace(SMALL, core="lstm")])
def test_every_task_is_trained_and_measured(task, recipe):
    levels = [(2, 3), (2, 4)]
    found = study.run(recipe, (1, 2), task=task, levels=levels, count=64, test_seed=3)
    assert found["retention"].shape == found["kept"].shape == (2, 2)
    assert found["lengths"] == [2, 3, 4, *study.TASKS[task].beyond] and len(found["errors"]) == len(found["lengths"])
    assert found["seen"][0] == 0 and found["seen"][-1] == 64 and len(found["curve"]) == len(found["seen"])
    assert 0 < found["error"] == pytest.approx(np.mean(found["errors"][:3])) and all(0 <= r <= 1 for r in found["rights"])


@pytest.mark.parametrize("count", [96, 112, 130])
def test_retention_is_measured_after_every_level_wherever_it_ends(count):
    found = study.run(SMALL, (1, 2), **{**SHORT, "levels": [(1, 1), (2, 2), (3, 3)], "count": count}, test_seed=3)
    assert found["retention"].shape == (3, 3) and (found["retention"] < study.DIVERGED).all()
    last = count // 16  # updates; the batch that begins at or after a switch belongs to the next level
    ends = [next(u for u in range(last + 1) if u * 16 >= count // 3 * k) for k in (1, 2)] + [count // 16]
    for row, end in zip(found["retention"], ends, strict=True):
        states = []
        study.train(SMALL, (1, 2), **{**SHORT, "levels": [(1, 1), (2, 2), (3, 3)], "count": count},
                    watch=lambda core, seen, end=end, states=states: states.append(
                        [s.error for s in study.measure(core, "addition", [1, 2, 3], 3, per_length=32)]
                    ) if seen == 16 * end else None)  # fmt: skip
        np.testing.assert_allclose(row, states[0], rtol=1e-6)


def test_the_author_s_loss_counts_all_rows_inside():
    batch = Sequences(
        torch.zeros(2, 3, 4), torch.zeros(2, 3, 1), torch.tensor([[1, 1, 1], [1, 1, 0]]) == 1, torch.zeros(2, 3) == 1
    )
    outputs = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).unsqueeze(-1)
    assert study.loss(outputs, batch).item() == (1 + 4 + 9 + 16 + 25) / 2


def test_measure_knows_right_from_wrong():
    (exact,), (near,), (far,) = (study.measure(Adder(wrong), "addition", [5], 1) for wrong in (0.0, 0.4, 0.6))
    assert exact == (0, 1) and near == (pytest.approx(0.16, rel=1e-4), 1) and far == (pytest.approx(0.36, rel=1e-4), 0)


def test_a_run_repeats_and_depends_on_both_seeds():
    a, b, c, d = (weights(study.train(SMALL, seeds, **SHORT)) for seeds in ((1, 2), (1, 2), (3, 2), (1, 4)))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, d)


def test_all_networks_of_one_data_seed_see_the_same_sequences(monkeypatch):
    seen = []
    original = study.loss
    monkeypatch.setattr(study, "loss", lambda outputs, batch: seen.append(batch.inputs) or original(outputs, batch))
    for recipe in (SMALL, replace(SMALL, core="lstm", hidden=11), replace(SMALL, rate=0.1, bias=False)):
        study.train(recipe, (1, 2), **SHORT)
    first, second, third = (torch.cat([batch.flatten() for batch in seen[i : i + 6]]) for i in (0, 6, 12))
    assert len(seen) == 18 and torch.equal(first, second) and torch.equal(first, third)


def test_levels_come_one_after_another(monkeypatch):
    longest = []
    original = study.loss
    monkeypatch.setattr(study, "loss", lambda out, batch: longest.append(batch.rows.sum(1)) or original(out, batch))
    study.train(SMALL, (1, 2), **SHORT)
    rows = torch.stack(longest) - 1  # digits
    assert rows[:3].max() == 2 and rows[:3].min() == 1 and rows[3:].max() == 4 and rows[3:].min() == 3


def test_a_run_that_diverges_counts_as_bad():
    found = study.run(replace(SMALL, core="lstm", rate=1e30, clip=1e30), (1, 2), test_seed=3, **SHORT)
    assert found["error"] == study.DIVERGED and found["retention"].shape == (2, 2)
    assert np.isfinite(found["curve"]).all() and np.isfinite(found["errors"]).all()


def test_parallel_runs_equal_single_ones():
    jobs = [(SMALL, (1, 2)), (replace(SMALL, core="lstm"), (1, 2)), (SMALL, (3, 4))]
    numbers = {"task": "addition", "levels": [(1, 2)], "count": 2000, "test_seed": 3, "details": False}
    assert study.run_many(jobs, **numbers) == [study.run(*job, **numbers) for job in jobs]


def test_the_larger_network_has_equal_parameters():
    for task in ("addition", "priority_sort"):
        h = study.equal_hidden(Recipe(), task)
        wanted = study.parameter_count(Recipe(), task)
        near = [abs(study.parameter_count(Recipe(core="lstm", hidden=n), task) - wanted) for n in (h - 1, h, h + 1)]
        assert min(near) == near[1] and near[1] / wanted < 0.01


def test_the_search_is_the_same_for_all_and_keeps_its_rule():
    dnc, lstm = study.grid(SMALL), study.grid(replace(SMALL, core="lstm"))
    assert len(set(dnc)) == len(dnc) == 24 and [replace(r, core="lstm") for r in dnc] == lstm
    a, b, c = dnc[0], dnc[5], dnc[-1]
    errors = {a: [1.0, 4.0, 5.0], b: [2.0, 3.0, 1.0], c: [0.5]}
    assert study.survivors(errors, 2) == [c, b] and study.survivors({a: [1.0], b: [1.0]}, 1) == [a]
    assert study.on_edge(a) and study.on_edge(c) and not study.on_edge(b)


@pytest.mark.parametrize("off", ["lstm", "memory"])
def test_what_is_switched_off_carries_nothing_and_comes_back(off):
    drawn = study.build(SMALL, "addition", torch.Generator().manual_seed(2))
    cores = {}

    def watch(core, seen):
        if seen == 16:
            cores["off"] = study.restore(SMALL, "addition", {k: v.clone() for k, v in core.state_dict().items()})

    after = study.train(replace(SMALL, off=off), (1, 2), watch=watch, **SHORT)
    assert (weights(after) - weights(drawn)).abs().max() < 1
    study_core = cores["off"]
    for part in study._held(study_core, off):
        part.hold()  # the update itself moves them a little
    one, other = (torch.zeros(1, 4, 6) for _ in range(2))
    one[0, 0, 1], other[0, 0, 4] = 1, 1
    if off == "lstm":  # without memory, the last answer then knows nothing of the first digit
        study_core.controller.weight.detach()[:, 6:9], study_core.output.weight.detach()[:, 7:] = 0, 0
    else:
        study_core.controller.weight.detach()[:, -7:], study_core.controller.weight.detach()[7:14] = 0, 0
        study_core.controller.bias.detach()[7:14] = -30
    torch.testing.assert_close(study_core(one)[0][:, -1], study_core(other)[0][:, -1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("off", ["lstm", "memory"])
def test_what_is_held_has_no_part_in_the_clipping(off, monkeypatch):
    norms = []
    original = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda p, clip: norms.append(list(p)) or original(norms[-1], clip))
    core = {}

    def watch(now, seen):
        if seen == 16:
            core.update({name: (p.detach().clone(), p.grad.clone()) for name, p in now.named_parameters()})

    study.train(replace(SMALL, off=off), (1, 2), watch=watch, **SHORT)
    gradient = core["controller.weight"][1]
    held = gradient[:, 6:-7] if off == "memory" else gradient[:, -7:]
    assert (held == 0).all() and (gradient != 0).any()
    assert torch.sqrt(sum(g.square().sum() for _, g in core.values())) <= SMALL.clip + 1e-5


def test_the_sham_holds_nothing_and_gives_the_same_weights_back():
    seen = {}

    def watch(core, count):
        seen[count] = core.controller.weight.detach().clone()

    study.train(replace(SMALL, off="redraw"), (1, 2), watch=watch, **SHORT)  # the second level begins after 48 sequences
    plain = {}
    study.train(SMALL, (1, 2), watch=lambda core, n: plain.update({n: core.controller.weight.detach().clone()}), **SHORT)
    assert torch.equal(seen[48], plain[48]) and not torch.equal(seen[64], plain[64])
    drawn, after = seen[0][:, -7:], seen[64][:, -7:]
    moved = (after - drawn).abs()
    assert 0 < moved.max() <= SMALL.rate * 1.01  # one step of Adam from where they were drawn
    assert (seen[64][:7, :-7] - seen[48][:7, :-7]).abs().max() <= SMALL.rate * 1.01  # the others go on


@pytest.mark.parametrize("task", study.TASKS)
def test_batches_are_whole_and_no_longer_than_they_need_be(task, monkeypatch):
    monkeypatch.setattr(study, "BLOCK", 2)
    found = list(study._batches(task, [(2, 2), (2, 5)], 130, torch.Generator().manual_seed(1)))
    assert [level for level, _ in found] == [tasks.level_at(16 * u, 65, 2) for u in range(8)]
    for level, batch in found:
        assert len(batch.inputs) == 16 and batch.rows.any(0).all()  # some sequence needs the last row
        shown = TASKS_LENGTH[task](batch)
        assert shown.min() >= 2 and shown.max() <= (2, 5)[level]


def test_stored_weights_come_back():
    found = study.run(SMALL, (1, 2), test_seed=3, **SHORT)
    again = study.measure(study.restore(SMALL, "addition", found["weights"]), "addition", found["lengths"], 3)
    assert [score.error for score in again] == pytest.approx(list(found["errors"]), rel=1e-6)


def test_a_short_training_learns():
    found = study.run(
        Recipe(core="lstm", hidden=32, rate=2e-2),
        (1, 2),
        task="addition",
        levels=[(2, 2)],
        count=8000,
        test_seed=3,
        details=False,
    )
    assert found["error"] < 0.3  # the digits' sum has variance 4


def test_ridge_is_least_squares():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(101, 7, generator=generator)
    y = x @ torch.arange(7.0) + 3 + 0.1 * torch.randn(101, generator=generator)
    weights, constant = memory.ridge(x, y, penalty=1e-12)
    expected = np.linalg.lstsq(np.c_[x.double(), np.ones(101)], y.double().numpy(), rcond=None)[0]
    np.testing.assert_allclose([*weights, constant], expected, rtol=1e-6)
    steps = torch.tensor([[0.0, 10.0], [2.0, 12.0]])  # who knows the step only explains nothing
    assert memory.explained(steps.mean(0).expand(2, 2), steps) == 0 and memory.explained(steps, steps) == 1
    assert memory.explained(y, y) == 1 and memory.explained(y.mean().expand(101), y) == pytest.approx(0, abs=1e-6)


def accumulator(slots: int = 5):
    """A DNC that adds by its memory alone: it writes the digit evenly over all slots, and reads all slots evenly."""
    core = study.build(replace(SMALL, slots=slots), "addition", torch.Generator().manual_seed(0))
    for parameter in core.parameters():
        parameter.detach().zero_()
    big = 20.0
    bias, weight = core.controller.bias.detach(), core.controller.weight.detach()
    bias[:7], bias[7:14], bias[21:] = big, -big, big  # in, keep, out: h = tanh(tanh(candidate))
    weight[14, :5] = 0.1 * torch.arange(5.0)  # the candidate of cell 0 is a tenth of the digit
    weight[15, 5] = big  # and that of cell 1 says that the sum is asked for
    interface = core.interface
    interface.weight.detach()[11, 0] = 10.0  # write vector, after read key 3, strength, write key 3, strength, erase 3
    interface.bias.detach()[[8, 9, 10]] = -big  # erase nothing
    interface.bias.detach()[[14, 15, 16]] = torch.tensor([-big, -big, big])  # free nothing, no allocation, write
    interface.bias.detach()[18] = big  # read by content
    core.output.weight.detach()[0, 7] = slots
    return core


def test_the_total_is_found_in_a_memory_that_has_it_and_an_edit_moves_the_answer():
    core = accumulator()
    found = memory.read_out(core, seed=1, length=7)
    assert found["memory"] > 0.99 and found["lstm"] < 0.5
    slope = memory.edit(core, seed=1, alphas=[-2, -1, 1, 2], length=7, at=3)["slope"]
    assert slope["memory"] == pytest.approx(slope["both"], abs=0.02) and abs(slope["LSTM"]) < 0.02
    assert 0.9 < slope["memory"] < 1.05
    shares = memory.carriers(core, seed=1, times=(2, 7), length=7)
    np.testing.assert_allclose(shares["memory"], 1, atol=0.1)
    np.testing.assert_allclose(shares["LSTM"], 0, atol=0.02)
    assert memory.handed_over(core, seed=1, at=2, length=7) == pytest.approx(0, abs=0.02)  # its LSTM never holds a total


def test_a_random_edit_moves_an_adder_as_its_share_along_the_write_vector_says():
    core = accumulator()  # only the first of the three numbers in a slot counts: of a random change, a third of the square
    found = memory.edit(core, seed=1, alphas=[-1, 1], length=7, at=3, draws=400)
    assert found["slope"]["random"] == pytest.approx(found["slope"]["memory"] / 3**0.5, rel=0.1)
    assert "random" not in memory.edit(core, seed=1, alphas=[1], length=7, at=3, draws=0)["slope"]


def test_several_changes_at_once_are_each_of_them_alone():
    core = study.build(SMALL, "addition", torch.Generator().manual_seed(5))
    batch = study.test_set("addition", 4, 1, 7)
    more = torch.randn(2, 3, 5, 3, generator=torch.Generator().manual_seed(0))
    together = memory.answers(core, batch, 2, {"memory": more})
    assert together.shape == (2, 3, 7)
    torch.testing.assert_close(together[1, 2], memory.answers(core, batch, 2, {"memory": more[1, 2]}))
    torch.testing.assert_close(memory.answers(core, batch, 2), core(batch.inputs)[0][:, -1, 0].detach())


def test_habits_of_an_adder_that_spreads():
    core = accumulator()
    habits = memory.habits(core, seed=1, length=7)
    assert habits["effective_slots"] == pytest.approx(5, abs=0.01) and habits["largest_slot"] == pytest.approx(0.2, abs=0.01)
    assert habits["write_gate"] > 0.99 and habits["allocation_gate"] < 0.01


def test_replay_is_the_network_and_twice_the_slots_halve_a_sum_that_is_spread():
    core = accumulator()
    digits = [3, 1, 4, 2]
    rows, answer = memory.replay(core, digits)
    assert rows.shape == (4, 5, 3) and answer == pytest.approx(10, rel=0.08)  # tanh bends a little
    assert memory.replay(core, digits, slots=10)[1] == pytest.approx(answer / 2, rel=0.01)
    unit = {"memory": memory.direction(core, 1, at=2)["memory"]}
    moved = memory.replay(core, digits, at=2, change=unit)[1]
    assert moved - answer == pytest.approx(1, rel=0.1)


def test_the_default_curriculum_is_the_studied_one():
    assert curriculum()[-1] == (2, 12) and study.TASKS["addition"].levels == len(curriculum())


@pytest.mark.parametrize("wrong", [{"core": "gru"}, {"off": "both"}, {"core": "lstm", "off": "memory"}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="choose dnc"):
        study.train(replace(SMALL, **wrong), (1, 2), **SHORT)
    with pytest.raises(ValueError, match="count is 31; it must be at least 32"):
        study.train(SMALL, (1, 2), **{**SHORT, "count": 31})
    with pytest.raises(ValueError, match="sums"):
        study.build(SMALL, "sums", torch.Generator())
