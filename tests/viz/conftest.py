"""What the tests of figures share."""

import contextlib

import matplotlib as mpl
import pytest


@pytest.fixture
def readers_style():
    """A block in which a reader has set matplotlib up as nobody would: pictures must not change, his settings neither."""

    @contextlib.contextmanager
    def block():
        with mpl.rc_context():
            mpl.rcParams.update(
                {
                    "axes.grid": False,
                    "axes.spines.top": True,
                    "axes.titlelocation": "right",
                    "figure.constrained_layout.use": False,
                    "figure.facecolor": "red",
                    "font.size": 21,
                    "image.cmap": "magma",
                    "lines.linewidth": 9,
                    "savefig.dpi": 33,
                    "savefig.facecolor": "blue",
                }
            )
            before = dict(mpl.rcParams)
            yield
            assert dict(mpl.rcParams) == before

    return block
