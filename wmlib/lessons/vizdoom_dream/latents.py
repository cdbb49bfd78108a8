"""What world models learn from, on disk: the latents of all frames and what was done, without a frame.

Reading guide. A folder holds a collection of whole episodes: mean.npy and log_variance.npy, float16 (rows, Z), and steps.npz.
`read` returns it as `LatentEpisodes`, which says what is trained on. There are three ways to fill a folder: `encode_frames`
encodes recorded frames, `games.collect_latents` an agent's games while it plays, and `join` puts collections one after another.

Of every collection the last episodes are held out. Of a joined one those of all its parts are, and lie at its end.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from wmlib.envs.doom import take_cover
from wmlib.lessons.vae import pipeline as vae_pipeline
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts
from wmlib.training.jobs import parallel_map
from wmlib.training.world_model import Experience

ACTIONS = torch.tensor(take_cover.BUTTONS, dtype=torch.float32)  # how left, stay and right are given to a world model
COLUMNS = ("mean", "log_variance")
STEPS = "steps.npz"  # actions, rewards, terminated (rows,); lengths (episodes,); training: episodes to train on, the first ones
BATCH = 32  # frames encoded at once, or a few more: what the layers make of so many stays in a core's cache


class LatentEpisodes(NamedTuple):
    """Hold a collection: all rows, and what of it is trained on.

    Args:
        experience: all rows; those of an episode lie together.
        starts: int64 (episodes,), first row of each episode.
        training: episodes to train on, the first ones; the others are held out.
    """

    experience: Experience
    starts: np.ndarray
    training: int

    @property
    def training_rows(self) -> int:
        """Rows to train on, the first ones."""
        return int(self.starts[self.training])

    def part(self, name: str) -> list[np.ndarray]:
        """Return the rows of each episode of a part, int64 (T + 1,).

        Args:
            name: "all", "held out", or one half of these: "search", on which tunings are chosen, or "test", which is reported.
        """
        episodes = np.split(np.arange(len(self.experience.resets)), self.starts[1:])
        held_out = episodes[self.training :]
        half = len(held_out) // 2
        return {"all": episodes, "held out": held_out, "search": held_out[:half], "test": held_out[half:]}[name]


def read(folder: Path) -> LatentEpisodes:
    """Return a collection; the latents stay on disk and are memory-mapped."""
    mean, log_variance = (np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in COLUMNS)
    with np.load(folder / STEPS) as steps:
        actions, rewards, terminated, lengths = (steps[name] for name in ("actions", "rewards", "terminated", "lengths"))
        training = int(steps["training"])
    ends = np.cumsum(lengths + 1)
    starts = ends - lengths - 1
    acted = np.ones(len(actions), bool)
    resets = np.zeros(len(actions), bool)
    acted[ends - 1] = False
    resets[starts] = True
    experience = Experience(mean, log_variance, ACTIONS.numpy()[actions], rewards, terminated, acted, resets)
    return LatentEpisodes(experience, starts, training)


def encode_frames(folder: Path, data: Rollouts, vae: VAE, device: torch.device) -> None:
    """Encode all frames of recorded episodes into a folder, in parallel processes."""
    for name in COLUMNS:
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, (len(data), vae.latent_size)).flush()
    blocks = [slice(first, first + 2000) for first in range(0, len(data), 2000)]
    parallel_map(_encode_rows, [(folder, data.folder, vae, rows, device) for rows in blocks], "encoding")
    write_steps(folder, data.actions, data.rewards, data.terminated, data.lengths)


def _encode_rows(folder: Path, data: Path, vae: VAE, rows: slice, device: torch.device) -> None:
    rollouts = Rollouts(data)
    frames = rollouts.frames(np.arange(*rows.indices(len(rollouts))))
    vae = copy.deepcopy(vae).to(device)
    with torch.no_grad():
        posteriors = [vae.encode(batch) for batch in np.array_split(frames, max(1, len(frames) // BATCH))]
    for name, values in zip(COLUMNS, zip(*posteriors, strict=True), strict=True):
        np.load(folder / f"{name}.npy", mmap_mode="r+")[rows] = torch.cat(values).cpu().numpy()


def write_steps(folder: Path, actions: np.ndarray, rewards: np.ndarray, terminated: np.ndarray, lengths: np.ndarray) -> None:
    """Write what was done in the episodes of a folder; their last ones are held out.

    Args:
        folder: where.
        actions: int (rows,), 0 to 2, of the last row of an episode 0; rewards: float32 (rows,); terminated: bool (rows,).
        lengths: int (episodes,), actions of each; it has one row more.
    """
    training = len(lengths) - vae_pipeline.num_held_out(len(lengths))
    np.savez(
        folder / STEPS, actions=actions, rewards=rewards, terminated=terminated, lengths=lengths, training=np.array(training)
    )


def join(folder: Path, parts: Sequence[Path]) -> None:
    """Put collections one after another: what is trained on of each, and then what is held out of each.

    Args:
        folder: to be filled.
        parts: folders, one at least, of latents of one VAE.
    """
    steps = []
    for part in parts:
        with np.load(part / STEPS) as arrays:
            steps.append(dict(arrays))
    episodes = [int(each["training"]) for each in steps]
    rows = [int((each["lengths"][:count] + 1).sum()) for each, count in zip(steps, episodes, strict=True)]

    def joined(arrays: Sequence[np.ndarray], cuts: Sequence[int]) -> np.ndarray:
        pairs = list(zip(arrays, cuts, strict=True))
        return np.concatenate([array[:cut] for array, cut in pairs] + [array[cut:] for array, cut in pairs])

    for name in COLUMNS:
        np.save(folder / f"{name}.npy", joined([np.load(part / f"{name}.npy", mmap_mode="r") for part in parts], rows))
    np.savez(
        folder / STEPS,
        actions=joined([each["actions"] for each in steps], rows),
        rewards=joined([each["rewards"] for each in steps], rows),
        terminated=joined([each["terminated"] for each in steps], rows),
        lengths=joined([each["lengths"] for each in steps], episodes),
        training=np.array(sum(episodes)),
    )
