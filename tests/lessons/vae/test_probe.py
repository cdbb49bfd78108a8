"""The linear probe against the normal equations, and the ways of a fireball against plain loops."""

import numpy as np
import pytest
import torch

from wmlib.lessons.vae import measures, pca, probe
from wmlib.models.vae import VAE

RNG = np.random.default_rng(0)
LATENTS = RNG.standard_normal((37, 5))
COLUMNS = 30 + LATENTS @ [3.0, -2.0, 0.0, 1.0, 0.5] + RNG.standard_normal(37)


class Frames:
    """What `examine` needs of a collection."""

    def __init__(self, frames):
        self.all = frames

    def frames(self, rows):
        return self.all[rows]


def test_a_probe_solves_the_normal_equations():
    found = probe.fit(LATENTS, COLUMNS)
    design = np.hstack([LATENTS, np.ones((37, 1))])
    expected = np.linalg.solve(design.T @ design, design.T @ COLUMNS)
    np.testing.assert_allclose([*found.weights, found.constant], expected, rtol=1e-9)
    np.testing.assert_allclose(found.read(LATENTS), design @ expected)


def test_r_squared_is_one_minus_residual_over_total():
    found = probe.fit(LATENTS, COLUMNS)
    read = found.read(LATENTS)
    residual = sum((x - r) ** 2 for x, r in zip(COLUMNS, read, strict=True))
    total = sum((x - sum(COLUMNS) / 37) ** 2 for x in COLUMNS)
    assert probe.r_squared(read, COLUMNS) == pytest.approx(1 - residual / total)
    assert probe.r_squared(read, COLUMNS) == pytest.approx(np.corrcoef(read, COLUMNS)[0, 1] ** 2)  # of a fit, on its own data
    assert probe.r_squared(np.full(37, COLUMNS.mean()), COLUMNS) == pytest.approx(0)
    assert probe.r_squared(-COLUMNS, COLUMNS) < 0


def test_fewer_frames_than_latents_and_none():
    few = probe.fit(LATENTS[:3], COLUMNS[:3])
    np.testing.assert_allclose(few.read(LATENTS[:3]), COLUMNS[:3])
    for count in (0, 1):
        with pytest.raises(ValueError, match=f"got {count}; allowed are two and more"):
            probe.fit(LATENTS[:count], COLUMNS[:count])


def test_the_slope_is_that_of_each_latent_against_the_column():
    expected = [np.polyfit(COLUMNS, latent, 1)[0] for latent in LATENTS.T]
    np.testing.assert_allclose(probe.slope(LATENTS, COLUMNS), expected)


def test_a_curve_of_cosines_is_found_again():
    columns = np.arange(0.0, 64, 1.7)
    true = RNG.standard_normal((4, 3))
    latents = np.array([[sum(true[k, d] * np.cos(np.pi * k * x / 64) for k in range(4)) for d in range(3)] for x in columns])
    found = probe.fit_curve(latents, columns, 4)
    np.testing.assert_allclose(found, true, atol=1e-9)
    np.testing.assert_allclose(probe.along(found, columns[:5]), latents[:5], atol=1e-9)


def test_a_fireball_stays_where_it_is_sent_to_its_own_column():
    latent = LATENTS[0]
    for way in (np.arange(5.0), RNG.standard_normal((6, 5))):
        moved = probe.moved(latent, 20.0, [20.0, 25.0], way)
        np.testing.assert_allclose(moved[0], latent, atol=1e-12)
        step = 5 * way if way.ndim == 1 else probe.along(way, [25.0])[0] - probe.along(way, [20.0])[0]
        np.testing.assert_allclose(moved[1], latent + step)


def test_the_weights_move_the_reading_by_a_pixel_and_no_step_is_shorter():
    frames = RNG.integers(256, size=(37, 64, 64, 3), dtype=np.uint8)
    vae = VAE(generator=torch.Generator().manual_seed(0), latent_size=5, channels=1)
    ways = probe.ways(vae, Frames(frames), (np.arange(37), COLUMNS))
    latents = measures.encode(vae, frames).mean.numpy().astype(float)
    found = probe.fit(latents, COLUMNS)
    before, after = found.read(np.stack([latents[0], latents[0] + ways["weights"]]))
    assert after - before == pytest.approx(1, rel=1e-6)
    other = ways["slope"] / (ways["slope"] @ found.weights)  # moves the reading by a pixel too
    assert np.linalg.norm(ways["weights"]) <= np.linalg.norm(other)
    np.testing.assert_allclose(ways["curve"], probe.fit_curve(latents, COLUMNS))


def test_it_is_fitted_to_some_frames_and_reads_others():
    """Frames whose only difference is where a bright column is: principal components tell it exactly."""
    columns = np.arange(60)
    frames = np.zeros((60, 64, 64, 3), np.uint8)
    for column in columns:
        frames[column, :, :, :] = 4 * column
    linear = pca.fit(frames, 1, np.random.default_rng(0))
    half = columns[::2], columns[1::2]
    result = probe.examine(linear, Frames(frames), (half[0], half[0].astype(float)), (half[1], half[1].astype(float)))
    assert result["r_squared"] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(result["read"], half[1], atol=0.02)
    vae = VAE(generator=torch.Generator().manual_seed(0), latent_size=3, channels=1)
    result = probe.examine(vae, Frames(frames), (half[0], half[0].astype(float)), (half[1], half[1].astype(float)))
    latents = measures.encode(vae, frames).mean.numpy().astype(float)
    read = probe.fit(latents[::2], half[0].astype(float)).read(latents[1::2])
    np.testing.assert_allclose(result["read"], read)
    assert result["r_squared"] == pytest.approx(probe.r_squared(read, half[1]))
