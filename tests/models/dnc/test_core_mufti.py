"""The DNC against numbers that the author's public program gave.

`mufti_dnc.npz` holds inputs (T, D), weights drawn at random (in this library's layout) and the outputs (T, Y) of A. Mufti's
dnc.py (DifferentiableNeuralComputer, 2018) with these weights, N = 7, W = 5, R = 2, H = 11, K = 0 (full link), under
Chainer 7.8.1 and NumPy 1.23.5. Its LSTM's gates stand interleaved and its read vectors number by number; both were rearranged.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from wmlib.models.dnc import DNC, addressing

GOLDEN = np.load(Path(__file__).with_name("mufti_dnc.npz"))


@pytest.fixture
def outputs():
    """Run our DNC with the author's weights: (T, Y), by the module or the fast path."""

    def run(fast: bool) -> np.ndarray:
        dnc = DNC(4, 11, 7, 5, 2, 3, generator=torch.Generator(), fast=fast)
        dnc.load_state_dict({name: torch.from_numpy(GOLDEN[name]) for name in dnc.state_dict()})
        return dnc(torch.from_numpy(GOLDEN["inputs"]).unsqueeze(0))[0][0].detach().numpy()

    return run


def test_with_his_order_of_updates_the_outputs_are_his(outputs, monkeypatch):
    """He updates the precedence before the link, so that a write counts as its own predecessor too."""
    update_link = addressing.update_link

    def after_the_precedence(link, precedence, write):
        return update_link(link, addressing.update_precedence(precedence, write), write)

    monkeypatch.setattr(addressing, "update_link", after_the_precedence)
    np.testing.assert_allclose(outputs(fast=False), GOLDEN["outputs"], atol=2e-5)


@pytest.mark.parametrize("fast", [False, True])
def test_the_papers_order_is_another_model(outputs, fast):
    difference = np.abs(outputs(fast) - GOLDEN["outputs"]).max(1)
    assert difference[0] < 2e-5  # nothing was written before the first step
    assert 1e-3 < difference.max() < 0.3
