"""One step of the DNC and its gradient as compiled loops for the CPU: the equations of `memory.access`, by hand.

Reading guide. `_write_and_read` is one step of the memory for one element of the batch, `_write_and_read_backward` its
gradient: read them beside `memory.access`, line by line. `_cells` and `_cells_backward` are the element-wise part of the LSTM.
`forward` and `backward` do all steps, one element after the other in each, so that its memory stays in the processor's cache.
The small functions exist because the compiler can be told of an argument, and only of that, that it overlaps no other.

Numba compiles a function when it is first called with a dtype, and keeps the result on disk. Arrays are C-contiguous. Axes:
B batch, N slots, W numbers in a slot, R heads, H hidden units, S length of the interface vector. What a step did to the slots
is one array (B, 7 + 5R, N); its rows are named below.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numba.core import types
from numba.core.compiler import Compiler
from numba.extending import intrinsic, overload

USAGE, WRITE, PRECEDENCE, ALLOCATION, COSINE, CONTENT, SCALE, READ = range(8)  # rows of a step's slots; from READ on by head:
PER_HEAD = 5  # R read weightings, R cosines, R weightings found by content, R backward and R forward weightings
CARRIED = 3  # rows of the gradient that flows to the step before: usage, write, precedence; then R read weightings


class _Inner(Compiler):
    """Numba's compiler for functions that make no arrays: they need not count who uses which, slow work beside small loops."""

    def __init__(self, *args):
        super().__init__(*args)
        self.state.flags.nrt = False


class _Apart(_Inner):
    """And for functions whose arrays do not overlap where they write.

    Untold, the compiler compares their places before every loop; with more than a few it does one number at a time.
    """

    def __init__(self, *args):
        super().__init__(*args)
        self.state.flags.noalias = True


# Sums may be taken in any order and products fused with them; NaN and infinity keep their meaning. All is compiled into the
# two outer functions: a small one that is called would be another compilation in the process that compiles than in one that
# loads from disk, with sums in another order, so that the first run after an installation would differ in its last bits.
options: dict[str, Any] = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}
outer = njit(**options)
inner = njit(**options, forceinline=True, pipeline_class=_Inner)
apart = njit(**options, forceinline=True, pipeline_class=_Apart)


@intrinsic
def _bits_as_float(typingctx, bits):
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


def _exp(x):
    """Return eˣ; for float32 by a polynomial (relative error 1e-7), which the compiler can do for many numbers at once."""
    return math.exp(x)


@overload(_exp)
def _compiled_exp(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def polynomial(x):  # x = whole · ln 2 + z, |z| <= ln 2 / 2; ln 2 in two parts, as it is not a float32
        x = min(max(x, np.float32(-87)), np.float32(88))
        whole = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
        z = x - whole * np.float32(0.693359375) + whole * np.float32(2.12194440e-4)
        p = np.float32(1 / 5040) * z + np.float32(1 / 720)
        p = p * z + np.float32(1 / 120)
        p = p * z + np.float32(1 / 24)
        p = p * z + np.float32(1 / 6)
        p = p * z + np.float32(1 / 2)
        p = p * z + np.float32(1)
        p = p * z + np.float32(1)
        return p * _bits_as_float(np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)))  # type: ignore[call-arg]  # numba gives the context

    return polynomial


# The controller's cells


@apart
def _cells(gates, old, new, hidden):
    """Finish an LSTM step: gates (4H,) come in as sums and go out as gates (in, keep, candidate, out).

    old (H,) are the cells of the last step, new (H,) and hidden (H,) are filled.
    """
    one = gates.dtype.type(1)
    two = gates.dtype.type(2)
    size = old.shape[0]
    for j in range(2 * size, 3 * size):
        gates[j] *= two
    for j in range(4 * size):
        gates[j] = one / (one + _exp(-gates[j]))
    for j in range(2 * size, 3 * size):
        gates[j] = two * gates[j] - one  # tanh
    for j in range(size):
        new[j] = gates[size + j] * old[j] + gates[j] * gates[2 * size + j]
    for j in range(size):
        hidden[j] = gates[3 * size + j] * (two / (one + _exp(-two * new[j])) - one)


@apart
def _cells_backward(gates, old, new, d_hidden, d_cells, d_gates, squashed):
    """Do the gradient of `_cells`: from d_hidden (H,) to d_gates (4H,); d_cells (H,) goes from new to old.

    squashed (H,) is scratch.
    """
    one = gates.dtype.type(1)
    two = gates.dtype.type(2)
    size = old.shape[0]
    for j in range(size):
        squashed[j] = two / (one + _exp(-two * new[j])) - one
    for j in range(size):
        gate_in = gates[j]
        keep = gates[size + j]
        candidate = gates[2 * size + j]
        out = gates[3 * size + j]
        d_cell = d_cells[j] + d_hidden[j] * out * (one - squashed[j] * squashed[j])
        d_gates[j] = d_cell * candidate * gate_in * (one - gate_in)
        d_gates[size + j] = d_cell * old[j] * keep * (one - keep)
        d_gates[2 * size + j] = d_cell * gate_in * (one - candidate * candidate)
        d_gates[3 * size + j] = d_hidden[j] * squashed[j] * out * (one - out)
        d_cells[j] = d_cell * keep


# The interface vector


@inner
def _parts(heads, width):
    """Return where the parts of an interface vector start, in the order of `memory.interface_sizes`, after the read keys."""
    strengths = heads * width
    key = strengths + heads
    strength = key + width
    erase = strength + 1
    vector = erase + width
    free = vector + width
    return strengths, key, strength, erase, vector, free, free + heads, free + heads + 1, free + heads + 2


@apart
def _parse(raw, orders, heads, width, linked):
    """Bring each part of an interface vector (S,) into its range, as `Interface.parse` does."""
    one = raw.dtype.type(1)
    strengths, key, strength, erase, vector, free, _, _, modes = _parts(heads, width)
    for i in range(strengths):
        orders[i] = raw[i]
    for i in range(key, strength):
        orders[i] = raw[i]
    for i in range(erase, vector):
        orders[i] = one / (one + _exp(-raw[i]))
    for i in range(vector, free):
        orders[i] = raw[i]
    for i in range(free, modes):
        orders[i] = one / (one + _exp(-raw[i]))
    for r in range(heads + 1):
        i = strengths + r if r < heads else strength
        orders[i] = one + (raw[i] if raw[i] > 40 else math.log1p(math.exp(raw[i])))
    if linked:
        for r in range(heads):
            i = modes + 3 * r
            top = max(raw[i], raw[i + 1], raw[i + 2])
            back = _exp(raw[i] - top)
            content = _exp(raw[i + 1] - top)
            forth = _exp(raw[i + 2] - top)
            scale = one / (back + content + forth)
            orders[i], orders[i + 1], orders[i + 2] = back * scale, content * scale, forth * scale


# Sums of products: four rows and two vectors at a time, because reading memory takes longer than the arithmetic


@apart
def _copy(a, b):
    for i in range(a.shape[0]):
        b[i] = a[i]


@inner
def _copy_rows(a, b):
    for k in range(a.shape[0]):
        _copy(a[k], b[k])


@inner
def _fill(rows, value):
    for k in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[k, j] = value


@apart
def _dot(a, b):
    total = a.dtype.type(0)
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@apart
def _dot_four(vector, rows, k, total, start):
    row_0 = rows[k]
    row_1 = rows[k + 1]
    row_2 = rows[k + 2]
    row_3 = rows[k + 3]
    sum_0 = sum_1 = sum_2 = sum_3 = vector.dtype.type(0)
    for j in range(vector.shape[0]):
        sum_0 += row_0[j] * vector[j]
        sum_1 += row_1[j] * vector[j]
        sum_2 += row_2[j] * vector[j]
        sum_3 += row_3[j] * vector[j]
    total[start + k] += sum_0
    total[start + k + 1] += sum_1
    total[start + k + 2] += sum_2
    total[start + k + 3] += sum_3


@apart
def _dot_four_by_two(x, y, rows, k, x_total, y_total, start):
    row_0 = rows[k]
    row_1 = rows[k + 1]
    row_2 = rows[k + 2]
    row_3 = rows[k + 3]
    x_0 = x_1 = x_2 = x_3 = y_0 = y_1 = y_2 = y_3 = x.dtype.type(0)
    for j in range(x.shape[0]):
        x_0 += row_0[j] * x[j]
        x_1 += row_1[j] * x[j]
        x_2 += row_2[j] * x[j]
        x_3 += row_3[j] * x[j]
        y_0 += row_0[j] * y[j]
        y_1 += row_1[j] * y[j]
        y_2 += row_2[j] * y[j]
        y_3 += row_3[j] * y[j]
    x_total[start + k] += x_0
    x_total[start + k + 1] += x_1
    x_total[start + k + 2] += x_2
    x_total[start + k + 3] += x_3
    y_total[start + k] += y_0
    y_total[start + k + 1] += y_1
    y_total[start + k + 2] += y_2
    y_total[start + k + 3] += y_3


@inner
def _add_dots(vectors, rows, totals, start):
    """Add to totals (M, ...), from column `start` on, the dot products of vectors (M, J) and rows (K, J)."""
    count = vectors.shape[0]
    whole = rows.shape[0] // 4 * 4
    even = vectors.shape[0] // 2 * 2
    for k in range(0, whole, 4):
        for m in range(0, even, 2):
            _dot_four_by_two(vectors[m], vectors[m + 1], rows, k, totals[m], totals[m + 1], start)
        if even < count:
            _dot_four(vectors[even], rows, k, totals[even], start)
    for k in range(whole, rows.shape[0]):
        for m in range(count):
            totals[m, start + k] += _dot(vectors[m], rows[k])


@apart
def _add_row(weight, row, total):
    for j in range(total.shape[0]):
        total[j] += weight * row[j]


@apart
def _add_four(weights, rows, k, total, start):
    row_0 = rows[k]
    row_1 = rows[k + 1]
    row_2 = rows[k + 2]
    row_3 = rows[k + 3]
    at = start + k
    weight_0 = weights[at]
    weight_1 = weights[at + 1]
    weight_2 = weights[at + 2]
    weight_3 = weights[at + 3]
    for j in range(total.shape[0]):
        total[j] += weight_0 * row_0[j] + weight_1 * row_1[j] + weight_2 * row_2[j] + weight_3 * row_3[j]


@apart
def _add_four_by_two(x, y, rows, k, x_total, y_total, start):
    row_0 = rows[k]
    row_1 = rows[k + 1]
    row_2 = rows[k + 2]
    row_3 = rows[k + 3]
    at = start + k
    x_0 = x[at]
    x_1 = x[at + 1]
    x_2 = x[at + 2]
    x_3 = x[at + 3]
    y_0 = y[at]
    y_1 = y[at + 1]
    y_2 = y[at + 2]
    y_3 = y[at + 3]
    for j in range(x_total.shape[0]):
        x_total[j] += x_0 * row_0[j] + x_1 * row_1[j] + x_2 * row_2[j] + x_3 * row_3[j]
        y_total[j] += y_0 * row_0[j] + y_1 * row_1[j] + y_2 * row_2[j] + y_3 * row_3[j]


@inner
def _add_rows(vectors, rows, totals, start):
    """Add to totals (M, J) the product of vectors (M, ...), from column `start` on, and rows (K, J)."""
    count = vectors.shape[0]
    whole = rows.shape[0] // 4 * 4
    even = vectors.shape[0] // 2 * 2
    for k in range(0, whole, 4):
        for m in range(0, even, 2):
            _add_four_by_two(vectors[m], vectors[m + 1], rows, k, totals[m], totals[m + 1], start)
        if even < count:
            _add_four(vectors[even], rows, k, totals[even], start)
    for k in range(whole, rows.shape[0]):
        for m in range(count):
            _add_row(vectors[m, start + k], rows[k], totals[m])


# Content addressing, for M keys at once


@apart
def _scale(vector):
    """Return 1 / length, as `addressing.content_weighting` defines it."""
    return vector.dtype.type(1) / np.sqrt(_dot(vector, vector) + vector.dtype.type(1e-6))


@apart
def _softmax(cosine, strength, weighting):
    top = cosine[0]
    total = cosine.dtype.type(0)
    for n in range(cosine.shape[0]):
        top = max(top, cosine[n])
    for n in range(cosine.shape[0]):
        weighting[n] = _exp(strength * (cosine[n] - top))
        total += weighting[n]
    total = cosine.dtype.type(1) / total
    for n in range(cosine.shape[0]):
        weighting[n] *= total


@apart
def _times(vector, factor, factors):
    for n in range(vector.shape[0]):
        vector[n] *= factor * factors[n]


@inner
def _content(memory, scales, keys, strengths, cosines, weightings):
    """Fill cosines (M, N) and softmax (M, N) of strength times cosine; scales (N,) are the slots' 1 / length."""
    _fill(cosines, memory.dtype.type(0))
    _add_dots(keys, memory, cosines, 0)
    for m in range(keys.shape[0]):
        _times(cosines[m], _scale(keys[m]), scales)
        _softmax(cosines[m], strengths[m], weightings[m])


@apart
def _softmax_backward(scales, key_scale, strength, cosine, weighting, d_weighting, to_self):
    """Turn d_weighting (N,) into the gradient of the dot products of key and slots.

    Add to to_self (N,) the negative share of a slot in its own gradient. Return the gradient of the strength, and the negative
    share of the key in its own.
    """
    mean = _dot(weighting, d_weighting)
    d_strength = scales.dtype.type(0)
    for n in range(scales.shape[0]):
        part = weighting[n] * (d_weighting[n] - mean) * cosine[n]
        d_strength += part
        to_self[n] -= part * strength * scales[n] * scales[n]
        d_weighting[n] = weighting[n] * (d_weighting[n] - mean) * strength * key_scale * scales[n]
    return d_strength, -d_strength * strength * key_scale * key_scale


@inner
def _content_backward(memory, scales, keys, strengths, cosines, weightings, d_weightings, to_self, d_keys, d_strengths):
    """Do the gradient of `_content`; that of the memory is to_self (N,) times memory and d_weightings (M, N) times keys.

    d_weightings becomes that factor, to_self is added to; d_keys (M, W) and d_strengths (M,), of raw strengths, are filled.
    """
    one = memory.dtype.type(1)
    _fill(d_keys, memory.dtype.type(0))
    for m in range(keys.shape[0]):
        key_scale = _scale(keys[m])
        sharp = strengths[m]
        d_sharp, along = _softmax_backward(scales, key_scale, sharp, cosines[m], weightings[m], d_weightings[m], to_self)
        d_strengths[m] = -d_sharp * math.expm1(one - sharp)  # the derivative of oneplus
        _add_row(along, keys[m], d_keys[m])
    _add_rows(d_weightings, memory, d_keys, 0)


# Usage and allocation


@apart
def _use(usage_before, write, reads, free, usage):
    """Fill usage (N,), from that of the step before, and the write and read weightings (R, N) of then."""
    for n in range(usage.shape[0]):
        usage[n] = usage_before[n] + write[n] - usage_before[n] * write[n]
    for r in range(free.shape[0]):
        gate = free[r]
        read = reads[r]
        for n in range(usage.shape[0]):
            usage[n] *= usage.dtype.type(1) - gate * read[n]


@apart
def _use_backward(usage_before, write, reads, free, d_usage, kept, d_usage_before, d_write, d_reads, d_free):
    """Fill d_usage_before, d_write (N,) and d_free (R,), add to d_reads (R, N); kept (N,) is scratch."""
    one = write.dtype.type(1)
    for r in range(free.shape[0]):  # kept: what the other heads keep, times the gradient and the usage before
        for n in range(write.shape[0]):
            kept[n] = -d_usage[n] * (usage_before[n] + write[n] - usage_before[n] * write[n])
        for q in range(free.shape[0]):
            if q != r:
                for n in range(write.shape[0]):
                    kept[n] *= one - free[q] * reads[q, n]
        d_gate = write.dtype.type(0)
        gate = free[r]
        read = reads[r]
        d_read = d_reads[r]
        for n in range(write.shape[0]):
            d_gate += kept[n] * read[n]
            d_read[n] += kept[n] * gate
        d_free[r] = d_gate * gate * (one - gate)
    for n in range(write.shape[0]):
        kept[n] = d_usage[n]
    for r in range(free.shape[0]):
        gate = free[r]
        read = reads[r]
        for n in range(write.shape[0]):
            kept[n] *= one - gate * read[n]
    for n in range(write.shape[0]):
        d_usage_before[n] = kept[n] * (one - write[n])
        d_write[n] = kept[n] * (one - usage_before[n])


@apart
def _sort(usage, order_before, order):
    """Fill order (N,) with the slots by usage, the lower index first among equals, from an order that is nearly right."""
    for i in range(usage.shape[0]):
        slot = order_before[i]
        value = usage[slot]
        j = i
        while j > 0 and (usage[order[j - 1]] > value or (usage[order[j - 1]] == value and order[j - 1] > slot)):
            order[j] = order[j - 1]
            j -= 1
        order[j] = slot


@apart
def _allocate(usage, order, allocation):
    """Fill allocation (N,): the paper's product over the slots that are less used."""
    one = usage.dtype.type(1)
    epsilon = usage.dtype.type(1e-6)
    product = one
    for i in range(usage.shape[0]):
        used = epsilon + (one - epsilon) * usage[order[i]]
        allocation[order[i]] = (one - used) * product
        product *= used


@apart
def _allocate_backward(usage, order, products, d_allocation, d_usage):
    """Add the gradient of the usage to d_usage (N,), without a division.

    With P_j = Π_{i<j} u_i and V_j = g_j (1 - u_j) + u_j V_{j+1} it is dE/du_j = P_j (V_{j+1} - g_j), in the order of usage; g
    is d_allocation (N,), products (N,) is scratch for P.
    """
    one = usage.dtype.type(1)
    epsilon = usage.dtype.type(1e-6)
    product = one
    for i in range(usage.shape[0]):
        products[i] = product
        product *= epsilon + (one - epsilon) * usage[order[i]]
    later = usage.dtype.type(0)
    for i in range(usage.shape[0] - 1, -1, -1):
        used = epsilon + (one - epsilon) * usage[order[i]]
        given = d_allocation[order[i]]
        d_usage[order[i]] += (one - epsilon) * products[i] * (later - given)
        later = given * (one - used) + used * later


# The link, a few rows at a time, which stay in the fastest cache


@inner
def _rows_at_once(size):
    """Return K, the rows of a link (N, N) that are about 8 KB."""
    return min(size, max(4, 2048 // size))


@apart
def _advance(rows, start, write, precedence):
    """Bring rows (K, N) of the link, from row `start` on, one step further.

    write (N,) is that of the step, precedence (N,) that of the step before.
    """
    one = rows.dtype.type(1)
    zero = rows.dtype.type(0)
    for k in range(rows.shape[0]):
        row = rows[k]
        weight = write[start + k]
        rest = one - weight
        for j in range(row.shape[0]):
            row[j] = (rest - write[j]) * row[j] + weight * precedence[j]
        row[start + k] = zero


@inner
def _link_and_follow(link, write, precedence, read, back, forth):
    """Bring link (N, N) one step further; fill back and forth (R, N) with linkᵀ and link times `read` (R, N)."""
    size = link.shape[0]
    at_once = _rows_at_once(link.shape[0])
    _fill(back, link.dtype.type(0))
    _fill(forth, link.dtype.type(0))
    for start in range(0, size, at_once):
        rows = link[start : start + at_once]
        _advance(rows, start, write, precedence)
        _add_dots(read, rows, forth, start)
        _add_rows(read, rows, back, start)


@apart
def _row_backward(old, weight, write, precedence, d_row, d_write, d_precedence):
    """Do the gradient of a row of `_next_link`, which d_row (N,) goes through; return what d_write has of the row itself."""
    along = old.dtype.type(0)
    rest = old.dtype.type(1) - weight
    for j in range(old.shape[0]):
        change = d_row[j] * old[j]
        along += d_row[j] * precedence[j] - change
        d_write[j] -= change
        d_precedence[j] += weight * d_row[j]
        d_row[j] *= rest - write[j]
    return along


@inner
def _link_backward(
    kept, past, b, d_link, write, precedence, read, d_back, d_forth, d_write, d_precedence, d_read, place, sides, shares
):
    """Do the gradient of `_link_and_follow`.

    kept (N, N) is a link some steps before; past (steps + 1, B, 7 + 5R, N), at b, has what these steps did to the slots. The
    rows are made again from there in the fastest cache, which is quicker than to keep them all in memory.
    d_link (N, N) goes from after to before; d_write, d_precedence (N,) and d_read (R, N) are added to.
    place (2, K, N) for K rows, sides (2R, N) and shares (N, 2R) are scratch.
    """
    size = kept.shape[0]
    heads = read.shape[0]
    for r in range(heads):
        _copy(read[r], sides[r])
        _copy(d_back[r], sides[heads + r])
        for i in range(size):
            shares[i, r], shares[i, heads + r] = d_forth[r, i], read[r, i]
    for start in range(0, size, place.shape[1]):
        d_rows = d_link[start : start + place.shape[1]]
        before = place[0, : d_rows.shape[0]]
        after = place[1, : d_rows.shape[0]]
        for k in range(d_rows.shape[0]):
            _copy(kept[start + k], before[k])
        for s in range(past.shape[0] - 1):
            _advance(before, start, past[s + 1, b, WRITE], past[s, b, PRECEDENCE])
        for k in range(d_rows.shape[0]):
            _copy(before[k], after[k])
        _advance(after, start, write, precedence)
        _add_dots(d_back, after, d_read, start)
        _add_rows(d_forth, after, d_read, start)
        _add_rows(shares[start : start + d_rows.shape[0]], sides, d_rows, 0)
        for k in range(d_rows.shape[0]):
            i = start + k
            d_rows[k, i] = kept.dtype.type(0)
            d_write[i] += _row_backward(before[k], write[i], write, precedence, d_rows[k], d_write, d_precedence)


# The whole step


@apart
def _write_slot(slot, weight, erase, vector, result):
    one = slot.dtype.type(1)
    for i in range(slot.shape[0]):
        result[i] = slot[i] * (one - weight * erase[i]) + weight * vector[i]


@inner
def _write_to(memory, write, erase, vector, result, place):
    """Fill result (N, W), which may be memory (N, W) itself: what is kept, and what is added; place (W,) is scratch."""
    for n in range(memory.shape[0]):
        _write_slot(memory[n], write[n], erase, vector, place)
        _copy(place, result[n])


@apart
def _write_backward(memory, write, erase, vector, d_memory, d_write, d_erase, d_vector):
    """Do the gradient of `_write_to`: d_memory (N, W) goes through, d_write (N,), d_erase and d_vector (W,) are added to."""
    one = memory.dtype.type(1)
    for n in range(memory.shape[0]):
        old = memory[n]
        d_slot = d_memory[n]
        weight = write[n]
        along = memory.dtype.type(0)
        for i in range(erase.shape[0]):
            along += d_slot[i] * (vector[i] - old[i] * erase[i])
            d_erase[i] -= d_slot[i] * old[i] * weight
            d_vector[i] += d_slot[i] * weight
            d_slot[i] *= one - weight * erase[i]
        d_write[n] += along


@apart
def _mix(a, b, share, scale, result):
    """Fill result (N,) with scale · (share · a + (1 - share) · b); return its sum."""
    total = a.dtype.type(0)
    other = scale * (a.dtype.type(1) - share)
    share *= scale
    for n in range(a.shape[0]):
        result[n] = share * a[n] + other * b[n]
        total += result[n]
    return total


@apart
def _mix_modes(modes, back, content, forth, read):
    """Fill read (N,): the heads' three ways to a slot, mixed."""
    for n in range(read.shape[0]):
        read[n] = modes[0] * back[n] + modes[1] * content[n] + modes[2] * forth[n]


@apart
def _mix_modes_backward(modes, back, content, forth, d_read, d_modes, d_back, d_forth):
    """Fill d_modes (3,), d_back and d_forth (N,); d_read (N,) becomes the gradient of content."""
    to_back = _dot(d_read, back)
    to_content = _dot(d_read, content)
    to_forth = _dot(d_read, forth)
    mean = modes[0] * to_back + modes[1] * to_content + modes[2] * to_forth
    d_modes[0], d_modes[1], d_modes[2] = (
        modes[0] * (to_back - mean),
        modes[1] * (to_content - mean),
        modes[2] * (to_forth - mean),
    )
    for n in range(d_read.shape[0]):
        d_back[n] = modes[0] * d_read[n]
        d_forth[n] = modes[2] * d_read[n]
        d_read[n] *= modes[1]


@apart
def _cut(flat, rows):
    """Fill rows (M, W) with the numbers of flat (M·W,)."""
    for m in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            rows[m, i] = flat[m * rows.shape[1] + i]


@apart
def _join(rows, flat):
    """Fill flat (M·W,) with the numbers of rows (M, W)."""
    for m in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            flat[m * rows.shape[1] + i] = rows[m, i]


@inner
def _write_and_read(raw, order, last, now, sorted_before, sorted_after, slots, link, reads_now, heads, scratch):
    """Do one step of one memory.

    Args:
        raw: (S,), the interface vector as it leaves the controller; order (S,) is filled with its parts in their ranges.
        last, now: (7 + 5R, N), the slots' rows of the last step, and those to fill.
        sorted_before, sorted_after: int (N,), the slots by usage.
        slots, link: (N, W), (N, N), memory and link, brought one step further; (0, 0) for a DNC without a link.
        reads_now: (R·W,), filled with the vectors read.
        heads: R.
        scratch: arrays of the sizes that `forward` gives them.
    """
    size = slots.shape[0]
    width = slots.shape[1]
    linked = link.shape[0] > 0
    one = slots.dtype.type(1)
    zero = slots.dtype.type(0)
    strengths, key, strength, erase, vector, free, allocate, gate, modes = _parts(heads, width)
    keys, write_key, reads, slot = scratch
    read_before = last[READ : READ + heads]
    read = now[READ : READ + heads]
    _parse(raw, order, heads, width, linked)

    _use(last[USAGE], last[WRITE], read_before, order[free:allocate], now[USAGE])
    _sort(now[USAGE], sorted_before, sorted_after)
    _allocate(now[USAGE], sorted_after, now[ALLOCATION])
    _cut(order[key:strength], write_key)
    _content(slots, last[SCALE], write_key, order[strength:erase], now[COSINE:CONTENT], now[CONTENT:SCALE])
    total = _mix(now[ALLOCATION], now[CONTENT], order[allocate], order[gate], now[WRITE])

    _write_to(slots, now[WRITE], order[erase:vector], order[vector:free], slots, slot)
    for n in range(size):
        now[SCALE, n] = _scale(slots[n])
    content = now[READ + 2 * heads : READ + 3 * heads]
    back = now[READ + 3 * heads : READ + 4 * heads]
    forth = now[READ + 4 * heads :]
    if linked:
        _link_and_follow(link, now[WRITE], last[PRECEDENCE], read_before, back, forth)
        _mix(last[PRECEDENCE], now[WRITE], zero, one, now[PRECEDENCE])
        _add_row(one - total, last[PRECEDENCE], now[PRECEDENCE])

    _cut(order[:strengths], keys)
    _content(slots, now[SCALE], keys, order[strengths:key], now[READ + heads : READ + 2 * heads], content)
    for r in range(heads):
        if linked:
            _mix_modes(order[modes + 3 * r : modes + 3 * r + 3], back[r], content[r], forth[r], read[r])
        else:
            _copy(content[r], read[r])
    _fill(reads, zero)
    _add_rows(read, slots, reads, 0)
    _join(reads, reads_now)


@inner
def _write_and_read_backward(
    order,
    last,
    now,
    sorted_after,
    memory,
    kept_link,
    past,
    b,
    d_reads,
    d_now,
    d_slots,
    d_link,
    d_order,
    heads,
    detached,
    scratch,
):
    """Do the gradient of `_write_and_read`.

    Args:
        order, last, now, sorted_after: as `_write_and_read` left them.
        memory: (N, W), that before the step.
        kept_link, past, b: as in `_link_backward`.
        d_reads: (R·W,), gradient of the vectors read.
        d_now: (3 + R, N); d_slots: (N, W); d_link: (N, N). They come in as the gradients of usage, write weighting,
            precedence, read weightings, memory and link after the step, and go out as those before it.
        d_order: (S,), filled with the gradient of the interface vector.
        heads: R.
        detached: no gradient passes through content and allocation weightings.
        scratch: arrays of the sizes that `backward` gives them.
    """
    size = memory.shape[0]
    width = memory.shape[1]
    linked = d_link.shape[0] > 0
    one = memory.dtype.type(1)
    zero = memory.dtype.type(0)
    strengths, key, strength, erase, vector, free, allocate, gate, modes = _parts(heads, width)
    slots, d_last, d_back, d_forth, place, sides, shares, products, to_self, d_contents, slot, keys, d_keys, slot_shares = (
        scratch
    )
    write = now[WRITE]
    d_write = d_now[WRITE]
    d_read = d_now[CARRIED:]
    read_before = last[READ : READ + heads]
    read = now[READ : READ + heads]
    content = now[READ + 2 * heads : READ + 3 * heads]
    d_vectors = keys[heads:]  # below the keys: what one product needs
    for i in range(d_order.shape[0]):
        d_order[i] = zero
    for n in range(size):
        to_self[n] = zero
    _fill(d_last, zero)

    # the vectors read, and how they were found
    _write_to(memory, write, order[erase:vector], order[vector:free], slots, slot)
    _cut(order[:strengths], keys[:heads])
    _cut(d_reads, d_vectors)
    _add_dots(d_vectors, slots, d_read, 0)
    if linked:
        for r in range(heads):
            m = modes + 3 * r
            back = now[READ + 3 * heads + r]
            forth = now[READ + 4 * heads + r]
            _mix_modes_backward(order[m : m + 3], back, content[r], forth, d_read[r], d_order[m : m + 3], d_back[r], d_forth[r])
    if detached:
        _fill(d_read, zero)
    else:
        cosines = now[READ + heads : READ + 2 * heads]
        _content_backward(
            slots,
            now[SCALE],
            keys[:heads],
            order[strengths:key],
            cosines,
            content,
            d_read,
            to_self,
            d_keys,
            d_order[strengths:key],
        )
        _join(d_keys, d_order[:strengths])
    for n in range(size):
        for r in range(heads):
            slot_shares[n, r], slot_shares[n, heads + r] = d_read[r, n], read[r, n]
        _add_row(to_self[n], slots[n], d_slots[n])
    _add_rows(slot_shares, keys, d_slots, 0)

    # link and precedence
    if linked:
        d_precedence = d_now[PRECEDENCE]
        total = zero
        for n in range(size):
            total += write[n]
        along = _dot(d_precedence, last[PRECEDENCE])
        for n in range(size):
            d_write[n] += d_precedence[n] - along
        _add_row(one - total, d_precedence, d_last[PRECEDENCE])
        _link_backward(
            kept_link,
            past,
            b,
            d_link,
            write,
            last[PRECEDENCE],
            read_before,
            d_back,
            d_forth,
            d_write,
            d_last[PRECEDENCE],
            d_last[CARRIED:],
            place,
            sides,
            shares,
        )

    # the write
    d_erase = d_order[erase:vector]
    _write_backward(memory, write, order[erase:vector], order[vector:free], d_slots, d_write, d_erase, d_order[vector:free])
    for i in range(width):
        d_erase[i] *= order[erase + i] * (one - order[erase + i])

    # where to write
    share = order[allocate]
    to_allocation = _dot(d_write, now[ALLOCATION])
    to_content = _dot(d_write, now[CONTENT])
    d_order[gate] = (share * to_allocation + (one - share) * to_content) * order[gate] * (one - order[gate])
    d_order[allocate] = order[gate] * (to_allocation - to_content) * share * (one - share)
    if not detached:
        d_content = d_contents[0]
        for n in range(size):
            d_content[n] = order[gate] * (one - share) * d_write[n]
            d_write[n] *= order[gate] * share  # now of the allocation
            to_self[n] = zero
        _cut(order[key:strength], keys[:1])
        _content_backward(
            memory,
            last[SCALE],
            keys[:1],
            order[strength:erase],
            now[COSINE:CONTENT],
            now[CONTENT:SCALE],
            d_contents,
            to_self,
            d_keys[:1],
            d_order[strength:erase],
        )
        _join(d_keys[:1], d_order[key:strength])
        for n in range(size):
            _add_row(to_self[n], memory[n], d_slots[n])
            _add_row(d_content[n], keys[0], d_slots[n])
        _allocate_backward(now[USAGE], sorted_after, products, d_write, d_now[USAGE])

    _use_backward(
        last[USAGE],
        last[WRITE],
        read_before,
        order[free:allocate],
        d_now[USAGE],
        products,
        d_last[USAGE],
        d_last[WRITE],
        d_last[CARRIED:],
        d_order[free:allocate],
    )
    for k in range(d_now.shape[0]):
        _copy(d_last[k], d_now[k])


# All steps


@inner
def _forget(rows, fresh, result):
    """Fill result (B, J) with rows (B, J), but zeros where fresh (B,) is True."""
    for b in range(rows.shape[0]):
        if fresh[b]:
            _fill(result[b : b + 1], rows.dtype.type(0))
        else:
            _copy(rows[b], result[b])


@inner
def _step(
    t,
    gates,
    seen,
    cells,
    slots,
    order,
    orders,
    fresh,
    w_seen,
    w_interface,
    b_interface,
    every,
    memory,
    kept_memory,
    traced_memory,
    link,
    kept_link,
    traced_link,
    heads,
    no_cells,
    no_slots,
    remembered,
    hiddens,
    raw,
    scratch,
):
    """Do step t of `forward`, for all of the batch."""
    batch = gates.shape[1]
    wide = heads * memory.shape[2]
    zero = memory.dtype.type(0)
    returns = orders.shape[0] == gates.shape[0] and cells.shape[0] == gates.shape[0] + 1
    at, before, after = (t, t, t + 1) if returns else (0, t % 2, (t + 1) % 2)
    _forget(seen[t], fresh[t], remembered)
    _add_rows(remembered, w_seen, gates[t], 0)
    for b in range(batch):
        _cells(gates[t, b], no_cells if fresh[t, b] else cells[before, b], cells[after, b], hiddens[b])
        _copy(b_interface, raw[b])
    _add_rows(hiddens, w_interface, raw, 0)
    for b in range(batch):
        if fresh[t, b]:
            _fill(memory[b], zero)
            _fill(link[b], zero)
        _copy(hiddens[b], seen[t + 1, b, wide:])
        last = no_slots if fresh[t, b] else slots[before, b]
        _write_and_read(
            raw[b],
            orders[at, b],
            last,
            slots[after, b],
            order[before, b],
            order[after, b],
            memory[b],
            link[b],
            seen[t + 1, b, :wide],
            heads,
            scratch,
        )
        i = (t + 1) // every
        if (t + 1) % every == 0 and i <= kept_memory.shape[0]:
            _copy_rows(memory[b], kept_memory[i - 1, b])
            _copy_rows(link[b], kept_link[i - 1, b])
        if traced_memory.shape[0] > 0:
            _copy_rows(memory[b], traced_memory[t, b])
            _copy_rows(link[b], traced_link[t, b])


@outer
def forward(
    gates,
    seen,
    cells,
    slots,
    order,
    orders,
    fresh,
    w_seen,
    w_interface,
    b_interface,
    every,
    memory,
    kept_memory,
    traced_memory,
    link,
    kept_link,
    traced_link,
    heads,
):
    """Go through a sequence.

    Args:
        gates: (T, B, 4H), the inputs' part of the sums; become the gates.
        seen: (T + 1, B, R·W + H), [reads; hidden] before each step and after the last; the first is given, as below.
        cells: (T + 1, B, H); slots: (T + 1, B, 7 + 5R, N); order: int32 (T + 1, B, N), the slots by usage.
        orders: (T, B, S), filled with the interface vector's parts. For a way without return, T is 1 in these four.
        fresh: bool (T, B): what was before this step is forgotten.
        w_seen, w_interface, b_interface: (R·W + H, 4H), (H, S), (S,).
        every: steps from one kept memory to the next.
        memory, link: (B, N, W), (B, N, N), before the first step; after the last in the end.
        kept_memory, kept_link: (K, B, ...), filled with those before steps every, 2 · every, ..., K · every.
        traced_memory, traced_link: (T, B, ...), filled with those after each step; or of length 0.
        heads: R.
    """
    steps = gates.shape[0]
    batch = gates.shape[1]
    hidden = cells.shape[2]
    size = memory.shape[1]
    width = memory.shape[2]
    dtype = memory.dtype
    no_cells = np.zeros(hidden, dtype)
    no_slots = np.zeros(slots.shape[2:], dtype)
    remembered = np.empty((batch, seen.shape[2]), dtype)
    hiddens = np.empty((batch, hidden), dtype)
    raw = np.empty((batch, b_interface.shape[0]), dtype)
    scratch = (
        np.empty((heads, width), dtype),
        np.empty((1, width), dtype),
        np.empty((heads, width), dtype),
        np.empty(width, dtype),
    )
    for n in range(size):
        no_slots[SCALE, n] = _scale(no_cells[:0])
        for b in range(batch):
            slots[0, b, SCALE, n] = _scale(memory[b, n])
    for t in range(steps):
        _step(
            t,
            gates,
            seen,
            cells,
            slots,
            order,
            orders,
            fresh,
            w_seen,
            w_interface,
            b_interface,
            every,
            memory,
            kept_memory,
            traced_memory,
            link,
            kept_link,
            traced_link,
            heads,
            no_cells,
            no_slots,
            remembered,
            hiddens,
            raw,
            scratch,
        )


@inner
def _step_backward(
    t,
    gates,
    cells,
    slots,
    order,
    orders,
    fresh,
    w_seen,
    w_interface,
    every,
    memory,
    kept_memory,
    link,
    kept_link,
    d_seen,
    d_cells,
    carried,
    d_memory,
    d_link,
    d_gates,
    d_raw,
    heads,
    detached,
    no_cells,
    no_slots,
    empty_memory,
    empty_link,
    squashed,
    d_hidden,
    d_sums,
    before,
    slot,
    scratch,
):
    """Do step t of `backward`, for all of the batch."""
    batch = gates.shape[1]
    wide = heads * memory.shape[2]
    zero = memory.dtype.type(0)
    _, _, _, erase, vector, free, _, _, _ = _parts(heads, memory.shape[2])
    for b in range(batch):
        first = t - t % every  # the steps to take again: from what was kept, or from where all was forgotten
        i = first // every - 1
        old, old_link = (kept_memory[i, b], kept_link[i, b]) if first > 0 else (memory[b], link[b])
        first_link = first
        for s in range(first, t + 1):
            if fresh[s, b]:
                old, old_link = empty_memory, empty_link
                first = s  # the first step leaves an empty link empty
                first_link = min(s + 1, t)
        _copy_rows(old, before)
        for s in range(first, t):
            _write_to(before, slots[s + 1, b, WRITE], orders[s, b, erase:vector], orders[s, b, vector:free], before, slot)
        _write_and_read_backward(
            orders[t, b],
            no_slots if fresh[t, b] else slots[t, b],
            slots[t + 1, b],
            order[t + 1, b],
            before,
            old_link,
            slots[first_link : t + 1],
            b,
            d_seen[t + 1, b, :wide],
            carried[b],
            d_memory[b],
            d_link[b],
            d_raw[t, b],
            heads,
            detached,
            scratch,
        )
        _copy(d_seen[t + 1, b, wide:], d_hidden[b])
    _add_rows(d_raw[t], w_interface, d_hidden, 0)
    for b in range(batch):
        old_cells = no_cells if fresh[t, b] else cells[t, b]
        _cells_backward(gates[t, b], old_cells, cells[t + 1, b], d_hidden[b], d_cells[b], d_gates[t, b], squashed)
        if fresh[t, b]:  # what was before has no part in what came after
            _fill(d_cells[b : b + 1], zero)
            _fill(carried[b], zero)
            _fill(d_memory[b], zero)
            _fill(d_link[b], zero)
    _forget(d_gates[t], fresh[t], d_sums)
    _add_rows(d_sums, w_seen, d_seen[t], 0)


@outer
def backward(
    gates,
    cells,
    slots,
    order,
    orders,
    fresh,
    w_seen,
    w_interface,
    every,
    memory,
    kept_memory,
    link,
    kept_link,
    d_seen,
    d_cells,
    carried,
    d_memory,
    d_link,
    d_gates,
    d_raw,
    heads,
    detached,
):
    """Go back through a sequence.

    Args:
        gates ... fresh, every, kept_memory, kept_link, heads: as `forward` left them.
        memory, link: those before the first step.
        w_seen, w_interface: (4H, R·W + H), (S, H): not those of `forward`, but turned.
        d_seen: (T + 1, B, R·W + H), gradient of `seen`; in the end with all that flows back to it.
        d_cells: (B, H); carried: (B, 3 + R, N), usage, write weighting, precedence, read weightings; d_memory, d_link. They
            come in as the gradients after the last step, and go out as those before the first.
        d_gates, d_raw: (T, B, 4H), (T, B, S), filled with the gradients of sums and interface vectors.
        detached: no gradient passes through content and allocation weightings.
    """
    steps = gates.shape[0]
    batch = gates.shape[1]
    hidden = cells.shape[2]
    size = d_memory.shape[1]
    width = d_memory.shape[2]
    dtype = d_memory.dtype
    no_cells = np.zeros(hidden, dtype)
    no_slots = np.zeros(slots.shape[2:], dtype)
    for n in range(size):
        no_slots[SCALE, n] = _scale(no_cells[:0])
    empty_memory = np.zeros((size, width), dtype)
    empty_link = np.zeros(d_link.shape[1:], dtype)
    squashed = np.empty(hidden, dtype)
    d_hidden = np.empty((batch, hidden), dtype)
    d_sums = np.empty((batch, 4 * hidden), dtype)
    before = np.empty((size, width), dtype)
    slot = np.empty(width, dtype)
    scratch = (
        np.empty((size, width), dtype),
        np.empty((CARRIED + heads, size), dtype),
        np.empty((heads, size), dtype),
        np.empty((heads, size), dtype),
        np.empty((2, _rows_at_once(size), size), dtype),
        np.empty((2 * heads, size), dtype),
        np.empty((size, 2 * heads), dtype),
        np.empty(size, dtype),
        np.empty(size, dtype),
        np.empty((1, size), dtype),
        slot,
        np.empty((2 * heads, width), dtype),
        np.empty((heads, width), dtype),
        np.empty((size, 2 * heads), dtype),
    )
    for t in range(steps - 1, -1, -1):
        _step_backward(
            t,
            gates,
            cells,
            slots,
            order,
            orders,
            fresh,
            w_seen,
            w_interface,
            every,
            memory,
            kept_memory,
            link,
            kept_link,
            d_seen,
            d_cells,
            carried,
            d_memory,
            d_link,
            d_gates,
            d_raw,
            heads,
            detached,
            no_cells,
            no_slots,
            empty_memory,
            empty_link,
            squashed,
            d_hidden,
            d_sums,
            before,
            slot,
            scratch,
        )
