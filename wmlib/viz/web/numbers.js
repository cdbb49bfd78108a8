// Numbers out of text, and numbers by chance.
//
// floatsOf(packed)  {type: "half" | "float", data: base64} -> Float32Array; build.py's `pack` writes such records.
// bytesOf(base64)   -> Uint8Array
// layerNorm(x, {weight, bias})  to mean 0 and variance 1, then scaled and shifted
// Chance(seed)      random numbers that a seed repeats: uniform() in (0, 1], normal() with mean 0 and standard deviation 1.

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    bytes[i] = text.charCodeAt(i);
  }
  return bytes;
}

// IEEE 754 half precision: 1 bit of sign, 5 of exponent, 10 of fraction.
function floatOfHalf(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 0) {
    return sign * fraction * 2 ** -24;
  }
  if (exponent === 31) {
    return fraction ? NaN : sign * Infinity;
  }
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let tableOfHalves = null; // every number of half precision, made when the first one is asked for

function floatsOf(packed) {
  const bytes = bytesOf(packed.data);
  if (packed.type === "float") {
    return new Float32Array(bytes.buffer);
  }
  const halves = new Uint16Array(bytes.buffer);
  tableOfHalves ??= Float32Array.from({ length: 65536 }, (_, half) => floatOfHalf(half));
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    floats[i] = tableOfHalves[halves[i]];
  }
  return floats;
}

function layerNorm(x, { weight, bias }) {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const scale = 1 / Math.sqrt(variance + 1e-5); // PyTorch's constant
  return x.map((value, i) => (value - mean) * scale * weight[i] + bias[i]);
}

// The generator is "mulberry32": a counter, and a mixture of its bits.
class Chance {
  constructor(seed) {
    this.counter = Math.imul(seed + 1, 0x9e3779b1);
  }

  uniform() {
    this.counter = (this.counter + 0x6d2b79f5) | 0;
    let bits = this.counter;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return (((bits ^ (bits >>> 14)) >>> 0) + 1) / 2 ** 32;
  }

  // Box and Muller's transform of two uniform numbers.
  normal() {
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
}
