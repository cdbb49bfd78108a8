"""The LSTM with an unbounded read-out against a plain loop, and against the LSTM whose recurrence it shares."""

import numpy as np
import pytest
import torch

from wmlib.lessons.addition.accumulator import UnboundedLSTM
from wmlib.models.lstm import LSTM


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def core() -> UnboundedLSTM:
    return UnboundedLSTM(3, 7, 2, generator=generator(), forget_bias=1.0)


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(5, 11, 3, generator=generator(1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_plain_loop_gives_the_same(core, inputs):
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weight_in, weight_back, bias_in, bias_back = (core.lstm.get_parameter(name).detach().double().numpy() for name in names)
    h = c = np.zeros((5, 7))
    expected = []
    for t in range(11):
        gates = inputs[:, t].double().numpy() @ weight_in.T + bias_in + h @ weight_back.T + bias_back
        gate_in, gate_keep, candidate, gate_out = np.split(gates, 4, axis=1)
        c = sigmoid(gate_keep) * c + sigmoid(gate_in) * np.tanh(candidate)
        h = sigmoid(gate_out) * np.tanh(c)
        read_out = core.output.weight.detach().double().numpy()
        expected.append(sigmoid(gate_out) * c @ read_out.T + core.output.bias.detach().numpy())
    outputs, state = core(inputs)
    np.testing.assert_allclose(outputs.detach(), np.stack(expected, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.c.detach(), c, rtol=1e-4, atol=1e-5)


def test_weights_and_state_are_those_of_the_lstm(core, inputs):
    lstm = LSTM(3, 7, 2, generator=generator(), forget_bias=1.0)
    assert all(map(torch.equal, core.state_dict().values(), lstm.state_dict().values()))
    (outputs, state), (others, expected) = core(inputs), lstm(inputs)
    torch.testing.assert_close(state.h, expected.h)
    torch.testing.assert_close(state.c, expected.c)
    assert not torch.allclose(outputs, others)


def test_its_read_out_has_no_bound():
    core = UnboundedLSTM(1, 1, 1, generator=generator())
    for parameter in core.parameters():
        parameter.detach().zero_()
    core.lstm.get_parameter("bias_ih_l0").detach()[:] = torch.tensor([20.0, 20.0, 20.0, 20.0])  # all gates open
    core.output.weight.detach().fill_(1.0)
    outputs, _ = core(torch.zeros(1, 50, 1))
    torch.testing.assert_close(outputs[0, :, 0], torch.arange(1.0, 51.0))


def test_a_sequence_in_parts_and_in_steps_and_a_reset(core, inputs):
    whole, last = core(inputs)
    first, state = core(inputs[:, :4])
    rest, _ = core(inputs[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    stepped, _ = core.step(inputs[:, 4], state)
    torch.testing.assert_close(stepped, whole[:, 4])
    reset = torch.zeros(5, 11, dtype=torch.bool)
    reset[:, 4] = True
    again, _ = core(inputs, reset=reset)
    torch.testing.assert_close(again[:, 4:], core(inputs[:, 4:])[0])
    empty, same = core(inputs[:, :0], last)
    assert empty.shape == (5, 0, 2) and torch.equal(same.c, last.c)
