"""One step of the DNC and its gradient as compiled loops for the CPU: the equations of `memory.access`, by hand.

Reading guide. `write_and_read` is one step of the memory for a batch, `write_and_read_backward` its gradient: read them
beside `memory.access`, line by line. They take one element of the batch after the other, so that its memory and link stay in
the processor's cache. `cells` and `cells_backward` are the element-wise part of the LSTM; `replay` makes memory and link of a
later step out of an earlier one. `fast` calls them for every step, with the matrix products in between.

Numba compiles a function when it is first called with a dtype, and keeps the result on disk. Arrays are C-contiguous. Axes:
B batch, N slots, W numbers in a slot, R heads, H hidden units, S length of the interface vector. What a step did to the slots
is one array (B, 6 + 5R, N); its rows are named below.
"""

import math

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import intrinsic, overload

USAGE, WRITE, PRECEDENCE, ALLOCATION, COSINE, FOUND, READ = range(7)  # rows of a step's slots; from READ on for each head:
PER_HEAD = 5  # R read weightings, R cosines, R weightings found by content, R backward and R forward weightings
CARRIED = 3  # rows of the gradient that flows to the step before: usage, write, precedence; then R read weightings

# Sums may be taken in any order and products fused with them; NaN and infinity keep their meaning.
compiled = njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})


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
        return p * _bits_as_float(np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)))

    return polynomial


# The controller's cells


@compiled
def _cells(gates, old, new, hidden):
    """Finish an LSTM step: gates (4H,) come in as sums and go out as gates (in, keep, candidate, out).

    old (H,) are the cells of the last step, new (H,) and hidden (H,) are filled.
    """
    one, two = gates.dtype.type(1), gates.dtype.type(2)
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


@compiled
def _cells_backward(gates, old, new, d_hidden, d_cells, d_gates, squashed):
    """Do the gradient of `_cells`: from d_hidden (H,) to d_gates (4H,); d_cells (H,) goes from new to old.

    squashed (H,) is scratch.
    """
    one, two = gates.dtype.type(1), gates.dtype.type(2)
    size = old.shape[0]
    for j in range(size):
        squashed[j] = two / (one + _exp(-two * new[j])) - one
    for j in range(size):
        gate_in, keep, candidate, out = gates[j], gates[size + j], gates[2 * size + j], gates[3 * size + j]
        d_cell = d_cells[j] + d_hidden[j] * out * (one - squashed[j] * squashed[j])
        d_gates[j] = d_cell * candidate * gate_in * (one - gate_in)
        d_gates[size + j] = d_cell * old[j] * keep * (one - keep)
        d_gates[2 * size + j] = d_cell * gate_in * (one - candidate * candidate)
        d_gates[3 * size + j] = d_hidden[j] * squashed[j] * out * (one - out)
        d_cells[j] = d_cell * keep


# The interface vector


@compiled
def _parts(heads, width):
    """Return where the parts of an interface vector start, in the order of `memory.interface_sizes`, after the read keys."""
    strengths = heads * width
    key = strengths + heads
    strength = key + width
    erase = strength + 1
    vector = erase + width
    free = vector + width
    return strengths, key, strength, erase, vector, free, free + heads, free + heads + 1, free + heads + 2


@compiled
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
            back, content, forth = _exp(raw[i] - top), _exp(raw[i + 1] - top), _exp(raw[i + 2] - top)
            scale = one / (back + content + forth)
            orders[i], orders[i + 1], orders[i + 2] = back * scale, content * scale, forth * scale


# Sums of products. Four rows at a time, because reading and writing memory takes longer than the arithmetic.


@compiled
def _dots(rows, vector, result):
    """Fill result (K,) with the dot products of rows (K, J) and vector (J,)."""
    zero = vector.dtype.type(0)
    whole = rows.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        row_0, row_1, row_2, row_3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        sum_0 = sum_1 = sum_2 = sum_3 = zero
        for j in range(vector.shape[0]):
            sum_0 += row_0[j] * vector[j]
            sum_1 += row_1[j] * vector[j]
            sum_2 += row_2[j] * vector[j]
            sum_3 += row_3[j] * vector[j]
        result[k], result[k + 1], result[k + 2], result[k + 3] = sum_0, sum_1, sum_2, sum_3
    for k in range(whole, rows.shape[0]):
        result[k] = _dot(rows[k], vector)


@compiled
def _dot(a, b):
    total = a.dtype.type(0)
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@compiled
def _add_rows(weights, rows, total):
    """Add to total (J,) the rows (K, J), each times its weight (K,)."""
    whole = rows.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        row_0, row_1, row_2, row_3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        weight_0, weight_1, weight_2, weight_3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for j in range(total.shape[0]):
            total[j] += weight_0 * row_0[j] + weight_1 * row_1[j] + weight_2 * row_2[j] + weight_3 * row_3[j]
    for k in range(whole, rows.shape[0]):
        row, weight = rows[k], weights[k]
        for j in range(total.shape[0]):
            total[j] += weight * row[j]


@compiled
def _multiply_add(vectors, fresh, rows, totals):
    """Add to totals (B, J) the product of vectors (B, K) and rows (K, J), but where fresh (B,) is True.

    Four rows stay in the fastest cache while all of the batch passes.
    """
    whole = rows.shape[0] // 4 * 4
    for k in range(0, whole, 4):
        row_0, row_1, row_2, row_3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for b in range(vectors.shape[0]):
            if fresh[b]:
                continue
            total = totals[b]
            weight_0, weight_1, weight_2, weight_3 = vectors[b, k], vectors[b, k + 1], vectors[b, k + 2], vectors[b, k + 3]
            for j in range(total.shape[0]):
                total[j] += weight_0 * row_0[j] + weight_1 * row_1[j] + weight_2 * row_2[j] + weight_3 * row_3[j]
    for b in range(vectors.shape[0]):
        if not fresh[b]:
            _add_rows(vectors[b, whole:], rows[whole:], totals[b])


# Content addressing


@compiled
def _scale(vector):
    """Return 1 / length, as `addressing.content_weighting` defines it."""
    return vector.dtype.type(1) / np.sqrt(_dot(vector, vector) + vector.dtype.type(1e-6))


@compiled
def _content(memory, scales, key, strength, cosine, weighting):
    """Fill cosine (N,) and softmax (N,) of strength times cosine; scales (N,) are the slots' 1 / length."""
    key_scale = _scale(key)
    top = -memory.dtype.type(np.inf)
    _dots(memory, key, cosine)
    for n in range(memory.shape[0]):
        cosine[n] *= key_scale * scales[n]
        top = max(top, cosine[n])
    total = memory.dtype.type(0)
    for n in range(memory.shape[0]):
        weighting[n] = _exp(strength * (cosine[n] - top))
        total += weighting[n]
    total = memory.dtype.type(1) / total
    for n in range(memory.shape[0]):
        weighting[n] *= total


@compiled
def _content_backward(memory, scales, key, strength, cosine, weighting, d_weighting, d_memory, d_key):
    """Add to d_memory (N, W) and d_key (W,); return the gradient of the strength. d_weighting (N,) is used up."""
    mean = _dot(weighting, d_weighting)
    d_strength, along = memory.dtype.type(0), memory.dtype.type(0)
    key_scale = _scale(key)
    for n in range(memory.shape[0]):
        d_logit = weighting[n] * (d_weighting[n] - mean)
        d_strength += d_logit * cosine[n]
        d_cosine = d_logit * strength
        along += d_cosine * cosine[n]
        d_weighting[n] = d_cosine * key_scale * scales[n]  # now of the dot product
        to_self = d_cosine * cosine[n] * scales[n] * scales[n]
        to_key, slot, d_slot = d_weighting[n], memory[n], d_memory[n]
        for i in range(key.shape[0]):
            d_slot[i] += to_key * key[i] - to_self * slot[i]
    _add_rows(d_weighting, memory, d_key)
    along *= key_scale * key_scale
    for i in range(key.shape[0]):
        d_key[i] -= along * key[i]
    return d_strength


# Allocation


@compiled
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


@compiled
def _allocate(usage, order, allocation):
    """Fill allocation (N,): the paper's product over the slots that are less used."""
    one, epsilon = usage.dtype.type(1), usage.dtype.type(1e-6)
    product = one
    for i in range(usage.shape[0]):
        used = epsilon + (one - epsilon) * usage[order[i]]
        allocation[order[i]] = (one - used) * product
        product *= used


@compiled
def _allocate_backward(usage, order, products, d_allocation, d_usage):
    """Add to d_usage (N,), without a division: with P_j = Π_{i<j} u_i and V_j = g_j (1 - u_j) + u_j V_{j+1}, it is

    dE/du_j = P_j (V_{j+1} - g_j), in the order of usage; g is d_allocation (N,), products (N,) is scratch for P.
    """
    one, epsilon = usage.dtype.type(1), usage.dtype.type(1e-6)
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

ROWS = 8


@compiled
def _next_link(link, write, precedence, start, result):
    """Fill result (K, N) with rows start ... start + K of the link (N, N) one step further.

    write (N,) is that of the step, precedence (N,) that of the step before. The result must not be a part of the link: the
    compiler would fear for the order of reading and writing, and do one number at a time.
    """
    one, zero = link.dtype.type(1), link.dtype.type(0)
    for k in range(result.shape[0]):
        old, new, weight = link[start + k], result[k], write[start + k]
        rest = one - weight
        for j in range(link.shape[0]):
            new[j] = (rest - write[j]) * old[j] + weight * precedence[j]
        new[start + k] = zero


@compiled
def _link_and_follow(before, after, write, precedence, read, back, forth, place):
    """Fill after (N, N), which may be before (N, N) itself, and back and forth (R, N): afterᵀ and after times `read` (R, N).

    place (ROWS, N) is scratch.
    """
    size = before.shape[0]
    back[:] = before.dtype.type(0)
    for start in range(0, size, ROWS):
        end = min(start + ROWS, size)
        rows = place[: end - start]
        _next_link(before, write, precedence, start, rows)
        for r in range(read.shape[0]):
            _dots(rows, read[r], forth[r, start:end])
            _add_rows(read[r, start:end], rows, back[r])
        after[start:end] = rows


@compiled
def _link_backward(before, d_link, write, precedence, read, d_back, d_forth, d_write, d_precedence, d_read, place, shares):
    """Do the gradient of `_link_and_follow`.

    d_link (N, N) goes from after to before; d_write, d_precedence (N,) and d_read (R, N) are added to.
    place (ROWS + 2R, N) and shares (N, 2R) are scratch.
    """
    one, zero = before.dtype.type(1), before.dtype.type(0)
    size, heads = before.shape[0], read.shape[0]
    after, sides, dots = place[:ROWS], place[ROWS:], np.empty(ROWS, before.dtype)
    sides[:heads], sides[heads:] = read, d_back
    for i in range(size):
        for r in range(heads):
            shares[i, r], shares[i, heads + r] = d_forth[r, i], read[r, i]
    for start in range(0, size, ROWS):
        end = min(start + ROWS, size)
        count, rows = end - start, d_link[start:end]
        _next_link(before, write, precedence, start, after[:count])
        for r in range(heads):
            _dots(after[:count], d_back[r], dots)
            for k in range(count):
                d_read[r, start + k] += dots[k]
            _add_rows(d_forth[r, start:end], after[:count], d_read[r])
        for i in range(start, end):
            _add_rows(shares[i], sides, d_link[i])
            d_link[i, i] = zero
        _dots(rows, precedence, dots)
        _add_rows(write[start:end], rows, d_precedence)
        for i in range(start, end):
            old, d_row, rest, along = before[i], d_link[i], one - write[i], zero
            for j in range(size):
                change = d_row[j] * old[j]
                along += change
                d_write[j] -= change
                d_row[j] *= rest - write[j]
            d_write[i] += dots[i - start] - along


# The whole step


@compiled
def _write_to(memory, write, erase, vector, result, place):
    """Fill result (N, W), which may be memory (N, W) itself: what is kept, and what is added; place (W,) is scratch."""
    one = memory.dtype.type(1)
    for n in range(memory.shape[0]):
        old, weight = memory[n], write[n]
        for i in range(erase.shape[0]):
            place[i] = old[i] * (one - weight * erase[i]) + weight * vector[i]
        result[n] = place


@compiled
def _write_and_read(raw, order, last, now, sorted_before, sorted_after, old, slots, old_link, link, reads_now, heads, scratch):
    """Do one step of one memory.

    Args:
        raw: (S,), the interface vector as it leaves the controller; order (S,) is filled with its parts in their ranges.
        last, now: (6 + 5R, N), the slots' rows of the last step, and those to fill.
        sorted_before, sorted_after: int (N,), the slots by usage.
        old, slots: (N, W), the memory of the last step, and the one to fill, which may be the same.
        old_link, link: (N, N), likewise; (0, 0) for a DNC without.
        reads_now: (R·W,), filled with the vectors read.
        scratch: from `_step_scratch`.
    """
    size, width, linked = old.shape[0], old.shape[1], link.shape[0] > 0
    one, zero = old.dtype.type(1), old.dtype.type(0)
    strengths, key, strength, erase, vector, free, allocate, gate, modes = _parts(heads, width)
    scales, slot, place = scratch
    _parse(raw, order, heads, width, linked)

    for n in range(size):
        kept = one
        for r in range(heads):
            kept *= one - order[free + r] * last[READ + r, n]
        now[USAGE, n] = (last[USAGE, n] + last[WRITE, n] - last[USAGE, n] * last[WRITE, n]) * kept
    _sort(now[USAGE], sorted_before, sorted_after)
    _allocate(now[USAGE], sorted_after, now[ALLOCATION])
    for n in range(size):
        scales[n] = _scale(old[n])
    _content(old, scales, order[key:strength], order[strength], now[COSINE], now[FOUND])
    total = zero
    for n in range(size):
        mixed = order[allocate] * now[ALLOCATION, n] + (one - order[allocate]) * now[FOUND, n]
        now[WRITE, n] = order[gate] * mixed
        total += now[WRITE, n]

    _write_to(old, now[WRITE], order[erase:vector], order[vector:free], slots, slot)
    back, forth = now[READ + 3 * heads : READ + 4 * heads], now[READ + 4 * heads :]
    if linked:
        reads = last[READ : READ + heads]
        _link_and_follow(old_link, link, now[WRITE], last[PRECEDENCE], reads, back, forth, place)
        for n in range(size):
            now[PRECEDENCE, n] = (one - total) * last[PRECEDENCE, n] + now[WRITE, n]

    for n in range(size):
        scales[n] = _scale(slots[n])
    for r in range(heads):
        found, read = now[READ + 2 * heads + r], now[READ + r]
        wanted = order[r * width : (r + 1) * width]
        _content(slots, scales, wanted, order[strengths + r], now[READ + heads + r], found)
        if linked:
            m = modes + 3 * r
            for n in range(size):
                read[n] = order[m] * back[r, n] + order[m + 1] * found[n] + order[m + 2] * forth[r, n]
        else:
            read[:] = found
        vector_read = reads_now[r * width : (r + 1) * width]
        vector_read[:] = zero
        _add_rows(read, slots, vector_read)


@compiled
def _write_and_read_backward(
    order, last, now, sorted_after, memory, link, d_reads, d_now, d_slots, d_link, d_order, heads, detached, scratch
):
    """Do the gradient of `_write_and_read`.

    Args:
        order, last, now, sorted_after: as `_write_and_read` left them.
        memory, link: those before the step.
        d_reads: (R·W,), gradient of the vectors read.
        d_now: (3 + R, N); d_slots: (N, W); d_link: (N, N). They come in as the gradients of usage, write weighting,
            precedence, read weightings, memory and link after the step, and go out as those before it.
        d_order: (S,), filled with the gradient of the interface vector.
        heads: R.
        detached: no gradient passes through content and allocation weightings.
        scratch: arrays of the sizes that `backward` gives them.
    """
    size, width, linked = memory.shape[0], memory.shape[1], link.shape[0] > 0
    one, zero = memory.dtype.type(1), memory.dtype.type(0)
    strengths, key, strength, erase, vector, free, allocate, gate, modes = _parts(heads, width)
    slots, d_last, d_read, d_back, d_forth, place, shares, scales, products, d_found, slot = scratch
    write, d_write = now[WRITE], d_now[WRITE]
    erased, written = order[erase:vector], order[vector:free]
    d_order[:] = zero
    d_last[:] = zero

    # the vectors read, and how they were found
    _write_to(memory, write, erased, written, slots, slot)
    for n in range(size):
        scales[n] = _scale(slots[n])
    for r in range(heads):
        d_vector, read, d_read_r = d_reads[r * width : (r + 1) * width], now[READ + r], d_read[r]
        _dots(slots, d_vector, d_read_r)
        for n in range(size):
            d_read_r[n] += d_now[CARRIED + r, n]
            share, d_slot = read[n], d_slots[n]
            for i in range(width):
                d_slot[i] += share * d_vector[i]
        if linked:
            found, back, forth = now[READ + 2 * heads + r], now[READ + 3 * heads + r], now[READ + 4 * heads + r]
            m = modes + 3 * r
            to_back, to_found, to_forth = _dot(d_read_r, back), _dot(d_read_r, found), _dot(d_read_r, forth)
            mean = order[m] * to_back + order[m + 1] * to_found + order[m + 2] * to_forth
            d_order[m] = order[m] * (to_back - mean)
            d_order[m + 1] = order[m + 1] * (to_found - mean)
            d_order[m + 2] = order[m + 2] * (to_forth - mean)
            for n in range(size):
                d_back[r, n] = order[m] * d_read_r[n]
                d_forth[r, n] = order[m + 2] * d_read_r[n]
                d_read_r[n] *= order[m + 1]
        if not detached:
            wanted, d_wanted = order[r * width : (r + 1) * width], d_order[r * width : (r + 1) * width]
            cosine, found, sharp = now[READ + heads + r], now[READ + 2 * heads + r], order[strengths + r]
            d_sharp = _content_backward(slots, scales, wanted, sharp, cosine, found, d_read_r, d_slots, d_wanted)
            d_order[strengths + r] = -d_sharp * math.expm1(one - sharp)  # the derivative of oneplus

    # link and precedence
    if linked:
        d_precedence = d_now[PRECEDENCE]
        total = along = zero
        for n in range(size):
            total += write[n]
            along += d_precedence[n] * last[PRECEDENCE, n]
        for n in range(size):
            d_write[n] += d_precedence[n] - along
            d_last[PRECEDENCE, n] = (one - total) * d_precedence[n]
        d_last_read = d_last[CARRIED:]
        reads = last[READ : READ + heads]
        d_before = d_last[PRECEDENCE]
        _link_backward(
            link,
            d_link,
            write,
            last[PRECEDENCE],
            reads,
            d_back,
            d_forth,
            d_write,
            d_before,
            d_last_read,
            place,
            shares,
        )

    # the write
    d_erase, d_written = d_order[erase:vector], d_order[vector:free]
    for n in range(size):
        old, d_slot, weight = memory[n], d_slots[n], write[n]
        along = zero
        for i in range(width):
            along += d_slot[i] * (written[i] - old[i] * erased[i])
        d_write[n] += along
        for i in range(width):
            d_erase[i] -= d_slot[i] * old[i] * weight
        for i in range(width):
            d_written[i] += d_slot[i] * weight
        for i in range(width):
            d_slot[i] *= one - weight * erased[i]
    for i in range(width):
        d_erase[i] *= erased[i] * (one - erased[i])

    # where to write
    d_gate = d_allocate = zero
    share = order[allocate]
    for n in range(size):
        d_gate += d_write[n] * (share * now[ALLOCATION, n] + (one - share) * now[FOUND, n])
        mixed = order[gate] * d_write[n]
        d_allocate += mixed * (now[ALLOCATION, n] - now[FOUND, n])
        d_found[n] = (one - share) * mixed
        d_write[n] = share * mixed  # now of the allocation
    d_order[gate] = d_gate * order[gate] * (one - order[gate])
    d_order[allocate] = d_allocate * share * (one - share)
    if not detached:
        for n in range(size):
            scales[n] = _scale(memory[n])
        wanted, d_wanted, sharp = order[key:strength], d_order[key:strength], order[strength]
        d_sharp = _content_backward(memory, scales, wanted, sharp, now[COSINE], now[FOUND], d_found, d_slots, d_wanted)
        d_order[strength] = -d_sharp * math.expm1(one - sharp)

        _allocate_backward(now[USAGE], sorted_after, products, d_write, d_now[USAGE])

    # usage
    d_usage = d_now[USAGE]
    for n in range(size):
        busy = last[USAGE, n] + last[WRITE, n] - last[USAGE, n] * last[WRITE, n]
        kept = one
        for r in range(heads):
            kept *= one - order[free + r] * last[READ + r, n]
        d_last[USAGE, n] = d_usage[n] * kept * (one - last[WRITE, n])
        d_last[WRITE, n] = d_usage[n] * kept * (one - last[USAGE, n])
        for r in range(heads):
            others = one
            for q in range(heads):
                if q != r:
                    others *= one - order[free + q] * last[READ + q, n]
            d_freed = -d_usage[n] * busy * others
            d_order[free + r] += d_freed * last[READ + r, n]
            d_last[CARRIED + r, n] += d_freed * order[free + r]
    for r in range(heads):
        d_order[free + r] *= order[free + r] * (one - order[free + r])
    d_now[:] = d_last


# All steps


@compiled
def _place(kept, moving, t, every, b):
    """Return where a memory or link stands before step t: in its kept place, or in the one that moves on."""
    if kept.shape[0] > 0 and t % every == 0 and t // every < kept.shape[0]:
        return kept[t // every, b]
    return moving[b]


@compiled
def forward(
    gates, seen, cells, slots, order, orders, fresh, w_seen, w_interface, b_interface, every,
    memory, kept_memory, traced_memory, link, kept_link, traced_link, heads,
):  # fmt: skip
    """Go through a sequence.

    Args:
        gates: (T, B, 4H), the inputs' part of the sums; become the gates.
        seen: (T + 1, B, R·W + H), [reads; hidden] before each step and after the last; the first is given, as below.
        cells: (T + 1, B, H); slots: (T + 1, B, 6 + 5R, N); order: int32 (T + 1, B, N), the slots by usage.
        orders: (T, B, S), filled with the interface vector's parts. For a way without return, T is 1 in these four.
        fresh: bool (T, B): what was before this step is forgotten.
        w_seen, w_interface, b_interface: (R·W + H, 4H), (H, S), (S,).
        every: steps from one kept memory to the next.
        memory, link: (B, N, W), (B, N, N), before the first step; after the last in the end.
        kept_memory, kept_link: (T / every, B, ...), filled with those before steps 0, every, 2 · every, ...; or of length 0.
        traced_memory, traced_link: (T, B, ...), filled with those after each step; or of length 0.
        heads: R.
    """
    steps, batch, hidden = gates.shape[0], gates.shape[1], cells.shape[2]
    size, width, dtype = memory.shape[1], memory.shape[2], memory.dtype
    wide, zero, returns = heads * width, dtype.type(0), orders.shape[0] == steps and cells.shape[0] == steps + 1
    none_fresh, no_cells, no_slots = np.zeros(batch, np.bool_), np.zeros(hidden, dtype), np.zeros(slots.shape[2:], dtype)
    scratch = np.empty(size, dtype), np.empty(width, dtype), np.empty((ROWS, size), dtype)
    raw = np.empty((batch, b_interface.shape[0]), dtype)
    for b in range(batch if kept_memory.shape[0] > 0 else 0):
        kept_memory[0, b] = memory[b]
        kept_link[0, b] = link[b]
    for t in range(steps):
        at, before, after = (t, t, t + 1) if returns else (0, t % 2, (t + 1) % 2)
        _multiply_add(seen[t], fresh[t], w_seen, gates[t])
        for b in range(batch):
            old = no_cells if fresh[t, b] else cells[before, b]
            _cells(gates[t, b], old, cells[after, b], seen[t + 1, b, wide:])
            raw[b] = b_interface
        _multiply_add(seen[t + 1, :, wide:], none_fresh, w_interface, raw)
        for b in range(batch):
            last = no_slots if fresh[t, b] else slots[before, b]
            old, old_link = _place(kept_memory, memory, t, every, b), _place(kept_link, link, t, every, b)
            new, new_link = _place(kept_memory, memory, t + 1, every, b), _place(kept_link, link, t + 1, every, b)
            if fresh[t, b]:
                old[:] = zero
                old_link[:] = zero
            _write_and_read(
                raw[b], orders[at, b], last, slots[after, b], order[before, b], order[after, b], old, new, old_link, new_link,
                seen[t + 1, b, :wide], heads, scratch,
            )  # fmt: skip
            if traced_memory.shape[0] > 0:
                traced_memory[t, b] = new
                traced_link[t, b] = new_link


@compiled
def backward(
    gates, cells, slots, order, orders, fresh, w_seen, w_interface, every, kept_memory, kept_link,
    d_seen, d_cells, carried, d_memory, d_link, d_gates, d_raw, heads, detached,
):  # fmt: skip
    """Go back through a sequence.

    Args:
        gates ... fresh, every, kept_memory, kept_link, heads: as `forward` left them.
        w_seen, w_interface: (4H, R·W + H), (S, H): not those of `forward`, but turned.
        d_seen: (T + 1, B, R·W + H), gradient of `seen`; in the end with all that flows back to it.
        d_cells: (B, H); carried: (B, 3 + R, N), usage, write weighting, precedence, read weightings; d_memory, d_link. They
            come in as the gradients after the last step, and go out as those before the first.
        d_gates, d_raw: (T, B, 4H), (T, B, S), filled with the gradients of sums and interface vectors.
        detached: no gradient passes through content and allocation weightings.
    """
    steps, batch, hidden = gates.shape[0], gates.shape[1], cells.shape[2]
    size, width, dtype = d_memory.shape[1], d_memory.shape[2], d_memory.dtype
    wide, zero = heads * width, dtype.type(0)
    none_fresh, no_cells, no_slots = np.zeros(batch, np.bool_), np.zeros(hidden, dtype), np.zeros(slots.shape[2:], dtype)
    squashed, d_hidden = np.empty(hidden, dtype), np.empty((batch, hidden), dtype)
    memories, links = np.empty((every, *d_memory.shape), dtype), np.empty((every, *d_link.shape), dtype)
    scratch = (
        np.empty((size, width), dtype), np.empty((CARRIED + heads, size), dtype), np.empty((heads, size), dtype),
        np.empty((heads, size), dtype), np.empty((heads, size), dtype), np.empty((ROWS + 2 * heads, size), dtype),
        np.empty((size, 2 * heads), dtype), np.empty(size, dtype), np.empty(size, dtype), np.empty(size, dtype),
        np.empty(width, dtype),
    )  # fmt: skip
    _, _, _, erase, vector, free, _, _, _ = _parts(heads, width)
    for t in range(steps - 1, -1, -1):
        start = t - t % every
        if t == steps - 1 or t % every == every - 1:  # make memories and links again, from the last kept ones up to here
            for b in range(batch):
                memories[0, b] = kept_memory[start // every, b]
                links[0, b] = kept_link[start // every, b]
                for s in range(start, t):
                    i, write, written = s - start, slots[s + 1, b, WRITE], orders[s, b, vector:free]
                    if fresh[s + 1, b]:
                        memories[i + 1, b] = zero
                        links[i + 1, b] = zero
                        continue
                    _write_to(memories[i, b], write, orders[s, b, erase:vector], written, memories[i + 1, b], scratch[10])
                    if d_link.shape[1] > 0:
                        precedence = no_slots[0] if fresh[s, b] else slots[s, b, PRECEDENCE]
                        _next_link(links[i, b], write, precedence, 0, links[i + 1, b])
        for b in range(batch):
            last = no_slots if fresh[t, b] else slots[t, b]
            _write_and_read_backward(
                orders[t, b], last, slots[t + 1, b], order[t + 1, b], memories[t - start, b], links[t - start, b],
                d_seen[t + 1, b, :wide], carried[b], d_memory[b], d_link[b], d_raw[t, b], heads, detached, scratch,
            )  # fmt: skip
        for b in range(batch):
            d_hidden[b] = d_seen[t + 1, b, wide:]  # a copy: rows of a part of an array are slow, their distance is unknown
        _multiply_add(d_raw[t], none_fresh, w_interface, d_hidden)
        for b in range(batch):
            old = no_cells if fresh[t, b] else cells[t, b]
            _cells_backward(gates[t, b], old, cells[t + 1, b], d_hidden[b], d_cells[b], d_gates[t, b], squashed)
            if fresh[t, b]:  # what was before has no part in what came after
                d_cells[b] = zero
                carried[b] = zero
                d_memory[b] = zero
                d_link[b] = zero
        _multiply_add(d_gates[t], fresh[t], w_seen, d_seen[t])
