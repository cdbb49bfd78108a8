"""What determines a cached result: a function, its arguments, the code behind both, and the packages that change numbers.

Reading guide. `determined_by` puts all of it in one JSON value, whose hash is the key of the cache. `describe` turns arguments
into JSON, arrays and networks by content. The code behind a function or class is in `source_code`.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import dis
import enum
import functools
import hashlib
import inspect
import json
import math
import operator
import sys
import textwrap
import types
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wmlib.experiment.source_code import code_hash, without_docstrings

PACKAGES_THAT_CHANGE_NUMBERS = ("numpy", "scipy", "torch", "numba", "vizdoom", "gymnasium", "cma")


class FingerprintError(ValueError):
    """A function or an argument from which no reliable key can be made."""


@functools.cache
def versions() -> dict[str, str]:
    """Return the installed versions of the packages that change numbers."""
    installed = {}
    for name in PACKAGES_THAT_CHANGE_NUMBERS:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def determined_by(function: Callable, args: tuple, kwargs: Mapping[str, Any], artifacts: Path) -> dict:
    """Return all that determines `function(*args, **kwargs)`, as JSON.

    Args:
        function: defined at the top of a module, or in a notebook if it uses nothing but its arguments and modules.
        args, kwargs: its arguments; defaults are filled in.
        artifacts: the cache's folder; a path inside it is described by its name there, which says what it was made from.

    Returns:
        function, its qualified name; module; arguments; code, a hash; versions.

    Raises:
        FingerprintError: a lambda, a nested function, a function that uses variables of a notebook, or an argument that
            cannot be described; the message names it.
        TypeError: the arguments do not fit the function.
    """
    while isinstance(function, functools.partial):
        args = (*function.args, *args)
        kwargs = {**function.keywords, **kwargs}
        function = function.func
    if inspect.ismethod(function):
        args = (function.__self__, *args)
        function = function.__func__
    code = _function_code(function)
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = {name: describe(value, artifacts, name) for name, value in bound.arguments.items()}
    return {
        "function": f"{function.__module__}.{function.__qualname__}",
        "module": function.__module__,
        "arguments": arguments,
        "code": code,
        "versions": versions(),
    }


def digest(description: Any) -> str:
    """Return the hash of a JSON value: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def describe(value: Any, artifacts: Path | None = None, where: str = "value") -> Any:
    """Return a JSON value that is equal for equal arguments and differs for different ones.

    Args:
        value: None, numbers, text, arrays, tensors, generators, devices, ranges, paths inside `artifacts`; functions and
            classes that can be imported; lists, tuples, sets, mappings, dataclasses and named tuples of these; networks; and
            objects with a method `cache_key` that returns one of these.
        artifacts: see `determined_by`.
        where: what the value is called in an error.

    Raises:
        FingerprintError: anything else.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value

    def inner(part: Any) -> Any:
        return describe(part, artifacts, where)

    if hasattr(value, "cache_key") and not isinstance(value, type):
        return {"class": _class(value, where), "key": inner(value.cache_key())}
    if isinstance(value, nn.Module):
        return {"class": _class(value, where), "module": inner(_module_content(value))}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {"class": _class(value, where), "fields": inner(fields)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {"class": _class(value, where), "fields": inner(value._asdict())}
    if isinstance(value, Mapping):
        pairs = [[describe(k, artifacts, where), describe(v, artifacts, f"{where}[{k!r}]")] for k, v in value.items()]
        return {"mapping": pairs}  # in its order, which a function can see
    if isinstance(value, list | tuple):
        return [describe(v, artifacts, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, set | frozenset):
        return {"set": sorted((inner(v) for v in value), key=json.dumps)}
    if isinstance(value, Path):
        return _path(value, artifacts, where)
    if isinstance(value, functools.partial):
        return {"partial": inner(value.func), "args": inner(value.args), "kwargs": inner(value.keywords)}
    if inspect.ismethod(value):
        return {"method": inner(value.__func__), "of": inner(value.__self__)}
    if isinstance(value, np.ufunc):
        return {"function": f"numpy.{value.__name__}"}
    if _is_function(value):
        return {"function": f"{value.__module__}.{value.__qualname__}", "code": _function_code(value, where)}
    return _leaf(value, where)


def _leaf(value: Any, where: str) -> Any:
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        return {"tensor": [str(plain.dtype), list(plain.shape), _bytes_hash(plain.reshape(-1).view(torch.uint8).numpy())]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
        return {"array": [str(value.dtype), list(value.shape), _bytes_hash(np.ascontiguousarray(value))]}
    if isinstance(value, np.random.Generator):
        return {"generator": hashlib.sha256(repr(value.bit_generator.state).encode()).hexdigest()}
    if isinstance(value, torch.Generator):
        return {"torch generator": _bytes_hash(value.get_state().numpy())}
    if isinstance(value, torch.device):
        return {"device": value.type}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value)}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, enum.Enum):
        return {"enum": [f"{type(value).__module__}.{type(value).__qualname__}", value.name]}
    raise FingerprintError(
        f"{where}: a {type(value).__name__} cannot be part of a cache key. Pass plain values, arrays or networks, or give the "
        "class a method cache_key() that returns what determines it"
    )


def _text(value: str) -> Any:
    """Return a text; with the id of a registered environment, the code of that environment."""
    gymnasium = sys.modules.get("gymnasium")
    spec = gymnasium.registry.get(value.rpartition(":")[2]) if gymnasium and "-v" in value else None
    entry_point = getattr(spec, "entry_point", None)
    if entry_point is None:
        return value
    module = entry_point.partition(":")[0] if isinstance(entry_point, str) else entry_point.__module__
    return {"environment": value, "name": f"{module}.{value}", "code": _module_code(module)}


def _module_content(module: nn.Module) -> dict[str, Any]:
    """Return what a network is made of: its public attributes, its tensors, and the same of its parts."""
    plain = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in ("training", "forward")  # forward: a captured one computes the same
    }
    return {**plain, **module._parameters, **module._buffers, **module._modules}


def _path(path: Path, artifacts: Path | None, where: str) -> dict[str, str]:
    if artifacts is not None and path.resolve().is_relative_to(artifacts.resolve()):
        return {"artifact": path.resolve().relative_to(artifacts.resolve()).as_posix()}
    raise FingerprintError(
        f"{where}: {path} lies outside the cache, so its content could change and the key would not. "
        "Read it and pass the content"
    )


def _bytes_hash(values: np.ndarray) -> str:
    return hashlib.sha256(values.view(np.uint8).data if values.size else b"").hexdigest()


def _class(value: Any, where: str) -> dict[str, str | None]:
    kind = type(value)
    if kind.__module__ == "__main__":
        raise FingerprintError(f"{where}: the class {kind.__qualname__} stands in this notebook; define it in a module")
    return {"name": f"{kind.__module__}.{kind.__qualname__}", "code": _module_code(kind.__module__)}


def _module_code(module: str) -> str | None:
    """Return the hash of a module's code; of an installed package its version, if `versions` does not hold it already."""
    package = module.partition(".")[0]
    code = code_hash(module)
    if code is not None or package in sys.stdlib_module_names or package in versions():
        return code
    distributions = _distributions().get(package, [])
    return ", ".join(f"{name} {metadata.version(name)}" for name in distributions) or None


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _is_function(value: Any) -> bool:
    """Return whether it is a function or class, compiled and decorated ones included; not an object that can be called."""
    return callable(value) and hasattr(value, "__qualname__") and getattr(value, "__module__", None) is not None


def _is_found_by_name(function: Any) -> bool:
    """Return whether a function is what its module has under its name: nothing that another function made on the way."""
    try:
        return operator.attrgetter(function.__qualname__)(sys.modules[function.__module__]) is function
    except (AttributeError, KeyError):
        return False


def _function_code(function: Any, where: str = "function") -> str | None:
    """Return the hash of the code behind a function or class; refuse what could depend on something that is not hashed."""
    if not _is_function(function):
        raise FingerprintError(f"{where}: a {type(function).__name__} has no name to be found by; pass a function or a class")
    if not _is_found_by_name(function):
        name = function.__qualname__
        plain = getattr(function, "py_func", function)
        hidden = inspect.getclosurevars(plain).nonlocals if inspect.isfunction(plain) else {}
        used = sorted({*hidden, *(_used_globals(plain) if function.__module__ == "__main__" else ())})
        uses = f" It uses {', '.join(used)}, which the key cannot see." if used else ""
        kind = "a lambda" if "<lambda>" in name else f"the nested function {name}" if "<" in name else f"{name} in another form"
        raise FingerprintError(
            f"{where}: got {kind}.{uses} Define a function at the top of a module and pass it what it needs as arguments"
        )
    if function.__module__ == "__main__":
        return _notebook_code(function, where)
    return _module_code(function.__module__)


def _notebook_code(function: Any, where: str) -> str:
    """Hash a function of a notebook or script: its own source, and the modules it uses. Variables are refused."""
    plain = inspect.unwrap(getattr(function, "py_func", function))  # as it was before it was compiled or decorated
    if not inspect.isfunction(plain):
        raise FingerprintError(f"{where}: {function.__qualname__} is a class of this notebook; define it in a module")
    try:
        parts = [without_docstrings(ast.parse(textwrap.dedent(inspect.getsource(plain))))]
    except OSError as error:
        raise FingerprintError(f"{where}: the source of {function.__qualname__} cannot be read ({error})") from None
    variables = []
    for name, value in _used_globals(plain).items():
        if isinstance(value, types.ModuleType):
            parts.append(f"{name}: {value.__name__} {_module_code(value.__name__)}")
        elif _is_function(value) and value.__module__ != "__main__" and _is_found_by_name(value):
            parts.append(f"{name}: {value.__module__}.{value.__qualname__} {_module_code(value.__module__)}")
        else:
            variables.append(name)
    if variables:
        raise FingerprintError(
            f"{where}: {function.__qualname__} uses {', '.join(sorted(variables))} of this notebook, which the key cannot see. "
            "Pass them as arguments; helper functions belong in a module"
        )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _used_globals(function: types.FunctionType) -> dict[str, Any]:
    """Return the global variables that a function reads, those of functions nested in it included; not Python's own functions.

    IPython has an `open` of its own around Python's.
    """
    used = {}
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes.extend(constant for constant in code.co_consts if isinstance(constant, types.CodeType))
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval in function.__globals__:
                used[instruction.argval] = function.__globals__[instruction.argval]
    return {name: value for name, value in used.items() if inspect.unwrap(value) is not getattr(builtins, name, used)}
