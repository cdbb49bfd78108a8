"""What determines a result: every change that can change a number changes the key, and nothing else does."""

import dataclasses
import functools
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest
import torch
from torch import nn

import wmlib.envs  # noqa: F401, registers the environments
from wmlib.agents.cma_es import CMAES
from wmlib.experiment import fingerprint, source_code
from wmlib.experiment.fingerprint import FingerprintError, describe, determined_by
from wmlib.lessons.cma_es_toy import solvers
from wmlib.lessons.cma_es_toy.benchmark_functions import ellipsoid, rosenbrock
from wmlib.lessons.cma_es_toy.solvers import ScalarRankOne
from wmlib.models.dnc import DNC


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
    with pytest.raises(FingerprintError, match=r"got the nested function .*nested\. It uses function, which"):
        determined_by(wrapper(defaults), (), {}, tmp_path)
    with pytest.raises(FingerprintError, match=r"function: got defaults in another form\. It uses function, which"):
        determined_by(wrapper(defaults, named=True), (), {}, tmp_path)
    with pytest.raises(FingerprintError, match="function: a Scale has no name to be found by; pass a function or a class"):
        determined_by(Scale(2), (1,), {}, tmp_path)
    with pytest.raises(FingerprintError, match=r"numbers\['f'\]: got a lambda"):
        determined_by(solvers.repeat, (), {"solver": 1, "rngs": [], "f": lambda: 1}, tmp_path)


def wrapper(f, named=False):
    function = f

    def nested():
        return function()

    return functools.wraps(f)(nested) if named else nested


def test_a_decorated_function_that_is_found_by_its_name_is_taken(tmp_path):
    assert determined_by(compiled, (1.0,), {}, tmp_path)["function"].endswith("test_fingerprint.compiled")
    assert determined_by(remembered, (1.0,), {}, tmp_path)["code"] == determined_by(defaults, (1,), {}, tmp_path)["code"]


@numba.njit
def compiled(x):
    return x + 1


@functools.cache
def remembered(x):
    return x + 1


def test_the_id_of_an_environment_counts_with_its_code(tmp_path):
    described = describe("wmlib/TakeCover-v0")
    assert described["environment"] == "wmlib/TakeCover-v0"
    assert described["code"] == source_code.code_hash("wmlib.envs.doom.take_cover")
    assert describe("wmlib/TakeCover-v99") == "wmlib/TakeCover-v99"
    assert describe("CartPole-v1")["code"] is None  # of gymnasium, whose version is in the key


NOTEBOOK = """
import functools
import numpy as np
from wmlib.training.schedules import linear_decay
limit = 3
nothing = None
def helper(x): return x
def good(x): return np.sum([linear_decay(0, 1, v, 0.0) for v in x])
def other(x): return np.sum([linear_decay(0, 1, v, 0.5) for v in x])
def reads_a_variable(x): return [v < limit for v in x]
def calls_another(x): return helper(x)
def reads_nothing(x): return nothing
class Doubled:
    def __call__(self, x): return 2 * x
doubled = Doubled()
def calls_an_object(x): return doubled(x)
@functools.cache
def remembers(x): return np.sum(x)
@functools.cache
def remembers_otherwise(x): return np.mean(x)
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
    codes = {determined_by(f, (1,), {}, tmp_path)["code"] for f in (cell.remembers, cell.remembers_otherwise)}
    assert len(codes) == 2
    for name, used in (
        ("reads_a_variable", "limit"),
        ("reads_nothing", "nothing"),
        ("calls_another", "helper"),
        ("calls_an_object", "doubled"),
    ):
        with pytest.raises(FingerprintError, match=rf"{name} uses {used} of this notebook, which the key cannot see"):
            determined_by(getattr(cell, name), (1,), {}, tmp_path)


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
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
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


def test_versions_are_those_of_packages_that_change_numbers():
    assert {"numpy", "scipy", "torch", "numba", "vizdoom", "gymnasium"} <= set(fingerprint.versions())
    assert "matplotlib" not in fingerprint.versions()
