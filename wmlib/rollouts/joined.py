"""Several collections as one, without copying a frame."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from wmlib.rollouts import store
from wmlib.rollouts.read import Rollouts


def join(folder: str | Path, parts: Sequence[Rollouts]) -> Rollouts:
    """Put collections one after another in a new folder; their shards are linked there (or copied, on another disk).

    Args:
        folder: where; it must not exist.
        parts: collections of frames of one size. Each must be of full shards, all of the same number of episodes.

    Raises:
        ValueError: shards of different sizes.
        FileExistsError: the folder is there.
    """
    folder = Path(folder)
    sizes = {part.manifest["shard_episodes"] for part in parts}
    uneven = [str(part.folder) for part in parts if part.manifest["episodes"] % part.manifest["shard_episodes"]]
    if len(sizes) != 1 or uneven:
        raise ValueError(
            f"parts: shards of {sorted(sizes)} episodes{', the last one of ' + uneven[0] + ' is not full' if uneven else ''}; "
            "collect all parts with one shard_episodes that divides their episodes"
        )
    folder.mkdir(parents=True)
    number = 0
    for part in parts:
        for shard in range(part.manifest["episodes"] // part.manifest["shard_episodes"]):
            for name in (store.FRAMES, store.STEPS, "json"):
                _link(store.shard_path(part.folder, shard, name), store.shard_path(folder, number, name))
            number += 1
    episodes = sum(part.manifest["episodes"] for part in parts)
    manifest = {"episodes": episodes, "shard_episodes": sizes.pop(), "joined": [part.manifest for part in parts]}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    return Rollouts(folder)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where that cannot be done."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
