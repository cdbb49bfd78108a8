"""The numbers of notebook 02 that verdicts and figures use, from fits (see `pipeline`) and from the exact densities.

Reading guide. `distances` is what the verdicts judge. `best_single_gaussian` is the best that one component can do. The
functions that end in `_panel` return what one panel or row of a figure shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from wmlib.experiment.statistics import Evidence
from wmlib.lessons.mixture_density.pipeline import AUTHOR, LEAST_SQUARES, LINEAR, SINGLE, FittedDensity, column
from wmlib.lessons.mixture_density.problems import InverseProblem
from wmlib.models.mdn import Mixture

CURVE_POINTS = 121  # inputs at which a curve is drawn
SAMPLES = 500  # of a mixture, in a figure
X_GRID = np.linspace(0.02, 0.98, 97)  # of the density of Bishop's problem
Y_GRID = np.linspace(-0.1, 1.1, 121)
CUT = 33  # index into X_GRID of the cut that is drawn, x = 0.35

Excess = Mapping[tuple[str, int | str], np.ndarray]  # by problem and model (see `pipeline.configs`): (fits,), nats


class Distances(NamedTuple):
    """Mean KL from the truth in nats, and differences of it, taken fit by fit on the same data."""

    width: Evidence  # least squares minus one Gaussian of varying width, Bishop's problem
    pieces: Evidence  # the best single Gaussian, exact, minus the mixture, Bishop's problem
    author: Evidence  # the author's network, trained as he did, on his toy
    linear_loss: Evidence  # mixture without a non-linearity minus mixture with tanh, the author's toy
    mixture: Evidence  # Bishop's problem


def distances(excess: Excess, num_components: int, single_gaussian: float) -> Distances:
    """Return the distances that the verdicts judge, and that of the headline.

    Args:
        excess: of each problem and model.
        num_components: K of the mixture that is judged.
        single_gaussian: `best_single_gaussian` of Bishop's problem.
    """
    mixture = excess["bishop", num_components]
    return Distances(
        width=_mean(excess["bishop", LEAST_SQUARES] - excess["bishop", SINGLE]),
        pieces=_mean(single_gaussian - mixture),
        author=_mean(excess["author", AUTHOR]),
        linear_loss=_mean(excess["author", LINEAR] - excess["author", num_components]),
        mixture=_mean(mixture),
    )


def _mean(values: np.ndarray) -> Evidence:
    return Evidence("mean", {"values": values})


def best_single_gaussian(problem: InverseProblem, nodes: int = 4000) -> float:
    """Return the mean KL of the best density with one Gaussian at each x, in nats: exact conditional mean and variance.

    The cross-entropy of a Gaussian with the true mean and variance is ln(std) + 0.5 ln(2 pi e), whatever the truth's shape.

    Args:
        problem: to be inverted.
        nodes: of a regular grid over x; a quarter as many over y.
    """
    x = np.linspace(*problem.input_range, nodes + 2)[1:-1]
    y = (np.arange(nodes // 4) + 0.5) / (nodes // 4)
    p_x = problem.input_density(x)
    possible = (problem.lower(y) <= x[:, None]) & (x[:, None] <= problem.upper(y))
    weight = np.where(possible, 1 / problem.width(y), 0.0)  # proportional to p(y | x), (nodes, nodes / 4)
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-300)
    mean = (weight * y).sum(1)
    std = np.sqrt((weight * (y - mean[:, None]) ** 2).sum(1))
    positive = std > 0
    entropy = np.log(std[positive]) + 0.5 * math.log(2 * math.pi * math.e)
    return float((p_x[positive] * entropy).sum() / p_x[positive].sum()) - problem.conditional_entropy


def step_rows(excess: Excess, problem: str, num_components: int, single_gaussian: float) -> list[dict]:
    """Return the rows of one panel for `figures.draw_steps`, from the coarsest answer to the finest.

    Args:
        excess: of each problem and model.
        problem: its name.
        num_components: K of the mixture.
        single_gaussian: of `best_single_gaussian`.
    """
    models: dict[str, int | str] = {
        "least squares": LEAST_SQUARES,
        "one Gaussian,\nvarying width": SINGLE,
        f"mixture of {num_components}": num_components,
        "the same without\na non-linearity": LINEAR,
        "the author's network,\ntrained as there": AUTHOR,
    }
    rows = []
    for label, model in models.items():
        if (problem, model) in excess:
            fits = excess[problem, model]
            rows.append({"label": label, "fits": fits, **_mean(fits).estimate()._asdict()})
    rows.insert(2, {"label": "best single Gaussian,\nexact", "fits": [], "value": single_gaussian})
    return rows


def excess_panel(excess: Excess, problem: str, counts: Sequence[int], single_gaussian: float) -> dict:
    """Return one panel for `figures.draw_excess`.

    Args:
        excess: of each problem and model.
        problem: its name.
        counts: numbers of components of the mixtures.
        single_gaussian: of `best_single_gaussian`.
    """
    return {
        "components": counts,
        "excess": [excess[problem, count] for count in counts],
        "least_squares": excess[problem, LEAST_SQUARES],
        "single_gaussian": single_gaussian,
    }


def fit_panel(
    problem: InverseProblem,
    least_squares: FittedDensity,
    densities: Mapping[str, FittedDensity],
    points: int,
    data_rng: np.random.Generator,
    input_rng: np.random.Generator,
    generator: torch.Generator,
) -> dict:
    """Return one row for `figures.draw_fits`.

    Args:
        problem: what was fitted.
        least_squares: a fit to it.
        densities: other fits to it, by name.
        points: data points to show.
        data_rng: of these data.
        input_rng: of the inputs at which the densities are sampled.
        generator: of their samples.

    Returns:
        x, y (points,); grid, line (G,): the least-squares curve; samples: by name x, y (500,), and impossible, the proportion
        of them that cannot occur.
    """
    x, y = problem.sample(points, data_rng)
    grid = np.linspace(*problem.input_range, CURVE_POINTS)
    inputs = problem.sample(SAMPLES, input_rng)[0]
    samples = {}
    for name, fitted in densities.items():
        drawn = fitted.mixture(inputs).sample(generator)[:, 0].numpy()
        impossible = float((problem.density(inputs, drawn) == 0).mean())
        samples[name] = {"x": inputs, "y": drawn, "impossible": impossible}
    return {"x": x, "y": y, "grid": grid, "line": least_squares.mixture(grid).mean()[:, 0], "samples": samples}


def component_panel(problem: InverseProblem, fitted: FittedDensity) -> dict:
    """Return one panel for `figures.draw_components`: grid (G,), and weights, means, stds (G, K) of the components on it."""
    grid = np.linspace(*problem.input_range, CURVE_POINTS)
    mixture = fitted.mixture(grid)
    return {
        "grid": grid,
        "weights": mixture.weights()[..., 0],
        "means": mixture.means[..., 0],
        "stds": mixture.log_stds.exp()[..., 0],
    }


def linear_panel(problem: InverseProblem, linear: FittedDensity, generator: torch.Generator) -> dict:
    """Return the first panel for `figures.draw_public`: x, y (500,), samples at a regular grid of inputs."""
    x = np.linspace(*problem.input_range, SAMPLES)
    return {"x": x, "y": linear.mixture(x).sample(generator)[:, 0]}


def true_density(problem: InverseProblem, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the true p(y | x) on a grid, (G, H); x (G,), y (H,)."""
    return problem.density(x[:, None], y)


def model_density(fitted: FittedDensity, x: np.ndarray, y: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the density of a fit on a grid, float32 (G, H).

    Args:
        fitted: a fit.
        x, y: (G,), (H,).
        temperature: above 0: logits are divided by it, widths multiplied by its square root.
    """
    xs, ys = (axis.ravel() for axis in np.meshgrid(x, y, indexing="ij"))
    mixture = fitted.mixture(xs)
    cooled = Mixture(mixture.logits / temperature, mixture.means, mixture.log_stds + 0.5 * math.log(temperature))
    return cooled.log_prob(column(ys)).exp().numpy().reshape(len(x), len(y))


def density_panel(problem: InverseProblem, fitted: FittedDensity) -> dict:
    """Return what `figures.draw_density` shows: x (G,), y (H,), true and model (G, H), cut, an index into x."""
    return {
        "x": X_GRID,
        "y": Y_GRID,
        "cut": CUT,
        "true": true_density(problem, X_GRID, Y_GRID).round(2),
        "model": model_density(fitted, X_GRID, Y_GRID).astype(float).round(2),
    }


def mass_below(panel: Mapping, limit: float) -> dict[str, float]:
    """Return the probability of y below a limit at the cut of a stored density, by "true" and "model".

    Args:
        panel: of `density_panel`, stored or not.
        limit: value of y.
    """
    y = np.asarray(panel["y"])
    step = y[1] - y[0]
    return {name: float(np.asarray(panel[name])[panel["cut"]][y < limit].sum() * step) for name in ("true", "model")}
