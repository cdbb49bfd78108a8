"""CMA-ES: minimise a function of N numbers by asking for points and telling their values.

Reading guide. Read `CMAES.ask` (three lines: draw a population from a Gaussian) and `CMAES.tell` (twenty lines: move
the Gaussian's mean, its step size and its shape); they are the whole method. Then `CMAES.__init__` for the constants,
and `_decompose`, which keeps the costly step rare. `minimise`, next door, puts a budget, a target and restarts around it.

Symbols are those of Hansen, "The CMA Evolution Strategy: A Tutorial" (arXiv 1604.00772); a number in parentheses at the
end of a line is the tutorial's equation. N dimension, P population (the tutorial's lambda), mu parents. float64 only.
"""

import math
import statistics
from numbers import Integral

import numpy as np


class CMAES:
    """Search with a Gaussian N(mean, sigma^2 C) whose shape C follows the steps that succeeded.

    Args:
        mean: (N,), where to start; finite.
        sigma: first step size, > 0. The optimum should lie within about three sigma of `mean` in each coordinate.
        population: P, points a generation, >= 2. Default 4 + floor(3 ln N).
        parents: how many of the best points make the next generation: a number (int, 1..P) or a fraction of the
            population (float in (0, 1]). "mu = 0.25" of a population of 64 is `parents=0.25`, i.e. 16.
        rng: where all randomness comes from; its state is part of `state_dict`.

    Attributes:
        population, parents, generation, evaluations: int, as above, and told so far.
        weights, mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi_N: the constants, by the tutorial's names.
        p_sigma, p_c: (N,), the two evolution paths.

    Raises:
        ValueError: for an argument outside its range.

    Source: Hansen 2023, arXiv 1604.00772 (v2), figure 6 and table 1, without negative weights; weights for a chosen mu,
        and when to decompose C, as in Hansen's purecmaes.m.
    Differs: points are mean + sigma C^(1/2) z with the symmetric root B D B^T in place of B D (39, 40). Both are
        N(mean, sigma^2 C); ours does not hang on the sign and order in which LAPACK returns eigenvectors, so a seed
        gives the same run, up to rounding, on another machine.
        The toy's public code follows purecmaes.m, whose (58) lacks the 1/4; with it we need as many evaluations as pycma.

    Example:
        >>> search = CMAES(mean=[3.0, -2.0], sigma=1.0, rng=np.random.default_rng(0))
        >>> while search.best_f > 1e-9:
        ...     x = search.ask()                       # (P, N)
        ...     search.tell(x, (x**2).sum(axis=1))     # the sphere
        >>> bool(np.abs(search.best_x).max() < 1e-4)
        True
    """

    def __init__(self, mean, sigma, population=None, parents=0.5, *, rng: np.random.Generator):
        mean = _checked_start(mean, sigma, rng)
        N = mean.size
        if population is None:
            population = 4 + int(3 * math.log(N))  # (48)
        if not isinstance(population, Integral) or population < 2:
            raise ValueError(f"population must be a whole number >= 2, got {population}")
        P = int(population)
        mu_0 = _number_of_parents(parents, P)

        # Selection and recombination
        mu = int(mu_0)
        w = math.log(mu_0 + 0.5) - np.log(np.arange(1, mu + 1))  # (49), where mu_0 = P / 2
        w /= w.sum()  # (53)
        mu_eff = 1 / float(w @ w)  # (8)
        assert np.all(w > 0) and np.all(np.diff(w) < 0) and 1 - 1e-9 <= mu_eff <= mu + 1e-9
        # Step-size control
        c_sigma = (mu_eff + 2) / (N + mu_eff + 5)  # (55)
        d_sigma = 1 + 2 * max(0.0, math.sqrt(max(0.0, mu_eff - 1) / (N + 1)) - 1) + c_sigma  # (55)
        chi_N = math.sqrt(N) * (1 - 1 / (4 * N) + 1 / (21 * N**2))  # E||N(0, I)||
        assert 0 < c_sigma < 1 <= d_sigma
        # Covariance matrix adaptation
        c_c = (4 + mu_eff / N) / (N + 4 + 2 * mu_eff / N)  # (56)
        c_1 = 2 / ((N + 1.3) ** 2 + mu_eff)  # (57)
        c_mu = min(1 - c_1, 2 * (1 / 4 + mu_eff - 2 + 1 / mu_eff) / ((N + 2) ** 2 + mu_eff))  # (58)
        assert 0 < c_c <= 1 and 0 < c_1 < 1 and 0 <= c_mu <= 1 - c_1

        self.population = int(P)
        self.parents = mu
        self.weights = w
        self.mu_eff = mu_eff
        self.c_sigma, self.d_sigma, self.c_c, self.c_1, self.c_mu, self.chi_N = c_sigma, d_sigma, c_c, c_1, c_mu, chi_N
        self._rank_mu_scale = np.sqrt(c_mu * w)[:, None]  # (mu, 1)
        self._gap = 1 / (10 * N * (c_1 + c_mu))  # generations for which B and D may stand; purecmaes.m
        self._window = 10 + math.ceil(30 * N / P)  # generations that TolFun and EqualFunValues look back

        self.generation = self.evaluations = self._decomposed_at = 0
        self.p_sigma = np.zeros(N)
        self.p_c = np.zeros(N)
        self._mean = mean
        self._sigma = float(sigma)
        self._sigma_0 = float(sigma)
        self._C = np.eye(N)  # C = B diag(D^2) B^T
        self._B = np.eye(N)
        self._D = np.ones(N)
        self._pending: list[tuple[float, np.ndarray]] = []  # updates of C since then: (decay, rows)
        self._best_x = mean.copy()
        self._best_f = math.inf
        self._history: list[tuple[float, float, float]] = []  # best, median, worst of each generation
        self._rng = rng

    def ask(self) -> np.ndarray:
        """Draw a population.

        Returns:
            (P, N) float64, one point a row.
        """
        z = self._rng.standard_normal((self.population, self._mean.size))  # (P, N) (38)
        y = (z @ self._B * self._D) @ self._B.T  # ~ N(0, C) (39)
        return self._mean + self._sigma * y  # (40)

    @np.errstate(over="ignore", divide="ignore", invalid="ignore")  # the FloatingPointError below says it better
    def tell(self, solutions, fitness) -> None:
        """Learn from the values of a population.

        Only the order of the values counts. `tell` looks at the points alone, not at who drew them: they may come in
        any order, be repaired (clipped to bounds), or be put in by hand. A point far outside the Gaussian is believed
        as it stands and makes sigma leap; keep such points within a few sigma.

        Args:
            solutions: (P, N), finite.
            fitness: (P,), lower is better; +inf marks a point that failed.

        Raises:
            ValueError: wrong shapes, a solution that is not finite, a fitness that is NaN or -inf.
            FloatingPointError: sigma has left the range of float64; `stop_reasons` would have said so long before.
        """
        x = np.asarray(solutions, dtype=float)
        if x.shape != (self.population, self._mean.size):
            raise ValueError(f"solutions must have shape {(self.population, self._mean.size)} (P, N), got {x.shape}")
        if not np.isfinite(x).all():
            raise ValueError("solutions must be finite, got inf or NaN; stop when stop_reasons() is not empty")
        f = checked_fitness(fitness, self.population)
        order = np.argsort(f, kind="stable")
        self._remember(x, f, order)

        y = (x[order[: self.parents]] - self._mean) / self._sigma  # (mu, N), best first (40)
        y_w = self.weights @ y  # (41)
        self._mean = self._mean + self._sigma * y_w  # (42), c_m = 1

        # Path of the whitened steps: longer than a random walk's means that steps agree, so sigma may grow.
        c_sigma, c_c, c_1 = self.c_sigma, self.c_c, self.c_1
        gain_sigma, gain_c = (math.sqrt(c * (2 - c) * self.mu_eff) for c in (c_sigma, c_c))
        whitened = self._B @ (y_w @ self._B / self._D)  # C^(-1/2) y_w
        self.p_sigma = (1 - c_sigma) * self.p_sigma + gain_sigma * whitened  # (43)
        length = math.sqrt(self.p_sigma @ self.p_sigma)
        steady = length / math.sqrt(1 - (1 - c_sigma) ** (2 * self.generation))
        h_sigma = steady < (1.4 + 2 / (self._mean.size + 1)) * self.chi_N  # else p_sigma is too long: stall p_c
        self._sigma *= float(np.exp(c_sigma / self.d_sigma * (length / self.chi_N - 1)))  # (44)
        if not 0 < self._sigma < math.inf:
            raise FloatingPointError(f"sigma has become {self._sigma}; stop when stop_reasons() is not empty")

        # C <- decay C + c_1 p_c p_c^T + c_mu sum_i w_i y_i y_i^T = decay C + rows^T rows. (47)
        self.p_c = (1 - c_c) * self.p_c + h_sigma * gain_c * y_w  # (45)
        decay = 1 - c_1 - self.c_mu + (1 - h_sigma) * c_1 * c_c * (2 - c_c)
        rows = np.empty((1 + self.parents, self._mean.size))
        rows[0] = math.sqrt(c_1) * self._rank_one_direction()
        np.multiply(self._rank_mu_scale, y, out=rows[1:])
        self._pending.append((decay, rows))
        if self.generation - self._decomposed_at > self._gap:
            self._decompose()

    def _rank_one_direction(self) -> np.ndarray:
        """Return the v (N,) whose outer product v v^T is learned: p_c. A place to try something else."""
        return self.p_c

    def _remember(self, x: np.ndarray, f: np.ndarray, order: np.ndarray) -> None:
        best = order[0]
        median = order[self.population // 2]
        worst = order[-1]
        if f[best] < self._best_f:
            self._best_x = x[best].copy()
            self._best_f = float(f[best])
        self._history.append((float(f[best]), float(f[median]), float(f[worst])))
        del self._history[:-20_000]  # as far back as Stagnation looks
        self.generation += 1
        self.evaluations += self.population

    def _decompose(self) -> None:
        """Bring C up to date and factor it, C = B diag(D^2) B^T: O(N^3), so done once in `_gap` generations."""
        self._C = self.covariance
        self._pending = []
        eigenvalues, self._B = np.linalg.eigh(self._C)  # ascending
        lift = eigenvalues[-1] * 1e-15 - eigenvalues[0]
        if lift > 0:  # rounding has made C singular; ConditionCov asks to stop well before
            self._C[np.diag_indices_from(self._C)] += lift
            eigenvalues += lift
        self._D = np.sqrt(eigenvalues)
        self._decomposed_at = self.generation

    @property
    def mean(self) -> np.ndarray:
        """(N,), centre of the Gaussian: often a better answer than `best_x` when values are noisy."""
        return self._mean.copy()

    @property
    def sigma(self) -> float:
        """Step size."""
        return self._sigma

    @property
    def covariance(self) -> np.ndarray:
        """C (N, N), up to date: all updates since it was last factored, applied in one pass."""
        scale = 1.0
        stack = []
        for decay, rows in reversed(self._pending):
            stack.append(math.sqrt(scale) * rows)
            scale *= decay
        if not stack:
            return self._C.copy()
        rows = np.concatenate(stack)
        C = rows.T @ rows  # NumPy sees the same matrix twice: half the work, exactly symmetric
        C += scale * self._C
        return C

    @property
    def best_x(self) -> np.ndarray:
        """(N,), best point told so far (the start, until there is one)."""
        return self._best_x.copy()

    @property
    def best_f(self) -> float:
        """Its value (+inf, until there is one)."""
        return self._best_f

    def stop_reasons(self) -> list[str]:
        """Name the reasons to stop that hold now; none is acted on here.

        Returns:
            Names, [] while the search makes progress:
            NoEffectAxis, NoEffectCoord (steps vanish in the rounding of `mean`), ConditionCov (C worse than 1e14),
            EqualFunValues, TolFun (best values of the last 10 + 30 N / P generations equal, or within 1e-12),
            Stagnation (best and median no better than long ago), TolX (steps below 1e-12 of the first sigma),
            TolXUp (steps above 1e4 of it).

        Source: tutorial, appendix B.3.
        """
        m = self._mean
        sigma = self._sigma
        axis = self.generation % self._mean.size
        std = sigma * np.sqrt(self._C.diagonal())
        tol_x = 1e-12 * self._sigma_0
        best = [best for best, _, _ in self._history[-self._window :]]
        looked_back = len(best) == self._window
        worst = max(*best, self._history[-1][2]) if best else math.inf
        met = {
            "NoEffectAxis": np.array_equal(m, m + 0.1 * sigma * self._D[axis] * self._B[:, axis]),
            "NoEffectCoord": (m == m + 0.2 * std).any(),
            "ConditionCov": (self._D[-1] / self._D[0]) ** 2 > 1e14,
            "EqualFunValues": looked_back and max(best) == min(best),
            "Stagnation": self._stagnates(),
            "TolXUp": sigma * self._D[-1] > 1e4 * self._sigma_0,
            "TolFun": looked_back and worst - min(best) < 1e-12,
            "TolX": (std < tol_x).all() and (sigma * np.abs(self.p_c) < tol_x).all(),
        }
        return [name for name, holds in met.items() if holds]

    def _stagnates(self) -> bool:
        """Compare the medians of the newest and the oldest 30% of the last fifth of the run."""
        shortest = 120 + math.ceil(30 * self._mean.size / self.population)
        if self.generation < shortest:
            return False
        past = self._history[-max(shortest, self.generation // 5) :]
        best, median, _ = zip(*past, strict=True)
        part = int(0.3 * len(past))
        return all(statistics.median(v[-part:]) >= statistics.median(v[:part]) for v in (best, median))

    def state_dict(self) -> dict:
        """Copy everything that determines the rest of the run, the generator included.

        Returns:
            A dict of dicts, lists, strings, numbers and NumPy arrays; `load_state_dict` continues from it to the bit.
        """
        return {
            "population": self.population,
            "parents": self.parents,
            "generation": self.generation,
            "evaluations": self.evaluations,
            "decomposed_at": self._decomposed_at,
            "weights": self.weights.copy(),
            "mean": self.mean,
            "sigma": self._sigma,
            "sigma_0": self._sigma_0,
            "p_sigma": self.p_sigma.copy(),
            "p_c": self.p_c.copy(),
            "C": self._C.copy(),
            "B": self._B.copy(),
            "D": self._D.copy(),
            "pending": [{"decay": decay, "rows": rows.copy()} for decay, rows in self._pending],
            "best_x": self.best_x,
            "best_f": self._best_f,
            "history": np.array(self._history).reshape(-1, 3),
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`; this search must have been made with the same N, population and parents.

        Raises:
            ValueError: the state is of a search of another size.
        """
        ours = (self._mean.size, self.population, self.parents)
        theirs = (len(state["mean"]), state["population"], state["parents"])
        if ours != theirs or not np.array_equal(self.weights, state["weights"]):
            raise ValueError(f"state has (N, population, parents) = {theirs}, this search has {ours}; make it alike")
        self._rng.bit_generator.state = state["rng"]
        self.generation = state["generation"]
        self.evaluations = state["evaluations"]
        self._decomposed_at = state["decomposed_at"]
        self._sigma = state["sigma"]
        self._sigma_0 = state["sigma_0"]
        self._best_f = state["best_f"]
        self._mean = state["mean"].copy()
        self._best_x = state["best_x"].copy()
        self.p_sigma = state["p_sigma"].copy()
        self.p_c = state["p_c"].copy()
        self._C = state["C"].copy()
        self._B = state["B"].copy()
        self._D = state["D"].copy()
        self._pending = [(update["decay"], update["rows"].copy()) for update in state["pending"]]
        self._history = [tuple(values) for values in state["history"].tolist()]


def _checked_start(mean, sigma, rng) -> np.ndarray:
    mean = np.array(mean, dtype=float)
    if mean.ndim != 1 or mean.size == 0 or not np.isfinite(mean).all():
        raise ValueError(f"mean must be a finite vector (N,), N >= 1, got shape {mean.shape}: {mean}")
    if not (np.ndim(sigma) == 0 and 0 < sigma < np.inf):
        raise ValueError(f"sigma must be one finite number > 0, got {sigma}; scale the coordinates if they differ")
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator, got {rng!r}; try numpy.random.default_rng(seed)")
    return mean


def _number_of_parents(parents, population: int) -> float:
    """Return mu before it is cut to a whole number: the weights of (49) use P / 2 itself."""
    if isinstance(parents, Integral) and not isinstance(parents, bool) and 1 <= int(parents) <= population:
        return float(parents)
    if isinstance(parents, float) and 0 < parents <= 1:
        return max(1.0, round(parents * population, 9))  # rounded, as 0.29 * 100 is a little less than 29
    raise ValueError(f"parents must be a number (int, 1..{population}) or a fraction (float in (0, 1]), got {parents!r}")


def checked_fitness(fitness, population: int) -> np.ndarray:
    """Return `fitness` as float64 (P,), or raise ValueError: +inf is a value, NaN and -inf are not."""
    f = np.asarray(fitness, dtype=float)
    if f.shape != (population,):
        raise ValueError(f"fitness must have shape {(population,)}, one value a solution, got {f.shape}")
    if not (f > -np.inf).all():
        raise ValueError("fitness must not be NaN or -inf; give a failed solution +inf, the worst value")
    return f
