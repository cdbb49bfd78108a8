"""The four losses, the paper's size, and the rules that judge them."""

from types import SimpleNamespace

import pytest

from wmlib.experiment.claims import judge
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.vae import arms, claims
from wmlib.lessons.vae.pipeline import TrainingConfig
from wmlib.training.vae import PAPER, WEIGHTED

SETTINGS = SimpleNamespace(
    frames=700,
    latent_size=5,
    channels=2,
    batch_size=7,
    lr=0.01,
    decay=0.25,
    seeds=3,
    paper_seeds=2,
    paper_frames=3_000_000,
    paper_channels=32,
)


def test_the_two_changes_are_crossed():
    (paper, cheap), (weight, both) = list(arms.LOSSES.values())[:2], list(arms.LOSSES.values())[2:]
    assert paper == PAPER and both == WEIGHTED
    assert (cheap.gain, cheap.beta) == (paper.gain, both.beta) and (weight.gain, weight.cap) == (both.gain, both.cap)
    assert weight.beta == paper.beta and len({loss.kl_tolerance for loss in arms.LOSSES.values()}) == 1


def test_the_paper_s_size_is_the_paper_s():
    first, second = arms.paper_configs(SETTINGS)
    assert first == TrainingConfig(PAPER, 3_000_000, 0, 5, 32, 100, 1e-4, 0.0) and second.training_seed == 1
    assert first.steps == 30_000 and first.schedule(29_999) == 1e-4
    assert arms.paper_configs(SimpleNamespace(**{**vars(SETTINGS), "paper_seeds": 0})) == []


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


def test_there_are_at_most_five_claims_and_each_has_a_rule():
    rules = claims.rules(TrainingConfig(PAPER, 40_000, channels=8))
    assert len({claim.id for claim in rules}) == len(rules) <= 5
    assert "8 channels, 40,000 training frames" in rules[0].measure
