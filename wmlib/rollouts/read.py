"""Read a collection: single frames, windows of consecutive rows, whole episodes.

Reading guide. All episodes of all shards are one long table of rows (see `wmlib.rollouts.store` for what a row is), and
every way of reading is a choice of row numbers: draw them with `random_rows` or `windows`, then take what belongs to
them with `frames` or `steps`. Anything else with one entry a row, such as a frame's latent, is read by the same numbers.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wmlib.experiment.records import RecordError
from wmlib.rollouts import store
from wmlib.rollouts.store import RolloutError


class Steps(NamedTuple):
    """What rows hold; every array has the shape of the row numbers first."""

    frames: np.ndarray  # uint8 (…, frame)
    actions: np.ndarray  # (…, action), taken on seeing the frame; zeros where none was
    rewards: np.ndarray  # float32, of that action
    terminated: np.ndarray  # bool, that action was fatal
    acted: np.ndarray  # bool, False in the last row of an episode: there was no action, the next row is another episode
    resets: np.ndarray  # bool, first row of an episode: nothing is to be remembered from the row before


class Rollouts:
    """A whole collection in a folder; frames stay on disk and are memory-mapped.

    Attributes:
        actions, rewards, terminated, acted, resets: over all rows, as in `Steps`.
        starts: int64 (episodes,), first row of each episode.
        lengths: int64 (episodes,), its actions; it has one row more.
        manifest: what the collection was made with.
        folder: where it lies.

    Args:
        folder: as given to `collect`.

    Raises:
        RolloutError: it is not whole, or a shard is another's. Of the frames only the sizes are compared here; checksums by
            `collect`, which also mends.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder = Path(folder)
        try:
            self.manifest = store.read_manifest(folder)
        except FileNotFoundError:
            raise RolloutError(f"{folder} holds no collection: there is no {store.MANIFEST}. Make one by collect()") from None
        except RecordError as error:
            raise RolloutError(f"{folder}: {error}. Call collect() again: it makes what is missing") from None
        steps = []
        for shard in range(store.num_shards(self.manifest)):
            fault = store.fault(folder, shard, self.manifest, checksums=False)
            if fault is not None:
                what = fault or "it has not been collected"
                raise RolloutError(f"{folder}: shard {shard}: {what}. Call collect() again: it makes what is missing")
            with np.load(store.shard_path(folder, shard, store.STEPS)) as arrays:
                steps.append(dict(arrays))
        self.actions, self.rewards, self.terminated, self.lengths = (
            np.concatenate([s[name] for s in steps]) for name in ("actions", "rewards", "terminated", "lengths")
        )
        ends = np.cumsum(self.lengths + 1)
        self.starts = ends - self.lengths - 1
        self.resets = np.zeros(len(self), bool)
        self.acted = np.ones(len(self), bool)
        self.resets[self.starts], self.acted[ends - 1] = True, False
        self._maps = [self._map(shard, len(each["rewards"])) for shard, each in enumerate(steps)]
        self._frames = [m.view(np.ndarray) for m in self._maps]  # indexing a memmap object itself is slower
        self._first = np.cumsum([0, *map(len, self._frames)])  # first row of each shard, and the number of rows

    def _map(self, shard: int, rows: int) -> Any:
        """Return the frames of a shard, mapped into memory."""
        path = store.shard_path(self.folder, shard, store.FRAMES)
        try:
            frames = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise RolloutError(f"{path} cannot be read ({error}). Call collect() again: it makes what is missing") from None
        if frames.dtype != np.uint8 or len(frames) != rows:
            raise RolloutError(
                f"{path} has changed: it holds {frames.dtype} {frames.shape}, not {rows} frames. Call collect() again"
            )
        return frames

    def cache_key(self) -> Path:
        """Return the folder: where experience is an artifact, its name says what it was made from."""
        return self.folder

    def __len__(self) -> int:
        return len(self.rewards)

    def frames(self, rows: np.ndarray) -> np.ndarray:
        """Read frames: rows int64, any shape, from 0 … len - 1 -> uint8 (*rows.shape, *frame)."""
        rows = np.asarray(rows)
        out = np.empty((rows.size, *self._frames[0].shape[1:]), np.uint8)
        maps = self._frames
        for i, (shard, row) in enumerate(self._places(rows)):
            out[i] = maps[shard][row]
        return out.reshape(*rows.shape, *out.shape[1:])

    def fetch(self, rows: np.ndarray) -> None:
        """Have frames brought from the disk into memory in the background, for a `frames` of the same rows soon after.

        Only a hint, and one that matters if the collection is larger than the memory: frames read singly in random order
        then come from the disk one by one, at less than a hundred a second; asked for some batches ahead, at thousands.
        """
        if not hasattr(mmap, "MADV_WILLNEED"):  # Windows
            return
        size = self._frames[0][0].nbytes
        for shard, row in self._places(rows):
            begin = self._maps[shard].offset + row * size
            skipped = begin % mmap.PAGESIZE  # a hint begins at a page
            self._maps[shard].base.madvise(mmap.MADV_WILLNEED, begin - skipped, size + skipped)

    def _places(self, rows: np.ndarray) -> Iterator[tuple[int, int]]:
        """Return shard and row in it, for each."""
        flat = np.asarray(rows).ravel()
        shards = np.searchsorted(self._first, flat, "right") - 1
        return zip(shards.tolist(), (flat - self._first[shards]).tolist(), strict=True)

    def steps(self, rows: np.ndarray) -> Steps:
        """Read all that the rows hold."""
        others = (self.actions, self.rewards, self.terminated, self.acted, self.resets)
        return Steps(self.frames(rows), *(array[rows] for array in others))

    def episode(self, number: int) -> np.ndarray:
        """Return the rows of an episode, int64 (length + 1,), for `frames` and `steps`."""
        return np.arange(self.starts[number], self.starts[number] + self.lengths[number] + 1)

    def random_rows(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw rows, each as likely as any other: int64 (count,)."""
        return rng.integers(len(self), size=count)

    def windows(self, batch_size: int, seq_len: int, rng: np.random.Generator) -> np.ndarray:
        """Draw segments of consecutive rows, each start as likely as any other.

        A window may run over the end of an episode into the next; `resets` and `acted` say where.

        Args:
            batch_size: B, 1 and above.
            seq_len: T, rows, 1 … len.

        Returns:
            int64 (B, T), row numbers.

        Raises:
            ValueError: there are fewer rows than `seq_len`.

        Example:
            steps = rollouts.steps(rollouts.windows(32, 97, rng))
            seen, action, seen_next = steps.frames[:, :-1], steps.actions[:, :-1], steps.frames[:, 1:]
            real = steps.acted[:, :-1]  # transitions inside an episode
        """
        if not 1 <= seq_len <= len(self):
            raise ValueError(f"seq_len: got {seq_len}; allowed is 1 to {len(self)}, the rows of this collection")
        return rng.integers(len(self) - seq_len + 1, size=(batch_size, 1)) + np.arange(seq_len)
