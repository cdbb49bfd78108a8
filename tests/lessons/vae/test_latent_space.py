"""Ways through a latent space against numbers worked out by hand."""

import numpy as np

from wmlib.lessons.vae.latent_space import interpolate, traverse


def test_moving_through_latent_space():
    a, b = np.arange(3.0), np.full(3, 5.0)
    assert traverse(a, 1, [-2, 7]).tolist() == [[0, -2, 2], [0, 7, 2]] and a[1] == 1
    np.testing.assert_allclose(interpolate(a, b, [0, 0.5, 1]), [a, (a + b) / 2, b])
