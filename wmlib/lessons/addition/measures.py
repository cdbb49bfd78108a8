"""How well a network answers: at every length, after every level, and while it is trained.

Reading guide. `measure` tests a network at some lengths. `train_and_measure` trains a network, tests it, and returns all that
the lesson stores of a training; `Observer` does the tests during training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.addition.recipes import TASKS, Recipe
from wmlib.lessons.addition.sequences import Sequences
from wmlib.lessons.addition.training import train
from wmlib.models.recurrent import RecurrentCore

PER_LENGTH = 64  # test sequences of each length
DIVERGED = 1e6  # stands in for an error that is not finite


class Score(NamedTuple):
    """Hold how well one length is answered."""

    error: float  # mean squared error of the rows where an answer is due
    accuracy: float  # proportion of sequences with every number of the answer within 0.5


@torch.no_grad()
def measure(
    core: RecurrentCore,
    task: str,
    lengths: Sequence[int],
    seed: int,
    per_length: int = PER_LENGTH,
    num_slots: int | None = None,
) -> list[Score]:
    """Test a network on fresh sequences, the same for all networks with this seed.

    Args:
        core: the network.
        task: a name in `TASKS`.
        lengths: of the test sequences.
        seed: of the test sequences; each length has its own sequences.
        per_length: test sequences of each length.
        num_slots: N of a DNC, if other than in training.

    Returns:
        One `Score` per length.
    """
    return [_score(core, draw_test_set(task, length, seed, per_length), num_slots) for length in lengths]


def draw_test_set(task: str, length: int, seed: int, per_length: int = PER_LENGTH) -> Sequences:
    """Return the test sequences of one length; arguments as for `measure`."""
    generator = torch.Generator().manual_seed(seed * 1009 + length)
    return TASKS[task].make(torch.full((per_length,), length), generator=generator)


def _score(core: Any, batch: Sequences, num_slots: int | None) -> Score:
    state = core.initial_state(len(batch.inputs), num_slots=num_slots) if num_slots else None
    outputs, _ = core(batch.inputs, state)
    difference = (outputs - batch.targets)[batch.answers].reshape(len(outputs), -1)  # equal lengths: equally many rows each
    error = difference.square().mean().item()
    accuracy = (difference.abs() < 0.5).all(1).float().mean().item()
    return Score(error if math.isfinite(error) else DIVERGED, accuracy)


def measure_levels(
    core: RecurrentCore, task: str, levels: Sequence[tuple[int, int]], seed: int, per_length: int
) -> list[Score]:
    """Test a network on levels: the mean over the lengths of each.

    Args:
        core, task, seed, per_length: as for `measure`.
        levels: shortest and longest length of each.
    """
    lengths = range(min(levels)[0], max(high for _, high in levels) + 1)
    scores = np.array(measure(core, task, lengths, seed, per_length))
    means = [scores[low - lengths[0] : high + 1 - lengths[0]].mean(0) for low, high in levels]
    return [Score(float(error), float(accuracy)) for error, accuracy in means]


class Observer:
    """Test a network while it is trained: on the current level at intervals, on all levels at the end of each.

    Args:
        task, levels, sequences: of the training.
        test_seed: of the test sequences.
        batch_size: of the training.

    Attributes:
        curve: errors on the current level, at 0, `interval`, 2 `interval`, … sequences seen.
        stages: the `Score` on every level, after every level.
    """

    def __init__(
        self, task: str, levels: Sequence[tuple[int, int]], sequences: int, test_seed: int, batch_size: int = 16
    ) -> None:
        self.task = task
        self.levels = levels
        self.test_seed = test_seed
        self.sequences_per_level = sequences // len(levels)
        self.batch_size = batch_size
        self.last = sequences // batch_size * batch_size
        self.interval = batch_size * max(4, sequences // 30 // batch_size)
        self.curve: list[float] = []
        self.stages: list[list[Score]] = []

    def __call__(self, core: RecurrentCore, seen: int) -> None:
        """Test the network after `seen` training sequences; `train` calls this."""
        level = self._level_at(max(seen - self.batch_size, 0))  # of the batch just seen
        if seen % self.interval == 0:
            (score,) = measure_levels(core, self.task, [self.levels[level]], self.test_seed, PER_LENGTH // 4)
            self.curve.append(score.error)
        if seen and (seen == self.last or self._level_at(seen) > level):
            self.stages.append(measure_levels(core, self.task, self.levels, self.test_seed, PER_LENGTH // 2))

    def _level_at(self, sequence: int) -> int:
        return tasks.level_at(sequence, self.sequences_per_level, len(self.levels))

    def results(self) -> dict[str, np.ndarray]:
        """Return curve and retention as arrays, of the same shapes for all trainings; see `train_and_measure`.

        A training that diverged ends early. The tests that it did not reach count as `DIVERGED`, with accuracy 0.
        """
        seen = np.arange(0, self.last + 1, self.interval)
        missing_points = len(seen) - len(self.curve)
        missing_stages = len(self.levels) - len(self.stages)
        scores = np.array([*self.stages, *[[Score(DIVERGED, 0.0)] * len(self.levels)] * missing_stages])
        return {
            "seen": seen,
            "curve": np.array([*self.curve, *[DIVERGED] * missing_points]),
            "retention_error": scores[..., 0],
            "retention_accuracy": scores[..., 1],
        }


def train_and_measure(
    recipe: Recipe,
    seeds: tuple[int, int],
    task: str,
    levels: Sequence[tuple[int, int]],
    sequences: int,
    test_seed: int,
    details: bool = True,
    practice: str = "",
) -> dict:
    """Train one network and measure it.

    Args:
        recipe, seeds, task, levels, sequences: as for `train`.
        test_seed: of the test sequences.
        details: also the curve, the retention matrix, the lengths beyond and the weights.
        practice: the task that is trained, if it is another than that of the tests.

    Returns:
        error: mean squared error over all lengths of the last level; and with details:
        seen (C,), curve (C,): that error for the current level, against the sequences seen;
        retention_error, retention_accuracy (L, L): error and accuracy on level j (column) after stage i (row);
        lengths, errors, accuracies: for every trained length and those beyond; weights: the network's.
        All are finite but the weights, which are NaN if the training diverged; an error that is not finite is `DIVERGED`.
    """
    observer = Observer(task, levels, sequences, test_seed, recipe.batch_size) if details else None
    core = train(recipe, seeds, task=practice or task, levels=levels, sequences=sequences, watch=observer)
    (last,) = measure_levels(core, task, levels[-1:], test_seed, PER_LENGTH)
    if observer is None:
        return {"error": last.error}
    lengths = [*range(levels[0][0], levels[-1][1] + 1), *TASKS[task].beyond]
    scores = measure(core, task, lengths, test_seed)
    return {
        "error": last.error,
        **observer.results(),
        "lengths": lengths,
        "errors": [score.error for score in scores],
        "accuracies": [score.accuracy for score in scores],
        "weights": core.state_dict(),
    }
