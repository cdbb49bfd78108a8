"""A network of one hidden layer that answers with a mixture, its least-squares twin, and the loop that fits either.

Reading guide. `ToyNetwork` is the smallest network in which the choice of the last layer and of the loss makes the whole
difference: with `num_components=0` and `squared_error` it draws one curve, the average; with `num_components=5` and
`negative_log_likelihood` it draws a density. `FullBatchTrainer.run` is the whole training loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from wmlib.models.layers import check_sizes, linear
from wmlib.models.mdn import Mixture, MixtureHead

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "none": lambda values: values,
}


class ToyNetwork(nn.Module):
    """Map x to a `Mixture` over y, or to one prediction of y.

    Args:
        num_components: K of the mixture head; 0 for the least-squares twin, whose last layer is a plain linear one.
        generator: CPU generator for the initial weights.
        hidden_size: units of the hidden layer, at least 1.
        nonlinearity: "tanh", "relu", or "none". With "none" two linear layers are one linear layer: the mean of every
            component is a straight line in x.
        input_size, target_size: lengths of x and y, at least 1.
        **head: passed to `MixtureHead` (shared, min_std).

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
        input_size: int = 1,
        target_size: int = 1,
        **head: Any,
    ) -> None:
        super().__init__()
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f"nonlinearity is {nonlinearity!r}; choose one of {', '.join(NONLINEARITIES)}")
        check_sizes(hidden_size=hidden_size, input_size=input_size, target_size=target_size)
        if num_components < 0:
            raise ValueError(f"num_components is {num_components}; it must be at least 0 (0: least squares)")
        self.nonlinearity = nonlinearity
        self.hidden = linear(input_size, hidden_size, generator)
        self.head: nn.Module
        if num_components:
            self.head = MixtureHead(hidden_size, target_size, num_components, generator=generator, **head)
        else:
            self.head = linear(hidden_size, target_size, generator)

    def forward(self, x: Tensor) -> Mixture | Tensor:
        """Map x, float (B, D), to a mixture over (B, Z), or to a prediction (B, Z).

        Args:
            x: D is `input_size`; Z is `target_size`.
        """
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


class FullBatchTrainer:
    """Fit a network to all of (x, y) at once with Adam, the learning rate falling to 0 along a half cosine.

    Args:
        network: any module; it is trained in place.
        loss: takes `network(x)` and `y`, returns a scalar: `negative_log_likelihood`, `squared_error`, or your own.
        x, y: float (B, D) and (B, Z), dtype and device of the network.
        steps: length of the whole training, at least 1; the schedule depends on it.
        lr: learning rate at the first step, above 0. For a mixture of 32 hidden units 0.005 to 0.01; above that some of the
            components move as one and stay so. Least squares stands, and needs, more: 0.05.

    Raises:
        ValueError: x and y of different length, steps below 1.

    Source: ours. Differs: the author's toy takes 2000 passes in batches of 100 at a constant learning rate of 0.001.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> network = ToyNetwork(num_components=0, generator=generator)
        >>> losses = FullBatchTrainer(network, squared_error, x, torch.sin(x), steps=100).run()
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
        lr: float = 5e-3,
    ) -> None:
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} rows and y has {len(y)}; they must be pairs")
        check_sizes(steps=steps)
        self.network = network
        self.loss = loss
        self.x = x
        self.y = y
        self.steps = steps
        self.optimizer = torch.optim.Adam(network.parameters(), lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)
        self.step = 0

    def run(self, steps: int | None = None) -> Tensor:
        """Take `steps` steps, or all that are left, and return the loss before each: (steps taken,)."""
        left = self.steps - self.step
        losses = torch.empty(left if steps is None else min(steps, left))
        for index in range(len(losses)):
            self.optimizer.zero_grad()
            loss = self.loss(self.network(self.x), self.y)
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses[index] = loss.detach()
        self.step += len(losses)
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Return all that a later `load_state_dict` needs to go on to the same bits: the data is not in it."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state taken from a trainer built with the same arguments."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]
