"""What every recurrent core promises, an LSTM and a DNC of every kind: how a sequence may be cut, and what is refused."""

import itertools

import pytest
import torch

from wmlib.experiment import checkpoint
from wmlib.models.dnc import DNC, DNCState
from wmlib.models.lstm import LSTM, LSTMState
from wmlib.models.recurrent import RecurrentCore, reset_state

B, T, D, H, N, W, R, Y = 3, 5, 2, 7, 11, 13, 2, 17  # distinct primes, but for D = R: a swapped axis cannot pass

DNCS = {
    f"dnc, {link} link{', fast' * fast}": {"link": link, "fast": fast} for link in ("full", "sparse", "none") for fast in (0, 1)
}
CORES = ["lstm", *DNCS]
every_core = pytest.mark.parametrize("name", CORES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(name: str, seed: int = 0) -> RecurrentCore:
    if name == "lstm":
        return LSTM(D, H, Y, generator=generator(seed)).double()
    return DNC(D, H, N, W, R, Y, generator=generator(seed), **DNCS[name]).double()


def sequence(*shape, seed=1, dtype=torch.float64):
    return torch.randn(*(shape or (B, T, D)), generator=generator(seed), dtype=dtype)


def close(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# How a sequence may be cut


@every_core
def test_a_sequence_in_two_calls_or_step_by_step_is_one_call(name):
    core, inputs = make(name), sequence()
    whole, last = core(inputs)
    first, state = core(inputs[:, :2])
    second, split_last = core(inputs[:, 2:], state)
    close([torch.cat([first, second], 1), *split_last], [whole, *last])
    state = core.initial_state(B)
    for t in range(T):
        output, state = core.step(inputs[:, t], state)
        close([output], [whole[:, t]])
    close(state, last)


@every_core
def test_resets_inside_a_batch_are_separate_episodes(name):
    core, inputs = make(name), sequence()
    reset = torch.zeros(B, T, dtype=torch.bool)
    reset[0, 2] = reset[1, 4] = reset[1, 0] = True
    _, before = core(sequence(seed=2))  # a state left over from other episodes
    outputs, state = core(inputs, before, reset)
    for b, cuts in ((0, [0, 2, T]), (1, [0, 4, T]), (2, [0, T])):
        carried = type(before)(*(part[b : b + 1] for part in before))
        for start, end in itertools.pairwise(cuts):
            begin = core.initial_state(1) if reset[b, start] else carried
            expected, carried = core(inputs[b : b + 1, start:end], begin)
            close([outputs[b : b + 1, start:end]], [expected])
        close([part[b : b + 1] for part in state], carried)
    output, _ = core.step(inputs[:, 0], before, torch.tensor([True, False, False]))
    close([output[0]], [core(inputs[:1, :1])[0][0, 0]])
    close([output[1]], [core(inputs[1:2, :1], type(before)(*(part[1:2] for part in before)))[0][0, 0]])


@every_core
def test_no_gradient_crosses_a_reset(name):
    core, inputs = make(name), sequence().requires_grad_()
    reset = torch.zeros(B, T, dtype=torch.bool)
    reset[1, 3] = True
    (grad,) = torch.autograd.grad(core(inputs, reset=reset)[0][:, -1].sum(), inputs)
    assert (grad[1, :3] == 0).all() and (grad[1, 3:] != 0).all() and (grad[0] != 0).all()


@every_core
def test_a_reset_forgets_even_nan(name):
    core, inputs = make(name), sequence()
    start = core.initial_state(B)
    broken = type(start)(*(torch.full_like(part, torch.nan) for part in start))
    close([core.step(inputs[:, 0], broken, torch.ones(B, dtype=torch.bool))[0]], [core(inputs[:, :1])[0][:, 0]])


@every_core
def test_batch_elements_do_not_mix_and_leading_axes_are_free(name):
    core, inputs = make(name), sequence(B, 2, T, D)
    outputs, state = core(inputs)
    assert outputs.shape == (B, 2, T, Y) and all(part.shape[:2] == (B, 2) for part in state)
    for b in range(B):
        for k in range(2):
            alone, last = core(inputs[b, k])  # no batch axis at all
            close([outputs[b, k], *(part[b, k] for part in state)], [alone, *last])


@every_core
def test_gradient_passes_through_a_carried_state_unless_it_is_detached(name):
    core, inputs = make(name), sequence().requires_grad_()
    _, state = core(inputs[:, :2])
    for cut in (False, True):
        outputs, _ = core(inputs[:, 2:], type(state)(*(part.detach() for part in state)) if cut else state)
        (grad,) = torch.autograd.grad(outputs.sum(), inputs, retain_graph=True)
        assert (grad[:, :2].abs().sum() == 0) == cut


@every_core
def test_a_call_leaves_its_arguments_as_they_were(name):
    core, inputs = make(name), sequence()
    _, state = core(sequence(seed=2))
    kept = [part.clone() for part in (inputs, *state)]
    core(inputs, state, torch.ones(B, T, dtype=torch.bool))
    assert all(map(torch.equal, kept, (inputs, *state)))


@every_core
def test_state_and_weights_are_saved_and_loaded(name, tmp_path):
    core, inputs = make(name), sequence()
    _, state = core(inputs[:, :2])
    checkpoint.save(tmp_path / "core", {"model": core.state_dict(), "state": state._asdict()})
    stored = checkpoint.load(tmp_path / "core")
    other = make(name, seed=5)
    other.load_state_dict(stored["model"])
    outputs, last = other(inputs[:, 2:], type(state)(**stored["state"]))
    expected, expected_last = core(inputs[:, 2:], state)
    assert torch.equal(outputs, expected) and all(map(torch.equal, last, expected_last))


# States


@every_core
def test_an_episode_starts_with_zeros_of_the_cores_dtype(name):
    core = make(name)
    for batch_size, leading in ((1, (1,)), (4, (4,)), ((2, 3), (2, 3)), ((), ())):
        state = core.initial_state(batch_size)
        assert all(part.shape[: len(leading)] == leading and part.dtype == torch.float64 for part in state)
        assert not any(part.any() for part in state)
    assert all(part.dtype == torch.float32 for part in core.float().initial_state())


def test_reset_state_puts_marked_episodes_back_whatever_was_in_them():
    parts = [torch.full((2, 3, *shape), 7.0) for shape in ((5,), (5,), (4, 6), (4,), (4,), (4, 4), (4,), (2, 4), (2, 6))]
    parts[2][0, 1] = torch.nan
    state = DNCState(*parts)
    marked = torch.tensor([[False, True, False], [True, False, False]])
    new = reset_state(state, marked)
    assert type(new) is DNCState
    for ours, before in zip(new, state, strict=True):
        assert (ours[marked] == 0).all()
        assert torch.equal(ours[~marked], before[~marked]) and (before[~marked] == 7).all()
    assert parts[2][0, 1].isnan().all()  # the state that was given stays
    assert torch.equal(reset_state(LSTMState(torch.ones(4), torch.ones(4)), torch.tensor(True)).c, torch.zeros(4))


# What is refused


@every_core
def test_bad_input_is_refused_with_its_place(name):
    core, inputs = make(name), sequence()
    for bad in (torch.nan, torch.inf):
        broken = inputs.clone()
        broken[1, 3, 0] = bad
        with pytest.raises(ValueError, match=rf"inputs must be finite; at \(1, 3, 0\) they are {bad}"):
            core(broken)
        with pytest.raises(ValueError, match="inputs must be finite"):
            core.step(broken[:, 3], core.initial_state(B))


@pytest.mark.parametrize("name", ["lstm", "dnc, full link"])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda core: core(sequence(B, T, 3)), r"inputs have shape \(3, 5, 3\).*D = 2"),
        (lambda core: core(sequence(D)), r"inputs have shape \(2,\)"),
        (lambda core: core(sequence(dtype=torch.float32)), "inputs are torch.float32, the core is torch.float64"),
        (lambda core: core(sequence(), core.initial_state(2)), r"state has leading axes \(2,\), inputs have \(3,\)"),
        (lambda core: core(sequence(), reset=torch.zeros(B, dtype=torch.bool)), r"reset is torch.bool \(3,\).*\(3, 5\)"),
        (lambda core: core(sequence(), reset=torch.zeros(B, T)), "reset is torch.float32"),
    ],
)
def test_a_wrong_call_is_refused(name, call, message):
    with pytest.raises(ValueError, match=message):
        call(make(name))


def test_the_interface_itself_is_to_be_filled_in():
    core = RecurrentCore()
    for call in (core, core.initial_state, core.features):
        with pytest.raises(NotImplementedError):
            call(*(() if call is core.initial_state else (None,)))


@pytest.mark.parametrize("name", ["lstm", "dnc, full link"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.float(), "torch.float32"),
        (lambda part: part[..., :-1], "it must be"),
        (lambda part: None, "is a NoneType"),
    ],
)
def test_every_part_of_a_state_is_checked(name, change, message):
    core = make(name)
    state = core.initial_state(B)
    for field in state._fields:
        if state._asdict()[field].numel():
            with pytest.raises(ValueError, match=rf"state\.{field} is .*|state has leading axes") as raised:
                core(sequence(), state._replace(**{field: change(getattr(state, field))}))
            assert message in str(raised.value) or field == "memory"


@pytest.mark.parametrize("name", ["lstm", "dnc, full link"])
def test_autocast_changes_nothing_and_16_bits_are_refused(name):
    core = make(name)
    plain = core(sequence())[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(core(sequence())[0], plain)
    with pytest.raises(ValueError, match=r"they must be torch.float32 or torch.float64.*autocast"):
        core.half()(sequence(dtype=torch.float16))


@pytest.mark.parametrize("name", ["lstm", "dnc, full link"])
def test_nothing_in_a_batch_or_in_time(name):
    core = make(name)
    assert core(sequence(B, T, D)[:0])[0].shape[:2] == (0, T)
    state = core(sequence())[1]
    outputs, after = core(sequence(B, T, D)[:, :0], state)
    assert outputs.shape[:2] == (B, 0) and all(torch.equal(a, b) for a, b in zip(state, after, strict=True))
