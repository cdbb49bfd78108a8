// The agent that dreams: world model, decoder and controller, as in wmlib/models/world_model.py, wmlib/models/vae.py and
// wmlib/agents. Needs numbers.js, kernels.js and cores.js.
//
// new Agent(kernels, record)               record: build.py's `agent_record`
// agent.predict(z, action, state, edits)   the next step's mixture and the logit of its end; changes `state` in place
// agent.draw(uniform, normal, temperature) the next latents, out of the last prediction
// agent.act(z, state)                      0 left, 1 stay, 2 right: what the controller does
// agent.paint(z)                           the picture of latents, 64 x 64 x 3 numbers from 0 to 1
// new Dream(agent, z)                      a dream that begins at latents z; dream.step(action, chance, temperature)
// dream.twin()                             a second dream in the same state
// firstLatents(starts, number, generator)  where a dream begins; starts: mean and log variance, as in starts.json
// largestBlob(picture)                     {size, middle}: the nearest fireball, if the picture has one

const FRAME = 64; // pixels
const DONE_LOGIT = 0; // a dream ends when the model gives that a probability of at least 0.5
const BRIGHT = 0.6; // mean brightness of a bright pixel, as in notebook 04's fireball test
const SMALLEST_BLOB = 3; // pixels

class Agent {
  constructor(kernels, record) {
    const model = record.world_model;
    this.kernels = kernels;
    this.latentSize = model.latent_size;
    this.components = model.num_components;
    this.minLogStd = model.min_log_std;
    this.normalize = model.normalize && { weight: floatsOf(model.normalize.weight), bias: floatsOf(model.normalize.bias) };
    this.core = makeCore(kernels, model.core);
    this.mixtureLayer = kernels.layer(model.mixture);
    this.mixture = kernels.alloc(this.mixtureLayer.padded); // logits, means, log standard deviations: K x Z each
    this.doneLayer = kernels.layer(model.done);
    this.done = kernels.alloc(this.doneLayer.padded);
    this.input = new Float32Array(this.core.inputSize);
    this.actions = record.actions;
    this.names = record.controller.names;
    this.weights = floatsOf(record.controller.weights);
    this.decoder = new Decoder(kernels, record.decoder);
    this.times = null; // set to {core: 0, mixture: 0, decoder: 0} to add up milliseconds
  }

  predict(z, action, state, edits) {
    const start = this.times && performance.now();
    this.input.set(this.normalize ? layerNorm(z, this.normalize) : z);
    this.input.set(this.actions[action], z.length);
    const features = this.core.step(this.input, state, edits);
    const middle = this.times && performance.now();
    this.kernels.apply(this.mixtureLayer, features, this.mixture);
    this.kernels.apply(this.doneLayer, features, this.done);
    if (this.times) {
      this.times.core += middle - start;
      this.times.mixture += performance.now() - middle;
    }
    return this.done[0];
  }

  // Each dimension chooses its component by the inverse of the cumulative weights, then a normal number: `Mixture.draw`.
  draw(uniform, normal, temperature) {
    const { components, latentSize, mixture, minLogStd } = this;
    const start = this.times && performance.now();
    const size = components * latentSize;
    const cumulative = new Float32Array(components);
    const z = new Float32Array(latentSize);
    for (let d = 0; d < latentSize; d++) {
      let top = -Infinity;
      for (let k = 0; k < components; k++) {
        top = Math.max(top, mixture[k * latentSize + d]);
      }
      let total = 0;
      for (let k = 0; k < components; k++) {
        total += Math.exp((mixture[k * latentSize + d] - top) / temperature);
        cumulative[k] = total;
      }
      let chosen = 0;
      while (chosen < components - 1 && uniform[d] * total > cumulative[chosen]) {
        chosen++;
      }
      const at = chosen * latentSize + d;
      const std = Math.exp(Math.max(mixture[2 * size + at], minLogStd));
      z[d] = mixture[size + at] + Math.sqrt(temperature) * std * normal[d];
    }
    if (this.times) {
      this.times.mixture += performance.now() - start;
    }
    return z;
  }

  act(z, state) {
    const parts = { z, ...state };
    let sum = 0;
    let at = 0;
    for (const name of this.names) {
      for (const value of parts[name]) {
        sum += this.weights[at] * value;
        at++;
      }
    }
    const turn = Math.tanh(sum);
    return turn > 1 / 3 ? 2 : turn < -1 / 3 ? 0 : 1;
  }

  paint(z) {
    const start = this.times && performance.now();
    const picture = this.decoder.paint(z);
    if (this.times) {
      this.times.decoder += performance.now() - start;
    }
    return picture;
  }
}

// Transposed convolutions: a matrix product gives every input pixel its patch of the output, then overlapping patches add up.
class Decoder {
  constructor(kernels, record) {
    this.kernels = kernels;
    this.first = kernels.layer(record.first); // latents -> pixels of the first picture, channels last
    this.latents = kernels.alloc(this.first.stride);
    let pixels = record.first_size; // across
    let channels = this.first.rows / pixels ** 2;
    this.stages = record.stages.map((stage) => {
      const layer = kernels.layer(stage);
      const inputs = kernels.alloc(pixels ** 2 * layer.stride);
      const patches = kernels.alloc(pixels ** 2 * layer.padded);
      const outputs = stage.channels;
      const across = stage.stride * (pixels - 1) + stage.size;
      const made = { layer, inputs, patches, pixels, channels, outputs, across, size: stage.size, stride: stage.stride };
      made.bias = floatsOf(stage.channel_bias);
      [pixels, channels] = [across, outputs];
      return made;
    });
    this.firstOutput = kernels.alloc(this.first.padded);
    this.pictures = this.stages.map(({ across, outputs }) => new Float32Array(across ** 2 * outputs));
  }

  paint(z) {
    this.latents.set(z);
    this.kernels.apply(this.first, this.latents, this.firstOutput);
    let picture = this.firstOutput;
    this.stages.forEach((stage, i) => {
      const { inputs, channels, layer } = stage;
      const pixels = stage.pixels ** 2;
      for (let p = 0; p < pixels; p++) {
        for (let c = 0; c < channels; c++) {
          inputs[p * layer.stride + c] = Math.max(0, picture[p * channels + c]); // ReLU
        }
      }
      this.kernels.apply(layer, inputs, stage.patches, pixels);
      picture = this.pictures[i];
      this.scatter(stage, picture);
    });
    return picture.map(sigmoid);
  }

  scatter({ patches, layer, pixels, outputs, across, size, stride, bias }, picture) {
    for (let i = 0; i < picture.length; i += outputs) {
      picture.set(bias, i);
    }
    const row = size * outputs; // a row of a patch lies as a piece of a row of the picture
    for (let y = 0; y < pixels; y++) {
      for (let x = 0; x < pixels; x++) {
        let from = (y * pixels + x) * layer.padded;
        for (let dy = 0; dy < size; dy++) {
          const to = ((y * stride + dy) * across + x * stride) * outputs;
          for (let i = 0; i < row; i++) {
            picture[to + i] += patches[from + i];
          }
          from += row;
        }
      }
    }
  }
}

class Dream {
  constructor(agent, z) {
    this.agent = agent;
    this.z = z;
    this.state = agent.core.initialState();
    this.age = 0; // steps
    this.dead = false;
    this.edits = {};
  }

  twin() {
    const other = new Dream(this.agent, this.z.slice());
    other.state = copyState(this.state);
    other.age = this.age;
    other.dead = this.dead;
    return other;
  }

  // chance: {uniform, normal}, a number for each latent dimension
  step(action, chance, temperature) {
    if (this.dead) {
      return;
    }
    this.doneLogit = this.agent.predict(this.z, action, this.state, this.edits);
    this.z = this.agent.draw(chance.uniform, chance.normal, temperature);
    this.age += 1;
    this.dead = this.doneLogit >= DONE_LOGIT;
  }

  act() {
    return this.agent.act(this.z, this.state);
  }

  paint() {
    return this.agent.paint(this.z);
  }
}

// The numbers by chance of one step: one uniform and one normal number for each latent dimension.
function drawChance(generator, size) {
  const uniform = Float32Array.from({ length: size }, () => generator.uniform());
  const normal = Float32Array.from({ length: size }, () => generator.normal());
  return { uniform, normal };
}

function distance(a, b) {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

function firstLatents({ mean, log_variance }, number, generator) {
  const [count, size] = mean.shape;
  const from = (number % count) * size;
  const means = floatsOf(mean).subarray(from, from + size);
  const logVariances = floatsOf(log_variance).subarray(from, from + size);
  return means.map((value, d) => value + Math.exp(0.5 * logVariances[d]) * generator.normal());
}

// The largest set of touching bright pixels: its size in pixels, and its middle from 0 (left) to 1.
function largestBlob(picture) {
  const labels = new Uint8Array(FRAME * FRAME); // 1: bright, 2: counted
  for (let i = 0; i < labels.length; i++) {
    labels[i] = picture[3 * i] + picture[3 * i + 1] + picture[3 * i + 2] > 3 * BRIGHT ? 1 : 0;
  }
  const best = { size: 0, middle: 0 };
  for (let start = 0; start < labels.length; start++) {
    if (labels[start] !== 1) {
      continue;
    }
    const stack = [start];
    labels[start] = 2;
    let size = 0;
    let across = 0;
    while (stack.length) {
      const at = stack.pop();
      const x = at % FRAME;
      const y = (at - x) / FRAME;
      size += 1;
      across += x;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(FRAME - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(FRAME - 1, x + 1); nx++) {
          if (labels[ny * FRAME + nx] === 1) {
            labels[ny * FRAME + nx] = 2;
            stack.push(ny * FRAME + nx);
          }
        }
      }
    }
    if (size > best.size) {
      best.size = size;
      best.middle = across / size / (FRAME - 1);
    }
  }
  return best;
}
