"""Claims and their verdicts: a rule that is written before the run, four outcomes, and the numbers to compute them again.

Reading guide. A notebook writes a `Claim` before it runs and calls `judge` with the `Evidence` after it. The rule looks at the
95 % interval and at two values, `null` (nothing of the claim is true) and `smallest` (the smallest effect that counts):

|                                    | value at least `smallest` | value below `smallest` |
|------------------------------------|---------------------------|------------------------|
| interval above `null`              | reproduced                | partly                 |
| holds `null`, reaches `smallest`   | undecided                 | undecided              |
| holds `null`, ends below `smallest`| cannot be                 | not reproduced         |

So "not reproduced" needs evidence as "reproduced" does, and a run that is too small to tell says so. A gate that is missed,
or fewer runs than the claim needs, is `undecided` too, with the reason. (A gate whose miss can only flatter the claim stands
in the way of "reproduced" and "partly" alone.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # not loaded: the runner reads results and should not wait for SciPy
    from wmlib.experiment.statistics import Estimate, Evidence

VERDICTS = ("reproduced", "partly", "not reproduced", "undecided")


class ClaimError(ValueError):
    """A claim whose rule makes no sense, or a record of one that its own numbers contradict."""


class GateError(RuntimeError):
    """A stage missed its gate, and the run was told to stop there."""


@dataclass(frozen=True)
class Claim:
    """A claim and the rule that will judge it, written down before the run.

    Args:
        id: short name, unique in the notebook.
        text: the claim in one sentence.
        source: who says so and where.
        reported: what the source reports, in its own numbers (text; "no number given" where there is none).
        measure: what we measure for it, with its unit.
        smallest: smallest effect of interest: the value from which the claim counts as true.
        null: the value at which nothing of it is true, such as 0 for a difference.
        better: "higher" or "lower" values are better.
        needs: runs, below which no verdict is given.
        effect: the author's own value, if it is another than `smallest`: for the simulation of the rule.

    Raises:
        ClaimError: `smallest` is not better than `null`, or `better` is another word.

    Example:
        >>> claim = Claim("solved", "It is solved.", "ours", "100 %", "success rate", smallest=0.9, null=0.5)
        >>> claim.verdict(0.7, 0.6, 0.8)
        'partly'
        >>> claim.verdict(0.7, 0.4, 0.95), claim.verdict(0.7, 0.4, 0.8)
        ('undecided', 'not reproduced')
    """

    id: str
    text: str
    source: str
    reported: str
    measure: str
    smallest: float
    null: float = 0.0
    better: str = "higher"
    needs: int = 2
    effect: float | None = None

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ClaimError(f"claim {self.id}: better: got {self.better!r}; allowed are higher and lower")
        if (self.smallest - self.null) * self._sign() <= 0:
            raise ClaimError(
                f"claim {self.id}: smallest: got {self.smallest:g}; it must be better ({self.better}) than null, {self.null:g}"
            )

    def _sign(self) -> int:
        return 1 if self.better == "higher" else -1

    def rule(self) -> str:
        """Return the rule in words."""
        above, least = ("above", "at least") if self.better == "higher" else ("below", "at most")
        runs = f"with at least {self.needs} runs: " if self.needs > 2 else ""
        return (
            f"{runs}reproduced if the interval of {self.measure} lies {above} {self.null:g} and its value is {least} "
            f"{self.smallest:g}; partly if only the first holds; not reproduced if neither the first nor the interval's end "
            f"reaches {self.smallest:g}; else undecided"
        )

    def verdict(self, value: float, low: float, high: float) -> str:
        """Return the verdict that the rule gives to a value and its interval."""
        sign = self._sign()
        worst, best = sorted((sign * low, sign * high))
        if worst > sign * self.null:
            return "reproduced" if sign * value >= sign * self.smallest else "partly"
        return "not reproduced" if best < sign * self.smallest else "undecided"


@dataclass(frozen=True)
class Gate:
    """What must hold before a claim is judged: a number whose 95 % interval must lie within bounds.

    Args:
        text: what it says, such as "the DNC beats copying the last state".
        evidence: of the number, such as a difference to a baseline.
        least, most: the bounds, not included; None: there is no such bound.
        flatters: a miss can only make the claim look truer than it is: "not reproduced" stands all the same.
    """

    text: str
    evidence: Evidence
    least: float | None = 0.0
    most: float | None = None
    flatters: bool = False


def report(gate: Gate, *, stop: bool = False) -> Gate:
    """Print whether a gate holds, when its stage is done; return it, for `judge`.

    Args:
        gate: the gate.
        stop: raise if the value itself is out of bounds; an interval that is too wide does not end a run.

    Raises:
        GateError: out of bounds, with `stop`.

    Example:
        >>> from wmlib.experiment.statistics import Evidence
        >>> _ = report(Gate("V: recall at least 0.9", Evidence("mean", {"values": [0.95, 0.96]}), least=0.9))
        gate open, the interval is too wide: V: recall at least 0.9: 0.955 [0.891, 1.02]
    """
    value, low, high, _ = gate.evidence.estimate()
    measured = f"{gate.text}: {value:.3g} [{low:.3g}, {high:.3g}]"
    missed = not _within(gate.least, gate.most, value, value)
    if missed and stop:
        raise GateError(f"gate MISSED: {measured}. Improve this stage first, or go on with -p gates=report")
    passed = _within(gate.least, gate.most, low, high)
    print(f"gate {'MISSED' if missed else 'passed' if passed else 'open, the interval is too wide'}: {measured}")
    return gate


def _within(least: float | None, most: float | None, low: float, high: float) -> bool:
    return (least is None or low > least) and (most is None or high < most)


def judge(claim: Claim, evidence: Evidence, gates: Sequence[Gate] = ()) -> dict[str, Any]:
    """Return the record of a claim: what was measured, the verdict, the reason if it is undecided, and the evidence."""
    measured = [(gate, _rounded(gate.evidence.estimate())) for gate in gates]
    return _record(claim, evidence, measured, _rounded(evidence.estimate()))


def _rounded(estimate: Estimate) -> Estimate:
    """Return an estimate as it is stored, so that a verdict is that of the stored numbers."""
    value, low, high = (float(f"{number:.6g}") for number in estimate[:3])
    return estimate._replace(value=value, low=low, high=high)


def _record(claim: Claim, evidence: Evidence, gates: list[tuple[Gate, Estimate]], estimate: Estimate) -> dict[str, Any]:
    verdict = claim.verdict(*estimate[:3])
    missed = [
        gate.text
        for gate, measured in gates
        if not _within(gate.least, gate.most, *measured[1:3]) and not (gate.flatters and verdict == "not reproduced")
    ]
    reason = "the interval is too wide to tell" if verdict == "undecided" else ""
    if estimate.n < claim.needs:
        reason = f"{estimate.n} of the {claim.needs} runs that the rule needs"
    if missed:
        reason = f"a gate is missed: {'; '.join(missed)}"
    return {
        **asdict(claim),
        "ours": estimate.value,
        "interval": [estimate.low, estimate.high],
        "n": estimate.n,
        "rule": claim.rule(),
        "verdict": "undecided" if reason else verdict,
        "reason": reason,
        "gates": [
            {
                "text": gate.text,
                "least": gate.least,
                "most": gate.most,
                "ours": measured.value,
                "interval": [measured.low, measured.high],
                "evidence": asdict(gate.evidence),
                **({"flatters": True} if gate.flatters else {}),
            }
            for gate, measured in gates
        ],
        "evidence": asdict(evidence),
    }


def measured(record: Mapping[str, Any]) -> str:
    """Return what was measured for a record, value and interval, in words.

    Example:
        >>> measured({"ours": 0.8125, "interval": [0.75, 0.9]}), measured({"ours": 1.0, "interval": [1.0, 1.0]})
        ('0.812 [0.75, 0.9]', '1 (all runs alike)')
    """
    low, high = record["interval"]
    return f"{record['ours']:.3g} " + (f"[{low:.3g}, {high:.3g}]" if low < high else "(all runs alike)")


def claim_of(record: Mapping[str, Any]) -> Claim:
    """Return the claim of a record."""
    return Claim(**{field.name: record[field.name] for field in fields(Claim)})


def check_rule(record: Mapping[str, Any]) -> None:
    """Make sure that a record's rule and verdict are those of its own numbers; quick: nothing is estimated again.

    Raises:
        ClaimError: they are not.
    """
    claim = claim_of(record)
    verdict = claim.verdict(record["ours"], *record["interval"])
    missed = any(
        not _within(gate["least"], gate["most"], *gate["interval"])
        for gate in record["gates"]
        if not (gate.get("flatters") and verdict == "not reproduced")
    )
    if missed or record["n"] < claim.needs:
        verdict = "undecided"
    if record["verdict"] != verdict:
        raise ClaimError(f"claim {claim.id}: stored as {record['verdict']!r}, its rule and numbers give {verdict!r}")
    if record["rule"] != claim.rule():
        raise ClaimError(f"claim {claim.id}: its rule is stored as {record['rule']!r}, and now reads {claim.rule()!r}")


def check_evidence(record: Mapping[str, Any]) -> None:
    """Estimate everything in a record again, from its evidence.

    Raises:
        ClaimError: a stored estimate, interval or verdict is another one (to five significant digits).
    """
    from wmlib.experiment.statistics import Evidence

    gates = [
        Gate(gate["text"], Evidence(**gate["evidence"]), gate["least"], gate["most"], gate.get("flatters", False))
        for gate in record["gates"]
    ]
    again = judge(claim_of(record), Evidence(**record["evidence"]), gates)
    pairs = [(record, again), *zip(record["gates"], again["gates"], strict=True)]
    for stored, computed in pairs:
        stored_numbers = [stored["ours"], *stored["interval"]]
        numbers = [computed["ours"], *computed["interval"]]
        if not np.allclose(stored_numbers, numbers, rtol=1e-5, atol=1e-9):
            raise ClaimError(f"claim {record['id']}: {stored_numbers} is stored, its evidence gives {numbers}")
    for part in ("verdict", "n"):
        if record[part] != again[part]:
            raise ClaimError(f"claim {record['id']}: {part} {record[part]!r} is stored, its evidence gives {again[part]!r}")


def simulate(record: Mapping[str, Any], effect: float, n: int, trials: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how often each verdict would come if the truth were `effect`, by verdict; gates are taken as passed.

    Args:
        record: of a claim; the noise is that of its evidence.
        effect: true value of the measure.
        n: runs.
        trials: how many times the run is repeated.
        rng: of the noise.
    """
    from wmlib.experiment.statistics import Evidence

    claim = claim_of(record)
    evidence = Evidence(**record["evidence"])
    verdicts: Counter[str] = Counter()
    for _ in range(trials):
        estimate = evidence.simulated(effect, n, rng)
        verdicts[claim.verdict(*estimate[:3]) if estimate.n >= claim.needs else "undecided"] += 1
    return {verdict: verdicts[verdict] / trials for verdict in VERDICTS}
