"""The trainings of notebook 06: models that predict the next state, and the search for their learning rates.

Reading guide. `train` trains models and `load_model` reads one; `search` tries learning rates on validation games. A model is
described by a `ModelConfig`, its data by the folder of recorded games (see `games`). What trained models are worth is in
`evaluation`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from wmlib.experiment import seeding
from wmlib.lessons.pommerman import hidden_numbers
from wmlib.lessons.pommerman.configs import COUNTING, ModelConfig, count_for
from wmlib.lessons.pommerman.data import SequenceModel, Trainer, Views, list_views, read_batch, training_steps
from wmlib.lessons.pommerman.games import load_games, split
from wmlib.training.jobs import Job, cached_map, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

BLOCK = 1000  # updates between two checkpoints
SEARCH_SEEDS = 1000  # the search's training seeds are counted from here, so that no model starts as one of its trials did
LRS = {
    "board": (8e-3, 4e-3, 1.6e-2, 2e-3, 3.2e-2),
    "one-hot": (1e-3, 5e-4, 2e-3, 2.5e-4, 4e-3),
    "tracker": (1e-2, 5e-3, 2e-2, 2.5e-3, 4e-2),
}  # tried in the search, by family; the first ones
VALIDATION_STREAMS = 16  # read side by side
VALIDATION_SEQ_LEN = 25  # steps read at once


def train(run: Run, folder: Path, configs: Sequence[ModelConfig], label: str = "models", block: int = BLOCK) -> list[Path]:
    """Train models, as many at a time as there are cores; return their folders, for `load_model`.

    Args:
        run: its seed and the training seeds determine weights and order.
        folder: as `record_games` returned it.
        configs: what is trained.
        label: for the progress bar.
        block: updates from one checkpoint to the next; it changes no weight.
    """
    jobs = [
        Job(begin_training, {"folder": folder, "config": config, "seed": run.seed}, config.updates, model_weights)
        for config in configs
    ]
    return run_jobs(run.cache, jobs, label, block=block, parallel_from=500)


def begin_training(folder: Path, config: ModelConfig, seed: int) -> Trainer:
    """Return the trainer of a model at its first step.

    Args:
        folder: of the recorded games.
        config: what is trained.
        seed: of the run.
    """
    table = load_games(folder)
    generator = seeding.torch_generator(seed, "prediction", config.training_seed)
    model = config.build(_tables(folder, config.family), generator)
    # all models of one training seed see the same lives in the same order, from the same place on
    views = list_views(table, split(table).train, seeding.generator(seed, "lives", config.training_seed))
    return Trainer(
        model,
        views.resets,
        reader(folder, views, config, "train"),
        generator=seeding.torch_generator(seed, "streams", config.training_seed),
        batch_size=config.batch_size,
        seq_len=config.seq_len,
        lr=config.lr,
        schedule=config.schedule,
    )


@functools.lru_cache(maxsize=4)  # a worker asks again at every block of a training
def _tables(folder: Path, family: str) -> Any:
    return count_for(family, training_steps(folder)) if family in COUNTING else None


def model_weights(trainer: Trainer) -> dict[str, Tensor]:
    """Return what is kept of a training."""
    return trainer.model.state_dict()


def reader(folder: Path, views: Views, config: ModelConfig, part: str) -> Callable[[np.ndarray], Any]:
    """Return what makes a batch of places int64 (B, T) in a list of views, for models of one family.

    Args:
        folder: of the recorded games.
        views: of one part of them.
        config: the model that reads.
        part: "train", "validation" or "test".
    """
    table = load_games(folder)
    if config.family != "tracker":
        return functools.partial(read_batch, table, views, full=config.full)
    clues = hidden_numbers.find_clues(table, views, hidden_numbers.clues_of_part(folder, part))
    return functools.partial(hidden_numbers.read_clues, clues)


def load_model(model_folder: Path, config: ModelConfig) -> SequenceModel:
    """Return a trained model, on the CPU.

    Args:
        model_folder: as `train` returned it.
        config: as given to `train`.
    """
    model = config.build(None, torch.Generator())
    model.load_state_dict(load_output(model_folder, config.updates))
    return model.eval()


def search(
    run: Run, folder: Path, models: Mapping[str, ModelConfig], *, num_lrs: int, validation_steps: int
) -> dict[str, dict[float, float]]:
    """Try each model with the learning rates of its family: full trainings, from training seeds of the search's own.

    Args:
        run: its seed determines the trials.
        folder: as `record_games` returned it.
        models: what is searched for, by name.
        num_lrs: how many of the learning rates are tried, the first ones; as many for every model.
        validation_steps: read in each stream of the validation games.

    Returns:
        by name: learning rate -> mean loss on the validation games.
    """
    trials = {
        name: [replace(config, lr=lr, training_seed=SEARCH_SEEDS + config.training_seed) for lr in LRS[config.family][:num_lrs]]
        for name, config in models.items()
    }
    configs = [config for tried in trials.values() for config in tried]
    model_folders = train(run, folder, configs, "search")
    calls = [
        {"folder": folder, "config": config, "model_folder": model_folder, "steps": validation_steps}
        for config, model_folder in zip(configs, model_folders, strict=True)
    ]
    parallel = len(calls) * validation_steps >= 1000
    losses = iter(cached_map(run.cache, validation_loss, calls, "validation", parallel=parallel))
    return {name: {config.lr: next(losses) for config in tried} for name, tried in trials.items()}


@torch.no_grad()
def validation_loss(folder: Path, config: ModelConfig, model_folder: Path, steps: int) -> float:
    """Return the mean loss of a trained model on the validation games.

    Args:
        folder: of the recorded games.
        config, model_folder: as given to and returned by `train`.
        steps: read in each of `VALIDATION_STREAMS` streams, in whole segments; one segment at least.
    """
    table = load_games(folder)
    views = list_views(table, split(table).validation)
    read = reader(folder, views, config, "validation")
    model = load_model(model_folder, config)
    stream = len(views.rows) // VALIDATION_STREAMS
    first = stream * np.arange(VALIDATION_STREAMS)[:, None]
    segment = np.arange(min(VALIDATION_SEQ_LEN, stream))
    state = model.initial_state(VALIDATION_STREAMS)
    losses = []
    for start in range(0, max(1, min(stream, steps) - VALIDATION_SEQ_LEN + 1), VALIDATION_SEQ_LEN):
        loss, state = model.loss(read((first + start + segment) % len(views.rows)), state)
        losses.append(float(loss))
    return float(np.mean(losses))
