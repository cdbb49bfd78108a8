"""A network of one hidden layer that answers with a mixture, its least-squares twin, and the loop that fits either.

Reading guide. `ToyNetwork` is the smallest network in which the choice of the last layer and of the loss makes the whole
difference: with `components=0` and `squared_error` it draws one curve, the average; with `components=5` and
`negative_log_likelihood` it draws a density. `Trainer.run` is the whole training loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from wmlib.models.mdn import Mixture, MixtureHead

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu, "none": lambda values: values}


class ToyNetwork(nn.Module):
    """Map x to a `Mixture` over y, or to one prediction of y.

    Args:
        components: K of the mixture head; 0 for the least-squares twin, whose last layer is a plain linear one.
        generator: CPU generator for the initial weights.
        hidden: units of the hidden layer, at least 1.
        nonlinearity: "tanh", "relu", or "none". With "none" two linear layers are one linear layer: every centre is a
            straight line in x.
        inputs, dimensions: lengths of x and y, at least 1.
        **head: passed to `MixtureHead` (shared, min_std).

    Raises:
        ValueError: unknown nonlinearity, a size below 1, components below 0.

    Source: Bishop 1994 uses one tanh layer; the author's toy has 256 units and "none".

    Example:
        >>> network = ToyNetwork(components=3, generator=torch.Generator().manual_seed(0))
        >>> network(torch.zeros(7, 1)).mean().shape
        torch.Size([7, 1])
    """

    def __init__(
        self,
        components: int,
        *,
        generator: torch.Generator,
        hidden: int = 32,
        nonlinearity: str = "tanh",
        inputs: int = 1,
        dimensions: int = 1,
        **head,
    ):
        super().__init__()
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity is {nonlinearity!r}; choose one of {', '.join(NONLINEARITIES)}")
        sizes = {"hidden": hidden, "inputs": inputs, "dimensions": dimensions, "components": components}
        for name, size in sizes.items():
            least = 0 if name == "components" else 1
            if size < least:
                raise ValueError(f"{name} is {size}; it must be at least {least}")
        self.nonlinearity = nonlinearity
        self.hidden = _linear(inputs, hidden, generator)
        if components:
            self.head = MixtureHead(hidden, dimensions, components, generator=generator, **head)
        else:
            self.head = _linear(hidden, dimensions, generator)

    def forward(self, x: Tensor) -> Mixture | Tensor:
        """Map x, float (B, inputs), to a mixture over (B, dimensions), or to a prediction (B, dimensions)."""
        return self.head(NONLINEARITIES[self.nonlinearity](self.hidden(x)))


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer with the usual initial weights, U(-1/√D, 1/√D), none of them from the global generator."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
    return layer


def negative_log_likelihood(mixture: Mixture, y: Tensor) -> Tensor:
    """Return the mean of -ln p(y | x) over the batch, in nats."""
    return -mixture.log_prob(y).mean()


def squared_error(prediction: Tensor, y: Tensor) -> Tensor:
    """Return the mean of (prediction - y)² over all elements; the two shapes must be equal (ValueError otherwise)."""
    if prediction.shape != y.shape:  # (B, 1) against (B,) would broadcast to (B, B) in silence
        raise ValueError(f"y has shape {tuple(y.shape)}; it must be that of the prediction, {tuple(prediction.shape)}")
    return ((prediction - y) ** 2).mean()


class Trainer:
    """Fit a network to all of (x, y) at once with Adam, the learning rate falling to 0 along a half cosine.

    Args:
        network: any module; it is trained in place.
        loss: takes `network(x)` and `y`, returns a scalar: `negative_log_likelihood`, `squared_error`, or your own.
        x, y: float (B, inputs) and (B, dimensions), dtype and device of the network.
        steps: length of the whole training, at least 1; the schedule depends on it.
        learning_rate: at the first step, above 0. For a mixture of 32 hidden units 0.005 to 0.01; above that some of the
            bells move as one and stay so. Least squares stands, and needs, more: 0.05.

    Raises:
        ValueError: x and y of different length, steps below 1.

    Source: ours. Differs: the author's toy takes 2000 passes in batches of 100 at a constant rate of 0.001.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> network = ToyNetwork(components=0, generator=generator)
        >>> losses = Trainer(network, squared_error, x, torch.sin(x), steps=100).run()
        >>> losses.shape, bool(losses[-1] < losses[0] / 10)
        (torch.Size([100]), True)
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., Tensor],
        x: Tensor,
        y: Tensor,
        *,
        steps: int = 1000,
        learning_rate: float = 5e-3,
    ):
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} rows and y has {len(y)}; they must be pairs")
        if steps < 1:
            raise ValueError(f"steps is {steps}; it must be at least 1")
        self.network, self.loss, self.x, self.y, self.steps = network, loss, x, y, steps
        self.optimizer = torch.optim.Adam(network.parameters(), learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.step = 0

    def run(self, steps: int | None = None) -> Tensor:
        """Take `steps` steps, or all that are left, and return the loss before each: (steps taken,)."""
        left = self.steps - self.step
        losses = torch.empty(left if steps is None else min(steps, left))
        for index in range(len(losses)):
            self.optimizer.zero_grad()
            value = self.loss(self.network(self.x), self.y)
            value.backward()
            self.optimizer.step()
            self.schedule.step()
            losses[index] = value.detach()
        self.step += len(losses)
        return losses

    def state_dict(self) -> dict:
        """Return all that a later `load_state_dict` needs to go on to the same bits: the data is not in it."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "optimizer", "schedule")}
        return {**parts, "step": self.step}

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state taken from a trainer built with the same arguments."""
        for name in ("network", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]
