"""Who may import whom, and where tests lie: the rules of the house, checked on the sources."""

import ast
import graphlib
from pathlib import Path

import pytest

from wmlib.lessons import LESSONS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "wmlib"

# lowest first; a module imports only from its own floor or below
FLOORS = [
    {"envs", "models", "experiment"},
    {"rollouts", "training"},
    {"agents"},
    {"viz"},
    {"lessons", "weights"},
    {"command"},
]
# rooms that can be lifted out of this project, and what they must not know
LIFTED = {
    "models": {"envs", "experiment", "rollouts", "training", "agents", "viz", "lessons", "weights", "command"},
    "agents": {"envs", "experiment", "rollouts", "training", "viz", "lessons", "weights", "command"},
    "envs": {"models", "experiment", "rollouts", "training", "agents", "viz", "lessons", "weights", "command"},
    "experiment": {"envs", "models", "rollouts", "training", "agents", "viz", "lessons", "weights", "command"},
}


def modules(root=PACKAGE):
    """Return the sources by the modules' full names."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(node, package):
    """Yield the full names that a tree imports; of `from a import b` `a.b`. What runs only for type checkers is left out."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for child in node.orelse:
            yield from imports(child, package)
    else:
        for child in ast.iter_child_nodes(node):
            yield from imports(child, package)


def import_graph(root=PACKAGE):
    """Return by module the modules of the same package that it imports."""
    known = modules(root)
    graph = {}
    for name, path in known.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = set()
        for full in imports(ast.parse(path.read_text(encoding="utf-8")), package):
            target = full
            while target and target not in known:
                target = target.rpartition(".")[0]  # a thing in a module
            if target and target.partition(".")[0] == root.name:
                graph[name].add(target)
        graph[name].discard(name)
    return graph


GRAPH = import_graph()


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def lesson(module):
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[1] == "lessons" else None


def arrows():
    return [(a, b) for a, targets in GRAPH.items() for b in targets if room(a) and room(b)]


def test_every_room_has_its_floor():
    rooms = {room(m) for m in GRAPH} - {"", "__main__"}
    assert rooms == set().union(*FLOORS)


def test_no_module_imports_from_a_higher_floor():
    floor = {name: i for i, names in enumerate(FLOORS) for name in names} | {"__main__": len(FLOORS)}
    assert [(a, b) for a, b in arrows() if floor[room(b)] > floor[room(a)]] == []


@pytest.mark.parametrize("name", LIFTED)
def test_rooms_that_can_be_lifted_out_know_nothing_else(name):
    assert [(a, b) for a, b in arrows() if room(a) == name and room(b) in LIFTED[name]] == []


def test_a_lesson_imports_earlier_lessons_only_and_nothing_else_imports_a_lesson():
    assert {lesson(m) for m in GRAPH} - {None} == set(LESSONS)
    for a, b in arrows():
        if lesson(b) is not None and lesson(a) != lesson(b):
            assert lesson(a) is not None and LESSONS.index(lesson(b)) < LESSONS.index(lesson(a)), f"{a} imports {b}"


def test_there_is_no_circle():
    graphlib.TopologicalSorter(GRAPH).prepare()


def test_the_checks_see_what_they_forbid(tmp_path):
    """A small package with one circle, imports inside functions, and one that only type checkers see."""
    root = tmp_path / "p"
    root.mkdir()
    (root / "__init__.py").touch()
    (root / "a.py").write_text("from p import b\nif TYPE_CHECKING:\n    import p.c\n")
    (root / "b.py").write_text("def f():\n    from .c import thing\n")
    (root / "c.py").write_text("import p.a\nimport numpy\n")
    graph = import_graph(root)
    assert graph == {"p": set(), "p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": {"p.a"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(graph).prepare()


def test_tests_mirror_the_tree():
    """Every module with code has a test file of its name in the folder of its name; every test file belongs to a module."""
    wanted = set()
    for path in modules().values():
        relative = path.relative_to(PACKAGE)
        if path.name == "__main__.py":
            continue
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            if not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body):
                continue  # a docstring, and what it hands on
            wanted.add(relative.parent / f"test_{relative.parent.name or PACKAGE.name}.py")
        else:
            wanted.add(relative.parent / f"test_{path.name}")
    tests = ROOT / "tests"
    apart = {tests, tests / "benchmarks", tests / "drill"}
    there = {p.relative_to(tests) for p in tests.rglob("test_*.py") if p.parent not in apart or p.stem == "test_wmlib"}
    assert sorted(map(str, wanted - there)) == [], "modules without a test file of their name"
    more = {path for path in there - wanted if not _extra(path, wanted)}
    assert sorted(map(str, more)) == [], "test files that belong to no module"


def _extra(path, wanted):
    """Return whether a test file adds to that of a module beside it: `test_cma_es_peers.py` to `test_cma_es.py`."""
    return any(other.parent == path.parent and path.stem.startswith(f"{other.stem}_") for other in wanted)


def test_no_module_is_a_room_for_everything():
    assert not [p for p in PACKAGE.rglob("*.py") if p.stem in ("utils", "helpers", "misc", "common")]


def packed_assignments(tree):
    """Yield the lines of `a, b = f(x), g(y)`, two statements; `a, b = b, f(a)` is one, `low, high = 0, 1` short."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)):
            continue
        targets, values = node.targets[0].elts, node.value.elts
        written = {ast.unparse(target.value if isinstance(target, ast.Subscript) else target) for target in targets}
        read = {ast.unparse(part) for value in values for part in ast.walk(value) if isinstance(part, ast.Name | ast.Attribute)}
        calls = any(isinstance(part, ast.Call) for value in values for part in ast.walk(value))
        if calls and not written & read and len(targets) == len(values):
            yield node.lineno


def test_the_rule_for_packed_assignments_sees_them():
    lines = "a, b = f(x), g(y)\na, b = f(b), a\nlow, high = 0, 1\nself.a, b = np.zeros(3), 1\na, b = pair()\n"
    assert list(packed_assignments(ast.parse(lines))) == [1, 4]


@pytest.mark.parametrize("module", sorted(modules()))
def test_one_statement_a_line(module):
    assert list(packed_assignments(ast.parse(modules()[module].read_text(encoding="utf-8")))) == []
