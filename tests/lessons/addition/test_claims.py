"""Claims: one rule each, and lengths that the tasks have."""

import pytest

from wmlib.lessons.addition import claims
from wmlib.lessons.addition.recipes import TASKS


@pytest.mark.parametrize("task", ["addition", "repeat", "priority_sort"])
def test_every_claim_has_its_own_name_and_source(task):
    all_claims = [*claims.reported(task), *claims.ours()]
    assert len({claim.id for claim in all_claims}) == len(all_claims) == 11
    assert all(claim.source.startswith("ours") for claim in claims.ours())
    assert not any(claim.source.startswith("ours") for claim in claims.reported(task))


def test_the_lengths_are_those_of_the_task():
    assert (claims.near("addition"), claims.far("addition")) == (25, 100)
    assert claims.far("repeat") == TASKS["repeat"].beyond[-1]
    assert "to length 6, the DNC" in {claim.id: claim.text for claim in claims.reported("repeat")}["accurate_far"]


def test_the_rules_judge_as_they_read():
    rules = {claim.id: claim for claim in [*claims.reported("addition"), *claims.ours()]}
    assert rules["order_of_magnitude"].verdict(11, (9.9, 12)) == "partly"  # the worse end counts
    assert rules["accurate_far"].verdict(0.008, (0.005, 0.009)) == "reproduced"
    assert rules["every_seed"].verdict(1.0, (0.7, 1.0)) == "reproduced"  # the value itself counts
    assert rules["race_memory_off"].verdict(1.0, (0.04, 1.0)) == "not reproduced"
