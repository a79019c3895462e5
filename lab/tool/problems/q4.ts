/** Problems of the main track: 4-bit weights in blocks of 32 with scale and minimum, 8-bit activations. */
import type { Layout } from '../stages.ts';
import { fromF16, toF16 } from './f16.ts';
import { random } from './random.ts';
import type { Mistake, Problem, Shape, Values } from './types.ts';

const BLOCK = 32;
const X_BYTES = 48;

/** Numbers without a layout. Weights are indexed row * columns + column, blocks row * blocks + block. */
interface Numbers extends Shape {
  q: Uint8Array;
  scale: Float64Array;
  minimum: Float64Array;
  x: Int8Array;
  xScale: Float64Array;
}

/** Bytes of a matrix. */
export function q4WeightBytes(rows: number, columns: number): number {
  return (rows * columns * 20) / BLOCK;
}

/** Bytes of the activations of `tokens` tokens. */
export function q4ActivationBytes(columns: number, tokens: number): number {
  return (tokens * columns * X_BYTES) / BLOCK;
}

/** A problem with weights in the layout `rows` or `groups`; the same seed gives the same numbers in both. */
export function q4Problem(layout: Layout, shape: Shape, values: Values, seed: number): Problem {
  const numbers = draw(shape, values, seed);
  return {
    ...shape,
    values,
    weights: layout === 'groups' ? packGroups(numbers) : packRows(numbers),
    activations: packActivations(numbers),
    expected: multiply(numbers),
    magnitude: multiply(numbers, { magnitude: true }),
    mistakes: mistakes(numbers),
  };
}

function draw({ rows, columns, tokens }: Shape, values: Values, seed: number): Numbers {
  const next = random(seed);
  const f16 = (x: number) => fromF16(toF16(x));
  const many = (length: number, make: (i: number) => number) => Array.from({ length }, (_, i) => make(i));
  const blocks = (rows * columns) / BLOCK;
  const extreme = values === 'extreme';
  const scale = many(blocks, () => (values === 'minimum' ? 0 : f16(0.01 + 0.1 * next())));
  const minimum = many(blocks, () => f16(-1.5 * next() - 0.01));
  const q = many(rows * columns, () => (extreme ? 15 : Math.floor(16 * next())));
  const sign = () => (next() < 0.5 ? -1 : 1);
  // Extreme: the sign changes from block to block, or else all results would be alike.
  const signs = many((tokens * columns) / BLOCK, sign);
  const x = many(tokens * columns, (i) => {
    const token = Math.floor(i / columns);
    if (values === 'single') return i % columns === (seed + 37 * token) % columns ? 100 : 0;
    return extreme ? 127 * signs[Math.floor(i / BLOCK)]! : Math.floor(255 * next()) - 127;
  });
  const xScale = many((tokens * columns) / BLOCK, (i) =>
    values === 'nan' && i < columns / BLOCK ? NaN : Math.fround(0.001 + 0.05 * next()),
  );
  return {
    rows,
    columns,
    tokens,
    q: Uint8Array.from(q),
    scale: Float64Array.from(scale),
    minimum: Float64Array.from(minimum),
    x: Int8Array.from(x),
    xScale: Float64Array.from(xScale),
  };
}

interface Variation {
  magnitude?: boolean;
  noMinimum?: boolean;
  noXScale?: boolean;
  swapped?: boolean;
  half?: boolean;
  signed?: boolean;
  firstBlock?: number;
  lastBlock?: number;
}

/** The naive twin: output[token][row], in double precision; and what wrong kernels would make of it. */
function multiply(n: Numbers, wrong: Variation = {}): Float64Array {
  const { rows, columns, tokens } = n;
  const blocks = columns / BLOCK;
  const output = new Float64Array(tokens * rows);
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let b = wrong.firstBlock ?? 0; b < (wrong.lastBlock ?? blocks); b++) {
        let dot = 0;
        let total = 0;
        for (let k = 0; k < BLOCK; k++) {
          const x = n.x[token * columns + b * BLOCK + k]!;
          let q = n.q[row * columns + b * BLOCK + (wrong.swapped ? (k + 16) % BLOCK : k)]!;
          if (wrong.half && k >= 16) q = 0;
          if (wrong.signed && q > 7) q -= 16;
          dot += q * x;
          total += x;
        }
        const xScale = wrong.noXScale ? 1 : n.xScale[token * blocks + b]!;
        const product = n.scale[row * blocks + b]! * xScale * dot;
        const minimum = wrong.noMinimum
          ? 0
          : n.minimum[row * blocks + b]! * n.xScale[token * blocks + b]! * total;
        sum += wrong.magnitude ? Math.abs(product) + Math.abs(minimum) : product + minimum;
      }
      output[token * rows + row] = sum;
    }
  }
  return output;
}

function mistakes(n: Numbers): Mistake[] {
  const blocks = n.columns / BLOCK;
  return [
    {
      when: 'the minimum is left out',
      hint: 'a weight is scale * q + minimum: add minimum * (the sum of x, at X_SUM) once per block',
      output: () => multiply(n, { noMinimum: true }),
    },
    {
      when: 'the scale of the activations is left out',
      hint: "multiply the dot product of a block with both scales, the weights' and the one at X_SCALE",
      output: () => multiply(n, { noXScale: true }),
    },
    {
      when: 'low and high nibbles are exchanged',
      hint: 'the low nibble of byte j belongs to column j, the high one to column j + 16',
      output: () => multiply(n, { swapped: true }),
    },
    {
      when: 'only the low nibbles are counted',
      hint: 'each byte holds two weights: shift the upper four bits down for columns 16 to 31',
      output: () => multiply(n, { half: true }),
    },
    {
      when: 'nibbles are taken for signed numbers',
      hint: 'q is 0..15: mask with 15, and shift without sign (i8x16.shr_u, >>>)',
      output: () => multiply(n, { signed: true }),
    },
    {
      when: 'the last block of every row is left out',
      hint: 'off by one: a row has columns / 32 blocks, 0 .. columns / 32 - 1',
      output: () => multiply(n, { lastBlock: blocks - 1 }),
    },
    {
      when: 'the first block of every row is left out',
      hint: 'off by one: begin with block 0',
      output: () => multiply(n, { firstBlock: 1 }),
    },
  ];
}

/** Row after row: drawn in lab/kit/q4-rows.ts. */
function packRows(n: Numbers): Uint8Array {
  const bytes = new Uint8Array(q4WeightBytes(n.rows, n.columns));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < n.scale.length; block++) {
    const at = block * 20;
    view.setUint16(at, toF16(n.scale[block]!), true);
    view.setUint16(at + 2, toF16(n.minimum[block]!), true);
    for (let j = 0; j < 16; j++) {
      bytes[at + 4 + j] = n.q[block * BLOCK + j]! | (n.q[block * BLOCK + j + 16]! << 4);
    }
  }
  return bytes;
}

/** Eight rows interleaved: drawn in lab/kit/q4-groups.ts. */
function packGroups(n: Numbers): Uint8Array {
  const bytes = new Uint8Array(q4WeightBytes(n.rows, n.columns));
  const view = new DataView(bytes.buffer);
  const blocks = n.columns / BLOCK;
  for (let row = 0; row < n.rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const at = ((row >> 3) * blocks + b) * 160;
      const r = row & 7;
      view.setUint16(at + 2 * r, toF16(n.scale[row * blocks + b]!), true);
      view.setUint16(at + 16 + 2 * r, toF16(n.minimum[row * blocks + b]!), true);
      for (let j = 0; j < 16; j++) {
        const first = row * n.columns + b * BLOCK + j;
        bytes[at + 32 + (j >> 2) * 32 + r * 4 + (j & 3)] = n.q[first]! | (n.q[first + 16]! << 4);
      }
    }
  }
  return bytes;
}

/** Drawn in lab/kit/activations.ts. */
function packActivations(n: Numbers): Uint8Array {
  const bytes = new Uint8Array(q4ActivationBytes(n.columns, n.tokens));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < n.xScale.length; block++) {
    const x = n.x.subarray(block * BLOCK, (block + 1) * BLOCK);
    bytes.set(new Uint8Array(x.buffer, x.byteOffset, BLOCK), block * X_BYTES);
    const sum = x.reduce((total, value) => total + value, 0);
    view.setFloat32(block * X_BYTES + 32, n.xScale[block]!, true);
    view.setFloat32(block * X_BYTES + 36, n.xScale[block]! * sum, true);
  }
  return bytes;
}
