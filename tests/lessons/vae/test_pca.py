"""Principal components against NumPy's full decomposition."""

import numpy as np
import pytest

from wmlib.lessons.vae import pca


def frames(count: int = 53) -> np.ndarray:
    """Pictures whose variances fall off, uint8 (count, 5, 7, 3)."""
    rng = np.random.default_rng(0)
    spread = 60 * 0.7 ** np.arange(105)
    varied = 128 + (rng.standard_normal((count, 105)) * spread) @ np.linalg.qr(rng.standard_normal((105, 105)))[0]
    return np.clip(varied, 0, 255).astype(np.uint8).reshape(count, 5, 7, 3)


def test_equal_to_the_full_decomposition():
    x = frames()
    linear = pca.fit(x, 11, np.random.default_rng(1))
    flat = x.reshape(53, -1) / 255
    _, _, directions = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    np.testing.assert_allclose(linear.mean, flat.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.abs((linear.components * directions[:11]).sum(1)), 1, atol=1e-3)  # a sign is free
    np.testing.assert_allclose(linear.components @ linear.components.T, np.eye(11), atol=1e-5)
    np.testing.assert_allclose(linear.variances, linear.encode(x).var(0), rtol=1e-4)


def test_more_components_less_error_and_none_is_the_mean():
    x = frames()
    errors = [np.square(pca.fit(x, z, np.random.default_rng(1))(x) - x / 255).sum() for z in (0, 1, 3, 11, 52)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1
    for alone in (pca.fit(x, 0, np.random.default_rng(1)), pca.fit(x, 5, np.random.default_rng(1)).truncated(0)):
        assert alone.encode(x).shape == (53, 0)
        np.testing.assert_allclose(alone(x)[7], x.mean(0) / 255, atol=1e-6)


def test_pictures_stay_in_range_and_the_start_does_not_matter():
    x = frames()
    linear, other = (pca.fit(x, 5, np.random.default_rng(seed)) for seed in (1, 2))
    assert linear(x).shape == x.shape and linear(x).min() >= 0 and linear(x).max() <= 1
    np.testing.assert_allclose(linear(x), other(x), atol=1e-3)
    again = pca.fit(x, 5, np.random.default_rng(1))
    assert np.array_equal(linear.components, again.components)


def test_a_limited_code_says_as_much_as_allowed_and_no_more():
    line = pca.PCA(np.zeros(3, np.float32), np.eye(3, dtype=np.float32), np.array([8.0, 2.0, 0.5]))
    # by hand: noise 1 leaves 8 and 2, which say (ln 8 + ln 2) / 2 = 2 ln 2 nats, and shrinks them by 7/8 and 1/2
    x = np.full((1, 3), 0.5, np.float32)
    np.testing.assert_allclose(line.limited(2 * np.log(2))(x), [[0.5 * 7 / 8, 0.25, 0]], atol=1e-6)
    np.testing.assert_allclose(line.limited(50.0)(x), x, atol=1e-6)
    assert np.abs(line.limited(1e-9)(x)).max() < 1e-6


def test_too_many_components_are_refused():
    with pytest.raises(ValueError, match="latent_size: got 12; allowed is 0 to 11"):
        pca.fit(frames(11), 12, np.random.default_rng(0))
