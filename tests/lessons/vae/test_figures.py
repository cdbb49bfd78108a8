"""The pictures of notebook 04 from small made-up results."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from wmlib.lessons.vae import figures as draw
from wmlib.viz.figures import COLORS, to_png


def grid(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(rows, columns, 64, 64, 3), dtype=np.uint8)


def packed(rows: int, columns: int) -> dict:
    return {"png": draw.pack(grid(rows, columns)), "rows": ["row"] * rows, "columns": ["column"] * columns}


def tallies(starts: int = 2) -> list[dict]:
    one = {"frames": np.array([3, 2]), "squared_error": np.array([6.0, 9.0]), "kl": np.array([0.5, 0.01, 0.06]),
           "blobs": np.array([[9, 20, 0, 1], [9, 20, 0, 1]]), "kept": np.array([[0, 10, 0, 1], [0, 20, 0, 1]]),
           "drawn": np.array([[0, 30, 0, 0], [0, 0, 0, 0]]), "real": np.array([[0, 27, 0, 0], [0, 0, 0, 0]])}  # fmt: skip
    return [one] * starts


def test_pictures_come_back_as_they_were():
    whole = grid(2, 3)
    assert np.array_equal(draw.unpack(draw.pack(whole)), whole)
    assert np.array_equal(draw.unpack(draw.pack(whole / 255)), whole)
    assert np.array_equal(draw.unpack(draw.pack(np.full((1, 1, 64, 64, 3), 1.7)))[0, 0], np.full((64, 64, 3), 255))


def test_rings_say_which_blobs_are_found():
    frames = np.zeros((3, 1, 64, 64, 3), np.uint8)
    frames[0, 0, 10:13, 20:23] = frames[0, 0, 50, 50] = 255  # nine pixels, and one alone
    frames[1, 0, 12, 22] = 255
    figure = draw.draw_pictures({"png": draw.pack(frames), "rows": list("abc"), "columns": ["one"]}, rings=True)
    rings = figure.axes[0].patches
    assert [(r.center[0], r.center[1] % 67) for r in rings] == [(21, 11)] * 3
    found, lost = (to_rgba(COLORS[name]) for name in ("sky", "gold"))
    assert [r.get_edgecolor() for r in rings] == [found, found, lost]


def test_shares_and_errors_are_those_of_the_tallies():
    rng = np.random.default_rng(0)
    assert draw.rate(tallies(), "kept", rng).value == 0.75 and draw.rate(tallies(), "real", rng).value == 0.9
    assert draw.rate(tallies(), "kept", rng, size=2) is None and draw.rate(tallies(), "kept", rng, 3, least=20) is None
    assert draw.squared_error(tallies(), rng).value == 3
    made = draw.training([10, 20, 40], {"PCA": [tallies(3), tallies(3)]}, {})
    assert made["models"]["PCA"]["kept"].shape == (3, 2)
    assert (made["models"]["PCA"]["kept"] == 0.75).all() and (made["models"]["PCA"]["squared_error"] == 3).all()
    line = draw.terms([(0.1, tallies()[0])])
    assert line["active"] == [2] and line["squared_error"] == [3] and line["kl"] == [pytest.approx(0.57)]


def test_every_picture_is_drawn():
    rng, models = np.random.default_rng(0), {"mean picture": tallies(1), "paper's loss": tallies()}
    figures = [
        draw.draw_pictures(packed(2, 3)),
        draw.draw_hits(draw.hits(models, rng)),
        draw.draw_training(draw.training([10, 20], {"paper's loss": [tallies(), tallies()]}, {"PCA": 40.0})),
        draw.draw_kl({"tolerance": 0.5, "models": {"weighted loss": [[0.5, 0.1]]}}),
        draw.draw_sweep({"total": 2, "floors": {"nothing free": draw.terms([(b, tallies()[0]) for b in (0.1, 1)])}}),
        draw.draw_latent({"traversal": packed(3, 2), "interpolation": packed(2, 2)}),
        draw.draw_neighbours({**packed(2, 3), "shares": {"pixels": (0.5, 0.4, 0.6), "PCA": (0.2, 0.1, 0.3)}}),
        draw.draw_row(grid(1, 3)[0], ["a", "b", "c"]),
    ]
    assert all(len(to_png(figure, dpi=50)) > 2000 for figure in figures)
