"""Read a collection: single frames, consecutive rows, whole episodes.

Reading guide. All episodes of all shards are one long table of rows (see `wmlib.rollouts.store` for what a row is), and
every way of reading is a choice of row numbers. Frames are read with `frames`; all else lies in arrays with one entry a row.
Anything more with one entry a row, such as a frame's latent, is read by the same numbers.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wmlib.experiment.records import RecordError
from wmlib.rollouts import store
from wmlib.rollouts.store import RolloutError


class Rollouts:
    """A whole collection in a folder; frames stay on disk and are memory-mapped.

    Attributes:
        actions: (rows, action), taken on seeing the frame; zeros where none was.
        rewards: float32 (rows,), of that action.
        terminated: bool (rows,), that action was fatal.
        acted: bool (rows,), False in the last row of an episode: there was no action, the next row is another episode.
        resets: bool (rows,), first row of an episode: nothing is to be remembered from the row before.
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

    def episode(self, number: int) -> np.ndarray:
        """Return the rows of an episode, int64 (length + 1,)."""
        return np.arange(self.starts[number], self.starts[number] + self.lengths[number] + 1)
