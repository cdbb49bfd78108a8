"""A bonus for novelty in dreams, paid only for what is much newer than usual.

Reading guide. `NoveltyBonus.learn` lets a Random Network Distillation know the frames that were seen live; the bonus of a
dreamt frame is what its error has in excess of the usual one. On frames that are known the error is about the usual one: an
agent that were paid for it would be paid for staying alive, and a bonus of a tenth of the goal's reward a step is worth more
than the goal.
"""

from __future__ import annotations

import torch
from gymnasium import spaces
from torch import Tensor

from wmlib.agents.rnd import RND, RNDConfig

CONFIG = RNDConfig(num_features=32, predictor_layers=1, predictor_size=64, lr=1e-3)
MEMORY = 0.99  # of the usual error: what a batch before counts beside the last one
MOST = 10.0  # usual errors that are paid at most


class NoveltyBonus:
    """Pay coef · clamp(error / usual error - above, 0, 10) for a frame.

    Args:
        space: of flat frames (F,).
        coef: weight, of a reward's unit.
        above: usual errors that are not paid; 0: all of the novelty is.
        generator: CPU generator; draws the networks.

    Attributes:
        usual: mean error on batches of frames that were seen, running; 0 before the first.

    Raises:
        ValueError: a number below 0.

    Example:
        >>> bonus = NoveltyBonus(spaces.Box(0, 1, (4,)), 0.05, 2.0, generator=torch.Generator().manual_seed(0))
        >>> known, unknown = torch.tensor([[0.0, 1, 0, 0], [0, 0, 1, 0]]), torch.tensor([[1.0, 0, 0, 1]])
        >>> for _ in range(5):
        ...     bonus.learn(known)
        >>> bonus(known).tolist(), bool(bonus(unknown) > 0)
        ([0.0, 0.0], True)
    """

    def __init__(self, space: spaces.Box, coef: float, above: float, *, generator: torch.Generator):
        for name, value in (("coef", coef), ("above", above)):
            if not value >= 0:
                raise ValueError(f"{name} is {value}; it must be at least 0")
        self.coef, self.above = coef, above
        self.usual = 0.0
        self._rnd = RND(space, 1, CONFIG, generator=generator)

    def learn(self, frames: Tensor) -> None:
        """Know some frames (B, F) better, by one step of training."""
        self._rnd.observations.update(frames.numpy())
        error = self._rnd.errors(frames).mean().item()
        self.usual = MEMORY * self.usual + (1 - MEMORY) * error if self.usual else error
        self._rnd.fit(frames)

    def __call__(self, frames: Tensor) -> Tensor:
        """Return the bonus of frames (B, F), float (B,); 0 while no frame is known."""
        if not self.usual:
            return frames.new_zeros(len(frames))
        return self.coef * (self._rnd.errors(frames) / self.usual - self.above).clamp(0, MOST)

    def state_dict(self) -> dict:
        """Copy everything that determines what comes."""
        return {"rnd": self._rnd.state_dict(), "usual": self.usual}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""
        self._rnd.load_state_dict(state["rnd"])
        self.usual = state["usual"]
