"""Named random streams: other names and seeds are other numbers, the same are the same for good."""

import numpy as np
import pytest
import torch

from wmlib.experiment import seeding


def test_streams_depend_on_seed_and_every_name():
    draws = {
        tuple(seeding.generator(seed, *names).integers(0, 2**62, 3))
        for seed in (0, 1, 11)
        for names in ((), ("data",), ("data", 1), ("data", 11), ("data1",), ("init",))
    }
    assert len(draws) == 18


def test_streams_repeat_and_are_known_for_good():
    assert seeding.generator(1, "data").random() == seeding.generator(np.int64(1), "data").random()
    # a change of this number would silently change every result of the project
    assert seeding.entropy(1, "data") == 0xBFFBC11FE81AE402DF28A19C6DCA27A0
    a, b = (torch.rand(3, generator=seeding.torch_generator(1, "init")) for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed: got"):
        seeding.generator(seed, "data")


def test_nothing_is_drawn_from_global_generators():
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    seeding.generator(1, "data").random()
    torch.rand(1, generator=seeding.torch_generator(1, "init"))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
