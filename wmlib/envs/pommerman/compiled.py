"""How the engine is compiled: Numba's decorators with the options that all its modules share.

Numba keeps compiled code on disk and compiles a function anew only if its own file has changed. The numbers of `layout` are
compiled into `rules`, `views` and `players`, so here the stamp covers every source of this package.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

# they make no arrays, so need not count who uses which
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def outer(function: F) -> F:
    """Compile a function that Python calls; the compiled code is kept on disk."""
    compiled = njit(**OPTIONS, cache=True)(function)
    compiled._cache._cache_file._source_stamp = package_stamp()
    return compiled


def inner(function: F) -> F:
    """Compile a function that only compiled functions call."""
    return njit(**OPTIONS, **INSIDE)(function)


def inlined(function: F) -> F:
    """Compile a function into those that call it: for the small ones in the hot loops, twice as fast."""
    return njit(**OPTIONS, **INSIDE, forceinline=True)(function)


@functools.cache
def package_stamp() -> str:
    """Return a hash of all sources of this package."""
    sha = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sha.update(path.name.encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()
