"""Training: equal conditions for all networks, levels in order, and what is held in the first of them."""

import math
from dataclasses import replace

import pytest
import torch

from wmlib.lessons.addition import recipes, training
from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.addition.recipes import Recipe
from wmlib.lessons.addition.sequences import Sequences
from wmlib.models.specs import CLOSED, CoreConfig

SMALL = Recipe(CoreConfig("dnc", 7, 5, 3, allocation_bias=CLOSED))
LSTM = Recipe(CoreConfig("lstm", 7))
SHORT = {"task": "addition", "levels": [(1, 2), (3, 4)], "sequences": 96}

ITEMS = {  # how many items a sequence shows, from the rows inside it
    "addition": lambda batch: batch.rows.sum(1) - 1,
    "addition, even totals": lambda batch: batch.rows.sum(1) - 1,
    "repeat": lambda batch: (batch.rows.sum(1) - 1) // 2,
    "copy": lambda batch: (batch.rows.sum(1) - 1) // 2,
    "priority_sort": lambda batch: (batch.rows.sum(1) - 2) // 2,
    "associative_recall": lambda batch: batch.inputs[..., 6].sum(1).long(),
}


def weights(core):
    return torch.cat([p.detach().flatten() for p in core.parameters()])


@pytest.fixture
def batches_seen(monkeypatch):
    """The batches that a training computes its loss on."""
    batches = []
    original = training.loss

    def spy(outputs, batch):
        batches.append(batch)
        return original(outputs, batch)

    monkeypatch.setattr(training, "loss", spy)
    return batches


def test_the_author_s_loss_counts_all_rows_inside():
    rows = torch.tensor([[1, 1, 1], [1, 1, 0]]) == 1
    batch = Sequences(torch.zeros(2, 3, 4), torch.zeros(2, 3, 1), rows, torch.zeros(2, 3) == 1)
    outputs = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).unsqueeze(-1)
    assert training.loss(outputs, batch).item() == (1 + 4 + 9 + 16 + 25) / 2


def test_a_training_repeats_and_depends_on_both_seeds():
    a, b, c, d = (weights(training.train(SMALL, seeds, **SHORT)) for seeds in ((1, 2), (1, 2), (3, 2), (1, 4)))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, d)


def test_all_networks_of_one_data_seed_see_the_same_sequences(batches_seen):
    larger = replace(LSTM, core=replace(LSTM.core, hidden_size=11))
    for recipe in (SMALL, larger, replace(recipes.with_default_initialization(SMALL), lr=0.1)):
        training.train(recipe, (1, 2), **SHORT)
    first, second, third = (torch.cat([batch.inputs.flatten() for batch in batches_seen[i : i + 6]]) for i in (0, 6, 12))
    assert len(batches_seen) == 18 and torch.equal(first, second) and torch.equal(first, third)


def test_levels_come_one_after_another(batches_seen):
    training.train(SMALL, (1, 2), **SHORT)
    digits = torch.stack([batch.rows.sum(1) for batch in batches_seen]) - 1
    assert digits[:3].max() == 2 and digits[:3].min() == 1 and digits[3:].max() == 4 and digits[3:].min() == 3


def test_the_learning_rate_falls_linearly_to_two_per_cent(monkeypatch):
    lrs = []
    original = torch.optim.Adam.step

    def step(self, *args, **kwargs):
        lrs.append(self.param_groups[0]["lr"])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    training.train(replace(SMALL, lr=0.5), (1, 2), **SHORT)
    assert lrs == pytest.approx([0.5 * (1 - 0.98 * update / 6) for update in range(6)])


def test_a_training_that_diverges_ends_in_nan():
    seen = []
    recipe = replace(LSTM, lr=1e30, max_grad_norm=1e30)
    core = training.train(recipe, (1, 2), watch=lambda core, count: seen.append(count), **SHORT)
    assert weights(core).isnan().all() and seen[-1] < 96


def test_too_few_sequences_are_refused():
    with pytest.raises(ValueError, match="sequences: got 31; it must be at least 32"):
        training.train(SMALL, (1, 2), task="addition", levels=SHORT["levels"], sequences=31)


@pytest.mark.parametrize("off", ["lstm", "memory"])
def test_what_is_switched_off_carries_nothing_and_comes_back(off):
    initial = recipes.build(SMALL, "addition", torch.Generator().manual_seed(2))
    kept = {}

    def watch(core, seen):
        if seen == 16:
            kept.update({name: value.clone() for name, value in core.state_dict().items()})

    after = training.train(replace(SMALL, off_at_first=off), (1, 2), watch=watch, **SHORT)
    assert (weights(after) - weights(initial)).abs().max() < 1
    core = recipes.restore_adder(SMALL, kept)
    for part in training.held_weights(core, off):
        part.hold()  # the update itself moves them a little
    one, other = torch.zeros(1, 4, 6), torch.zeros(1, 4, 6)
    one[0, 0, 1] = 1
    other[0, 0, 4] = 1
    weight = core.controller.weight.detach()
    if off == "lstm":  # without memory, the last answer then knows nothing of the first digit
        weight[:, 6:9] = 0
        core.output.weight.detach()[:, 7:] = 0
    else:
        weight[:, -7:] = 0
        weight[7:14] = 0
        core.controller.bias.detach()[7:14] = -30
    torch.testing.assert_close(core(one)[0][:, -1], core(other)[0][:, -1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("off", ["lstm", "memory"])
def test_what_is_held_has_no_part_in_the_clipping(off):
    gradients = {}

    def watch(core, seen):
        if seen == 16:
            gradients.update({name: p.grad.clone() for name, p in core.named_parameters()})

    training.train(replace(SMALL, off_at_first=off), (1, 2), watch=watch, **SHORT)
    gradient = gradients["controller.weight"]
    held = gradient[:, 6:-7] if off == "memory" else gradient[:, -7:]
    assert (held == 0).all() and (gradient != 0).any()
    assert torch.sqrt(sum(g.square().sum() for g in gradients.values())) <= SMALL.max_grad_norm + 1e-5


@pytest.mark.parametrize("off", ["lstm", "memory"])
def test_the_sham_holds_nothing_and_gives_the_same_weights_back(off):
    sham, plain = {}, {}

    def keep(into):
        return lambda core, seen: into.update({seen: core.controller.weight.detach().clone()})

    training.train(replace(SMALL, off_at_first=off, sham=True), (1, 2), watch=keep(sham), **SHORT)  # level 2 after 48 sequences
    training.train(SMALL, (1, 2), watch=keep(plain), **SHORT)
    assert torch.equal(sham[48], plain[48]) and not torch.equal(sham[64], plain[64])
    place = slice(-7, None) if off == "lstm" else slice(6, -7)  # of h, or of what was read
    moved = (sham[64][:, place] - sham[0][:, place]).abs()
    assert 0 < moved.max() <= SMALL.lr * 1.01  # one step of Adam from the initial values
    assert (sham[64][:7, :6] - sham[48][:7, :6]).abs().max() <= SMALL.lr * 1.01  # the others go on


def test_a_cut_read_out_stays_cut():
    core = training.train(replace(SMALL, cut_read_out=True), (1, 2), **SHORT)
    assert not core.output.weight[:, :7].any() and core.output.weight[:, 7:].all()


def test_clipping_ends_where_it_should(monkeypatch):
    norms = []
    original = training.clip_grads_with_norm_
    monkeypatch.setattr(
        training, "clip_grads_with_norm_", lambda parameters, most, norm: (norms.append(most), original(parameters, most, norm))
    )
    training.train(replace(SMALL, clip_until=0.5), (1, 2), **SHORT)
    assert norms == [1.0] * 4 + [math.inf] * 2


def test_one_sequence_an_update_at_a_constant_rate(batches_seen, monkeypatch):
    lrs = []
    original = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self: (lrs.append(self.param_groups[0]["lr"]), original(self))[1], raising=True
    )
    recipe = replace(SMALL, lr=1e-4, max_grad_norm=math.inf, batch_size=1, final_lr=1.0)
    training.train(recipe, (1, 2), **{**SHORT, "sequences": 20})
    assert len(batches_seen) == 20 and {len(batch.inputs) for batch in batches_seen} == {1} and set(lrs) == {1e-4}


@pytest.mark.parametrize("task", recipes.TASKS)
def test_batches_are_whole_and_no_longer_than_they_need_be(task, monkeypatch):
    monkeypatch.setattr(training, "BLOCK", 2)
    batches = list(training.batches(task, [(2, 2), (2, 5)], 130, torch.Generator().manual_seed(1)))
    assert [level for level, _ in batches] == [tasks.level_at(16 * update, 65, 2) for update in range(8)]
    for level, batch in batches:
        assert len(batch.inputs) == 16 and batch.rows.any(0).all()  # some sequence needs the last row
        items = ITEMS[task](batch)
        assert items.min() >= 2 and items.max() <= (2, 5)[level]
