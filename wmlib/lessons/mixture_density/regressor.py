"""A network of one hidden layer that predicts a mixture, its least-squares twin, and the loop that trains either.

Reading guide. `ToyNetwork` is the smallest network in which the last layer and the loss make all the difference: with
`num_components=0` and `squared_error` it predicts one curve, the average; with `num_components=5` and
`negative_log_likelihood` it predicts a density. `train` is the training loop.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from wmlib.models.layers import check_sizes, linear
from wmlib.models.mdn import Mixture, MixtureHead
from wmlib.training.divergence import DivergenceWatch

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "none": lambda values: values,
}


class ToyNetwork(nn.Module):
    """Map x to a `Mixture` over y, or to one prediction of y.

    Args:
        num_components: K of the mixture head; 0 for the least-squares twin, whose last layer is a plain linear one.
        generator: CPU generator for the initial weights.
        hidden_size: units of the hidden layer, at least 1.
        nonlinearity: "tanh" or "none". With "none" two linear layers are one linear layer: the mean of every
            component is a straight line in x.
        target_size: Z, length of y, at least 1; x is one number.

    Raises:
        ValueError: unknown nonlinearity, a size below 1, num_components below 0.

    Source: Bishop 1994 uses one tanh layer; the author's toy has 256 units and "none".

    Example:
        >>> network = ToyNetwork(num_components=3, generator=torch.Generator().manual_seed(0))
        >>> network(torch.zeros(7, 1)).mean().shape
        torch.Size([7, 1])
    """

    def __init__(
        self,
        num_components: int,
        *,
        generator: torch.Generator,
        hidden_size: int = 32,
        nonlinearity: str = "tanh",
        target_size: int = 1,
    ) -> None:
        super().__init__()
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity is {nonlinearity!r}; choose one of {', '.join(NONLINEARITIES)}")
        check_sizes(hidden_size=hidden_size, target_size=target_size)
        if num_components < 0:
            raise ValueError(f"num_components is {num_components}; it must be at least 0 (0: least squares)")
        self.nonlinearity = nonlinearity
        self.hidden = linear(1, hidden_size, generator)
        self.head: nn.Module
        if num_components:
            self.head = MixtureHead(hidden_size, target_size, num_components, generator=generator)
        else:
            self.head = linear(hidden_size, target_size, generator)

    def forward(self, x: Tensor) -> Mixture | Tensor:
        """Map x, float (B, 1), to a mixture over (B, Z), or to a prediction (B, Z); Z is `target_size`."""
        return self.head(NONLINEARITIES[self.nonlinearity](self.hidden(x)))


def negative_log_likelihood(mixture: Mixture, y: Tensor) -> Tensor:
    """Return the mean of -ln p(y | x) over the batch, in nats.

    Args:
        mixture: of B targets.
        y: float (B, Z).
    """
    return -mixture.log_prob(y).mean()


def squared_error(prediction: Tensor, y: Tensor) -> Tensor:
    """Return the mean of (prediction - y)² over all elements.

    Args:
        prediction, y: float (B, Z).

    Raises:
        ValueError: the two shapes differ.
    """
    if prediction.shape != y.shape:  # (B, 1) against (B,) would broadcast to (B, B) in silence
        raise ValueError(f"y has shape {tuple(y.shape)}; it must be that of the prediction, {tuple(prediction.shape)}")
    return ((prediction - y) ** 2).mean()


def train(
    network: nn.Module,
    loss: Callable[..., Tensor],
    x: Tensor,
    y: Tensor,
    steps: int,
    lr: float,
    batch_size: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Fit a network to pairs (x, y) with Adam.

    Args:
        network: any module; it is trained in place.
        loss: takes `network(x)` and `y`, returns a scalar: `negative_log_likelihood`, `squared_error`, or your own.
        x, y: float (B, D) and (B, Z), dtype and device of the network.
        steps: length of the training, at least 1; the schedule depends on it.
        lr: learning rate at the first step, above 0.
        batch_size: None, each step on all pairs, the learning rate falling to 0 along a half cosine; or the pairs of a step,
            drawn without replacement until all are used, at a constant learning rate, as the author's toy does.
        generator: of the batches.

    Returns:
        The loss before each step, (steps,).

    Raises:
        ValueError: x and y of different length, steps no whole number above 0, batch_size not within 1 ... B.
        TrainingDivergedError: a loss is not finite, or after the last step a weight.

    Source: ours; with `batch_size=100`, `lr=0.001` and 10,000 steps the author's toy (2,000 passes of 500 pairs).

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> network = ToyNetwork(num_components=0, generator=generator)
        >>> losses = train(network, squared_error, x, torch.sin(x), steps=100, lr=0.005)
        >>> losses.shape, bool(losses[-1] < losses[0] / 10)
        (torch.Size([100]), True)
    """
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} rows and y has {len(y)}; they must be pairs")
    if batch_size is not None and not 1 <= batch_size <= len(x):
        raise ValueError(f"batch_size is {batch_size}; it must be from 1 to the number of pairs, {len(x)}, or None for all")
    (steps,) = check_sizes(steps=steps)
    optimizer = torch.optim.Adam(network.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if batch_size is None else None
    losses = torch.empty(steps)
    divergence = DivergenceWatch(network)
    order = torch.arange(0)
    for step in range(steps):
        if batch_size is None:
            batch_x, batch_y = x, y
        else:
            if len(order) < batch_size:
                order = torch.randperm(len(x), generator=generator)
            batch_x, batch_y = x[order[:batch_size]], y[order[:batch_size]]
            order = order[batch_size:]
        optimizer.zero_grad()
        value = loss(network(batch_x), batch_y)
        value.backward()
        divergence.see(step, optimizer.param_groups[0]["lr"], value)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        losses[step] = value.detach()
    divergence.finish()
    return losses
