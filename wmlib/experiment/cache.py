"""The artifact cache: an expensive stage is made once, found again by what determines it, and never used when damaged.

Reading guide. `ArtifactCache.values` and `.folder` call a function unless its result is there already; the key is made by
`fingerprint` from the function, its arguments and the code behind them. `Artifact` is one result on disk: a folder
`NAME-KEY/` of files and a `manifest.json`. While it is being made it lies in `NAME-KEY.partial/`, where a checkpoint survives
a kill; the rename at the end makes it whole. `listing` says what is stored and `stale` what the current code no longer uses.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout

from wmlib.experiment import checkpoint, fingerprint, records, source_code
from wmlib.experiment.atomic import file_sha256, naming_the_file
from wmlib.experiment.records import RecordError

MANIFEST, VALUES = "manifest.json", "values.safetensors"
PARSED = ".parsed-sources.json"

_text = {"type": "string"}
_seconds = {"type": "number"}
_file = records.form({"bytes": {"type": "integer"}, "sha256": _text})
_made = {"files": {"type": "object", "additionalProperties": _file}, "made": _seconds}
_attempt = {
    "name": _text,
    "determined_by": records.form(
        {
            "function": _text,
            "module": _text,
            "arguments": {"type": "object"},
            "code": {"type": ["string", "null"]},
            "versions": {"type": "object"},
        },
        {"also": {}},
    ),
    "seconds": _seconds,
    "begun": _seconds,
}
_fresh = {"fresh": {"type": ["string", "null"]}}  # the run of `--fresh` that made it
_check_whole = records.checker(records.form({**_attempt, **_made}, _fresh))
_check_attempt = records.checker(records.form(_attempt, {**_made, **_fresh}))  # made already: killed before it got its name


class ArtifactWarning(UserWarning):
    """An artifact was damaged, or another's, and is made again."""


class ArtifactCache:
    """A folder of artifacts.

    Args:
        folder: where they lie.
        fresh: name of a run that makes everything again (`--fresh`): it uses only what it has made. None: all may be used.
    """

    def __init__(self, folder: str | Path, fresh: str | None = None) -> None:
        self.path = Path(folder)
        self.fresh = fresh
        self._begun = time.time()
        self._seconds: dict[str, float] = {}  # cost of each artifact handed out that an earlier run had made
        try:
            self._stored_sources = source_code.load_parsed(self.path / PARSED)
        except RecordError as error:
            self._stored_sources = 0
            warnings.warn(f"{self.path / str(error)}; it is made again", ArtifactWarning, stacklevel=2)

    @property
    def saved_seconds(self) -> float:
        """Seconds of work that earlier runs did for this one."""
        return sum(self._seconds.values())

    def values(self, function: Callable, /, *args: Any, **kwargs: Any) -> Any:
        """Return `function(*args, **kwargs)`, a tree (see `checkpoint`), from the cache if it was made before.

        Raises:
            FingerprintError: no reliable key can be made; see `fingerprint.determined_by`.
        """

        def fill(folder: Path) -> None:
            checkpoint.save(folder / VALUES, call(function, args, kwargs))

        return self.load(self._made(self.artifact(function, args, kwargs), fill))

    def folder(self, function: Callable, /, *args: Any, **kwargs: Any) -> Path:
        """Return the folder that `function(folder, *args, **kwargs)` has filled, now or before.

        Args:
            function: writes files into the folder that is its first argument. After a kill it is called again with the same
                folder and whatever it had written there, so it can go on from its own checkpoint.
            args, kwargs: its other arguments.
        """
        artifact = self.artifact(function, (None, *args), kwargs)  # where the folder lies determines nothing
        return self._made(artifact, lambda folder: call(function, (folder, *args), kwargs)).path

    def artifact(self, function: Callable, args: tuple, kwargs: Mapping[str, Any], also: Any = None) -> Artifact:
        """Return the place of the result of `function(*args, **kwargs)`, whether it is made or not.

        Args:
            also: what else determines it, see `fingerprint.describe`.
        """
        determined_by = fingerprint.determined_by(function, args, kwargs, self.path)
        if also is not None:
            determined_by["also"] = fingerprint.describe(also, self.path, "also")
        if source_code.parsed_count() > self._stored_sources:
            self._stored_sources = source_code.store_parsed(self.path / PARSED)
        return Artifact(self, determined_by)

    def store(self, artifact: Artifact, values: Any, seconds: float) -> None:
        """Store a tree that was computed elsewhere, as `values` would have."""
        with artifact.being_made(seconds) as folder:
            checkpoint.save(folder / VALUES, values)

    def load(self, artifact: Artifact) -> Any:
        """Return the tree of a whole artifact."""
        return checkpoint.load(artifact.path / VALUES)

    def _made(self, artifact: Artifact, fill: Callable[[Path], None]) -> Artifact:
        with artifact.hold():  # a second process waits and then finds it made
            if not artifact.is_whole():
                with artifact.being_made() as folder:
                    fill(folder)
        return artifact

    def _count(self, name: str, manifest: dict | None) -> None:
        """Note what an artifact that is handed out has cost earlier runs."""
        if manifest is None:  # made just now
            self._seconds[name] = 0.0
        else:
            self._seconds.setdefault(name, 0.0 if manifest["made"] >= self._begun else manifest["seconds"])


class Artifact:
    """One result on disk, by what determines it.

    Attributes:
        name: folder name, the function's name and the key.
        code: module of the function, and the hash of its code.
        path: where it lies when it is whole.
        partial: where it lies while it is being made.
    """

    def __init__(self, cache: ArtifactCache, determined_by: dict) -> None:
        self._cache, self._determined_by = cache, determined_by
        self._begun = 0.0
        self._spent = 0.0
        self.code = determined_by["module"], determined_by["code"]
        self.name = _name(determined_by)
        self.path = cache.path / self.name
        self.partial = cache.path / f"{self.name}.partial"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock that one process holds while it looks for the artifact and makes it; hold it inside the block."""
        self._cache.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._cache.path / f".{self.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process, which is making {self.name}")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def check_code(self) -> None:
        """Make sure that the code of its function is that which the key speaks of; see `source_code.check_code`."""
        source_code.check_code(*self.code)

    def is_whole(self) -> bool:
        """Return whether it can be used: it is there, new enough, and (else with a warning) undamaged and its own."""
        if not os.path.lexists(self.path):
            return False
        try:
            manifest = self._read_manifest(self.path, _check_whole)
            if not self._is_fresh(manifest):
                return False
            for file, facts in manifest["files"].items():
                records.check_file(self.path / file, facts["sha256"])
        except FileNotFoundError:
            fault = f"{MANIFEST} is missing"
        except RecordError as error:
            fault = str(error)
        else:
            self._cache._count(self.name, manifest)
            return True
        self._warn(self.path, fault)
        return False

    @contextlib.contextmanager
    def being_made(self, seconds: float = 0.0) -> Iterator[Path]:
        """Give the folder to fill; the artifact is whole when the block ends without an exception.

        Args:
            seconds: that the work has taken before.
        """
        start = time.monotonic() - seconds
        folder = self.begin()
        try:
            with naming_the_file(self.path, only_writes=False):
                yield folder
        except BaseException:
            if {path.name for path in folder.glob("*")} <= {MANIFEST}:  # nothing to go on from
                _delete(folder)
            else:
                self.pause(time.monotonic() - start)
            raise
        self.finish(time.monotonic() - start)

    def begin(self) -> Path:
        """Return the partial folder, with what an earlier attempt left in it.

        It is emptied if all is to be made afresh, and with a warning if it cannot be told whose it is.
        """
        if not self._is_resumable():
            _delete(self.partial)
            self._spent = 0.0
        self.partial.mkdir(parents=True, exist_ok=True)
        for left in list(self.partial.rglob(".*.tmp")):  # of an attempt that was killed
            _delete(left)
        self._begun = time.time()
        self._write_manifest()
        return self.partial

    def pause(self, seconds: float) -> None:
        """Note the time that an attempt spent, for a later one that goes on."""
        self._spent += seconds
        self._write_manifest()

    def finish(self, seconds: float, without: str | None = None) -> None:
        """Make it whole: checksums of all files, the time of all attempts, and the rename.

        Args:
            seconds: that this attempt spent since it last paused.
            without: name of a file, such as a checkpoint, that is no part of the result and is deleted when that is safe.
        """
        self.check_code()
        aside = {self.partial / MANIFEST, self.partial / (without or MANIFEST)}
        files = sorted(p for p in self.partial.rglob("*") if p.is_file() and p not in aside)
        facts = {str(p.relative_to(self.partial)): {"bytes": p.stat().st_size, "sha256": file_sha256(p)} for p in files}
        self._spent = round(self._spent + seconds, 3)
        self._write_manifest(files=facts, made=time.time())
        _delete(self.path)
        os.rename(self.partial, self.path)
        if without is not None:
            (self.path / without).unlink(missing_ok=True)
        self._cache._count(self.name, None)

    def _is_resumable(self) -> bool:
        """Return whether an earlier attempt can be gone on from, and take over its time."""
        if not os.path.lexists(self.partial):
            return False
        try:
            manifest = self._read_manifest(self.partial, _check_attempt)
        except FileNotFoundError:
            if not self.partial.is_dir() or any(self.partial.iterdir()):
                self._warn(self.partial, f"{MANIFEST} is missing")
            return False
        except RecordError as error:
            self._warn(self.partial, str(error))
            return False
        self._spent = manifest["seconds"]
        return self._is_fresh(manifest)

    def _is_fresh(self, manifest: dict) -> bool:
        """Return whether it may be used, which no clock is asked: they go back, and differ between machines."""
        return self._cache.fresh is None or manifest.get("fresh") == self._cache.fresh

    def _read_manifest(self, folder: Path, check: Callable[[dict], object]) -> dict:
        manifest = records.read(folder / MANIFEST, check)
        if _name(manifest["determined_by"]) != self.name:
            raise RecordError(f"{MANIFEST} is that of another artifact, {_name(manifest['determined_by'])}")
        return manifest

    def _write_manifest(self, **made: Any) -> None:
        attempt = {"name": self.name, "determined_by": self._determined_by, "seconds": self._spent, "begun": self._begun}
        records.write(self.partial / MANIFEST, {**attempt, "fresh": self._cache.fresh, **made})

    def _warn(self, folder: Path, fault: str) -> None:
        warnings.warn(f"artifact {folder} is damaged: {fault}; it is made again", ArtifactWarning, stacklevel=5)


def _name(determined_by: dict) -> str:
    """Return what an artifact is called: the function's name and the key."""
    return f"{determined_by['function'].rpartition('.')[2].strip('_')}-{fingerprint.digest(determined_by)[:16]}"


def _delete(path: Path) -> None:
    """Delete whatever stands at a place of the cache."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise type(error)(f"{path} is to be made again, but cannot be deleted ({error}); delete it yourself") from error


class Entry(NamedTuple):
    """One line of `listing`."""

    path: Path
    bytes: int
    age: float  # seconds since it was made or last worked on
    whole: bool  # False: it was left unfinished
    determined_by: dict | None  # None: the manifest cannot be read, or is another's


def listing(folder: Path) -> list[Entry]:
    """Return all artifacts of a cache, oldest first; without those that a job at work renames or removes meanwhile."""
    entries = []
    for path in sorted(p for p in folder.glob("*-*") if p.is_dir()):
        with contextlib.suppress(FileNotFoundError):
            entries.append(_entry(path))
    return sorted(entries, key=lambda entry: -entry.age)


def _entry(path: Path) -> Entry:
    """Return the line of one artifact.

    Raises:
        FileNotFoundError: it is gone, or gets another name.
    """
    files = []
    for file in path.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a temporary file of a job at work
            if file.is_file():
                files.append(file.stat())
    whole = path.suffix != ".partial"
    try:
        determined_by = records.read(path / MANIFEST, _check_whole if whole else _check_attempt)["determined_by"]
        if _name(determined_by) != path.name.removesuffix(".partial"):
            determined_by = None
    except (RecordError, FileNotFoundError):
        determined_by = None
    folder_time = path.stat().st_mtime
    age = time.time() - max((facts.st_mtime for facts in files), default=folder_time)
    return Entry(path, sum(facts.st_size for facts in files), age, whole, determined_by)


def stale(entries: list[Entry]) -> list[Entry]:
    """Return the artifacts that no call of the current code with the current packages will find again.

    Those are: another code or other versions, unreadable ones, and whatever was made from one of them.
    """
    gone: dict[str, Entry] = {}
    while True:
        more = [e for e in entries if e.path.name not in gone and _is_stale(e, gone)]
        if not more:
            return list(gone.values())
        gone.update({entry.path.name: entry for entry in more})


def _is_stale(entry: Entry, gone: dict[str, Entry]) -> bool:
    facts = entry.determined_by
    if facts is None or facts["versions"] != fingerprint.versions():
        return True
    if _is_outdated(facts["module"], facts["code"]):
        return True
    for node in _nodes([facts["arguments"], facts.get("also")]):
        if str(node.get("artifact", "")).partition("/")[0] in gone:
            return True
        name = node.get("function") or node.get("name")
        if isinstance(name, str) and node.get("code") and _is_outdated(name, node["code"]):
            return True
    return False


def _is_outdated(name: str, code: str) -> bool:
    """Return whether the module of a qualified name has another code now; of modules outside this package nobody knows."""
    if name.partition(".")[0] != source_code.PACKAGE:
        return False
    parts = name.split(".")
    while parts:
        current = source_code.code_hash(".".join(parts))
        if current is not None and len(parts) > 1:
            return current != code
        parts.pop()
    return True


def _nodes(tree: Any) -> Iterator[dict]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)


def remove(entry: Entry) -> bool:
    """Delete an artifact, and return whether it is gone: what a process is making stays, and what may not be deleted."""
    try:
        with FileLock(entry.path.parent / f".{entry.path.name.removesuffix('.partial')}.lock", timeout=0):
            shutil.rmtree(entry.path, ignore_errors=True)
    except (Timeout, OSError):
        return False
    return not entry.path.exists()


def call(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> Any:
    """Return `function(*args, **kwargs)`; of a generator it gets a copy, so that the caller's stands as after a cached call."""
    return function(*_with_copied_generators(args), **_with_copied_generators(dict(kwargs)))


def _with_copied_generators(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value)
    if isinstance(value, torch.Generator):
        return torch.Generator(value.device).set_state(value.get_state())
    if isinstance(value, dict):
        return {name: _with_copied_generators(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_with_copied_generators(part) for part in value)
    return value
