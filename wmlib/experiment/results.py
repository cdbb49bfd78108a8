"""results.json: what a notebook measured, in a form that figures, the README and other people can read.

One file a notebook, beside its figures. It is validated whenever it is written and read: against the schema below, and each
claim's verdict is computed again from its numbers and its rule (see `claims`), so that a verdict cannot be typed in.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import fastjsonschema
import numpy as np

from wmlib.experiment import records
from wmlib.experiment.atomic import write_atomically
from wmlib.experiment.claims import VERDICTS, ClaimError, check_rule
from wmlib.experiment.records import RecordError
from wmlib.experiment.settings import PROFILES

SCHEMA_VERSION = 2


class ResultsError(ValueError):
    """A results.json that breaks its schema or its own rules."""


_text = {"type": "string", "minLength": 1}
_file = {"type": "string", "pattern": r"^\w[\w.-]*$"}  # beside results.json
_number = {"type": "number"}
_number_or_null = {"type": ["number", "null"]}
_pair = {"type": "array", "items": _number, "minItems": 2, "maxItems": 2}
_count = {"type": "integer", "minimum": 1}


_evidence = records.form({"estimator": _text, "values": {"type": "object"}})

SCHEMA = records.form(
    {
        "schema": {"const": SCHEMA_VERSION},
        "notebook": {"type": "string", "pattern": r"^\d\d_[a-z0-9_]+$"},
        "title": _text,
        "profile": {"enum": list(PROFILES)},
        "seed": {"type": "integer", "minimum": 0},
        "seeds": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        "device": _text,
        "settings": {"type": "object"},
        "headline": records.form({"label": _text, "value": _number, "interval": _pair, "n": _count, "text": _text}),
        "claims": {
            "type": "array",
            "items": records.form(
                {
                    "id": _text,
                    "text": _text,
                    "source": _text,
                    "reported": _text,
                    "measure": _text,
                    "smallest": _number,
                    "null": _number,
                    "better": {"enum": ["higher", "lower"]},
                    "needs": _count,
                    "effect": _number_or_null,
                    "ours": _number,
                    "interval": _pair,
                    "n": _count,
                    "rule": _text,
                    "verdict": {"enum": list(VERDICTS)},
                    "reason": {"type": "string"},
                    "gates": {
                        "type": "array",
                        "items": records.form(
                            {
                                "text": _text,
                                "least": _number_or_null,
                                "most": _number_or_null,
                                "ours": _number,
                                "interval": _pair,
                                "evidence": _evidence,
                            },
                            optional={"flatters": {"const": True}},
                        ),
                    },
                    "evidence": _evidence,
                }
            ),
        },
        "data": {"type": "object"},
        "figures": {
            "type": "array",
            "items": records.form({"name": _text, "file": _file, "alt": {"type": "string", "minLength": 20}, "caption": _text}),
        },
        "versions": {"type": "object", "additionalProperties": _text},
        "machine": _text,
        "commit": {"type": ["string", "null"]},
        "dirty": {"type": ["boolean", "null"]},
        "wall_time_s": {"type": "number", "minimum": 0},
        "from_scratch_s": {"type": "number", "minimum": 0},
    },
    {records.CHECKSUM: _text},
)


_check_schema = records.checker(SCHEMA)


def plain(node: Any, digits: int = 6) -> Any:
    """Return JSON values for a nesting of dicts, sequences, arrays and numbers; floats keep `digits` significant digits.

    Raises:
        ResultsError: a number is not finite (a result must be a number), two keys are the same text, or it is none of these.
    """
    if isinstance(node, dict):
        texts = {str(k): plain(v, digits) for k, v in node.items()}
        if len(texts) < len(node):
            raise ResultsError(f"a result has two keys that are the same text, of {list(node)}; rename one")
        return texts
    if hasattr(node, "tolist"):  # NumPy arrays and scalars, tensors
        node = node.tolist()
    if isinstance(node, list | tuple):
        return [plain(v, digits) for v in node]
    if isinstance(node, float):
        if not math.isfinite(node):
            raise ResultsError(f"a result is {node}; store finite numbers only (leave the entry out, or count the failures)")
        return float(np.format_float_positional(node, digits, fractional=False)) if node else 0.0
    if node is None or isinstance(node, bool | int | str):
        return node
    raise ResultsError(
        f"a result is {node!r}, a {type(node).__name__}; store numbers, texts, and dicts, lists or arrays of them"
    )


def validate(results: dict, where: str = "results") -> dict:
    """Return the results if they keep the schema and the claims' rules.

    Raises:
        ResultsError: names the place and the fault.
    """
    try:
        _check_schema(results)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ResultsError(f"{where}: {error.message}") from None
    ids = [record["id"] for record in results["claims"]]
    if len(set(ids)) < len(ids):
        raise ResultsError(f"{where}: two claims have one id, of {', '.join(ids)}; rename one")
    for record in results["claims"]:
        try:
            check_rule(record)
        except ClaimError as error:
            raise ResultsError(f"{where}: {error}") from None
    return results


def write(path: Path, results: dict) -> None:
    """Validate and write results, atomically."""
    results = validate(plain(results), str(path))
    text = json.dumps(records.sign(results), indent=1, ensure_ascii=False, allow_nan=False)
    text = _short_lists(text)
    records.make_way(Path(path))
    write_atomically(Path(path), lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def _short_lists(text: str) -> str:
    """Put innermost lists of numbers on one line, so that the file can be read and its changes be seen."""
    return re.sub(r"\[\n\s*((?:[-+\d.e]+,\s+)*[-+\d.e]+)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)


def read(path: Path) -> dict:
    """Read and validate results.

    Args:
        path: a file in the folder of its notebook.

    Raises:
        ResultsError: the file is absent, no JSON, not valid, changed after it was written, or another notebook's; the message
            names the file and what to do.
    """
    path = Path(path)
    remedy = "run its notebook again, or restore the file"
    try:
        results = records.read(path, lambda content: validate(content, str(path)), signed=False)
    except FileNotFoundError:
        raise ResultsError(f"{path} cannot be read (there is no such file); {remedy}") from None
    except RecordError as error:
        raise ResultsError(f"{path.parent / str(error)}; {remedy}") from None
    except ResultsError as error:
        raise ResultsError(f"{error}; {remedy}") from None
    folder = path.parent.parent if results["profile"] == "study" else path.parent
    if results["notebook"] != folder.name:
        raise ResultsError(f"{path} holds the results of {results['notebook']}; {remedy}")
    return records.sign(results)
