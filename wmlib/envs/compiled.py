"""How engines are compiled: Numba's decorators with the options that all their modules share.

Numba keeps compiled code on disk and compiles a function anew only if its own file has changed. The numbers of one module are
compiled into the functions of others, so here the stamp covers every source in the folder of the function.

Compiled code looks at no size and no number of an array. Whatever Python may call is checked before.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from numba import njit
from numba.core.registry import CPUDispatcher

F = TypeVar("F", bound=Callable[..., Any])

COMPILED = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]

# they make no arrays, so need not count who uses which
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
INSIDE: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def outer(function: F) -> F:
    """Compile a function that Python calls, with arrays alone; the compiled code is kept on disk."""
    if not COMPILED:
        return _interpreted(function)
    compiled = njit(**OPTIONS, cache=True)(function)
    compiled._cache._cache_file._source_stamp = folder_stamp(Path(function.__code__.co_filename).parent)
    return compiled


def inner(function: F) -> F:
    """Compile a function that only compiled functions call."""
    return _inside(njit(**OPTIONS, **INSIDE)(function))


def inlined(function: F) -> F:
    """Compile a function into those that call it: for the small ones in the hot loops, twice as fast."""
    return _inside(njit(**OPTIONS, **INSIDE, forceinline=True)(function))


class _Inside(CPUDispatcher):
    """A compiled function without the part that Python would call: to call it would end the process."""

    def __call__(self, *_: Any) -> Any:
        module = self.py_func.__module__
        allowed = f"call the functions that {module.rpartition('.')[0]} lists"
        raise TypeError(f"{module}.{self.py_func.__name__} is for compiled functions alone; {allowed}")


def _inside(compiled: Any) -> Any:
    if COMPILED:
        compiled.__class__ = _Inside
    return compiled


def _interpreted(function: F) -> F:
    """Run a function as it is (NUMBA_DISABLE_JIT=1), on int64: where compiled code adds bytes, the sum is no byte."""

    @functools.wraps(function)
    def run(*arrays: np.ndarray) -> Any:
        wide = [array.astype(np.int64) if array.dtype.kind in "iu" else array for array in arrays]
        result = function(*wide)
        for array, numbers in zip(arrays, wide, strict=True):
            if array.flags.writeable and numbers is not array:
                array[...] = numbers
        return result

    return run  # type: ignore[return-value]


@functools.cache
def folder_stamp(folder: Path) -> str:
    """Return a hash of all sources in a folder and of this module."""
    sha = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(folder.glob("*.py")):
        sha.update(path.name.encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()
