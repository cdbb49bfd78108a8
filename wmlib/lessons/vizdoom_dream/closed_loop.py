"""Does an agent need to see fireballs, and does it need its memory? It plays whole games without; the tics that it loses tell.

Reading guide. `HandicappedAgent` is an agent from which one thing is taken at every step of a game; `HANDICAPS` lists what can
be taken. `play` lets agents play the same games with each handicap. `all_balls` finds what is painted out, and
`elsewhere` moves the paint to where no ball is, as a control.

One frame painted out would not do: an agent that has seen the ball before still holds it in h and c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from wmlib.agents.world_models_agent import VectorizedAgent, WorldModelsAgent
from wmlib.lessons.vae import measures as vae_measures
from wmlib.lessons.vizdoom_dream import games
from wmlib.models.dnc import DNCState
from wmlib.models.recurrent import State
from wmlib.rollouts import Rollouts

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

LARGEST = 400  # pixels; a blob above that is a flash over the picture, not a ball
MARGIN = 2  # pixels painted out around a ball
STEP = 8  # columns from one place that is tried for the control's paint to the next
FROZEN_FROM = 35  # tics, a second of the game: from then on h and c stay as they are

WHOLE = "whole"
BLINDFOLD = "all balls painted out"
ELSEWHERE = "as much paint elsewhere"
NO_READS = "read vectors zero"
NO_MEMORY = "memory erased every step"
FROZEN = "h and c frozen"
HANDICAPS = (BLINDFOLD, ELSEWHERE, NO_READS, NO_MEMORY, FROZEN)
OF_A_DNC = (NO_READS, NO_MEMORY)  # an LSTM has neither


class HandicappedAgent(WorldModelsAgent):
    """Be an agent from which something is taken at every step.

    Args:
        agent: V, M and C.
        handicap: one of `HANDICAPS`. The read vectors and the memory are taken after each step, so that the next one does not
            have them.
        background: uint8 (64, 64, 3), what is painted where a ball was.

    Raises:
        ValueError: another handicap, or one that the world model's core cannot have.
    """

    def __init__(self, agent: WorldModelsAgent, handicap: str, background: np.ndarray):
        possible = handicaps(agent)
        if handicap not in possible:
            raise ValueError(f"handicap is {handicap!r}; for this agent it can be one of {', '.join(possible)}")
        super().__init__(agent.vae, agent.world_model, agent.weights, agent.names, agent.actions)
        self.handicap = handicap
        self.background = background

    def vectorized(self, num_envs: int) -> HandicappedPlayer:
        """Return a policy for so many episodes at once."""
        return HandicappedPlayer(self, num_envs)

    def cache_key(self) -> list:
        """Return what determines the agent: its parts, by content."""
        return [*super().cache_key(), self.handicap, self.background]

    def describe(self) -> dict[str, str]:
        """Return a name for what the agent does in an environment, as JSON."""
        return {**super().describe(), "handicap": self.handicap}


class HandicappedPlayer(VectorizedAgent):
    """Play several episodes at once with a handicapped agent; see `VectorizedAgent`."""

    agent: HandicappedAgent

    def act(self, frames: np.ndarray) -> list[int]:
        """Choose an action for each environment: frames uint8 (num_envs, 64, 64, 3)."""
        handicap = self.agent.handicap
        if handicap in (BLINDFOLD, ELSEWHERE):
            frames = painted(frames, self.agent.background, handicap == ELSEWHERE)
        before = self._state
        actions = super().act(frames)
        if handicap == NO_READS:
            self._state = without_reads(self._state)
        elif handicap == NO_MEMORY:
            self._state = without_memory(self._state)
        elif handicap == FROZEN:
            self._state = frozen(before, self._state, torch.from_numpy(self._age > FROZEN_FROM))
        return actions


def handicaps(agent: WorldModelsAgent) -> tuple[str, ...]:
    """Return the handicaps that an agent can have."""
    has_memory = isinstance(agent.world_model.core.initial_state(1), DNCState)
    return tuple(handicap for handicap in HANDICAPS if has_memory or handicap not in OF_A_DNC)


def without_reads(state: DNCState) -> DNCState:
    """Return a state whose read vectors are 0: the next step's controller is told nothing of the memory."""
    return state._replace(reads=torch.zeros_like(state.reads))


def without_memory(state: DNCState) -> DNCState:
    """Return a state whose memory is that of an episode's start; h, c and the vectors that were read stay."""
    kept = {"h": state.h, "c": state.c, "reads": state.reads}
    return DNCState(*(kept.get(name, torch.zeros_like(part)) for name, part in state._asdict().items()))


def frozen(before: State, after: State, rows: torch.Tensor) -> State:
    """Return a state that is the one before in some rows, bool (B,), and the one after in the others."""
    pairs = zip(before, after, strict=True)
    return type(after)(*(torch.where(rows.reshape(-1, *[1] * (new.ndim - 1)), old, new) for old, new in pairs))


def painted(frames: np.ndarray, background: np.ndarray, control: bool = False) -> np.ndarray:
    """Return frames without any ball.

    Args:
        frames: uint8 (B, 64, 64, 3).
        background: uint8 (64, 64, 3), what is painted.
        control: True paints as many pixels in the same rows where no ball is, see `elsewhere`, and leaves the balls.
    """
    masks = all_balls(frames)
    masks = ndimage.binary_dilation(masks, np.ones((1, 3, 3), bool), iterations=MARGIN)
    if control:
        masks = elsewhere(masks)
    return np.where(masks[..., None], background, frames)


def all_balls(frames: np.ndarray) -> np.ndarray:
    """Return the pixels of all bright blobs of at most `LARGEST` pixels, bool (B, H, W).

    Args:
        frames: uint8, or float in [0, 1], (B, H, W, 3).
    """
    labels, sizes = vae_measures.blobs(frames)
    return np.append(False, sizes <= LARGEST)[labels]


def elsewhere(masks: np.ndarray) -> np.ndarray:
    """Move each mask to the side, around the picture's edge, to the place where it covers least of itself.

    Args:
        masks: bool (B, H, W).

    Returns:
        bool (B, H, W), as many pixels in each row of each mask.
    """
    width = masks.shape[2]
    half = width // 2
    shifts = sorted(range(STEP, width, STEP), key=lambda shift: abs(shift - half))  # the other side first
    moved = np.stack([np.roll(masks, shift, axis=2) for shift in shifts])  # (places, B, H, W)
    covered = (moved & masks).sum((2, 3))
    return moved[covered.argmin(0), np.arange(len(masks))]


def mean_frame(data: Rollouts, count: int = 500) -> np.ndarray:
    """Return the mean of about so many frames, evenly spread, uint8 (64, 64, 3): what is painted where a ball was."""
    rows = np.arange(0, len(data), max(1, len(data) // count))
    return data.frames(rows).mean(0).round().astype(np.uint8)


def play(
    run: Run,
    agents: Mapping[str, Sequence[WorldModelsAgent]],
    whole: Mapping[str, np.ndarray],
    background: np.ndarray,
    count: int,
) -> dict[str, dict[str, np.ndarray]]:
    """Let agents play the first test games once more with each handicap.

    Args:
        agents: by name, one for each training seed.
        whole: by name, the tics that they survived in the test games without any, int64 (training seeds, games).
        background: see `HandicappedAgent`.
        count: games.

    Returns:
        by agent and handicap, `WHOLE` first, the tics survived, int64 (training seeds, count).
    """
    policies = {
        (name, handicap): [HandicappedAgent(agent, handicap, background) for agent in each]
        for name, each in agents.items()
        for handicap in handicaps(each[0])
    }
    tics = {name: {WHOLE: whole[name][:, :count]} for name in agents}
    for (name, handicap), lives in games.play_each(run, policies, count, "test").items():
        tics[name][handicap] = lives
    return tics
