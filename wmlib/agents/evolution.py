"""Evolution in the dream: CMA-ES looks for a controller that lives long in the dreams of a world model.

Reading guide. `Evolution.run` is the loop. In each generation all candidates live through the same dreams, new ones each time;
every few generations the mean of the Gaussian is tried on dreams kept for validation, and the best mean so far is the answer.
The real environment is never asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from wmlib.agents import linear_controller
from wmlib.agents.cma_es import CMAES
from wmlib.agents.dream import Dreams, dream_returns

VALIDATION = 2**40  # dreams from this number on are kept for validation; no candidate is evolved in them


class Generation(NamedTuple):
    """Hold what became of a generation: returns in dreams."""

    mean: float  # of all candidates
    best: float  # of the best candidate, over its dreams
    validation: float  # of the mean, on the dreams kept for that; NaN in generations without


class Evolution:
    """Look for a controller.

    Args:
        dreams: model, temperature, length and so on; its seed says which dreams.
        names: the features that the controller sees, see `linear_controller.features`.
        rng: for the candidates.
        population, parents, sigma: of CMA-ES; the first mean is 0.
        trials: dreams a candidate lives through in a generation.
        validate_every: generations from one validation to the next.
        validation_dreams: dreams for it.

    Attributes:
        best: float64 (F,), weights of the best mean so far.
        best_score: its mean return in the validation dreams.
        validated: the means that were tried on them, in their order.
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
        validate_every: int = 5,
        validation_dreams: int = 64,
    ):
        self.dreams = dreams
        self.names = tuple(names)
        self.trials = trials
        self.validate_every = validate_every
        self.validation = range(VALIDATION, VALIDATION + validation_dreams)
        size = linear_controller.num_features(dreams.model, names)
        self.cma = CMAES(np.zeros(size), sigma, population, parents, rng=rng)
        self.best = np.zeros(size)
        self.best_score = -np.inf
        self.validated: list[np.ndarray] = []
        self.history: list[Generation] = []

    @property
    def step(self) -> int:
        """Generations done."""
        return self.cma.generation

    def run(self, generations: int) -> Iterator[Generation]:
        """Do generations, and yield each; between two the state may be saved."""
        for _ in range(generations):
            number = self.cma.generation
            candidates = self.cma.ask()
            returns = self._returns(candidates, range(number * self.trials, (number + 1) * self.trials)).mean(1)
            self.cma.tell(candidates, -returns)
            validation = np.nan
            if self.cma.generation % self.validate_every == 0:
                validation = float(self._returns(self.cma.mean[None], self.validation).mean())
                self.validated.append(self.cma.mean.copy())
                if validation > self.best_score:
                    self.best, self.best_score = self.cma.mean, validation
            self.history.append(Generation(float(returns.mean()), float(returns.max()), validation))
            yield self.history[-1]

    def _returns(self, weights: np.ndarray, dream_ids: range) -> np.ndarray:
        return dream_returns(self.dreams, torch.from_numpy(weights), self.names, dream_ids)

    def state_dict(self) -> dict:
        """Return all that a later `load_state_dict` needs to go on to the same bits; the model is not in it."""
        return {
            "cma": self.cma.state_dict(),
            "best": self.best.copy(),
            "score": self.best_score,
            "validated": np.array(self.validated, np.float64).reshape(-1, len(self.best)),
            "history": np.array(self.history, np.float64).reshape(-1, len(Generation._fields)),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from an evolution made with the same arguments."""
        self.cma.load_state_dict(state["cma"])
        self.best = state["best"].copy()
        self.best_score = state["score"]
        self.validated = list(state["validated"].copy())
        self.history = [Generation(*row) for row in state["history"].tolist()]
