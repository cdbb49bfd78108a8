"""What notebook 04 judges: four claims, their rules and gates, written down before the run."""

from __future__ import annotations

from wmlib.experiment.claims import Claim, Gate
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.vae.pipeline import TrainingConfig

SMALL = "bright blobs of 6-20 pixels, held-out episodes"
NEEDS = 5  # training seeds
PAPER_CHANNELS = 32
PAPER_FRAMES = 3_000_000


def rules(paper: TrainingConfig) -> list[Claim]:
    """Return the claims: one implied by the paper, three of ours.

    Args:
        paper: the training with the paper's loss on which the first claim is judged.
    """
    return [
        Claim(
            "paper_recall",
            "The paper's recipe (sum of squares, KL tolerance 0.5 a dimension) reconstructs what matters for survival.",
            "Ha & Schmidhuber 2018 (World Models): implied",
            "agents that dodge; no number for the pictures",
            f"recall of the paper's loss ({SMALL}; {paper.channels} channels, {paper.frames:,} training frames)",
            smallest=0.9,
            null=0.5,
            needs=1,
        ),
        Claim(
            "weighted_recall",
            "A loss that counts what is far from the mean picture keeps more small fireballs than PCA, the best linear code.",
            "ours; the comparison with PCA came after a quick run",
            "-",
            f"recall, weighted loss minus PCA ({SMALL})",
            smallest=0.1,
            null=0.0,
            needs=NEEDS,
        ),
        Claim(
            "weighted_precision",
            "What the weighted loss draws meets something bright.",
            "ours; the rule came after a first look at other seeds, made harder (seeds weigh alike) after the study run",
            "-",
            "precision of the weighted loss (bright blobs of 6-20 pixels in its pictures, held-out episodes; mean of seeds)",
            smallest=0.9,
            null=0.7,
            needs=NEEDS,
        ),
        Claim(
            "weight_not_price",
            "The weight does it, not the lower price of a nat.",
            "ours",
            "-",
            f"recall, weight alone minus cheap nats alone ({SMALL})",
            smallest=0.5,
            null=0.0,
            needs=NEEDS,
        ),
    ]


def size_gate(paper: TrainingConfig) -> Gate:
    """Return the gate of the first claim: the paper's width and number of training frames, or no verdict.

    Args:
        paper: as for `rules`.
    """
    proportion = min(paper.channels / PAPER_CHANNELS, paper.frames / PAPER_FRAMES)
    text = f"the size is the paper's, {PAPER_CHANNELS} channels and {PAPER_FRAMES:,} training frames (as a proportion of it)"
    return Gate(text, Evidence("mean", {"values": [proportion, proportion]}), least=0.999)
