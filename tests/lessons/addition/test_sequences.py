"""The sequence tasks against plain loops: each sequence is read off its inputs and built again row by row."""

import numpy as np
import pytest
import torch

from wmlib.lessons.addition import sequences as tasks

LENGTHS = torch.tensor([5, 1, 3, 7, 2, 7, 1])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loop_addition(inputs, n, width):
    digits = [int(np.argmax(inputs[t])) for t in range(n)]
    rows = [[float(k == digit) for k in range(width)] for digit in digits] + [[0.0] * (width - 1) + [1.0]]
    assert max(digits) < width - 1
    return rows, [[0.0]] * n + [[float(sum(digits))]], [n]


def loop_repeat(inputs, n, width):
    bits = [list(inputs[t][: width - 1]) for t in range(n)]
    rows = [[*bit, 0.0] for bit in bits] + [[0.0] * (width - 1) + [1.0]] + [[0.0] * width] * n
    return rows, [[0.0] * width] * (n + 1) + [[*bit, 0.0] for bit in bits], list(range(n + 1, 2 * n + 1))


def loop_copy(inputs, n, bits):
    rows, targets, due = loop_repeat(inputs, n, bits + 1)
    return rows, [target[:bits] for target in targets], due


def loop_priority_sort(inputs, n, width):
    items = [list(inputs[t]) for t in range(n)]
    assert all(-1 <= item[0] < 1 and item[-1] == 0 for item in items)
    rows = items + [[0.0] * (width - 1) + [1.0]] + [[0.0] * width] * (n + 1)
    targets = [[0.0] * (width - 2)] * (n + 2) + [item[1:-1] for item in sorted(items, key=lambda item: item[0])]
    return rows, targets, list(range(n + 2, 2 * n + 2))


def loop_recall(inputs, n, bits, size):
    starts, asks = [0.0] * bits + [1.0, 0.0], [0.0] * bits + [0.0, 1.0]
    items, rows = [], []
    for k in range(n):
        items.append([list(inputs[k * (size + 1) + 1 + i][:bits]) for i in range(size)])
        rows += [starts, *([*row, 0.0, 0.0] for row in items[-1])]
    question = [list(inputs[len(rows) + 1 + i][:bits]) for i in range(size)]
    assert items.index(question) < n - 1 and items.count(question) == 1
    rows += [asks, *([*row, 0.0, 0.0] for row in question), asks]
    due = list(range(len(rows), len(rows) + size))
    targets = [[0.0] * bits] * len(rows) + items[items.index(question) + 1]
    return rows + [[0.0] * (bits + 2)] * size, targets, due


TASKS = {
    "addition": (tasks.addition, loop_addition, (5,), LENGTHS, 8),
    "addition, binary": (tasks.addition, loop_addition, (3,), LENGTHS, 8),
    "repeat": (tasks.repeat, loop_repeat, (5,), LENGTHS, 15),
    "repeat, one bit": (tasks.repeat, loop_repeat, (2,), LENGTHS, 15),
    "copy": (tasks.copy, loop_copy, (3,), LENGTHS, 15),
    "priority sort": (tasks.priority_sort, loop_priority_sort, (5,), LENGTHS, 16),
    "priority sort, one bit": (tasks.priority_sort, loop_priority_sort, (3,), LENGTHS, 16),
    "recall": (tasks.associative_recall, loop_recall, (17, 3), LENGTHS + 1, 8 * 4 + 8),
    "recall, one row": (tasks.associative_recall, loop_recall, (23, 1), LENGTHS + 1, 8 * 2 + 4),
}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("seed", range(5))
def test_every_row_equals_plain_loops(name, seed):
    make, loop, sizes, lengths, longest = TASKS[name]
    task = make(lengths, *sizes, generator=generator(seed))
    assert task.inputs.shape[:2] == task.targets.shape[:2] == task.rows.shape == task.answers.shape == (7, longest)
    assert task.inputs.dtype == task.targets.dtype == torch.float32
    for b, n in enumerate(lengths.tolist()):
        rows, targets, due = loop(task.inputs[b].numpy(), n, *sizes)
        inside = torch.arange(longest) < len(rows)
        assert torch.equal(task.rows[b], inside)
        assert torch.equal(task.inputs[b, inside], torch.tensor(np.array(rows, np.float32)))
        assert torch.equal(task.targets[b, inside], torch.tensor(np.array(targets, np.float32)))
        assert not task.inputs[b, ~inside].any() and not task.targets[b, ~inside].any()
        assert task.answers[b].nonzero().flatten().tolist() == due


@pytest.mark.parametrize("name", TASKS)
def test_seed_decides_and_the_global_generator_is_left_alone(name):
    make, _, sizes, lengths, _ = TASKS[name]
    before = torch.get_rng_state()
    first, again, other = (make(lengths, *sizes, generator=generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(map(torch.equal, first, again)) and not torch.equal(first.inputs, other.inputs)


def test_draws_are_even():
    """Counts within five standard deviations of an even draw."""

    def even(counts, outcomes):
        counts = torch.as_tensor(counts).double()
        total, p = counts.sum(), 1 / outcomes
        assert len(counts) == outcomes
        assert ((counts - total * p).abs() < 5 * (total * p * (1 - p)).sqrt()).all()

    four = torch.full((3000,), 4)
    even(tasks.addition(four, 6, generator=generator()).inputs[:, :4, :5].sum((0, 1)), 5)
    ones = tasks.repeat(four, 6, generator=generator()).inputs[:, :4, :5].sum((0, 1))
    for count in ones.tolist():
        even([count, 12000 - count], 2)
    even(tasks.sample_lengths(9000, 2, 12, generator=generator()).bincount()[2:], 11)
    priorities = tasks.priority_sort(four, generator=generator()).inputs[:, :4, 0]
    even(torch.histc(priorities, 10, -1, 1), 10)
    recall = tasks.associative_recall(four, 30, 1, generator=generator())
    items, question = recall.inputs[:, 1:8:2, :30], recall.inputs[:, 9:10, :30]
    even((items == question).all(-1).long().argmax(1).bincount(), 3)


def test_curriculum_and_switches():
    assert tasks.curriculum() == [(2, 2), (2, 4), (2, 6), (2, 8), (2, 10), (2, 12)]
    assert tasks.curriculum("disjoint") == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)]
    assert [tasks.level_at(k) for k in (0, 4999, 5000, 24999, 25000, 30000, 10**6)] == [0, 0, 1, 4, 5, 5, 5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: tasks.addition(torch.tensor([2, 0]), generator=g), r"\[2, 0\].*at least 1"),
        (lambda g: tasks.repeat(torch.tensor([1.5]), generator=g), "lengths: got torch.float32"),
        (lambda g: tasks.associative_recall(torch.tensor([1]), generator=g), "at least 2"),
        (lambda g: tasks.associative_recall(torch.tensor([2]), 0, generator=g), "bits, rows: got 0, 3"),
        (lambda g: tasks.addition(LENGTHS, 1, generator=g), "width: got 1"),
        (lambda g: tasks.priority_sort(LENGTHS, 2, generator=g), "width: got 2"),
        (lambda g: tasks.sample_lengths(3, 5, 4, generator=g), "got 3, 5, 4"),
        (lambda g: tasks.curriculum("steep"), "kind, levels: got 'steep', 6"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(generator())


def test_even_totals_reach_everywhere():
    lengths = torch.full((4000,), 12)
    even, plain = (
        tasks.addition(lengths, even_totals=each, generator=generator()).targets.sum((1, 2)) for each in (True, False)
    )
    assert even.min() >= 0 and even.max() <= 48
    assert [(even < 8).float().mean().item(), (even > 40).float().mean().item()] == pytest.approx([1 / 6, 1 / 6], abs=0.03)
    assert (plain < 8).float().mean() < 0.01
