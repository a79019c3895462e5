/** Problems of the W8A8 track: 8-bit weights with scale and bias per row, 8-bit activations with a scale per token. */
import { random } from './random.ts';
import type { Mistake, Problem, Shape, Values } from './types.ts';

const HEADER = 16;

interface Numbers extends Shape {
  w: Int8Array;
  scale: Float64Array;
  bias: Float64Array;
  x: Int8Array;
  xScale: Float64Array;
}

export function int8WeightBytes(rows: number, columns: number): number {
  return rows * (HEADER + columns);
}

export function int8ActivationBytes(columns: number, tokens: number): number {
  return tokens * (HEADER + columns);
}

export function int8Problem(shape: Shape, values: Values, seed: number): Problem {
  const numbers = draw(shape, values, seed);
  const { rows, columns, tokens, scale, bias, w, x, xScale } = numbers;
  const zeros = new Float64Array(tokens);
  return {
    ...shape,
    values,
    weights: pack(rows, columns, scale, bias, w),
    activations: pack(tokens, columns, xScale, zeros, x),
    expected: multiply(numbers),
    magnitude: multiply(numbers, { magnitude: true }),
    mistakes: mistakes(numbers),
  };
}

function draw({ rows, columns, tokens }: Shape, values: Values, seed: number): Numbers {
  const next = random(seed);
  const many = (length: number, make: (i: number) => number) => Array.from({ length }, (_, i) => make(i));
  const extreme = values === 'extreme';
  const byte = () => Math.floor(256 * next()) - 128;
  return {
    rows,
    columns,
    tokens,
    w: Int8Array.from(many(rows * columns, () => (extreme ? -128 : byte()))),
    scale: Float64Array.from(
      many(rows, () => (values === 'minimum' ? 0 : Math.fround(0.001 + 0.01 * next()))),
    ),
    bias: Float64Array.from(many(rows, () => Math.fround(next() - 2))),
    x: Int8Array.from(
      many(tokens * columns, (i) => {
        const token = Math.floor(i / columns);
        if (values === 'single') return i % columns === (seed + 37 * token) % columns ? 100 : 0;
        return extreme ? (token % 2 === 0 ? -128 : 127) : byte();
      }),
    ),
    xScale: Float64Array.from(
      many(tokens, (token) => (values === 'nan' && token === 0 ? NaN : Math.fround(0.001 + 0.05 * next()))),
    ),
  };
}

interface Variation {
  magnitude?: boolean;
  noBias?: boolean;
  noXScale?: boolean;
  unsigned?: boolean;
  sixteenBits?: boolean;
  skipFirst?: number;
  skipLast?: number;
}

/** The naive twin: output[token][row], in double precision; and what wrong kernels would make of it. */
function multiply(n: Numbers, wrong: Variation = {}): Float64Array {
  const { rows, columns, tokens } = n;
  const output = new Float64Array(tokens * rows);
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let dot = 0;
      for (let k = wrong.skipFirst ?? 0; k < columns - (wrong.skipLast ?? 0); k++) {
        const w = n.w[row * columns + k]!;
        dot += (wrong.unsigned ? w & 255 : w) * n.x[token * columns + k]!;
      }
      if (wrong.sixteenBits) dot = (dot << 16) >> 16;
      const product = n.scale[row]! * (wrong.noXScale ? 1 : n.xScale[token]!) * dot;
      const bias = wrong.noBias ? 0 : n.bias[row]!;
      output[token * rows + row] = wrong.magnitude ? Math.abs(product) + Math.abs(bias) : product + bias;
    }
  }
  return output;
}

function mistakes(n: Numbers): Mistake[] {
  return [
    {
      when: 'the bias is left out',
      hint: 'add the f32 at BIAS of every row',
      output: () => multiply(n, { noBias: true }),
    },
    {
      when: 'the scale of the activations is left out',
      hint: "multiply the dot product with both scales, the row's and the token's",
      output: () => multiply(n, { noXScale: true }),
    },
    {
      when: 'weights are taken for unsigned numbers',
      hint: 'load them as i8, and extend with sign (extmul_low_i8x16_s)',
      output: () => multiply(n, { unsigned: true }),
    },
    {
      when: 'the sum is kept in 16 bits',
      hint: 'one product of two bytes fills 16 bits: widen to 32 before adding',
      output: () => multiply(n, { sixteenBits: true }),
    },
    {
      when: 'the last columns of every row are left out',
      hint: 'off by one: a row has columns HEADER .. HEADER + columns - 1',
      output: () => multiply(n, { skipLast: 1 }),
    },
    {
      when: 'the first column of every row is left out',
      hint: 'off by one: the weights begin at HEADER',
      output: () => multiply(n, { skipFirst: 1 }),
    },
  ];
}

/** Rows of a 16-byte header and one byte per column: drawn in lab/kit/int8.ts. */
function pack(
  rows: number,
  columns: number,
  scale: Float64Array,
  bias: Float64Array,
  values: Int8Array,
): Uint8Array {
  const bytes = new Uint8Array(rows * (HEADER + columns));
  const view = new DataView(bytes.buffer);
  for (let row = 0; row < rows; row++) {
    const at = row * (HEADER + columns);
    view.setFloat32(at, scale[row]!, true);
    view.setFloat32(at + 4, bias[row]!, true);
    new Int8Array(bytes.buffer, at + HEADER, columns).set(
      values.subarray(row * columns, (row + 1) * columns),
    );
  }
  return bytes;
}
