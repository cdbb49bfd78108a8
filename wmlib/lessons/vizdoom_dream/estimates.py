"""The numbers of notebook 05 that verdicts and figures use, made of tics survived, controllers, recordings and predictions.

Where a generator is given, it is used up by bootstraps over training seeds and games: the order of the calls is part of the
result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.stats

from wmlib.experiment.statistics import Estimate, ratio_of_sums
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.occlusion import CLASSES
from wmlib.rollouts import Rollouts

LEAST = 30  # cases below which no proportion is given

Reactions = Mapping[str, np.ndarray]  # what `games.reactions` returns
Point = list[float] | None  # value, low, high; None: too few cases


def mean_tics(tics: np.ndarray, rng: np.random.Generator) -> Estimate:
    """Return the mean of tics, or of differences of tics on the same games.

    Args:
        tics: (training seeds, games).
        rng: for the bootstrap over both.
    """
    return ratio_of_sums(tics, np.ones(tics.shape[1]), rng)


def score_rows(
    scripted: Mapping[str, np.ndarray], agents: Mapping[str, np.ndarray], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return the rows for `figures.draw_scores`, scripted players first.

    Args:
        scripted: tics (games,) by name.
        agents: tics (training seeds, games) by name.
        rng: for the intervals.
    """
    rows = []
    for kind, players in (("scripted", scripted), ("agent", agents)):
        for name, survived in players.items():
            tics = np.atleast_2d(survived)
            rows.append(
                {
                    "name": name,
                    "kind": kind,
                    **mean_tics(tics, rng)._asdict(),
                    "quartiles": np.quantile(tics, (0.25, 0.75)),
                    "interquartile_mean": scipy.stats.trim_mean(np.sort(tics.ravel()), 0.25),
                    "training_seeds": tics.mean(1) if kind == "agent" else [],
                    "tics": tics.ravel(),
                }
            )
    return rows


def evolution(controllers: Mapping[str, Sequence[EvolvedController]], config: EvolutionConfig) -> dict[str, Any]:
    """Return what `figures.draw_evolution` draws: the mean steps of all candidates, by generation."""
    curves = {name: [controller.history[:, 0] for controller in each] for name, each in controllers.items()}
    return {"agents": curves, "max_steps": config.max_steps}


def transfer(
    controllers: Mapping[str, Sequence[EvolvedController]],
    real: Mapping[str, np.ndarray],
    standing_still: Sequence[float],
    no_op: np.ndarray,
) -> dict[str, Any]:
    """Return what `figures.draw_transfer` draws.

    Args:
        controllers: by name of the agent, one for each training seed.
        real: tics survived by these agents, (training seeds, games).
        standing_still: steps that a player who never moves lives in dreams, of each world model that was tried.
        no_op: tics that this player survives in the game.
    """
    agents = {
        name: [[controller.score, tics.mean()] for controller, tics in zip(each, real[name], strict=True)]
        for name, each in controllers.items()
    }
    return {"agents": agents, "no_op": [[steps, no_op.mean()] for steps in standing_still]}


def validations(config: EvolutionConfig, points: int) -> list[int]:
    """Return the numbers of at most so many validations of an evolution, evenly spaced, the first and the last included."""
    count = config.generations // config.validate_every
    return sorted({round(number) for number in np.linspace(0, count - 1, min(points, count))})


def validation_scores(controller: EvolvedController, config: EvolutionConfig, numbers: Sequence[int]) -> np.ndarray:
    """Return the steps that the means of some validations lived in dreams: float (len(numbers),)."""
    return controller.history[config.validate_every - 1 :: config.validate_every, 2][list(numbers)]


def habits(played: Rollouts) -> dict[str, float]:
    """Return the proportion of each action in recorded games, and how long one is held: left, stay, right; held, in tics."""
    actions = played.actions[played.acted]
    left, stay, right = np.bincount(actions, minlength=3) / len(actions)
    return {"left": left, "stay": stay, "right": right, "held": len(actions) / (1 + np.count_nonzero(np.diff(actions)))}


def reactions_by_class(reactions: Mapping[str, Sequence[Reactions]], rng: np.random.Generator) -> dict[str, Any]:
    """Return what `figures.draw_reactions` draws.

    Args:
        reactions: by player, counts for each training seed; only those of agents have what `occlusion.occlusion` counts.
        rng: for the intervals.
    """

    def stacked(runs: Sequence[Reactions], name: str) -> np.ndarray:
        return np.stack([run[name] for run in runs])  # (training seeds, games, classes)

    changed: dict[str, dict[str, list[Point]]] = {}
    for player, runs in reactions.items():
        if "asked" in runs[0]:
            asked = stacked(runs, "asked")
            changed[player] = {part: _by_class(stacked(runs, part), asked, rng) for part in ("ball", "patch")}
    dodges = {}
    for player, runs in reactions.items():
        net = stacked(runs, "away") - stacked(runs, "towards")
        dodges[player] = _by_class(net, stacked(runs, "frames"), rng, events=False)
    danger = {
        player: _by_class(stacked(runs, "deaths"), stacked(runs, "tics"), rng, scale=1000.0)
        for player, runs in reactions.items()
    }
    names = [f"{first}-{following - 1}" for first, following in pairwise(CLASSES)] + [f"{CLASSES[-1]} +"]
    return {"classes": names, "changed": changed, "dodges": dodges, "danger": danger}


def _by_class(
    hits: np.ndarray, counts: np.ndarray, rng: np.random.Generator, scale: float = 1.0, events: bool = True
) -> list[Point]:
    """Estimate hits / counts of each class, both (training seeds, games, classes).

    With `events`, hits cannot be negative. Of none in n cases a bootstrap makes an interval without width; 3 / n is its end, if
    cases are independent.
    """
    points: list[Point] = []
    for number in range(counts.shape[-1]):
        cases = counts[..., number].sum()
        if cases < LEAST:
            points.append(None)
            continue
        ends = ratio_of_sums(hits[..., number], counts[..., number], rng)[:3]
        if events and not hits[..., number].any():
            ends = (0.0, 0.0, 3 / cases)
        points.append([scale * end for end in ends])
    return points


def changed_actions(reactions: Sequence[Reactions], rng: np.random.Generator) -> Estimate:
    """Return the proportion of an agent's actions that change without the ball, minus the same without a patch elsewhere.

    Args:
        reactions: counts for each training seed.
        rng: for the bootstrap over training seeds and games.
    """
    ball, patch, asked = (np.stack([run[name].sum(1) for run in reactions]) for name in ("ball", "patch", "asked"))
    return ratio_of_sums(ball - patch, asked, rng)


def prediction(predictions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `figures.draw_prediction` draws of what `pipeline.predictions` returns."""
    nll = {name: [evaluated["nll"] for evaluated in each] for name, each in predictions["evaluated"].items()}
    nll |= {"copy baseline": predictions["copy"], "posterior entropy": predictions["entropy"]}
    return {"nll": nll, "ahead": predictions["ahead"]}


def mean_of(evaluated: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the mean over training seeds of one number of `measures.evaluate`."""
    return float(np.mean([each[name] for each in evaluated]))
