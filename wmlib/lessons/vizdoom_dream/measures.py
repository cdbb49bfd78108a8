"""How good is a world model? Likelihood, deaths foreseen, and how far it sees without looking.

Reading guide. `judge` reads held-out episodes with their true frames and says how well each next step was foretold, beside
"the next latent is this one" (`copying`). `open_loop` shows the model a few steps and lets it go on alone, with the true
actions: where a dream parts from the game. `trace` looks into a DNC's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.models.world_model import WorldModel
from wmlib.training.world_model import Experience


def judge(model: WorldModel, experience: Experience, episodes: Sequence[np.ndarray], generator: torch.Generator) -> dict:
    """Compare predictions with held-out episodes.

    Args:
        model: on the CPU.
        experience: the whole table.
        episodes: rows of each episode to judge by.
        generator: for the latents.

    Returns:
        nll: mean negative log likelihood of the next latent, nats a dimension.
        recall: share of the fatal actions of which the model said so (p >= 0.5).
        false_alarms: share of the other actions of which it said so too.
        deaths, steps: how many of either there were.
    """
    totals = {"nll": 0.0, "hits": 0, "alarms": 0, "deaths": 0, "steps": 0}
    with torch.no_grad():
        for latents, actions, done, acted in _batches(experience, episodes, generator):
            prediction, _ = model(latents[:, :-1], actions)
            going = acted & ~done
            nll = -prediction.mixture.marginal_log_prob(latents[:, 1:]).mean(-1)
            said = prediction.done >= 0
            for name, value in {
                "nll": nll[going].sum(), "hits": (said & done).sum(), "alarms": (said & going).sum(),
                "deaths": done.sum(), "steps": going.sum(),
            }.items():  # fmt: skip
                totals[name] += value.item()
    deaths, steps = totals["deaths"], totals["steps"]
    return {
        "nll": totals["nll"] / max(steps, 1), "recall": totals["hits"] / max(deaths, 1),
        "false_alarms": totals["alarms"] / max(steps, 1), "deaths": deaths, "steps": steps,
    }  # fmt: skip


def copying(experience: Experience, rows: np.ndarray, episodes: Sequence[np.ndarray], generator: torch.Generator) -> float:
    """Return the negative log likelihood, nats a dimension, of "the next latent is this one, give or take what is usual".

    Args:
        experience: the whole table.
        rows: from which the usual change of each dimension is taken, a normal distribution.
        episodes: rows of each episode to judge by.
        generator: for the latents.
    """
    rows = rows[:-1][experience.acted[rows[:-1]] & ~experience.terminated[rows[:-1]]]
    change = experience.sample(rows + 1, generator) - experience.sample(rows, generator)
    usual = torch.distributions.Normal(change.mean(0), change.std(0).clamp(min=1e-3))
    total, steps = 0.0, 0
    for latents, _, done, acted in _batches(experience, episodes, generator):
        going = acted & ~done
        total -= usual.log_prob(latents[:, 1:] - latents[:, :-1]).mean(-1)[going].sum().item()
        steps += going.sum().item()
    return total / max(steps, 1)


def open_loop(
    model: WorldModel,
    experience: Experience,
    starts: np.ndarray,
    generator: torch.Generator,
    *,
    seen: int = 60,
    ahead: int = 50,
) -> dict:
    """Let the model go on alone from held-out frames, with the true actions, and measure how far off it is.

    Args:
        model: on the CPU.
        experience: the whole table.
        starts: int64 (S,), rows from which `seen` + `ahead` steps of the same episode follow.
        generator: for the latents.
        seen: steps shown first.
        ahead: steps foretold; each prediction is the mixture's mean, and the next input.

    Returns:
        model, copy, mean: float (ahead,): squared error a dimension of the model, of the last latent seen, and of the
        mean latent of these frames.
    """
    rows = starts[:, None] + np.arange(seen + ahead)
    truth = torch.from_numpy(experience.mean[rows].astype(np.float32))
    actions = torch.from_numpy(experience.actions[rows])
    latents = experience.sample(rows[:, :seen], generator)
    found = []
    with torch.no_grad():
        prediction, state = model(latents, actions[:, :seen])
        guess = prediction.mixture.mean()[:, -1]
        found.append(guess)
        for t in range(seen, seen + ahead - 1):
            prediction, state = model.step(guess, actions[:, t], state)
            guess = prediction.mixture.mean()
            found.append(guess)
    after = truth[:, seen:]
    last = truth[:, seen - 1 : seen]
    errors = {"model": torch.stack(found, 1) - after, "copy": last - after, "mean": after.mean((0, 1)) - after}
    return {name: error.square().mean((0, 2)).numpy() for name, error in errors.items()}


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
    features, _, made = model.core(inputs[None], trace=True)
    return torch.sigmoid(model.done(features)), made


def long_enough(experience: Experience, episodes: Sequence[np.ndarray], steps: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one row of each episode of more than `steps` actions, such that these follow it: int64 (S,), for `open_loop`."""
    return np.array([rows[0] + rng.integers(len(rows) - steps) for rows in episodes if len(rows) > steps], int)


def entropy_floor(experience: Experience, rows: np.ndarray) -> float:
    """Return the negative log likelihood, nats a dimension, of one who knows each next posterior: no model can do better."""
    log_variance: Tensor = torch.from_numpy(experience.log_variance[rows].astype(np.float32))
    return float(0.5 * (log_variance.mean() + np.log(2 * np.pi) + 1))


def _batches(experience: Experience, episodes: Sequence[np.ndarray], generator: torch.Generator, size: int = 16):
    """Yield latents (B, T + 1, Z), actions (B, T, A), done and acted (B, T) of episodes of about one length, padded."""
    by_length = sorted(episodes, key=len)
    for first in range(0, len(by_length), size):
        group = by_length[first : first + size]
        longest = len(group[-1])
        rows = np.stack([np.pad(rows, (0, longest - len(rows)), mode="edge") for rows in group])
        now = rows[:, :-1]
        actions, done, acted = (
            torch.from_numpy(part[now]) for part in (experience.actions, experience.terminated, experience.acted)
        )
        yield experience.sample(rows, generator), actions, done, acted
