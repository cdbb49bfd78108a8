"""What the tests of this lesson share: a run with a cache of its own, and small made-up results."""

from types import SimpleNamespace

import numpy as np
import pytest

from wmlib.experiment import seeding
from wmlib.experiment.cache import ArtifactCache
from wmlib.lessons.addition.measures import DIVERGED


@pytest.fixture
def run(tmp_path):
    """What the pipeline needs of a Run."""
    return SimpleNamespace(
        cache=ArtifactCache(tmp_path / "cache"),
        seed=1,
        rng=lambda *names: seeding.generator(1, *names),
        torch_rng=lambda *names: seeding.torch_generator(1, *names),
    )


@pytest.fixture
def results() -> dict[str, list[dict]]:
    """Three seeds of two models, as `train_and_measure` would leave them, one of them diverged."""
    return {
        "DNC": [_result(scale) for scale in (0.1, 0.2, 0.7)],
        "LSTM": [_result(scale) for scale in (1.0, 2.0, DIVERGED)],
    }


def _result(scale: float) -> dict:
    """Return a result with errors that grow with the scale, on lengths 2, 3, 4 (trained), 16 and 20."""
    errors = [0.0, *(scale * np.arange(1.0, 5.0))]
    return {
        "error": scale,
        "seen": np.array([0, 16, 32, 48]),
        "curve": np.array(errors[:4]),
        "lengths": [2, 3, 4, 16, 20],
        "errors": errors,
        "accuracies": [1.0, 1.0, 0.4, 0.0, 0.0],
        "retention_error": scale * np.arange(9.0).reshape(3, 3),
        "retention_accuracy": np.array([[1.0, 0.0, 0.0], [0.8, 1.0, 0.0], [0.2, 0.6, 1.0]]),
    }
