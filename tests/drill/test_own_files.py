"""Files of the project that are damaged, lost, moved or swapped: told at once, made again where that can be done."""

import contextlib
import ctypes
import functools
import itertools
import json
import os
import shutil
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmlib import weights
from wmlib.experiment import cache as artifacts
from wmlib.experiment import results
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.run import Run
from wmlib.experiment.statistics import Estimate, Evidence
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts, collect
from wmlib.training.jobs import Job, load_output, run_jobs

DAMAGE = pytest.mark.kind("damage that is not remade")
IDENTITY = pytest.mark.kind("identity apart from content")
pytestmark = pytest.mark.slow


# what is made: each function takes a folder, and makes, finishes, mends or finds something there and returns it


class Dots(gymnasium.Env):
    """Frames of random dots; an episode of three to five tics."""

    observation_space = spaces.Box(0, 255, (4, 4, 3), np.uint8)
    action_space = spaces.Discrete(3)

    def __init__(self, bright=255):
        self.bright = bright

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 3 + seed % 3
        return self.draw(), {}

    def step(self, action):
        self.left -= 1
        return self.draw(), float(action), self.left == 0, False, {}

    def draw(self):
        return self.np_random.integers(self.bright, size=(4, 4, 3), dtype=np.uint8)


gymnasium.register("wmlib-drill/Dots-v0", Dots)


def dice(rng, faces=3):
    return lambda frame: int(rng.integers(faces))


def collected(folder, seed=5, episodes=8, name="c", **arguments):
    rollouts = collect(
        folder / name, "wmlib-drill/Dots-v0", dice, episodes, seed, shard_episodes=2, workers=1, label=None, **arguments
    )
    return rollouts.frames(np.arange(len(rollouts))), rollouts.actions


def double(x=3.0):
    return {"x": np.arange(30.0) * x}


def values(folder, x=3.0):
    return [ArtifactCache(folder).values(double, x)["x"]]


def fill(folder, text="x"):
    (folder / "data.bin").write_text(text * 100)


def filled(folder, text="x"):
    return [(ArtifactCache(folder).folder(fill, text) / "data.bin").read_text()]


class Walk:
    """A random walk, as a trainer."""

    def __init__(self, seed, stop_at):
        self.rng = np.random.default_rng(seed)
        self.step = 0
        self.stop_at = stop_at
        self.place = torch.zeros(50)

    def run(self, steps):
        for _ in range(steps):
            if self.step == self.stop_at:
                raise KeyboardInterrupt
            self.place += float(self.rng.standard_normal())
            self.step += 1
            yield

    def state_dict(self):
        return {"rng": self.rng, "step": self.step, "place": self.place}

    def load_state_dict(self, state):
        self.rng = state["rng"]
        self.step = state["step"]
        self.place = state["place"]


STOP = {}


def begin(seed):
    return Walk(seed, STOP.get("at"))


def place(walk):
    return {"place": walk.place}


def walked(folder, seed=1, steps=10):
    job = Job(begin, {"seed": seed}, steps, place, (2, 4, steps))
    (made,) = run_jobs(ArtifactCache(folder), [job], "walks", block=3, parallel_from=10**9)
    return [load_output(made, step)["place"] for step in (2, 4, steps)]


def half_walked(folder, **arguments):
    STOP["at"] = 8
    with pytest.raises(KeyboardInterrupt):
        walked(folder, **arguments)
    STOP.clear()


def same(a, b):
    return len(a) == len(b) and all(
        type(x) is type(y) and (x == y if isinstance(x, str) else np.array_equal(x, y)) for x, y in zip(a, b, strict=True)
    )


# what happens to a file


def emptied(path):
    path.write_bytes(b"")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_bit_flipped(path):
    content = bytearray(path.read_bytes())
    place = len(content) // 2
    while not chr(content[place]).isalnum() and path.suffix == ".json":  # a space may change: it says nothing
        place += 1
    content[place] ^= 1
    path.write_bytes(content)


def last_byte_changed(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 255]))


def longer(path):
    path.write_bytes(path.read_bytes() + b"more")


def not_utf8(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\xff" + content[len(content) // 2 :])


def a_folder(path):
    path.unlink()
    path.mkdir()


def unreadable(path):
    path.chmod(0)


def deleted(path):
    path.unlink()


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def a_link_to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def rewritten(path, change):
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


def a_field_missing(path):
    rewritten(path, lambda record: record.pop(next(iter(record))))


def last_field_missing(path):
    rewritten(path, lambda record: record.pop(list(record)[-2]))  # the very last may be the checksum


def a_field_of_another_type(path):
    rewritten(path, lambda record: record.update({next(iter(record)): [None]}))


def all_fields_null(path):
    rewritten(path, lambda record: record.update(dict.fromkeys(record)))


def one_more_field(path):
    rewritten(path, lambda record: record.update(more=1))


def null(path):
    path.write_text("null")


def a_list(path):
    path.write_text("[1, 2]")


def an_empty_object(path):
    path.write_text("{}")


def nested_too_deeply(path):
    path.write_text("[" * 100_000)


def not_a_number(path):
    path.write_text('{"seed": NaN, "episodes": Infinity, "seconds": NaN, "made": NaN, "begun": NaN}')


def a_web_page(path):
    path.write_text("<!DOCTYPE html><title>404</title>")


BINARY = [emptied, halved, one_bit_flipped, last_byte_changed, longer, zeros, a_folder, unreadable]
JSON = [
    emptied,
    halved,
    one_bit_flipped,
    not_utf8,
    zeros,
    a_folder,
    unreadable,
    a_field_missing,
    last_field_missing,
    a_field_of_another_type,
    all_fields_null,
    one_more_field,
    null,
    a_list,
    an_empty_object,
    nested_too_deeply,
    not_a_number,
    a_web_page,
]
GONE = [deleted, a_link_to_nowhere]


class Capabilities(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


@contextlib.contextmanager
def no_more_rights_than_others():
    """Take from root, for a while, the right to read what nobody may read."""
    if sys.platform != "linux" or os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    state = (Capabilities * 2)()
    assert libc.capget(header, state) == 0
    before = state[0].effective
    state[0].effective = before & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, state) == 0
    try:
        yield
    finally:
        state[0].effective = before
        assert libc.capset(header, state) == 0


def trials(*rows):
    """Return parameters (make, finish, file, damage): one for each damage of each row."""
    return [
        pytest.param(make, finish, file, damage, id=f"{file}: {damage.__name__}")
        for make, finish, file, damages in rows
        for damage in damages
    ]


@DAMAGE
@pytest.mark.parametrize(
    "make, finish, file, damage",
    trials(
        (values, values, "double-*/manifest.json", JSON + GONE),
        (values, values, "double-*/values.safetensors", BINARY + GONE),
        (filled, filled, "fill-*/manifest.json", [a_field_missing, deleted]),
        (filled, filled, "fill-*/data.bin", BINARY + GONE),
        (half_walked, walked, "*.partial/manifest.json", JSON + GONE),
        (half_walked, walked, "*.partial/checkpoint.safetensors", BINARY),
        (half_walked, walked, "*.partial/2.safetensors", BINARY + GONE),
        (collected, collected, "c/manifest.json", JSON + GONE),
        (collected, collected, "c/00001.json", JSON),
        (collected, collected, "c/00001.frames.npy", BINARY + GONE),
        (collected, collected, "c/00001.steps.npz", BINARY + GONE),
        (values, values, ".parsed-sources.json", JSON),
    ),
)
def test_damaged_state_is_named_and_made_again(drill, tmp_path, make, finish, file, damage):
    make(tmp_path / "damaged")
    (victim,) = (tmp_path / "damaged").glob(file)
    damage(victim)
    with no_more_rights_than_others(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mended = finish(tmp_path / "damaged")
        told = [str(warning.message) for warning in caught]
        again = finish(tmp_path / "damaged")
    straight = finish(tmp_path / "straight")
    parts = victim.relative_to(tmp_path / "damaged").parts
    named = [text for text in told if str(tmp_path) in text and parts[-1] in text and "again" in text]
    drill.good(same(mended, straight) and same(again, straight), f"{told}, other results")
    drill.good(len(told) == len(named) == 1 == len(caught), [str(warning.message) for warning in caught])


@pytest.fixture
def stored(project):
    """A run whose results are stored."""
    project.notebook("01_good")
    run = Run("01_good", "quick", 1, "cpu")
    claim = Claim("works", "It works.", "ours", "90 %", "success rate", smallest=0.9, null=0.4)
    evidence = Evidence("proportion", {"successes": 8, "n": 10})
    data = {"x": np.linspace(0, 1, 50)}
    run.store(("success rate", evidence.estimate(), "8 of 10"), [judge(claim, evidence)], data, {})
    return run


@DAMAGE
@pytest.mark.parametrize("damage", JSON + GONE)
def test_damaged_results_are_refused(drill, stored, damage):
    if damage is not deleted:  # the words in the message are those of another case
        damage(stored.results_file)
    else:
        stored.results_file.unlink()
    with no_more_rights_than_others():
        drill.refused(lambda: results.read(stored.results_file), stored.results_file, "again")
    if damage is a_folder:
        estimate = Estimate(0.8, 0.4, 0.95, 10)
        drill.good(stored.store(("success rate", estimate, "8 of 10"), [], {}, {}), "results.json is written in its place")


@pytest.fixture
def saved(tmp_path):
    """A folder of weights: a VAE of eight numbers and a larger one."""
    for name, channels in (("small", 1), ("large", 2)):
        vae = VAE(generator=torch.Generator().manual_seed(channels), latent_size=3, channels=channels)
        settings = {"latent_size": 3, "channels": channels}
        weights.save(name, "vae", vae.state_dict(), settings, tmp_path / "w", made="here", scores={"none": 0})
    return tmp_path / "w"


@DAMAGE
@pytest.mark.parametrize(
    "file, damage",
    [pytest.param("manifest.json", damage, id=f"manifest.json: {damage.__name__}") for damage in JSON + GONE]
    + [pytest.param("small.safetensors", damage, id=f"weights: {damage.__name__}") for damage in BINARY + GONE],
)
def test_damaged_weights_are_refused(drill, saved, file, damage):
    damage(saved / file)
    with no_more_rights_than_others():
        drill.refused(lambda: weights.load("small", saved), saved, file)


@DAMAGE
@pytest.mark.parametrize("make, file", [(values, "double-*"), (half_walked, "*.partial")])
@pytest.mark.parametrize("damage", ["a file", "a link to nowhere", "a link to itself elsewhere", "emptied"])
def test_a_folder_of_the_cache_that_is_something_else(drill, tmp_path, make, file, damage):
    make(tmp_path / "c")
    (victim,) = (tmp_path / "c").glob(file)
    os.rename(victim, tmp_path / "elsewhere")
    if damage == "a file":
        victim.write_text("no folder")
    elif damage == "emptied":
        victim.mkdir()
    else:
        victim.symlink_to(tmp_path / ("nowhere" if "nowhere" in damage else "elsewhere"))
    finish = values if make is values else walked
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        drill.good(same(finish(tmp_path / "c"), finish(tmp_path / "straight")), "other results")
    drill.good((tmp_path / "elsewhere").is_dir(), "what a link pointed to is gone")


@DAMAGE
def test_the_list_of_a_cache_with_damage(drill, tmp_path):
    for x, damage in enumerate(JSON + GONE):
        before = set(tmp_path.iterdir())
        values(tmp_path, float(x))
        (new,) = (path for path in set(tmp_path.glob("double-*")) - before)
        damage(new / "manifest.json")
    (tmp_path / "a-file").touch()
    with no_more_rights_than_others():
        entries = artifacts.listing(tmp_path)
        stale = artifacts.stale(entries)
    drill.good(len(entries) == len(stale) == len(JSON + GONE), f"{len(stale)} of {len(entries)} are stale")


# who a file belongs to


def move(source, target, *names):
    for name in names:
        os.replace(source / name, target / name)


SHARD = ("{}.json", "{}.frames.npy", "{}.steps.npz")


def shard(number):
    return [name.format(f"{number:05d}") for name in SHARD]


def swap(folder, *pairs):
    for one, other in pairs:
        os.rename(folder / one, folder / "aside")
        os.rename(folder / other, folder / one)
        os.rename(folder / "aside", folder / other)


def shards_swapped(c, other):
    swap(c, *zip(shard(1), shard(2), strict=True))


def a_shard_of_another_collection(c, other):
    move(other, c, *shard(1))


def facts_of_another_collection(c, other):
    move(other, c, "00001.json")


def frames_of_another_collection(c, other):
    move(other, c, "00001.frames.npy")


def steps_of_another_shard(c, other):
    swap(c, ("00001.steps.npz", "00002.steps.npz"))


def a_copy_of_the_first_shard(c, other):
    for one, two in zip(shard(0), shard(3), strict=True):
        shutil.copyfile(c / one, c / two)


OTHER_FRAMES = [{"seed": 6}, {"env_kwargs": {"bright": 9}}]
SHORTER = {"episodes": 6}  # its frames are the same: none of them can be told from another's


@IDENTITY
@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        *itertools.product(
            [
                shards_swapped,
                a_shard_of_another_collection,
                facts_of_another_collection,
                steps_of_another_shard,
                a_copy_of_the_first_shard,
            ],
            [*OTHER_FRAMES, SHORTER],
        ),
        *itertools.product([frames_of_another_collection], OTHER_FRAMES),
    ],
)
def test_a_shard_that_is_another_is_noticed(drill, tmp_path, change, arguments):
    straight = collected(tmp_path)
    collected(tmp_path, name="other", **arguments)
    change(tmp_path / "c", tmp_path / "other")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mended = collected(tmp_path)
    drill.good(same(mended, straight), "other episodes")
    drill.good(all("again" in str(warning.message) for warning in caught) and caught, caught)


@IDENTITY
@pytest.mark.parametrize("change", [shards_swapped, a_shard_of_another_collection, a_copy_of_the_first_shard])
def test_a_reader_refuses_a_shard_that_is_another(drill, tmp_path, change):
    collected(tmp_path)
    collected(tmp_path, seed=6, name="other")
    change(tmp_path / "c", tmp_path / "other")
    drill.refused(lambda: Rollouts(tmp_path / "c"), tmp_path / "c", "shard", "collect()")


@IDENTITY
@pytest.mark.parametrize("damage", [deleted, halved, an_empty_object, one_bit_flipped])
@pytest.mark.parametrize(
    "arguments", [{"seed": 6}, {"env_kwargs": {"bright": 9}}, {"episodes": 6}, {"prepare": np.copy}], ids="-".join
)
def test_a_collection_without_its_manifest_is_nobody_elses(drill, tmp_path, damage, arguments):
    straight = collected(tmp_path)
    damage(tmp_path / "c/manifest.json")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}
    drill.refused(lambda: collected(tmp_path, **arguments), tmp_path / "c", "another", next(iter(arguments)).partition("_")[0])
    drill.good(before == {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}, "files have changed")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        drill.good(same(collected(tmp_path), straight), "other episodes")


def of_an_earlier_version(folder):
    """Take from the files of a collection or an artifact what the first version did not write."""
    for path in folder.rglob("*.json"):
        rewritten(path, lambda record: [record.pop(name, None) for name in ("sha256", "collection", "shard")])


@DAMAGE
@pytest.mark.parametrize("make", [collected, values, filled])
def test_files_of_an_earlier_version_are_made_again(drill, tmp_path, make):
    make(tmp_path / "old")
    of_an_earlier_version(tmp_path / "old")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drill.good(same(make(tmp_path / "old"), make(tmp_path / "straight")), "other content")
    drill.good(caught and all("again" in str(warning.message) for warning in caught), caught)


@IDENTITY
@pytest.mark.parametrize("manifest", ["there", "lost", "halved"])
def test_a_collection_of_an_earlier_version_is_nobody_elses(drill, tmp_path, manifest):
    collected(tmp_path)
    of_an_earlier_version(tmp_path / "c")
    if manifest != "there":
        (deleted if manifest == "lost" else halved)(tmp_path / "c/manifest.json")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}
    drill.refused(lambda: collected(tmp_path, seed=6), tmp_path / "c", "another")
    drill.refused(lambda: Rollouts(tmp_path / "c"), tmp_path / "c", "collect()")
    drill.good(before == {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}, "files have changed")


@IDENTITY
def test_the_manifest_of_another_collection(drill, tmp_path):
    straight = collected(tmp_path)
    collected(tmp_path, seed=6, name="other")
    shutil.copyfile(tmp_path / "other/manifest.json", tmp_path / "c/manifest.json")
    drill.refused(lambda: Rollouts(tmp_path / "c"), tmp_path / "c", "seed")
    drill.refused(lambda: collected(tmp_path, seed=6), tmp_path / "c", "seed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drill.good(same(collected(tmp_path), straight), "other episodes")
    drill.good(len(caught) == 1 and "manifest" in str(caught[0].message), caught)


@IDENTITY
@pytest.mark.parametrize("kind", ["weights", "artifact", "another program's"])
def test_a_folder_that_holds_something_else_is_left_alone(drill, tmp_path, saved, kind):
    if kind == "weights":
        folder = saved
    elif kind == "artifact":
        filled(tmp_path / "cache")
        (folder,) = (tmp_path / "cache").glob("fill-*")
    else:
        folder = tmp_path / "web"
        folder.mkdir()
        (folder / "manifest.json").write_text('{"name": "a web application", "version": 3}')
        (folder / "index.html").write_text("<html>")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    drill.refused(lambda: collected(folder.parent, name=folder.name), folder, "nother")
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}
    drill.good(after == before, "files have changed")


@IDENTITY
def test_two_functions_without_a_name_are_not_one(drill, tmp_path):
    call = functools.partial(collect, tmp_path / "c", "wmlib-drill/Dots-v0", episodes=2, seed=1, workers=1, label=None)
    drill.refused(lambda: call(policy=lambda rng: lambda frame: 1), "policy", "lambda")
    drill.refused(lambda: call(policy=dice, prepare=lambda frames: frames), "prepare", "lambda")


def copied(mine, other):
    shutil.rmtree(mine)
    shutil.copytree(other, mine)


def renamed(mine, other):
    shutil.rmtree(mine)
    os.rename(other, mine)


def swapped(mine, other):
    swap(mine.parent, (mine.name, other.name))


def manifest_copied(mine, other):
    shutil.copyfile(other / "manifest.json", mine / "manifest.json")


def content_copied(mine, other):
    for path in other.iterdir():
        if path.name != "manifest.json":
            shutil.copyfile(path, mine / path.name)


@IDENTITY
@pytest.mark.parametrize("make, arguments", [(values, (3.0, 4.0)), (filled, ("x", "y"))])
@pytest.mark.parametrize("change", [copied, renamed, swapped, manifest_copied, content_copied])
def test_an_artifact_is_not_taken_for_another(drill, tmp_path, make, arguments, change):
    straight = make(tmp_path, arguments[0])
    (mine,) = (p for p in tmp_path.iterdir() if p.is_dir())
    make(tmp_path, arguments[1])
    (other,) = (p for p in tmp_path.iterdir() if p.is_dir() and p != mine)
    change(mine, other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mended = make(tmp_path, arguments[0])
    drill.good(same(mended, straight), f"{mended} in place of {straight}")
    drill.good(len(caught) == 1 and str(mine) in str(caught[0].message), caught)


@IDENTITY
@pytest.mark.parametrize("change", [copied, renamed, swapped, manifest_copied, content_copied])
def test_an_unfinished_artifact_is_not_taken_for_another(drill, tmp_path, change):
    half_walked(tmp_path, seed=1)
    (mine,) = tmp_path.glob("*.partial")
    half_walked(tmp_path, seed=2)
    (other,) = (p for p in tmp_path.glob("*.partial") if p != mine)
    change(mine, other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mended = walked(tmp_path, seed=1)
    drill.good(same(mended, walked(tmp_path / "straight", seed=1)), "the walk of another seed")
    drill.good(len(caught) == 1 and "again" in str(caught[0].message), caught)


@IDENTITY
@pytest.mark.parametrize("arguments", [{"seed": 2}, {"steps": 12}], ids=str)
@pytest.mark.parametrize("names", [["checkpoint.safetensors"], ["2.safetensors"], ["2.safetensors", "4.safetensors"], None])
def test_files_of_another_job(drill, tmp_path, arguments, names):
    half_walked(tmp_path)
    (mine,) = tmp_path.glob("*.partial")
    half_walked(tmp_path / "other", **arguments)
    (other,) = (tmp_path / "other").glob("*.partial")
    if names is None:
        swap(mine, ("2.safetensors", "4.safetensors"))
    else:
        move(other, mine, *names)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mended = walked(tmp_path)
    drill.good(same(mended, walked(tmp_path / "straight")), "the walk of another job")
    drill.good(len(caught) == 1 and "again" in str(caught[0].message), caught)


@IDENTITY
def test_what_was_in_the_folder_before_is_no_part_of_an_artifact(drill, tmp_path):
    filled(tmp_path)
    (mine,) = tmp_path.glob("fill-*")
    shutil.rmtree(mine)
    partial = mine.with_name(f"{mine.name}.partial")
    partial.mkdir()
    (partial / "stranger.bin").write_text("of another artifact")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filled(tmp_path)
    drill.good(sorted(p.name for p in mine.iterdir()) == ["data.bin", "manifest.json"], sorted(mine.iterdir()))
    drill.good(len(caught) == 1, caught)


@IDENTITY
def test_a_renamed_artifact_is_stale(drill, tmp_path):
    values(tmp_path)
    (mine,) = tmp_path.glob("double-*")
    os.rename(mine, tmp_path / "double-0123456789abcdef")
    drill.good(len(artifacts.stale(artifacts.listing(tmp_path))) == 1, "it counts as usable")


@IDENTITY
@pytest.mark.parametrize("change", ["file", "entries", "entries without their checksum", "manifest"])
def test_weights_of_another_agent(drill, saved, tmp_path, change):
    manifest = saved / "manifest.json"
    if change == "file":
        swap(saved, ("small.safetensors", "large.safetensors"))
    elif change == "manifest":
        vae = VAE(generator=torch.Generator().manual_seed(7), latent_size=3, channels=1)
        weights.save("small", "vae", vae.state_dict(), {"latent_size": 3, "channels": 1}, tmp_path / "v", made="", scores={})
        shutil.copyfile(tmp_path / "v/manifest.json", manifest)
    else:
        record = json.loads(manifest.read_text())
        record["small"], record["large"] = record["large"], record["small"]
        if "without" in change:
            record.pop("sha256", None)
        manifest.write_text(json.dumps(record))
    drill.refused(lambda: weights.load("small", saved), saved, "small.safetensors" if "out" in change else "")


@IDENTITY
@pytest.mark.parametrize("part", ["vae", "world_model"])
def test_an_agent_does_not_play_with_the_parts_of_another(drill, tmp_path, part):
    shutil.copytree(weights.FOLDER, tmp_path / "w")
    drill.good(weights.load_agent("controller", tmp_path / "w"), "a copy loads")
    model, entry = weights.load(part, tmp_path / "w")
    state = {name: value + 0.01 for name, value in model.state_dict().items()}
    weights.save(part, entry["kind"], state, entry["settings"], tmp_path / "w", made="here", scores={})
    drill.refused(lambda: weights.load_agent("controller", tmp_path / "w"), "controller", part)
    drill.good(weights.load("controller", tmp_path / "w"), "the controller alone loads")


@IDENTITY
def test_results_of_another_notebook(drill, stored):
    other = stored.figures.parent / "02_other/results.json"
    other.parent.mkdir()
    shutil.copyfile(stored.results_file, other)
    drill.refused(lambda: results.read(other), other, "01_good")


@DAMAGE
def test_no_bit_of_a_small_file_can_change_unnoticed(drill, tmp_path):
    collected(tmp_path)
    facts: Path = tmp_path / "c/00001.json"
    whole = facts.read_bytes()
    unnoticed = []
    for place in range(0, len(whole), 5):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        facts.write_bytes(content)
        with contextlib.suppress(ValueError):
            if json.loads(content) == json.loads(whole):
                continue  # a space
        try:
            Rollouts(tmp_path / "c")
            unnoticed.append(content)
        except RuntimeError:
            pass
    drill.good(not unnoticed, unnoticed[:3])
