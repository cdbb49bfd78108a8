"""The search for learning rates, widened: where the best of those tried is the lowest or the highest, the next one is tried.

Reading guide. `pipeline.search` tries the same rates for every model; `widen` goes on from what it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wmlib.lessons.pommerman import pipeline
from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.training.jobs import cached_map

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
    """Try further learning rates, until each model's best lies between two that are worse.

    Args:
        run, folder, models, validation_steps: as for `pipeline.search`.
        losses: as it returned them.
        more: at most so many rates for a model.

    Returns:
        by name: learning rate -> mean loss on the validation games, those of `losses` first.
    """
    found = {name: dict(tried) for name, tried in losses.items()}
    for _ in range(more):
        rates = {name: beyond_the_edge(tried) for name, tried in found.items()}
        configs = {
            name: replace(models[name], lr=lr, training_seed=pipeline.SEARCH_SEEDS + models[name].training_seed)
            for name, lr in rates.items()
            if lr is not None
        }
        if not configs:
            break
        model_folders = pipeline.train(run, folder, list(configs.values()), "wider search")
        calls = [
            {"folder": folder, "config": config, "model_folder": model_folder, "steps": validation_steps}
            for config, model_folder in zip(configs.values(), model_folders, strict=True)
        ]
        results = cached_map(run.cache, pipeline.validation_loss, calls, "validation", parallel=len(calls) > 1)
        for (name, config), loss in zip(configs.items(), results, strict=True):
            found[name][config.lr] = loss
    return found


def beyond_the_edge(tried: Mapping[float, float]) -> float | None:
    """Return half the lowest learning rate, or twice the highest, if that one is the best; otherwise None.

    Args:
        tried: learning rate -> loss.
    """
    best = min(tried, key=lambda lr: tried[lr])
    if best == min(tried):
        return best / 2
    if best == max(tried):
        return best * 2
    return None
