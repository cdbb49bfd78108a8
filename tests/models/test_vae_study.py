"""Blobs found again: known pictures, and the loss under which a small one survives."""

import numpy as np
import pytest
from scipy import ndimage

from wmlib.models.vae_study import blobs_found, hit_rates


def picture(*bright: tuple[int, int]) -> np.ndarray:
    made = np.zeros((11, 13, 3))
    for row, column in bright:
        made[row, column] = 1
    return made


def test_sizes_and_hits_of_known_blobs():
    first = picture((0, 0), (5, 5), (6, 6), (7, 5), (10, 12))  # the middle three touch at corners
    second = picture((6, 6), (10, 11))
    sizes, found = blobs_found(first[None], second[None])
    assert sizes.tolist() == [1, 3, 1] and found.tolist() == [False, True, False]
    sizes, found = blobs_found(second[None], first[None])
    assert sizes.tolist() == [1, 1] and found.tolist() == [True, False]


def test_blobs_do_not_reach_from_one_picture_to_the_next():
    stack = np.stack([picture((4, 4)), picture((4, 4), (4, 5))])
    sizes, found = blobs_found(stack, np.stack([picture(), picture((4, 5))]))
    assert sizes.tolist() == [1, 2] and found.tolist() == [False, True]


def test_equal_to_a_loop_over_pictures_and_blobs():
    rng = np.random.default_rng(0)
    first, second = (rng.integers(256, size=(5, 11, 13, 3), dtype=np.uint8) for _ in range(2))
    sizes, found = [], []
    for one, other in zip(first, second, strict=True):
        labels, count = ndimage.label(one.mean(-1) > 0.6 * 255, np.ones((3, 3)))
        for blob in range(1, count + 1):
            sizes.append((labels == blob).sum())
            found.append((other.mean(-1)[labels == blob] > 0.6 * 255).any())
    ours = blobs_found(first, second)
    assert ours[0].tolist() == sizes and ours[1].tolist() == found
    as_floats = blobs_found(first / 255, (second / 255).astype(np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(ours, as_floats, strict=True))


def test_the_same_picture_finds_all_and_a_dark_one_nothing():
    bright = np.random.default_rng(0).random((3, 7, 7, 3))
    assert blobs_found(bright, bright)[1].all() and not blobs_found(bright, 0 * bright)[1].any()
    assert len(blobs_found(0 * bright, bright)[0]) == 0


def test_rates_by_size():
    sizes, found = np.array([1, 5, 6, 20, 21, 2, 7]), np.array([1, 0, 1, 1, 0, 0, 0], bool)
    rates, counts = hit_rates(sizes, found)
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 0]) and np.isnan(rates[3]) and counts.tolist() == [3, 3, 1, 0]
    rates, counts = hit_rates(sizes, found, classes=(6, 7))  # smaller ones belong to no class
    assert rates == pytest.approx([1, 1 / 3]) and counts.tolist() == [1, 3]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"both must be the same \(B, H, W, 3\)"):
        blobs_found(np.zeros((2, 7, 7, 3)), np.zeros((1, 7, 7, 3)))
    with pytest.raises(ValueError, match=r"both must be the same \(B, H, W, 3\)"):
        blobs_found(np.zeros((7, 7, 3)), np.zeros((7, 7, 3)))
