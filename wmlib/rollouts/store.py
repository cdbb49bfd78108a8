"""How experience lies on disk: shards of whole episodes, each with checksums and its collection, and one manifest.

Reading guide. A collection is a folder:

    manifest.json       what determines it: environment, policy, seed, number of episodes
    00007.frames.npy    uint8 (rows, …), frames of the episodes of shard 7 one after another; memory-mapped when read
    00007.steps.npz     actions (rows, …), rewards (rows,), terminated (rows,), lengths (episodes,)
    00007.json          whose shard it is (the manifest, once more), and which; rows, episodes and checksums; written last, so a
                        shard without it does not exist

An episode of T actions has T + 1 rows. Row t holds what was seen, the action then taken, and what that action brought: its
reward and whether it was fatal. The last row is what was seen at the end, with no action (zeros). So frame, action, result
and next frame of every transition, the fatal one included, are `row` and `row + 1`.

Frames are stored as they are. Compressing them was measured and left out: the frames are a function of environment, policy
and seed, so deleting a shard and collecting again is the better compression. Times are in tests/benchmarks.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wmlib.experiment import records
from wmlib.experiment.atomic import file_sha256, write_atomically
from wmlib.experiment.records import RecordError

MANIFEST, FRAMES, STEPS = "manifest.json", "frames.npy", "steps.npz"
BLOCK = 64  # frames on their way to the disk

_count = {"type": "integer", "minimum": 1}
_check_manifest = records.checker(
    {
        "type": "object",
        "properties": {"episodes": _count, "shard_episodes": _count},
        "required": ["episodes", "shard_episodes"],
    }
)
_part = records.form({"bytes": {"type": "integer"}, "sha256": {"type": "string"}})
_check_facts = records.checker(
    records.form(
        {
            "collection": {"type": "object"},
            "shard": {"type": "integer", "minimum": 0},
            "episodes": _count,
            "rows": _count,
            FRAMES: _part,
            STEPS: _part,
        }
    )
)


class RolloutError(RuntimeError):
    """A collection that cannot be used as it is; the message names the shard."""


class Episode(NamedTuple):
    """All of an episode but its frames."""

    actions: list  # T
    rewards: list[float]  # T
    terminated: bool  # by the last action


def num_shards(collection: dict) -> int:
    """Return of how many shards a collection is, by its manifest; the last one may be smaller."""
    return -(-collection["episodes"] // collection["shard_episodes"])


def shard_path(folder: Path, shard: int, part: str) -> Path:
    """Return where a part of a shard lies."""
    return folder / f"{shard:05d}.{part}"


def read_manifest(folder: Path) -> dict:
    """Return a collection's manifest.

    Raises:
        FileNotFoundError: there is none.
        RecordError: it is damaged. It may be without a checksum, as earlier versions wrote it.
    """
    return records.read(folder / MANIFEST, _check_manifest, signed=False)


def read_facts(path: Path) -> dict:
    """Return what a shard's JSON file says of it; raises what `read_manifest` does."""
    return records.read(path, _check_facts)


def write_shard(
    folder: Path,
    shard: int,
    collection: dict,
    frame_shape: tuple[int, ...],
    blank: np.ndarray,
    episodes: Iterable[Callable[[Callable[[np.ndarray], None]], Episode]],
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Write a shard; its files appear one by one and count when all are there.

    Args:
        folder, shard: where, and its number.
        collection: the manifest.
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

    for part, write in ((FRAMES, write_frames), (STEPS, write_steps)):
        path = shard_path(folder, shard, part)
        records.make_way(path)
        write_atomically(path, write)
    facts = {
        "collection": collection,
        "shard": shard,
        "episodes": len(done),
        "rows": sum(len(e.actions) + 1 for e in done),
        **{part: _facts(shard_path(folder, shard, part)) for part in (FRAMES, STEPS)},
    }
    records.write(shard_path(folder, shard, "json"), facts)


def fault(folder: Path, shard: int, collection: dict, checksums: bool = True) -> str | None:
    """Return what is wrong with a shard, "" if it is simply not there, None if it is whole and the one that is expected.

    Args:
        folder, shard: where, and its number.
        collection: the manifest of the one whose it must be.
        checksums: read every byte; else of the frames compare only the size.
    """
    try:
        facts = read_facts(shard_path(folder, shard, "json"))
        if facts["collection"] != collection:
            return f"{shard:05d}.json is another collection's ({records.differences(facts['collection'], collection)})"
        if facts["shard"] != shard:
            return f"{shard:05d}.json is that of another shard, {facts['shard']} in place of {shard}"
        for part in (FRAMES, STEPS):
            sha256 = facts[part]["sha256"] if checksums or part == STEPS else None
            records.check_file(shard_path(folder, shard, part), sha256, facts[part]["bytes"])
    except FileNotFoundError:
        return ""
    except RecordError as error:
        return str(error)
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
            frames = self._prepare(self._block[: self._filled])
            if frames.dtype != np.uint8 or frames.shape != (self._filled, *self._shape):
                raise ValueError(
                    f"prepare: got {frames.dtype} {frames.shape} of {self._filled} frames; it must return uint8, all alike"
                )
            self._file.write(np.ascontiguousarray(frames).data)
        self._rows = self._rows + self._filled
        self._filled = 0

    def _write_header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)
