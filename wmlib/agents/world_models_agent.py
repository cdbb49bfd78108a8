"""An agent of World Models: V encodes what is seen, M remembers it, C acts on both.

Reading guide. `WorldModelsAgent` holds the three parts. `WorldModelsAgent.vectorized` returns a policy that plays several
episodes at once, see `wmlib.rollouts.vectorized`; `VectorizedAgent.act` is one step of all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wmlib.agents import linear_controller
from wmlib.models.recurrent import reset_state
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

BLOCK = 64  # steps for which random numbers are drawn at once


class WorldModelsAgent:
    """Hold V, M and C.

    Args:
        vae: V.
        world_model: M; both on the CPU.
        weights: float (F,), C.
        names: the features that C sees, see `linear_controller.features`.
        actions: float (3, A), how each of the three actions of `linear_controller.act` is given to M.

    Raises:
        ValueError: parts that do not fit together.
    """

    def __init__(self, vae: VAE, world_model: WorldModel, weights: Tensor, names: Sequence[str], actions: Tensor):
        size = linear_controller.num_features(world_model, names)
        if vae.latent_size != world_model.latent_size or weights.shape != (size,):
            raise ValueError(
                f"vae, world_model, weights: latents of {vae.latent_size} and {world_model.latent_size} numbers, weights of "
                f"shape {tuple(weights.shape)}; the latents must be equal and the weights ({size},)"
            )
        if actions.shape != (3, world_model.action_size):
            raise ValueError(f"actions has shape {tuple(actions.shape)}; it must be (3, {world_model.action_size})")
        self.vae = vae.eval()
        self.world_model = world_model.eval()
        self.weights = weights.float()
        self.names = tuple(names)
        self.actions = actions

    def vectorized(self, num_envs: int) -> VectorizedAgent:
        """Return a policy for so many episodes at once."""
        return VectorizedAgent(self, num_envs)

    def cache_key(self) -> list:
        """Return what determines the agent: its parts, by content."""
        return [self.vae, self.world_model, self.weights, self.names, self.actions]

    def describe(self) -> dict[str, str]:
        """Return a name for what the agent does in an environment, as JSON: a hash of all its numbers."""
        sha = hashlib.sha256(repr(self.names).encode())
        for part in (*self.vae.state_dict().values(), *self.world_model.state_dict().values(), self.weights, self.actions):
            sha.update(part.contiguous().numpy().tobytes())
        return {"agent": type(self).__name__, "sha256": sha.hexdigest()}


class VectorizedAgent:
    """Play several episodes at once with one agent.

    Args:
        agent: V, M and C.
        num_envs: episodes at once.
    """

    def __init__(self, agent: WorldModelsAgent, num_envs: int):
        self.agent = agent
        self._state = agent.world_model.core.initial_state(num_envs)
        self._rngs = [np.random.default_rng(0)] * num_envs
        self._noise = np.zeros((num_envs, BLOCK, agent.world_model.latent_size), np.float32)
        self._age = np.zeros(num_envs, int)

    def begin(self, env: int, rng: np.random.Generator) -> None:
        """Forget an environment's episode: another begins there, with the random numbers of `rng`."""
        self._rngs[env], self._age[env] = rng, 0
        self._state = reset_state(self._state, torch.arange(len(self._age)) == env)

    @torch.no_grad()
    def act(self, frames: np.ndarray) -> list[int]:
        """Choose an action for each environment: frames uint8 (num_envs, 64, 64, 3)."""
        agent = self.agent
        place = self._age % BLOCK
        for env in np.flatnonzero(place == 0):
            self._noise[env] = self._rngs[env].standard_normal(self._noise.shape[1:], np.float32)
        noise = torch.from_numpy(self._noise[np.arange(len(place)), place])
        latents = agent.vae.encode(frames).reparameterized(noise)
        features = linear_controller.features(agent.world_model, latents, self._state, agent.names)
        actions = linear_controller.act(agent.weights, features)
        self._state = agent.world_model.next_state(latents, agent.actions[actions], self._state)
        self._age += 1
        return actions.tolist()
