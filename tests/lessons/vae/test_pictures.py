"""Grids of pictures: what lies in which row and column."""

import numpy as np
import pytest
import torch

from wmlib.lessons.vae import latent_space, measures, pca, pictures
from wmlib.lessons.vae.figures import unpack
from wmlib.models.vae import VAE

FRAMES = np.random.default_rng(0).integers(256, size=(7, 64, 64, 3), dtype=np.uint8)


def vae(seed: int = 0) -> VAE:
    return VAE(generator=torch.Generator().manual_seed(seed), latent_size=3, channels=1).eval()


def as_bytes(floats: np.ndarray) -> np.ndarray:
    return (np.asarray(floats) * 255).round().astype(np.uint8)


def check(data: dict, expected: list) -> None:
    """Compare a grid, row by row, and the number of its names."""
    grid = unpack(data["png"])
    assert grid.shape[:2] == (len(data["rows"]), len(data["columns"])) == (len(expected), len(expected[0]))
    for row, wanted in zip(grid, expected, strict=True):
        assert np.array_equal(row, wanted)


def test_a_single_row_may_have_no_names():
    data = pictures.single_row(FRAMES[:3], "any frame")
    check(data, [FRAMES[:3]])
    assert data["columns"] == ["", "", ""]
    assert pictures.single_row(FRAMES[:2], "largest blob", ["7 pixels", "10 pixels"])["columns"] == ["7 pixels", "10 pixels"]


def test_reconstructions_are_below_their_frames():
    linear = pca.fit(FRAMES, 2, np.random.default_rng(0))
    six = FRAMES[:6]
    data = pictures.reconstructions(six, list("abcdef"), linear, {"ours": vae()})
    assert data["rows"] == ["frame", "mean picture", "PCA, 2", "ours"]
    mean = np.repeat((FRAMES / np.float32(255)).mean(0)[None], 6, 0)
    grid = unpack(data["png"])
    assert np.abs(grid[1].astype(int) - as_bytes(mean)).max() <= 1
    check(data, [six, grid[1], as_bytes(linear(six)), as_bytes(measures.reconstruct(vae(), six))])


def test_stages_are_columns_and_the_frame_is_the_last():
    frames, stages = FRAMES[:2], {"paper's loss": [vae(1), vae(2)], "weighted loss": [vae(3), vae(4)]}
    data = pictures.training_stages(frames, stages, [500, 1000])
    assert data["rows"] == ["paper's loss", "weighted loss"] * 2
    assert data["columns"] == ["0.5k frames", "1k frames", "the frame"]
    decoded = {seed: as_bytes(measures.reconstruct(vae(seed), frames)) for seed in (1, 2, 3, 4)}
    expected = [[decoded[a][i], decoded[b][i], frames[i]] for i in range(2) for a, b in ((1, 2), (3, 4))]
    check(data, expected)


def test_a_traversal_moves_one_number_a_row():
    latent = np.array([0.5, -1.0, 2.0], np.float32)
    data = pictures.traversal(vae(), latent, [2, 0], [-1, 0, 3])
    assert data["rows"] == ["number 2", "number 0"] and data["columns"] == ["-1", "0", "3"]
    check(data, [as_bytes(measures.decode(vae(), latent_space.traverse(latent, d, [-1, 0, 3]))) for d in (2, 0)])


def test_an_interpolation_ends_at_the_two_frames():
    frames = FRAMES[[1, 4]]
    latents = measures.encode(vae(), frames).mean.numpy()
    data = pictures.interpolation(vae(), latents, frames, [0.0, 0.5, 1.0])
    assert data["rows"] == ["3 numbers", "pixels"] and data["columns"] == ["0.00", "0.50", "1.00"]
    decoded, mixed = unpack(data["png"])
    assert np.array_equal(mixed[[0, 2]], frames)
    assert np.abs(mixed[1].astype(float) - frames.mean(0)).max() <= 0.5
    assert np.array_equal(decoded[[0, 2]], as_bytes(measures.decode(vae(), latents)))


def test_a_fireball_is_sent_to_each_column_by_each_way():
    latent = np.array([0.5, -1.0, 2.0])
    ways = {"slope": np.array([0.0, 0.1, 0.0]), "curve": np.array([[1.0, 0, 0], [0, 0, 2.0]])}
    data = pictures.fireball_moves(vae(), latent, 30.0, [20, 30], ways)
    assert data["rows"] == ["slope", "curve"] and data["columns"] == ["to pixel 20", "to pixel 30"]
    by_slope = measures.decode(vae(), np.array([[0.5, -2.0, 2.0], latent]))
    shift = 2 * (np.cos(np.pi * 20 / 64) - np.cos(np.pi * 30 / 64))
    by_curve = measures.decode(vae(), np.array([[0.5, -1.0, 2.0 + shift], latent]))
    check(data, [as_bytes(by_slope), as_bytes(by_curve)])


def test_the_column_reached_is_that_of_the_largest_blob():
    dark = np.zeros((4, 64, 64, 3), np.float32)
    dark[1, 20:23, 8:12] = 1  # twelve pixels, columns 8 to 11
    dark[1, 40, 50:53] = 1
    dark[2, 5, 63] = 0.7
    dark[2, 9, 3] = 0.7  # as large: the first counts
    dark[3, 5, :] = 0.5  # not bright
    assert pictures.columns_reached(dark) == [None, 9.5, 63, None]
    assert pictures.columns_reached((dark * 255).astype(np.uint8)) == [None, 9.5, 63, None]
    data = pictures.fireball_moves(vae(), np.zeros(3), 30.0, [20, 30], {"slope": np.zeros(3), "curve": np.zeros((6, 3))})
    assert np.shape(data["reached"]) == (2, 2)


def test_the_sliders_pictures():
    latents = measures.encode(vae(), FRAMES[:2]).mean.numpy()
    way = np.array([0.0, 0.0, 0.5])
    (frame, decoded, moved), titles = pictures.moved_fireball(vae(), FRAMES[0], latents[0], 30.0, 36.0, way)
    assert np.array_equal(frame, FRAMES[0]) and titles[2] == "pixel 30 → 36"
    np.testing.assert_allclose(decoded, measures.decode(vae(), latents[:1])[0], atol=1e-6)
    np.testing.assert_allclose(moved, measures.decode(vae(), latents[:1] + 6 * way)[0], atol=1e-6)
    (decoded, mixed), titles = pictures.between(vae(), latents, FRAMES[:2], 1.0)
    assert len(titles) == 2 and np.array_equal(as_bytes(mixed), FRAMES[1])
    assert decoded == pytest.approx(measures.decode(vae(), latents[1:])[0], abs=1e-6)
