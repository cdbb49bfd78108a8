"""Evolution in the dream: CMA-ES looks for a controller that lives long in the dreams of a world model.

Reading guide. `Search.run` is the loop. In each generation all candidates live through the same dreams, new ones each time; now
and then the mean of the Gaussian is tried on dreams kept for that, and the best mean so far is the answer. The real game is
never asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from wmlib.agents import linear_controller as controller
from wmlib.agents.cma_es import CMAES
from wmlib.agents.dream import Dreams, live

VALIDATION = 2**40  # in dreams from this number on no candidate is bred; they choose among the means


class Generation(NamedTuple):
    """Hold what became of a generation: steps lived in dreams."""

    mean: float  # of all candidates
    best: float  # of the best candidate, over its dreams
    validation: float  # of the mean, on the dreams kept for that; NaN in generations without


class Search:
    """Look for a controller.

    Args:
        dreams: model, temperature, cap and so on; its seed says which dreams.
        names: what the controller sees, see `controller.look`.
        rng: for the candidates.
        population, parents, sigma: of CMA-ES; the first mean is 0.
        trials: dreams a candidate lives through in a generation.
        every: generations from one validation to the next.
        validation: dreams for it.

    Attributes:
        best: float64 (F,), weights of the best mean so far.
        best_score: steps it lived in the dreams kept for validation.
        trail: the means that were tried on them, in their order.
        history: a `Generation` for each.
        step: generations done.

    Source: Ha & Schmidhuber 2018: 64 candidates, 16 trials, sigma 0.1. Parents 0.25: Mufti's repository.
    """

    def __init__(
        self,
        dreams: Dreams,
        names: Sequence[str],
        *,
        rng: np.random.Generator,
        population: int = 64,
        parents: float = 0.25,
        sigma: float = 0.1,
        trials: int = 16,
        every: int = 5,
        validation: int = 64,
    ):
        self.dreams, self.names, self.trials, self.every = dreams, tuple(names), trials, every
        self.validation = range(VALIDATION, VALIDATION + validation)
        size = controller.count(dreams.model, names)
        self.cma = CMAES(np.zeros(size), sigma, population, parents, rng=rng)
        self.best, self.best_score = np.zeros(size), -np.inf
        self.trail: list[np.ndarray] = []
        self.history: list[Generation] = []

    @property
    def step(self) -> int:
        return self.cma.generation

    def run(self, generations: int) -> Iterator[Generation]:
        """Do generations, and yield each; between two the state may be saved."""
        for _ in range(generations):
            number = self.cma.generation
            candidates = self.cma.ask()
            lived = self._live(candidates, range(number * self.trials, (number + 1) * self.trials)).mean(1)
            self.cma.tell(candidates, -lived)
            validation = np.nan
            if self.cma.generation % self.every == 0:
                validation = float(self._live(self.cma.mean[None], self.validation).mean())
                self.trail.append(self.cma.mean.copy())
                if validation > self.best_score:
                    self.best, self.best_score = self.cma.mean, validation
            self.history.append(Generation(float(lived.mean()), float(lived.max()), validation))
            yield self.history[-1]

    def _live(self, weights: np.ndarray, numbers: range) -> np.ndarray:
        return live(self.dreams, torch.from_numpy(weights), self.names, numbers)

    def state_dict(self) -> dict:
        """Return all that a later `load_state_dict` needs to go on to the same bits; the model is not in it."""
        history = np.array(self.history, np.float64).reshape(-1, len(Generation._fields))
        trail = np.array(self.trail, np.float64).reshape(-1, len(self.best))
        best = {"best": self.best.copy(), "score": self.best_score}
        return {"cma": self.cma.state_dict(), **best, "trail": trail, "history": history}

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from a search made with the same arguments."""
        self.cma.load_state_dict(state["cma"])
        self.best, self.best_score, self.trail = state["best"].copy(), state["score"], list(state["trail"].copy())
        self.history = [Generation(*row) for row in state["history"].tolist()]
