"""Adam on all parameters of a network as one vector: small networks spend most of an update between the layers, not in them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatAdam:
    """Adam in one fused step on the vector of all parameters, with gradient clipping.

    From then on the network's parameters and their gradients are views of two vectors: load weights in place (`load_state_dict`
    does), and move the network to a device or dtype before, not after.

    Args:
        network: its parameters, of one dtype on one device.
        max_grad_norm: longer gradients are shortened to it; None: they are not.
        eps: ε of Adam.
    """

    def __init__(self, network: nn.Module, max_grad_norm: float | None = None, eps: float = 1e-5):
        parameters = list(network.parameters())
        self.max_grad_norm = max_grad_norm
        self.vector = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
        self.gradient = torch.zeros_like(self.vector)
        self.vector.grad = self.gradient
        sizes = [p.numel() for p in parameters]
        split = zip(parameters, self.vector.detach().split(sizes), self.gradient.split(sizes), strict=True)
        for parameter, values, grad in split:
            parameter.data = values.view_as(parameter)
            parameter.grad = grad.view_as(parameter)  # backward adds to a gradient that is there, in place
        self.adam = torch.optim.Adam([self.vector], eps=eps, fused=True)

    @torch.no_grad()
    def step(self, lr: float) -> Tensor:
        """Move along the gradient, which is 0 afterwards; return its norm before it was shortened, a scalar."""
        norm = torch.linalg.vector_norm(self.gradient)
        if self.max_grad_norm is not None:
            self.gradient.mul_((self.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        self.adam.param_groups[0]["lr"] = lr
        self.adam.step()
        self.gradient.zero_()
        return norm

    def state_dict(self) -> dict[str, Tensor]:
        """Copy the moments and the number of steps; {} before the first one."""
        return {name: value.clone() for name, value in self.adam.state.get(self.vector, {}).items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state_dict`."""
        self.adam.state.clear()
        if state:
            self.adam.state[self.vector] = {name: value.clone() for name, value in state.items()}
