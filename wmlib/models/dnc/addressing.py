"""How the DNC chooses slots: by content, by what is free, and by the order of writing.

Reading guide. A weighting says how strongly each of N slots is meant: numbers >= 0 with sum <= 1. Three ways lead to one:
`content_weighting` (which slot looks like this key?), `allocation` (which slot is free?) and `follow` (which slot was written
after, or before, the one just read?). `update_usage` and `update_link` keep the books that the last two need.

Each function is one or two equations of Graves et al., "Hybrid computing using a neural network with dynamic external
memory", Nature 538 (2016), Methods. Axes: free leading axes, then R read heads, N slots, W numbers in a slot.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6  # keeps gradients finite at an empty memory; see content_weighting and allocation


def content_weighting(memory: Tensor, keys: Tensor, strengths: Tensor) -> Tensor:
    """Compare keys with every slot: softmax over N of strength times cosine.

    Args:
        memory: float (..., N, W).
        keys: float (..., R, W).
        strengths: float (..., R), at least 1; how sharply the best match wins.

    Returns:
        float (..., R, N), positive with sum 1 over N.

    Source: Graves et al. 2016, content-based addressing, C(M, k, β).
    Differs: each squared length has 1e-6 added under the root. A slot of zeros then has cosine 0, and its gradient is at
        most 1000 times the key's, not infinite.
    """
    dot = keys @ memory.transpose(-1, -2)  # (..., R, N)
    key_scale = torch.rsqrt((keys * keys).sum(-1) + EPSILON)  # (..., R)
    slot_scale = torch.rsqrt((memory * memory).sum(-1) + EPSILON)  # (..., N)
    cosine = dot * key_scale.unsqueeze(-1) * slot_scale.unsqueeze(-2)
    return torch.softmax(strengths.unsqueeze(-1) * cosine, -1)


def update_usage(usage: Tensor, write: Tensor, read: Tensor, free_gates: Tensor) -> Tensor:
    """Count a slot as used when it was written, as free again when a head has read it and lets it go.

    Args:
        usage: float (..., N) in [0, 1], of the last step.
        write: float (..., N), last step's write weighting.
        read: float (..., R, N), last step's read weightings.
        free_gates: float (..., R) in [0, 1].

    Returns:
        float (..., N) in [0, 1].

    Source: Graves et al. 2016, dynamic memory allocation: retention ψ = Π_i (1 - f_i w_i), u = (u + w - u∘w)∘ψ.
    """
    retention = (1 - free_gates.unsqueeze(-1) * read).prod(-2)  # ψ, (..., N)
    return (usage + write - usage * write) * retention


def allocation(usage: Tensor) -> Tensor:
    """Choose the least used slots: a weighting (..., N) out of a usage (..., N).

    Source: Graves et al. 2016: φ sorts the slots by usage, a[φ_j] = (1 - u[φ_j]) Π_{i<j} u[φ_i]. As there, the order
        itself has no gradient. Among equally used slots the lower index comes first (the sort is stable); among slots equal
        but for rounding, the order may differ from machine to machine. Such slots are alike, so the outputs do not change.
    Differs: usage is moved from [0, 1] to [1e-6, 1] first, so that the product's gradient needs no division by zero.
    """
    ordered, order = torch.sort(EPSILON + (1 - EPSILON) * usage, dim=-1, stable=True)
    product = torch.cumprod(ordered, -1)
    before = torch.cat([torch.ones_like(product[..., :1]), product[..., :-1]], -1)  # Π over i < j
    return torch.zeros_like(usage).scatter(-1, order, (1 - ordered) * before)


def update_link(link: Tensor, precedence: Tensor, write: Tensor) -> Tensor:
    """Remember in which order slots were written.

    Args:
        link: float (..., N, N); entry (i, j) is how surely i was written right after j. Zero diagonal.
        precedence: float (..., N), how surely each slot was the last one written, before this step.
        write: float (..., N), this step's write weighting.

    Returns:
        float (..., N, N), entries >= 0, rows and columns with sum <= 1, diagonal 0.

    Source: Graves et al. 2016, temporal memory linkage: L[i,j] = (1 - w_i - w_j) L[i,j] + w_i p[j], L[i,i] = 0.
    """
    new = write.unsqueeze(-1)  # w_i
    link = (1 - new - write.unsqueeze(-2)) * link + new * precedence.unsqueeze(-2)
    return link.masked_fill(torch.eye(link.shape[-1], dtype=torch.bool, device=link.device), 0)


def update_sparse_link(link: Tensor, precedence: Tensor, write: Tensor, size: int) -> Tensor:
    """Do as `update_link`, but let only the `size` = K largest weights take part.

    Source: Graves et al. 2016, sparse link matrix: keep the K largest entries of w and of p, scale them to sum 1, update the
        link with them, then drop entries of it below 1/K.
    Differs: weights with a sum below 1e-6 are divided by 1e-6 instead (the precedence is all zero at first). The link is
        stored with its zeros, so that it is the paper's in value, not in cost. Ties go to the lower index.
    Beware: with half-closed write gates the scaling to sum 1 lets columns of the link sum to more than 1, which the full link
        never does: a weak write counts as a whole one, while p still points at the slot before it. Read weightings that
        follow such a link can exceed sum 1 too.
    """
    link = update_link(link, _largest(precedence, size), _largest(write, size))
    return link.masked_fill(link < 1 / size, 0)


def _largest(weighting: Tensor, size: int) -> Tensor:
    values, index = torch.sort(weighting, dim=-1, descending=True, stable=True)
    values = values[..., :size]
    index = index[..., :size]
    values = values / values.sum(-1, keepdim=True).clamp(min=EPSILON)
    return torch.zeros_like(weighting).scatter(-1, index, values)


def update_precedence(precedence: Tensor, write: Tensor) -> Tensor:
    """Return p = (1 - Σw) p + w, float (..., N): which slot was written last.

    Source: Graves et al. 2016, temporal memory linkage.
    """
    return (1 - write.sum(-1, keepdim=True)) * precedence + write


def follow(link: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
    """Step from what was read to what was written before it and after it.

    Args:
        link: float (..., N, N).
        read: float (..., R, N), last step's read weightings.

    Returns:
        backward b = Lᵀ w and forward f = L w, each float (..., R, N).

    Source: Graves et al. 2016, temporal memory linkage.
    """
    return read @ link, read @ link.transpose(-1, -2)
