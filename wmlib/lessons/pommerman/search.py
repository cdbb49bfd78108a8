"""The search for learning rates, widened: where the best of those tried is the lowest or the highest, the next one is tried.

Reading guide. `pipeline.search` tries the same rates for all models of a family; `widen` goes on from what it found, with the
same further rates for all of them. `further_trials` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wmlib.lessons.pommerman import pipeline
from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.training.jobs import cached_map
from wmlib.training.learning_rates import beyond_the_edges

if TYPE_CHECKING:
    from wmlib.experiment.run import Run


def widen(
    run: Run,
    folder: Path,
    models: Mapping[str, ModelConfig],
    losses: Mapping[str, Mapping[float, float]],
    *,
    more: int,
    validation_steps: int,
) -> dict[str, dict[float, float]]:
    """Try further learning rates, until the best one of each model lies between two that are worse.

    Args:
        run, folder, models, validation_steps: as for `pipeline.search`.
        losses: as it returned them.
        more: how often, at most, a rate beyond the edges is tried.

    Returns:
        by name: learning rate -> mean loss on the validation games, those of `losses` first.
    """
    found = {name: dict(tried) for name, tried in losses.items()}
    for _ in range(more):
        trials = further_trials(models, found)
        if not trials:
            break
        model_folders = pipeline.train(run, folder, [config for _, config in trials], "wider search")
        calls = [
            {"folder": folder, "config": config, "model_folder": model_folder, "steps": validation_steps}
            for (_, config), model_folder in zip(trials, model_folders, strict=True)
        ]
        results = cached_map(run.cache, pipeline.validation_loss, calls, "validation", parallel=len(calls) > 1)
        for (name, config), loss in zip(trials, results, strict=True):
            found[name][config.lr] = loss
    return found


def further_trials(
    models: Mapping[str, ModelConfig], found: Mapping[str, Mapping[float, float]]
) -> list[tuple[str, ModelConfig]]:
    """Return names and trials of all models of each family in which the best rate of one lies at an edge.

    Args:
        models: by name.
        found: by name: learning rate -> loss, with the same rates for all models of a family.
    """
    best: dict[str, list[float]] = {}
    for name, config in models.items():
        best.setdefault(config.family, []).append(min(found[name], key=found[name].__getitem__))
    return [
        (name, replace(config, lr=lr, training_seed=pipeline.SEARCH_SEEDS + config.training_seed))
        for name, config in models.items()
        for lr in beyond_the_edges(best[config.family], found[name])
    ]
