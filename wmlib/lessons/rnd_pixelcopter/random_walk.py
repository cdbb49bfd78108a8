"""Curiosity where it can be seen: a walk over a square, and what a predictor does not know yet.

Reading guide. `walk` is Random Network Distillation in a dozen lines: two networks of a position, one never changes, the other
learns to say the same wherever the walker has been. Networks see a position as `place_code`, so that places far apart look
different to them, as two screens of a game do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

CELLS = 24  # a side of the novelty map
CENTERS = 16  # a side of the grid of bumps
WIDTH = 0.1  # of a bump, its standard deviation


def place_code(positions: Tensor) -> Tensor:
    """Return how near positions (B, 2) in [-1, 1]² are to the bumps of a grid, float (B, 256), values in (0, 1]."""
    edge = torch.linspace(-1, 1, CENTERS)
    centers = torch.stack(torch.meshgrid(edge, edge, indexing="xy"), -1).flatten(0, 1)
    return torch.exp(-torch.cdist(positions, centers).square() / (2 * WIDTH**2))


def networks(seed: int, num_features: int = 32) -> tuple[nn.Module, nn.Module]:
    """Return a random target and a predictor, both from place codes (B, 256) to features (B, D)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        target, predictor = (
            nn.Sequential(nn.Linear(CENTERS**2, 256, bias=False), nn.ReLU(), nn.Linear(256, num_features, bias=False))
            for _ in range(2)
        )
    return target, predictor


def steps_of(count: int, seed: int, size: float = 0.04) -> Tensor:
    """Return a random walk in the square [-1, 1]², float (count, 2), from its middle; the walls push back."""
    rng = np.random.default_rng(seed)
    positions = np.zeros((count, 2))
    for t in range(1, count):
        following = positions[t - 1] + rng.normal(0, size, 2)
        positions[t] = np.where(np.abs(following) > 1, 2 * np.sign(following) - following, following)
    return torch.from_numpy(positions).float()


def square() -> Tensor:
    """Return the middles of the map's cells, (CELLS², 2), row by row from the bottom."""
    edge = (torch.arange(CELLS) + 0.5) / CELLS * 2 - 1
    return torch.stack(torch.meshgrid(edge, edge, indexing="xy"), -1).flatten(0, 1)


def walk(target: nn.Module, predictor: nn.Module, positions: Tensor, looks: list[int], lr: float) -> list[np.ndarray]:
    """Walk, and learn on the way; return the novelty of the whole square, (CELLS, CELLS), before some steps, `looks`."""
    optimizer = torch.optim.Adam(predictor.parameters(), lr)
    whole = place_code(square())
    maps = []
    for t, place in enumerate(place_code(positions).split(1)):
        if t in looks:
            novelty = (predictor(whole) - target(whole)).square().mean(-1)
            maps.append(novelty.detach().view(CELLS, CELLS).numpy())
        error = (predictor(place) - target(place).detach()).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    return maps


def film(steps: int, looks: int, seed: int, lr: float = 1e-3) -> dict[str, Any]:
    """Return a walk and its novelty maps.

    Args:
        steps: of the walk.
        looks: how many maps, evenly spaced, the first before the first step.
        seed: of networks and walk.
        lr: learning rate of Adam.

    Returns:
        positions, (steps, 2); at, (looks,), steps done at each map; maps, (looks, CELLS, CELLS); visited, bool (CELLS, CELLS),
        cells in which the walker was.
    """
    target, predictor = networks(seed)
    positions = steps_of(steps, seed)
    at = [int(t) for t in np.linspace(0, steps - 1, looks)]
    maps = walk(target, predictor, positions, at, lr)
    columns, rows = np.clip(((positions.numpy() + 1) / 2 * CELLS).astype(int), 0, CELLS - 1).T
    visited = np.zeros((CELLS, CELLS), bool)
    visited[rows, columns] = True
    return {"positions": positions.numpy(), "at": at, "maps": np.stack(maps), "visited": visited}
