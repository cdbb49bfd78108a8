"""Records: the JSON files of the project, written with a checksum of their content, and read in one way.

Reading guide. `write` writes a record, `read` reads it or says in a `RecordError` what is wrong with it: cut, a changed bit, a
missing field, no text, a folder in its place. What to do then, the caller knows: state is made again, results are not.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import fastjsonschema

from wmlib.experiment.atomic import file_sha256, write_atomically

CHECKSUM = "sha256"  # the field of a record that holds the checksum of all others


class RecordError(ValueError):
    """A record that cannot be used; the message names the file (not its folder) and what is wrong with it."""


def form(required: dict, optional: dict | None = None) -> dict:
    """Return the JSON schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def checker(schema: dict) -> Callable[[dict], object]:
    """Return a function that raises `fastjsonschema.JsonSchemaValueException` for what breaks a schema."""
    return fastjsonschema.compile({"$schema": "http://json-schema.org/draft-07/schema#", **schema})


def plain(value: Any, what: str) -> Any:
    """Return a value as JSON gives it back: tuples as lists, keys as text.

    Args:
        value: JSON values; NaN is none, and would be unequal to itself.
        what: what it is called in an error.

    Raises:
        ValueError: it is no JSON value.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what}: must be JSON values, such as numbers, texts, lists and dicts of these ({error})") from None


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Return in words how two records differ; nothing if they do not."""
    missing = "absent"
    names = [n for n in sorted({*there, *here}) if there.get(n, missing) != here.get(n, missing)]
    return "; ".join(f"{n}: {there.get(n, missing)!r} there, {here.get(n, missing)!r} here" for n in names)


def sign(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with its checksum."""
    content = plain({name: value for name, value in record.items() if name != CHECKSUM}, "record")
    return {**content, CHECKSUM: _checksum(content)}


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record with its checksum, atomically."""
    text = json.dumps(sign(record), indent=1)
    make_way(path)
    write_atomically(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def read(path: Path, check: Callable[[dict], object] = lambda record: None, *, signed: bool = True) -> dict[str, Any]:
    """Return the content of a record, without its checksum.

    Args:
        path: the file.
        check: is given the content and raises what a `checker` does, or an error of its own.
        signed: it must have a checksum; else it may be without one, but not with a wrong one.

    Raises:
        FileNotFoundError: there is no such file.
        RecordError: it cannot be read, or its content is not what was written.
    """
    try:
        text = path.read_text(encoding="utf-8")
        record = json.loads(text, parse_constant=_refuse) if text.strip() else _refuse("nothing")
        if not isinstance(record, dict):
            _refuse(f"a {type(record).__name__}")
        there = record.pop(CHECKSUM, None)
        right = _checksum(record)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"{path.name} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path.name} cannot be read ({error})") from None
    try:
        check(record)
    except fastjsonschema.JsonSchemaValueException as error:
        raise RecordError(f"{path.name} cannot be read ({error.message})") from None
    if there != right and (signed or there is not None):
        raise RecordError(f"{path.name} has changed (its checksum {'is missing' if there is None else 'does not match'})")
    return record


def check_file(path: Path, sha256: str | None, size: int | None = None) -> None:
    """Make sure that a file is the one that a record speaks of.

    Args:
        path: the file.
        sha256: its checksum; None: it is not read.
        size: in bytes; None: any.

    Raises:
        RecordError: it is another, is missing, or cannot be read.
    """
    try:
        there = path.stat().st_size
        if size is not None and there != size:
            raise RecordError(f"{path.name} has {there} bytes instead of {size}")
        if sha256 is not None and file_sha256(path) != sha256:
            raise RecordError(f"{path.name} has changed (its checksum does not match)")
    except FileNotFoundError:
        raise RecordError(f"{path.name} is missing") from None
    except OSError as error:
        raise RecordError(f"{path.name} cannot be read ({error.strerror or error})") from None


def make_way(path: Path) -> None:
    """Make sure that a file can be put at a place: an empty folder that stands there is removed.

    Raises:
        FileExistsError: the folder holds something.
    """
    if path.is_dir() and not path.is_symlink():
        try:
            path.rmdir()
        except OSError:
            raise FileExistsError(f"{path} is a folder that holds something, where a file belongs: move it away") from None


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _refuse(what: str) -> NoReturn:
    raise ValueError(f"it holds {what} in place of a JSON object")
