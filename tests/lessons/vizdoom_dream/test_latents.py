"""Latents on disk: frames encoded, what is held out, collections put one after another."""

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.lessons.vae import pipeline as vae_pipeline
from wmlib.lessons.vizdoom_dream import latents
from wmlib.training.world_model import Experience


def write(folder, lengths, seed):
    """Write a collection of made-up latents of such lengths, each episode ending with a death."""
    folder.mkdir()
    rows = sum(lengths) + len(lengths)
    rng = np.random.default_rng(seed)
    for name in latents.COLUMNS:
        np.save(folder / f"{name}.npy", rng.normal(size=(rows, 2)).astype(np.float16))
    terminated = np.zeros(rows, bool)
    terminated[np.cumsum(np.array(lengths) + 1) - 2] = True
    latents.write_steps(folder, rng.integers(3, size=rows), rng.random(rows, np.float32), terminated, np.array(lengths))
    return latents.read(folder)


def content(episodes, part):
    """Return the columns of each episode of a part."""
    return [[column[rows].tolist() for column in episodes.experience] for rows in episodes.part(part)]


def test_latents_are_what_the_vae_says(world, data):
    _, encoded = world
    table = latents.read(encoded.latents).experience
    with torch.no_grad():
        expected = encoded.vae.encode(data.frames(np.arange(len(data))))
    for ours, theirs in zip(table[:2], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)
    assert table.mean.dtype == np.float16 and table.actions[:3].tolist() == [[1, 0], [0, 0], [0, 1]]  # left, stay, right
    for name in ("rewards", "terminated", "acted", "resets"):
        assert np.array_equal(getattr(table, name), getattr(data, name)), name


@pytest.mark.parametrize("count", [33, 70])
def test_few_frames_at_once_have_the_latents_of_all_at_once(count):
    vae = weights.load("vae_10000_episodes")[0].eval()
    frames = np.random.default_rng(0).integers(256, size=(count, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        together = vae.encode(frames)
        parts = [vae.encode(batch) for batch in np.array_split(frames, count // latents.BATCH)]
    assert all(torch.equal(one, torch.cat(other)) for one, other in zip(together, zip(*parts, strict=True), strict=True))


def test_what_is_held_out_is_what_notebook_04_holds_out(world, data):
    _, encoded = world
    episodes = latents.read(encoded.latents)
    rows, held_out = vae_pipeline.split(data)
    assert episodes.training_rows == len(rows) and len(episodes.part("all")) == 13
    for ours, theirs in zip(episodes.part("held out"), held_out, strict=True):
        assert np.array_equal(ours, theirs)
    search, test = episodes.part("search"), episodes.part("test")  # what is reported was not searched on
    assert [rows.tolist() for rows in search + test] == [rows.tolist() for rows in held_out] and len(search) == len(test) == 1


def test_of_each_part_of_a_joined_collection_some_is_held_out(tmp_path):
    lengths = {"base": [4] * 18 + [5] * 2, "own": [6] * 27 + [7] * 3, "later": [8, 9, 10, 11]}
    parts = {name: write(tmp_path / name, each, i) for i, (name, each) in enumerate(lengths.items())}
    (tmp_path / "two").mkdir()
    latents.join(tmp_path / "two", [tmp_path / "base", tmp_path / "own"])
    (tmp_path / "three").mkdir()
    latents.join(tmp_path / "three", [tmp_path / "two", tmp_path / "later"])  # joined twice is joined at once
    for folder, names in (("two", ["base", "own"]), ("three", list(parts))):
        joined = latents.read(tmp_path / folder)
        assert joined.training == sum(parts[name].training for name in names)
        assert content(joined, "held out") == [each for name in names for each in content(parts[name], "held out")]
        trained = [each for name in names for each in content(parts[name], "all")[: parts[name].training]]
        assert content(joined, "all")[: joined.training] == trained
        table = Experience(*(column[: joined.training_rows] for column in joined.experience))
        assert table.terminated.sum() == joined.training and not table.acted[-1]
    assert [len(rows) for rows in latents.read(tmp_path / "two").part("held out")] == [6, 6, 8, 8, 8]
