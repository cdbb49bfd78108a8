"""The rules of notebook 04, and the gate of the claim about the paper's size."""

import numpy as np
import pytest

from wmlib.experiment.claims import judge
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.vae import claims, estimates
from wmlib.lessons.vae.pipeline import TrainingConfig
from wmlib.training.vae import PAPER


@pytest.mark.parametrize(
    ("channels", "frames", "verdict"),
    [
        (32, 3_000_000, "not reproduced"),
        (31, 3_000_000, "undecided"),
        (32, 2_900_000, "undecided"),
        (64, 6_000_000, "not reproduced"),
    ],
)
def test_the_paper_s_loss_is_judged_at_its_size_alone(channels, frames, verdict):
    config = TrainingConfig(PAPER, frames, channels=channels)
    evidence = Evidence("ratio_of_sums", {"hits": [[1, 2, 1, 0]], "counts": [10, 20, 10, 9]})
    record = judge(claims.rules(config)[0], evidence, [claims.size_gate(config)])
    assert record["verdict"] == verdict and record["n"] == 1
    assert ("gate" in record["reason"]) == (verdict == "undecided")


def tally(detected):
    """Five episodes of 20 small blobs."""
    counts = np.zeros((5, 4), int)
    return {"blobs": counts + 20, "detected": counts + detected}


@pytest.mark.parametrize(("linear", "verdict"), [(16, "reproduced"), (18, "partly"), (19, "not reproduced")])
def test_the_weighted_loss_is_judged_by_its_distance_from_pca(linear, verdict):
    claim = claims.rules(TrainingConfig(PAPER, 40_000))[1]
    evidence = estimates.recall_difference([tally(19)] * 5, [tally(linear)])
    assert judge(claim, evidence)["verdict"] == verdict
    assert judge(claim, estimates.recall_difference([tally(19)] * 4, [tally(linear)]))["verdict"] == "undecided"


def test_there_are_at_most_five_claims_and_each_has_a_rule():
    rules = claims.rules(TrainingConfig(PAPER, 40_000, channels=8))
    assert len({claim.id for claim in rules}) == len(rules) <= 5
    assert "8 channels, 40,000 training frames" in rules[0].measure
