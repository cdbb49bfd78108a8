"""Which VAEs notebook 04 trains: two changes of the loss, each with and without the other, and the paper's loss at its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wmlib.lessons.vae import pipeline
from wmlib.lessons.vae.pipeline import TrainingConfig
from wmlib.training.vae import PAPER, WEIGHTED, Objective

PAPER_LOSS = "paper's loss"
CHEAP = "cheap nats alone"
WEIGHT = "weight alone"
WEIGHTED_LOSS = "weighted loss"
LOSSES: dict[str, Objective] = {  # the 2 x 2: what a bright value counts, and what a nat costs
    PAPER_LOSS: PAPER,
    CHEAP: replace(PAPER, beta=WEIGHTED.beta),
    WEIGHT: replace(WEIGHTED, beta=PAPER.beta),
    WEIGHTED_LOSS: WEIGHTED,
}
MOST_SEEDS = {PAPER_LOSS: 3}  # no claim needs more of it
PAPER_BATCH_SIZE = 100
PAPER_LR = 1e-4


def configs(settings: Any) -> dict[str, list[TrainingConfig]]:
    """Return by name of the loss its trainings, one for each training seed, of some losses at most `MOST_SEEDS`.

    Args:
        settings: the notebook's, resolved.
    """
    return {name: pipeline.configs(settings, objective)[: MOST_SEEDS.get(name)] for name, objective in LOSSES.items()}


def seeds_in_words(trainings: Mapping[str, Sequence[TrainingConfig]]) -> str:
    """Return how many training seeds there are, and which loss has fewer; for captions.

    Args:
        trainings: as returned by `configs`.
    """
    most = max(map(len, trainings.values()))
    fewer = [f", {len(group)} of the {name}" for name, group in trainings.items() if len(group) < most]
    return f"{most} training seeds{''.join(fewer)}"


def paper_configs(settings: Any) -> list[TrainingConfig]:
    """Return the trainings with the paper's loss at the paper's width, batch size and learning rate, one for each seed.

    Args:
        settings: the notebook's, resolved; `paper_seeds` 0 leaves them out.

    Source: Ha & Schmidhuber 2018: 32 channels, batches of 100, a constant learning rate of 0.0001.
    """
    alike = pipeline.configs(settings, PAPER)[0]
    return [
        replace(
            alike,
            frames=settings.paper_frames,
            training_seed=training_seed,
            channels=settings.paper_channels,
            batch_size=PAPER_BATCH_SIZE,
            lr=PAPER_LR,
            decay=0.0,
        )
        for training_seed in range(settings.paper_seeds)
    ]
