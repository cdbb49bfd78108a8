// Recurrent cores, one step at a time: the LSTM and the DNC (Graves et al. 2016), as in wmlib/models/lstm.py and wmlib/models/dnc.
//
// makeCore(kernels, record)      record: build.py's `core_record`; returns an LSTM or a DNC
// core.initialState()            zeros, an object of Float32Arrays by the names of LSTMState and DNCState
// copyState(state)               a state of its own with the same numbers
// core.step(x, state, edits)     takes in x (inputSize numbers), changes `state` in place, returns the outputs (outputSize)
// readOf(state)                  a DNC's read weighting of each slot, the mean of its heads
// edits                          {zeroReads, freezeMemory, zeroH}: true while that part is switched off
//
// A DNC's state also has `gates`: [allocation gate, write gate, free gate of each head] of the last step.

const EPSILON = 1e-6; // as in wmlib/models/dnc/addressing.py
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const onePlus = (x) => 1 + (x > 40 ? x : Math.log1p(Math.exp(x)));

function makeCore(kernels, record) {
  const kinds = { lstm: LSTM, dnc: DNC };
  if (!kinds[record.kind]) {
    throw new RangeError(`record.kind: got ${record.kind}; allowed are ${Object.keys(kinds).join(", ")}`);
  }
  return new kinds[record.kind](kernels, record);
}

function copyState(state) {
  return Object.fromEntries(Object.entries(state).map(([name, part]) => [name, part.slice()]));
}

function readOf({ write, read }) {
  const slots = write.length;
  const heads = read.length / slots;
  return Float32Array.from({ length: slots }, (_, slot) => {
    let sum = 0;
    for (let at = slot; at < read.length; at += slots) {
      sum += read[at];
    }
    return sum / heads;
  });
}

// The equations of an LSTM cell: raw holds the four gates of `size` cells each; h and c are changed in place.
function advanceCells(raw, h, c, size) {
  for (let i = 0; i < size; i++) {
    const kept = sigmoid(raw[size + i]) * c[i];
    c[i] = kept + sigmoid(raw[i]) * Math.tanh(raw[2 * size + i]);
    h[i] = sigmoid(raw[3 * size + i]) * Math.tanh(c[i]);
  }
}

function softmax(values) {
  let top = -Infinity;
  for (const value of values) {
    top = Math.max(top, value);
  }
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.exp(values[i] - top);
    total += values[i];
  }
  for (let i = 0; i < values.length; i++) {
    values[i] /= total;
  }
}

class LSTM {
  constructor(kernels, record) {
    this.kernels = kernels;
    this.inputSize = record.input_size;
    this.hiddenSize = record.hidden_size;
    this.outputSize = record.output_size;
    this.cells = kernels.layer(record.cells); // [x; h] -> four gates
    this.seen = kernels.alloc(this.cells.stride);
    this.raw = kernels.alloc(this.cells.padded);
    this.head = new OutputLayer(kernels, record.output, this.hiddenSize);
  }

  initialState() {
    return { h: new Float32Array(this.hiddenSize), c: new Float32Array(this.hiddenSize) };
  }

  step(x, state, edits = {}) {
    this.seen.set(x);
    this.seen.set(state.h, this.inputSize);
    this.kernels.apply(this.cells, this.seen, this.raw);
    advanceCells(this.raw, state.h, state.c, this.hiddenSize);
    const outputs = this.head.outputs(state.h);
    if (edits.zeroH) {
      state.h.fill(0);
    }
    return outputs;
  }
}

class DNC {
  constructor(kernels, record) {
    this.kernels = kernels;
    this.inputSize = record.input_size;
    this.hiddenSize = record.hidden_size;
    this.outputSize = record.output_size;
    this.slots = record.num_slots;
    this.width = record.word_size;
    this.heads = record.num_heads;
    this.linked = record.link === "full";
    this.cells = kernels.layer(record.cells); // [x; reads; h] -> four gates
    this.interface = kernels.layer(record.interface);
    this.seen = kernels.alloc(this.cells.stride);
    this.raw = kernels.alloc(this.cells.padded);
    this.hidden = kernels.alloc(this.interface.stride);
    this.orders = kernels.alloc(this.interface.padded);
    this.head = new OutputLayer(kernels, record.output, this.hiddenSize + this.heads * this.width);
    this.shifted = new Float32Array(this.slots);
    this.allocation = new Float32Array(this.slots);
    this.matches = new Float32Array(this.slots);
    this.lastRead = new Float32Array(this.heads * this.slots);
  }

  initialState() {
    const { hiddenSize, slots, width, heads } = this;
    const linked = this.linked ? slots : 0;
    const sizes = {
      h: hiddenSize,
      c: hiddenSize,
      memory: slots * width,
      usage: slots,
      precedence: linked,
      link: linked * linked,
      write: slots,
      read: heads * slots,
      reads: heads * width,
      gates: 2 + heads,
    };
    return Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, new Float32Array(size)]));
  }

  step(x, state, edits = {}) {
    this.seen.set(x);
    this.seen.set(state.reads, this.inputSize);
    this.seen.set(state.h, this.inputSize + state.reads.length);
    this.kernels.apply(this.cells, this.seen, this.raw);
    advanceCells(this.raw, state.h, state.c, this.hiddenSize);
    this.hidden.set(state.h);
    this.kernels.apply(this.interface, this.hidden, this.orders);
    this.access(state, this.parse(this.orders), edits);
    const outputs = this.head.outputs(state.h, state.reads);
    if (edits.zeroH) {
      state.h.fill(0);
    }
    return outputs;
  }

  // Cut an interface vector into its parts, in the order of `interface_sizes`, each brought into its range.
  parse(vector) {
    const { heads, width } = this;
    let at = 0;
    const take = (count) => vector.subarray(at, (at += count));
    return {
      readKeys: take(heads * width),
      readStrengths: take(heads).map(onePlus),
      writeKey: take(width),
      writeStrength: onePlus(take(1)[0]),
      erase: take(width).map(sigmoid),
      writeVector: take(width),
      freeGates: take(heads).map(sigmoid),
      allocationGate: sigmoid(take(1)[0]),
      writeGate: sigmoid(take(1)[0]),
      readModes: this.linked ? take(3 * heads) : null, // backward, content, forward of each head, before the softmax
    };
  }

  // One write and one read, in the order of the paper: free, allocate, write, link, read.
  access(state, orders, edits) {
    const { slots, heads } = this;
    const writeGate = edits.freezeMemory ? 0 : orders.writeGate;
    state.gates.set([orders.allocationGate, writeGate, ...orders.freeGates]);
    this.updateUsage(state, orders.freeGates);
    this.allocate(state.usage);
    this.match(state.memory, orders.writeKey, orders.writeStrength);
    for (let n = 0; n < slots; n++) {
      const chosen = orders.allocationGate * this.allocation[n] + (1 - orders.allocationGate) * this.matches[n];
      state.write[n] = writeGate * chosen;
    }
    this.write(state, orders);
    if (this.linked) {
      this.updateLink(state);
    }
    this.lastRead.set(state.read);
    for (let head = 0; head < heads; head++) {
      this.read(state, orders, head);
    }
    if (edits.zeroReads) {
      state.reads.fill(0);
    }
  }

  updateUsage(state, freeGates) {
    for (let n = 0; n < this.slots; n++) {
      let retention = 1;
      for (let head = 0; head < this.heads; head++) {
        retention *= 1 - freeGates[head] * state.read[head * this.slots + n];
      }
      const used = state.usage[n];
      state.usage[n] = (used + state.write[n] - used * state.write[n]) * retention;
    }
  }

  // The least used slots first; among equals the lower index, as sorting is stable.
  allocate(usage) {
    const shifted = this.shifted;
    for (let n = 0; n < this.slots; n++) {
      shifted[n] = EPSILON + Math.fround(Math.fround(1 - EPSILON) * usage[n]);
    }
    const freeList = Array.from(shifted.keys()).sort((i, j) => shifted[i] - shifted[j]);
    let product = 1;
    for (const n of freeList) {
      this.allocation[n] = (1 - shifted[n]) * product;
      product *= shifted[n];
    }
  }

  // softmax over the slots of strength times cosine, into this.matches
  match(memory, key, strength) {
    const { slots, width, matches } = this;
    let keyLength = EPSILON;
    for (let k = 0; k < width; k++) {
      keyLength += key[k] * key[k];
    }
    for (let n = 0; n < slots; n++) {
      let dot = 0;
      let slotLength = EPSILON;
      for (let k = 0; k < width; k++) {
        const value = memory[n * width + k];
        dot += key[k] * value;
        slotLength += value * value;
      }
      matches[n] = (strength * dot) / Math.sqrt(keyLength * slotLength);
    }
    softmax(matches);
  }

  write(state, orders) {
    const { slots, width } = this;
    for (let n = 0; n < slots; n++) {
      const weight = state.write[n];
      for (let k = 0; k < width; k++) {
        const old = state.memory[n * width + k];
        state.memory[n * width + k] = old * (1 - weight * orders.erase[k]) + weight * orders.writeVector[k];
      }
    }
  }

  updateLink(state) {
    const { slots } = this;
    const { link, precedence, write } = state;
    let written = 0;
    for (let i = 0; i < slots; i++) {
      written += write[i];
      for (let j = 0; j < slots; j++) {
        const old = link[i * slots + j];
        link[i * slots + j] = i === j ? 0 : (1 - write[i] - write[j]) * old + write[i] * precedence[j];
      }
    }
    for (let n = 0; n < slots; n++) {
      precedence[n] = (1 - written) * precedence[n] + write[n];
    }
  }

  read(state, orders, head) {
    const { slots, width, lastRead, matches } = this;
    const from = head * slots;
    this.match(state.memory, orders.readKeys.subarray(head * width, (head + 1) * width), orders.readStrengths[head]);
    if (this.linked) {
      const modes = orders.readModes.slice(3 * head, 3 * head + 3);
      softmax(modes);
      for (let n = 0; n < slots; n++) {
        let backward = 0;
        let forward = 0;
        for (let j = 0; j < slots; j++) {
          backward += state.link[j * slots + n] * lastRead[from + j];
          forward += state.link[n * slots + j] * lastRead[from + j];
        }
        state.read[from + n] = modes[0] * backward + modes[1] * matches[n] + modes[2] * forward;
      }
    } else {
      state.read.set(matches, from);
    }
    for (let k = 0; k < width; k++) {
      let sum = 0;
      for (let n = 0; n < slots; n++) {
        sum += state.read[from + n] * state.memory[n * width + k];
      }
      state.reads[head * width + k] = sum;
    }
  }
}

// What a core shows: its features as they are, or a linear layer of them.
class OutputLayer {
  constructor(kernels, packed, size) {
    this.kernels = kernels;
    this.layer = packed ? kernels.layer(packed) : null;
    this.features = kernels.alloc(size);
    this.values = this.layer ? kernels.alloc(this.layer.padded) : this.features;
  }

  outputs(h, reads = null) {
    this.features.set(h);
    if (reads) {
      this.features.set(reads, h.length);
    }
    if (this.layer) {
      this.kernels.apply(this.layer, this.features, this.values);
    }
    return this.values;
  }
}
