"""Blobs found again in another picture: known pictures, and loops that count the same."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from wmlib.lessons.vae.measures import (
    count_by_size,
    decode,
    encode,
    frames_with_blobs,
    largest_blobs,
    match_blobs,
    reconstruct,
    tally,
)
from wmlib.models.vae import VAE


def picture(*bright: tuple[int, int]) -> np.ndarray:
    """Return a dark picture with some white pixels."""
    dark = np.zeros((11, 13, 3))
    for row, column in bright:
        dark[row, column] = 1
    return dark


def stack(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 11, 13, 3), dtype=np.uint8)


def test_sizes_and_matches_of_known_blobs():
    first = picture((0, 0), (5, 5), (6, 6), (7, 5), (10, 12))  # the middle three touch at corners
    second = picture((6, 6), (10, 11))
    sizes, matched = match_blobs(first[None], second[None])
    assert sizes.tolist() == [1, 3, 1] and matched.tolist() == [False, True, False]
    sizes, matched = match_blobs(second[None], first[None])
    assert sizes.tolist() == [1, 1] and matched.tolist() == [True, False]


def test_blobs_do_not_reach_from_one_picture_to_the_next():
    pictures = np.stack([picture((4, 4)), picture((4, 4), (4, 5))])
    sizes, matched = match_blobs(pictures, np.stack([picture(), picture((4, 5))]))
    assert sizes.tolist() == [1, 2] and matched.tolist() == [False, True]


def test_matches_equal_a_loop_over_pictures_and_blobs():
    first, second = stack(5), stack(5, 1)
    sizes, matched = [], []
    for one, other in zip(first, second, strict=True):
        labels, count = ndimage.label(one.mean(-1) > 0.6 * 255, np.ones((3, 3)))
        for blob in range(1, count + 1):
            sizes.append((labels == blob).sum())
            matched.append((other.mean(-1)[labels == blob] > 0.6 * 255).any())
    ours = match_blobs(first, second)
    assert ours[0].tolist() == sizes and ours[1].tolist() == matched
    as_floats = match_blobs(first / 255, (second / 255).astype(np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(ours, as_floats, strict=True))


def test_the_same_picture_matches_all_and_a_dark_one_nothing():
    bright = np.random.default_rng(0).random((3, 7, 7, 3))
    assert match_blobs(bright, bright)[1].all() and not match_blobs(bright, 0 * bright)[1].any()
    assert len(match_blobs(0 * bright, bright)[0]) == 0


def test_counts_by_size():
    sizes = np.array([1, 5, 6, 20, 21, 2, 7])
    matched = np.array([1, 0, 1, 1, 0, 0, 0], bool)
    counts, hits = count_by_size(sizes, matched)
    assert counts.tolist() == [3, 3, 1, 0] and hits.tolist() == [1, 2, 0, 0]
    counts, hits = count_by_size(sizes, matched, classes=(6, 7))  # smaller ones belong to no class
    assert counts.tolist() == [1, 3] and hits.tolist() == [1, 1]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"both must be the same \(B, H, W, 3\)"):
        match_blobs(np.zeros((2, 7, 7, 3)), np.zeros((1, 7, 7, 3)))
    with pytest.raises(ValueError, match=r"both must be the same \(B, H, W, 3\)"):
        match_blobs(np.zeros((7, 7, 3)), np.zeros((7, 7, 3)))


def test_a_tally_counts_each_episode_by_itself():
    frames = [stack(2), stack(3, 1)]
    pictures = [stack(2, 2), stack(3, 3) / np.float32(255)]
    counts = tally(zip(frames, pictures, strict=True), classes=(1, 3))
    for e, (one, other) in enumerate(zip(frames, pictures, strict=True)):
        for total, part, pair in (("blobs", "detected", (one, other)), ("drawn", "matched", (other, one))):
            sizes, matched = match_blobs(*pair)
            assert counts[total][e].tolist() == [(sizes < 3).sum(), (sizes >= 3).sum()]
            assert counts[part][e].tolist() == [matched[sizes < 3].sum(), matched[sizes >= 3].sum()]
        in_frame = one.mean(-1) / 255 > 0.6
        drawn = (other / 255 if other.dtype == np.uint8 else other).mean(-1) > 0.6
        assert counts["bright"][e].tolist() == [in_frame.sum(), drawn.sum(), (in_frame & drawn).sum()]
        as_floats = other / 255 if other.dtype == np.uint8 else other
        assert counts["squared_error"][e] == pytest.approx(((one / 255 - as_floats) ** 2).sum(), rel=1e-5)
    assert counts["frames"].tolist() == [2, 3]


def test_a_tally_without_any_blob_counts_zero():
    dark = np.zeros((2, 7, 7, 3), np.uint8)
    counts = tally([(dark, dark)])
    assert not counts["blobs"].any() and not counts["detected"].any() and counts["blobs"].shape == (1, 4)


def test_the_largest_blob_of_each_picture():
    frames = np.stack([picture((0, 0), (5, 5), (6, 6)), picture(), picture((3, 3))])
    assert largest_blobs(frames).tolist() == [2, 0, 1]


def test_a_frame_of_each_size_is_chosen_in_the_order_given_and_without_bright_sides():
    frames = np.zeros((5, 11, 13, 3), np.uint8)
    frames[2, 4, 0] = 255  # at the left side
    largest = np.array([3, 9, 9, 3, 20])
    assert frames_with_blobs(frames, largest, (3, 10, 99), np.arange(5)) == [0, 1, 4]
    assert frames_with_blobs(frames, largest, (3, 10, 99), np.array([4, 3, 2, 1, 0])) == [3, 1, 4]


def test_batches_change_nothing():
    vae = VAE(generator=torch.Generator().manual_seed(0), latent_size=3, channels=1)
    frames = np.random.default_rng(0).integers(256, size=(7, 64, 64, 3), dtype=np.uint8)
    posterior = vae.encode(frames)
    torch.testing.assert_close(encode(vae, frames, 3).log_variance, posterior.log_variance)
    np.testing.assert_allclose(reconstruct(vae, frames, 3), vae.decode(posterior.mean).detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(decode(vae, posterior.mean.detach().numpy()), reconstruct(vae, frames), atol=1e-6)
