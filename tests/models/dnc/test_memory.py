"""One write and one read: the interface vector's parts, and a memory written by hand."""

import numpy as np
import pytest
import torch

from wmlib.models.dnc import DNC, DNCState, Interface
from wmlib.models.dnc.memory import access, interface_sizes

N = 11


def empty(link="full") -> DNCState:
    """The empty memory of one episode: N slots of two numbers, one head."""
    dnc = DNC(2, 1, N, 2, 1, 1, link=link, generator=torch.Generator().manual_seed(0)).double()
    return dnc.initial_state(1)


# The interface vector


def test_interface_parts_come_in_the_order_and_range_of_the_paper():
    sizes = interface_sizes(64, 4, "full")
    assert list(sizes) == list(Interface._fields) and sum(sizes.values()) == 471  # the paper's own number
    assert sum(interface_sizes(64, 4, "none").values()) == 471 - 12
    vector = torch.arange(sum(interface_sizes(3, 2, "full").values()), dtype=torch.float64)
    parts = Interface.parse(vector, 3, 2, "full")
    assert parts.read_keys.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert parts.write_key.tolist() == [8, 9, 10]
    assert parts.write_vector.tolist() == [15, 16, 17]
    torch.testing.assert_close(parts.read_strengths, 1 + torch.log1p(vector[6:8].exp()))
    torch.testing.assert_close(parts.read_modes[1], torch.softmax(vector[25:28], -1))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-15)])
def test_strengths_are_oneplus_over_the_whole_range(dtype, tolerance):
    for x in (-1e4, -90.0, -3.0, 0.0, 3.0, 19.0, 21.0, 39.0, 41.0, 89.0, 99.0, 1e4):
        vector = torch.full((sum(interface_sizes(1, 1, "full").values()),), x, dtype=dtype)
        expected = 1 + np.logaddexp(0, x)
        assert Interface.parse(vector, 1, 1, "full").read_strengths.item() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("link", ["full", "none"])
def test_every_part_of_the_interface_is_in_its_range(link):
    vector = 30 * torch.randn(7, sum(interface_sizes(3, 2, link).values()), generator=torch.Generator().manual_seed(1))
    parts = Interface.parse(vector, 3, 2, link)
    for gate in (parts.erase, parts.free_gates, parts.allocation_gate, parts.write_gate):
        assert gate.min() >= 0 and gate.max() <= 1
    assert parts.read_strengths.min() >= 1 and parts.write_strength.min() >= 1
    assert parts.read_modes.shape == (7, 2, 0 if link == "none" else 3)
    if link == "full":
        torch.testing.assert_close(parts.read_modes.sum(-1), torch.ones(7, 2))


# A memory written by hand


def orders(**parts) -> Interface:
    """Return orders to do nothing (all gates closed, read by content), with some parts changed. One head, W = 2."""
    plain = {
        "read_keys": [[0.0, 0.0]],
        "read_strengths": [1.0],
        "write_key": [0.0, 0.0],
        "write_strength": [1.0],
        "erase": [0.0, 0.0],
        "write_vector": [0.0, 0.0],
        "free_gates": [0.0],
        "allocation_gate": [1.0],
        "write_gate": [0.0],
        "read_modes": [[0.0, 1.0, 0.0]],
    }
    return Interface(*(torch.tensor([part], dtype=torch.float64) for part in (plain | parts).values()))


@pytest.mark.parametrize(("link", "size"), [("full", 1), ("sparse", 1), ("sparse", 4)])
def test_two_writes_are_found_again_in_order(link, size):
    state = empty(link)
    options = {"link": link, "link_size": size}
    for vector in ([1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]):
        state, _ = access(state, orders(write_gate=[1.0], write_vector=vector), **options)
    assert (state.usage > 1 - 1e-5).sum() == 2  # the third write will be counted at the next step
    state, _ = access(state, orders(read_keys=[[1.0, 0.0]], read_strengths=[1e3]), **options)
    expected = {"content": [1.0, 0.0], "forward": [0.0, 1.0], "forward again": [-1.0, -1.0], "backward": [0.0, 1.0]}
    modes = {"content": None, "forward": [0.0, 0.0, 1.0], "forward again": [0.0, 0.0, 1.0], "backward": [1.0, 0.0, 0.0]}
    for name, vector in expected.items():
        if modes[name]:
            state, _ = access(state, orders(read_modes=[modes[name]]), **options)
        torch.testing.assert_close(state.reads[0, 0], torch.tensor(vector, dtype=torch.float64), rtol=0, atol=1e-4, msg=name)


def test_erase_and_write_by_content_replace_one_row_only():
    state = empty()
    for vector in ([3.0, 0.0], [0.0, 3.0]):
        state, _ = access(state, orders(write_gate=[1.0], write_vector=vector))
    second = int(state.write.argmax())
    rewrite = {"write_key": [0.0, 3.0], "write_strength": [1e3], "erase": [1.0, 1.0], "write_vector": [5.0, 7.0]}
    state, _ = access(state, orders(write_gate=[1.0], allocation_gate=[0.0], **rewrite))
    expected = torch.zeros(N, 2, dtype=torch.float64)
    expected[0], expected[second] = torch.tensor([3.0, 0.0]), torch.tensor([5.0, 7.0])
    torch.testing.assert_close(state.memory[0], expected, rtol=0, atol=1e-4)


def test_a_slot_that_was_read_and_let_go_is_written_next():
    state = empty()
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        state, _ = access(state, orders(write_gate=[1.0], write_vector=vector))
    first = int((state.memory[0] - torch.tensor([1.0, 0.0])).norm(dim=-1).argmin())
    state, _ = access(state, orders(read_keys=[[1.0, 0.0]], read_strengths=[1e3]))
    for free, same in ((0.0, False), (1.0, True)):
        gates = {"free_gates": [free], "write_gate": [1.0], "write_vector": [5.0, 5.0]}
        assert (int(access(state, orders(**gates))[0].write.argmax()) == first) == same


def test_without_a_link_heads_read_by_content_and_no_order_is_kept():
    state = empty("none")
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        state, _ = access(state, orders(write_gate=[1.0], write_vector=vector), link="none")
    find = orders(read_keys=[[0.0, 1.0]], read_strengths=[1e3])
    state, _ = access(state, find._replace(read_modes=torch.zeros(1, 1, 0)), link="none")
    torch.testing.assert_close(state.reads[0, 0], torch.tensor([0.0, 1.0], dtype=torch.float64), rtol=0, atol=1e-4)
    assert state.precedence.shape == (1, 0) and state.link.shape == (1, 0, 0)


def test_detached_addressing_has_the_same_values_and_no_gradient_of_keys():
    state = empty()
    for vector in ([1.0, 0.5], [0.0, 1.0]):
        state, _ = access(state, orders(write_gate=[1.0], write_vector=vector))
    results = []
    for detached in (False, True):
        find = orders(read_keys=[[1.0, 0.3]], write_gate=[0.5], write_vector=[0.2, 0.1])
        keys, vector = find.read_keys.requires_grad_(), find.write_vector.requires_grad_()
        new, allocation = access(state, find, detach_addressing=detached)
        gradients = torch.autograd.grad(new.reads.sum(), [keys, vector], allow_unused=True)
        results.append((new.reads.detach(), allocation, gradients))
    (reads, allocation, exact), (other_reads, other_allocation, cut) = results
    assert torch.equal(reads, other_reads) and torch.equal(allocation, other_allocation)
    assert exact[0].abs().max() > 0 and cut[0] is None and cut[1].abs().max() > 0
