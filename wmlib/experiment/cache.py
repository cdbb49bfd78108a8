"""The artifact cache: an expensive stage is made once, found again by what determines it, and never used when damaged.

An artifact is a folder `NAME-HASH/` of files and a `manifest.json`. HASH covers the settings, the versions of the numerical
packages and the source of the modules that make it (comments and docstrings aside): a changed setting or algorithm makes a
new artifact and a moved comment does not. While it is being made it lies in `NAME-HASH.partial/`, where a checkpoint
survives a kill; the rename at the end makes it whole.
"""

import ast
import functools
import hashlib
import inspect
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock

from wmlib.experiment import checkpoint
from wmlib.experiment.atomic import write_atomically
from wmlib.experiment.provenance import versions

_LOADED = time.time()  # a module that is edited later is not the code that runs here


class ArtifactWarning(UserWarning):
    """An artifact was damaged and is made again."""


def code_hash(modules: Iterable[ModuleType]) -> str:
    """Return a hash of what the modules do: their syntax trees without docstrings and comments."""
    sha = hashlib.sha256()
    for module in modules:
        changed = os.path.getmtime(inspect.getsourcefile(module))
        if changed > _LOADED:
            raise RuntimeError(f"{module.__name__} was edited after this kernel started: restart the kernel and run again")
        sha.update(_doing(module, changed))
    return sha.hexdigest()


@functools.lru_cache(maxsize=256)  # half a second for a dozen modules, and every artifact asks
def _doing(module: ModuleType, changed: float) -> bytes:
    """Return a module's syntax tree without docstrings, as text; `changed` says of which state of its file."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[:] = body[1:] or [ast.Pass()]
    return ast.dump(tree).encode()


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ArtifactCache:
    """A folder of artifacts.

    Args:
        folder: where they lie.
        fresh_since: seconds since the epoch; older artifacts are made again (`--fresh`). 0: all may be used.
    """

    def __init__(self, folder: str | Path, fresh_since: float = 0.0) -> None:
        self.path = Path(folder)
        self.fresh_since = fresh_since
        self._begun = time.time()
        self._seconds: dict[str, float] = {}  # cost of each artifact handed out that an earlier run had made

    @property
    def saved_seconds(self) -> float:
        """Seconds of work that earlier runs did for this one."""
        return sum(self._seconds.values())

    def values(self, name: str, make: Callable[[], Any], settings: Mapping, code: Iterable[ModuleType] = ()) -> Any:
        """Return the tree that `make()` returns, from the cache if it is there (see `checkpoint` for what a tree is)."""
        made = self.folder(name, lambda folder: checkpoint.save(folder / "values.safetensors", make()), settings, code)
        return checkpoint.load(made / "values.safetensors")

    def folder(self, name: str, make: Callable[[Path], None], settings: Mapping, code: Iterable[ModuleType] = ()) -> Path:
        """Return the artifact's folder, after `make(folder)` has filled it if it was absent, damaged or too old.

        Args:
            name: what it is, for example "vae"; letters, digits, - and _.
            make: writes files into the folder it is given. After a kill it is called again with the same folder
                and whatever it had written there, so it can go on from its own checkpoint.
            settings: JSON values that determine the result, seed included.
            code: the modules whose change must make it anew.

        Raises:
            ValueError: the name holds other characters.
        """
        if not name or not all(c.isalnum() or c in "-_" for c in name):
            raise ValueError(f"name: got {name!r}; allowed are letters, digits, - and _, for example 'success-rates'")
        settings = json.loads(json.dumps(dict(settings), sort_keys=True))
        determined_by = json.dumps([settings, versions(), code_hash(code)], sort_keys=True)
        key = hashlib.sha256(determined_by.encode()).hexdigest()[:16]
        final = self.path / f"{name}-{key}"
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / f".{name}-{key}.lock"):  # a second process waits and then finds it made
            manifest = self._usable(final)
            if manifest is None:
                self._make(final, name, make, settings)
                self._seconds[final.name] = 0.0
            else:
                ours = manifest["made"] >= self._begun  # by a worker process of this run: not saved
                self._seconds.setdefault(final.name, 0.0 if ours else manifest["seconds"])
        return final

    def _usable(self, folder: Path) -> dict | None:
        """Return the manifest of a whole artifact; None if it is absent, too old or (with a warning) damaged."""
        if not folder.exists():
            return None
        fault = None
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            if manifest["made"] < self.fresh_since:
                return None
            for file, facts in manifest["files"].items():
                if not (folder / file).is_file():
                    fault = f"{file} is missing"
                elif file_sha256(folder / file) != facts["sha256"]:
                    fault = f"{file} has changed (its checksum does not match)"
        except (OSError, ValueError, KeyError, TypeError) as error:
            fault = f"manifest.json cannot be read ({error})"
        if fault is None:
            return manifest
        warnings.warn(f"artifact {folder.name} is damaged: {fault}; it is made again", ArtifactWarning, stacklevel=4)
        return None

    def _make(self, final: Path, name: str, make: Callable[[Path], None], settings: dict) -> None:
        partial = final.with_name(final.name + ".partial")
        clock = partial / ".seconds"  # time spent by earlier, stopped attempts is part of the cost
        if clock.exists() and clock.stat().st_mtime < self.fresh_since:
            shutil.rmtree(partial)
        partial.mkdir(exist_ok=True)
        for left in [*partial.rglob(".*.tmp"), partial / "manifest.json"]:  # of an attempt that was killed
            left.unlink(missing_ok=True)
        before = float(clock.read_text()) if clock.exists() else 0.0
        start = time.monotonic()

        def write_clock() -> None:
            seconds = str(before + time.monotonic() - start)
            write_atomically(clock, lambda temporary: temporary.write_text(seconds))

        write_clock()  # marks the beginning of this attempt, for `fresh_since`
        try:
            make(partial)
        finally:
            write_clock()
        seconds = float(clock.read_text())
        clock.unlink()
        files = sorted(p for p in partial.rglob("*") if p.is_file())
        facts = {str(p.relative_to(partial)): {"bytes": p.stat().st_size, "sha256": file_sha256(p)} for p in files}
        manifest = dict(
            name=name, settings=settings, files=facts, seconds=round(seconds, 3), made=time.time(), versions=versions()
        )
        text = json.dumps(manifest, indent=1)
        write_atomically(partial / "manifest.json", lambda temporary: temporary.write_text(text))
        if final.exists():
            shutil.rmtree(final)
        os.rename(partial, final)
