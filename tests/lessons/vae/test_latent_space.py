"""Ways through a latent space against plain loops, and neighbours that are known."""

import numpy as np
import torch

from wmlib.lessons.vae import measures, pca
from wmlib.lessons.vae.latent_space import interpolate, nearest, tally_neighbours, traverse, walk
from wmlib.models.vae import VAE


class Frames:
    """What `tally_neighbours` needs of a collection."""

    def __init__(self, frames: np.ndarray) -> None:
        self.all = frames

    def frames(self, rows: np.ndarray) -> np.ndarray:
        return self.all[rows]


def test_nearest_and_walk_equal_a_loop():
    rng = np.random.default_rng(0)
    latents, episodes = rng.standard_normal((23, 5)), rng.integers(7, size=23)
    distance = np.linalg.norm(latents[:, None] - latents, axis=-1)
    for i, neighbour in enumerate(nearest(latents, episodes)):
        candidates = [j for j in range(23) if episodes[j] != episodes[i]]
        assert neighbour == min(candidates, key=lambda j: distance[i, j])
    visited = walk(latents, episodes, 4, 3)
    assert visited[0] == 4 and len(visited) == 4
    for step in range(1, 4):
        fresh = [j for j in range(23) if episodes[j] not in episodes[visited[:step]]]
        assert visited[step] == min(fresh, key=lambda j: distance[visited[step - 1], j])
    assert len(walk(latents, episodes, 0, 99)) == len(np.unique(episodes))


def test_moving_through_latent_space():
    a, b = np.arange(3.0), np.full(3, 5.0)
    assert traverse(a, 1, [-2, 7]).tolist() == [[0, -2, 2], [0, 7, 2]] and a[1] == 1
    np.testing.assert_allclose(interpolate(a, b, [0, 0.5, 1]), [a, (a + b) / 2, b])


def test_a_neighbour_is_tallied_as_a_picture_of_the_frame():
    """Frame 2 of each episode equals frame 0 or 1 of the other one but for one dim pixel: a ball at the same place."""
    frames = np.zeros((5, 64, 64, 3), np.uint8)
    frames[0, 10:13, 20:23] = frames[3, 10:13, 20:23] = 255
    frames[1, 40:43, 50:53] = frames[4, 40:43, 50:53] = 255
    frames[3, 0, 0] = frames[4, 0, 0] = 20
    rows = [np.array([0, 1]), np.array([3, 4])]
    vae = VAE(generator=torch.Generator().manual_seed(0), latent_size=3, channels=1)
    linear = pca.fit(frames[[0, 1, 3, 4]], 2, np.random.default_rng(0))
    tallies = tally_neighbours(linear, {"ours": [vae, vae]}, Frames(frames), rows, np.random.default_rng(0))
    assert list(tallies) == ["pixels", "PCA", "ours", "a random frame"]
    assert [len(each) for each in tallies.values()] == [1, 1, 2, 1]
    for name in ("pixels", "PCA"):
        assert tallies[name][0]["detected"].tolist() == tallies[name][0]["blobs"].tolist() == [[0, 2, 0, 0]] * 2
    shuffled = frames[[0, 1, 3, 4]][np.random.default_rng(0).permutation(4)]
    expected = measures.tally([(frames[[0, 1]], shuffled[:2]), (frames[[3, 4]], shuffled[2:])])
    assert all(np.array_equal(tallies["a random frame"][0][name], value) for name, value in expected.items())


def test_each_training_seed_has_neighbours_of_its_own():
    frames = np.random.default_rng(0).integers(256, size=(12, 64, 64, 3), dtype=np.uint8)
    frames[:, 20:28, 20:28] = 255 * (np.arange(12) % 3 == 0)[:, None, None, None]
    rows, episodes = [np.arange(6), np.arange(6, 12)], np.arange(12) // 6
    vaes = [VAE(generator=torch.Generator().manual_seed(seed), latent_size=3, channels=1) for seed in range(2)]
    linear = pca.fit(frames, 2, np.random.default_rng(0))
    tallies = tally_neighbours(linear, {"ours": vaes}, Frames(frames), rows, np.random.default_rng(0))
    for vae, counts in zip(vaes, tallies["ours"], strict=True):
        pictures = frames[nearest(measures.encode(vae, frames).mean.numpy(), episodes)]
        expected = measures.tally([(frames[:6], pictures[:6]), (frames[6:], pictures[6:])])
        assert all(np.array_equal(counts[name], value) for name, value in expected.items())
    assert not np.array_equal(tallies["ours"][0]["bright"], tallies["ours"][1]["bright"])
