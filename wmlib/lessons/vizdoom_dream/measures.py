"""How good is a world model? Likelihood, predicted deaths, and how far it goes on alone.

Reading guide. `evaluate` reads held-out episodes with their true frames and says how well each next step was predicted, beside
`copy_baseline`, "the next latent is this one", and `posterior_entropy`, a lower bound. `open_loop` shows the model a few steps
and lets it go on alone, with the true actions: where a dream parts from the game. `trace` looks into a DNC's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.agents import linear_controller
from wmlib.models.world_model import WorldModel
from wmlib.training.world_model import Experience

ALARMS = 0.001  # false alarms a step at which recalls are compared: one in a thousand


def evaluate(
    model: WorldModel, experience: Experience, episodes: Sequence[np.ndarray], generator: torch.Generator
) -> dict[str, Any]:
    """Compare predictions with held-out episodes.

    Args:
        model: on the CPU.
        experience: all rows.
        episodes: rows of each episode to evaluate on.
        generator: for the latents.

    Returns:
        nll: mean negative log likelihood of the next latent, nats per latent dimension.
        recall: proportion of the fatal actions that are predicted to be fatal (p >= 0.5).
        false_alarms: proportion of the other actions that are, too.
        strict_recall: the recall where the threshold is so high that there are at most `ALARMS` false alarms a step.
        deaths, steps: number of fatal and of other actions.
        alarms_by_episode, steps_by_episode: int64 (E,), false alarms and other actions, episodes in the order of their length.
    """
    nll_sum = 0.0
    fatal_logits = []
    other_logits = []
    alarms = []
    steps = []
    with torch.no_grad():
        for latents, actions, done, acted in _batches(experience, episodes, generator):
            prediction, _ = model(latents[:, :-1], actions)
            alive = acted & ~done
            nll = -prediction.mixture.marginal_log_prob(latents[:, 1:]).mean(-1)
            nll_sum += nll[alive].sum().item()
            fatal_logits.append(prediction.done[done])
            other_logits.append(prediction.done[alive])
            alarms.append(((prediction.done >= 0) & alive).sum(1))
            steps.append(alive.sum(1))
    fatal = torch.cat(fatal_logits).numpy()
    others = torch.cat(other_logits).numpy()
    return {
        "nll": nll_sum / max(len(others), 1),
        "recall": float((fatal >= 0).sum()) / max(len(fatal), 1),
        "false_alarms": float((others >= 0).sum()) / max(len(others), 1),
        "strict_recall": recall_at(fatal, others, ALARMS),
        "deaths": len(fatal),
        "steps": len(others),
        "alarms_by_episode": torch.cat(alarms).numpy(),
        "steps_by_episode": torch.cat(steps).numpy(),
    }


def recall_at(fatal: np.ndarray, others: np.ndarray, alarms: float) -> float:
    """Return the proportion of fatal actions above the lowest threshold with at most so many false alarms.

    Args:
        fatal: float (deaths,), logits of the fatal actions.
        others: float (steps,), logits of the others.
        alarms: proportion of the others that may be above the threshold too.

    Example:
        >>> recall_at(np.array([0.5, 2.5, 4.0]), np.array([0.0, 1.0, 2.0, 3.0]), 0.25)  # one alarm in four: above 2
        0.6666666666666666
    """
    if not len(fatal) or not len(others):
        return 0.0
    allowed = int(alarms * len(others))
    threshold = np.sort(others)[::-1][min(allowed, len(others) - 1)]
    return float((fatal > threshold).mean())


def copy_baseline(
    experience: Experience, rows: np.ndarray, episodes: Sequence[np.ndarray], generator: torch.Generator
) -> float:
    """Return the negative log likelihood, nats per latent dimension, of "the next latent is this one, plus the usual change".

    Args:
        experience: all rows.
        rows: from which the usual change of each dimension is taken, a normal distribution.
        episodes: rows of each episode to evaluate on.
        generator: for the latents.
    """
    rows = rows[:-1][experience.acted[rows[:-1]] & ~experience.terminated[rows[:-1]]]
    change = experience.sample(rows + 1, generator) - experience.sample(rows, generator)
    usual = torch.distributions.Normal(change.mean(0), change.std(0).clamp(min=1e-3))
    total, steps = 0.0, 0
    for latents, _, done, acted in _batches(experience, episodes, generator):
        alive = acted & ~done
        total -= usual.log_prob(latents[:, 1:] - latents[:, :-1]).mean(-1)[alive].sum().item()
        steps += int(alive.sum())
    return total / max(steps, 1)


def posterior_entropy(experience: Experience, rows: np.ndarray) -> float:
    """Return the mean entropy of the posteriors of some rows, nats per latent dimension.

    Latents are draws from the posteriors, so this is a lower bound: a model that predicts each next posterior exactly cannot do
    better either.
    """
    log_variance = torch.from_numpy(experience.log_variance[rows].astype(np.float32))
    return float(0.5 * (log_variance.mean() + np.log(2 * np.pi) + 1))


@torch.no_grad()
def feature_deviation(
    model: WorldModel,
    experience: Experience,
    episodes: Sequence[np.ndarray],
    names: Sequence[str],
    generator: torch.Generator,
    least: float = 1e-3,
) -> np.ndarray:
    """Return the standard deviation of each number that a controller sees along true episodes, float64 (F,).

    Args:
        model: on the CPU.
        experience: all rows.
        episodes: rows of each episode.
        names: the features, see `linear_controller.features`.
        generator: for the latents.
        least: returned where a feature varies less.
    """
    seen = []
    for latents, actions, _, acted in _batches(experience, episodes, generator):
        state = model.core.initial_state(len(latents))
        for t in range(actions.shape[1]):
            seen.append(linear_controller.features(model, latents[:, t], state, names)[acted[:, t]])
            state = model.next_state(latents[:, t], actions[:, t], state)
    return torch.cat(seen).double().std(0).clamp(min=least).numpy()


def open_loop(
    model: WorldModel,
    experience: Experience,
    starts: np.ndarray,
    generator: torch.Generator,
    *,
    seen: int = 60,
    ahead: int = 50,
) -> dict[str, np.ndarray]:
    """Let the model go on alone from held-out frames, with the true actions, and measure how far off it is.

    Args:
        model: on the CPU.
        experience: all rows.
        starts: int64 (S,), rows from which `seen` + `ahead` steps of the same episode follow.
        generator: for the latents.
        seen: steps shown first.
        ahead: steps predicted; each prediction is the mixture's mean, and the next input.

    Returns:
        model, copy, mean: float (ahead,): squared error per latent dimension of the model, of the last latent seen, and of
        the mean latent of these frames.
    """
    rows = starts[:, None] + np.arange(seen + ahead)
    truth = torch.from_numpy(experience.mean[rows].astype(np.float32))
    actions = torch.from_numpy(experience.actions[rows])
    latents = experience.sample(rows[:, :seen], generator)
    with torch.no_grad():
        prediction, state = model(latents, actions[:, :seen])
        guesses = [prediction.mixture.mean()[:, -1]]
        for t in range(seen, seen + ahead - 1):
            prediction, state = model.step(guesses[-1], actions[:, t], state)
            guesses.append(prediction.mixture.mean())
    after = truth[:, seen:]
    last = truth[:, seen - 1 : seen]
    errors = {"model": torch.stack(guesses, 1) - after, "copy": last - after, "mean": after.mean((0, 1)) - after}
    return {name: error.square().mean((0, 2)).numpy() for name, error in errors.items()}


def draw_starts(episodes: Sequence[np.ndarray], steps: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one row of each long enough episode, for `open_loop`.

    Args:
        episodes: rows of each.
        steps: actions that shall follow the row; shorter episodes are left out.
        rng: for the rows.

    Returns:
        int64 (S,).
    """
    return np.array([rows[0] + rng.integers(len(rows) - steps) for rows in episodes if len(rows) > steps], int)


@torch.no_grad()
def trace(model: WorldModel, latents: Tensor, actions: Tensor) -> tuple[Tensor, NamedTuple]:
    """Return what the memory of a model with a DNC does along one sequence, for `viz.memory_inspector`.

    Args:
        latents: float (T, Z).
        actions: float (T, A).

    Returns:
        the probability that each action is fatal, (1, T, 1), and a `Trace` with a leading axis of 1.
    """
    inputs = torch.cat([model.normalize(latents), actions], -1)
    features, _, memory = model.core(inputs[None], trace=True)
    return torch.sigmoid(model.done(features)), memory


def _batches(
    experience: Experience, episodes: Sequence[np.ndarray], generator: torch.Generator, size: int = 16
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield latents (B, T + 1, Z), actions (B, T, A), done and acted (B, T) of episodes of about one length, padded."""
    by_length = sorted(episodes, key=len)
    for first in range(0, len(by_length), size):
        group = by_length[first : first + size]
        longest = len(group[-1])
        rows = np.stack([np.pad(rows, (0, longest - len(rows)), mode="edge") for rows in group])
        now = rows[:, :-1]
        columns = (experience.actions, experience.terminated, experience.acted)
        actions, done, acted = (torch.from_numpy(column[now]) for column in columns)
        yield experience.sample(rows, generator), actions, done, acted
