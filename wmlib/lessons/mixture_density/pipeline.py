"""Fit the toy networks many times and measure how far they are from the exact answer.

Reading guide: `fit` trains one network, `excess` measures one, `fit_many` does both for a list of generators in parallel.
`summed_densities` is a well-known slip, kept here to be looked at.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import Tensor

from wmlib.models.mdn import Mixture
from wmlib.lessons.mixture_density.regressor import ToyNetwork, Trainer, negative_log_likelihood, squared_error
from wmlib.lessons.mixture_density.problems import AUTHOR_TOY, BISHOP_INVERSE, InverseProblem

# Least squares bends slowly: at the mixture's rate and length it would still be nearly straight, and look worse than it is.
# (At its rate the mixture's bells die.)
MIXTURE_RATE, LEAST_SQUARES_RATE, LEAST_SQUARES_STEPS = 5e-3, 5e-2, 4

PROBLEMS: dict[str, InverseProblem] = {"author": AUTHOR_TOY, "bishop": BISHOP_INVERSE}


def column(values: np.ndarray) -> Tensor:
    """Return values (M,) as a float32 column (M, 1)."""
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)[:, None]


def least_squares_mixture(prediction: Tensor, std: float) -> Mixture:
    """Return the density that least squares stands for: one bell around the prediction, of the same width everywhere."""
    log_stds = torch.full_like(prediction, math.log(std)).unsqueeze(-2)
    return Mixture(torch.zeros_like(log_stds), prediction.unsqueeze(-2), log_stds)


class Fit:
    """A trained network as a density: `fit.mixture(x)` for inputs (M,), for the mixture network and for least squares alike."""

    def __init__(self, network: ToyNetwork, std: float | None) -> None:
        self.network, self.std = network.eval(), std

    @torch.no_grad()
    def mixture(self, x: np.ndarray) -> Mixture:
        answer = self.network(column(x))
        return answer if self.std is None else least_squares_mixture(answer, self.std)

    def excess(self, problem: InverseProblem) -> float:
        """Return the mean KL divergence of the fit from the true conditional density, in nats."""

        def log_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return self.mixture(x).log_prob(column(y)).double().numpy()

        return problem.mean_kl(log_density)


def best_single_bell(problem: str, nodes: int = 4000) -> float:
    """Return the mean KL of the best density with one bell at each x, in nats: exact conditional mean and variance.

    The cross-entropy of a bell with the true mean and variance is ln(std) + 0.5 ln(2 pi e), whatever the truth's shape.
    """
    truth = PROBLEMS[problem]
    x = np.linspace(*truth.input_range, nodes + 2)[1:-1]
    y = (np.arange(nodes // 4) + 0.5) / (nodes // 4)
    p_x = truth.input_density(x)
    possible = (truth.lower(y) <= x[:, None]) & (x[:, None] <= truth.upper(y))
    weight = np.where(possible, 1 / truth.width(y), 0.0)  # proportional to p(y | x), (nodes, nodes / 4)
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-300)
    mean = (weight * y).sum(1)
    std = np.sqrt((weight * (y - mean[:, None]) ** 2).sum(1))
    known = std > 0
    entropy = np.log(std[known]) + 0.5 * math.log(2 * math.pi * math.e)
    return float((p_x[known] * entropy).sum() / p_x[known].sum()) - truth.conditional_entropy


def fit(
    problem: str, components: int, seeds: tuple[int, int], points: int, hidden: int, steps: int, nonlinearity: str = "tanh"
) -> Fit:
    """Train one network on fresh data.

    Args:
        problem: "author" or "bishop".
        components: K; 0 for least squares, whose one width is then the training error's (and which takes 4 times the steps).
        seeds: of the data and of the initial weights.
        points, hidden, steps: training pairs, hidden units, steps of Adam.
        nonlinearity: "tanh", or "none" as in the public toy.
    """
    torch.set_num_threads(1)
    x, y = PROBLEMS[problem].sample(points, np.random.default_rng(seeds[0]))
    generator = torch.Generator().manual_seed(seeds[1])
    network = ToyNetwork(components, generator=generator, hidden=hidden, nonlinearity=nonlinearity)
    if components:
        trainer = Trainer(network, negative_log_likelihood, column(x), column(y), steps=steps, learning_rate=MIXTURE_RATE)
    else:
        longer = LEAST_SQUARES_STEPS * steps
        trainer = Trainer(network, squared_error, column(x), column(y), steps=longer, learning_rate=LEAST_SQUARES_RATE)
    losses = trainer.run()
    return Fit(network, None if components else math.sqrt(float(losses[-1])))


def fit_many(problem: str, components: int, seeds: Sequence[tuple[int, int]], **numbers) -> dict:
    """Fit once a pair of seeds, in parallel processes.

    Returns:
        excess (fits,): mean KL from the truth in nats; weights, std: the first fit, for pictures.
    """

    def one(pair: tuple[int, int]) -> tuple[float, dict, float | None]:
        made = fit(problem, components, pair, **numbers)
        return made.excess(PROBLEMS[problem]), made.network.state_dict(), made.std

    jobs = -1 if numbers["steps"] >= 500 else 1  # processes take seconds to start
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")  # joblib takes loading torch for a memory leak
        excess, weights, stds = zip(*Parallel(n_jobs=jobs)(delayed(one)(pair) for pair in seeds), strict=True)
    return {"excess": np.array(excess), "weights": dict(weights[0]), "std": stds[0]}


def restore(stored: dict, components: int, hidden: int, nonlinearity: str = "tanh") -> Fit:
    """Return the first fit of `fit_many` again, from its stored weights."""
    network = ToyNetwork(components, generator=torch.Generator(), hidden=hidden, nonlinearity=nonlinearity)
    network.load_state_dict(stored["weights"])
    return Fit(network, stored["std"])


def summed_densities(mixture: Mixture, y: Tensor) -> Tensor:
    """Return a wrong loss for several dimensions: -ln of the *sum* of their densities, in place of the sum of -ln.

    A sum is ruled by its largest term, the dimension that is easiest to predict; the others learn only where their own density
    is comparable.

    Source: a public MDN-RNN, where the densities are summed over dimensions before the logarithm.
    """
    return -torch.logsumexp(mixture.marginal_log_prob(y), -1).mean()


def two_dimensions(right: bool, seeds: tuple[int, int], points: int, components: int, hidden: int, steps: int) -> dict:
    """Fit a target of two dimensions, one easy (x itself, with noise 0.02) and one hard (the author's toy).

    Args:
        right: with the right loss, or with `summed_densities`.

    Returns:
        excess: mean KL of the hard dimension from the truth, in nats; x, hard (500,): a sample of it.
    """
    rng = np.random.default_rng(seeds[0])
    x, y = AUTHOR_TOY.sample(points, rng)
    target = torch.cat([column(x + 0.02 * rng.standard_normal(points)), column(y)], 1)
    generator = torch.Generator().manual_seed(seeds[1])
    network = ToyNetwork(components, generator=generator, hidden=hidden, dimensions=2)
    Trainer(network, negative_log_likelihood if right else summed_densities, column(x), target, steps=steps).run()

    @torch.no_grad()
    def log_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return network(column(x)).marginal_log_prob(column(y).expand(-1, 2))[:, 1].double().numpy()

    inputs = AUTHOR_TOY.sample(500, rng)[0]
    with torch.no_grad():
        drawn = network(column(inputs)).sample(generator)
    return {"excess": AUTHOR_TOY.mean_kl(log_density), "x": inputs, "hard": drawn[:, 1].numpy()}
