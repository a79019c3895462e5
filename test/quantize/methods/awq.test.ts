/** The errors that AWQ chooses by, against a naive twin; and that its choice is worth something. */
import { beforeAll, expect, test } from 'vitest';
import { tensorTypeByName } from '../../../src/gguf/index.ts';
import { loadQuantizeModules } from '../../../tools/quantize/kernels.ts';
import { candidates } from '../../../tools/quantize/methods/awq.ts';
import { MethodKernels } from '../../../tools/quantize/methods/kernels.ts';

let kernels: MethodKernels;
beforeAll(async () => {
  kernels = new MethodKernels(await loadQuantizeModules());
});

const F32 = 0;
const id = (name: string) => tensorTypeByName(name)!.id;
/** Numbers between -1 and 1 that look random. */
const noise = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => (Math.sin(seed + i * 12.9898) * 43758.5453) % 1);
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

test.each([
  ['Q4_0', 7, 64, true],
  ['Q4_0', 7, 64, false],
  ['Q3_K', 5, 256, true],
  ['F16', 4, 96, false],
])('%s of %i x %i, importance %s: as a plain loop adds them up', (type, rows, columns, important) => {
  const w = noise(rows * columns, 1);
  const samples = noise(6 * columns, 2);
  const scales = Float32Array.from({ length: 2 * columns }, (_, i) => 0.5 + ((i * 5) % 7) / 3);
  const importance = important ? noise(columns, 5).map((value) => value * value + 0.1) : undefined;
  const options = { to: id(type), scales, samples, importance };
  const errors = kernels.outputErrors(F32, bytesOf(w), rows, columns, options);
  for (const set of [0, 1]) {
    const s = scales.subarray(set * columns, (set + 1) * columns);
    const scaled = w.map((value, i) => value * s[i % columns]!);
    const back = kernels.dequantize(
      id(type),
      kernels.quantize(
        id(type),
        scaled,
        rows,
        columns,
        importance?.map((value, k) => value / s[k]! ** 2),
      ),
      rows,
      columns,
    );
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      for (let sample = 0; sample < 6; sample++) {
        let output = 0;
        for (let k = 0; k < columns; k++) {
          const at = row * columns + k;
          output += ((back[at]! - scaled[at]!) * samples[sample * columns + k]!) / s[k]!;
        }
        sum += output * output;
      }
    }
    expect(Math.abs(errors[set]! / sum - 1)).toBeLessThan(1e-4);
  }
});

test.each(['Q4_0', 'Q3_K'])('%s: where a few inputs are large, scaling their columns pays', (type) => {
  const [rows, columns] = [32, 256];
  const samples = noise(64 * columns, 3).map((value, i) => value * ((i % columns) % 41 === 0 ? 40 : 1));
  const means = new Float64Array(columns);
  samples.forEach((value, i) => (means[i % columns]! += Math.abs(value) / 64));
  const errors = kernels.outputErrors(F32, bytesOf(noise(rows * columns, 4)), rows, columns, {
    to: id(type),
    scales: candidates(means),
    samples,
  });
  expect(errors).toHaveLength(20);
  expect(Math.min(...errors)).toBeLessThan(0.5 * errors[0]!);
});

test('the first candidate is plain rounding', () => {
  expect([...candidates(Float64Array.of(1, 4, 9)).subarray(0, 3)]).toEqual([1, 1, 1]);
});
