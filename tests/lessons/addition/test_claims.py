"""Claims: one rule each, lengths that the tasks have, and evidence for each of them."""

import pytest

from wmlib.experiment.claims import judge
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.addition import claims
from wmlib.lessons.addition.recipes import TASKS


@pytest.mark.parametrize("task", ["addition", "repeat", "priority_sort"])
def test_every_claim_has_its_own_name(task):
    rules = claims.rules(task, author_size=False)
    assert len({claim.id for claim in rules}) == len(rules) == 5
    assert [claim.id for claim in rules if claim.source.startswith("ours")] == ["read_out"]


def test_the_lengths_are_those_of_the_task():
    assert (claims.near("addition"), claims.far("addition")) == (25, 100)
    assert claims.far("repeat") == TASKS["repeat"].beyond[-1]
    assert "to length 6, the DNC" in {claim.id: claim.text for claim in claims.rules("repeat", False)}["accurate_far"]


def test_the_claim_to_the_longest_length_names_the_network_it_judges():
    ours, authors = (claims.rules("addition", size)[-1] for size in (False, True))
    assert "ours, which is smaller" in ours.measure and "256 slots" in authors.measure and ours.id == authors.id


def test_the_rules_judge_as_they_read():
    rules = {claim.id: claim for claim in claims.rules("addition", False)}
    assert rules["order_of_magnitude"].verdict(11, 8, 15) == "reproduced"
    assert rules["order_of_magnitude"].verdict(3, 2, 4.2) == "partly"
    assert rules["keeps_old_tasks"].verdict(0.8, 0.7, 0.9) == "not reproduced"
    assert rules["read_out"].verdict(150, 0.9, 25_000) == "undecided"
    assert rules["read_out"].verdict(2, 0.5, 8) == "not reproduced"
    assert rules["accurate_far"].verdict(0.008, 0.005, 0.012) == "reproduced"
    assert rules["accurate_far"].verdict(0.06, 0.04, 0.09) == "not reproduced"
    assert rules["lstm_fails_beyond"].effect == pytest.approx(233, abs=1)


@pytest.mark.parametrize(("seeds", "verdict"), [(4, "undecided"), (5, "reproduced")])
def test_five_seeds_are_needed(seeds, verdict):
    evidence = Evidence("ratio", {"above": [20.0] * seeds, "below": [1.0] * seeds})
    assert judge(claims.rules("addition", False)[0], evidence)["verdict"] == verdict
