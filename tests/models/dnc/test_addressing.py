"""How slots are chosen, against plain loops: by content, by what is free, by the order of writing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wmlib.models.dnc import addressing

B, N, W, R = 3, 11, 5, 2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weightings(*shape, seed=0):
    """Positive numbers with a sum of 0.9 along the last axis."""
    return 0.9 * torch.softmax(2 * torch.randn(*shape, generator=generator(seed), dtype=torch.float64), -1)


def test_content_weighting_equals_a_plain_loop_and_an_empty_slot_has_cosine_zero():
    memory = torch.randn(B, N, W, generator=generator(1), dtype=torch.float64)
    memory[:, 4] = 0
    keys = torch.randn(B, R, W, generator=generator(2), dtype=torch.float64)
    strengths = torch.tensor([1.0, 7.0], dtype=torch.float64).expand(B, R)
    ours = addressing.content_weighting(memory, keys, strengths).numpy()
    for b in range(B):
        for r in range(R):
            scores = []
            for slot in memory[b].numpy():
                key = keys[b, r].numpy()
                scores.append(float(strengths[b, r]) * (key @ slot) / np.sqrt((key @ key + 1e-6) * (slot @ slot + 1e-6)))
            assert scores[4] == 0
            np.testing.assert_allclose(ours[b, r], np.exp(scores) / np.exp(scores).sum(), rtol=1e-12)


def test_usage_equals_a_plain_loop():
    usage, write, read = torch.rand(B, N, generator=generator(1)), weightings(B, N), weightings(B, R, N, seed=2)
    free = torch.rand(B, R, generator=generator(3))
    ours = addressing.update_usage(usage, write, read, free)
    for b in range(B):
        for n in range(N):
            kept = 1.0
            for r in range(R):
                kept *= 1 - float(free[b, r]) * float(read[b, r, n])
            u, w = float(usage[b, n]), float(write[b, n])
            assert float(ours[b, n]) == pytest.approx((u + w - u * w) * kept, rel=1e-6)


def test_link_precedence_and_following_equal_plain_loops():
    link = torch.rand(B, N, N, generator=generator(1), dtype=torch.float64) / N
    write, precedence, read = weightings(B, N), weightings(B, N, seed=1), weightings(B, R, N, seed=2)
    new = addressing.update_link(link, precedence, write)
    backward, forward = addressing.follow(new, read)
    later = addressing.update_precedence(precedence, write)
    for b in range(B):
        for i in range(N):
            for j in range(N):
                w_i, w_j = write[b, i], write[b, j]
                expected = 0.0 if i == j else (1 - w_i - w_j) * link[b, i, j] + w_i * precedence[b, j]
                assert float(new[b, i, j]) == pytest.approx(float(expected), rel=1e-12)
            assert float(later[b, i]) == pytest.approx(0.1 * float(precedence[b, i]) + float(write[b, i]), rel=1e-12)
            for r in range(R):
                before = sum(float(new[b, j, i] * read[b, r, j]) for j in range(N))
                after = sum(float(new[b, i, j] * read[b, r, j]) for j in range(N))
                assert (float(backward[b, r, i]), float(forward[b, r, i])) == pytest.approx((before, after), rel=1e-12)


@settings(max_examples=200)
@given(usage=st.lists(st.sampled_from([0.0, 1e-9, 0.1, 0.5, 0.5, 0.9, 1.0]) | st.floats(0, 1), min_size=1, max_size=12))
def test_allocation_follows_the_free_list_and_breaks_ties_by_index(usage):
    usage = torch.tensor(usage, dtype=torch.float64)
    ours = addressing.allocation(usage)
    order = sorted(range(len(usage)), key=lambda n: (1e-6 + (1 - 1e-6) * float(usage[n]), n))
    rest = 1.0
    for n in order:  # each slot takes its free share of what the freer ones left over
        u = 1e-6 + (1 - 1e-6) * float(usage[n])
        assert float(ours[n]) == pytest.approx(rest * (1 - u), abs=1e-12)
        rest -= float(ours[n])
    assert ours.sum() <= 1 + 1e-12


def test_ties_go_to_the_lower_index_in_a_large_memory_too():
    many = torch.full((1009,), 1e-3, dtype=torch.float64)  # sorts may keep the order of a few dozen without being stable
    assert addressing.allocation(500 * many).argsort(descending=True)[:40].tolist() == list(range(40))
    links = addressing.update_sparse_link(torch.zeros(1009, 1009, dtype=torch.float64), torch.eye(1009)[7].double(), many, 5)
    assert links[:, 7].nonzero().flatten().tolist() == [0, 1, 2, 3, 4]


def test_allocation_gradient_with_ties_and_empty_slots():
    usage = torch.tensor([0.0, 0.0, 0.5, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
    (addressing.allocation(usage) * torch.arange(1.0, 6, dtype=torch.float64)).sum().backward()
    shifted = (1e-6 + (1 - 1e-6) * usage.detach()).numpy()
    expected = np.zeros(5)
    for n in range(5):  # Σ_j j d/du_n [(1 - u_j) Π_{i<j} u_i], the order being 0 … 4
        for j in range(n, 5):
            others = np.prod([shifted[i] for i in range(j) if i != n])
            expected[n] += (j + 1) * (-others if j == n else (1 - shifted[j]) * others)
    np.testing.assert_allclose(usage.grad.numpy(), (1 - 1e-6) * expected, rtol=1e-10)


def test_a_full_write_makes_usage_one_and_a_freed_read_makes_it_zero():
    one = torch.zeros(1, N, dtype=torch.float64)
    one[0, 3] = 1
    start = torch.full((1, N), 0.25, dtype=torch.float64)
    nothing = torch.zeros(1, R, N, dtype=torch.float64)
    used = addressing.update_usage(start, one, nothing, torch.ones(1, R, dtype=torch.float64))
    assert used[0, 3] == 1 and (used[0, :3] == 0.25).all()
    read = torch.stack([one, 0 * one], 1)
    for gates, left in (([1.0, 0.0], 0.0), ([0.0, 1.0], 1.0), ([0.5, 0.0], 0.5)):
        freed = addressing.update_usage(used, 0 * one, read, torch.tensor([gates], dtype=torch.float64))
        assert freed[0, 3] == left and (freed[0, :3] == 0.25).all()


def test_columns_of_the_papers_sparse_link_can_sum_above_one():
    """A write that is hardly one (gate 0.01) is scaled to a whole one, but the precedence still points at the slot before."""
    n = 5
    write = 0.01 * torch.eye(n, dtype=torch.float64)  # to slot 1, then 2, 3, 4
    sums = {}
    for name in ("full", "sparse"):
        links, precedence = torch.zeros(n, n, dtype=torch.float64), torch.eye(n, dtype=torch.float64)[0]
        for weights in write[1:]:
            if name == "full":
                links = addressing.update_link(links, precedence, weights)
            else:
                links = addressing.update_sparse_link(links, precedence, weights, 1)
            precedence = addressing.update_precedence(precedence, weights)
        sums[name] = float(links.sum(0)[0])
    assert sums["full"] < 0.04 and sums["sparse"] == pytest.approx(4)
