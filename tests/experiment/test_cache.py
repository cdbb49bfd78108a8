"""Artifacts: made once, found again by what determines them, made again when damaged, listed and pruned."""

import errno
import json
import os
import shutil
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from wmlib.experiment import cache as artifacts
from wmlib.experiment import records, source_code
from wmlib.experiment.cache import ArtifactCache, ArtifactWarning
from wmlib.experiment.fingerprint import FingerprintError

CALLS = []  # of the functions below, which stand at the top of this module as functions that are cached must


@pytest.fixture(autouse=True)
def no_calls_yet():
    CALLS.clear()


@pytest.fixture
def cache(tmp_path):
    return ArtifactCache(tmp_path)


def values(x=1):
    CALLS.append(x)
    return {"x": np.arange(3.0) * x, "n": len(CALLS)}


def other_values(x=1):
    return values(x)


def fill(folder, text="x"):
    CALLS.append(text)
    (folder / "data.bin").write_text(text * 100)


def in_two_halves(folder):
    part = folder / "part"
    if not part.exists():
        part.write_text("first half")
        (folder / ".x.abc.tmp").touch()  # as a killed write leaves it
        raise KeyboardInterrupt
    (folder / "whole").write_text(part.read_text() + ", second half")
    part.unlink()


def interrupted(folder):
    CALLS.append(sorted(p.name for p in folder.iterdir() if p.name == "part"))
    (folder / "part").touch()
    if len(CALLS) < 3:
        raise KeyboardInterrupt


def slow(tag=0):
    time.sleep(0.05)
    return 1


def of_folder(folder):
    return (folder / "data.bin").read_text()


def test_made_once_and_found_again(cache, tmp_path):
    first = cache.values(values)
    again = ArtifactCache(tmp_path).values(values)
    assert CALLS == [1] and first["n"] == again["n"] == 1
    assert np.array_equal(again["x"], np.arange(3.0))


def test_other_arguments_or_functions_are_other_artifacts(cache):
    for function, x in (
        (values, 1),
        (values, 2),
        (other_values, 1),
        (values, 1.5),
        (values, np.zeros(3)),
        (values, np.ones(3)),
    ):
        cache.values(function, x)
    assert len(CALLS) == 6
    cache.values(values, x=2)
    assert len(CALLS) == 6


def test_a_folder_is_filled_once(cache):
    folder = cache.folder(fill, text="y")
    assert cache.folder(fill, "y") == folder and CALLS == ["y"]
    assert (folder / "data.bin").read_text() == "y" * 100 and folder.name.startswith("fill-")


def test_a_disk_that_cannot_be_read_is_damage_too(cache, monkeypatch):
    cache.folder(fill)

    def read(path):
        raise OSError(errno.EIO, "Input/output error")  # of reading: it names no file

    monkeypatch.setattr(records, "file_sha256", read)
    with pytest.warns(ArtifactWarning, match=r"fill-.* is damaged: data.bin cannot be read \(Input/output error\)"):
        cache.folder(fill)
    assert len(CALLS) == 2


def test_what_depends_on_an_artifact_is_keyed_by_its_name(cache):
    a, b = cache.folder(fill, "a"), cache.folder(fill, "b")
    assert cache.values(of_folder, a) != cache.values(of_folder, b)
    with pytest.raises(FingerprintError, match="lies outside the cache"):
        cache.values(of_folder, cache.path.parent)


def test_a_lambda_is_refused_and_leaves_nothing(cache):
    with pytest.raises(FingerprintError, match="got a lambda"):
        cache.values(lambda: 1)
    assert not list(cache.path.iterdir())


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest", "empty manifest", "null manifest"])
def test_damage_is_named_and_the_artifact_made_again(cache, damage):
    folder = cache.folder(fill)
    file = folder / ("manifest.json" if "manifest" in damage else "data.bin")
    if damage == "remove":
        file.unlink()
    elif damage == "empty manifest":
        file.write_text("{}")
    elif damage == "null manifest":
        file.write_text("null")
    else:
        file.write_bytes(file.read_bytes()[:-5] if damage in ("truncate", "manifest") else b"y" + file.read_bytes()[1:])
    with pytest.warns(ArtifactWarning, match=rf"fill-.* is damaged: {file.name} "):
        cache.folder(fill)
    assert len(CALLS) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.folder(fill)
    assert len(CALLS) == 2 and (folder / "data.bin").read_text() == "x" * 100


def test_an_interrupted_stage_goes_on_from_what_it_left(cache):
    with pytest.raises(KeyboardInterrupt):
        cache.folder(in_two_halves)
    folder = cache.folder(in_two_halves)
    assert (folder / "whole").read_text() == "first half, second half"
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "whole"]


def test_fresh_makes_older_artifacts_again_and_newer_ones_not(tmp_path):
    ArtifactCache(tmp_path).values(values)
    fresh = ArtifactCache(tmp_path, fresh="today")
    fresh.values(values)
    fresh.values(values)
    assert len(CALLS) == 2


def test_fresh_asks_no_clock(tmp_path, monkeypatch):
    """What was made while the clock was ahead is made again; what this run made before the clock was set back is not."""
    now = time.time()
    for run, when, calls in ((None, 9e9, 1), ("a", now, 2), ("a", 0.0, 2), ("b", 0.0, 3), ("b", 9e9, 3), (None, 0.0, 3)):
        monkeypatch.setattr(time, "time", lambda when=when: when)
        ArtifactCache(tmp_path, run).values(values)
        assert len(CALLS) == calls


def test_fresh_does_not_go_on_from_an_older_attempt(tmp_path):
    for cache in (ArtifactCache(tmp_path), ArtifactCache(tmp_path)):
        with pytest.raises(KeyboardInterrupt):
            cache.folder(interrupted)
    ArtifactCache(tmp_path, fresh="today").folder(interrupted)
    assert CALLS == [[], ["part"], []]


def test_the_manifest_says_what_determined_it(cache):
    cache.values(values, 3)
    (folder,) = (p for p in cache.path.iterdir() if p.is_dir())
    manifest = json.loads((folder / "manifest.json").read_text())
    facts = manifest["determined_by"]
    assert facts["function"].endswith("test_cache.values") and facts["arguments"] == {"x": 3}
    assert set(manifest["files"]) == {"values.safetensors"} and "numpy" in facts["versions"]
    assert manifest["made"] >= manifest["begun"] and manifest["seconds"] >= 0


def test_time_that_earlier_runs_spent_is_known(tmp_path):
    cache = ArtifactCache(tmp_path)
    cache.values(slow)
    assert cache.saved_seconds == 0
    later = ArtifactCache(tmp_path)
    later.values(slow)
    later.values(slow)
    assert 0.05 <= later.saved_seconds < 5


def test_time_of_stopped_attempts_is_part_of_the_cost(cache):
    artifact = cache.artifact(values, (), {})
    artifact.begin()
    artifact.pause(3.0)
    artifact.begin()
    artifact.finish(4.0)
    assert json.loads((artifact.path / "manifest.json").read_text())["seconds"] == 7.0


def test_what_a_worker_of_this_run_made_is_not_time_saved(tmp_path):
    cache = ArtifactCache(tmp_path)
    ArtifactCache(tmp_path).values(slow)  # as in a process of its own
    cache.values(slow)
    assert cache.saved_seconds == 0


def test_a_checkpoint_is_no_part_of_the_result(cache):
    artifact = cache.artifact(values, (), {})
    folder = artifact.begin()
    (folder / "checkpoint").write_text("state")
    (folder / "result").write_text("42")
    artifact.finish(0.0, without="checkpoint")
    assert sorted(p.name for p in artifact.path.iterdir()) == ["manifest.json", "result"] and artifact.is_whole()


def rewrite(entry, change):
    manifest = json.loads((entry.path / "manifest.json").read_text())
    change(manifest["determined_by"])
    (entry.path / "manifest.json").write_text(json.dumps(manifest))


def test_the_listing_says_what_is_stored(cache, tmp_path):
    cache.values(values, 1)
    with pytest.raises(KeyboardInterrupt):
        cache.folder(in_two_halves)
    entries = artifacts.listing(tmp_path)
    assert {(e.path.name.partition("-")[0], e.whole) for e in entries} == {("values", True), ("in_two_halves", False)}
    assert all(entry.bytes > 0 and -1 < entry.age < 60 for entry in entries)
    assert artifacts.listing(tmp_path / "absent") == []


def test_stale_is_what_other_code_or_versions_made_and_what_was_made_from_it(cache, tmp_path):
    base = cache.folder(fill, "base")
    cache.values(of_folder, base)
    cache.values(values, 5)
    from wmlib.agents.cma_es import CMAES
    from wmlib.lessons.cma_es_toy import solvers

    kept = cache.artifact(solvers.spot_area, (), {})
    cache.store(kept, 1.0, 0.0)
    changed = cache.artifact(solvers.start, (np.random.default_rng(1),), {})
    cache.store(changed, 1.0, 0.0)
    passed = cache.artifact(values, (CMAES,), {})
    cache.store(passed, 1.0, 0.0)
    broken = cache.artifact(values, (7,), {})
    cache.store(broken, 1.0, 0.0)
    by_path = {entry.path: entry for entry in artifacts.listing(tmp_path)}
    assert artifacts.stale(list(by_path.values())) == []

    rewrite(by_path[base], lambda facts: facts["versions"].update(numpy="0.1"))  # and what was made from it
    rewrite(by_path[changed.path], lambda facts: facts.update(code="another"))
    rewrite(by_path[passed.path], lambda facts: facts["arguments"]["x"].update(code="another"))
    (broken.path / "manifest.json").write_text("{")
    stale = {entry.path.name.partition("-")[0] for entry in artifacts.stale(artifacts.listing(tmp_path))}
    assert stale == {"fill", "of_folder", "start", "values"}
    for entry in artifacts.stale(artifacts.listing(tmp_path)):
        assert artifacts.remove(entry)
    left = artifacts.listing(tmp_path)
    assert {e.path for e in left} == {kept.path, *(p for p in by_path if by_path[p].determined_by["arguments"] == {"x": 5})}


def test_what_a_process_is_making_is_not_removed(cache, tmp_path):
    artifact = cache.artifact(values, (5,), {})
    cache.store(artifact, 1.0, 0.0)
    [entry] = artifacts.listing(tmp_path)
    held = artifact.hold()
    with held:
        assert not artifacts.remove(entry) and entry.path.is_dir()
    assert artifacts.remove(entry) and not entry.path.exists()


def test_a_listing_leaves_out_what_a_job_renames_or_removes_meanwhile(cache, tmp_path, monkeypatch):
    for x in (5, 6):
        cache.store(cache.artifact(values, (x,), {}), 1.0, 0.0)
    first, second = artifacts.listing(tmp_path)
    read, is_file = records.read, Path.is_file

    def read_meanwhile(file, check):
        if file.parent == first.path:
            shutil.rmtree(first.path)
        return read(file, check)

    def is_file_meanwhile(path):
        found = is_file(path)
        if path.parent == second.path and path.name != artifacts.MANIFEST:
            path.unlink()
        return found

    monkeypatch.setattr(records, "read", read_meanwhile)
    monkeypatch.setattr(Path, "is_file", is_file_meanwhile)
    [left] = artifacts.listing(tmp_path)
    assert left.path == second.path and 0 < left.bytes < second.bytes


def test_what_cannot_be_deleted_is_not_removed(cache, tmp_path, monkeypatch):
    cache.store(cache.artifact(values, (5,), {}), 1.0, 0.0)
    [entry] = artifacts.listing(tmp_path)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    for name in ("rmdir", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    assert not artifacts.remove(entry)
    monkeypatch.undo()
    assert artifacts.remove(entry)


def test_a_second_process_says_what_it_waits_for(cache, capsys):
    artifact = cache.artifact(values, (5,), {})

    def hold_and_release():
        with artifact.hold():
            pass

    waiting = threading.Thread(target=hold_and_release)
    with artifact.hold():
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert f"waiting for another process, which is making {artifact.name}" in capsys.readouterr().out


def test_a_source_edited_while_a_result_is_made_keeps_the_result_out(cache, tmp_path, monkeypatch):
    from wmlib.experiment import source_code

    artifact = cache.artifact(values, (5,), {})
    monkeypatch.setattr(source_code, "code_hash", lambda module: "another")
    with pytest.raises(RuntimeError, match="was edited while it was at work, so its result is not kept"):
        cache.store(artifact, 1.0, 0.0)
    assert not artifact.path.exists()


def draw(rng):
    return float(rng.random())


def test_a_generator_stands_the_same_after_a_call_that_was_made_or_found(cache):
    rng = np.random.default_rng(1)
    made = cache.values(draw, rng)
    assert cache.values(draw, rng) == made == np.random.default_rng(1).random() == rng.random()


def test_the_code_of_a_module_that_is_gone_is_stale(cache, tmp_path):
    artifact = cache.artifact(values, (), {})
    cache.store(artifact, 1.0, 0.0)
    (entry,) = artifacts.listing(tmp_path)
    rewrite(entry, lambda facts: facts.update(module="wmlib.no.such.module"))
    assert len(artifacts.stale(artifacts.listing(tmp_path))) == 1


def test_a_second_cache_reads_what_the_first_parsed(cache, tmp_path, monkeypatch):
    source_code._parsed.clear()
    cache.values(values)
    assert json.loads((tmp_path / artifacts.PARSED).read_text())
    monkeypatch.setattr(source_code, "_parsed", {})
    ArtifactCache(tmp_path)
    assert source_code.parsed_count() > 0


def test_two_processes_make_it_once(tmp_path):
    from joblib import Parallel, delayed

    made = Parallel(n_jobs=2)(delayed(_who_makes)(tmp_path) for _ in range(2))
    assert made[0] == made[1]


def _who_makes(folder):
    return ArtifactCache(folder).values(process_id)


def process_id():
    time.sleep(0.2)
    return os.getpid()
