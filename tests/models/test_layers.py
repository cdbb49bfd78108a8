"""Seeded layers: the generator given decides all weights, and nothing else is drawn from."""

import pytest
import torch
from torch import nn

from wmlib.models.layers import check_sizes, conv2d, draw_uniform, empty_linear, linear, num_parameters


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LAYERS = {
    "linear": (lambda generator: linear(9, 400, generator), 1 / 3),
    "conv2d": (lambda generator: conv2d(4, 50, 3, generator), 1 / 6),
    "dilated conv2d": (lambda generator: conv2d(4, 50, 3, generator, dilation=2), 1 / 6),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(name):
    make, _ = LAYERS[name]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, twin, other = make(generator(1)), make(generator(1)), make(generator(2))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(one.parameters(), twin.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_and_biases_fill_the_range_of_pytorchs_rule(name):
    make, bound = LAYERS[name]
    layer = make(generator())
    for parameter in layer.parameters():
        assert 0.9 * bound < parameter.abs().max() <= bound
    torch.testing.assert_close(layer.weight.std().item(), bound / 3**0.5, rtol=0.05, atol=0)


def test_pytorchs_own_layers_keep_to_the_same_rule():
    """That the bounds above are PyTorch's: its largest weights come as near to them, and no nearer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for layer, (_, bound) in zip((nn.Linear(9, 400), nn.Conv2d(4, 50, 3)), LAYERS.values(), strict=False):
            assert 0.9 * bound < layer.weight.abs().max() <= bound


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_convolution_keeps_the_size_of_the_picture(kernel_size, dilation):
    layer = conv2d(2, 7, kernel_size, generator(), dilation)
    assert layer(torch.zeros(3, 2, 11, 4)).shape == (3, 7, 11, 4)
    dot = torch.zeros(1, 2, 17, 19)
    dot[..., 8, 9] = 1
    felt = (layer(dot) - layer(torch.zeros_like(dot)))[0].abs().sum(0) > 1e-6
    reach = range(-(kernel_size // 2) * dilation, kernel_size // 2 * dilation + 1, dilation)  # as far on both sides
    assert felt.nonzero().tolist() == [[8 + row, 9 + column] for row in reach for column in reach]


def test_draw_uniform_draws_all_parameters_of_a_module_in_their_order():
    module = nn.Sequential(empty_linear(3, 5), empty_linear(5, 2))
    draw_uniform(module, 4, generator(3))
    rng = generator(3)
    for parameter in module.parameters():
        assert torch.equal(parameter, torch.empty_like(parameter).uniform_(-0.5, 0.5, generator=rng))


def test_sizes_below_one_are_refused_by_name():
    check_sizes(input_size=1, hidden_size=512)
    with pytest.raises(ValueError, match=r"^hidden_size is 0; it must be at least 1$"):
        check_sizes(input_size=1, hidden_size=0, output_size=-1)


def test_num_parameters_counts_what_is_learnt():
    module = nn.Sequential(linear(3, 5, generator()), conv2d(2, 7, 3, generator()), nn.BatchNorm2d(7))
    assert num_parameters(module) == (3 * 5 + 5) + (2 * 7 * 9 + 7) + 2 * 7  # buffers do not count
    assert num_parameters(nn.Identity()) == 0


@pytest.mark.parametrize("size", [1.5, 2.0, True, "3", None, 0, -1])
def test_sizes_are_whole_numbers_from_1_on(size):
    with pytest.raises(ValueError, match=r"hidden_size is .*it must be"):
        check_sizes(hidden_size=size)


def test_no_generator_is_refused_and_the_global_one_left_alone():
    before = torch.get_rng_state()
    for given in (None, 1):
        with pytest.raises(ValueError, match=f"generator is {given}; pass a torch.Generator"):
            linear(2, 3, given)
    assert torch.equal(before, torch.get_rng_state())
