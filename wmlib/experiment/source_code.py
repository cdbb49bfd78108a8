"""The code behind a result: a module, and every module of this package that it imports, directly or not.

Reading guide. `code_hash` is what a key of the cache holds; `closure` lists the sources it covers. The imports are found by
parsing, so no list of modules is kept by hand, and a list cannot be wrong. Comments and docstrings do not count; neither do
imports under `if TYPE_CHECKING:`, which never run. A source that was edited while a process runs, and a constant that was
changed in a running process, are noticed and refused: the hash would speak of other code than that which runs.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wmlib.experiment import records

PACKAGE = "wmlib"


def code_hash(module: str, root: Path | None = None) -> str | None:
    """Return a hash of what a module does: its source and that of every `wmlib` module it imports, directly or not.

    Args:
        module: its full name.
        root: the folder that holds the package `wmlib`; None: where it was imported from.

    Returns:
        64 hexadecimal digits; None for modules of Python and of installed packages.

    Raises:
        RuntimeError: a source was edited after this process first looked at it, or a constant of a module was changed, so the
            code that runs is another one.
    """
    sources = closure(module, root)
    if not sources:
        return None
    sha = hashlib.sha256()
    for name in sorted(sources):
        source = _source(sources[name])
        if root is None:
            _check_constants(name, source)
        sha.update(f"{name} {source.digest}\n".encode())
    return sha.hexdigest()


def check_code(module: str, code: str | None) -> None:
    """Make sure that a module has the code that a key speaks of: in a worker, and again when a result is stored.

    Raises:
        RuntimeError: it has another one.
    """
    if code is not None and module != "__main__" and code_hash(module) != code:
        raise RuntimeError(f"{module} was edited while it was at work, so its result is not kept: run again")


def closure(module: str, root: Path | None = None) -> dict[str, Path]:
    """Return the sources behind a module, by name: its own, and those of all `wmlib` modules that it imports (see `code_hash`).

    The package around each of them counts too, but not what that package imports, unless something is imported from it.
    """
    root = Path(__file__).parents[2] if root is None else root
    first = _file(module, root)
    if first is None:
        return {}
    sources = {}
    waiting = [(module, first)]
    while waiting:
        name, path = waiting.pop()
        if name in sources:
            continue
        sources[name] = path
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for imported in _source(path).imports:
            full = _absolute(imported, package)
            file = _package_file(full, root) if full.partition(".")[0] == PACKAGE else None
            if file is not None:
                waiting.append((full, file))
    for name in [name for name in sources if name.partition(".")[0] == PACKAGE]:
        while name := name.rpartition(".")[0]:
            around = _package_file(name, root)
            if around is not None:
                sources.setdefault(name, around)
    return sources


def _file(module: str, root: Path) -> Path | None:
    if module.partition(".")[0] == PACKAGE:
        return _package_file(module, root)
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not path.endswith(".py"):
        return None
    installed = any(Path(path).is_relative_to(prefix) for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix})
    return None if installed else Path(path)


@functools.lru_cache(maxsize=4096)
def _package_file(module: str, root: Path) -> Path | None:
    folder = root.joinpath(*module.split("."))
    for path in (folder.with_suffix(".py"), folder / "__init__.py"):
        if path.is_file():
            return path
    return None


def _absolute(imported: str, package: str) -> str:
    """Return the full name of `..x.y`, as written in a module of a package."""
    dots = len(imported) - len(imported.lstrip("."))
    if not dots:
        return imported
    base = package.split(".")[: len(package.split(".")) - dots + 1]
    return ".".join([*base, imported.lstrip(".")]).rstrip(".")


@dataclass(frozen=True)
class _Source:
    digest: str  # of what it does
    imports: tuple[str, ...]  # names as written, which may be those of modules or of things in them
    constants: dict[str, str]  # plain values at the top of the module that are set once, as text


_first_seen: dict[Path, str] = {}  # content of each source when this process first looked at it
_parsed: dict[str, _Source] = {}  # by content


def note_sources() -> None:
    """Look at the sources of all `wmlib` modules that are loaded now, so that an edit after this is noticed."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name.partition(".")[0] == PACKAGE and path is not None and Path(path).is_file():
            _first_seen.setdefault(Path(path), _content_hash(Path(path)))


def _content_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _source(path: Path) -> _Source:
    content = _content_hash(path)
    if content != _first_seen.setdefault(path, content):
        raise RuntimeError(f"{path.name} ({path}) was edited after this kernel started: restart the kernel and run again")
    if content not in _parsed:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = tuple(sorted(set(_imports(tree))))
        constants = _constants(tree)
        _parsed[content] = _Source(hashlib.sha256(without_docstrings(tree).encode()).hexdigest(), imports, constants)
    return _parsed[content]


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the names at the top of a module that are set once, to a number, a text or a tuple of these."""
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    changed = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    constants = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not (isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and value is not None):
            continue
        try:
            constant = ast.literal_eval(value)
        except (ValueError, TypeError):
            continue
        plain = isinstance(constant, bool | int | float | str | tuple)
        if plain and stored.count(target.id) == 1 and target.id not in changed:
            constants[target.id] = repr(constant)
    return constants


def _check_constants(name: str, source: _Source) -> None:
    module = sys.modules.get(name)
    for constant, text in source.constants.items() if module is not None else ():
        if repr(getattr(module, constant, None)) != text:
            raise RuntimeError(
                f"{name}.{constant} is {getattr(module, constant, None)!r} in this process and {text} in its source, and a key "
                "cannot see that. Set it back, or restart (if that does not help, delete __pycache__ beside the source first)"
            )


def without_docstrings(tree: ast.Module) -> str:
    """Return a syntax tree without docstrings, as text."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
                body[:] = body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _imports(node: ast.AST) -> Iterator[str]:
    """Yield what is imported anywhere in a tree but under `if TYPE_CHECKING:`; of `from a import b` both `a` and `a.b`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        yield base
        yield from (f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for other in node.orelse:
            yield from _imports(other)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def load_parsed(path: Path) -> int:
    """Read what earlier processes parsed; to parse all sources again takes a second, to look them up some milliseconds.

    Returns:
        How many sources were read.

    Raises:
        RecordError: the file is damaged.
    """
    try:
        stored = records.read(path, _check_parsed)
    except FileNotFoundError:
        return 0
    if stored["parser"] != _parser():
        return 0
    _parsed.update({content: _Source(d, tuple(i), c) for content, (d, i, c) in stored["sources"].items()})
    return len(stored["sources"])


def store_parsed(path: Path) -> int:
    """Write what `load_parsed` reads; return how many sources that are."""
    sources = {content: [source.digest, source.imports, source.constants] for content, source in _parsed.items()}
    records.write(path, {"parser": _parser(), "sources": sources})
    return len(sources)


_check_parsed = records.checker(records.form({"parser": {"type": "string"}, "sources": {"type": "object"}}))


def _parser() -> str:
    """Return what decides how sources are parsed: this module and Python's version."""
    return f"{_content_hash(Path(__file__))} {sys.version_info[0]}.{sys.version_info[1]}"


def parsed_count() -> int:
    """Return how many sources are known."""
    return len(_parsed)
