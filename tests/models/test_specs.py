"""The one factory of cores, and the hidden size at which another network is as large."""

import itertools

import pytest
import torch

from wmlib.models.dnc import DNC
from wmlib.models.layers import num_parameters
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CLOSED, KINDS, CoreConfig, equal_hidden, make_core
from wmlib.models.world_model import WorldModelConfig


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(ours, expected):
    assert type(ours) is type(expected)
    ours, expected = ours.state_dict(), expected.state_dict()
    assert list(ours) == list(expected)
    for name, part in expected.items():
        assert torch.equal(ours[name], part), name


@pytest.mark.parametrize("output_size", [None, 3])
@pytest.mark.parametrize("forget_bias", [None, 1.0, 2.5])
def test_an_lstm_is_made_as_by_hand(output_size, forget_bias):
    config = CoreConfig("lstm", 7, forget_bias=forget_bias)
    core = make_core(config, 5, output_size, generator=generator(3))
    same(core, LSTM(5, 7, output_size, generator=generator(3), forget_bias=forget_bias))
    assert core.forget_bias == forget_bias and (core.lstm.bias_hh_l0[7:14] == 0).all() == (forget_bias is not None)


@pytest.mark.parametrize("output_size", [None, 3])
@pytest.mark.parametrize("allocation_bias", [None, CLOSED, 0.5])
@pytest.mark.parametrize("detached", [False, True])
def test_a_dnc_is_made_as_by_hand(output_size, allocation_bias, detached):
    config = CoreConfig("dnc", 7, 11, 5, 2, allocation_bias=allocation_bias, detach_addressing=detached)
    core = make_core(config, 3, output_size, generator=generator(3))
    biases = None if allocation_bias is None else {"allocation_gate": allocation_bias}
    same(core, DNC(3, 7, 11, 5, 2, output_size, generator=generator(3), biases=biases, detach_addressing=detached))
    assert (core.num_slots, core.word_size, core.num_heads, core.detach_addressing) == (11, 5, 2, detached)
    if allocation_bias is not None:
        assert (core.interface.bias == allocation_bias).sum() == 1


def test_each_kind_ignores_what_is_the_others():
    same(
        make_core(CoreConfig("lstm", 7, allocation_bias=CLOSED, num_slots=3), 5, generator=generator()),
        make_core(CoreConfig("lstm", 7), 5, generator=generator()),
    )
    same(
        make_core(CoreConfig("dnc", 7, forget_bias=None), 5, generator=generator()),
        make_core(CoreConfig("dnc", 7, forget_bias=1.0), 5, generator=generator()),
    )


def test_an_unknown_kind_or_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match=r"^kind: got 'gru'; allowed are lstm, dnc, feedforward$"):
        make_core(CoreConfig("gru"), 5, generator=generator())
    for kind in KINDS:
        with pytest.raises(ValueError, match="hidden_size is 0"):
            make_core(CoreConfig(kind, 0), 5, generator=generator())


def nearest(wanted, build, upto=80):
    """The first of the hidden sizes that come nearest, by trying all."""
    sizes = {hidden_size: num_parameters(build(hidden_size)) for hidden_size in range(1, upto)}
    assert sizes[upto - 1] > 2 * wanted
    return min(sizes, key=lambda hidden_size: abs(sizes[hidden_size] - wanted))


def lstm(hidden_size):
    return make_core(CoreConfig("lstm", hidden_size), 5, 2, generator=generator())


def world_model(hidden_size):
    return WorldModelConfig(CoreConfig("lstm", hidden_size), latent_size=3).build(generator())


@pytest.mark.parametrize("build", [lstm, world_model])
@pytest.mark.parametrize("wanted", [1, 40, 200, 201, 777, 1500, 3001, 6000])
def test_the_hidden_size_is_the_nearest_of_all(build, wanted):
    assert equal_hidden(wanted, build) == nearest(wanted, build)


@pytest.mark.parametrize("hidden_size", [1, 2, 3, 8, 17, 64])
def test_a_network_has_the_hidden_size_of_itself(hidden_size):
    assert equal_hidden(num_parameters(world_model(hidden_size)), world_model) == hidden_size


def test_of_two_that_are_as_near_the_smaller_is_taken():
    sizes = [num_parameters(lstm(hidden_size)) for hidden_size in range(1, 40)]
    for hidden_size, (size, larger) in enumerate(itertools.pairwise(sizes), 1):
        assert (size + larger) % 2 == 0
        assert equal_hidden((size + larger) // 2, lstm) == hidden_size
        assert equal_hidden((size + larger) // 2 + 1, lstm) == hidden_size + 1


def test_a_dnc_and_the_lstm_of_its_size_are_within_half_a_cell():
    size = num_parameters(make_core(CoreConfig("dnc", 32), 6, 1, generator=generator()))
    nearest_size, larger = (num_parameters(lstm(equal_hidden(size, lstm) + more)) for more in (0, 1))
    assert abs(nearest_size - size) <= (larger - nearest_size) / 2
