"""The DNC's own promises: what holds at every step, what its trace shows. Those of all cores are in test_recurrent."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wmlib.models.dnc import DNC, DNCState, Interface
from wmlib.models.dnc.memory import LINKS, interface_sizes

B, T, D, H, N, W, R, Y = 3, 5, 2, 7, 11, 13, 2, 17  # distinct primes, but for D = R: a swapped axis cannot pass


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(seed=0, dtype=torch.float64, scale=1.0, **options) -> DNC:
    sizes = {"input_size": D, "hidden_size": H, "num_slots": N, "word_size": W, "num_heads": R, "output_size": Y}
    dnc = DNC(**{**sizes, **options}, generator=generator(seed)).to(dtype)
    with torch.no_grad():
        for parameter in dnc.parameters():
            parameter.mul_(scale)
    return dnc


def sequence(*shape, seed=1, dtype=torch.float64):
    return torch.randn(*(shape or (B, T, D)), generator=generator(seed), dtype=dtype)


def close(ours, expected, tolerance=1e-12):
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


# What holds at every step, whatever comes in


def weighting(part, slack, total=1.0):
    assert part.isfinite().all() and part.min() >= -slack and part.max() <= 1 + slack
    assert (part.sum(-1) <= total + slack).all()


def check_invariants(trace, link, link_size, slack):
    gate = trace.write_gate
    usage = [] if link == "sparse" else [trace.usage]
    for part in (*usage, trace.free_gates, gate, trace.allocation_gate, trace.read_modes):
        assert part.isfinite().all() and (part >= -slack).all() and (part <= 1 + slack).all()
    weighting(trace.write, slack, gate)
    weighting(trace.allocation, slack)
    if link == "none":
        weighting(trace.read, slack)
        assert trace.link.numel() == 0
        torch.testing.assert_close(trace.read.sum(-1), torch.ones_like(trace.read[..., 0]))
        return
    links = trace.link
    assert (links.diagonal(dim1=-2, dim2=-1) == 0).all()
    weighting(links, slack)  # rows
    if link == "sparse":  # for its columns see test_columns_of_the_papers_sparse_link_can_sum_above_one in test_addressing
        assert ((links > 0).sum(-1) <= link_size).all()
        assert ((links == 0) | (links >= 1 / link_size)).all()
        return
    weighting(links.transpose(-1, -2), slack)
    weighting(trace.read, slack)


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 5.0, 1e2, 1e4]),
    size=st.sampled_from([0.0, 1.0, 1e4]),
    num_slots=st.integers(1, 7),
    num_heads=st.integers(1, 3),
    link=st.sampled_from(LINKS),
    link_size=st.integers(1, 9),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    fast=st.booleans(),
)
def test_invariants_at_every_step(seed, scale, size, num_slots, num_heads, link, link_size, dtype, fast):
    sizes = {"num_slots": num_slots, "num_heads": num_heads, "word_size": 3, "link_size": link_size}
    dnc = make(seed, dtype, scale, link=link, fast=fast, **sizes)
    inputs = (size * sequence(2, 9, D, seed=seed)).to(dtype).requires_grad_()
    outputs, _, trace = dnc(inputs, trace=True)
    check_invariants(trace, link, link_size, slack=1e-5 if dtype == torch.float32 else 1e-12)
    outputs.sum().backward()
    assert all(p.grad.isfinite().all() for p in (inputs, *dnc.parameters()))


def test_initial_biases_set_their_part_and_nothing_else():
    plain, closed = (make(biases=biases, scale=1.0) for biases in (None, {"allocation_gate": -3.0, "free_gates": 2.0}))
    split = list(interface_sizes(W, R, "full").values())
    for name, a, b in zip(
        Interface._fields, plain.interface.bias.split(split), closed.interface.bias.split(split), strict=True
    ):
        expected = {"allocation_gate": torch.full_like(a, -3), "free_gates": torch.full_like(a, 2)}.get(name, a)
        assert torch.equal(b, expected), name
    assert torch.equal(plain.interface.weight, closed.interface.weight)
    assert torch.equal(plain.output.weight, closed.output.weight)


# What the trace shows, and other sizes


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("link", LINKS)
def test_the_trace_of_a_sequence_with_resets_is_that_of_its_episodes(link, fast):
    dnc, inputs = make(link=link, fast=fast), sequence()
    reset = torch.zeros(B, T, dtype=torch.bool)
    reset[0, 2] = reset[1, 4] = reset[1, 0] = True
    _, before = dnc(sequence(seed=2))  # a state left over from other episodes
    _, _, trace = dnc(inputs, before, reset, trace=True)
    for b, cuts in ((0, [0, 2, T]), (1, [0, 4, T]), (2, [0, T])):
        carried = DNCState(*(part[b : b + 1] for part in before))
        for start, end in itertools.pairwise(cuts):
            begin = dnc.initial_state(1) if reset[b, start] else carried
            _, carried, seen = dnc(inputs[b : b + 1, start:end], begin, trace=True)
            close([part[b : b + 1, start:end] for part in trace], seen)


@pytest.mark.parametrize("fast", [False, True])
def test_leading_axes_of_state_and_trace_are_those_of_the_inputs(fast):
    dnc = make(fast=fast)
    outputs, state, trace = dnc(sequence(B, 2, T, D), trace=True)
    assert outputs.shape == (B, 2, T, Y) and state.memory.shape == (B, 2, N, W)
    assert trace.link.shape == (B, 2, T, N, N) and trace.read_modes.shape == (B, 2, T, R, 3)
    assert trace.write_gate.shape == (B, 2, T)


def test_a_larger_memory_may_be_used_at_test_time():
    """More slots: the same weights; slots that are never chosen change nothing."""
    dnc, inputs = make(), sequence()
    outputs, state, trace = dnc(inputs, dnc.initial_state(B, num_slots=29), trace=True)
    assert state.memory.shape == (B, 29, W) and trace.link.shape == (B, T, 29, 29)
    bigger = make(num_slots=29)
    bigger.load_state_dict(dnc.state_dict())
    close([outputs, *state], [bigger(inputs)[0], *bigger(inputs)[1]])


def test_features_and_raw_outputs():
    dnc = make(output_size=None)
    outputs, state = dnc(sequence())
    seen = dnc.features(state)
    assert {name: tuple(part.shape) for name, part in seen.items()} == {"h": (B, H), "c": (B, H), "reads": (B, R * W)}
    assert outputs.shape == (B, T, dnc.output_size) == (B, T, H + R * W)
    torch.testing.assert_close(outputs[:, -1], torch.cat([seen["h"], seen["reads"]], -1))
    headed = make()
    state_dict = headed.state_dict()
    dnc.load_state_dict({name: part for name, part in state_dict.items() if not name.startswith("output")})
    torch.testing.assert_close(headed(sequence())[0], headed.output(dnc(sequence())[0]))


# What public implementations got wrong


@pytest.mark.parametrize("fast", [False, True])
def test_what_was_read_feeds_back_into_the_controller(fast):
    dnc = make(fast=fast)
    dnc(sequence())[0][:, -1].sum().backward()
    columns = dnc.controller.weight.grad[:, D : D + R * W]
    assert (columns.abs().sum(0) > 0).all()


def test_same_input_same_output_and_same_seed_same_weights():
    dnc, inputs = make(dtype=torch.float32), sequence(dtype=torch.float32)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    twin = make(dtype=torch.float32)
    assert torch.equal(torch.get_rng_state(), before)  # the global generator is left alone
    torch.manual_seed(2)
    for ours, other in zip((dnc(inputs)[0], *dnc(inputs)[1]), (twin(inputs)[0], *twin(inputs)[1]), strict=True):
        assert torch.equal(ours, other)
    assert not torch.equal(dnc.interface.weight, make(seed=1, dtype=torch.float32).interface.weight)


def test_a_trace_changes_nothing_and_has_no_gradient():
    dnc, inputs = make(), sequence().requires_grad_()
    outputs, state = dnc(inputs)
    traced, traced_state, trace = dnc(inputs, trace=True)
    assert torch.equal(outputs, traced) and all(map(torch.equal, state, traced_state))
    assert not any(part.requires_grad for part in trace)
    assert torch.equal(trace.memory[:, -1], state.memory) and torch.equal(trace.link[:, -1], state.link)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make().initial_state(B, num_slots=0), "num_slots is 0"),
        (lambda: make(word_size=0), "word_size is 0"),
        (lambda: make(num_heads=0), "num_heads is 0"),
        (lambda: make(output_size=0), "output_size is 0"),
        (lambda: make(link="dense"), "link is 'dense'; choose one of full, sparse, none"),
        (lambda: make(biases={"allocation": 1.0}), "biases names 'allocation'.*allocation_gate"),
        (lambda: make(link="none", biases={"read_modes": 1.0}), "biases names 'read_modes'"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("part", Interface._fields)
def test_extreme_orders_stay_finite(link, part):
    """Each part of the interface pushed to ±1e4 by its bias, in float32, with gradients."""
    sizes = interface_sizes(W, R, link)
    if not sizes[part]:
        return
    for value in (-1e4, 1e4):
        dnc = make(dtype=torch.float32, link=link, biases={part: value})
        inputs = sequence(dtype=torch.float32).requires_grad_()
        outputs, state, trace = dnc(inputs, trace=True)
        outputs.sum().backward()
        assert all(part.isfinite().all() for part in (outputs, *state))
        assert all(leaf.grad.isfinite().all() for leaf in (inputs, *dnc.parameters()))
        check_invariants(trace, link, 8, slack=1e-5)


def test_it_learns_to_recall_a_number_after_a_pause():
    """Two empty steps between a number and the answer; guessing the mean leaves an error of 1/3."""
    dnc = DNC(1, 8, 4, 4, 1, 1, generator=generator(), biases={"allocation_gate": -3.0})
    optimizer = torch.optim.Adam(dnc.parameters(), lr=2e-2)
    draw, errors = generator(1), []
    for _ in range(120):
        inputs = torch.zeros(32, 4, 1)
        inputs[:, 0] = 2 * torch.rand(32, 1, generator=draw) - 1
        loss = (dnc(inputs)[0][:, -1] - inputs[:, 0]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    assert errors[0] > 0.2 and np.mean(errors[-10:]) < 0.02
