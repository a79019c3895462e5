/** GPTQ's mathematics against naive twins, and what it is for: smaller errors of the outputs. */
import { beforeAll, describe, expect, test } from 'vitest';
import { tensorTypeByName } from '../../../src/gguf/index.ts';
import {
  instantiateQuantizers,
  loadQuantizeModules,
  QuantizeKernels,
} from '../../../tools/quantize/kernels.ts';
import type { QuantizeExports, QuantizeModules } from '../../../tools/quantize/kernels.ts';
import { ErrorFeedback } from '../../../tools/quantize/methods/feedback.ts';
import { factorize } from '../../../tools/quantize/methods/hessian-tasks.ts';
import { choleskyTwin, hessianTwin, inverseTwin, walkTwin } from './gptq-twin.ts';

let modules: QuantizeModules;
let kernels: QuantizeKernels;
beforeAll(async () => {
  modules = await loadQuantizeModules();
  kernels = new QuantizeKernels(modules);
});

const TYPES = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'];
/** Factor on the Hessians' values off the diagonal. */
const TRUST = 0.9;
const id = (name: string) => tensorTypeByName(name)!.id;
const noise = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => (Math.sin(seed + i * 12.9898) * 43758.5453) % 1);

/** Inputs that are correlated: sums of a few directions and some noise, of different sizes. */
function inputs(tokens: number, columns: number, seed: number): Float32Array {
  const directions = noise(6 * columns, seed);
  const weights = noise(6 * tokens, seed + 1);
  const rest = noise(tokens * columns, seed + 2);
  return Float32Array.from({ length: tokens * columns }, (_, i) => {
    const [token, column] = [Math.floor(i / columns), i % columns];
    let sum = 0.2 * rest[i]!;
    for (let k = 0; k < 6; k++) sum += weights[token * 6 + k]! * directions[k * columns + column]!;
    return sum * (1 + (column % 5));
  });
}

/** The factor M of inputs, by the kernels, in a memory of its own. */
function factorOf(x: Float32Array, columns: number, order: Int32Array) {
  const tokens = x.length / columns;
  const bytes = columns * columns * 4;
  const [xAt, orderAt] = [65536, 65536 + x.byteLength];
  const h = orderAt + columns * 4;
  const work = h + bytes;
  const pages = Math.ceil((work + bytes + columns * 4) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const exports: QuantizeExports = instantiateQuantizers(modules, memory);
  new Float32Array(memory.buffer, xAt, x.length).set(x);
  new Int32Array(memory.buffer, orderAt, columns).set(order);
  const half = Math.floor(columns / 8) * 4;
  exports.addProducts(xAt, tokens, columns, h, 0, half);
  exports.addProducts(xAt, tokens, columns, h, half, columns);
  const hessian = new Float32Array(memory.buffer, h, columns * columns).slice();
  const mean = hessian.reduce((sum, value, i) => (i % (columns + 1) === 0 ? sum + value : sum), 0) / columns;
  const done = factorize({
    ...{ id: Math.random(), memory, modules, h, columns, order: orderAt, work },
    damping: 0.01 * mean,
    trust: TRUST,
  });
  const m = new Float32Array(memory.buffer, h, columns * columns);
  return {
    done,
    hessian,
    damping: 0.01 * mean,
    m,
    buffer: memory.buffer as unknown as SharedArrayBuffer,
    offset: h,
  };
}

const reversed = (n: number) => Int32Array.from({ length: n }, (_, i) => n - 1 - i);
const natural = (n: number) => Int32Array.from({ length: n }, (_, i) => i);

test.each([
  [4, 3],
  [20, 9],
  [64, 40],
  [100, 300],
])('Hessian, its Cholesky factor and inverse of %i columns', (columns, tokens) => {
  const x = inputs(tokens, columns, 1);
  const order = reversed(columns);
  const { done, hessian, damping, m } = factorOf(x, columns, order);
  expect(done).toBe(true);
  const expected = hessianTwin(x, columns);
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j <= i; j++) {
      expect(Math.abs(hessian[i * columns + j]! - expected[i]![j]!)).toBeLessThan(1e-3 * tokens);
    }
  }
  const ordered = [...order].map((a, i) =>
    [...order].map((b, j) => (i === j ? expected[a]![b]! + damping : TRUST * expected[a]![b]!)),
  );
  const inverse = inverseTwin(choleskyTwin(ordered));
  const largest = Math.max(...inverse.flat().map(Math.abs));
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j <= i; j++) {
      expect(Math.abs(m[i * columns + j]! - inverse[i]![j]!)).toBeLessThan(2e-3 * largest);
    }
  }
});

test('a Hessian with NaN, or one that is not positive definite, is refused and left alone', () => {
  const columns = 8;
  const bad = factorOf(new Float32Array(columns).fill(NaN), columns, natural(columns));
  expect(bad.done).toBe(false);
  expect(bad.m[0]).toBeNaN();
});

describe.each(TYPES)('%s', (name) => {
  const columns = 512;
  const rows = 11;

  test('as the naive walk, and with integers that the file can hold', () => {
    const values = noise(rows * columns, 5);
    const x = inputs(64, columns, 6);
    const order = reversed(columns);
    const { m, buffer, offset } = factorOf(x, columns, order);
    const importance = noise(columns, 7).map((value) => value * value + 0.1);
    const feedback = new ErrorFeedback(modules);
    const task = { key: 'a', buffer, offset, order, importance, refit: false };
    const made = kernels.dequantize(
      id(name),
      feedback.quantize(id(name), values, rows, columns, task),
      rows,
      columns,
    );
    // The values that blocks can hold are those of the block's scale: found among what plain quantizing gives.
    const plain =
      name === 'Q8_0'
        ? kernels.quantize(id(name), values, rows, columns)
        : kernels.quantize(id(name), values, rows, columns, importance);
    const expected = walkTwin(name, plain, values, { rows, columns, order, m });
    let different = 0;
    for (let i = 0; i < expected.length; i++) if (Math.abs(made[i]! - expected[i]!) > 1e-5) different++;
    // Sums in another order round a value that lies in the middle the other way, and what follows with it.
    expect(different).toBeLessThan(0.02 * expected.length);
  });

  test.each([true, false])('the outputs for correlated inputs are nearer, refit: %s', (refit) => {
    const values = noise(rows * columns, 8);
    const x = inputs(256, columns, 9);
    const held = inputs(64, columns, 9).map((value, i) => value + 0.1 * Math.sin(i));
    const { buffer, offset, hessian } = factorOf(x, columns, natural(columns));
    const importance = Float32Array.from({ length: columns }, (_, i) => hessian[i * (columns + 1)]! / 256);
    const task = { key: 'b', buffer, offset, order: natural(columns), importance, refit };
    const errorOf = (bytes: Uint8Array): number => {
      const back = kernels.dequantize(id(name), bytes, rows, columns);
      let sum = 0;
      for (let row = 0; row < rows; row++) {
        for (let token = 0; token < 64; token++) {
          let output = 0;
          for (let k = 0; k < columns; k++) {
            output += (back[row * columns + k]! - values[row * columns + k]!) * held[token * columns + k]!;
          }
          sum += output * output;
        }
      }
      return sum;
    };
    const made = new ErrorFeedback(modules).quantize(id(name), values, rows, columns, task);
    expect(errorOf(made)).toBeLessThan(0.5 * errorOf(kernels.quantize(id(name), values, rows, columns)));
  });
});
