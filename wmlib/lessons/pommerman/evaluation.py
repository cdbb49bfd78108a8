"""What the models of notebook 06 are worth on test games: next states, dreams, the opponents' hidden numbers, and a film.

Reading guide. `measure_models` evaluates next-state models, `measure_baselines` what needs no network, by `measures.tally`;
`measure_trackers` and `evaluate_hidden_rules` do the same for the hidden numbers; `film` keeps boards of one life, for
pictures.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman import hidden_numbers, measures
from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.lessons.pommerman.data import Views, held_out_views, read_batch, training_pairs
from wmlib.lessons.pommerman.games import GameTable, load_games
from wmlib.lessons.pommerman.hidden_numbers import Clues
from wmlib.lessons.pommerman.own_action import RULES
from wmlib.lessons.pommerman.pipeline import load_model
from wmlib.training.jobs import cached_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

HORIZONS = (1, 2, 5, 10, 20)  # steps without correction


def measure_models(
    run: Run, folder: Path, configs: Sequence[ModelConfig], model_folders: Sequence[Path], max_steps: int
) -> list[dict[str, Any]]:
    """Evaluate board and vector models on the test games.

    Args:
        run: its cache keeps the results.
        folder: as `record_games` returned it.
        configs, model_folders: as given to and returned by `train`.
        max_steps: of each life only so many steps, the first ones.

    Returns:
        of each model: one, `measures.tally` of the next state; ahead, the same for each of `HORIZONS` (not with view B).
    """
    calls = [
        {"folder": folder, "config": config, "model_folder": model_folder, "max_steps": max_steps}
        for config, model_folder in zip(configs, model_folders, strict=True)
    ]
    return cached_map(run.cache, evaluate_model, calls, "evaluating", parallel=_many_steps(folder, max_steps))


def measure_baselines(run: Run, folder: Path, max_steps: int) -> dict[str, list[dict[str, Any]]]:
    """Evaluate what needs no network, as `measure_models` does; by name a list of one result: there is no training seed."""
    calls = [{"folder": folder, "name": name, "max_steps": max_steps} for name in RULES]
    results = cached_map(run.cache, evaluate_baseline, calls, "evaluating", parallel=_many_steps(folder, max_steps))
    return {name: [result] for name, result in zip(RULES, results, strict=True)}


def _many_steps(folder: Path, max_steps: int) -> bool:
    """Return whether processes are worth their start."""
    return len(held_out_views(load_games(folder), max_steps).rows) >= 3000


def evaluate_model(folder: Path, config: ModelConfig, model_folder: Path, max_steps: int) -> dict[str, Any]:
    """Evaluate one model; see `measure_models`."""
    return _evaluate(load_model(model_folder, config), folder, max_steps, can_dream=not config.full)


def evaluate_baseline(folder: Path, name: str, max_steps: int) -> dict[str, Any]:
    """Evaluate one of `RULES`, as `evaluate_model` does."""
    return _evaluate(RULES[name](*training_pairs(folder)), folder, max_steps, can_dream=True)


def _evaluate(model: measures.Predictor, folder: Path, max_steps: int, *, can_dream: bool) -> dict[str, Any]:
    table = load_games(folder)
    views = held_out_views(table, max_steps)
    pieces = np.array_split(np.arange(len(views.rows)), len(views.lives))  # as many as lives, so that memory lasts
    batches = [read_batch(table, views, piece[None]) for piece in pieces]
    now, after = (torch.cat([getattr(b, name)[0] for b in batches]).numpy() for name in ("vectors", "following"))
    one = measures.tally(now, after, measures.predict_views(model, table, views), views.games)
    if not can_dream:
        return {"one": one, "ahead": []}
    dreams = measures.dream(model, table, views, HORIZONS)
    ahead = [
        measures.tally(dreams["start"], dreams["after"][:, h], dreams["predicted"][:, h], dreams["games"])
        for h in range(len(HORIZONS))
    ]
    return {"one": one, "ahead": ahead}


def measure_trackers(
    run: Run, folder: Path, configs: Sequence[ModelConfig], model_folders: Sequence[Path], max_steps: int
) -> list[dict[str, np.ndarray]]:
    """Evaluate trackers on the test games, each by `hidden_numbers.tally`; arguments as for `measure_models`."""
    calls = [
        {"folder": folder, "config": config, "model_folder": model_folder, "max_steps": max_steps}
        for config, model_folder in zip(configs, model_folders, strict=True)
    ]
    return cached_map(run.cache, evaluate_tracker, calls, "evaluating", parallel=_many_steps(folder, max_steps))


def evaluate_tracker(folder: Path, config: ModelConfig, model_folder: Path, max_steps: int) -> dict[str, np.ndarray]:
    """Evaluate one tracker; see `measure_trackers`."""
    views, clues = _test_clues(folder, max_steps)
    predicted = hidden_numbers.predict_numbers(load_model(model_folder, config), clues)
    return hidden_numbers.tally(clues, predicted, views.games)


def evaluate_hidden_rules(folder: Path, max_steps: int) -> dict[str, dict[str, np.ndarray]]:
    """Evaluate what needs no network, by name: what everybody starts with, one guess for all, and counting by hand."""
    views, clues = _test_clues(folder, max_steps)
    training = [game.truth[game.alive] for game in hidden_numbers.clues_of_part(folder, "train").values()]
    guess = constant_guess(np.concatenate(training))
    answers: dict[str, np.ndarray | list[int]] = {
        "start values": hidden_numbers.START,
        "constant guess": guess,
        "counting by hand": clues.counted,
    }
    return {
        name: hidden_numbers.tally(clues, np.broadcast_to(numbers, clues.truth.shape), views.games)
        for name, numbers in answers.items()
    }


def constant_guess(truth: np.ndarray) -> list[int]:
    """Return, for each of `hidden_numbers.KINDS`, the most frequent number that is not the one of the start.

    Args:
        truth: int (N, 3), not negative.

    Example:
        >>> constant_guess(np.array([[1, 2, 0], [1, 3, 1], [0, 3, 0]]))
        [0, 3, 1]
    """
    totals = [np.bincount(numbers, minlength=start + 1) for numbers, start in zip(truth.T, hidden_numbers.START, strict=True)]
    for total, start in zip(totals, hidden_numbers.START, strict=True):
        total[start] = 0
    return [int(total.argmax()) for total in totals]


@functools.lru_cache(maxsize=2)
def _test_clues(folder: Path, max_steps: int) -> tuple[Views, Clues]:
    table = load_games(folder)
    views = held_out_views(table, max_steps)
    return views, hidden_numbers.find_clues(table, views, hidden_numbers.clues_of_part(folder, "test"))


def film(
    folder: Path,
    models: Mapping[str, tuple[ModelConfig, Path]],
    *,
    first: int,
    steps: int,
    every: int,
    max_steps: int,
) -> dict[str, Any]:
    """Return what models predict of one life of the test games, the one in which most changes in the steps that are shown.

    Args:
        folder: as `record_games` returned it.
        models: by name, as given to and returned by `train`.
        first, steps: what is shown of the life.
        every: steps from one dream to the next; a dream has `HORIZONS[-1]` steps.
        max_steps: of each life only so many steps, the first ones.

    Returns:
        boards uint8: truth (steps, 121) and predicted, by name, of the states after each step; dream_truth (D, H, 121) and
        dreamt, by name; starts: the steps at which the dreams begin.

    Raises:
        ValueError: no life is long enough.
    """
    table = load_games(folder)
    life = _liveliest(table, first, steps, max_steps)
    truth = read_batch(table, life, np.arange(len(life.rows))[None]).following[0].numpy()
    shown = slice(first, first + steps)
    horizons = range(1, HORIZONS[-1] + 1)
    first_dream = -(-first // every)
    predicted = {}
    dreamt = {}
    for name, (config, model_folder) in models.items():
        model = load_model(model_folder, config)
        predicted[name] = measures.predict_views(model, table, life)[shown, :BOARD]
        dreams = measures.dream(model, table, life, horizons, every)
        dreamt[name] = dreams["predicted"][first_dream:, :, :BOARD]
        dream_truth = dreams["after"][first_dream:, :, :BOARD]  # the same for all models
    return {
        "truth": truth[shown, :BOARD],
        "predicted": predicted,
        "dream_truth": dream_truth,
        "dreamt": dreamt,
        "starts": every * np.arange(first_dream, first_dream + len(dream_truth)),
    }


def _liveliest(table: GameTable, first: int, steps: int, max_steps: int) -> Views:
    """Return the beginning of that life in the test games in which most changes in the steps shown, long enough to dream."""
    views = held_out_views(table, max_steps)
    length = first + steps + HORIZONS[-1]
    most, liveliest = -1, None
    for life in views.lives:
        if len(life) >= length:
            boards = table.states[views.rows[life[first : first + steps + 1]]][:, :BOARD]
            changes = int(np.count_nonzero(boards[1:] != boards[:-1]))
            if changes > most:
                most = changes
                liveliest = life[:length]
    if liveliest is None:
        raise ValueError(f"first, steps: got {first}, {steps}; no life in the test games has {length} steps")
    return views.take(liveliest)
