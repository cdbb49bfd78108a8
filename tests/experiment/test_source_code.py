"""The code behind a result: what changes numbers changes the hash of the lessons that use it, and nothing else does."""

import os
import re
import shutil
import statistics
import time
from pathlib import Path

import pytest

import wmlib
from wmlib.experiment import source_code
from wmlib.experiment.fingerprint import determined_by
from wmlib.experiment.records import RecordError
from wmlib.experiment.source_code import closure, code_hash

PACKAGE = Path(wmlib.__file__).parent
LESSONS = [
    "wmlib.lessons.cma_es_toy.solvers",
    "wmlib.lessons.mixture_density.pipeline",
    "wmlib.lessons.addition.pipeline",
    "wmlib.lessons.vae.pipeline",
    "wmlib.lessons.vizdoom_dream.pipeline",
    "wmlib.lessons.vizdoom_dream.controllers",
    "wmlib.lessons.pommerman.pipeline",
    "wmlib.lessons.neural_computer_agent.pipeline",
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
        source_code._first_seen.pop(path, None)  # as a process that starts after the edit

    def hash(self, module):
        return code_hash(module, self.root)


VAE, WORLD_MODEL, CONTROLLERS = "vae.pipeline", "vizdoom_dream.pipeline", "vizdoom_dream.controllers"
ADDITION, POMMERMAN, TOY = "addition.pipeline", "pommerman.pipeline", "cma_es_toy.solvers"
GRIDS = "neural_computer_agent.pipeline"
DOOM = [VAE, WORLD_MODEL, CONTROLLERS]


@pytest.mark.parametrize(
    ("file", "old", "new", "lessons"),
    [
        ("training/schedules.py", "max(0.03, left)", "max(0.02, left)", [*DOOM, POMMERMAN]),
        ("models/specs.py", "forget_bias: float | None = 1.0", "forget_bias: float | None = 0.5", "cores"),
        ("models/dnc/addressing.py", "EPSILON = 1e-6", "EPSILON = 1e-5", "cores"),
        ("models/lstm.py", "forget = slice(self.hidden_size", "forget = slice(0", "cores"),
        ("envs/doom/take_cover.py", "MAX_TICS = 2100", "MAX_TICS = 2000", DOOM),
        ("envs/grid/navigation.py", "STEP_REWARD = -0.02", "STEP_REWARD = -0.03", [GRIDS]),
        ("agents/ppo.py", "clip: float = 0.2", "clip: float = 0.3", [GRIDS]),
        ("envs/pommerman/layout.py", "MAX_STEPS = 10, 2", "MAX_STEPS = 11, 2", [POMMERMAN]),
        ("rollouts/task.py", '"environment", episode)', '"environment", episode + 1)', DOOM),
        ("agents/cma_es.py", "class CMAES", "OTHER = 1\n\n\nclass CMAES", [TOY, CONTROLLERS]),
        ("experiment/seeding.py", "digest()[:16]", "digest()[16:]", [ADDITION, *DOOM, POMMERMAN, GRIDS]),
    ],
)
def test_code_that_changes_numbers_changes_the_key_of_the_lessons_that_use_it(copy, file, old, new, lessons):
    before = {lesson: copy.hash(lesson) for lesson in LESSONS}
    copy.edit(file, old, new)
    changed = {lesson.removeprefix("wmlib.lessons.") for lesson in LESSONS if copy.hash(lesson) != before[lesson]}
    assert changed == set([ADDITION, WORLD_MODEL, CONTROLLERS, POMMERMAN, GRIDS] if lessons == "cores" else lessons)


def test_comments_docstrings_and_rooms_that_are_not_used_do_not_count(copy):
    before = {lesson: copy.hash(lesson) for lesson in LESSONS}
    for file in ("models/specs.py", "training/jobs.py", "envs/doom/take_cover.py", "agents/dream.py"):
        path = copy.root / "wmlib" / file
        text = path.read_text(encoding="utf-8")
        commented = re.sub(r'^"""', '"""Another first line. ', text, count=1) + "\n# and a comment at the end\n"
        assert commented != text
        path.write_text(commented, encoding="utf-8")
        source_code._first_seen.pop(path, None)
    copy.edit(
        "command/gallery/page.py",
        "import",
        "import sys  # noqa\nimport",
    )
    copy.edit("viz/figures.py", "DPI = 144", "DPI = 100")
    copy.edit("experiment/results.py", "SCHEMA_VERSION = 2", "SCHEMA_VERSION = 99")
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
    # the __init__ of every package around a module runs
    assert set(found) == {"wmlib", "wmlib.x", "wmlib.x.a", "wmlib.x.b", "wmlib.x.c", "wmlib.x.d"}
    assert set(closure("wmlib.x.d", copy.root)) == {"wmlib", "wmlib.x", "wmlib.x.d"}
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


def test_an_edit_is_seen_whatever_its_date_and_size_say(copy):
    """As after `cp -p`, on disks that count dates in seconds, or when a clock was set back."""
    copy.hash("wmlib.training.schedules")
    path = copy.root / "wmlib/training/schedules.py"
    facts = path.stat()
    path.write_text(path.read_text().replace("0.03", "0.04"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (facts.st_mtime_ns, facts.st_size)
    with pytest.raises(RuntimeError, match="was edited after this kernel started"):
        copy.hash("wmlib.training.schedules")


def test_a_constant_that_was_changed_in_this_process_is_refused(monkeypatch):
    from wmlib.models.dnc import addressing

    before = code_hash("wmlib.lessons.addition.pipeline")
    with monkeypatch.context() as changed:
        changed.setattr(addressing, "EPSILON", 1.0)
        with pytest.raises(RuntimeError, match=r"addressing.EPSILON is 1.0 in this process and 1e-06 in its source"):
            code_hash("wmlib.lessons.addition.pipeline")
    assert code_hash("wmlib.lessons.addition.pipeline") == before


def test_code_that_a_key_does_not_speak_of_is_refused():
    source_code.check_code("wmlib.training.schedules", code_hash("wmlib.training.schedules"))
    source_code.check_code("numpy.linalg", None)
    with pytest.raises(RuntimeError, match=r"wmlib\.training\.schedules was edited while it was at work"):
        source_code.check_code("wmlib.training.schedules", "another")


def test_what_another_parser_made_of_the_sources_is_not_used(tmp_path, monkeypatch):
    code_hash("wmlib.training.schedules")
    stored = tmp_path / "parsed.json"
    count = source_code.store_parsed(stored)
    source_code._parsed.clear()
    assert source_code.load_parsed(stored) == source_code.parsed_count() == count > 0
    source_code._parsed.clear()
    monkeypatch.setattr(source_code, "_parser", lambda: "another")
    assert source_code.load_parsed(stored) == source_code.parsed_count() == 0


def test_the_hash_costs_less_than_fifty_milliseconds(tmp_path):
    """In a process that finds what earlier ones parsed, which is every process but the first after a change."""
    for lesson in LESSONS:
        code_hash(lesson)
    stored = tmp_path / "parsed.json"
    source_code.store_parsed(stored)
    for lesson in LESSONS:
        seconds = []
        for _ in range(5):
            source_code._parsed.clear()
            source_code._package_file.cache_clear()
            start = time.process_time()
            source_code.load_parsed(stored)
            code_hash(lesson)
            seconds.append(time.process_time() - start)
        assert statistics.median(seconds) < 0.05, lesson


def test_what_was_parsed_is_only_a_memory(tmp_path):
    (tmp_path / "damaged.json").write_text('{"x": ')
    with pytest.raises(RecordError, match=r"damaged.json cannot be read"):
        source_code.load_parsed(tmp_path / "damaged.json")
    assert source_code.load_parsed(tmp_path / "absent.json") == 0
    before = code_hash("wmlib.training.schedules")
    source_code._parsed.clear()
    assert code_hash("wmlib.training.schedules") == before
