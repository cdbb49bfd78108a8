"""What determines a result: every change that can change a number changes the key, and nothing else does."""

import dataclasses
import functools
import os
import re
import shutil
import statistics
import time
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import wmlib
from wmlib.agents.cma_es import CMAES
from wmlib.experiment import fingerprint
from wmlib.experiment.fingerprint import FingerprintError, closure, code_hash, describe, determined_by
from wmlib.lessons.cma_es_toy import solvers
from wmlib.lessons.cma_es_toy.benchmark_functions import ellipsoid, rosenbrock
from wmlib.lessons.cma_es_toy.solvers import ScalarRankOne
from wmlib.models.dnc import DNC

PACKAGE = Path(wmlib.__file__).parent
LESSONS = [
    "wmlib.lessons.cma_es_toy.solvers",
    "wmlib.lessons.mixture_density.pipeline",
    "wmlib.lessons.addition.pipeline",
    "wmlib.lessons.vae.pipeline",
    "wmlib.lessons.vizdoom_dream.pipeline",
    "wmlib.lessons.vizdoom_dream.controllers",
    "wmlib.lessons.pommerman.pipeline",
]  # modules with functions whose results are cached


@pytest.fixture
def copy(tmp_path):
    """A copy of the package's sources, to be edited: `copy.edit(file, old, new)`, `copy.hash(module)`."""
    shutil.copytree(PACKAGE, tmp_path / "wmlib", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    return Copy(tmp_path)


class Copy:
    def __init__(self, root):
        self.root = root

    def edit(self, file, old, new):
        path = self.root / "wmlib" / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is no longer in {file}: mend this test"
        path.write_text(text.replace(old, new), encoding="utf-8")
        fingerprint._first_seen.pop(path, None)  # as a process that starts after the edit

    def hash(self, module):
        return code_hash(module, self.root)


# --- code ---


VAE, WORLD_MODEL, CONTROLLERS = "vae.pipeline", "vizdoom_dream.pipeline", "vizdoom_dream.controllers"
ADDITION, POMMERMAN, TOY = "addition.pipeline", "pommerman.pipeline", "cma_es_toy.solvers"
DOOM = [VAE, WORLD_MODEL, CONTROLLERS]


@pytest.mark.parametrize(
    ("file", "old", "new", "lessons"),
    [
        ("training/schedules.py", "max(0.03, left)", "max(0.02, left)", [*DOOM, POMMERMAN]),
        ("models/specs.py", "forget_bias: float | None = 1.0", "forget_bias: float | None = 0.5", "cores"),
        ("models/dnc/addressing.py", "EPSILON = 1e-6", "EPSILON = 1e-5", "cores"),
        ("models/lstm.py", "forget = slice(self.hidden_size", "forget = slice(0", "cores"),
        ("envs/doom/take_cover.py", "MAX_TICS = 2100", "MAX_TICS = 2000", DOOM),
        ("envs/pommerman/layout.py", "MAX_STEPS = 10, 2", "MAX_STEPS = 11, 2", [POMMERMAN]),
        ("rollouts/collection.py", '"environment", episode)', '"environment", episode + 1)', DOOM),
        ("agents/cma_es.py", "class CMAES", "OTHER = 1\n\n\nclass CMAES", [TOY, CONTROLLERS]),
        ("experiment/seeding.py", "digest()[:16]", "digest()[16:]", [ADDITION, *DOOM, POMMERMAN]),
    ],
)
def test_code_that_changes_numbers_changes_the_key_of_the_lessons_that_use_it(copy, file, old, new, lessons):
    before = {lesson: copy.hash(lesson) for lesson in LESSONS}
    copy.edit(file, old, new)
    changed = {lesson.removeprefix("wmlib.lessons.") for lesson in LESSONS if copy.hash(lesson) != before[lesson]}
    assert changed == set([ADDITION, WORLD_MODEL, CONTROLLERS, POMMERMAN] if lessons == "cores" else lessons)


def test_comments_docstrings_and_rooms_that_are_not_used_do_not_count(copy):
    before = {lesson: copy.hash(lesson) for lesson in LESSONS}
    for file in ("models/specs.py", "training/jobs.py", "envs/doom/take_cover.py", "agents/dream.py"):
        path = copy.root / "wmlib" / file
        text = path.read_text(encoding="utf-8")
        commented = re.sub(r'^"""', '"""Another first line. ', text, count=1) + "\n# and a comment at the end\n"
        assert commented != text
        path.write_text(commented, encoding="utf-8")
        fingerprint._first_seen.pop(path, None)
    copy.edit(
        "command/gallery/page.py",
        "import",
        "import sys  # noqa\nimport",
    )
    copy.edit("viz/figures.py", "DPI = 144", "DPI = 100")
    copy.edit("experiment/results.py", "SCHEMA_VERSION = 1", "SCHEMA_VERSION = 99")
    assert {lesson: copy.hash(lesson) for lesson in LESSONS} == before


def test_the_closure_holds_what_is_imported_directly_or_not_and_nothing_else(copy):
    (copy.root / "wmlib/x").mkdir()
    for name, text in {
        "__init__": "from wmlib.x.a import one",
        "a": "from typing import TYPE_CHECKING\nfrom . import b\nif TYPE_CHECKING:\n    from wmlib.x import never\n",
        "b": "def f():\n    from wmlib.x.c import late\n    import numpy.linalg\n",
        "c": "from ..x.d import *\nimport wmlib.x.a as circle\n",
        "d": "",
        "never": "",
    }.items():
        (copy.root / f"wmlib/x/{name}.py").write_text(text)
    found = closure("wmlib.x.a", copy.root)
    # `from . import b` takes b out of the package, whose __init__ runs
    assert set(found) == {"wmlib.x", "wmlib.x.a", "wmlib.x.b", "wmlib.x.c", "wmlib.x.d"}
    assert set(closure("wmlib.x.d", copy.root)) == {"wmlib.x.d"}
    assert closure("numpy.linalg", copy.root) == {} and code_hash("numpy.linalg") is None


def test_modules_of_other_people_count_with_what_they_import(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "theirs_1.py").write_text("from wmlib.training import schedules\ndef f(x):\n    return x\n")
    import theirs_1

    assert set(closure("theirs_1")) >= {"theirs_1", "wmlib.training.schedules"}
    assert determined_by(theirs_1.f, (1,), {}, tmp_path)["code"] == code_hash("theirs_1")


def test_a_source_that_was_edited_after_it_was_looked_at_is_refused_whatever_its_date(copy):
    copy.hash("wmlib.training.schedules")
    path = copy.root / "wmlib/training/schedules.py"
    future = time.time() + 86400
    os.utime(path, (future, future))  # a date alone says nothing
    copy.hash("wmlib.training.schedules")
    path.write_text(path.read_text() + "\nX = 1\n")
    with pytest.raises(RuntimeError, match=r"schedules.py .* was edited after this kernel started: restart the kernel"):
        copy.hash("wmlib.training.schedules")


def test_the_hash_costs_less_than_fifty_milliseconds(tmp_path):
    """In a process that finds what earlier ones parsed, which is every process but the first after a change."""
    code_hash(LESSONS[-1])
    stored = tmp_path / "parsed.json"
    stored.write_text(fingerprint.dump_parsed())
    seconds = []
    for _ in range(5):
        fingerprint._parsed.clear()
        fingerprint._read_hash.cache_clear()
        fingerprint._package_file.cache_clear()
        start = time.process_time()
        fingerprint.load_parsed(stored)
        for lesson in LESSONS:
            code_hash(lesson)
        seconds.append((time.process_time() - start) / len(LESSONS))
    assert statistics.median(seconds) < 0.05


def test_what_was_parsed_is_only_a_memory(tmp_path):
    (tmp_path / "damaged.json").write_text('{"x": ')
    fingerprint.load_parsed(tmp_path / "damaged.json")
    fingerprint.load_parsed(tmp_path / "absent.json")
    before = code_hash("wmlib.training.schedules")
    fingerprint._parsed.clear()
    assert code_hash("wmlib.training.schedules") == before


def test_versions_are_those_of_packages_that_change_numbers():
    assert {"numpy", "scipy", "torch", "numba", "vizdoom", "gymnasium"} <= set(fingerprint.versions())
    assert "matplotlib" not in fingerprint.versions()


# --- functions ---


def test_other_budgets_functions_and_optimisers_are_other_keys(tmp_path):
    def key(optimiser=CMAES, function=ellipsoid, seed=1, n=10, budget=100):
        rngs = [np.random.default_rng([seed, i]) for i in range(3)]
        return fingerprint.digest(
            determined_by(solvers.best_by_generation, (optimiser, function, rngs, n), {"budget": budget}, tmp_path)
        )

    same = key()
    assert key() == same
    others = [key(budget=101), key(function=rosenbrock), key(optimiser=ScalarRankOne), key(seed=2), key(n=11)]
    assert len({same, *others}) == 6


def defaults(x, y=2):
    return x + y


def test_defaults_count_and_how_an_argument_is_passed_does_not(tmp_path):
    keys = [determined_by(defaults, a, k, tmp_path) for a, k in [((1,), {}), ((1, 2), {}), ((), {"x": 1, "y": 2})]]
    assert keys[0] == keys[1] == keys[2] != determined_by(defaults, (1, 3), {}, tmp_path)
    assert determined_by(functools.partial(defaults, y=3), (1,), {}, tmp_path) == determined_by(defaults, (1, 3), {}, tmp_path)
    with pytest.raises(TypeError):
        determined_by(defaults, (1,), {"z": 1}, tmp_path)


def test_lambdas_and_nested_functions_are_refused_with_the_names_of_what_they_use(tmp_path):
    budget = 3

    def nested(x):
        return x + budget

    with pytest.raises(FingerprintError, match=r"function: got the nested function .*nested\. It uses budget, .*as arguments"):
        determined_by(nested, (1,), {}, tmp_path)
    with pytest.raises(FingerprintError, match=r"function: got a lambda\. It uses budget,"):
        determined_by(lambda: budget, (), {}, tmp_path)
    with pytest.raises(FingerprintError, match=r"numbers\['f'\]: got a lambda"):
        determined_by(solvers.repeat, (), {"solver": 1, "rngs": [], "f": lambda: 1}, tmp_path)


NOTEBOOK = """
import numpy as np
from wmlib.training.schedules import linear_decay
limit = 3
def helper(x): return x
def good(x): return np.sum([linear_decay(0, 1, v, 0.0) for v in x])
def other(x): return np.sum([linear_decay(0, 1, v, 0.5) for v in x])
def reads_a_variable(x): return [v < limit for v in x]
def calls_another(x): return helper(x)
"""


def test_functions_of_a_notebook_may_use_their_arguments_and_modules_only(tmp_path, monkeypatch):
    import linecache
    import sys
    import types

    cell = types.ModuleType("__main__")
    linecache.cache["<cell>"] = (len(NOTEBOOK), None, NOTEBOOK.splitlines(keepends=True), "<cell>")
    exec(compile(NOTEBOOK, "<cell>", "exec"), cell.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", cell)
    good, other = (determined_by(f, ([1.0],), {}, tmp_path)["code"] for f in (cell.good, cell.other))
    assert good != other and good == determined_by(cell.good, ([1.0],), {}, tmp_path)["code"]
    for name, used in (("reads_a_variable", "limit"), ("calls_another", "helper")):
        with pytest.raises(FingerprintError, match=rf"{name} uses {used} of this notebook, which the key cannot see"):
            determined_by(getattr(cell, name), (1,), {}, tmp_path)


# --- arguments ---


@dataclasses.dataclass(frozen=True)
class Plan:
    size: int = 1


@dataclasses.dataclass(frozen=True)
class OtherPlan:
    size: int = 1


class Pair(NamedTuple):
    a: int
    b: int


class Kind(Enum):
    ONE = 1
    TWO = 2


class Keyed:
    def __init__(self, key):
        self.key = key

    def cache_key(self):
        return self.key


def core(**options):
    return DNC(2, 3, 5, 7, generator=torch.Generator().manual_seed(0), **options)


def trained():
    model = core()
    with torch.no_grad():
        model.interface.bias[0] += 1
    return model


VALUES = [
    None,
    True,
    1,
    1.5,
    float("nan"),
    float("inf"),
    "1",
    [1, 2],
    [2, 1],
    {"a": 1},
    {"a": 2},
    {"b": 1},
    {1, 2},
    range(2),
    range(3),
    np.arange(3),
    np.arange(3.0),
    np.arange(4),
    np.zeros((2, 3)),
    np.zeros((3, 2)),
    torch.zeros(2),
    torch.zeros(3),
    torch.zeros(2).double(),
    np.random.default_rng(1),
    np.random.default_rng(2),
    torch.Generator().manual_seed(1),
    torch.Generator().manual_seed(2),
    torch.device("cpu"),
    torch.float32,
    Plan(),
    Plan(2),
    OtherPlan(),
    Pair(1, 2),
    Pair(2, 1),
    Kind.ONE,
    Kind.TWO,
    Keyed(1),
    Keyed(2),
    defaults,
    ellipsoid,
    Plan,
    np.mean,
    functools.partial(defaults, y=1),
    functools.partial(defaults, y=2),
    nn.Linear(2, 3),
    core(),
    core(detach_addressing=True),
    core(biases={"write_gate": 1.0}),
    trained(),
]


def test_different_values_are_described_differently():
    described = [fingerprint.digest(describe(value)) for value in VALUES]
    assert len(set(described)) == len(VALUES)


def test_equal_values_are_described_equally():
    pairs = [
        ((1, 2), [1, 2]),
        (np.float64(1.5), 1.5),
        (np.int64(3), 3),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.arange(6).reshape(2, 3).T, np.array([[0, 3], [1, 4], [2, 5]])),
        (core(), core()),
        (torch.device("cuda:0"), torch.device("cuda:1")),
    ]
    for a, b in pairs:
        assert describe(a) == describe(b)


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def cache_key(self):
        return self.factor

    def times(self, x):
        return self.factor * x


def test_a_method_counts_with_the_object_it_belongs_to(tmp_path):
    keys = [determined_by(Scale(f).times, (x,), {}, tmp_path) for f, x in ((2, 3), (2, 3), (3, 3), (2, 4))]
    assert keys[0] == keys[1] and keys[0] not in keys[2:]
    assert describe(Scale(2).times) == describe(Scale(2).times) != describe(Scale(3).times)


def test_classes_of_a_notebook_are_refused():
    kind = dataclasses.make_dataclass("Mine", ["x"], frozen=True)
    kind.__module__ = "__main__"
    with pytest.raises(FingerprintError, match="plan: the class Mine stands in this notebook; define it in a module"):
        describe(kind(1), where="plan")


def test_a_generator_is_described_by_where_it_stands():
    rng = np.random.default_rng(1)
    before = describe(rng)
    rng.random()
    assert describe(rng) != before


def test_paths_count_by_their_name_in_the_cache(tmp_path):
    inside = tmp_path / "train-0123" / "episodes"
    assert describe(inside, tmp_path) == {"artifact": "train-0123/episodes"}
    for other, root in ((Path("/somewhere/else"), tmp_path), (inside, None)):
        with pytest.raises(FingerprintError, match="lies outside the cache, so its content could change"):
            describe(other, root, "folder")


def test_what_cannot_be_described_is_refused_by_name(tmp_path):
    with pytest.raises(FingerprintError, match=r"^x\[1\]: a object cannot be part of a cache key"):
        determined_by(defaults, ([1, object()],), {}, tmp_path)
    with pytest.raises(FingerprintError, match=r"x\['k'\]: a ndarray"):
        determined_by(defaults, ({"k": np.array([object()])},), {}, tmp_path)
