"""Adam on all parameters of a network as one vector: small networks spend most of an update between the layers, not in them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class FlatAdam:
    """Adam on the vector of all parameters, with gradient clipping.

    From then on the network's parameters and their gradients are views of two vectors: load weights in place (`load_state_dict`
    does), and move the network to a device or dtype before, not after.

    Args:
        network: its parameters, of one dtype on one device.
        max_grad_norm: longer gradients are shortened to it; None: they are not.
        beta_1, beta_2, eps: β₁, β₂, ε.

    Attributes:
        vector, gradient: (P,), all parameters and their gradients.
        m, v: (P,), running means of gradient and squared gradient.
        steps: int, done so far.

    Source: Kingma & Ba 2015, arXiv 1412.6980, algorithm 1.
    """

    def __init__(
        self,
        network: nn.Module,
        max_grad_norm: float | None = None,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        eps: float = 1e-5,
    ):
        parameters = list(network.parameters())
        self.max_grad_norm = max_grad_norm
        self.beta_1, self.beta_2, self.eps = beta_1, beta_2, eps
        self.vector = torch.cat([p.detach().flatten() for p in parameters])
        self.gradient = torch.zeros_like(self.vector)
        self.m = torch.zeros_like(self.vector)
        self.v = torch.zeros_like(self.vector)
        self.steps = 0
        sizes = [p.numel() for p in parameters]
        for parameter, values, grad in zip(parameters, self.vector.split(sizes), self.gradient.split(sizes), strict=True):
            parameter.data = values.view_as(parameter)
            parameter.grad = grad.view_as(parameter)  # backward adds to a gradient that is there, in place

    @torch.no_grad()
    def step(self, lr: float) -> Tensor:
        """Move along the gradient, which is 0 afterwards; return its norm before it was shortened, a scalar."""
        norm = torch.linalg.vector_norm(self.gradient)
        if self.max_grad_norm is not None:
            self.gradient.mul_((self.max_grad_norm / (norm + 1e-6)).clamp_(max=1.0))
        self.steps += 1
        self.m.lerp_(self.gradient, 1 - self.beta_1)
        self.v.mul_(self.beta_2).addcmul_(self.gradient, self.gradient, value=1 - self.beta_2)
        m_scale = 1 - self.beta_1**self.steps  # both means start at 0
        v_scale = 1 - self.beta_2**self.steps
        self.vector.addcdiv_(self.m, self.v.sqrt().div_(math.sqrt(v_scale)).add_(self.eps), value=-lr / m_scale)
        self.gradient.zero_()
        return norm

    def state_dict(self) -> dict:
        """Copy the running means and the number of steps."""
        return {"m": self.m.clone(), "v": self.v.clone(), "steps": self.steps}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""
        self.m.copy_(state["m"])
        self.v.copy_(state["v"])
        self.steps = state["steps"]
