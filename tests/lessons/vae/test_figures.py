"""The pictures of notebook 04 from small made-up results."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from wmlib.lessons.vae import arms, figures
from wmlib.viz.figures import COLORS, to_png


def grid(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(rows, columns, 64, 64, 3), dtype=np.uint8)


def packed(rows: int, columns: int) -> dict:
    return {"png": figures.pack(grid(rows, columns)), "rows": ["row"] * rows, "columns": ["column"] * columns}


ROW = {"recall": [0.5, 0.4, 0.6], "squared_error": [9.0, 8.0, 10.0], "recalls": [0.4, 0.6], "squared_errors": [8.0, 10.0]}
TWO_BY_TWO = {
    "losses": dict.fromkeys(arms.LOSSES, ROW),
    "baselines": {"PCA": {"recall": 0.8, "squared_error": 8.0}, "mean picture": {"recall": 0.0, "squared_error": 44.0}},
}
PROBE = {
    "columns": [10.0, 20.0, 40.0],
    "read": {"paper's loss": [20.0, 20.0, 30.0], "weighted loss": [11.0, 19.0, 42.0]},
    "r_squared": {"untrained VAE": [0.4, 0.6], "paper's loss": [0.7, 0.8], "weighted loss": [0.9, 0.95]},
}
HITS = {
    "classes": ["1–5", "6–20"],
    "recall": {"mean picture": [[0.0, 0.0, 0.0], None], "paper's loss": [[0.5, 0.4, 0.6], [0.75, 0.7, 0.8]]},
    "precision": {"mean picture": [None, None], "paper's loss": [None, [0.9, 0.8, 1.0]]},
}
CURVES = {"recall": [[0.1, 0.2], [0.3, 0.4]], "squared_error": [[9.0, 8.0], [3.0, 4.0]]}
TRAINING = {"frames": [10, 20], "models": {"paper's loss": CURVES}, "baselines": {"PCA": 40.0}}


def test_pictures_come_back_as_they_were():
    pictures = grid(2, 3)
    assert np.array_equal(figures.unpack(figures.pack(pictures)), pictures)
    assert np.array_equal(figures.unpack(figures.pack(pictures / 255)), pictures)
    bright = figures.unpack(figures.pack(np.full((1, 1, 64, 64, 3), 1.7)))
    assert np.array_equal(bright[0, 0], np.full((64, 64, 3), 255))


def test_rings_say_which_blobs_are_detected():
    frames = np.zeros((3, 1, 64, 64, 3), np.uint8)
    frames[0, 0, 10:13, 20:23] = frames[0, 0, 50, 50] = 255  # nine pixels, and one alone
    frames[1, 0, 12, 22] = 255
    figure = figures.draw_pictures({"png": figures.pack(frames), "rows": list("abc"), "columns": ["one"]}, rings=True)
    rings = figure.axes[0].patches
    assert [(ring.center[0], ring.center[1] % 67) for ring in rings] == [(21, 11)] * 3
    detected, missed = (to_rgba(COLORS[name]) for name in ("sky", "gold"))
    assert [ring.get_edgecolor() for ring in rings] == [detected, detected, missed]


def test_classes_with_too_few_blobs_are_left_out():
    left, right = figures.draw_hits(HITS).axes
    drawn = [[container.lines[0].get_ydata().tolist() for container in ax.containers] for ax in (left, right)]
    assert drawn == [[[0.0], [0.5, 0.75]], [[0.9]]]


def test_a_curve_is_the_median_of_the_training_seeds():
    left, right = figures.draw_training(TRAINING).axes
    assert left.lines[2].get_ydata().tolist() == pytest.approx([0.15, 0.35])
    assert right.lines[2].get_ydata().tolist() == [8.5, 3.5] and right.lines[3].get_ydata()[0] == 40


def test_each_loss_has_a_row_with_its_mean_and_its_training_seeds():
    left, right = figures.draw_two_by_two(TWO_BY_TWO).axes
    labels = [label.get_text().splitlines() for label in left.get_yticklabels()]
    assert [name for name, _ in labels] == list(arms.LOSSES)
    for (_, factors), objective in zip(labels, arms.LOSSES.values(), strict=True):
        assert factors.startswith("weighted" if objective.gain else "all pixels alike")
        assert factors.endswith(f"β {objective.beta:g}")
    assert left.containers[3].lines[0].get_xdata().tolist() == [0.5]
    seeds = [line for line in right.lines if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in seeds] == [[8.0, 10.0]] * 4


def test_an_r_squared_far_below_0_is_an_arrow_at_the_edge():
    *_, right = figures.draw_probe({**PROBE, "r_squared": {"weighted loss": [-1e7, 0.9, 0.95]}}).axes
    dots, arrow, median = right.lines
    assert dots.get_xdata().tolist() == [0.9, 0.95] and median.get_xdata() == [0.9]
    assert arrow.get_marker() == "<" and arrow.get_xdata() == [figures.LEAST_R_SQUARED] and right.get_xlim()[0] > -0.4


def test_the_probe_panel_has_every_training_seed_and_the_median():
    *scatter, right = figures.draw_probe(PROBE).axes
    assert [ax.get_title(loc="left") for ax in scatter] == ["paper's loss", "weighted loss"]
    assert scatter[1].lines[1].get_ydata().tolist() == [11.0, 19.0, 42.0]
    assert [np.atleast_1d(line.get_xdata()).tolist() for line in right.lines[:2]] == [[0.4, 0.6], [0.5]]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.draw_pictures(packed(2, 3)),
        lambda: figures.draw_hits(HITS),
        lambda: figures.draw_training(TRAINING),
        lambda: figures.draw_kl({"tolerance": 0.5, "models": {"weighted loss": [[0.5, 0.1], [0.4, 0.2]]}}),
        lambda: figures.draw_two_by_two(TWO_BY_TWO),
        lambda: figures.draw_probe(PROBE),
        lambda: figures.draw_latent({"number": packed(1, 3), "fireball": packed(3, 2), "interpolation": packed(2, 2)}),
        lambda: figures.draw_row(grid(1, 3)[0], ["a", "b", "c"]),
    ],
)
def test_every_picture_is_drawn(draw):
    assert len(to_png(draw(), dpi=50)) > 2000
