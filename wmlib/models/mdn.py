"""A mixture of Gaussians as the last layer of a network (mixture density network).

Reading guide. A network that answers with one number can only learn the average of the answers it saw. This head answers
with a whole density: K Gaussians, each with a weight, a centre and a width. Read `Mixture.log_prob` first (what is learnt),
then `_LogDensity.backward` (the three gradients of Bishop's report, a line each), then `Mixture.sample` (temperature, as
World Models has it). `MixtureHead` is only a linear layer cut in three.

Axes: free leading axes (batch, time, population), then K components, then Z dimensions: `(..., K, Z)`. All sums run over
K; with Z last they run along contiguous memory, which is faster than the usual K last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from wmlib.models.layers import check_generator, check_precision, check_sizes, draw_uniform, empty_linear, full_precision

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Mixture(NamedTuple):
    """Hold a batch of mixtures of Gaussians with diagonal covariance.

    Args:
        logits: float (..., K, Z) when each dimension chooses its component for itself, or (..., K, 1) when one choice is
            shared by all dimensions; unnormalised log weights, any finite values.
        means: float (..., K, Z), centres of the components, in the unit of the target.
        log_stds: float (..., K, Z), natural log of their standard deviations. Nothing is clipped here (the floor is the
            head's); in float32 every result is finite for values in -20 … 40.

    Source: Bishop 1994 (NCRG/94/004), the mixture model; Ha & Schmidhuber 2018 (arXiv 1803.10122), the MDN-RNN.

    Differs: Bishop's weights are shared by all dimensions, those of World Models are separate for each. The shape of
        `logits` says which; with Z = 1 the two are the same thing.

    Example:
        >>> two = Mixture(torch.zeros(2, 1), torch.tensor([[0.0], [1.0]]), torch.full((2, 1), -2.0))
        >>> two.mean()  # the average, where there is hardly any mass
        tensor([0.5000])
        >>> two.log_prob(torch.tensor([0.5])) < two.log_prob(torch.tensor([1.0]))
        tensor(True)
    """

    logits: Tensor
    means: Tensor
    log_stds: Tensor

    def log_prob(self, target: Tensor) -> Tensor:
        """Return the log density of whole target vectors.

        The loss of a mixture density network is `-log_prob(target).mean()`. World Models averages over dimensions too:
        divide by Z.

        Args:
            target: float (..., Z), dtype of the mixture; leading axes broadcast with the mixture's.

        Returns:
            float (...), in nats; the sum over dimensions of `marginal_log_prob` unless the weights are shared.

        Raises:
            ValueError: last axis or dtype of `target` is not the mixture's.

        Source: ln Σ_k π_k N(target | μ_k, σ_k²), Bishop 1994; with separate weights, Σ_d of it.
        """
        if self.logits.shape[-1] == self.means.shape[-1]:
            return self.marginal_log_prob(target).sum(-1)
        _check_target(target, self.means)
        z = (target.unsqueeze(-2) - self.means) * torch.exp(-self.log_stds)  # (..., K, Z)
        component = -(self.log_stds + 0.5 * z * z + HALF_LOG_TWO_PI).sum(-1)  # (..., K): ln N_k of the whole vector
        return torch.logsumexp(torch.log_softmax(self.logits.squeeze(-1), -1) + component, -1)

    def marginal_log_prob(self, target: Tensor) -> Tensor:
        """Return the log density of each dimension by itself: (..., Z), arguments as in `log_prob`."""
        _check_target(target, self.means)
        leading = torch.broadcast_shapes(target.shape[:-1], self.means.shape[:-2])
        full = (*leading, *self.means.shape[-2:])
        parameters = (parameter.expand(full) for parameter in self)
        return _LogDensity.apply(*parameters, target.expand(*leading, target.shape[-1]))

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Draw one vector from each mixture.

        Args:
            generator: source of randomness, on the mixture's device.
            temperature: τ > 0. The logits are divided by τ and the standard deviations multiplied by √τ: below 1 the
                draws keep to the likeliest component and its centre, above 1 they wander.

        Returns:
            float (..., Z), without gradient.

        Raises:
            ValueError: temperature not above 0, no generator.

        Source: World Models, section on the Doom dream and its public code.
        """
        check_generator(generator)
        with torch.no_grad():
            shape = (*self.logits.shape[:-2], 1, self.logits.shape[-1])
            uniform = 1 - _draw(torch.rand, shape, self.logits, generator)  # (0, 1]: weight 0 is never chosen
            normal = _draw(torch.randn, (*self.means.shape[:-2], self.means.shape[-1]), self.means, generator)
            return self.draw(uniform.squeeze(-2), normal, temperature)

    def draw(self, uniform: Tensor, normal: Tensor, temperature: float = 1.0) -> Tensor:
        """Turn random numbers into a vector from each mixture: what `sample` does, with numbers of your own.

        Args:
            uniform: float (..., Z), or (..., 1) for a shared choice; in (0, 1], it chooses the component.
            normal: float (..., Z), standard normal.
            temperature: τ, as in `sample`.

        Returns:
            float (..., Z), without gradient.
        """
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature is {temperature}; it must be above 0, and finite (use mode() for the limit 0)")
        with torch.no_grad():
            logits = self.logits / temperature
            cumulative = (logits - logits.amax(-2, keepdim=True)).exp_().cumsum(-2)  # (..., K, Z) unnormalised
            total = cumulative[..., -1:, :]
            index = (uniform.unsqueeze(-2) * total > cumulative[..., :-1, :]).sum(-2, keepdim=True)  # inverse CDF
            mean = self._pick(self.means, index)
            std = self._pick(self.log_stds, index).exp_()
            return torch.addcmul(mean, std, normal, value=math.sqrt(temperature))

    def weights(self) -> Tensor:
        """Return the mixing coefficients π, positive with sum 1 over K: shape of `logits`."""
        return torch.softmax(self.logits, -2)

    def mean(self) -> Tensor:
        """Return the mean of the whole mixture, Σ_k π_k μ_k: (..., Z). It is what least squares would predict."""
        return (self.weights() * self.means).sum(-2)

    def variance(self) -> Tensor:
        """Return the variance of each dimension, Σ_k π_k (σ_k² + (μ_k - mean)²): (..., Z)."""
        spread = torch.exp(2 * self.log_stds) + (self.means - self.mean().unsqueeze(-2)) ** 2
        return (self.weights() * spread).sum(-2)

    def mode(self) -> Tensor:
        """Return the centre of the tallest component, the one with the largest π_k / Π_d σ_kd: (..., Z).

        With separate weights each dimension takes its own tallest component. This is the highest point of the density
        when components do not overlap, and near it otherwise. The *likeliest* component (largest π_k) may be another
        one: a broad one can hold more mass and yet be lower.

        Source: Bishop 1994, the most probable output taken as the centre with the largest α_k / σ_k^c.
        """
        shared = self.logits.shape[-1] != self.means.shape[-1]
        height = self.logits - (self.log_stds.sum(-1, keepdim=True) if shared else self.log_stds)
        return self._pick(self.means, height.argmax(-2, keepdim=True))

    def _pick(self, values: Tensor, index: Tensor) -> Tensor:
        """Take component `index` (..., 1, Z or 1) out of `values` (..., K, Z): (..., Z)."""
        return values.gather(-2, index.expand(*values.shape[:-2], 1, values.shape[-1])).squeeze(-2)


class _LogDensity(torch.autograd.Function):
    """ln Σ_k π_k N(target | μ_k, σ_k²) over the axis K, with its gradient written by hand.

    Three lines of ordinary PyTorch give the same value and gradient (the tests compare them), at about 1.6 times the cost:
    this is the hot loop of training a world model. The price is that there is no second derivative.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, means: Tensor, log_stds: Tensor, target: Tensor) -> Tensor:  # (..., K, Z) x3, (..., Z)
        inverse_std = torch.neg(log_stds).exp_()
        z = torch.sub(target.unsqueeze(-2), means).mul_(inverse_std)
        joint = torch.sub(logits, log_stds).addcmul_(z, z, value=-0.5)  # ln of the unnormalised π_k N_k
        log_joint, posterior = _normalise(joint)
        log_prior, prior = _normalise(logits.clone())
        ctx.save_for_backward(z, inverse_std, posterior, prior)
        return (log_joint - log_prior - HALF_LOG_TWO_PI).squeeze(-2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        z, inverse_std, posterior, prior = ctx.saved_tensors
        grad = grad.unsqueeze(-2)
        share = grad * posterior  # γ_k, the component's responsibility for this target
        pull = share * z
        d_log_stds = torch.mul(pull, z).sub_(share)  # γ_k (z_k² - 1)
        d_means = pull.mul_(inverse_std)  # γ_k z_k / σ_k
        d_logits = share.addcmul_(grad, prior, value=-1)  # γ_k - π_k
        return d_logits, d_means, d_log_stds, (-d_means.sum(-2) if ctx.needs_input_grad[3] else None)


class _Floor(torch.autograd.Function):
    """max(values, floor), with a gradient that leads back: below the floor it passes where a step against it raises the value.

    Where it would push further down it is 0, as with `clamp`; there the value has nothing to gain.

    Source: the lower bound of learnt image compression (Ballé et al., GDN; CompressAI's `LowerBound`).
    """

    @staticmethod
    def forward(ctx, values: Tensor, floor: float) -> Tensor:
        ctx.save_for_backward(values < floor)
        return values.clamp(min=floor)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (below,) = ctx.saved_tensors
        return torch.where(below, grad.clamp(max=0), grad), None


def _normalise(log_values: Tensor) -> tuple[Tensor, Tensor]:
    """Return log Σ_k exp and the softmax over K, both with the axis kept; overwrites its argument."""
    largest = log_values.amax(-2, keepdim=True)
    values = log_values.sub_(largest).exp_()
    total = values.sum(-2, keepdim=True)
    values.div_(total)
    return total.log_().add_(largest), values


def _draw(draw: Callable[..., Tensor], shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return draw(shape, generator=generator, device=like.device, dtype=like.dtype)


def _check_target(target: Tensor, means: Tensor) -> None:
    if target.shape[-1:] != means.shape[-1:]:
        raise ValueError(f"target has shape {tuple(target.shape)}; its last axis must be Z = {means.shape[-1]}")
    if target.dtype != means.dtype:
        raise ValueError(f"target is {target.dtype}, the mixture is {means.dtype}; convert one of them")


class MixtureHead(nn.Module):
    """Map features to a `Mixture` with one linear layer.

    Args:
        input_size: D, length of a feature vector, at least 1.
        target_size: Z, length of the target vector, at least 1.
        num_components: K, at least 1.
        generator: CPU generator for the initial weights.
        shared: False, each dimension has its own K weights (World Models): 3·K·Z outputs. True, one set of K weights for
            the whole vector (Bishop): K + 2·K·Z outputs.
        min_std: floor of every standard deviation, above 0, in the unit of the target. The likelihood has no upper bound
            without one: a component may shrink onto a single target. At the floor the gradient still leads to larger widths.

    Raises:
        ValueError: a size that is no whole number above 0, no generator, min_std not above 0; in the call, a last axis other
            than D, another dtype, parameters of 16 bits.

    Differs: World Models has no floor. Its layer has one output more (961 for Z = 64, K = 5), the end-of-episode logit,
        which is a head of its own here.

    Example:
        >>> head = MixtureHead(512, target_size=64, num_components=5, generator=torch.Generator().manual_seed(0))
        >>> mixture = head(torch.zeros(7, 11, 512))  # (B, T, D)
        >>> mixture.log_prob(torch.zeros(7, 11, 64)).shape, head.linear.out_features
        (torch.Size([7, 11]), 960)
    """

    def __init__(
        self,
        input_size: int,
        target_size: int,
        num_components: int,
        *,
        generator: torch.Generator,
        shared: bool = False,
        min_std: float = 1e-3,
    ):
        super().__init__()
        input_size, target_size = check_sizes(input_size=input_size, target_size=target_size)
        (num_components,) = check_sizes(num_components=num_components)
        if not 0 < min_std < math.inf:
            raise ValueError(f"min_std is {min_std}; it must be above 0, and finite (0.001 suits targets of size 1)")
        self.num_components = num_components
        self.min_log_std = math.log(min_std)
        each = num_components * target_size
        self.split = (num_components if shared else each, each, each)
        self.linear = empty_linear(input_size, sum(self.split))
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw weights and biases from U(-1/√D, 1/√D), the rule of `torch.nn.Linear`."""
        draw_uniform(self.linear, self.linear.in_features, generator)

    @full_precision
    def forward(self, features: Tensor) -> Mixture:
        """Map features, float (..., D), to a mixture in the same dtype; inside `torch.autocast` in that of the parameters."""
        weight = self.linear.weight
        check_precision(self, weight.dtype)
        if features.shape[-1:] != weight.shape[1:]:
            width = self.linear.in_features
            raise ValueError(f"features have shape {tuple(features.shape)}; the last axis must be {width}")
        if features.dtype != weight.dtype:
            raise ValueError(f"features are {features.dtype}, the head is {weight.dtype}; convert one of them")
        raw = self.linear(features)  # (..., 3KZ), or (..., K + 2KZ) when shared
        logits, means, log_stds = (part.unflatten(-1, (self.num_components, -1)) for part in raw.split(self.split, -1))
        return Mixture(logits, means, self.floored(log_stds))

    def floored(self, log_stds: Tensor) -> Tensor:
        """Return log standard deviations that are no smaller than the floor; the gradient passes where it leads up from it."""
        if not log_stds.is_cuda and not (log_stds < self.min_log_std).any():  # as a rule; to ask a GPU is to wait for it
            return log_stds
        return _Floor.apply(log_stds, self.min_log_std)
