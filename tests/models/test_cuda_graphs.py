"""CUDA graphs: what is captured computes the same, and never makes Python wait. On a GPU also the graphs themselves."""

import numpy as np
import pytest
import torch

from wmlib.models.cuda_graphs import _Sequence, capture, capture_training, unchecked
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.world_model import WorldModel
from wmlib.training.world_model import Experience, WorldModelTrainer

B, T, D = 3, 7, 6
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def dnc(dtype: torch.dtype = torch.float64) -> DNC:
    return DNC(D, 9, 5, 4, 2, generator=torch.Generator().manual_seed(0), fast=False).to(dtype)


def sequence(core: DNC, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    rng = torch.Generator().manual_seed(1)
    dtype = next(core.parameters()).dtype
    inputs = torch.randn(B, T, D, generator=rng, dtype=dtype).to(device).requires_grad_()
    reset = torch.rand(B, T, generator=rng).to(device) < 0.2
    _, state = core(torch.randn(B, 4, D, generator=rng, dtype=dtype).to(device))  # a memory in use
    return inputs, reset, [part.detach() for part in state]


def gradients(core: DNC, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    parts = torch.autograd.grad(outputs.square().sum(), [inputs, *core.parameters()])
    return torch.cat([part.flatten() for part in parts])


def waits(function) -> list[str]:
    """Return the operations in a call whose result Python needs before it can go on."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function()
    return [e.key for e in profile.key_averages() if e.key in ("aten::item", "aten::nonzero", "aten::equal")]


def test_a_sequence_to_be_captured_equals_the_plain_one_and_never_waits():
    core = dnc()
    inputs, reset, state = sequence(core)
    kind = type(core.initial_state(1))
    outputs, after = core(inputs, kind(*state), reset)
    ready = _Sequence(core, core.forward, kind)
    again, *new = ready(inputs, reset, *state)
    torch.testing.assert_close(again, outputs)
    for one, other in zip(new, after, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(gradients(core, inputs, again), gradients(core, inputs, outputs))
    assert waits(lambda: gradients(core, inputs, ready(inputs, reset, *state)[0])) == []
    assert waits(lambda: gradients(core, inputs, core(inputs, kind(*state), reset)[0]))  # the plain one does


def test_unchecked_ends():
    core = dnc()
    inputs, reset, state = sequence(core)
    with unchecked(core):
        core(inputs, type(core.initial_state(1))(*state), reset)
    with pytest.raises(ValueError, match="inputs must be finite"):
        core(inputs * np.nan)


def test_without_a_gpu_a_function_stays_itself():
    def function():
        pass

    assert capture(function, torch.device("cpu")) is function


@gpu
def test_a_captured_sequence_on_a_gpu():
    core = dnc(torch.float32).cuda()
    inputs, reset, state = sequence(core, "cuda")
    kind = type(core.initial_state(1))
    outputs, after = core(inputs, kind(*state), reset)
    expected = gradients(core, inputs, outputs)
    capture_training(core, B, T)
    for _ in range(2):
        again, new = core(inputs, kind(*state), reset)
        torch.testing.assert_close(gradients(core, inputs, again), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(again, outputs)
        torch.testing.assert_close(new.memory, after.memory)
    with torch.no_grad():  # another call is done as before
        one, carried = core(inputs[:, :3])
        two, _ = core(inputs[:, 3:], carried)
        torch.testing.assert_close(torch.cat([one, two], 1), core(inputs)[0])


@gpu
@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_training_on_a_gpu_equals_training_on_the_cpu(kind, monkeypatch):
    rows, rng = 400, np.random.default_rng(0)
    ends = np.arange(rows) % 50 == 49
    table = Experience(
        mean=rng.standard_normal((rows, 4), np.float32),
        log_variance=np.full((rows, 4), -2, np.float32),
        actions=rng.random((rows, 2), np.float32),
        rewards=np.ones(rows, np.float32),
        terminated=np.roll(ends, -1),
        acted=~ends,
        resets=np.roll(ends, 1),
    )

    def trainer(device: str) -> WorldModelTrainer:
        g = torch.Generator().manual_seed(0)
        core = LSTM(6, 9, generator=g) if kind == "lstm" else DNC(6, 9, 5, 4, 2, generator=g)
        model = WorldModel(core, 4, generator=g).to(device)
        return WorldModelTrainer(model, table, generator=g, batch_size=B, seq_len=T)

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    weights = []
    for device, stop in (("cpu", 20), ("cuda", 20), ("cuda", 10)):
        training = trainer(device)
        list(training.run(stop))
        if stop < 20:  # and on, in another trainer
            training, before = trainer(device), training
            training.load_state_dict(before.state_dict())
            list(training.run(20 - stop))
        weights.append(torch.cat([p.detach().cpu().flatten() for p in training.model.parameters()]))
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], atol=1e-4, rtol=1e-3)
