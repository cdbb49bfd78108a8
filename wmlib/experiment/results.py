"""results.json: what a notebook measured, in a form that figures, the README and other people can read.

One file a notebook, beside its figures. It is validated whenever it is written and read: against the schema below, and each
claim's verdict is computed again from its numbers and its rule, so that a verdict cannot be typed in.
"""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastjsonschema
import numpy as np

from wmlib.experiment import records
from wmlib.experiment.atomic import write_atomically
from wmlib.experiment.records import RecordError
from wmlib.experiment.settings import PROFILES

if TYPE_CHECKING:  # not loaded: the runner reads results and should not wait for SciPy
    from wmlib.experiment.statistics import Estimate

SCHEMA_VERSION = 1
VERDICTS = ("reproduced", "partly", "not reproduced")


class ResultsError(ValueError):
    """A results.json that breaks its schema or its own rules."""


@dataclass(frozen=True)
class Claim:
    """A claim and the rule that will judge it, written down before the run.

    Args:
        id: short name, unique in the notebook.
        text: the claim in one sentence.
        source: who says so and where.
        paper: what the source reports, in its own numbers (text; "no number given" where there is none).
        measure: what we measure for it, with its unit.
        reproduced: the claim counts as reproduced from this value on,
        partly: and as partly reproduced from this one on.
        better: "higher" or "lower" values are better.
        judged: "value" judges the estimate itself; "interval" the worse end of its 95 % interval.

    Example:
        >>> claim = Claim("solved", "It is solved.", "ours", "100 %", "success rate", reproduced=0.99, partly=0.5)
        >>> claim.verdict(0.7, (0.6, 0.8))
        'partly'
        >>> print(claim.rule())
        reproduced if success rate >= 0.99; partly if >= 0.5; else not reproduced
    """

    id: str
    text: str
    source: str
    paper: str
    measure: str
    reproduced: float
    partly: float
    better: str = "higher"
    judged: str = "value"

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower") or self.judged not in ("value", "interval"):
            raise ResultsError(
                f"claim {self.id}: better={self.better!r}, judged={self.judged!r}; allowed are better='higher' or 'lower' "
                "and judged='value' or 'interval'"
            )
        if (self.reproduced - self.partly) * self._sign() < 0:
            raise ResultsError(
                f"claim {self.id}: 'reproduced' ({self.reproduced}) must be at least as hard as 'partly' ({self.partly})"
            )

    def _sign(self) -> int:
        return 1 if self.better == "higher" else -1

    def rule(self) -> str:
        """Return the rule in words."""
        what = self.measure if self.judged == "value" else f"the worse end of the 95 % interval of {self.measure}"
        sign = ">=" if self.better == "higher" else "<="
        return f"reproduced if {what} {sign} {self.reproduced:g}; partly if {sign} {self.partly:g}; else not reproduced"

    def verdict(self, value: float, interval: tuple[float, float]) -> str:
        """Return the verdict that the rule gives to a value and its interval."""
        sign = self._sign()
        judged = value if self.judged == "value" else min(interval, key=lambda end: sign * end)
        levels = (self.reproduced, self.partly)
        return next((v for v, level in zip(VERDICTS, levels, strict=False) if sign * judged >= sign * level), VERDICTS[-1])


def judge(claim: Claim, estimate: "Estimate") -> dict:
    """Return the record of a claim with what we measured and the verdict its rule gives."""
    interval = (estimate.low, estimate.high)
    return {
        **asdict(claim),
        "ours": estimate.value,
        "interval": list(interval),
        "n": estimate.n,
        "rule": claim.rule(),
        "verdict": claim.verdict(estimate.value, interval),
    }


_text = {"type": "string", "minLength": 1}
_file = {"type": "string", "pattern": r"^\w[\w.-]*$"}  # beside results.json
_number = {"type": "number"}
_pair = {"type": "array", "items": _number, "minItems": 2, "maxItems": 2}


SCHEMA = records.form(
    {
        "schema": {"const": SCHEMA_VERSION},
        "notebook": {"type": "string", "pattern": r"^\d\d_[a-z0-9_]+$"},
        "title": _text,
        "profile": {"enum": list(PROFILES)},
        "seed": {"type": "integer", "minimum": 0},
        "device": _text,
        "settings": {"type": "object"},
        "headline": records.form(
            {"label": _text, "value": _number, "interval": _pair, "n": {"type": "integer", "minimum": 1}, "text": _text}
        ),
        "claims": {
            "type": "array",
            "items": records.form(
                {
                    "id": _text,
                    "text": _text,
                    "source": _text,
                    "paper": _text,
                    "measure": _text,
                    "reproduced": _number,
                    "partly": _number,
                    "better": {"enum": ["higher", "lower"]},
                    "judged": {"enum": ["value", "interval"]},
                    "ours": _number,
                    "interval": _pair,
                    "n": {"type": "integer", "minimum": 1},
                    "rule": _text,
                    "verdict": {"enum": list(VERDICTS)},
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
        claim = Claim(**{f: record[f] for f in Claim.__dataclass_fields__})
        verdict = claim.verdict(record["ours"], tuple(record["interval"]))
        if (record["rule"], record["verdict"]) != (claim.rule(), verdict):
            raise ResultsError(
                f"{where}: claim {claim.id}: stored as {record['verdict']!r}, its rule and numbers give {verdict!r}"
            )
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
    if results["notebook"] != path.parent.name:
        raise ResultsError(f"{path} holds the results of {results['notebook']}; {remedy}")
    return records.sign(results)
