"""Dreaming: a world model fed with its own predictions, as an environment to act in.

Reading guide. `Dreams` is a batch of dreams that go on side by side; `Dreams.step` is one step of all of them. `dream_returns`
lets a whole population of controllers live in them until all have died, which is what evolution asks for; `dream_episode` keeps
one dream of one controller, to be looked at. `DreamEnv` is the same as a Gymnasium vector environment, for any other agent, a
player at the keyboard included.

Chance in a dream comes from its number alone: dream 7 of seed 3 starts at the same frame and meets the same random numbers
whoever dreams it, and whatever is dreamed beside it. So candidates are compared on the same dreams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from wmlib.agents import linear_controller
from wmlib.models.cuda_graphs import capture, unchecked
from wmlib.models.recurrent import reset_state
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

BLOCK = 64  # steps for which random numbers are drawn at once


class Dreams:
    """Hold a batch of dreams, one a row.

    Args:
        model: the world model, on any device; it is not trained here, and stays on its device.
        actions: float (n, A), how each of n discrete actions is given to the model.
        starts: posteriors of first frames of true episodes, (S, Z); each dream begins with a draw from one of them.
        seed: any whole number >= 0.
        max_steps: longest dream.
        temperature: τ, above 0: how much is left to chance, see `Mixture.sample`.
        done_threshold: a dream ends when the model gives that at least this probability.
        start_noise: standard deviation of what is added to the first latent.

    Attributes:
        latents: float (B, Z), the current ones.
        state: of the model's core.
        age: int64 (E,), steps of each dream so far.

    Raises:
        ValueError: a number out of its range, actions or starts of another size than the model's.

    Source: Ha & Schmidhuber 2018, the Doom dream: temperature, threshold 0.5, starts at true first frames, 2,100 steps at
        most. Noise at the start: Mufti's repository (0.5).
    """

    def __init__(
        self,
        model: WorldModel,
        actions: Tensor,
        starts: Posterior,
        *,
        seed: int,
        max_steps: int,
        temperature: float = 1.0,
        done_threshold: float = 0.5,
        start_noise: float = 0.0,
    ):
        for name, value in (("temperature", temperature), ("max_steps", max_steps)):
            if not value > 0:
                raise ValueError(f"{name} is {value}; it must be above 0")
        if not start_noise >= 0:
            raise ValueError(f"start_noise is {start_noise}; it must be at least 0")
        if not 0 < done_threshold < 1:
            raise ValueError(f"done_threshold is {done_threshold}; it must lie between 0 and 1, e.g. 0.5")
        if actions.shape[1:] != (model.action_size,) or starts.mean.shape[1:] != (model.latent_size,):
            raise ValueError(
                f"actions {tuple(actions.shape)}, starts {tuple(starts.mean.shape)}: "
                f"they must be (n, {model.action_size}) and (S, {model.latent_size})"
            )
        self.model, self.seed, self.max_steps = model, seed, max_steps
        self.temperature, self.start_noise = temperature, start_noise
        self.device = next(model.parameters()).device
        self.actions = actions.to(self.device)
        self.starts = Posterior(*(part.to(self.device) for part in starts))
        self._captured: dict[tuple, _CapturedSteps] = {}  # see `_captured_returns`
        self._limit = float(np.log(done_threshold / (1 - done_threshold)))

    def begin(self, dream_ids: Sequence[int], copies: int = 1) -> None:
        """Start dreams.

        Args:
            dream_ids: numbers of the dreams, E of them.
            copies: rows that dream each of them; B = copies · E rows, the first E are one copy of each.
        """
        size = (len(dream_ids), BLOCK, self.model.latent_size)
        self._rngs = [np.random.default_rng(0)] * len(dream_ids)
        self._uniform = np.empty(size, np.float32)
        self._normal = np.empty(size, np.float32)
        self.age = np.zeros(len(dream_ids), int)
        self._dream = torch.arange(len(dream_ids), device=self.device).repeat(copies)
        self.latents = self._open(range(len(dream_ids)), dream_ids)[self._dream]
        self.state = self.model.core.initial_state(len(self._dream))

    def restart(self, rows: Sequence[int], dream_ids: Sequence[int]) -> None:
        """Put new dreams in the place of some rows; only where each row has a dream of its own."""
        marked = torch.zeros(len(self._dream), dtype=torch.bool, device=self.device)
        marked[list(rows)] = True
        self.latents[marked] = self._open(rows, dream_ids)
        self.state = reset_state(self.state, marked)

    @torch.no_grad()
    def step(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Go on by one step.

        Args:
            actions: int64 (B,), 0 … n - 1.

        Returns:
            done, bool (B,): this action ended the dream; rewards, float (B,): 1 a step, or the model's reward head.
        """
        place = self.age % BLOCK
        self._draw(np.flatnonzero(place == 0).tolist())
        each = np.arange(len(place))
        uniform, normal = (self._put(part[each, place])[self._dream] for part in (self._uniform, self._normal))
        prediction, self.state = self.model.step(self.latents, self.actions[actions], self.state)
        self.latents = prediction.mixture.draw(uniform, normal, self.temperature)
        self.age += 1
        rewards = torch.ones_like(prediction.done) if prediction.reward is None else prediction.reward
        return prediction.done >= self._limit, rewards

    def select(self, rows: Tensor) -> None:
        """Go on with some rows only: row numbers, int64."""
        self.latents = self.latents[rows]
        self._dream = self._dream[rows]
        self.state = type(self.state)(*(part[rows] for part in self.state))

    def _draw(self, dreams: Sequence[int]) -> None:
        """Draw the random numbers of the next `BLOCK` steps of some dreams."""
        for i in dreams:
            self._uniform[i] = 1 - self._rngs[i].random(self._uniform.shape[1:], np.float32)  # (0, 1]
            self._normal[i] = self._rngs[i].standard_normal(self._normal.shape[1:], np.float32)

    def _open(self, places: Sequence[int], dream_ids: Sequence[int]) -> Tensor:
        """Set up the generators of dreams, and return their first latents."""
        which = []
        noise = []
        for place, number in zip(places, dream_ids, strict=True):
            self._rngs[place] = rng = np.random.default_rng([self.seed, number])
            which.append(int(rng.integers(len(self.starts.mean))))
            noise.append(rng.standard_normal((2, self.model.latent_size), np.float32))
            self.age[place] = 0
        draw, extra = self._put(np.stack(noise)).unbind(1)
        start = Posterior(*(part[which] for part in self.starts))
        return start.reparameterized(draw) + self.start_noise * extra

    def _put(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)


@torch.no_grad()
def dream_returns(dreams: Dreams, weights: Tensor, names: Sequence[str], dream_ids: Sequence[int]) -> np.ndarray:
    """Let every controller of a population live through the same dreams.

    Args:
        dreams: they are started anew.
        weights: float (P, F), a controller a row.
        names: the features that the controllers see, see `linear_controller.features`.
        dream_ids: numbers of the dreams.

    Returns:
        float64 (P, len(dream_ids)), the sum of rewards: the steps lived, unless the model has a reward head. On a GPU the
        latents and state of `dreams` stay at the start, and numbers that are not finite end a dream instead of raising.
    """
    dreams.begin(dream_ids, copies=len(weights))
    if dreams.device.type == "cuda":
        return _captured_returns(dreams, weights, names)
    rows = torch.arange(len(weights) * len(dream_ids), device=dreams.device)
    total = torch.zeros(len(rows), dtype=torch.float64, device=dreams.device)
    weights = weights.to(dreams.device, dreams.latents.dtype)
    controllers = weights.repeat_interleave(len(dream_ids), 0)  # one a row
    for _ in range(dreams.max_steps):
        features = linear_controller.features(dreams.model, dreams.latents, dreams.state, names)
        done, rewards = dreams.step(linear_controller.act(controllers, features))
        total[rows] += rewards
        if done.any():
            alive = (~done).nonzero().squeeze(-1)
            dreams.select(alive)
            rows = rows[alive]
            controllers = controllers[alive]
        if not len(rows):
            break
    return total.reshape(len(weights), len(dream_ids)).cpu().numpy()


def _captured_returns(dreams: Dreams, weights: Tensor, names: Sequence[str]) -> np.ndarray:
    """Do as `dream_returns` after `begin`; ended dreams keep running but are ignored, so that all steps are alike."""
    size = len(dreams.latents)
    count = len(dreams.age)
    key = (*names, size, count, dreams.temperature, id(dreams.model))  # a captured step does not look these up again
    if key not in dreams._captured:
        dreams._captured[key] = _CapturedSteps(dreams, names, size, count)
    return dreams._captured[key].returns(weights).reshape(-1, count)


class _CapturedSteps:
    """Hold all that a step of B = P · E dreams works on, at addresses that stay."""

    def __init__(self, dreams: Dreams, names: Sequence[str], size: int, count: int):
        self.dreams, self.model, self.names, self.count = dreams, dreams.model, names, count
        self.latents = dreams.latents.clone()
        self.state = type(dreams.state)(*(part.clone() for part in dreams.state))
        like = self.latents
        self.weights = like.new_zeros(size, linear_controller.num_features(dreams.model, names))
        self.noise = like.new_full((2, count, BLOCK, like.shape[-1]), 0.5)  # uniform and normal
        self.place = torch.zeros(1, dtype=torch.int64, device=like.device)
        self.total = like.new_zeros(size, dtype=torch.float64)
        self.alive = like.new_ones(size, dtype=torch.bool)
        with unchecked(dreams.model.core):
            self.step = capture(self._step, like.device)

    def returns(self, weights: Tensor) -> np.ndarray:
        """Run the dreams that have just begun: weights (P, F); return the sums of rewards, (B,)."""
        dreams = self.dreams
        self.weights.copy_(weights.to(self.weights).repeat_interleave(self.count, 0))
        for old, new in zip((self.latents, *self.state), (dreams.latents, *dreams.state), strict=True):
            old.copy_(new)
        self.total.zero_()
        self.alive.fill_(True)
        for t in range(dreams.max_steps):
            if t % BLOCK == 0:
                if not self.alive.any():
                    break
                dreams._draw(range(self.count))
                self.noise.copy_(torch.from_numpy(np.stack([dreams._uniform, dreams._normal])))
                self.place.zero_()
            self.step()
        return self.total.cpu().numpy()

    @torch.no_grad()
    def _step(self) -> None:
        dreams = self.dreams
        uniform, normal = self.noise.index_select(2, self.place).squeeze(2).repeat(1, len(self.latents) // self.count, 1)
        features = linear_controller.features(dreams.model, self.latents, self.state, self.names)
        actions = linear_controller.act(self.weights, features)
        prediction, state = dreams.model.step(self.latents, dreams.actions[actions], self.state)
        for old, new in zip(self.state, state, strict=True):
            old.copy_(new)
        self.latents.copy_(prediction.mixture.draw(uniform, normal, dreams.temperature))
        self.total += self.alive if prediction.reward is None else prediction.reward.masked_fill(~self.alive, 0)
        self.alive &= prediction.done < dreams._limit
        self.place += 1


@torch.no_grad()
def dream_episode(dreams: Dreams, weights: Tensor, names: Sequence[str], dream_id: int, steps: int) -> tuple[Tensor, Tensor]:
    """Keep what one controller sees and does in one dream, to its end or for so many steps.

    Args:
        dreams: it is started anew.
        weights: float (F,).
        names: see `linear_controller.features`.
        dream_id: number of the dream.
        steps: at most.

    Returns:
        latents float (T, Z) and actions int64 (T,), on the CPU; T is at least 1.
    """
    dreams.begin([dream_id])
    weights = weights.to(dreams.device, dreams.latents.dtype)
    latents = []
    actions = []
    for _ in range(steps):
        features = linear_controller.features(dreams.model, dreams.latents, dreams.state, names)
        chosen = linear_controller.act(weights, features)
        latents.append(dreams.latents[0].cpu())
        actions.append(chosen[0].cpu())
        if dreams.step(chosen)[0]:
            break
    return torch.stack(latents), torch.stack(actions)


class DreamEnv(gymnasium.vector.VectorEnv):
    """Dreams as a Gymnasium vector environment.

    ## Action space
    `Discrete(n)` for each dream, n rows of `dreams.actions`.

    ## Observation space
    `Box(-inf, inf, (F,))` for each dream: what `linear_controller.features` puts together by `names`.

    ## Rewards
    1 a step, or what the model's reward head says.

    ## Starting state
    A draw from the posterior of the first frame of a true episode, nothing remembered. Dream i of `reset(seed=s)` has number
    i; those that begin later have the numbers after.

    ## Episode end
    Termination: the model predicts that the action ended it. Truncation: after `max_steps`. The next step of a dream that has
    ended begins a new one (Gymnasium's `AutoresetMode.NEXT_STEP`).

    Args:
        dreams: model, actions, starts, temperature and so on.
        num_envs: B, dreams at once.
        names: the features that are observed.
        decoder: latents (B, Z) -> pictures, for `render`, such as `vae.decode`.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        dreams: Dreams,
        num_envs: int,
        names: Sequence[str] = ("z", "h"),
        decoder: Callable[[Tensor], Tensor] | None = None,
    ):
        self.dreams = dreams
        self.num_envs = num_envs
        self.names = tuple(names)
        self.decoder = decoder
        self.render_mode = None if decoder is None else "rgb_array"
        self._next = 0
        size = linear_controller.num_features(dreams.model, self.names)
        self.single_observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.single_action_space = spaces.Discrete(len(dreams.actions))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Start all dreams; without a seed with numbers not used before."""
        if seed is not None:
            self.dreams.seed, self._next = seed, 0
        self.dreams.begin(self._next_ids(self.num_envs))
        self._over = np.zeros(self.num_envs, bool)
        return self._observe(), {}

    def step(self, actions: np.ndarray):
        """Go on by one step in each dream: actions int (B,)."""
        done, rewards = self.dreams.step(torch.as_tensor(np.asarray(actions), device=self.dreams.device))
        over = self._over  # these begin anew: the action does nothing
        ends = done.cpu().numpy() & ~over
        stops = (self.dreams.age >= self.dreams.max_steps) & ~ends & ~over
        if over.any():
            rows = np.flatnonzero(over).tolist()
            self.dreams.restart(rows, self._next_ids(len(rows)))
        self._over = ends | stops
        return self._observe(), np.where(over, 0.0, rewards.cpu().numpy()), ends, stops, {}

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return a picture of each dream, uint8."""
        if self.decoder is None:
            return None
        with torch.no_grad():
            pictures = self.decoder(self.dreams.latents)
        return tuple((pictures * 255).round().to(torch.uint8).cpu().numpy())

    def _next_ids(self, count: int) -> list[int]:
        self._next += count
        return list(range(self._next - count, self._next))

    def _observe(self) -> np.ndarray:
        return linear_controller.features(self.dreams.model, self.dreams.latents, self.dreams.state, self.names).cpu().numpy()
