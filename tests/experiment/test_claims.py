"""Claims: four outcomes by one rule, gates, records that can be computed again, and how often a rule errs."""

import copy
import re

import numpy as np
import pytest

from wmlib.experiment import claims
from wmlib.experiment.claims import VERDICTS, Claim, ClaimError, Gate, GateError, judge, report
from wmlib.experiment.statistics import Evidence


def claim(**rule):
    return Claim("c", "It works.", "ours", "90 %", "success rate", **{"smallest": 0.9, "null": 0.5, **rule})


def scores(*values):
    return Evidence("mean", {"values": values})


@pytest.mark.parametrize(
    "value, low, high, verdict",
    [
        (0.9, 0.51, 1.0, "reproduced"),
        (0.89, 0.51, 1.0, "partly"),
        (0.6, 0.51, 0.7, "partly"),
        (0.6, 0.5, 0.7, "not reproduced"),
        (0.2, 0.1, 0.3, "not reproduced"),
        (0.6, 0.5, 0.9, "undecided"),
        (0.95, 0.4, 1.5, "undecided"),
    ],
)
def test_the_rule_decides(value, low, high, verdict):
    assert claim().verdict(value, low, high) == verdict
    mirrored = claim(better="lower", smallest=-0.9, null=-0.5)
    assert mirrored.verdict(-value, -high, -low) == verdict


@pytest.mark.parametrize("rule", [{"smallest": 0.5}, {"smallest": 0.4}, {"better": "lower"}, {"better": "most"}])
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ClaimError, match=r"claim c: (smallest|better): got"):
        claim(**rule)


def test_the_rule_in_words():
    assert claim(needs=5).rule() == (
        "with at least 5 runs: reproduced if the interval of success rate lies above 0.5 and its value is at least 0.9; partly "
        "if only the first holds; not reproduced if neither the first nor the interval's end reaches 0.9; else undecided"
    )
    assert "lies below -0.5 and its value is at most -0.9" in claim(better="lower", smallest=-0.9, null=-0.5).rule()


def test_a_gate_whose_miss_flatters_does_not_shield_a_claim_from_its_evidence():
    flattered = Gate("it guesses no more than the other", scores(-0.2, -0.3), flatters=True)
    for values, verdict in (
        ((0.95, 0.96, 0.97), "undecided"),
        ((0.69, 0.71, 0.7), "undecided"),
        ((0.3, 0.31, 0.3), "not reproduced"),
    ):
        record = judge(claim(), scores(*values), [flattered])
        assert record["verdict"] == verdict and bool(record["reason"]) == (verdict == "undecided")
        claims.check_rule(record)
        claims.check_evidence(record)
    shielded = judge(claim(), scores(0.3, 0.31, 0.3), [Gate("it learnt at all", scores(-0.2, -0.3))])
    assert shielded["verdict"] == "undecided"


def test_undecided_says_why():
    good = scores(0.95, 0.96, 0.97)
    assert (judge(claim(), good)["verdict"], judge(claim(), good)["reason"]) == ("reproduced", "")
    wide = judge(claim(), scores(0.1, 1.4, 0.9))
    assert (wide["verdict"], wide["reason"]) == ("undecided", "the interval is too wide to tell")
    few = judge(claim(needs=5), good)
    assert (few["verdict"], few["reason"]) == ("undecided", "3 of the 5 runs that the rule needs")
    gates = [Gate("it beats copying", scores(0.1, 0.2)), Gate("it beats counting", scores(-0.1, 0.5)), Gate("x", scores(1, 2))]
    missed = judge(claim(), good, gates)
    assert missed["verdict"] == "undecided" and missed["reason"] == "a gate is missed: it beats copying; it beats counting; x"
    assert judge(claim(), good, [Gate("it beats copying", scores(0.1, 0.11))])["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("values", "bounds", "outcome"),
    [
        ((0.95, 0.951), {"least": 0.9}, "passed"),
        ((0.95, 0.96), {"least": 0.9}, "open, the interval is too wide"),
        ((0.89, 0.89), {"least": 0.9}, "MISSED"),
        ((0.002, 0.002), {"least": None, "most": 0.003}, "passed"),
        ((0.004, 0.004), {"least": None, "most": 0.003}, "MISSED"),
        ((1.0, 1.01), {"least": 0.75, "most": 1.25}, "passed"),
        ((1.0, 1.2), {"least": 0.75, "most": 1.25}, "open, the interval is too wide"),
    ],
)
def test_a_gate_reports_as_it_is_judged(values, bounds, outcome, capsys):
    gate = Gate("recall", scores(*values), **bounds)
    assert report(gate) is gate
    assert capsys.readouterr().out.startswith(f"gate {outcome}: recall: ")
    judged = judge(claim(), scores(0.95, 0.96, 0.97), [gate])
    assert (judged["verdict"] == "reproduced") == (outcome == "passed")
    claims.check_rule(judged)
    claims.check_evidence(judged)


def test_a_run_stops_at_a_value_out_of_bounds_only_if_told_to():
    assert report(Gate("recall", scores(0.95, 0.96), 0.9), stop=True)
    with pytest.raises(GateError, match=r"gate MISSED: recall: 0.3 \[0.3, 0.3\]\. .* -p gates=report"):
        report(Gate("recall", scores(0.3, 0.3), 0.4), stop=True)


@pytest.fixture
def record():
    return judge(claim(), scores(0.95, 0.96, 0.97), [Gate("it beats copying", scores(0.1, 0.11))])


def test_a_record_is_computed_again(record):
    claims.check_rule(record)
    claims.check_evidence(record)
    assert claims.claim_of(record) == claim()


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(verdict="partly"),
        lambda r: r.update(needs=9),
        lambda r: r["gates"][0].update(least=0.5),
        lambda r: r["gates"][0].update(most=0.105),
        lambda r: r.update(smallest=0.97),
    ],
)
def test_a_verdict_that_the_rule_does_not_give_is_refused(record, change):
    changed = copy.deepcopy(record)
    change(changed)
    with pytest.raises(ClaimError, match="claim c: stored as") as refused:
        claims.check_rule(changed)
    stored, given = re.findall("'([a-z ]+)'", str(refused.value))
    assert stored != given


def test_another_wording_of_the_rule_is_refused_as_such(record):
    record["rule"] = "reproduced if we say so"
    with pytest.raises(ClaimError, match="claim c: its rule is stored as 'reproduced if we say so', and now reads"):
        claims.check_rule(record)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(ours=0.961),
        lambda r: r["interval"].__setitem__(0, 0.6),
        lambda r: r["gates"][0].update(ours=0.2),
        lambda r: r["evidence"]["values"]["values"].__setitem__(0, 0.9),
        lambda r: r["gates"][0]["evidence"]["values"]["values"].__setitem__(0, 0.2),
        lambda r: r.update(n=4),
    ],
)
def test_a_number_that_the_evidence_does_not_give_is_refused(record, change):
    changed = copy.deepcopy(record)
    change(changed)
    with pytest.raises(ClaimError, match=r"claim c: .* is stored, its evidence gives"):
        claims.check_evidence(changed)


def test_a_rule_errs_as_seldom_as_its_intervals():
    noisy = judge(claim(), scores(*np.random.default_rng(0).normal(0.9, 0.1, 8)))
    rng = np.random.default_rng(1)
    nothing = claims.simulate(noisy, 0.5, 8, 500, rng)
    whole = claims.simulate(noisy, 0.9, 8, 500, rng)
    assert set(nothing) == set(VERDICTS) and sum(nothing.values()) == pytest.approx(1)
    assert nothing["reproduced"] + nothing["partly"] < 0.06 and nothing["not reproduced"] > 0.9
    assert whole["not reproduced"] < 0.03 and whole["reproduced"] > 0.4
