import json
import os
import time
import types
import warnings

import numpy as np
import pytest

from wmlib.experiment.cache import ArtifactCache, ArtifactWarning, code_hash


@pytest.fixture
def cache(tmp_path):
    return ArtifactCache(tmp_path)


@pytest.fixture
def make():
    def make():
        make.calls += 1
        return {"x": np.arange(3.0), "n": make.calls}

    make.calls = 0
    return make


def test_made_once_and_found_again(cache, make, tmp_path):
    first = cache.values("stage", make, {"seed": 1})
    again = ArtifactCache(tmp_path).values("stage", make, {"seed": 1})
    assert make.calls == 1 and first["n"] == again["n"] == 1
    assert np.array_equal(again["x"], np.arange(3.0))


def test_other_settings_or_names_are_other_artifacts(cache, make):
    for name, settings in (("stage", {"seed": 1}), ("stage", {"seed": 2}), ("other", {"seed": 1})):
        cache.values(name, make, settings)
    assert make.calls == 3


def module(tmp_path, source):
    import importlib.util

    file = tmp_path / f"m{time.monotonic_ns()}.py"
    file.write_text(source)
    os.utime(file, (1, 1))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_changed_code_is_another_artifact_and_a_changed_comment_is_not(tmp_path):
    plain = module(tmp_path, "def f(x):\n    return x + 1\n")
    commented = module(tmp_path, '"""Doc."""\n# why\ndef f(x):\n    """Doc."""\n    return x + 1  # how\n')
    changed = module(tmp_path, "def f(x):\n    return x + 2\n")
    assert code_hash([plain]) == code_hash([commented]) != code_hash([changed])
    assert isinstance(plain, types.ModuleType)


def test_code_that_was_edited_after_it_was_loaded_is_refused(tmp_path):
    edited = module(tmp_path, "def f(x):\n    return x + 1\n")
    os.utime(edited.__file__)
    with pytest.raises(RuntimeError, match="was edited after this kernel started: restart the kernel"):
        code_hash([edited])


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest", "empty manifest", "null manifest"])
def test_damage_is_named_and_the_artifact_made_again(cache, make, damage):
    folder = cache.folder("stage", lambda f: (f / "data.bin").write_bytes(b"x" * 100) and make(), {})
    file = folder / ("manifest.json" if "manifest" in damage else "data.bin")
    if damage == "remove":
        file.unlink()
    elif damage == "empty manifest":
        file.write_text("{}")
    elif damage == "null manifest":
        file.write_text("null")
    else:
        file.write_bytes(file.read_bytes()[:-5] if damage in ("truncate", "manifest") else b"y" + file.read_bytes()[1:])
    with pytest.warns(ArtifactWarning, match=rf"stage-.* is damaged: {file.name} "):
        cache.folder("stage", lambda f: (f / "data.bin").write_bytes(b"x" * 100) and make(), {})
    assert make.calls == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.folder("stage", lambda f: make(), {})
    assert make.calls == 2 and (folder / "data.bin").read_bytes() == b"x" * 100


def test_an_interrupted_stage_goes_on_from_what_it_left(cache):
    def make(folder):
        part = folder / "part"
        if not part.exists():
            part.write_text("first half")
            (folder / ".x.abc.tmp").touch()  # as a killed write leaves it
            (folder / "manifest.json").write_text("of an attempt that ended before the rename")
            raise KeyboardInterrupt
        (folder / "whole").write_text(part.read_text() + ", second half")
        part.unlink()

    with pytest.raises(KeyboardInterrupt):
        cache.folder("stage", make, {})
    folder = cache.folder("stage", make, {})
    assert (folder / "whole").read_text() == "first half, second half"
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "whole"]


def test_fresh_makes_older_artifacts_again_and_newer_ones_not(tmp_path, make):
    ArtifactCache(tmp_path).values("stage", make, {})
    fresh = ArtifactCache(tmp_path, fresh_since=time.time())
    fresh.values("stage", make, {})
    fresh.values("stage", make, {})
    assert make.calls == 2


def test_the_manifest_says_what_determined_it(cache, make):
    cache.values("stage", make, {"seed": 1})
    (folder,) = (p for p in cache.path.iterdir() if p.is_dir())
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"] == {"seed": 1} and manifest["name"] == "stage"
    assert set(manifest["files"]) == {"values.safetensors"} and "numpy" in manifest["versions"]


def test_time_that_earlier_runs_spent_is_known(tmp_path):
    def slow():
        time.sleep(0.05)
        return 1

    cache = ArtifactCache(tmp_path)
    cache.values("stage", slow, {})
    assert cache.saved_seconds == 0
    later = ArtifactCache(tmp_path)
    later.values("stage", slow, {})
    later.values("stage", slow, {})
    assert 0.05 <= later.saved_seconds < 5


def test_a_bad_name_is_refused(cache, make):
    with pytest.raises(ValueError, match=r"name: got '\.\./x'"):
        cache.values("../x", make, {})


def test_fresh_does_not_go_on_from_an_older_attempt(tmp_path):
    def make(folder, seen=[]):  # noqa: B006 (remembers its calls)
        seen.append(sorted(p.name for p in folder.iterdir() if p.name == "part"))
        (folder / "part").touch()
        if len(seen) < 3:
            raise KeyboardInterrupt
        return seen

    for cache in (ArtifactCache(tmp_path), ArtifactCache(tmp_path)):
        with pytest.raises(KeyboardInterrupt):
            cache.folder("stage", make, {})
    ArtifactCache(tmp_path, fresh_since=time.time()).folder("stage", make, {})
    assert make.__defaults__[0] == [[], ["part"], []]


def test_what_a_worker_of_this_run_made_is_not_time_saved(tmp_path):
    def slow():
        time.sleep(0.05)
        return 1

    cache = ArtifactCache(tmp_path)
    ArtifactCache(tmp_path).values("stage", slow, {})  # as in a process of its own
    cache.values("stage", slow, {})
    assert cache.saved_seconds == 0
