"""The DNC against the plain loops of its reference: values, and gradients by the complex step."""

import numpy as np
import pytest
import torch

from wmlib.models.dnc import DNC, DNCState, reference
from wmlib.models.dnc.memory import interface_sizes

D, H, N, W, R, Y, T, B = 2, 3, 5, 3, 2, 2, 4, 2
OPTIONS = [
    {"link": link, "link_size": 3, "detach_addressing": detach, "fast": fast}
    for link in ("full", "sparse", "none")
    for detach in (False, True)
    for fast in ((False,) if link == "sparse" else (False, True))
]
NAMES = [f"{o['link']}{', detached' * o['detach_addressing']}{', fast' * o['fast']}" for o in OPTIONS]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(sizes=(D, H, N, W, R, Y), seed=0, scale=3.0, **options) -> DNC:
    """A DNC in float64 with weights large enough that gates and weightings leave their middle."""
    dnc = DNC(*sizes, generator=generator(seed), **options).double()
    with torch.no_grad():
        for parameter in dnc.parameters():
            parameter.mul_(scale)
    return dnc


def layers(dnc: DNC, arrays=None) -> dict:
    arrays = arrays or {name: p.detach().numpy() for name, p in dnc.named_parameters()}
    return {name: (arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in ("controller", "interface", "output")}


def run_reference(dnc: DNC, weights: dict, inputs, state: dict):
    """Run one episode, inputs (T, D): outputs (T, Y), and the trace of every step."""
    options = {"link": dnc.link, "link_size": dnc.link_size, "detach_addressing": dnc.detach_addressing}
    outputs, records = [], []
    for x in inputs:
        y, state, seen = reference.step(weights, x, state, **options)
        outputs.append(y)
        records.append({**state, **seen})
    return np.array(outputs), records


def arrays(state: DNCState, b: int) -> dict:
    return {name: part[b].detach().numpy() for name, part in state._asdict().items()}


SIZES = [(D, H, N, W, R, Y), (1, 1, 1, 1, 1, 1), (5, 3, 7, 2, 1, 1), (1, 2, 3, 5, 3, 7), (3, 5, 2, 11, 2, 1)]


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
@pytest.mark.parametrize("sizes", SIZES)
def test_outputs_state_and_trace_equal_plain_loops(sizes, options):
    dnc = make(sizes, seed=sum(sizes), **options)
    inputs = 2 * torch.randn(B, 7, sizes[0], generator=generator(1), dtype=torch.float64)
    outputs, state, trace = dnc(inputs, trace=True)
    assert dnc.link == "none" or sizes[2] == 1 or 0 < (trace.link > 0).sum()  # or the sparse link would go untested
    for b in range(B):
        expected, records = run_reference(dnc, layers(dnc), inputs[b].numpy(), arrays(dnc.initial_state(B), b))
        np.testing.assert_allclose(outputs[b].detach().numpy(), expected, rtol=1e-10, atol=1e-10)
        for name, part in state._asdict().items():
            np.testing.assert_allclose(part[b].detach().numpy(), records[-1][name], rtol=1e-10, atol=1e-10, err_msg=name)
        for name, part in trace._asdict().items():
            stacked = np.array([record[name] for record in records]).reshape(part[b].shape)
            np.testing.assert_allclose(part[b].numpy(), stacked, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("options", OPTIONS, ids=NAMES)
def test_gradient_equals_the_complex_step_through_plain_loops(options):
    """Every derivative with respect to weights, inputs and the state at the start, in the middle of an episode."""
    dnc = make(**options, scale=2.0)
    inputs = torch.randn(1, T + 2, D, generator=generator(1), dtype=torch.float64)
    start = dnc(inputs[:, :2])[1]
    leaves = dict(dnc.named_parameters())
    leaves["inputs"] = inputs[:, 2:].clone().requires_grad_()
    state = DNCState(*(part.detach().clone().requires_grad_() for part in start))
    leaves |= {f"state.{name}": part for name, part in state._asdict().items() if part.numel()}
    weighing = torch.randn(T, Y, generator=generator(2), dtype=torch.float64)
    (dnc(leaves["inputs"], state)[0] * weighing).sum().backward()

    values = {name: leaf.detach().numpy().astype(complex) for name, leaf in leaves.items()}
    for name in ("inputs", *(name for name in values if name.startswith("state."))):
        values[name] = values[name][0]
    for name, part in state._asdict().items():
        values.setdefault(f"state.{name}", part.detach().numpy()[0].astype(complex))

    def derivative(name, index):
        kept = values[name][index]
        values[name][index] += 1e-30j
        begin = {part: values[f"state.{part}"] for part in DNCState._fields}
        outputs, _ = run_reference(dnc, layers(dnc, values), values["inputs"], begin)
        values[name][index] = kept
        return float((outputs * weighing.numpy()).sum().imag) / 1e-30

    for name, leaf in leaves.items():
        grad = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        grad = grad[0] if name == "inputs" or name.startswith("state.") else grad
        entries = list(np.ndindex(grad.shape))
        for index in entries[:: max(1, len(entries) // 40)]:  # of a large matrix, every second or third entry
            assert grad[index] == pytest.approx(derivative(name, index), rel=1e-10, abs=1e-12), (name, index)
        assert detached(name, options) or np.abs(grad).max() > 0, name


def detached(name: str, options: dict) -> bool:
    """Whether this part of the state has no way to the output that carries a gradient."""
    if name in ("state.usage", "state.write"):  # they count for the allocation only
        return options["detach_addressing"]
    return name == "state.read" and options["link"] == "none" and options["detach_addressing"]


@pytest.mark.parametrize("options", [o for o in OPTIONS if not o["detach_addressing"]], ids=lambda o: o["link"])
def test_gradcheck(options):
    """Finite differences, through the module alone; a detached addressing has another gradient on purpose."""
    dnc = make(**options, scale=2.0)
    inputs = torch.randn(B, 3, D, generator=generator(1), dtype=torch.float64, requires_grad=True)
    names, weights = zip(*dnc.named_parameters(), strict=True)

    def run(inputs, *weights):
        return torch.func.functional_call(dnc, dict(zip(names, weights, strict=True)), (inputs,))[0]

    assert torch.autograd.gradcheck(run, (inputs, *weights), fast_mode=True)


def test_complex_step_is_exact_on_a_known_derivative():
    x = np.array([0.3 + 1e-30j, -0.7, 0.2])
    powers = np.exp(x.real)
    share = powers / powers.sum()
    np.testing.assert_allclose(reference.softmax(x).imag / 1e-30, share[0] * (np.eye(3)[0] - share), rtol=1e-13)


def test_detached_addressing_leaves_keys_strengths_and_free_gates_untrained():
    grads = {}
    for detach in (False, True):
        dnc = make(detach_addressing=detach, fast=False)
        dnc(torch.randn(B, T, D, generator=generator(1), dtype=torch.float64))[0].sum().backward()
        sizes = interface_sizes(W, R, "full")
        parts = dnc.interface.weight.grad.split(list(sizes.values()))
        grads[detach] = {name: float(part.abs().max()) for name, part in zip(sizes, parts, strict=True)}
    frozen = {"read_keys", "read_strengths", "write_key", "write_strength", "free_gates"}
    assert {name for name, size in grads[True].items() if size == 0} == frozen
    assert all(size > 0 for size in grads[False].values())
