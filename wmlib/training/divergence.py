"""Training that diverges stops at the first number that is not finite, and says where.

Reading guide. A trainer shows `DivergenceWatch.see` the loss of each step, between backward pass and update, and calls `finish`
when it is done. If it has the gradient's norm, as where it clips it, it shows that too; else a gradient that is not finite is
seen one step later, in the loss, or at the end, in the weights. On the CPU a bad number raises at once, and the weights are
those before the step. On a GPU, to look at a number is to wait for it; there those of `STEPS` steps are looked at together, and
the error still names the first bad one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils import get_total_norm

STEPS = 64  # of a GPU between two looks
NAMES = 3  # of parameters in a message


def gradient_norm(network: nn.Module) -> Tensor:
    """Return the norm of all gradients of a network as one vector, a scalar."""
    return get_total_norm(parameter.grad for parameter in network.parameters() if parameter.grad is not None)


class TrainingDivergedError(RuntimeError):
    """Loss, gradient or weights of a training are no finite numbers any more.

    Attributes:
        step: the first step at which it was so, counted from 0.
        values: of that step by name: learning rate, loss, its parts, gradient norm.
    """

    def __init__(self, message: str, step: int = -1, values: Mapping[str, float] | None = None):
        super().__init__(message)  # the message alone: so the error comes back whole from a worker process
        self.step = step
        self.values = dict(values or {})


class _Step(NamedTuple):
    number: int
    lr: float
    loss: Tensor
    norm: Tensor | None
    parts: Mapping[str, Tensor]


class DivergenceWatch:
    """Watch a training.

    Args:
        network: what is trained.
    """

    def __init__(self, network: nn.Module):
        self.network = network
        self._unseen: list[_Step] = []
        self._last: _Step | None = None

    def see(
        self, step: int, lr: float, loss: Tensor, norm: Tensor | None = None, parts: Mapping[str, Tensor] | None = None
    ) -> None:
        """Take the numbers of a step, between its backward pass and its update.

        Args:
            step: counted from 0.
            lr: learning rate of the step.
            loss: a scalar.
            norm: of the gradient, see `gradient_norm`. None: too slow for this training; then a gradient that is not finite is
                seen one step later, in the loss.
            parts: of the loss, for the message.

        Raises:
            TrainingDivergedError: loss or norm is not finite.
        """
        detached = {name: part.detach() for name, part in (parts or {}).items()}  # or they would hold the step's memory
        self._last = _Step(step, lr, loss.detach(), norm, detached)
        self._unseen.append(self._last)
        if not loss.is_cuda or len(self._unseen) == STEPS:
            self._look()

    def finish(self) -> None:
        """Look at what was not looked at yet, and at the weights that the last update left.

        Raises:
            TrainingDivergedError: something is not finite.
        """
        self._look()
        if self._last is not None and not math.isfinite(get_total_norm(self.network.parameters()).item()):
            raise self._error(self._last)

    def _look(self) -> None:
        unseen, self._unseen = self._unseen, []
        for step in unseen:
            if not (math.isfinite(step.loss.item()) and (step.norm is None or math.isfinite(step.norm.item()))):
                raise self._error(step)

    def _error(self, step: _Step) -> TrainingDivergedError:
        norm = gradient_norm(self.network) if step.norm is None else step.norm
        numbers = {"loss": step.loss, **step.parts, "gradient norm": norm}
        values = {"learning rate": step.lr, **{name: float(number) for name, number in numbers.items()}}
        parameters = list(self.network.named_parameters())
        bad = {
            "gradients": [name for name, p in parameters if p.grad is not None and not p.grad.isfinite().all()],
            "weights": [name for name, p in parameters if not p.isfinite().all()],
        }
        where = " and ".join(f"the {kind} of {_listed(names)}" for kind, names in bad.items() if names)
        message = (
            f"training diverged at step {step.number} (from 0): "
            + ", ".join(f"{name} {value:.4g}" for name, value in values.items())
            + (f". Not finite are {where}" if where else "")
            + ". Lower the learning rate, clip the gradient's norm, or look for numbers in the data that are huge or not finite"
        )
        return TrainingDivergedError(message, step.number, values)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")
