"""Several collections as one, without copying a frame."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wmlib.experiment import records
from wmlib.rollouts import store
from wmlib.rollouts.read import Rollouts
from wmlib.rollouts.store import RolloutError


def join(folder: str | Path, parts: Sequence[Rollouts]) -> Rollouts:
    """Put collections one after another in a new folder; their shards are linked there (or copied, on another disk).

    Args:
        folder: where; it must not exist. It appears when all is in it.
        parts: collections of frames and actions of one shape, one at least. Each must be of full shards, all of the same number
            of episodes.

    Raises:
        ValueError: shards or frames of different sizes, or no parts.
        RolloutError: a part is not whole any more.
        FileExistsError: the folder is there.
    """
    folder = Path(folder)
    if not parts or not all(isinstance(part, Rollouts) for part in parts):
        raise ValueError(f"parts: got {parts!r}; must be Rollouts, one at least, as collect() returns them")
    sizes = {part.manifest["shard_episodes"] for part in parts}
    uneven = [str(part.folder) for part in parts if part.manifest["episodes"] % part.manifest["shard_episodes"]]
    if len(sizes) != 1 or uneven:
        raise ValueError(
            f"parts: shards of {sorted(sizes)} episodes{', the last one of ' + uneven[0] + ' is not full' if uneven else ''}; "
            "collect all parts with one shard_episodes that divides their episodes"
        )
    shapes = {(part.frames(np.zeros(0, int)).shape[1:], part.actions.shape[1:], str(part.actions.dtype)) for part in parts}
    if len(shapes) != 1:
        raise ValueError(f"parts: frames and actions of {sorted(shapes)}; join what was collected in one environment")
    if folder.exists():
        raise FileExistsError(f"folder: {folder} exists; name a new one, or delete this one")
    episodes = sum(part.manifest["episodes"] for part in parts)
    manifest = {"episodes": episodes, "shard_episodes": sizes.pop(), "joined": [part.manifest for part in parts]}
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    temporary.mkdir(parents=True)
    try:
        number = 0
        for part in parts:
            for shard, expected in enumerate(store.shards(part.manifest)):
                fault = store.fault(part.folder, shard, expected, checksums=False)
                if fault is not None:
                    raise RolloutError(f"parts: {part.folder}: shard {shard}: {fault or 'it is gone'}. Call collect() again")
                for name in (store.FRAMES, store.STEPS, "json"):
                    _link(store.shard_path(part.folder, shard, name), store.shard_path(temporary, number, name))
                number += 1
        records.write(temporary / store.MANIFEST, manifest)
        os.rename(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Rollouts(folder)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be done."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
