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

from wmlib.experiment.atomic import write_atomically
from wmlib.experiment.claims import VERDICTS, ClaimError, check_rule
from wmlib.experiment.settings import PROFILES

SCHEMA_VERSION = 2


class ResultsError(ValueError):
    """A results.json that breaks its schema or its own rules."""


_text = {"type": "string", "minLength": 1}
_number = {"type": "number"}
_number_or_null = {"type": ["number", "null"]}
_pair = {"type": "array", "items": _number, "minItems": 2, "maxItems": 2}
_count = {"type": "integer", "minimum": 1}


def _record(required: dict, optional: dict | None = None) -> dict:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


_evidence = _record({"estimator": _text, "values": {"type": "object"}})

SCHEMA = _record(
    {
        "schema": {"const": SCHEMA_VERSION},
        "notebook": {"type": "string", "pattern": r"^\d\d_[a-z0-9_]+$"},
        "title": _text,
        "profile": {"enum": list(PROFILES)},
        "seed": {"type": "integer", "minimum": 0},
        "seeds": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        "device": _text,
        "settings": {"type": "object"},
        "headline": _record(
            {"label": _text, "value": _number, "interval": _pair, "n": _count, "text": _text}
        ),
        "claims": {
            "type": "array",
            "items": _record(
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
                        "items": _record(
                            {
                                "text": _text,
                                "least": _number_or_null,
                                "most": _number_or_null,
                                "ours": _number,
                                "interval": _pair,
                                "evidence": _evidence,
                            }
                        ),
                    },
                    "evidence": _evidence,
                }
            ),
        },
        "data": {"type": "object"},
        "figures": {
            "type": "array",
            "items": _record({"name": _text, "file": _text, "alt": {"type": "string", "minLength": 20}, "caption": _text}),
        },
        "versions": {"type": "object", "additionalProperties": _text},
        "machine": _text,
        "commit": {"type": ["string", "null"]},
        "dirty": {"type": ["boolean", "null"]},
        "wall_time_s": {"type": "number", "minimum": 0},
        "from_scratch_s": {"type": "number", "minimum": 0},
    }
)


_check_schema = fastjsonschema.compile({"$schema": "http://json-schema.org/draft-07/schema#", **SCHEMA})


def plain(node: Any, digits: int = 6) -> Any:
    """Return JSON values for a nesting of dicts, sequences, arrays and numbers; floats keep `digits` significant digits.

    Raises:
        ResultsError: a number is not finite (a result must be a number).
    """
    if isinstance(node, dict):
        return {str(k): plain(v, digits) for k, v in node.items()}
    if hasattr(node, "tolist"):  # NumPy arrays and scalars, tensors
        node = node.tolist()
    if isinstance(node, list | tuple):
        return [plain(v, digits) for v in node]
    if isinstance(node, float):
        if not math.isfinite(node):
            raise ResultsError(f"a result is {node}; store finite numbers only (leave the entry out, or count the failures)")
        return float(np.format_float_positional(node, digits, fractional=False)) if node else 0.0
    return node


def validate(results: dict, where: str = "results") -> dict:
    """Return the results if they keep the schema and the claims' rules.

    Raises:
        ResultsError: names the place and the fault.
    """
    try:
        _check_schema(results)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ResultsError(f"{where}: {error.message}") from None
    for record in results["claims"]:
        try:
            check_rule(record)
        except ClaimError as error:
            raise ResultsError(f"{where}: {error}") from None
    return results


def write(path: Path, results: dict) -> None:
    """Validate and write results, atomically."""
    results = validate(plain(results), str(path))
    text = json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False)
    text = _short_lists(text)
    write_atomically(Path(path), lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def _short_lists(text: str) -> str:
    """Put innermost lists of numbers on one line, so that the file can be read and its changes be seen."""
    return re.sub(r"\[\n\s*((?:[-+\d.e]+,\s+)*[-+\d.e]+)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)


def read(path: Path) -> dict:
    """Read and validate results.

    Raises:
        ResultsError: the file is absent, no JSON, or not valid; the message names the file and what to do.
    """
    path = Path(path)
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read ({error}); run its notebook again") from None
    return validate(results, str(path))
