"""Records of a small DNC, and what to read from the pictures of them."""

import warnings

import numpy as np
import pytest
import torch

from wmlib.models.dnc import DNC
from wmlib.viz import memory_inspector as inspector


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def dnc():
    """Sequences of a small DNC: see `Sequences`."""
    return Sequences


class Sequences:
    """Sequences of a DNC with sizes that are all different."""

    B, T, D, Y, N, W, R = 3, 7, 6, 2, 5, 4, 2
    LABELS = ("3", "1", "", "4", "?", "", "")

    @staticmethod
    def run(link="full", batch=(B,), steps=T, inputs=D, outputs=Y, slots=N, width=W, heads=R):
        """Return inputs, outputs and trace."""
        generator = torch.Generator().manual_seed(1)
        network = DNC(inputs, 8, slots, width, heads, outputs, generator=generator, link=link)
        x = torch.randn(*batch, steps, inputs, generator=generator)
        y, _, trace = network(x, trace=True)
        return x, y, trace

    @classmethod
    def record(cls, link="full", index=1, **options):
        return inspector.record(*cls.run(link), index, **options)

    @classmethod
    def writes_then_reads(cls, steps=8):
        """A record made by hand: slots 2, 0, 3, 1 are written, then read in the same order."""
        arrays = inspector.record(*cls.run(batch=(), steps=steps, heads=1))
        record = {name: part.copy() for name, part in arrays.items() if name != "start"}
        record["write"][:], record["read"][:] = 0, 0
        for t, slot in enumerate([2, 0, 3, 1]):
            record["write"][t, slot] = record["read"][t + 4, 0, slot] = 1
        return record | {"start": 0}


@pytest.fixture
def images():
    """The arrays that axes show."""
    return lambda ax: [np.asarray(image.get_array()) for image in ax.images]


@pytest.fixture
def titled():
    """The axes of a figure whose title starts with a text."""
    return lambda figure, start: next(ax for ax in figure.axes if ax.get_title(loc="left").startswith(start))


@pytest.fixture
def assert_same_cells(images):
    """Check that two figures show the same cells."""

    def check(figure, other):
        for a, b in zip(figure.axes, other.axes, strict=True):
            for x, y in zip(images(a), images(b), strict=True):
                np.testing.assert_array_equal(x, y)

    return check
