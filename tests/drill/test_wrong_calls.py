"""A call that is refused, or fails, leaves nothing behind, and nothing that stands in the way of the right call."""

import functools
import json
import shutil

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from wmlib import weights
from wmlib.command.gallery import build_gallery
from wmlib.experiment import checkpoint
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.run import Run
from wmlib.experiment.statistics import Estimate, Evidence
from wmlib.models.vae import VAE
from wmlib.rollouts import collect, score
from wmlib.training.jobs import Job, load_output, run_jobs
from wmlib.viz.figures import new_figure, save_figure

pytestmark = [pytest.mark.slow, pytest.mark.kind("side effects before validation")]

ENV_ID = "wmlib-drill/Steps-v0"


class Steps(gymnasium.Env):
    """An episode of three tics; `wrong` says what is wrong with the environment."""

    action_space = spaces.Discrete(3)

    def __init__(self, wrong=None, size=4):
        self.wrong = wrong
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.float32 if wrong == "float" else np.uint8)
        if wrong == "no array":
            self.observation_space = spaces.Dict({"frame": self.observation_space})
        if wrong == "actions":
            self.action_space = spaces.Dict({"left": spaces.Discrete(2)})
        if wrong == "begin":
            raise ValueError("the engine is not there")

    def reset(self, *, seed=None, options=None):
        self.left = 3
        if self.wrong == "reset":
            raise RuntimeError("no episode")
        return np.zeros(self.observation_space.shape, np.uint8), {}

    def step(self, action):
        self.left -= 1
        if self.wrong == "step":
            raise RuntimeError("no tic")
        return np.full(self.observation_space.shape, self.left, np.uint8), 1.0, self.left == 0, False, {}


gymnasium.register(ENV_ID, Steps)


def dice(rng, faces=3):
    return lambda frame: int(rng.integers(faces))


def tired(rng):
    def act(frame):
        raise RuntimeError("no idea")

    return act


def no_function(rng):
    return 3


def two_arguments(rng, frame):
    return 1


def broken(rng):
    raise OSError("no policy today")


class Agent:
    def vectorized(self, num_envs):
        raise RuntimeError("no network")

    def describe(self):
        return {"agent": "without a network"}


class Mute(Agent):
    def describe(self):
        return {"weights": np.zeros(3)}


def to_float(frames):
    return frames / 255


def fewer(frames):
    return frames[:1]


def one_number(frames):
    return 7


def fails(frames):
    raise KeyError("no picture")


RIGHT = {"env_id": ENV_ID, "policy": dice, "episodes": 3, "seed": 1}
WRONG_FOR_BOTH = [
    ("seed", -1),
    ("seed", 1.5),
    ("seed", True),
    ("seed", "1"),
    ("seed", None),
    ("episodes", 0),
    ("episodes", -3),
    ("episodes", 2.5),
    ("episodes", "3"),
    ("episodes", True),
    ("num_envs", 0),
    ("num_envs", 1.5),
    ("num_envs", 2),  # the policy is no agent
    ("workers", 0),
    ("workers", 1.5),
    ("workers", "two"),
    ("env_id", "wmlib-drill/Stops-v0"),
    ("env_id", "nowhere:Steps-v0"),
    ("env_id", "no name"),
    ("env_id", 3),
    ("env_id", ""),
    ("env_id", "CartPole-v1"),
    ("env_kwargs", {"size": "large"}),
    ("env_kwargs", {"sizes": 4}),
    ("env_kwargs", {"wrong": "float"}),
    ("env_kwargs", {"wrong": "no array"}),
    ("env_kwargs", {"wrong": "actions"}),
    ("env_kwargs", {"wrong": "begin"}),
    ("env_kwargs", ["size"]),
    ("env_kwargs", {1: 2}),
    ("policy", None),
    ("policy", 3),
    ("policy", "dice"),
    ("policy", Agent()),  # needs num_envs
    ("policy", two_arguments),
    ("policy", functools.partial(dice, sides=3)),
    ("prepare", "shrink"),
    ("prepare", to_float),
    ("prepare", fewer),
    ("prepare", one_number),
    ("prepare", fails),
]
WRONG_FOR_COLLECT = [
    ("shard_episodes", 0),
    ("shard_episodes", 2.5),
    ("shard_episodes", None),
    ("env_kwargs", {"size": np.int64(4)}),
    ("env_kwargs", {"size": float("nan")}),
    ("env_kwargs", {"size": {4}}),
    ("policy", functools.partial(dice, faces=np.int64(3))),
    ("policy", functools.partial(dice, faces=float("nan"))),
    ("policy", functools.partial(dice, 3)),
    ("policy", lambda rng: lambda frame: 1),
    ("policy", Mute()),
    ("prepare", lambda frames: frames),
    ("folder", ""),
    ("folder", None),
    ("folder", "a file"),
    ("folder", "a file/below"),
]


def collected(folder, **arguments):
    return collect(**{"folder": folder, **RIGHT, "workers": 1, "label": None, "shard_episodes": 2, **arguments})


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else None


def id_of(value):
    return getattr(value, "__name__", None) or type(value).__name__ + str(value)[:20].partition(" at 0x")[0]


@pytest.mark.parametrize("argument, value", WRONG_FOR_BOTH + WRONG_FOR_COLLECT, ids=id_of)
def test_a_wrong_collection_leaves_nothing(drill, tmp_path, monkeypatch, argument, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").touch()
    word = "policy" if argument == "num_envs" and value == 2 else argument
    drill.refused(lambda: collected(**{"folder": tmp_path / "new/c", argument: value}), word)
    drill.good(names(tmp_path) == ["a file"], names(tmp_path))
    drill.good(len(collected(tmp_path / "new/c")) == 12, "the right call finds its folder free")


@pytest.mark.parametrize("argument, value", WRONG_FOR_BOTH, ids=id_of)
def test_a_wrong_score_is_refused(drill, argument, value):
    word = "policy" if argument == "num_envs" and value == 2 else argument
    drill.refused(lambda: score(**{**RIGHT, "workers": 1, "label": None, argument: value}), word)


@pytest.mark.parametrize(
    "argument, value",
    [
        ("policy", tired),
        ("policy", broken),
        ("policy", no_function),
        ("env_kwargs", {"wrong": "step"}),
        ("env_kwargs", {"wrong": "reset"}),
        ("policy", "agent"),
    ],
    ids=id_of,
)
def test_a_collection_that_fails_does_not_stand_in_the_way(drill, tmp_path, argument, value):
    arguments = {"policy": Agent(), "num_envs": 2} if value == "agent" else {argument: value}
    drill.refused(lambda: collected(tmp_path / "c", **arguments))
    left = [name for name in names(tmp_path / "c") or () if name != ".lock"]
    drill.good(not left, left)
    drill.good(len(collected(tmp_path / "c", seed=2)) == 12, "another call finds the folder free")


def test_a_wrong_call_does_not_touch_what_is_there(drill, tmp_path):
    collected(tmp_path / "c")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "c").iterdir()}
    for argument, value in WRONG_FOR_BOTH + WRONG_FOR_COLLECT:
        if argument != "folder":
            drill.refused(lambda value=value, argument=argument: collected(tmp_path / "c", **{argument: value}))
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "c").iterdir()}
    drill.good(before == after, "files have changed")


class Count:
    """A trainer that counts."""

    step = 0

    def run(self, steps):
        for _ in range(steps):
            self.step += 1
            yield

    def state_dict(self):
        return {"step": self.step}

    def load_state_dict(self, state):
        self.step = state["step"]


def count(start):
    return Count()


def steps_done(trainer):
    return trainer.step


def bad_output(trainer):
    return {"trainer": trainer}


@pytest.mark.parametrize(
    "argument, value",
    [
        ("block", 0),
        ("block", -1),
        ("block", 2.5),
        ("workers", 0),
        ("steps", 0),
        ("steps", 3.5),
        ("output_steps", (0,)),
        ("output_steps", (3, 11)),
        ("output_steps", ()),
        ("arguments", {"beginning": 1}),
        ("begin", lambda start: Count()),
        ("output", lambda trainer: 1),
        ("begin", None),
    ],
    ids=id_of,
)
def test_a_wrong_job_leaves_nothing(drill, tmp_path, argument, value):
    job = {"begin": count, "arguments": {"start": 1}, "steps": 10, "output": steps_done}
    how = {"block": 3, "parallel_from": 10**9}
    wrong = {**(how if argument in ("block", "workers") else job), argument: value}
    good = Job(**job)
    calls = [[good], [good, Job(**wrong)]] if argument not in ("block", "workers") else [[good]]
    wrong_how = wrong if argument in ("block", "workers") else how
    drill.refused(lambda: run_jobs(ArtifactCache(tmp_path), calls[-1], "counting", **wrong_how), argument)
    left = [path for path in tmp_path.glob("*") if path.is_dir()]
    drill.good(not left, left)
    (folder,) = run_jobs(ArtifactCache(tmp_path), [good], "counting", **how)
    drill.good(load_output(folder, 10) == 10, "the right call")
    drill.refused(lambda: load_output(folder, 9), "step", "10")


def no_tree():
    return {1, 2}


def failing():
    raise ValueError("seven")


@pytest.mark.parametrize("function", [no_tree, failing])
def test_a_stage_that_fails_leaves_nothing(drill, tmp_path, function):
    cache = ArtifactCache(tmp_path)
    drill.refused(lambda: cache.values(function))
    left = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    drill.good(not left, left)
    drill.refused(lambda: cache.store(cache.artifact(no_tree, (), {}), no_tree(), 1.0), "state")
    left = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    drill.good(not left, left)


@pytest.mark.parametrize("settings", [{"lr": {1}}, {"lr": float("nan")}, {"lr": np.float32(1)}, {"lr": object()}], ids=id_of)
def test_a_wrong_checkpoint_leaves_the_old_one(drill, tmp_path, settings):
    checkpoint.save(tmp_path / "x", 1, {"lr": 0.1})
    drill.refused(lambda: checkpoint.save(tmp_path / "x", 2, settings), "settings")
    drill.good(checkpoint.load(tmp_path / "x", {"lr": 0.1}) == 1 and names(tmp_path) == ["x"], names(tmp_path))


VAE_SETTINGS = {"latent_size": 3, "channels": 1}
WRONG_WEIGHTS = [
    ("name", "../vae"),
    ("name", "a/b"),
    ("name", ""),
    ("name", "sha256"),
    ("name", "manifest.json"),
    ("name", None),
    ("kind", "vea"),
    ("kind", "world model"),
    ("kind", "controller"),
    ("settings", {"latent_size": 4, "channels": 1}),
    ("settings", {"latent_size": 3}),
    ("settings", {"latent_size": 3, "channels": 1, "depth": 2}),
    ("settings", {"latent_size": 3, "channels": {1}}),
    ("settings", {"latent_size": np.int64(3), "channels": 1}),
    ("settings", None),
    ("tensors", {}),
    ("tensors", "one missing"),
    ("tensors", "one too large"),
    ("tensors", "not finite"),
    ("tensors", "arrays"),
    ("scores", {"tics": float("nan")}),
    ("scores", {"tics": np.float32(3)}),
    ("sha256", "0" * 64),
]


def tensors(kind=None):
    state = dict(VAE(generator=torch.Generator().manual_seed(0), **VAE_SETTINGS).state_dict())
    first = next(iter(state))
    if kind == "one missing":
        del state[first]
    elif kind in ("one too large", "not finite"):
        state[first] = torch.full_like(state[first], 1e5 if "large" in kind else float("nan"))
    elif kind == "arrays":
        state = {name: value.numpy() for name, value in state.items()}
    return state


@pytest.mark.parametrize("argument, value", WRONG_WEIGHTS, ids=id_of)
def test_weights_that_could_not_be_loaded_are_not_saved(drill, tmp_path, argument, value):
    right = {"name": "vae", "kind": "vae", "tensors": tensors(), "settings": VAE_SETTINGS, "made": "here", "scores": {}}
    weights.save(**right, folder=tmp_path / "w")
    before = {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()}
    value = tensors(value) if argument == "tensors" and value else value
    drill.refused(lambda: weights.save(**{**right, "folder": tmp_path / "w", argument: value}), argument)
    after = {path.name: path.read_bytes() for path in (tmp_path / "w").iterdir()}
    drill.good(before == after and names(tmp_path) == ["w"], [*after, *names(tmp_path)])
    drill.refused(lambda: weights.save(**{**right, "folder": tmp_path / "new", argument: value}), argument)
    drill.good(names(tmp_path) == ["w"], names(tmp_path))
    drill.good(weights.load("vae", tmp_path / "w"), "what was there loads")


def test_weights_are_not_added_to_a_damaged_manifest(drill, tmp_path):
    right = {"kind": "vae", "tensors": tensors(), "settings": VAE_SETTINGS, "made": "here", "scores": {}}
    weights.save("one", **right, folder=tmp_path)
    (tmp_path / "manifest.json").write_text('{"one": ')
    drill.refused(lambda: weights.save("two", **right, folder=tmp_path), tmp_path, "manifest.json")
    drill.good(names(tmp_path) == ["manifest.json", "one.safetensors"], names(tmp_path))


ESTIMATE = Estimate(0.8, 0.4, 0.95, 10)
EVIDENCE = Evidence("proportion", {"successes": 8, "n": 10})
CLAIM = judge(Claim("works", "It works.", "ours", "90 %", "success rate", smallest=0.9, null=0.4), EVIDENCE)


@pytest.fixture
def run(project):
    project.notebook("01_good")
    return Run("01_good", "quick", 1, "cpu")


WRONG_RESULTS = [
    ("data", {"x": float("nan")}),
    ("data", {"x": {1, 2}}),
    ("data", {"x": object()}),
    ("data", {"x": 1j}),
    ("data", {"x": np.array([1.0, np.inf])}),
    ("data", {"x": torch.tensor(float("nan"))}),
    ("data", {1: "a", "1": "b"}),
    ("data", [1, 2]),
    ("claims", [{**CLAIM, "verdict": "reproduced"}]),
    ("claims", [CLAIM, CLAIM]),
    ("claims", [{**CLAIM, "ours": float("nan")}]),
    ("claims", [{**CLAIM, "smallest": 0.1}]),
    ("claims", CLAIM),
    ("headline", ("", ESTIMATE, "8 of 10")),
    ("headline", ("rate", ESTIMATE)),
    ("headline", ("rate", Estimate(float("nan"), 0.0, 1.0, 3), "8 of 10")),
]


@pytest.mark.parametrize("argument, value", WRONG_RESULTS, ids=id_of)
def test_results_that_break_a_rule_leave_the_old_ones(drill, run, argument, value):
    right = {"headline": ("rate", ESTIMATE, "8 of 10"), "claims": [CLAIM], "data": {"x": [1]}, "seeds": {}}
    drill.refused(lambda: run.store(**{**right, argument: value}))
    drill.good(not run.figures.exists(), "a folder stands there")
    run.store(**right)
    before = run.results_file.read_bytes()
    drill.refused(lambda: run.store(**{**right, argument: value}))
    drill.good(run.results_file.read_bytes() == before, "the old results are gone")


WORDS = {"alt": "A line that rises from left to right.", "caption": "Success rate over steps, n = 3."}


@pytest.mark.parametrize(
    "argument, value",
    [
        ("name", "../outside"),
        ("name", "/tmp/wmlib-outside"),
        ("name", ""),
        ("name", "a/b"),
        ("alt", " " * 30),
        ("alt", "short" + " " * 30),
        ("caption", ""),
    ],
    ids=id_of,
)
def test_a_wrong_figure_leaves_nothing(drill, run, argument, value):
    figure, _ = new_figure()
    run.store(headline=("rate", ESTIMATE, "8 of 10"), claims=[CLAIM], data={"x": [1]}, seeds={})
    before = run.results_file.read_bytes()
    drill.refused(lambda: save_figure(run, figure, **{"name": "line", **WORDS, argument: value}), argument)
    everything = sorted(path.name for path in run.figures.parent.rglob("*"))
    drill.good(run.results_file.read_bytes() == before and everything == ["01_good", "results.json"], everything)


@pytest.mark.parametrize("wrong", ["no notebooks", "no folder", "damaged results", "no notebook", "not ours", "a file"])
def test_a_wrong_gallery_leaves_nothing(drill, run, tmp_path, wrong):
    executed = tmp_path / "executed"
    if wrong != "no folder":
        executed.mkdir()
    if wrong != "no notebooks":
        executed.mkdir(exist_ok=True)
        shutil.copyfile(tmp_path / "notebooks/01_good.ipynb", executed / "01_good.ipynb")
    out = tmp_path / "new/gallery"
    if wrong == "no folder":
        shutil.rmtree(executed)
    elif wrong == "damaged results":
        run.figures.mkdir(parents=True)
        run.results_file.write_text("{")
    elif wrong == "no notebook":
        (executed / "02_other.ipynb").write_text(json.dumps({"cells": 3}))
    elif wrong == "not ours":
        out.mkdir(parents=True)
        (out / "thesis.tex").touch()
    elif wrong == "a file":
        out.parent.mkdir()
        out.touch()
    before = sorted(tmp_path.rglob("*"))
    drill.refused(lambda: build_gallery(executed, run.figures.parent, out))
    drill.good(sorted(tmp_path.rglob("*")) == before, set(tmp_path.rglob("*")) - set(before))
