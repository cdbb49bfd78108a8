// The world model on small pictures, for one episode: what wmlib/models/frame_model.py computes, around any core of cores.js.
// Needs numbers.js, kernels.js and cores.js. Plain loops: a frame has no more than 64 cells.
//
// new FrameModel(kernels, record)         record: small.py's `frame_model_record`
// model.coreInput(frame, before)          what the core sees of a frame and of the action before it (-1: none)
// model.see(frame, before, state)         lets the core see a frame; returns {memory, state}, the given state stays as it was
// model.outcome(frame, memory, action)    what an action brings: {logits of the next frame, reward, done}, done a logit
// rounded(logits)                         the most probable next frame, every value 0 or 1
// new Policy(record)                      the actor of wmlib/agents/policies.py, for vectors; record: small.py's `policy_record`
// policy.act(observation)                 the most probable action
//
// A frame is a Float32Array: C planes of H x W, row by row, every value 0 or 1.

class FrameModel {
  constructor(kernels, record) {
    [this.channels, this.height, this.width] = record.shape;
    this.cells = this.height * this.width;
    this.numActions = record.num_actions;
    this.keep = record.keep;
    this.core = makeCore(kernels, record.core);
    this.layers = Object.fromEntries(Object.entries(record.layers).map(([name, packed]) => [name, plainLayer(packed)]));
  }

  coreInput(frame, before) {
    const { encoder, vector, norm } = this.layers;
    const seen = relu(this.convolve(encoder, frame));
    return joined(layerNorm(linear(vector, seen), norm), oneHot(before, this.numActions));
  }

  see(frame, before, state) {
    const next = copyState(state);
    const memory = this.core.step(this.coreInput(frame, before), next).slice();
    return { memory, state: next };
  }

  outcome(frame, memory, action) {
    const { context, first, second, last, look, outcomes } = this.layers;
    const planes = spread(joined(oneHot(action, this.numActions), linear(context, memory)), this.cells);
    const hidden = relu(this.convolve(first, joined(frame, planes)));
    const change = this.convolve(last, relu(this.convolve(second, hidden)));
    const logits = change.map((value, i) => value + this.keep * (2 * frame[i] - 1));
    const seen = relu(this.convolve(look, joined(frame, logits.map(sigmoid))));
    const outputs = linear(outcomes, joined(pooled(seen, this.cells), memory));
    return { logits, reward: outputs[action], done: outputs[this.numActions + action] };
  }

  // A convolution that keeps the picture's size; outside of it all is 0.
  convolve(layer, planes) {
    const { height, width } = this;
    const [outputs, inputs, size] = layer.shape;
    const half = (size - 1) / 2;
    const result = new Float32Array(outputs * height * width);
    for (let o = 0; o < outputs; o++) {
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          let sum = layer.bias[o];
          for (let i = 0; i < inputs; i++) {
            for (let y = Math.max(0, row - half); y <= Math.min(height - 1, row + half); y++) {
              for (let x = Math.max(0, column - half); x <= Math.min(width - 1, column + half); x++) {
                const at = ((o * inputs + i) * size + y - row + half) * size + x - column + half;
                sum += layer.weight[at] * planes[(i * height + y) * width + x];
              }
            }
          }
          result[(o * height + row) * width + column] = sum;
        }
      }
    }
    return result;
  }
}

class Policy {
  constructor(record) {
    this.layers = record.layers.map(plainLayer); // between two of them is a tanh
  }

  logits(observation) {
    let features = observation;
    this.layers.forEach((layer, i) => {
      features = linear(layer, i === 0 ? features : features.map(Math.tanh));
    });
    return features;
  }

  act(observation) {
    return largest(this.logits(observation));
  }
}

function plainLayer(packed) {
  return { shape: packed.weight.shape, weight: floatsOf(packed.weight), bias: floatsOf(packed.bias) };
}

function linear(layer, x) {
  const [rows, columns] = layer.shape;
  const y = new Float32Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = layer.bias[i];
    for (let j = 0; j < columns; j++) {
      sum += layer.weight[i * columns + j] * x[j];
    }
    y[i] = sum;
  }
  return y;
}

// The largest value of each plane, then the mean of each.
function pooled(planes, cells) {
  const count = planes.length / cells;
  const values = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const plane = planes.subarray(i * cells, (i + 1) * cells);
    values[i] = Math.max(...plane);
    values[count + i] = plane.reduce((sum, value) => sum + value, 0) / cells;
  }
  return values;
}

const relu = (x) => x.map((value) => Math.max(0, value));
const rounded = (logits) => logits.map((value) => (value > 0 ? 1 : 0));
const largest = (values) => values.indexOf(Math.max(...values)); // its index

function joined(...parts) {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function oneHot(index, size) {
  return Float32Array.from({ length: size }, (_, i) => (i === index ? 1 : 0));
}

// A plane for each value, full of it.
function spread(values, cells) {
  const planes = new Float32Array(values.length * cells);
  values.forEach((value, i) => planes.fill(value, i * cells, (i + 1) * cells));
  return planes;
}
