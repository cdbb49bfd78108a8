"""Pictures of games and dreams for the figures of notebook 05: frames, their reconstructions, and what a dream looks like.

Reading guide. `strip` puts a game beside dreams at several temperatures; `film` puts a game beside a dream that begins at the
same frame. `brightest_rows` chooses the part of the game: the one with most fireballs in it. `dream` is what an agent sees and
does in one dream; `decoded` and `recorded` are rows of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.agents.dream import dream_episode
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.lessons.vae.figures import pack
from wmlib.lessons.vizdoom_dream.closed_loop import all_balls
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, dreams
from wmlib.models.vae import VAE, Posterior
from wmlib.rollouts import Rollouts

DREAM_SEED = 3  # of the dreams that are shown
STRIP_EVERY, STRIP_PICTURES = 12, 8  # steps from one picture to the next, and pictures
FILM_EVERY, FILM_PICTURES = 4, 40
NEAR = 60  # pixels of a ball that is near; an explosion, which has hundreds, counts no more
FILM_DREAMS = 16  # of which one is shown, see `film`


class Dream(NamedTuple):
    """Hold what an agent saw and did in one dream."""

    latents: Tensor  # float (T, Z)
    actions: Tensor  # int64 (T,)


def dream(agent: WorldModelsAgent, config: EvolutionConfig, begin: Posterior, dream_id: int, steps: int) -> Dream:
    """Let an agent live in one dream of its world model.

    Args:
        agent: who dreams.
        config: temperature and length of the dream.
        begin: posteriors of the frames at which it may begin.
        dream_id: number of the dream.
        steps: at most.
    """
    shown = dreams(config, agent.world_model, begin, DREAM_SEED)
    return Dream(*dream_episode(shown, agent.weights, agent.names, dream_id, steps))


def decoded(vae: VAE, latents: Tensor, count: int) -> np.ndarray:
    """Return pictures of latents (T, Z), float (count, 64, 64, 3); black where there are fewer."""
    with torch.no_grad():
        pictures = vae.decode(latents[:count]).numpy()
    return _padded(pictures, count)


def brightness(frames: np.ndarray) -> np.ndarray:
    """Return the pixels of fireballs in each frame (T, 64, 64, 3), int64 (T,); of more than `NEAR` no more are counted."""
    return np.minimum(all_balls(frames).sum((1, 2)), NEAR)


def brightest_rows(played: Rollouts, every: int, count: int) -> np.ndarray:
    """Return rows of the part of some recorded games that shows most pixels of fireballs, int64 (at most `count`,).

    Args:
        played: the games.
        every: steps from one row to the next.
        count: rows; fewer where all games are shorter.
    """
    span = every * count
    most = -1
    chosen = played.episode(0)[:span]
    for number in range(len(played.lengths)):
        rows = played.episode(number)
        sums = np.append(0, np.cumsum(brightness(played.frames(rows))))
        begins = np.arange(max(1, len(rows) - span + 1))
        totals = sums[np.minimum(begins + span, len(rows))] - sums[begins]
        if totals.max() > most:
            most = totals.max()
            first = int(totals.argmax())
            chosen = rows[first : first + span]
    return chosen[::every]


def recorded(vae: VAE, played: Rollouts, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frames of a recorded game and their reconstructions, float (count, 64, 64, 3) each.

    Args:
        vae: encodes and decodes.
        played: the games.
        rows: of the frames, at most `count`.
        count: pictures; black where there are fewer rows.
    """
    frames = played.frames(rows)
    with torch.no_grad():
        posterior = vae.encode(frames)
    return _padded(frames, count) / np.float32(255), decoded(vae, posterior.mean, count)


def _padded(pictures: np.ndarray, count: int) -> np.ndarray:
    return np.pad(pictures, ((0, count - len(pictures)), (0, 0), (0, 0), (0, 0)))


def strip(
    agent: WorldModelsAgent,
    played: Rollouts,
    config: EvolutionConfig,
    begin: Posterior,
    temperatures: Sequence[float],
) -> dict[str, Any]:
    """Return a strip for `vae.figures.draw_pictures`: a game, its reconstruction, and one dream at several temperatures.

    Args:
        agent: who dreams.
        played: games of the agent.
        config: of the dreams, the temperature aside.
        begin: as for `dream`.
        temperatures: one a row.
    """
    steps = STRIP_EVERY * STRIP_PICTURES
    shown = brightest_rows(played, STRIP_EVERY, STRIP_PICTURES)
    rows = list(recorded(agent.vae, played, shown, STRIP_PICTURES))
    for temperature in temperatures:
        latents = dream(agent, replace(config, temperature=temperature), begin, 0, steps).latents
        rows.append(decoded(agent.vae, latents[::STRIP_EVERY], STRIP_PICTURES))
    return {
        "png": pack(np.stack(rows)),
        "rows": ["real game", "reconstruction", *(f"τ = {temperature:g}" for temperature in temperatures)],
        "columns": [f"step {STRIP_EVERY * i}" for i in range(STRIP_PICTURES)],
    }


def film(agent: WorldModelsAgent, played: Rollouts, config: EvolutionConfig) -> tuple[dict[str, Any], Dream]:
    """Return a film for `figures.draw_film`: a game, its reconstruction, and a dream from the same frame; and the dream.

    Args:
        agent: who plays and dreams.
        played: games of the agent; the part with most fireballs is shown.
        config: of the dreams, of which the longest is shown; of several that last to the film's end, that with most fireballs.

    The film's `poster` is the number of the picture of the game with most fireballs, while the dream lasts.
    """
    shown = brightest_rows(played, FILM_EVERY, FILM_PICTURES)
    with torch.no_grad():
        begin = agent.vae.encode(played.frames(shown[:1]))
    steps = FILM_EVERY * FILM_PICTURES
    dreams = [dream(agent, config, begin, i, steps) for i in range(FILM_DREAMS)]
    pictures = [decoded(agent.vae, each.latents[::FILM_EVERY], FILM_PICTURES) for each in dreams]
    bright_dreams = [brightness(each).sum() for each in pictures]
    best = max(range(FILM_DREAMS), key=lambda i: (len(dreams[i].latents), bright_dreams[i]))
    rows = [*recorded(agent.vae, played, shown, FILM_PICTURES), pictures[best]]
    bright = brightness(played.frames(shown))
    data = {
        "png": pack(np.stack(rows)),
        "rows": ["real game", "reconstruction", "dream"],
        "every": FILM_EVERY,
        "poster": int(bright[: -(-len(dreams[best].latents) // FILM_EVERY)].argmax()),
    }
    return data, dreams[best]
