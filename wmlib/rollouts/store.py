"""How experience lies on disk: shards of whole episodes, each with a checksum, and one manifest for all.

Reading guide. A collection is a folder:

    manifest.json       what determines it: environment, policy, seed, number of episodes
    00007.frames.npy    uint8 (rows, …), frames of the episodes of shard 7 one after another; memory-mapped when read
    00007.steps.npz     actions (rows, …), rewards (rows,), terminated (rows,), lengths (episodes,)
    00007.json          rows, episodes and checksums; written last, so a shard without it does not exist

An episode of T actions has T + 1 rows. Row t holds what was seen, the action then taken, and what that action brought: its
reward and whether it was fatal. The last row is what was seen at the end, with no action (zeros). So frame, action, result
and next frame of every transition, the fatal one included, are `row` and `row + 1`.

Frames are stored as they are. Compressing them was measured and left out: the frames are a function of environment, policy
and seed, so deleting a shard and collecting again is the better compression. Times are in tests/benchmarks.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wmlib.experiment.atomic import file_sha256, write_atomically

FRAMES, STEPS = "frames.npy", "steps.npz"
BLOCK = 64  # frames on their way to the disk


class RolloutError(RuntimeError):
    """A collection that cannot be used as it is; the message names the shard."""


class Episode(NamedTuple):
    """All of an episode but its frames."""

    actions: list  # T
    rewards: list[float]  # T
    terminated: bool  # by the last action


def shard_path(folder: Path, shard: int, part: str) -> Path:
    """Return where a part of a shard lies."""
    return folder / f"{shard:05d}.{part}"


def write_shard(
    folder: Path,
    shard: int,
    frame_shape: tuple[int, ...],
    blank: np.ndarray,
    episodes: Iterable[Callable[[Callable[[np.ndarray], None]], Episode]],
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Write a shard; its files appear one by one and count when all are there.

    Args:
        folder, shard: where, and its number.
        frame_shape: of one frame as it is seen.
        blank: an action of zeros; its shape and type are those of all.
        episodes: each is called with `observe`, calls it with every frame in turn, and returns the rest of the episode.
        prepare: makes of a block of frames, uint8 (B, *frame_shape), what is stored, uint8 (B, …).
    """
    done: list[Episode] = []

    def write_frames(path: Path) -> None:
        with open(path, "wb") as file:
            frames = _Frames(file, frame_shape, prepare)
            for play in episodes:
                done.append(play(frames.observe))
            frames.finish()

    def write_steps(path: Path) -> None:
        with open(path, "wb") as file:
            np.savez(
                file,
                actions=np.stack([a for e in done for a in (*(np.asarray(x, blank.dtype) for x in e.actions), blank)]),
                rewards=np.array([r for e in done for r in (*e.rewards, 0.0)], np.float32),
                terminated=np.concatenate([_fatal(e) for e in done]),
                lengths=np.array([len(e.actions) for e in done]),
            )

    write_atomically(shard_path(folder, shard, FRAMES), write_frames)
    write_atomically(shard_path(folder, shard, STEPS), write_steps)
    facts: dict[str, Any] = {part: _facts(shard_path(folder, shard, part)) for part in (FRAMES, STEPS)}
    facts |= {"episodes": len(done), "rows": sum(len(e.actions) + 1 for e in done)}
    write_atomically(shard_path(folder, shard, "json"), lambda path: path.write_text(json.dumps(facts, indent=1)))


def fault(folder: Path, shard: int, checksums: bool = True) -> str | None:
    """Return what is wrong with a shard, "" if it is simply not there, None if it is whole.

    Args:
        checksums: read every byte; else compare only the sizes.
    """
    try:
        facts = json.loads(shard_path(folder, shard, "json").read_text())
        for part in (FRAMES, STEPS):
            path = shard_path(folder, shard, part)
            size = path.stat().st_size
            if size != facts[part]["bytes"]:
                return f"{path.name} has {size} bytes instead of {facts[part]['bytes']}"
            if checksums and file_sha256(path) != facts[part]["sha256"]:
                return f"{path.name} has changed (its checksum does not match)"
    except FileNotFoundError as error:
        name = Path(error.filename).name
        return "" if name.endswith(".json") else f"{name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{shard:05d}.json cannot be read ({error})"
    return None


def shard_bytes(folder: Path, shard: int) -> int:
    """Return the size of a shard on the disk."""
    return sum(shard_path(folder, shard, part).stat().st_size for part in (FRAMES, STEPS))


def _facts(path: Path) -> dict:
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _fatal(episode: Episode) -> np.ndarray:
    """Return bool (T + 1,): True at the action that ended the episode, if one did."""
    flags = np.zeros(len(episode.actions) + 1, bool)
    flags[-2] = episode.terminated
    return flags


class _Frames:
    """An array on its way into a file: block by block, its length into the header at the end, which leaves room for it."""

    def __init__(self, file, frame_shape: tuple[int, ...], prepare: Callable[[np.ndarray], np.ndarray] | None) -> None:
        self._file = file
        self._prepare = prepare or (lambda frames: frames)
        self._block = np.zeros((BLOCK, *frame_shape), np.uint8)
        self._filled = 0
        self._rows = 0
        self._shape = self._prepare(self._block[:1]).shape[1:]
        self._write_header()

    def observe(self, frame: np.ndarray) -> None:
        self._block[self._filled] = frame
        self._filled += 1
        if self._filled == BLOCK:
            self._write_block()

    def finish(self) -> None:
        self._write_block()
        self._file.seek(0)
        self._write_header()

    def _write_block(self) -> None:
        if self._filled:
            self._file.write(np.ascontiguousarray(self._prepare(self._block[: self._filled])).data)
        self._rows = self._rows + self._filled
        self._filled = 0

    def _write_header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)
