"""The compiled loops one by one, in float64, against the module's functions and their gradients.

Sizes are odd on purpose: the loops do four rows and two vectors at a time, and what is left over by itself.
"""

import numpy as np
import pytest
import torch

from wmlib.models.dnc import Interface, addressing, kernels
from wmlib.models.dnc.memory import interface_sizes

W = 5
HEADS = [1, 2, 3]
SLOTS = [1, 2, 5, 8, 53]  # of 53 rows of a link, the loops take 38 at a time


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def weightings(*shape, seed=0):
    return 0.9 * torch.softmax(torch.from_numpy(numbers(*shape, seed=seed)), -1).numpy()


def gradients(outputs, weights, leaves):
    """The gradients of a weighted sum of outputs, as arrays."""
    total = sum((output * torch.from_numpy(weight)).sum() for output, weight in zip(outputs, weights, strict=True))
    return [gradient.numpy() for gradient in torch.autograd.grad(total, leaves)]


def leaf(array):
    return torch.from_numpy(array.copy()).requires_grad_()


def close(ours, expected, tolerance=1e-11):
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("count", HEADS)
@pytest.mark.parametrize("rows", [1, 3, 4, 7, 8])
def test_products_are_added_from_a_column_on(count, rows):
    vectors, matrix, start = numbers(count, 6), numbers(rows, 6, seed=1), 2
    totals = numbers(count, rows + start, seed=2)
    expected = totals.copy()
    expected[:, start:] += vectors @ matrix.T
    kernels._add_dots(vectors, matrix, totals, start)
    close(totals, expected)

    weights, sums = numbers(count, rows + start, seed=3), numbers(count, 6, seed=4)
    expected = sums + weights[:, start:] @ matrix
    kernels._add_rows(weights, matrix, sums, start)
    close(sums, expected)


@pytest.mark.parametrize("size", [1, 7])
def test_the_controllers_cells_and_their_gradient(size):
    raw, old = leaf(3 * numbers(4 * size)), leaf(numbers(size, seed=1))
    gate_in, keep, candidate, out = raw.chunk(4)
    new = keep.sigmoid() * old + gate_in.sigmoid() * candidate.tanh()
    hidden = out.sigmoid() * new.tanh()
    d_hidden, d_cells = numbers(size, seed=2), numbers(size, seed=3)
    d_raw, d_old = gradients([hidden, new], [d_hidden, d_cells], [raw, old])

    gates, our_new, our_hidden = raw.detach().numpy().copy(), np.empty(size), np.empty(size)
    kernels._cells(gates, old.detach().numpy(), our_new, our_hidden)
    close(our_new, new.detach())
    close(our_hidden, hidden.detach())
    our_raw, our_old = np.empty(4 * size), d_cells.copy()
    kernels._cells_backward(gates, old.detach().numpy(), our_new, d_hidden, our_old, our_raw, np.empty(size))
    close(our_raw, d_raw)
    close(our_old, d_old)


@pytest.mark.parametrize("link", ["full", "none"])
@pytest.mark.parametrize("heads", HEADS)
def test_the_interface_vector_is_brought_into_its_ranges(heads, link):
    sizes = interface_sizes(W, heads, link)
    raw = 20 * numbers(sum(sizes.values()))
    orders = np.full_like(raw, np.nan)
    kernels._parse(raw, orders, heads, W, link == "full")
    parts = Interface.parse(torch.from_numpy(raw), W, heads, link)
    close(orders, torch.cat([part.flatten() for part in parts]), 1e-13)
    assert [int(at) for at in kernels._parts(heads, W)] == np.cumsum(list(sizes.values()))[:9].tolist()


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("keys", HEADS)
def test_content_weightings_and_their_gradient(keys, slots):
    memory, key = leaf(numbers(slots, W)), leaf(numbers(keys, W, seed=1))
    raw = leaf(numbers(keys, seed=2))
    strengths = 1 + torch.nn.functional.softplus(raw)
    weighting = addressing.content_weighting(memory, key, strengths)
    d_weighting = numbers(keys, slots, seed=3)
    d_memory, d_key, d_raw = gradients([weighting], [d_weighting], [memory, key, raw])

    arrays = [part.detach().numpy() for part in (memory, key, strengths)]
    scales = 1 / np.sqrt((arrays[0] ** 2).sum(1) + 1e-6)
    cosines, ours = np.empty((keys, slots)), np.empty((keys, slots))
    kernels._content(arrays[0], scales, arrays[1], arrays[2], cosines, ours)
    close(ours, weighting.detach())
    factor, to_self, our_key, our_raw = d_weighting.copy(), np.zeros(slots), np.empty((keys, W)), np.empty(keys)
    kernels._content_backward(arrays[0], scales, arrays[1], arrays[2], cosines, ours, factor, to_self, our_key, our_raw)
    close(our_key, d_key)
    close(our_raw, d_raw)
    close(to_self[:, None] * arrays[0] + factor.T @ arrays[1], d_memory)


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("heads", HEADS)
def test_usage_and_its_gradient(heads, slots):
    usage, write = leaf(np.random.default_rng(0).random(slots)), leaf(weightings(slots, seed=1))
    read, raw = leaf(weightings(heads, slots, seed=2)), leaf(numbers(heads, seed=3))
    new = addressing.update_usage(usage, write, read, raw.sigmoid())
    d_new, d_read_before = numbers(slots, seed=4), numbers(heads, slots, seed=5)
    d_usage, d_write, d_read, d_raw = gradients([new], [d_new], [usage, write, read, raw])

    arrays = [part.detach().numpy() for part in (usage, write, read, raw.sigmoid())]
    ours = np.empty(slots)
    kernels._use(*arrays, ours)
    close(ours, new.detach())
    our_usage, our_write, our_read, our_raw = np.empty(slots), np.empty(slots), d_read_before.copy(), np.empty(heads)
    kernels._use_backward(*arrays, d_new, np.empty(slots), our_usage, our_write, our_read, our_raw)
    close(our_usage, d_usage)
    close(our_write, d_write)
    close(our_read, d_read_before + d_read)
    close(our_raw, d_raw)


@pytest.mark.parametrize("slots", SLOTS)
def test_allocation_and_its_gradient_with_equal_and_empty_slots(slots):
    values = np.random.default_rng(1).choice([0.0, 0.3, 0.3, 0.7, 1.0], slots)
    usage = leaf(values)
    allocation = addressing.allocation(usage)
    d_allocation, d_before = numbers(slots, seed=2), numbers(slots, seed=3)
    (d_usage,) = gradients([allocation], [d_allocation], [usage])

    order, ours = np.empty(slots, np.int32), np.empty(slots)
    kernels._sort(values, np.random.default_rng(2).permutation(slots).astype(np.int32), order)
    assert order.tolist() == np.argsort(values, kind="stable").tolist()  # from whatever order it was before
    kernels._allocate(values, order, ours)
    close(ours, allocation.detach())
    our_usage = d_before.copy()
    kernels._allocate_backward(values, order, np.empty(slots), d_allocation, our_usage)
    close(our_usage, d_before + d_usage)


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("ago", [0, 2])
def test_the_link_and_its_gradient_from_a_link_some_steps_before(heads, slots, ago):
    kept = weightings(slots, slots) / slots
    np.fill_diagonal(kept, 0)
    past = np.zeros((ago + 1, 1, kernels.READ + kernels.PER_HEAD * heads, slots))
    past[:, 0, kernels.WRITE], past[:, 0, kernels.PRECEDENCE] = weightings(2, ago + 1, slots, seed=1)
    current = torch.from_numpy(kept)
    for step in range(ago):
        precedence, write = past[step, 0, kernels.PRECEDENCE], past[step + 1, 0, kernels.WRITE]
        current = addressing.update_link(current, torch.from_numpy(precedence), torch.from_numpy(write))

    link = leaf(current.numpy())
    write, precedence, read = (leaf(weightings(*shape, seed=2)) for shape in ((slots,), (1, slots), (heads, slots)))
    new = addressing.update_link(link, precedence[0], write)
    outputs = (new, *addressing.follow(new, read))
    d_outputs = [numbers(slots, slots, seed=3), numbers(heads, slots, seed=4), numbers(heads, slots, seed=5)]
    expected = gradients(outputs, d_outputs, [link, write, precedence, read])

    arrays = [part.detach().numpy() for part in (write, precedence[0], read)]
    ours, back, forth = current.numpy().copy(), np.empty((heads, slots)), np.empty((heads, slots))
    kernels._link_and_follow(ours, *arrays, back, forth)
    for our, output in zip((ours, back, forth), outputs, strict=True):
        close(our, output.detach())
    our_gradients = [d_outputs[0].copy(), np.zeros(slots), np.zeros(slots), np.zeros((heads, slots))]
    rows = kernels._rows_at_once(slots)
    scratch = np.empty((2, rows, slots)), np.empty((2 * heads, slots)), np.empty((slots, 2 * heads))
    kernels._link_backward(kept, past, 0, our_gradients[0], *arrays, *d_outputs[1:], *our_gradients[1:], *scratch)
    for our, gradient in zip(our_gradients, expected, strict=True):
        close(our, gradient.reshape(our.shape))


@pytest.mark.parametrize("slots", SLOTS)
def test_the_write_and_its_gradient(slots):
    memory, write = leaf(numbers(slots, W)), leaf(weightings(slots))
    erase, vector = leaf(np.random.default_rng(1).random(W)), leaf(numbers(W, seed=2))
    new = memory * (1 - write[:, None] * erase) + write[:, None] * vector
    d_new = numbers(slots, W, seed=3)
    d_memory, d_write, d_erase, d_vector = gradients([new], [d_new], [memory, write, erase, vector])

    arrays = [part.detach().numpy() for part in (memory, write, erase, vector)]
    ours = arrays[0].copy()
    kernels._write_to(ours, *arrays[1:], ours, np.empty(W))  # in its own place
    close(ours, new.detach())
    our_memory, our_write, our_erase, our_vector = d_new.copy(), np.zeros(slots), np.zeros(W), np.zeros(W)
    kernels._write_backward(*arrays, our_memory, our_write, our_erase, our_vector)
    for our, gradient in ((our_memory, d_memory), (our_write, d_write), (our_erase, d_erase), (our_vector, d_vector)):
        close(our, gradient)


def test_the_mix_of_read_modes_and_its_gradient():
    raw, ways = leaf(numbers(3)), leaf(numbers(3, 7, seed=1))
    modes = raw.softmax(0)
    read, d_read = (modes[:, None] * ways).sum(0), numbers(7, seed=2)
    d_raw, d_ways = gradients([read], [d_read], [raw, ways])
    arrays = modes.detach().numpy(), *ways.detach().numpy()
    ours = np.empty(7)
    kernels._mix_modes(*arrays, ours)
    close(ours, read.detach())
    d_found, our_raw, d_back, d_forth = d_read.copy(), np.empty(3), np.empty(7), np.empty(7)
    kernels._mix_modes_backward(*arrays, d_found, our_raw, d_back, d_forth)
    close(our_raw, d_raw)
    close(np.stack([d_back, d_found, d_forth]), d_ways)


@pytest.mark.parametrize("x", [0.0, -0.0, 1e-30, -1e-3, 0.5, -87.5, 88.5, 1e4, -1e4, float("inf"), float("-inf")])
def test_the_compiled_sigmoid_over_the_whole_range(x):
    """Through the erase gate, which is a sigmoid of one number of the interface vector."""
    raw = torch.full((1, 12), x).numpy()
    orders = torch.empty(raw.shape).numpy()
    kernels._parse(raw[0], orders[0], 1, 1, False)
    expected = torch.sigmoid(torch.tensor(x, dtype=torch.float64)).item()
    assert orders[0, 4] == pytest.approx(expected, rel=3e-7, abs=1e-37)
