"""A finished agent of World Models at work in the real game: see with V, remember with M, act with C; several games at once.

Reading guide. `Player.act` is one step of all games: the frames become latents, the controller looks at them and at what the
world model remembers, and the model is told what is done. `values` lets an agent look again at a game that is over.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wmlib.agents import linear_controller as controller
from wmlib.models.recurrent import reset_state
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

BLOCK = 64  # steps for which random numbers are drawn at once


class Player:
    """Play games side by side, one a lane; see `wmlib.rollouts.vectorized`.

    Args:
        eye: V.
        mind: M; both on the CPU.
        weights: float (F,), C.
        names: what C sees, see `controller.look`.
        actions: float (n, A), what M is told of each of n discrete actions.
        lanes: L, games at once.
    """

    def __init__(self, eye: VAE, mind: WorldModel, weights: Tensor, names: Sequence[str], actions: Tensor, lanes: int = 1):
        self.eye, self.mind, self.weights, self.names, self.actions = eye, mind, weights, tuple(names), actions
        self._state = mind.core.initial_state(lanes)
        self._rngs = [np.random.default_rng(0)] * lanes
        self._noise = np.zeros((lanes, BLOCK, mind.latent), np.float32)
        self._age = np.zeros(lanes, int)

    def begin(self, lane: int, rng: np.random.Generator) -> None:
        """Forget a lane's game: another begins, with the chance of `rng`."""
        self._rngs[lane], self._age[lane] = rng, 0
        lanes = torch.arange(len(self._age))
        self._state = reset_state(self._state, lanes == lane)

    @torch.no_grad()
    def act(self, frames: np.ndarray) -> list[int]:
        """Choose an action for each lane: frames uint8 (L, 64, 64, 3)."""
        place = self._age % BLOCK
        for lane in np.flatnonzero(place == 0):
            self._noise[lane] = self._rngs[lane].standard_normal(self._noise.shape[1:], np.float32)
        noise = torch.from_numpy(self._noise[np.arange(len(place)), place])
        posterior = self.eye.encode(frames)
        latents = posterior.mean + torch.exp(0.5 * posterior.log_variance) * noise
        chosen = controller.act(self.weights, controller.look(self.mind, latents, self._state, self.names))
        self._state = self.mind.remember(latents, self.actions[chosen], self._state)
        self._age += 1
        return chosen.tolist()


@torch.no_grad()
def values(
    mind: WorldModel,
    weights: Tensor,
    names: Sequence[str],
    latents: Tensor,
    actions: Tensor,
    seen: Sequence[Tensor],
) -> np.ndarray:
    """Return what a controller would answer along a game, had it just now seen something else.

    What M remembers of each moment comes from the game as it was; only the latent in front of C is exchanged.

    Args:
        mind, weights, names: the agent.
        latents: float (T, Z), of the game.
        actions: float (T, A), as M is told of them.
        seen: each float (T, Z), what C sees instead.

    Returns:
        float (len(seen), T): tanh of the controller's sum, in [-1, 1]; below -1/3 is left, above 1/3 right.
    """
    state = mind.core.initial_state(1)
    found = np.zeros((len(seen), len(latents)), np.float32)
    shown = torch.stack(list(seen))
    for t in range(len(latents)):
        several = type(state)(*(part.expand(len(seen), *part.shape[1:]) for part in state))
        features = controller.look(mind, shown[:, t], several, names)
        found[:, t] = torch.tanh((weights * features).sum(-1)).numpy()
        state = mind.remember(latents[t : t + 1], actions[t : t + 1], state)
    return found
