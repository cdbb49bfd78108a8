"""One-dimensional inverse problems with several right answers, and their exact answer.

Reading guide. Both problems run forward in the same way: draw y uniformly from (0, 1), then x = lower(y) + width(y) · U(0, 1).
Given y, x is uniform on an interval. Asked backwards, "which y gave this x?", there may be three answers, and the average
of them is none. `InverseProblem.density` is Bayes' rule for that question and `mean_kl` scores any model's answer.

    p(y | x) = 1[lower(y) ≤ x ≤ lower(y) + width(y)] / (width(y) · p(x)),     p(x) = ∫ of the same numerator / width dy

p(x) is exact: on each segment where a bounding curve is monotone, the y with curve(y) ≤ x form one interval, whose end is
found by bisection, and 1/width has a closed antiderivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.integrate import tanhsinh

Array = np.ndarray
BISECTIONS = 60  # halvings of a segment shorter than 1: the end is exact to the last bit


@dataclass(frozen=True)
class InverseProblem:
    """Describe y ~ U(0, 1), x = lower(y) + width(y) · U(0, 1), to be inverted.

    Args:
        lower: the smallest x for each y, any shape to the same shape.
        width: length of the interval of x for each y, above 0.
        inverse_width: an antiderivative of 1/width, continuous on 0 … 1.
        turns_lower, turns_upper: where in (0, 1) the curves lower and lower + width turn, ascending.
        mean_log_width: ∫ ln width(y) dy over 0 … 1, in nats.

    Source: the class is ours; see `AUTHOR_TOY` and `BISHOP_INVERSE`.
    """

    lower: Callable[[Array], Array]
    width: Callable[[Array], Array]
    inverse_width: Callable[[Array], Array]
    turns_lower: tuple[float, ...]
    turns_upper: tuple[float, ...]
    mean_log_width: float

    def sample(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw `count` pairs: input x and target y, float64 (count,) each. Swap them for the forward problem."""
        y = rng.random(count)
        return self.lower(y) + self.width(y) * rng.random(count), y

    def input_density(self, x: Array) -> Array:
        """Return p(x), the density of the inputs: float64, shape of `x`; 0 where no y can produce x."""
        x = np.asarray(x, dtype=np.float64)
        below_upper = self._mass_below(self.upper, self.turns_upper, x)
        return np.maximum(self._mass_below(self.lower, self.turns_lower, x) - below_upper, 0.0)

    def density(self, x: Array, y: Array) -> Array:
        """Return the true p(y | x): float64, `x` and `y` broadcast. NaN where p(x) = 0."""
        return np.exp(self.log_density(x, y))

    def log_density(self, x: Array, y: Array) -> Array:
        """Return ln p(y | x) in nats, -inf where y cannot have produced x; otherwise like `density`."""
        x = np.asarray(x, dtype=np.float64)
        y = np.asarray(y, dtype=np.float64)
        p_x = self.input_density(x)
        possible = (y >= 0) & (y <= 1) & (self.lower(y) <= x) & (x <= self.upper(y))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(p_x > 0, np.where(possible, -np.log(self.width(y)) - np.log(p_x), -np.inf), np.nan)

    def upper(self, y: Array) -> Array:
        """Return the largest x for each y."""
        return self.lower(y) + self.width(y)

    @property
    def input_range(self) -> tuple[float, float]:
        """Return the smallest and the largest x that can occur."""
        corners = self._corners
        return float(corners[0]), float(corners[-1])

    @cached_property
    def conditional_entropy(self) -> float:
        """Return h(y | x) averaged over x, in nats: the negative log-likelihood that no model can beat.

        By the chain rule h(y | x) = h(y) + h(x | y) - h(x) = 0 + E[ln width(y)] - h(x); only h(x) is an integral.
        """

        def integrand(x: Array) -> Array:
            p_x = self.input_density(x)
            return -p_x * np.log(np.where(p_x > 0, p_x, 1.0))

        # p(x) bends like a square root at each corner: split there, and a rule that is exact at such ends
        pieces = tanhsinh(integrand, self._corners[:-1], self._corners[1:], rtol=1e-12, atol=1e-14)
        return self.mean_log_width - float(pieces.integral.sum())

    def mean_kl(self, log_density: Callable[[Array, Array], Array], nodes: int = 200) -> float:
        """Return the Kullback-Leibler divergence of a model from the truth, averaged over the inputs.

        E over x of KL(p(y|x) ‖ model) = -h(y|x) - E over (x, y) of ln model(y|x). The second term is an integral over the
        unit square, since y and the noise are uniform: a Gauss-Legendre rule with nodes × nodes/4 points, no sampling.

        Args:
            log_density: the model: takes x and y, float64 (M,) each, and returns ln model(y | x) in nats, (M,).
            nodes: points along y, at least 4. For a mixture whose components are narrower than 1/nodes take more.

        Returns:
            nats, 0 only for the truth itself. It is also the model's expected negative log-likelihood on fresh data minus
            `conditional_entropy`, so that its own number needs no test set.

        Raises:
            ValueError: nodes below 4.

        Source: ours.
        """
        if nodes < 4:
            raise ValueError(f"nodes is {nodes}; it must be at least 4 (200 suits smooth densities)")
        y, weight_y = _unit_rule(nodes)
        noise, weight_noise = _unit_rule(nodes // 4)
        y, noise = (axis.ravel() for axis in np.meshgrid(y, noise, indexing="ij"))
        weight = np.outer(weight_y, weight_noise).ravel()
        cross_entropy = -weight @ np.asarray(log_density(self.lower(y) + self.width(y) * noise, y), dtype=np.float64)
        return float(cross_entropy) - self.conditional_entropy

    @cached_property
    def _corners(self) -> Array:
        """The x, ascending, where p(x) is not smooth: both curves at their ends and turns."""
        lower = self.lower(np.array([0.0, *self.turns_lower, 1.0]))
        upper = self.upper(np.array([0.0, *self.turns_upper, 1.0]))
        corners = np.sort(np.concatenate([lower, upper]))
        return corners[np.append(True, np.diff(corners) > 1e-12)]

    def _mass_below(self, curve: Callable[[Array], Array], turns: tuple[float, ...], x: Array) -> Array:
        """Integrate 1/width over the y with curve(y) ≤ x, one monotone segment after the other."""
        mass = np.zeros_like(x)
        for start, stop in zip((0.0, *turns), (*turns, 1.0), strict=True):
            at_start, at_stop = curve(np.array([start, stop]))
            rising = at_stop > at_start
            left = np.full_like(x, start)
            right = np.full_like(x, stop)
            for _ in range(BISECTIONS):
                middle = 0.5 * (left + right)
                go_right = (curve(middle) <= x) == rising
                left = np.where(go_right, middle, left)
                right = np.where(go_right, right, middle)
            ends = (np.full_like(x, start), left) if rising else (right, np.full_like(x, stop))
            mass += self.inverse_width(ends[1]) - self.inverse_width(ends[0])
        return mass


def _unit_rule(nodes: int) -> tuple[Array, Array]:
    """Gauss-Legendre points and weights on 0 … 1."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (points + 1), 0.5 * weights


def _author_inverse_width(y: Array) -> Array:
    """∫ dy / (0.2 (2 + cos 2πy)), in the form that does not jump at y = 1/2."""
    angle = 2 * np.pi * y
    root = math.sqrt(3)  # √(2² - 1²)
    return (angle - 2 * np.arctan(np.sin(angle) / (2 + root + np.cos(angle)))) / (0.4 * np.pi * root)


# x = sin 2πy + 0.2 · U(0, 1) · (cos 2πy + 2): at x = 0.25 y is near 0, 0.5 or 1.
# Source: the toy of Adeel Mufti's WorldModels code (500 points there). The upper curve is 0.4 + √1.04 sin(2πy + atan 0.2).
_UPPER_TURN = 0.25 - math.atan(0.2) / (2 * math.pi)
AUTHOR_TOY = InverseProblem(
    lower=lambda y: np.sin(2 * np.pi * y),
    width=lambda y: 0.2 * (np.cos(2 * np.pi * y) + 2),
    inverse_width=_author_inverse_width,
    turns_lower=(0.25, 0.75),
    turns_upper=(_UPPER_TURN, _UPPER_TURN + 0.5),
    mean_log_width=math.log(0.2) + math.log(1 + math.sqrt(3) / 2),  # ∫ ln(2 + cos) = ln((2 + √3)/2)
)

# x = y + 0.3 sin 2πy + U(-0.1, 0.1). Source: Bishop 1994 (NCRG/94/004); forward he calls our y x, and our x t.
_BISHOP_TURN = math.acos(-1 / (0.6 * math.pi)) / (2 * math.pi)
BISHOP_INVERSE = InverseProblem(
    lower=lambda y: y + 0.3 * np.sin(2 * np.pi * y) - 0.1,
    width=lambda y: np.full_like(y, 0.2),
    inverse_width=lambda y: 5 * y,
    turns_lower=(_BISHOP_TURN, 1 - _BISHOP_TURN),
    turns_upper=(_BISHOP_TURN, 1 - _BISHOP_TURN),
    mean_log_width=math.log(0.2),
)

PROBLEMS: dict[str, InverseProblem] = {"author": AUTHOR_TOY, "bishop": BISHOP_INVERSE}
