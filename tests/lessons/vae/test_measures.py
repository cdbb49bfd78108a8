"""Blobs found again: known pictures, and the loss under which a small one survives."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from wmlib.models.vae import VAE
from wmlib.lessons.vae.measures import (
    between,
    blobs_found,
    decode,
    encode,
    hit_rates,
    largest_blobs,
    nearest,
    reconstruct,
    tally,
    traverse,
    walk,
)  # fmt: skip


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


def stack(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 11, 13, 3), dtype=np.uint8)


def test_a_tally_counts_each_episode_by_itself():
    frames, pictures = [stack(2), stack(3, 1)], [stack(2, 2), stack(3, 3) / np.float32(255)]
    found = tally(zip(frames, pictures, strict=True), classes=(1, 3))
    for e, (one, other) in enumerate(zip(frames, pictures, strict=True)):
        for of, share, pair in (("blobs", "kept", (one, other)), ("drawn", "real", (other, one))):
            sizes, seen = blobs_found(*pair)
            assert found[of][e].tolist() == [(sizes < 3).sum(), (sizes >= 3).sum()]
            assert found[share][e].tolist() == [seen[sizes < 3].sum(), seen[sizes >= 3].sum()]
        there, drawn = ((x / 255 if x.dtype == np.uint8 else x).mean(-1) > 0.6 for x in (one, other))
        assert found["bright"][e].tolist() == [there.sum(), drawn.sum(), (there & drawn).sum()]
        as_floats = other / 255 if other.dtype == np.uint8 else other
        assert found["squared_error"][e] == pytest.approx(((one / 255 - as_floats) ** 2).sum(), rel=1e-5)
    assert found["frames"].tolist() == [2, 3]


def test_a_tally_without_any_blob_counts_zero():
    dark = np.zeros((2, 7, 7, 3), np.uint8)
    found = tally([(dark, dark)])
    assert not found["blobs"].any() and not found["kept"].any() and found["blobs"].shape == (1, 4)


def test_the_largest_blob_of_each_picture():
    frames = np.stack([picture((0, 0), (5, 5), (6, 6)), picture(), picture((3, 3))])
    assert largest_blobs(frames).tolist() == [2, 0, 1]


def test_nearest_and_walk_equal_a_loop():
    rng = np.random.default_rng(0)
    latents, episodes = rng.standard_normal((23, 5)), rng.integers(7, size=23)
    distance = np.linalg.norm(latents[:, None] - latents, axis=-1)
    for i, near in enumerate(nearest(latents, episodes)):
        others = [j for j in range(23) if episodes[j] != episodes[i]]
        assert near == min(others, key=lambda j: distance[i, j])
    way = walk(latents, episodes, 4, 3)
    assert way[0] == 4 and len(way) == 4
    for step in range(1, 4):
        fresh = [j for j in range(23) if episodes[j] not in episodes[way[:step]]]
        assert way[step] == min(fresh, key=lambda j: distance[way[step - 1], j])
    assert len(walk(latents, episodes, 0, 99)) == len(np.unique(episodes))


def test_moving_through_latent_space():
    a, b = np.arange(3.0), np.full(3, 5.0)
    assert traverse(a, 1, [-2, 7]).tolist() == [[0, -2, 2], [0, 7, 2]] and a[1] == 1
    np.testing.assert_allclose(between(a, b, [0, 0.5, 1]), [a, (a + b) / 2, b])


def test_batches_change_nothing():
    vae = VAE(generator=torch.Generator().manual_seed(0), latent=3, width=1)
    frames = np.random.default_rng(0).integers(256, size=(7, 64, 64, 3), dtype=np.uint8)
    whole = vae.encode(frames)
    torch.testing.assert_close(encode(vae, frames, 3).log_variance, whole.log_variance)
    np.testing.assert_allclose(reconstruct(vae, frames, 3), vae.decode(whole.mean).detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(decode(vae, whole.mean.detach().numpy()), reconstruct(vae, frames), atol=1e-6)
