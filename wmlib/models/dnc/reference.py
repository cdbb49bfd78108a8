"""One step of the DNC in plain loops, straight from the equations: to read, and to test the fast one against.

Reading guide. Follow `step` from top to bottom with the Methods of Graves et al. (Nature 538, 2016) beside it. The numbers in
parentheses are ours: the order in which a step needs the equations. No batch, no tensors, no tricks: one episode, float64.

Every line works on complex numbers too. That gives derivatives without an approximation: put x + 1e-30i in, and the
imaginary part of the result, divided by 1e-30, is the derivative along x to all digits (nothing is subtracted, so nothing
cancels). `.real` therefore means "without derivative": comparing and sorting look at it, and so does a detached weighting.
"""

import numpy as np

EPSILON = 1e-6


def sigmoid(x):
    """Return 1 / (1 + e⁻ˣ), without overflow."""
    return 1 / (1 + np.exp(-x)) if x.real >= 0 else np.exp(x) / (1 + np.exp(x))


def oneplus(x):
    """Return 1 + ln(1 + eˣ), without overflow."""
    return 1 + (x + np.log(1 + np.exp(-x)) if x.real >= 0 else np.log(1 + np.exp(x)))


def softmax(x):
    """Return eˣ over the sum of all eˣ, without overflow."""
    top = max(value.real for value in x)
    powers = [np.exp(value - top) for value in x]
    return np.array([power / sum(powers) for power in powers])


def affine(layer, x):
    """Return weight @ x + bias."""
    weight, bias = layer
    return np.array([bias[i] + sum(weight[i, j] * x[j] for j in range(len(x))) for i in range(len(bias))])


def content(memory, key, strength):
    """Return C(M, k, β): softmax over the slots of β times cosine (5)."""
    length = np.sqrt(sum(k * k for k in key) + EPSILON)
    scores = []
    for row in memory:
        dot = sum(k * m for k, m in zip(key, row, strict=True))
        scores.append(strength * dot / (length * np.sqrt(sum(m * m for m in row) + EPSILON)))
    return softmax(scores)


def largest(weighting, size):
    """Keep the `size` largest weights, scale them to sum 1; the lower index wins a tie."""
    order = sorted(range(len(weighting)), key=lambda i: -weighting[i].real)[:size]
    total = sum(weighting[i] for i in order)
    kept = np.zeros_like(weighting)
    for i in order:
        kept[i] = weighting[i] / (total if total.real > EPSILON else EPSILON)
    return kept


def interface(vector, R, W):
    """Cut the interface vector into its named parts (4)."""
    parts: dict = {}
    at = 0

    def take(count):
        nonlocal at
        at += count
        return vector[at - count : at]

    parts["read_keys"] = [take(W) for _ in range(R)]
    parts["read_strengths"] = [oneplus(x) for x in take(R)]
    parts["write_key"] = take(W)
    parts["write_strength"] = oneplus(take(1)[0])
    parts["erase"] = [sigmoid(x) for x in take(W)]
    parts["write_vector"] = take(W)
    parts["free_gates"] = np.array([sigmoid(x) for x in take(R)])
    parts["allocation_gate"] = sigmoid(take(1)[0])
    parts["write_gate"] = sigmoid(take(1)[0])
    parts["read_modes"] = np.array([softmax(take(3)) for _ in range(R if at < len(vector) else 0)])
    return parts


def controller(layer, x, reads, h, c):
    """Do one step of an LSTM that sees the input, the last reads and its last hidden vector (1)."""
    H = len(h)
    raw = affine(layer, np.concatenate([x, reads.reshape(-1), h]))
    new_h = np.zeros_like(raw[:H])
    new_c = np.zeros_like(raw[:H])
    for i in range(H):
        gate_in = sigmoid(raw[i])
        gate_keep = sigmoid(raw[H + i])
        gate_out = sigmoid(raw[3 * H + i])
        new_c[i] = gate_keep * c[i] + gate_in * np.tanh(raw[2 * H + i])
        new_h[i] = gate_out * np.tanh(new_c[i])
    return new_h, new_c


def step(layers, x, state, *, link="full", link_size=8, detach_addressing=False):
    """Do one step.

    Args:
        layers: {"controller", "interface", "output"} -> (weight, bias), arrays as in the state_dict of `DNC`.
        x: (D,) input.
        state: the arrays of a `DNCState` by name, without batch axis.
        link, link_size, detach_addressing: as in `DNC`.

    Returns:
        y (Y,), the new state, and a dict of what else a `Trace` shows.
    """
    R, N = state["read"].shape
    W = state["memory"].shape[1]
    slots = range(N)
    heads = range(R)
    letters = range(W)
    cut = np.real if detach_addressing else np.array

    h, c = controller(layers["controller"], x, state["reads"], state["h"], state["c"])  # (1)
    orders = interface(affine(layers["interface"], h), R, W)  # (2, 4)
    dtype = h.dtype

    # Which slots are free? A slot read and let go is free again; one just written is not.
    usage = np.zeros(N, dtype)
    for n in slots:
        retention = np.prod([1 - orders["free_gates"][r] * state["read"][r, n] for r in heads])  # ψ (6)
        u = state["usage"][n]
        w = state["write"][n]
        usage[n] = (u + w - u * w) * retention  # (7)
    shifted = [EPSILON + (1 - EPSILON) * u for u in usage]
    free_list = sorted(slots, key=lambda n: shifted[n].real)  # φ; Python's sort is stable, ties go by index (8)
    allocation = np.zeros(N, dtype)
    product = 1.0
    for n in free_list:
        allocation[n] = (1 - shifted[n]) * product  # (8)
        product = product * shifted[n]
    allocation = cut(allocation)

    # Write, where it is free or where the key points.
    matches = cut(content(state["memory"], orders["write_key"], orders["write_strength"]))
    gate = orders["allocation_gate"]
    write = np.array([orders["write_gate"] * (gate * allocation[n] + (1 - gate) * matches[n]) for n in slots])  # (9)
    memory = np.zeros((N, W), dtype)
    for n in slots:
        for k in letters:
            kept = state["memory"][n, k] * (1 - write[n] * orders["erase"][k])
            memory[n, k] = kept + write[n] * orders["write_vector"][k]  # (10)

    # Note the order of writing.
    links = state["link"]
    precedence = state["precedence"]
    if link != "none":
        w, p = write, precedence
        if link == "sparse":
            w = largest(w, link_size)
            p = largest(p, link_size)
        links = np.zeros((N, N), dtype)
        for i in slots:
            for j in slots:
                if i != j:
                    links[i, j] = (1 - w[i] - w[j]) * state["link"][i, j] + w[i] * p[j]  # (12)
                if link == "sparse" and links[i, j].real < 1 / link_size:
                    links[i, j] = 0
        precedence = np.array([(1 - sum(write)) * precedence[n] + write[n] for n in slots])  # (11)

    # Read: what came before the last read, what looks like the key, what came after the last read.
    read = np.zeros((R, N), dtype)
    reads = np.zeros((R, W), dtype)
    for r in heads:
        match = cut(content(memory, orders["read_keys"][r], orders["read_strengths"][r]))  # (14)
        for n in slots:
            if link == "none":
                read[r, n] = match[n]
                continue
            backward = sum(links[j, n] * state["read"][r, j] for j in slots)  # (13)
            forward = sum(links[n, j] * state["read"][r, j] for j in slots)  # (13)
            before, same, after = orders["read_modes"][r]
            read[r, n] = before * backward + same * match[n] + after * forward  # (15)
        for k in letters:
            reads[r, k] = sum(read[r, n] * memory[n, k] for n in slots)  # (16)

    y = affine(layers["output"], np.concatenate([h, reads.reshape(-1)]))  # (3)
    new = {"h": h, "c": c, "memory": memory, "usage": usage, "precedence": precedence, "link": links}
    new |= {"write": write, "read": read, "reads": reads}
    seen = {name: orders[name] for name in ("free_gates", "allocation_gate", "write_gate", "read_modes")}
    return y, new, {"allocation": allocation, **seen}
