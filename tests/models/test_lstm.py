"""The LSTM core against its equations, step by step. What it promises as all cores do is in test_recurrent."""

import pytest
import torch

from wmlib.models.lstm import LSTM, LSTMState

B, T, D, H, Y = 3, 5, 2, 7, 11


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(seed=0, input_size=D, hidden_size=H, output_size=Y) -> LSTM:
    return LSTM(input_size, hidden_size, output_size, generator=generator(seed)).double()


def sequence(*shape, seed=1):
    return torch.randn(*(shape or (B, T, D)), generator=generator(seed), dtype=torch.float64)


def close(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def cells(core: LSTM, inputs, state, reset):
    """The equations of an LSTM, one step at a time, with a reset before each."""
    lstm, h, c, outputs = core.lstm, *state, []
    for t in range(inputs.shape[1]):
        keep = (~reset[:, t, None]).double()
        raw = inputs[:, t] @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + (keep * h) @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
        gate_in, gate_keep, candidate, gate_out = raw.chunk(4, -1)
        c = gate_keep.sigmoid() * keep * c + gate_in.sigmoid() * candidate.tanh()
        h = gate_out.sigmoid() * c.tanh()
        outputs.append(h @ core.output.weight.T + core.output.bias)
    return torch.stack(outputs, 1), LSTMState(h, c)


@pytest.mark.parametrize("sizes", [(D, H, Y), (1, 1, 1)])
@pytest.mark.parametrize("proportion", [0.0, 0.3, 1.0])
def test_outputs_state_and_gradient_equal_the_equations(sizes, proportion):
    core, inputs = make(0, *sizes), sequence(B, T, sizes[0]).requires_grad_()
    _, state = core(sequence(B, 2, sizes[0], seed=2))
    state = LSTMState(*(part.detach().requires_grad_() for part in state))
    reset = torch.rand(B, T, generator=generator(3)) < proportion
    results = []
    for run in (lambda: core(inputs, state, reset), lambda: cells(core, inputs, state, reset)):
        outputs, last = run()
        leaves = (inputs, *state, *core.parameters())
        results.append([outputs, *last, *torch.autograd.grad(outputs.square().sum(), leaves)])
    close(*results)


def test_features_are_the_state_and_without_an_output_layer_the_output_is_h():
    core, inputs = make(output_size=None), sequence(B, 2, T, D)
    outputs, state = core(inputs)
    assert outputs.shape == (B, 2, T, core.output_size) == (B, 2, T, H)
    assert core.features(state)["h"] is state.h and core.features(state)["c"] is state.c
    torch.testing.assert_close(outputs[..., -1, :], state.h)


def test_seed_decides_the_weights_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    one, twin, other = make(), make(), make(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(one.parameters(), twin.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
        assert a.abs().max() <= H**-0.5


def test_extremes_stay_finite():
    core = make()
    for size in (0.0, 1e4):
        outputs, state = core(size * sequence())
        assert all(part.isfinite().all() for part in (outputs, *state))


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "output_size"])
def test_a_size_below_one_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        make(**{name: 0})


def test_the_forget_bias_sets_the_forget_gates_alone():
    plain, biased = LSTM(D, H, Y, generator=generator()), LSTM(D, H, Y, generator=generator(), forget_bias=1.0)
    before, after = (core.lstm.bias_ih_l0 + core.lstm.bias_hh_l0 for core in (plain, biased))
    torch.testing.assert_close(after[H : 2 * H], torch.ones(H))
    others = [*range(H), *range(2 * H, 4 * H)]
    assert torch.equal(after[others], before[others])
    for name, weight in plain.state_dict().items():
        assert "bias" in name or torch.equal(biased.state_dict()[name], weight)
