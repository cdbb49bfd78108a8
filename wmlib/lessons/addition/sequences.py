"""Sequences to be answered from memory: addition, repeat, priority sort, copy, associative recall.

Reading guide. Every task is one function: lengths in, a batch of `Sequences` out, drawn from the generator given and on its
device. Shorter sequences are padded with empty rows; `rows` and `answers` mark the rows that count. Read `addition` first.
`sample_lengths` draws lengths between two bounds, and `curriculum` returns the bounds of each level.

Axes: B batch, T time (rows), D numbers in a row, Y numbers in an answer. An empty row is all zeros. float32.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot, pad


class Sequences(NamedTuple):
    """Hold a batch of questions and answers."""

    inputs: Tensor  # float32 (B, T, D)
    targets: Tensor  # float32 (B, T, Y); zero where no answer is due
    rows: Tensor  # bool (B, T): True inside the sequence, False where it is padded
    answers: Tensor  # bool (B, T): True where the answer is due


def sample_lengths(batch_size: int, low: int, high: int, *, generator: Generator) -> Tensor:
    """Draw lengths evenly from low … high, both included: int64 (B,).

    Raises:
        ValueError: a batch or a length below 1, bounds in the wrong order.
    """
    if not (batch_size >= 1 and 1 <= low <= high):
        raise ValueError(
            f"batch_size, low, high: got {batch_size}, {low}, {high}; allowed are batch_size >= 1 and 1 <= low <= high"
        )
    return torch.randint(low, high + 1, (batch_size,), generator=generator, device=generator.device)


def curriculum(kind: str = "cumulative", levels: int = 6) -> list[tuple[int, int]]:
    """Return the shortest and longest length of each level.

    Args:
        kind: "cumulative", level k has lengths 2 … 2k, so the old ones stay in the mix; "disjoint", level k has 2k - 1 and
            2k only, so the old ones are never seen again.
        levels: at least 1.

    Raises:
        ValueError: another kind, or no level.

    Source: ours. The paper (arXiv 1906.07248) says that the difficulty switches every 5,000 sequences until 30,000, not
        what changes; six levels up to length 12, the length in the author's code, fit both.

    Example:
        >>> curriculum("cumulative", 3), curriculum("disjoint", 3)
        ([(2, 2), (2, 4), (2, 6)], [(1, 2), (3, 4), (5, 6)])
    """
    if kind not in ("cumulative", "disjoint") or levels < 1:
        raise ValueError(f"kind, levels: got {kind!r}, {levels}; allowed are cumulative or disjoint, and at least 1 level")
    return [(2 if kind == "cumulative" else 2 * k - 1, 2 * k) for k in range(1, levels + 1)]


def level_at(sequence: int, sequences_per_level: int = 5000, levels: int = 6) -> int:
    """Return the level (0 … levels - 1) of a training sequence, numbered from 0; past the last switch the hardest one stays."""
    return min(sequence // sequences_per_level, levels - 1)


def addition(lengths: Tensor, width: int = 6, even_totals: bool = False, *, generator: Generator) -> Sequences:
    """Show digits one by one, then ask for their sum.

    Args:
        lengths: int (B,), digits in each sequence, at least 1.
        width: D, at least 2; digits are 0 … D - 2, one-hot, and the last column asks.
        even_totals: False, every digit is as likely as any other, so most totals are near their mean. True (for training),
            each sequence has a mean of its own, drawn evenly from 0 … D - 2, so small and large totals are as frequent.

    Returns:
        T = longest + 1, Y = 1. The answer is due on the asking row; before it the target is 0.

    Raises:
        ValueError: lengths or a width that are not allowed.

    Source: Mufti's public DNC code (dnc.py), there with D = 6 and lengths 2 … 12; its loss counts all rows. Even totals: ours.

    Example:
        >>> task = addition(torch.tensor([3]), generator=torch.Generator().manual_seed(0))
        >>> task.inputs[0].argmax(-1).tolist(), task.targets[0, :, 0].tolist()
        ([4, 4, 3, 5], [0.0, 0.0, 0.0, 11.0])
    """
    n, time = _lengths_and_rows(lengths, 1, 1, width, 2)
    if even_totals:
        level = torch.rand(len(n), 1, 1, generator=generator, device=n.device)
        units = torch.rand(len(n), time.shape[1], width - 2, generator=generator, device=n.device)
        digits = (units < level).sum(-1)  # binomial
    else:
        digits = torch.randint(0, width - 1, (len(n), time.shape[1]), generator=generator, device=n.device)
    shown = time < n
    asks = time == n
    symbols = torch.where(shown, digits, width - 1)
    inputs = one_hot(symbols, width).float() * (shown | asks).unsqueeze(-1)
    total = (digits * shown).sum(1, keepdim=True)
    return Sequences(inputs, (total * asks).float().unsqueeze(-1), shown | asks, asks)


def repeat(lengths: Tensor, width: int = 6, *, generator: Generator) -> Sequences:
    """Show rows of random bits, then ask for them again in the same order.

    Args:
        lengths: int (B,), rows of bits in each sequence, at least 1.
        width: D, at least 2; D - 1 bits, and the last column asks.

    Returns:
        T = 2 · longest + 1, Y = D: bits, asking row, then as many empty rows in which the bits are due (the last column of
        the target is always 0).

    Raises:
        ValueError: lengths or a width that are not allowed.

    Source: Mufti's public DNC code (dnc.py), there with D = 6 and lengths 1 … 6.
    """
    n, time = _lengths_and_rows(lengths, 2, 1, width, 2)
    bits = _bits(len(n), int(n.max()), width - 1, generator)
    inputs = torch.cat([_place(bits, time, n, 0), (time == n).unsqueeze(-1).float()], -1)
    targets = pad(_place(bits, time, n, n + 1), (0, 1))
    return Sequences(inputs, targets, time <= 2 * n, (time > n) & (time <= 2 * n))


def copy(lengths: Tensor, bits: int = 5, *, generator: Generator) -> Sequences:
    """Show the same rows as `repeat` with D = bits + 1, and ask for the bits only: Y = bits.

    Source: the copy task of Graves et al. 2014 (arXiv 1410.5401), section 4.1.
    Differs: one asking row after the bits and no row before them; lengths are the caller's.
    """
    task = repeat(lengths, bits + 1, generator=generator)
    return task._replace(targets=task.targets[..., :bits].contiguous())


def priority_sort(lengths: Tensor, width: int = 6, *, generator: Generator) -> Sequences:
    """Show rows of random bits, each with a priority; ask for them again, lowest priority first.

    Args:
        lengths: int (B,), rows of bits in each sequence, at least 1.
        width: D, at least 3; column 0 is the priority, drawn from (-1, 1), then D - 2 bits, and the last column asks.

    Returns:
        T = 2 · longest + 2, Y = D - 2: items, asking row, one row to think, then as many rows in which the bits are due.

    Raises:
        ValueError: lengths or a width that are not allowed.

    Source: Mufti's public DNC code (dnc.py), there with D = 6 and 1 … 5 items.
    Differs: the task of that name in Graves et al. 2014 (arXiv 1410.5401) asks for the 16 highest of 20.
    """
    n, time = _lengths_and_rows(lengths, 2, 2, width, 3)
    longest = int(n.max())
    priority = 2 * torch.rand(len(n), longest, generator=generator, device=n.device) - 1
    bits = _bits(len(n), longest, width - 2, generator)
    items = torch.cat([priority.unsqueeze(-1), bits], -1)
    inputs = torch.cat([_place(items, time, n, 0), (time == n).unsqueeze(-1).float()], -1)
    padding = torch.arange(longest, device=n.device) >= n  # goes to the end of the order
    order = priority.masked_fill(padding, torch.inf).argsort(1)
    ordered = bits.gather(1, order.unsqueeze(-1).expand_as(bits))
    return Sequences(inputs, _place(ordered, time, n, n + 2), time < 2 * n + 2, (time >= n + 2) & (time < 2 * n + 2))


def associative_recall(lengths: Tensor, bits: int = 6, rows: int = 3, *, generator: Generator) -> Sequences:
    """Show items one after another, then one of them again; ask for the item that came after it.

    Args:
        lengths: int (B,), items in each sequence, at least 2.
        bits: random bits in a row, at least 1; D = bits + 2: one column starts an item, one starts and ends the question.
        rows: rows of an item, at least 1.

    Returns:
        T = longest · (rows + 1) + 2 · rows + 2, Y = bits: each item is its starting row and its bits; then the question's
        row, one of the items but the last, the question's row again, and empty rows in which the next item is due.

    Raises:
        ValueError: lengths, bits or rows that are not allowed.

    Source: Graves et al. 2014 (arXiv 1410.5401), section 4.3: 2 … 6 items of 3 rows of 6 bits.
    Differs: nothing keeps two items from being equal, with probability 2^(-rows · bits) a pair; such a question may have
        two right answers, of which one counts.
    """
    if bits < 1 or rows < 1:
        raise ValueError(f"bits, rows: got {bits}, {rows}; both must be at least 1")
    n = _check_lengths(lengths, 2)
    longest = int(n.max())
    items = _bits(len(n), longest * rows, bits, generator).unflatten(1, (longest, rows))
    asked = (torch.rand(len(n), 1, generator=generator, device=n.device) * (n - 1)).long().clamp(max=n - 2)  # 0 … n - 2
    batch = torch.arange(len(n), device=n.device).unsqueeze(1)
    question = items[batch, asked].squeeze(1)  # (B, rows, bits)
    answer = items[batch, asked + 1].squeeze(1)

    time = torch.arange(longest * (rows + 1) + 2 * rows + 2, device=n.device).unsqueeze(0)
    ask = n * (rows + 1)  # (B, 1), the question's row
    starts = (time < ask) & (time % (rows + 1) == 0)
    shown = pad(items, (0, 0, 1, 0)).flatten(1, 2)  # a row of zeros before each item
    content = _place(shown, time, ask, 0) + _place(question, time, torch.full_like(ask, rows), ask + 1)
    asks = (time == ask) | (time == ask + rows + 1)
    due = ask + rows + 2
    inputs = torch.cat([content, starts.unsqueeze(-1).float(), asks.unsqueeze(-1).float()], -1)
    targets = _place(answer, time, torch.full_like(ask, rows), due)
    return Sequences(inputs, targets, time < due + rows, (time >= due) & (time < due + rows))


def _check_lengths(lengths: Tensor, least: int) -> Tensor:
    """Return the lengths as a column, int64 (B, 1)."""
    if lengths.ndim != 1 or len(lengths) < 1 or lengths.is_floating_point() or int(lengths.min()) < least:
        raise ValueError(f"lengths: got {lengths.dtype} {lengths.tolist()}; allowed are whole numbers (B,) of at least {least}")
    return lengths.long().unsqueeze(1)


def _lengths_and_rows(lengths: Tensor, per_item: int, extra: int, width: int, least: int) -> tuple[Tensor, Tensor]:
    """Check the arguments; return lengths (B, 1) and the row numbers (1, T), T = per_item · longest + extra."""
    if width < least:
        raise ValueError(f"width: got {width}; it must be at least {least}")
    n = _check_lengths(lengths, 1)
    return n, torch.arange(per_item * int(n.max()) + extra, device=n.device).unsqueeze(0)


def _bits(batch_size: int, count: int, width: int, generator: Generator) -> Tensor:
    return torch.randint(0, 2, (batch_size, count, width), generator=generator, device=generator.device).float()


def _place(items: Tensor, time: Tensor, count: Tensor, start: Tensor | int) -> Tensor:
    """Put the first `count` (B, 1) of the items (B, I, F) at rows `start`, start + 1, ...: (B, T, F), zero elsewhere."""
    index = time - start + torch.zeros_like(count)  # (B, T): number of the item that belongs to this row
    occupied = (index >= 0) & (index < count)
    chosen = items.gather(1, index.clamp(0, items.shape[1] - 1).unsqueeze(-1).expand(-1, -1, items.shape[-1]))
    return chosen * occupied.unsqueeze(-1)
