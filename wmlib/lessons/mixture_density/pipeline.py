"""The pipeline of notebook 02: fit the toy networks many times and measure how far they are from the exact answer.

Reading guide. `FitConfig` describes one network and its problem; `search` finds the learning rate of each kind of model, by
the same small search; `configs` lists the models of the notebook. `fit` trains one network and returns a `FittedDensity`;
`fit_many` does so for several pairs of seeds in parallel. `fit_two_dimensions` fits a target of two dimensions with any loss;
`summed_densities` is a well-known slip, to be compared with the right loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.lessons.mixture_density.problems import AUTHOR_TOY, PROBLEMS, InverseProblem
from wmlib.lessons.mixture_density.regressor import ToyNetwork, negative_log_likelihood, squared_error, train
from wmlib.models.mdn import Mixture
from wmlib.training.jobs import parallel_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

LEAST_SQUARES = "least squares"
SINGLE = 1  # one Gaussian, whose width varies with x
LINEAR = "linear"  # a mixture without a non-linearity
AUTHOR = "author"  # that of the author's toy, at its size and trained as there
LRS = (0.005, 0.02, 0.05)  # learning rates of the search
SEARCH_SEEDS = "search"  # name of the generators whose seeds are used for nothing else
PARALLEL_FROM = 500  # steps of a fit; processes take seconds to start
EASY_STD = 0.02  # of the noise in the easy one of two dimensions
SAMPLES = 500  # of a fit of two dimensions, in a figure

Loss = Callable[[Mixture, Tensor], Tensor]


@dataclass(frozen=True)
class FitConfig:
    """Describe a network, its problem and its training, the seeds aside.

    Args:
        problem: one of `PROBLEMS`.
        num_components: K; 0 for least squares.
        points: training pairs.
        hidden_size: units of the hidden layer.
        steps: of Adam, each on all training pairs.
        lr: learning rate at the first step.
        nonlinearity: "tanh", or "none" as in the public toy.
        batch_size: pairs in a step; None: all (see `train`).
    """

    problem: str
    num_components: int
    points: int
    hidden_size: int
    steps: int
    lr: float
    nonlinearity: str = "tanh"
    batch_size: int | None = None

    def build(self, generator: torch.Generator, target_size: int = 1) -> ToyNetwork:
        """Make the network, its weights drawn by the generator."""
        return ToyNetwork(
            self.num_components,
            generator=generator,
            hidden_size=self.hidden_size,
            nonlinearity=self.nonlinearity,
            target_size=target_size,
        )

    def train(
        self, network: ToyNetwork, loss: Callable[..., Tensor], x: Tensor, y: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Train a network in place and return the loss before each step, (steps,)."""
        return train(network, loss, x, y, self.steps, self.lr, self.batch_size, generator)


def kinds_of_model(settings: Any, problem: str) -> dict[int | str, FitConfig]:
    """Return the four kinds of model that are searched alike: least squares, one Gaussian, a mixture, one without tanh.

    Args:
        settings: the notebook's, resolved.
        problem: one of `PROBLEMS`.
    """

    def kind(num_components: int, nonlinearity: str = "tanh") -> FitConfig:
        return FitConfig(problem, num_components, settings.points, settings.hidden_size, settings.steps, LRS[0], nonlinearity)

    count = settings.num_components
    return {LEAST_SQUARES: kind(0), SINGLE: kind(SINGLE), count: kind(count), LINEAR: kind(count, "none")}


def search(run: Run, settings: Any, problem: str) -> dict[int | str, dict[float, float]]:
    """Try learning rates for each kind of model, on data and initial weights that are used for nothing else.

    Args:
        run: its cache keeps the fits.
        settings: the notebook's, resolved; the first `search_lrs` of `LRS` are tried with `search_fits` fits each.
        problem: one of `PROBLEMS`.

    Returns:
        by kind and learning rate, the mean over fits of the mean KL from the truth, in nats.
    """
    seeds = draw_seeds(run, f"{SEARCH_SEEDS} {problem}", settings.search_fits)
    table: dict[int | str, dict[float, float]] = {}
    for kind, config in kinds_of_model(settings, problem).items():
        tried = LRS[: settings.search_lrs]
        table[kind] = {lr: float(run.cached(fit_many, replace(config, lr=lr), seeds)["excess"].mean()) for lr in tried}
    return table


def configs(
    settings: Any, problem: str, counts: Iterable[int], searched: Mapping[int | str, Mapping[float, float]]
) -> dict[int | str, FitConfig]:
    """Return what notebook 02 fits to a problem, by model.

    Args:
        settings: the notebook's, resolved.
        problem: one of `PROBLEMS`.
        counts: numbers of components K of the mixtures.
        searched: of `search`; each kind has the learning rate that came nearest to the truth, mixtures of any K the same.

    Returns:
        `LEAST_SQUARES`, each K of `counts`, and `LINEAR`, which has `settings.num_components`; on the author's toy also
        `AUTHOR`: his network, batches and constant learning rate, not searched.
    """
    kinds: dict[int | str, FitConfig] = {
        kind: replace(config, lr=min(searched[kind], key=searched[kind].__getitem__))
        for kind, config in kinds_of_model(settings, problem).items()
    }
    models: dict[int | str, FitConfig] = {LEAST_SQUARES: kinds[LEAST_SQUARES]}
    for count in counts:
        models[count] = replace(kinds[SINGLE if count == SINGLE else settings.num_components], num_components=count)
    models[LINEAR] = kinds[LINEAR]
    if problem == "author":
        batch_size = min(100, settings.points)
        models[AUTHOR] = FitConfig(problem, 5, settings.points, 256, settings.author_steps, 0.001, "none", batch_size)
    return models


class FitSeeds(NamedTuple):
    """Seeds of one fit: of its data, and of its initial weights."""

    data: int
    init: int


def draw_seeds(run: Run, problem: str, fits: int) -> list[FitSeeds]:
    """Draw the seeds of the fits to a problem; they, and so the data, are the same for all models.

    Args:
        run: its seed determines them.
        problem: one of `PROBLEMS`.
        fits: how many.
    """
    return [
        FitSeeds(
            data=int(run.rng("data", problem, i).integers(2**31)),
            init=int(run.rng("init", problem, i).integers(2**31)),
        )
        for i in range(fits)
    ]


class FittedDensity:
    """A trained network as a density, for the mixture network and for least squares alike.

    Args:
        network: trained.
        std: for least squares, the one width of its density; None for a mixture.
    """

    def __init__(self, network: ToyNetwork, std: float | None) -> None:
        self.network = network.eval()
        self.std = std

    @torch.no_grad()
    def mixture(self, x: np.ndarray) -> Mixture:
        """Return the density of y at inputs (M,): a mixture over (M, 1)."""
        output = self.network(column(x))
        return output if self.std is None else least_squares_mixture(output, self.std)

    def excess(self, problem: InverseProblem) -> float:
        """Return the mean KL divergence of the fit from the true conditional density, in nats."""

        def log_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return self.mixture(x).log_prob(column(y)).double().numpy()

        return problem.mean_kl(log_density)


def column(values: np.ndarray) -> Tensor:
    """Return values (M,) as a float32 column (M, 1)."""
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)[:, None]


def least_squares_mixture(prediction: Tensor, std: float) -> Mixture:
    """Return the density that least squares assumes: one Gaussian around the prediction, of the same width for every x.

    Args:
        prediction: float (B, Z).
        std: above 0, in the unit of the target.
    """
    log_stds = torch.full_like(prediction, math.log(std)).unsqueeze(-2)
    return Mixture(torch.zeros_like(log_stds), prediction.unsqueeze(-2), log_stds)


def fit(config: FitConfig, seeds: FitSeeds) -> FittedDensity:
    """Train one network on fresh data. The width of least squares is that of its training error."""
    x, y = PROBLEMS[config.problem].sample(config.points, np.random.default_rng(seeds.data))
    generator = torch.Generator().manual_seed(seeds.init)
    network = config.build(generator)
    is_mixture = config.num_components > 0
    loss = negative_log_likelihood if is_mixture else squared_error
    losses = config.train(network, loss, column(x), column(y), generator)
    return FittedDensity(network, None if is_mixture else math.sqrt(float(losses[-1])))


def fit_many(config: FitConfig, seeds: Sequence[FitSeeds]) -> dict[str, Any]:
    """Fit once for each pair of seeds, in parallel processes.

    Returns:
        excess (fits,): mean KL from the truth in nats; weights, std: the first fit, for `restore`.
    """
    calls = [(config, pair) for pair in seeds]
    excess, weights, stds = zip(*parallel_map(_fit_and_measure, calls, parallel=config.steps >= PARALLEL_FROM), strict=True)
    return {"excess": np.array(excess), "weights": dict(weights[0]), "std": stds[0]}


def _fit_and_measure(config: FitConfig, seeds: FitSeeds) -> tuple[float, dict[str, Tensor], float | None]:
    fitted = fit(config, seeds)
    return fitted.excess(PROBLEMS[config.problem]), fitted.network.state_dict(), fitted.std


def restore(result: dict[str, Any], config: FitConfig) -> FittedDensity:
    """Return the first fit of `fit_many` again.

    Args:
        result: as `fit_many` returned it.
        config: as given to `fit_many`.
    """
    network = config.build(torch.Generator())
    network.load_state_dict(result["weights"])
    return FittedDensity(network, result["std"])


def summed_densities(mixture: Mixture, y: Tensor) -> Tensor:
    """Return a wrong loss for several dimensions: -ln of the *sum* of their densities, in place of the sum of -ln.

    A sum is ruled by its largest term, the dimension that is easiest to predict; the others learn only where their density is
    comparable.

    Args:
        mixture: of B targets.
        y: float (B, Z).

    Source: a public MDN-RNN, where the densities are summed over dimensions before the logarithm.
    """
    return -torch.logsumexp(mixture.marginal_log_prob(y), -1).mean()


def fit_two_dimensions_many(config: FitConfig, seeds: Sequence[FitSeeds], loss: Loss) -> dict[str, Any]:
    """Fit a target of two dimensions once for each pair of seeds, in parallel processes; see `fit_two_dimensions`.

    Returns:
        excess (fits,): mean KL of the hard dimension from the truth in nats; x, y: a sample of the first fit.
    """
    calls = [(config, pair, loss) for pair in seeds]
    results = parallel_map(fit_two_dimensions, calls, parallel=config.steps >= PARALLEL_FROM)
    return {"excess": np.array([result["excess"] for result in results]), "x": results[0]["x"], "y": results[0]["y"]}


def fit_two_dimensions(config: FitConfig, seeds: FitSeeds, loss: Loss) -> dict[str, Any]:
    """Fit a target of two dimensions, one easy (x itself, with a little noise) and one hard (the author's toy).

    Args:
        config: of the network; its problem is the author's toy.
        seeds: of the data and of the initial weights.
        loss: `negative_log_likelihood`, or `summed_densities`.

    Returns:
        excess: mean KL of the hard dimension from the truth, in nats; x, y (500,): a sample of the hard dimension.
    """
    rng = np.random.default_rng(seeds.data)
    generator = torch.Generator().manual_seed(seeds.init)
    x, y = AUTHOR_TOY.sample(config.points, rng)
    easy = x + EASY_STD * rng.standard_normal(config.points)
    network = config.build(generator, target_size=2)
    config.train(network, loss, column(x), torch.cat([column(easy), column(y)], 1), generator)

    @torch.no_grad()
    def log_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return network(column(x)).marginal_log_prob(column(y).expand(-1, 2))[:, 1].double().numpy()

    inputs = AUTHOR_TOY.sample(SAMPLES, rng)[0]
    with torch.no_grad():
        sample = network(column(inputs)).sample(generator)
    return {"excess": AUTHOR_TOY.mean_kl(log_density), "x": inputs, "y": sample[:, 1].numpy()}
