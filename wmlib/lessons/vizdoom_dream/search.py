"""The fair trial of notebook 05: every world model gets the same search for its learning rate and the start of one gate.

Reading guide. A `Tuning` is a learning rate and how one gate starts: the DNC's allocation gate, the LSTM's forget gate. So
each family has equally many to choose from. `search` trains all of them on seeds that are used for nothing else, `choose` says
which is the best, and `tuned` gives it to a training. Where the search is not run, `stored` takes the settings'. If the best
rate of one world model is the lowest or the highest tried, all of them try the next one.

The choice: of the tunings whose likelihood on held-out episodes is the best or nearly so, the one that detects most deaths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from wmlib.experiment import seeding
from wmlib.lessons.vizdoom_dream import controllers
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig
from wmlib.lessons.vizdoom_dream.pipeline import (
    DNC,
    LARGE_LSTM,
    LSTM,
    EncodedEpisodes,
    WorldModelTraining,
    begin_training,
    evaluate_model,
    score_training,
)
from wmlib.models.specs import CLOSED
from wmlib.training.divergence import TrainingDivergedError
from wmlib.training.jobs import cached_map
from wmlib.training.learning_rates import beyond_the_edges

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

FIRST_SEED = 1000  # training seeds of the search: no other training has them
LRS = (2e-3, 1e-3, 4e-3, 5e-4)
DEFAULT, BIASED = "default", "biased"  # how a gate starts: default initialization, or with the bias that helps elsewhere
FORGET_BIAS = 1.0  # of an LSTM's forget gate, where it is biased: it starts open
NEARLY = 0.005  # nats per dimension: likelihoods this close count as equal
FINAL_RATES = (1, 1 / 2, 1 / 4)  # of the learning rate that short trainings choose: those of full length
FINAL_DREAMS = 200  # in which the player stands still, for each training of full length


class Tuning(NamedTuple):
    """Hold what is searched: the learning rate of Adam, and how a gate starts, `DEFAULT` or `BIASED`."""

    lr: float
    gate: str


def tunings(lrs: Sequence[float]) -> list[Tuning]:
    """Return all tunings with these learning rates, as many for each family."""
    return [Tuning(lr, gate) for lr, gate in product(lrs, (DEFAULT, BIASED))]


def tuned(training: WorldModelTraining, tuning: Tuning) -> WorldModelTraining:
    """Return a training with a tuning: the gate is the allocation gate of a DNC, the forget gate of an LSTM."""
    core = training.model.core
    biased = tuning.gate == BIASED
    if core.kind == "dnc":
        core = replace(core, allocation_bias=CLOSED if biased else None)
    else:
        core = replace(core, forget_bias=FORGET_BIAS if biased else None)
    return replace(training, lr=tuning.lr, model=replace(training.model, core=core))


def stored(settings: Any) -> dict[str, Tuning]:
    """Return the tunings in the settings, by name of the world model.

    No search chose them: the first of `LRS`, an LSTM's forget gate open, a DNC's default initialization.
    """
    return {
        LSTM: Tuning(settings.lstm_lr, settings.lstm_gate),
        LARGE_LSTM: Tuning(settings.large_lstm_lr, settings.large_lstm_gate),
        DNC: Tuning(settings.dnc_lr, settings.dnc_gate),
    }


def search(
    run: Run,
    encoded: EncodedEpisodes,
    trainings: Mapping[str, WorldModelTraining],
    *,
    lrs: int,
    more: int,
    rows: int,
    seeds: int,
) -> dict[str, list[dict[str, Any]]]:
    """Search tunings for all world models, the same for each, on the same episodes.

    Args:
        encoded, trainings, rows, seeds: as for `try_all`.
        lrs: learning rates, the first ones of `LRS`.
        more: how often, at most, a rate beyond the edges is tried, where a best one lies there.

    Returns:
        as `try_all`.
    """
    rates = list(LRS[:lrs])
    tried = try_all(run, encoded, trainings, rates, rows, seeds)
    for _ in range(more):
        beyond = beyond_the_edges([tuning.lr for tuning in choose(tried).values()], rates)
        if not beyond:
            break
        rates += beyond
        tried = try_all(run, encoded, trainings, rates, rows, seeds)
    return tried


def try_all(
    run: Run,
    encoded: EncodedEpisodes,
    trainings: Mapping[str, WorldModelTraining],
    lrs: Sequence[float],
    rows: int,
    seeds: int,
) -> dict[str, list[dict[str, Any]]]:
    """Try all tunings of all world models.

    Args:
        encoded: whose training episodes they learn from; they are compared on the half of the held-out ones that is for this.
        trainings: by name of the world model.
        lrs: learning rates.
        rows: of experience that each reads.
        seeds: training seeds of each, from `FIRST_SEED`.

    Returns:
        by name of the world model the tunings, the chosen one first: lr, gate, nll and strict_recall (see `measures.evaluate`),
        lists over training seeds. A tuning with which a training diverges is left out.

    Raises:
        TrainingDivergedError: with each tuning of a world model a training diverges.
    """
    keys = list(product(trainings, tunings(lrs), range(FIRST_SEED, FIRST_SEED + seeds)))
    calls = [
        {
            "folder": encoded.latents,
            "training": replace(tuned(trainings[name], tuning), rows=rows, training_seed=seed),
            "seed": run.seed,
            "device": run.device,
        }
        for name, tuning, seed in keys
    ]
    results = dict(zip(keys, cached_map(run.cache, score_training, calls, "search"), strict=True))
    return {name: ordered(rows_of_name) for name, rows_of_name in _rows(results, ("nll", "strict_recall")).items()}


def ordered(tried: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tunings, the best first: those of nearly the best likelihood by recall, then the others by likelihood.

    Args:
        tried: rows with nll and strict_recall, lists over training seeds.
    """

    def nats(row: dict[str, Any]) -> float:
        return float(np.mean(row["nll"]))

    limit = min(nats(row) for row in tried) + NEARLY
    good = [row for row in tried if nats(row) <= limit]
    good.sort(key=lambda row: -np.mean(row["strict_recall"]))
    return good + sorted((row for row in tried if nats(row) > limit), key=nats)


def choose(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Tuning]:
    """Return the chosen tuning of each world model, of what `search` returned."""
    return {name: Tuning(rows[0]["lr"], rows[0]["gate"]) for name, rows in found.items()}


def finals(
    run: Run,
    encoded: EncodedEpisodes,
    trainings: Mapping[str, WorldModelTraining],
    chosen: Mapping[str, Tuning],
    config: EvolutionConfig,
    still: float,
    *,
    seeds: int,
    rates: Sequence[float] = FINAL_RATES,
    dreams: int = FINAL_DREAMS,
) -> dict[str, list[dict[str, Any]]]:
    """Train to full length with the chosen learning rates and with lower ones; the dreams most like the game come first.

    Args:
        encoded, seeds: as for `try_all`.
        trainings: by name of the world model, of full length.
        chosen: by name, what `choose` returned.
        config: temperature and length of the dreams.
        still: mean tics that a player who stands still lives in the game, on other games than the tests'.
        rates: learning rates, as proportions of the chosen one.
        dreams: in which the player stands still, for each training.

    Returns:
        by name of the world model a row for each of the rates: lr, gate, and nll, strict_recall and still (steps lived in
        dreams standing still), lists over training seeds. The best first: the one whose `still` is nearest to the game's.
        A tuning with which a training diverges is left out.

    Raises:
        TrainingDivergedError: with each tuning of a world model a training diverges.
    """
    keys = [
        (name, tuning._replace(lr=tuning.lr * share), seed)
        for name, tuning in chosen.items()
        for share in rates
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
    ]
    calls = [
        {
            "folder": encoded.latents,
            "training": replace(tuned(trainings[name], tuning), training_seed=seed),
            "config": EvolutionConfig(temperature=config.temperature, max_steps=config.max_steps),
            "dreams": dreams,
            "seed": run.seed,
            "device": run.device,
        }
        for name, tuning, seed in keys
    ]
    results = dict(zip(keys, cached_map(run.cache, dream_of_training, calls, "search, full length"), strict=True))
    found = _rows(results, ("nll", "strict_recall", "still"))
    for rows_of_name in found.values():
        rows_of_name.sort(key=lambda row: abs(np.log(np.mean(row["still"]) / still)))
    return found


def _rows(
    results: Mapping[tuple[str, Tuning, int], Mapping[str, Any]], parts: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return by name of the world model a row for each tuning whose trainings all ended: its parts, lists over training seeds.

    Args:
        results: by name, tuning and training seed, those of a tuning in the order of the seeds.
        parts: of a result, one of them nll.

    Raises:
        TrainingDivergedError: with each tuning of a world model a training diverges.
    """
    of_tunings: dict[str, dict[Tuning, list[Mapping[str, Any]]]] = {}
    for (name, tuning, _), result in results.items():
        of_tunings.setdefault(name, {}).setdefault(tuning, []).append(result)
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, by_tuning in of_tunings.items():
        scores = [{**each._asdict(), **{part: [of[part] for of in by_tuning[each]] for part in parts}} for each in by_tuning]
        rows[name] = [row for row in scores if np.isfinite(row["nll"]).all()]
        if not rows[name]:
            raise TrainingDivergedError(f"{name}: with each tuning tried a training diverges; try lower learning rates")
    return rows


def dream_of_training(
    folder: Path, training: WorldModelTraining, config: EvolutionConfig, dreams: int, seed: int, device: torch.device
) -> dict[str, float]:
    """Train a world model; return how it predicts, and how long a player who stands still lives in its dreams.

    Args:
        folder: of the latents.
        training: what is trained.
        config: temperature and length of the dreams.
        dreams: so many.
        seed, device: of the run.

    Returns:
        nll and strict_recall on the episodes of the search, see `evaluate_model`; still, the mean steps lived. Of a training
        that diverges an infinite nll, and 0.
    """
    trainer = begin_training(folder, training, seed, device)
    try:
        for _ in trainer.run(training.steps):
            pass
    except TrainingDivergedError:
        return {"nll": float("inf"), "strict_recall": 0.0, "still": 0.0}
    model = trainer.model.cpu().eval()
    scores = evaluate_model(folder, model, seed, "search")
    dreams_seed = seeding.entropy(seed, "search, standing still") % 2**31
    still = controllers.noop_dream_lengths(config, model, controllers.starts(folder), dreams_seed, dreams).mean()
    return {"nll": scores["nll"], "strict_recall": scores["strict_recall"], "still": float(still)}
