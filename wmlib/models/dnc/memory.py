"""One write and one read of the DNC's memory.

Reading guide. The controller speaks to the memory through one long vector; `Interface.parse` cuts it up and brings each part
into its range. `access` is the memory's whole step, in the order of the paper: free, allocate, write, link, read.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wmlib.models.dnc import addressing

LINKS = ("full", "sparse", "none")


class DNCState(NamedTuple):
    """Hold all that a DNC remembers between two steps. All zeros at the start of an episode.

    Axes: free leading axes, H hidden units, N slots, W numbers in a slot, R read heads. Without a link, `precedence` and
    `link` have no slots (N = 0).
    """

    h: Tensor  # (..., H) the controller's hidden vector
    c: Tensor  # (..., H) and its cells
    memory: Tensor  # (..., N, W)
    usage: Tensor  # (..., N) in [0, 1]
    precedence: Tensor  # (..., N), sum <= 1: how surely each slot was the last one written
    link: Tensor  # (..., N, N): how surely row was written right after column
    write: Tensor  # (..., N), sum <= 1: last write weighting
    read: Tensor  # (..., R, N), sums <= 1: last read weightings
    reads: Tensor  # (..., R, W) the vectors read


class Trace(NamedTuple):
    """Hold what happened at each of T steps, without gradient: what a memory inspector draws.

    `memory`, `usage` and `link` are those after the step's write; weightings and gates those of the step.
    """

    write: Tensor  # (..., T, N)
    read: Tensor  # (..., T, R, N)
    allocation: Tensor  # (..., T, N)
    usage: Tensor  # (..., T, N)
    free_gates: Tensor  # (..., T, R)
    allocation_gate: Tensor  # (..., T)
    write_gate: Tensor  # (..., T)
    read_modes: Tensor  # (..., T, R, 3): backward, content, forward; (..., T, R, 0) without a link
    link: Tensor  # (..., T, N, N)
    memory: Tensor  # (..., T, N, W)


def interface_sizes(width: int, heads: int, link: str) -> dict[str, int]:
    """Return the length of each part of the interface vector, in the paper's order.

    The sum is W·R + 3W + 5R + 3; without a link there are no read modes, 3R fewer.
    """
    return {
        "read_keys": heads * width,
        "read_strengths": heads,
        "write_key": width,
        "write_strength": 1,
        "erase": width,
        "write_vector": width,
        "free_gates": heads,
        "allocation_gate": 1,
        "write_gate": 1,
        "read_modes": 0 if link == "none" else 3 * heads,
    }


class Interface(NamedTuple):
    """Hold what the controller tells the memory at one step."""

    read_keys: Tensor  # (..., R, W)
    read_strengths: Tensor  # (..., R) >= 1
    write_key: Tensor  # (..., W)
    write_strength: Tensor  # (..., 1) >= 1
    erase: Tensor  # (..., W) in [0, 1]
    write_vector: Tensor  # (..., W)
    free_gates: Tensor  # (..., R) in [0, 1]
    allocation_gate: Tensor  # (..., 1) in [0, 1]
    write_gate: Tensor  # (..., 1) in [0, 1]
    read_modes: Tensor  # (..., R, 3), sum 1: backward, content, forward; (..., R, 0) without a link

    @classmethod
    def parse(cls, vector: Tensor, width: int, heads: int, link: str) -> Interface:
        """Cut an interface vector (..., sum of `interface_sizes`) into its parts.

        Source: Graves et al. 2016, interface parameters; oneplus(x) = 1 + ln(1 + eˣ).
        """
        sizes = interface_sizes(width, heads, link)
        raw = dict(zip(sizes, vector.split(list(sizes.values()), -1), strict=True))
        batch = vector.shape[:-1]
        for name in ("read_strengths", "write_strength"):
            raw[name] = 1 + F.softplus(raw[name], threshold=40)  # 40: e⁻⁴⁰ is nothing in float64, e⁴⁰ is finite in float32
        for name in ("erase", "free_gates", "allocation_gate", "write_gate"):
            raw[name] = torch.sigmoid(raw[name])
        raw["read_keys"] = raw["read_keys"].reshape(*batch, heads, width)
        raw["read_modes"] = torch.softmax(raw["read_modes"].reshape(*batch, heads, sizes["read_modes"] // heads), -1)
        return cls(**raw)


def access(
    state: DNCState, interface: Interface, *, link: str = "full", link_size: int = 8, detach_addressing: bool = False
) -> tuple[DNCState, Tensor]:
    """Write to the memory, then read from it.

    Args:
        state: of the last step; `h` and `c` are passed on untouched.
        interface: this step's orders.
        link, link_size, detach_addressing: as in `DNC`.

    Returns:
        The new state, and the allocation weighting (..., N).

    Source: Graves et al. 2016, Methods; the order of the updates is the paper's.
    """
    cut = torch.detach if detach_addressing else lambda weighting: weighting
    usage = addressing.update_usage(state.usage, state.write, state.read, interface.free_gates)
    allocation = cut(addressing.allocation(usage))
    content = addressing.content_weighting(state.memory, interface.write_key.unsqueeze(-2), interface.write_strength)
    gate = interface.allocation_gate
    write = interface.write_gate * (gate * allocation + (1 - gate) * cut(content).squeeze(-2))  # w^w, (..., N)

    kept = 1 - write.unsqueeze(-1) * interface.erase.unsqueeze(-2)  # E - w^w eᵀ, (..., N, W)
    memory = state.memory * kept + write.unsqueeze(-1) * interface.write_vector.unsqueeze(-2)

    read = cut(addressing.content_weighting(memory, interface.read_keys, interface.read_strengths))  # c^r, (..., R, N)
    precedence, links = state.precedence, state.link
    if link != "none":
        if link == "full":
            links = addressing.update_link(links, precedence, write)
        else:
            links = addressing.update_sparse_link(links, precedence, write, link_size)
        precedence = addressing.update_precedence(precedence, write)  # after the link, which needs the last step's
        backward, forward = addressing.follow(links, state.read)
        modes = interface.read_modes.unsqueeze(-1)  # (..., R, 3, 1)
        read = modes[..., 0, :] * backward + modes[..., 1, :] * read + modes[..., 2, :] * forward
    new = DNCState(state.h, state.c, memory, usage, precedence, links, write, read, read @ memory)
    return new, allocation
