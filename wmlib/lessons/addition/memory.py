"""Examine a trained DNC that adds: how it uses its slots, where the running total is, and what a change of it does.

Reading guide. `memory_use` measures how a network writes; `read_out` looks for the total in the memory and in the LSTM;
`direction` is how the state changes with the total; `edit` adds that to the state in mid-sequence and measures how the answer
changes; `contribution_by_part` does so early and late. `examine` does all of this with one network.

All functions use the addition task, with sequences of one length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from wmlib.lessons.addition.measures import draw_test_set
from wmlib.lessons.addition.sequences import Sequences
from wmlib.models.dnc import DNC, DNCState

SAMPLES = 512  # sequences behind a read-out or a direction
EDITED = 128  # sequences on which an edit is tried


def examine(
    core: DNC, untrained: DNC, seed: int, alphas: Sequence[float], times: Sequence[int], samples: int = SAMPLES
) -> dict:
    """Do all of this module with one network.

    Args:
        core: a trained DNC.
        untrained: a new one of the same sizes, to compare with.
        seed: of the sequences.
        alphas: sizes of the edits after half of the digits; see `edit`.
        times: after how many digits the small edits are made; see `contribution_by_part`.
        samples: sequences behind a read-out or a direction.

    Returns:
        memory_use: as `memory_use`; memory, lstm, total, predicted, weights, constant: as `read_out`; moved, slope: as `edit`;
        untrained: R² of the read-out of the untrained network's memory; contributions: as `contribution_by_part`; transfer: as
        `transfer_to_memory`. All are finite: what cannot be measured, because training diverged and the weights are NaN, is 0.
    """
    results = {
        "memory_use": memory_use(core, seed),
        **read_out(core, seed, samples=samples),
        **edit(core, seed, alphas, samples=samples),
        "untrained": read_out(untrained, seed, samples=samples)["memory"],
        "contributions": contribution_by_part(core, seed, times, samples=samples),
        "transfer": transfer_to_memory(core, seed, samples=samples),
    }
    return _finite(results)


def _finite(node: Any) -> Any:
    """Return a nesting of dicts, arrays, tensors and numbers with 0 in place of each number that is not finite."""
    if isinstance(node, dict):
        return {key: _finite(value) for key, value in node.items()}
    if isinstance(node, Tensor):
        return node.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    if isinstance(node, float):
        return node if math.isfinite(node) else 0.0
    return np.nan_to_num(node, nan=0.0, posinf=0.0, neginf=0.0)


def memory_use(core: DNC, seed: int, length: int = 12) -> dict[str, float]:
    """Measure how a network uses its memory while it reads digits: means over steps and 64 sequences.

    Args:
        core: a DNC.
        seed: of the sequences.
        length: digits.

    Returns:
        effective_slots: exp of the entropy of the write weighting (scaled to sum 1): N if all slots share alike, 1 if one has
            all; largest_slot: the largest slot's proportion of the memory's norm after the last digit; allocation_gate,
            write_gate, free_gate. All are 0 if the weights are NaN: a network whose training diverged writes to no slot.
    """
    with torch.no_grad():
        _, _, trace = core(draw_test_set("addition", length, seed).inputs[:, :length], trace=True)
    weighting = trace.write / trace.write.sum(-1, keepdim=True).clamp(min=1e-12)
    entropy = torch.special.entr(weighting).sum(-1)
    norms = trace.memory[:, -1].norm(dim=-1)
    results = {
        "effective_slots": entropy.exp().mean().item(),
        "largest_slot": (norms.amax(-1) / norms.sum(-1).clamp(min=1e-12)).mean().item(),
        "allocation_gate": trace.allocation_gate.mean().item(),
        "write_gate": trace.write_gate.mean().item(),
        "free_gate": trace.free_gates.mean().item(),
    }
    return _finite(results)


class States(NamedTuple):
    """Hold the parts of a network's state after each digit, and the running total."""

    total: Tensor  # (B, T)
    memory: Tensor  # (B, T, N·W)
    lstm: Tensor  # (B, T, 2H): h and c


def record_states(core: DNC, seed: int, length: int = 12, samples: int = SAMPLES) -> States:
    """Record a network's state after each digit; arguments as for `read_out`."""
    batch = draw_test_set("addition", length, seed, samples)
    state = core.initial_state(samples)
    states = []
    with torch.no_grad():
        for t in range(length):
            _, state = core(batch.inputs[:, t : t + 1], state)
            states.append(state)
    memory = torch.stack([s.memory.flatten(-2) for s in states], 1)
    lstm = torch.stack([torch.cat([s.h, s.c], -1) for s in states], 1)
    return States(_digits(batch)[:, :length].cumsum(-1), memory, lstm)


def _digits(batch: Sequences) -> Tensor:
    """Return the digits (B, T) of addition sequences; 0 on the asking row."""
    return (batch.inputs[..., :-1] * torch.arange(batch.inputs.shape[-1] - 1)).sum(-1)


def ridge(features: Tensor, target: Tensor, penalty: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Return the weights (F,) and the constant of a linear read-out, by least squares with a small penalty on the weights.

    Args:
        features: float (M, F).
        target: float (M,).
        penalty: as a proportion of the features' mean variance.

    Source: ridge regression; solved in float64.
    """
    x = features.double()
    y = target.double()
    centre = x.mean(0)
    mean = y.mean()
    x = x - centre
    scatter = x.T @ x
    size = penalty * scatter.diagonal().mean().clamp(min=1e-12)
    weights = torch.linalg.solve(scatter + size * torch.eye(len(scatter)), x.T @ (y - mean))
    return weights, mean - centre @ weights


def r_squared(prediction: Tensor, target: Tensor) -> float:
    """Return R², the explained proportion of the variance: 1 is perfect, 0 no better than the mean, below 0 worse than that.

    Both are (B,) or (B, T). With steps, the mean is that of each step: a total grows with the number of digits, and knowing the
    number of digits earns no credit.
    """
    residual = (prediction - target).square().sum()
    return 1 - (residual / (target - target.mean(0)).square().sum()).item()


def read_out(core: DNC, seed: int, length: int = 12, samples: int = SAMPLES) -> dict:
    """Fit linear read-outs of the running total, one for all steps, and test them on other sequences.

    Args:
        core: a DNC.
        seed: of the sequences; those for the fit and those for the test differ.
        length: digits.
        samples: sequences to fit on, and to test on.

    Returns:
        memory, lstm: R² within a step (`r_squared`) on held-out sequences, from all of the memory alone and from the
            LSTM's h and c alone;
        total, predicted (96,): totals and the memory's read-out, on held-out sequences; weights (N·W,), constant.
    """
    fitted = record_states(core, seed, length, samples)
    held_out = record_states(core, seed + 1, length, samples)
    results = {}
    for part in ("lstm", "memory"):
        weights, constant = ridge(getattr(fitted, part).flatten(0, 1), fitted.total.flatten())
        predicted = getattr(held_out, part).double() @ weights + constant
        results[part] = r_squared(predicted, held_out.total.double())
    shown = slice(0, 96 // length)
    return {
        **results,
        "total": held_out.total[shown].flatten().numpy(),
        "predicted": predicted[shown].flatten().numpy(),
        "weights": weights,
        "constant": float(constant),
    }


def direction(core: DNC, seed: int, at: int, num_slots: int | None = None, samples: int = SAMPLES) -> dict[str, Tensor]:
    """Return how the state changes, on average, when the running total after `at` digits is larger by one.

    It is the slope of each number against the total, cov(number, total) / var(total). The read-out's weights are another
    direction: they show which numbers to read, not how the numbers change when the total grows.

    Args:
        core: a DNC.
        seed: of the sequences.
        at: digits.
        num_slots: N, if other than in training.
        samples: sequences.

    Returns:
        By part of the state: memory (N, W), reads (R, W), h (H,), c (H,).

    Source: Haufe et al. 2014 (NeuroImage 87), patterns and filters.
    """
    batch = draw_test_set("addition", at, seed, samples)
    with torch.no_grad():
        _, state = core(batch.inputs[:, :at], core.initial_state(samples, num_slots=num_slots))
    total = _digits(batch).sum(-1)
    total = (total - total.mean()) / (total - total.mean()).square().sum()
    return {part: torch.tensordot(total, getattr(state, part), 1) for part in ("memory", "reads", "h", "c")}


@torch.no_grad()
def answers(core: DNC, batch: Sequences, at: int, change: Mapping[str, Tensor] | None = None) -> Tensor:
    """Return a network's sums when its state is changed after `at` digits.

    Args:
        core: a trained DNC.
        batch: B sequences of one length.
        at: digits seen before the change, at least 1.
        change: by part of the state, what is added: (..., *shape of the part), with the same leading axes for every part;
            several changes are tried at once. None changes nothing.

    Returns:
        (..., B).
    """
    _, state = core(batch.inputs[:, :at])
    rest = batch.inputs[:, at:]
    parts = state._asdict()
    for name, added in (change or {}).items():
        leading = added.shape[: added.ndim - parts[name].ndim + 1]
        parts[name] = parts[name] + added.unsqueeze(len(leading))
    if change:
        parts = {name: part.expand(*leading, *getattr(state, name).shape) for name, part in parts.items()}
        rest = rest.expand(*leading, *rest.shape)
    outputs, _ = core(rest, DNCState(**parts))
    return outputs[..., -1, 0]


def edit(
    core: DNC,
    seed: int,
    alphas: Sequence[float],
    length: int = 12,
    at: int = 6,
    draws: int = 8,
    samples: int = SAMPLES,
) -> dict:
    """Add alpha units of the total to a network's state in mid-sequence, and measure how far the answer moves.

    Args:
        core: a trained DNC.
        seed: of the sequences; those behind the direction and those tested differ.
        alphas: how many units; the change of the answer that is predicted.
        length, at: digits, and after how many of them the edit is made.
        draws: random changes of the memory to compare with, each as large as the real one, and like it the same in every
            slot; 0 leaves them out.
        samples: sequences behind the direction.

    Returns:
        For "memory", "LSTM" (h and c), "both" (these and the vector just read), each along `direction`, and for "random":
        the mean change of the answer for each alpha (A,), and its slope against alpha. Random changes push this way or that;
        theirs is the root mean square over the draws, with alpha's sign.
    """
    unit = direction(core, seed, at, samples=samples)
    changes = {"memory": {"memory": unit["memory"]}, "LSTM": {"h": unit["h"], "c": unit["c"]}, "both": unit}
    if draws:
        changes["random"] = {"memory": _random_changes(unit["memory"], draws, seed)}
    batch = draw_test_set("addition", length, seed + 1, EDITED)
    before = answers(core, batch, at)
    alpha = torch.tensor(list(alphas), dtype=torch.float32)
    moved = {}
    slope = {}
    for name, change in changes.items():
        all_sizes = {part: alpha.view(-1, *[1] * added.ndim) * added for part, added in change.items()}
        mean = (answers(core, batch, at, all_sizes) - before).mean(-1).double()  # (A,), random: (A, draws)
        mean = mean.square().mean(1).sqrt() * alpha.sign() if name == "random" else mean
        moved[name] = mean.numpy()
        slope[name] = float(mean @ alpha.double() / alpha.double().square().sum())
    return {"moved": moved, "slope": slope}


def _random_changes(unit: Tensor, draws: int, seed: int) -> Tensor:
    """Return random changes of a memory, (draws, N, W): the same in every slot, each of the size of the unit (N, W)."""
    num_slots, word_size = unit.shape
    noise = torch.randn(draws, 1, word_size, generator=torch.Generator().manual_seed(seed)).expand(draws, num_slots, word_size)
    size = unit.norm() / noise.norm(dim=(-2, -1), keepdim=True)
    return noise * size


def contribution_by_part(
    core: DNC, seed: int, times: Sequence[int], length: int = 12, samples: int = SAMPLES
) -> dict[str, np.ndarray]:
    """Measure how much each part of the state contributes to the answer: the slope of a small `edit` after so many digits.

    Args:
        core, seed, length, samples: as for `edit`.
        times: after how many digits.

    Returns:
        For "memory", "LSTM", "both": (times,), 1 if a change of this part alone moves the answer as predicted.
    """
    slopes = [edit(core, seed, (-2, 2), length, at, draws=0, samples=samples)["slope"] for at in times]
    return {name: np.array([slope[name] for slope in slopes]) for name in slopes[0]}


@torch.no_grad()
def transfer_to_memory(core: DNC, seed: int, at: int = 2, length: int = 12, samples: int = SAMPLES) -> float:
    """Measure how much of an edit of the LSTM early on is found in the memory after the last digit.

    Args:
        core, seed, length, samples: as for `edit`.
        at: digits seen before the edit.

    Returns:
        The change of the memory's read-out, as a proportion of the change of the total that was added to the LSTM's h and c
        after `at` digits (two units, along `direction`): 1 if all of it is in the memory at the end, 0 if none.
    """
    weights = read_out(core, seed, length, samples)["weights"]
    unit = direction(core, seed, at, samples=samples)
    inputs = draw_test_set("addition", length, seed + 1, EDITED).inputs
    _, state = core(inputs[:, :at])
    memories = []
    for alpha in (-2.0, 2.0):
        edited = state._replace(h=state.h + alpha * unit["h"], c=state.c + alpha * unit["c"])
        _, last = core(inputs[:, at:length], edited)
        memories.append(last.memory.flatten(1))
    return ((memories[1] - memories[0]).double() @ weights).mean().item() / 4


@torch.no_grad()
def replay(
    core: DNC,
    digits: Sequence[int],
    at: int = 0,
    change: Mapping[str, Tensor] | None = None,
    num_slots: int | None = None,
) -> tuple[Tensor, float]:
    """Show one row of digits; return the memory after each, (T, N, W), and the network's answer.

    Args:
        core: a trained DNC.
        digits: (T,) from 0 … D - 2.
        at, change: as for `answers`; 0 changes nothing.
        num_slots: N, if other than in training.
    """
    symbols = torch.tensor([*digits, core.input_size - 1])
    inputs = one_hot(symbols, core.input_size).float().unsqueeze(0)
    state = core.initial_state(1, num_slots=num_slots)
    memory = []
    for t in range(len(symbols)):
        outputs, state = core(inputs[:, t : t + 1], state)
        if change is not None and t + 1 == at:
            state = state._replace(**{part: getattr(state, part) + added for part, added in change.items()})
        memory.append(state.memory[0])
    return torch.stack(memory[:-1]), outputs[0, -1, 0].item()
