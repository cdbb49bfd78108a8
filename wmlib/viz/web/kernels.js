// Matrix products: in WebAssembly SIMD (kernels.wat) where the browser has it, else in plain loops.
//
// new Kernels(base64, megabytes)    base64: the compiled kernels.wat, or "" for the plain loops
// kernels.alloc(length)             Float32Array of zeros that products can read and write; room for a multiple of 4 after its end
// kernels.layer(packed)             weights of a linear layer, from build.py's `pack_layer`: rows outputs, columns inputs
// kernels.apply(layer, x, y, m)     y = W x + b for m inputs that lie one after another, each `layer.stride` numbers apart;
//                                   each output takes `layer.padded` numbers. x and y come from `alloc`.

const padTo4 = (length) => Math.ceil(length / 4) * 4;

class Kernels {
  constructor(base64 = "", megabytes = 32) {
    this.simd = false;
    this.capacity = megabytes << 20;
    this.used = 0;
    this.memory = new WebAssembly.Memory({ initial: this.capacity >> 16 });
    if (base64) {
      try {
        const module = new WebAssembly.Module(bytesOf(base64));
        this.exports = new WebAssembly.Instance(module, { page: { memory: this.memory } }).exports;
        this.simd = true;
      } catch (error) {
        console.warn(`plain loops: this browser does not run WebAssembly SIMD (${error.message})`);
      }
    }
  }

  alloc(length) {
    const bytes = 4 * padTo4(length);
    if (this.used + bytes > this.capacity) {
      throw new RangeError(`megabytes: got ${this.capacity >> 20}, which is too little; make Kernels with more`);
    }
    const floats = new Float32Array(this.memory.buffer, this.used, length);
    this.used += bytes;
    return floats;
  }

  layer(packed) {
    const [rows, columns] = packed.weight.shape;
    const stride = padTo4(columns);
    const padded = padTo4(rows);
    const weight = this.alloc(padded * stride);
    const values = floatsOf(packed.weight);
    for (let i = 0; i < rows; i++) {
      weight.set(values.subarray(i * columns, (i + 1) * columns), i * stride);
    }
    return { weight, bias: packed.bias ? floatsOf(packed.bias) : null, rows, columns, stride, padded };
  }

  apply(layer, x, y, m = 1) {
    const { weight, bias, rows, stride, padded } = layer;
    if (this.simd) {
      this.exports.product(x.byteOffset, weight.byteOffset, y.byteOffset, m, padded, stride);
    } else {
      this.plainProduct(x, weight, y, m, padded, stride);
    }
    if (bias) {
      for (let row = 0; row < m; row++) {
        for (let i = 0; i < rows; i++) {
          y[row * padded + i] += bias[i];
        }
      }
    }
  }

  plainProduct(a, b, c, m, n, k) {
    const inputs = new Float32Array(this.memory.buffer, a.byteOffset, m * k); // with the zeros after its end
    for (let row = 0; row < m; row++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let i = 0; i < k; i++) {
          sum += inputs[row * k + i] * b[j * k + i];
        }
        c[row * n + j] = sum;
      }
    }
  }
}
