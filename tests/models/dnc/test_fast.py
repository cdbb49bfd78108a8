"""The fast path against the module: every value and gradient, and what only it could get wrong."""

import os
import subprocess
import sys

import pytest
import torch

from wmlib.models.dnc import DNC, DNCState, fast


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SIZES = {"input_size": 2, "hidden_size": 7, "num_slots": 11, "word_size": 5, "num_heads": 3, "output_size": 3}


def twins(dtype=torch.float64, scale=3.0, **options):
    """One DNC with the fast path and one without, of the same weights."""
    pair = [DNC(**{**SIZES, **options}, generator=generator(), fast=fast).to(dtype) for fast in (True, False)]
    with torch.no_grad():
        for dnc in pair:
            for parameter in dnc.parameters():
                parameter.mul_(scale)
    return pair


def everything(dnc, inputs, start, reset):
    """Outputs, last state, and all gradients of a random weighing of both."""
    inputs = inputs.clone().requires_grad_()
    start = DNCState(*(part.detach().clone().requires_grad_() for part in start))
    outputs, state = dnc(inputs, start, reset)
    values = [outputs, *state]
    weighing = sum((torch.randn(v.shape, generator=generator(9), dtype=v.dtype) * v).sum() for v in values)
    leaves = {"inputs": inputs, **dict(dnc.named_parameters()), **start._asdict()}
    grads = torch.autograd.grad(weighing, list(leaves.values()), allow_unused=True)
    zero = {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
    return values, {name: zero[name] if g is None else g for name, g in zip(leaves, grads, strict=True)}


ONES = {"num_slots": 1, "word_size": 1, "num_heads": 1, "hidden_size": 1, "input_size": 1}
MANY = {"num_slots": 37, "num_heads": 1, "word_size": 8}
ROWS = {"num_slots": 53, "num_heads": 2, "word_size": 3}  # a link of which only some rows fit into the cache at once
# many slots without resets: in a cleared memory they are equal but for rounding, and may change places
CASES = [
    pytest.param({}, False, id="odd"),
    pytest.param({}, True, id="odd, resets"),
    pytest.param(ONES, False, id="ones"),
    pytest.param(ONES, True, id="ones, resets"),
    pytest.param(MANY, False, id="many slots"),
    pytest.param(ROWS, False, id="rows in blocks"),
]


@pytest.mark.parametrize(("sizes", "cut"), CASES)
@pytest.mark.parametrize("detached", [False, True], ids=["exact", "detached"])
@pytest.mark.parametrize("link", ["full", "none"])
def test_values_and_gradients_are_the_modules(link, detached, sizes, cut):
    """From the middle of an episode, with gradients of the last state coming in and of the first one going out."""
    quick, plain = twins(link=link, detach_addressing=detached, **sizes)
    draw = {"generator": generator(1), "dtype": torch.float64}
    start = plain(torch.randn(3, 4, quick.input_size, **draw))[1]
    start = start._replace(usage=torch.rand(start.usage.shape, **draw))  # no two slots used alike
    inputs = torch.randn(3, 11, quick.input_size, **draw)
    reset = torch.rand(3, 11, generator=generator(5)) < 0.2 if cut else None
    values, grads = everything(quick, inputs, start, reset)
    expected_values, expected_grads = everything(plain, inputs, start, reset)
    for ours, expected in zip(values, expected_values, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-11)
    for name, expected in expected_grads.items():
        size = expected.abs().max().item() if expected.numel() else 0
        torch.testing.assert_close(grads[name], expected, rtol=0, atol=1e-10 * (1 + size), msg=name)


def test_slots_that_are_alike_may_change_places_and_the_outputs_stay():
    """From an empty large memory the two paths may sort differently what differs by rounding only."""
    quick, plain = twins(num_slots=37)
    inputs = torch.randn(3, 11, 2, generator=generator(1), dtype=torch.float64)
    torch.testing.assert_close(quick(inputs)[0], plain(inputs)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 15, 16, 17])
def test_what_is_kept_and_made_again_fits_every_length(steps):
    quick, plain = twins()
    inputs = torch.randn(2, steps, 2, generator=generator(1), dtype=torch.float64)
    start = plain(torch.randn(2, 3, 2, generator=generator(2), dtype=torch.float64))[1]
    (_, grads), (_, expected) = (everything(dnc, inputs, start, None) for dnc in (quick, plain))
    for name, grad in grads.items():
        torch.testing.assert_close(grad, expected[name], rtol=1e-9, atol=1e-9, msg=name)


def test_float32_is_as_exact_as_the_modules():
    """Both against float64, on a long sequence."""
    inputs = torch.randn(2, 40, 2, generator=generator(1))
    exact = twins(num_slots=8, scale=1.0)[1](inputs.double())[0]
    errors = [(dnc(inputs)[0] - exact).abs().max().item() for dnc in twins(num_slots=8, scale=1.0, dtype=torch.float32)]
    assert errors[0] < 3 * errors[1] + 1e-6


def test_the_path_is_chosen_by_itself(monkeypatch):
    class Called(Exception):
        pass

    def run(*args):
        raise Called

    monkeypatch.setattr(fast, "run", run)
    for options in ({}, {"link": "none"}, {"detach_addressing": True}):
        with pytest.raises(Called):
            DNC(2, 3, 4, 5, generator=generator(), **options)(torch.zeros(1, 2, 2))
    for options in ({"link": "sparse"}, {"fast": False}):
        DNC(2, 3, 4, 5, generator=generator(), **options)(torch.zeros(1, 2, 2))
    monkeypatch.setattr(fast, "COMPILED", False)  # as with NUMBA_DISABLE_JIT=1
    DNC(2, 3, 4, 5, generator=generator())(torch.zeros(1, 2, 2))


def test_results_are_the_same_bits_again_and_without_gradient():
    dnc = twins(dtype=torch.float32)[0]
    inputs = torch.randn(4, 9, 2, generator=generator(1))
    outputs, state = dnc(inputs)
    with torch.no_grad():
        for again in (dnc(inputs), dnc(inputs, trace=True)[:2]):
            assert torch.equal(again[0], outputs)
            assert all(torch.equal(a, b) for a, b in zip(again[1], state, strict=True))


def test_the_process_that_compiles_computes_the_bits_of_those_that_load(tmp_path):
    """With 64 slots, where a small function that is called, not inlined, took its sums in another order."""
    code = """
import hashlib, torch
from wmlib.models.dnc import DNC
torch.set_num_threads(1)
draw = torch.Generator().manual_seed(0)
dnc = DNC(2, hidden_size=64, num_slots=64, word_size=16, num_heads=1, generator=draw)
dnc(torch.randn(4, 24, 2, generator=draw))[0].square().sum().backward()
print(hashlib.sha256(b"".join(p.grad.numpy().tobytes() for p in dnc.parameters())).hexdigest())
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert any(tmp_path.rglob("*.nbi")) and len(found[0]) > 60
    assert found[0] == found[1]


def test_a_weight_changed_before_the_way_back_is_noticed():
    dnc = twins()[0]
    loss = dnc(torch.zeros(1, 3, 2, dtype=torch.float64))[0].sum()
    with torch.no_grad():
        dnc.interface.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_second_derivatives_are_refused_and_the_module_has_them():
    quick, plain = twins()
    inputs = torch.randn(1, 3, 2, generator=generator(1), dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(plain(inputs)[0].sum(), inputs, create_graph=True)
    grad.sum().backward()
    assert inputs.grad.abs().max() > 0
    (grad,) = torch.autograd.grad(quick(inputs)[0].sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_two_sequences_may_be_under_way_at_once():
    """Nothing is shared between two calls: the first one's gradient does not feel the second call."""
    dnc, inputs = twins()[0], torch.randn(1, 5, 2, generator=generator(1), dtype=torch.float64)
    alone = torch.autograd.grad(dnc(inputs)[0].sum(), dnc.interface.weight)[0]
    loss = dnc(inputs)[0].sum()
    dnc(-inputs)[0].sum().backward()
    assert torch.equal(torch.autograd.grad(loss, dnc.interface.weight)[0], alone)
