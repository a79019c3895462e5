import { describe, expect, it } from 'vitest';
import { Config } from '../../../tools/convert/config.ts';
import { decode } from '../../../tools/convert/encode.ts';
import { readPacked } from '../../../tools/convert/packed/index.ts';
import { F32, Q4_1, type Rows } from '../../../tools/convert/rows.ts';
import { readSafetensors } from '../../../tools/convert/safetensors.ts';
import { f16ToNumber, numberToF16, random } from '../../kernels/twins/numbers.ts';
import { safetensors, sourceOf, words, type TestTensor } from './checkpoints.ts';

const INPUTS = 128;
const OUTPUTS = 32;
const GROUP = 32;
const GROUPS = INPUTS / GROUP;
/** Output of part i of a word, as the format has it. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7];

interface Made {
  tensors: Record<string, TestTensor>;
  /** w[out][in], by the formats' definition, element by element. */
  weights: number[][];
}

interface Choice {
  bits: number;
  scale: (random: number) => number;
  zero: (random: number) => number;
  groupOf?: (input: number) => number;
  zeroOffset?: number;
}

function levelsAndScales(choice: Choice) {
  const source = random(choice.bits);
  const table = <T>(rows: number, columns: number, value: () => T): T[][] =>
    Array.from({ length: rows }, () => Array.from({ length: columns }, value));
  const level = table(OUTPUTS, INPUTS, () => source.below(2 ** choice.bits));
  const scale = table(GROUPS, OUTPUTS, () => f16ToNumber(numberToF16(choice.scale(source.uniform()))));
  const zero = table(GROUPS, OUTPUTS, () => choice.zero(source.uniform()));
  const groupOf = choice.groupOf ?? ((i: number) => Math.floor(i / GROUP));
  const weights = level.map((row, o) =>
    row.map((q, i) => scale[groupOf(i)]![o]! * (q - zero[groupOf(i)]![o]!)),
  );
  return { level, scale, zero, groupOf, weights };
}

const halves = (rows: number[][]): TestTensor => ({
  dtype: 'F16',
  shape: [rows.length, rows[0]!.length],
  bytes: new Uint8Array(Uint16Array.from(rows.flat(), numberToF16).buffer),
});

/** Numbers of `bits` each into words, `at(word, part)` says which. */
const pack = (count: number, bits: number, at: (word: number, part: number) => number): number[] =>
  Array.from({ length: count }, (_, word) => {
    let value = 0;
    for (let part = 0; part < 32 / bits; part++) value |= at(word, part) << (part * bits);
    return value;
  });

function gptq(choice: Choice): Made {
  const { level, scale, zero, groupOf, weights } = levelsAndScales(choice);
  const per = 32 / choice.bits;
  const offset = choice.zeroOffset ?? 1;
  const columns = OUTPUTS / per;
  return {
    weights,
    tensors: {
      'a.q.qweight': words(
        [INPUTS / per, OUTPUTS],
        pack(
          (INPUTS / per) * OUTPUTS,
          choice.bits,
          (word, part) => level[word % OUTPUTS]![Math.floor(word / OUTPUTS) * per + part]!,
        ),
      ),
      'a.q.qzeros': words(
        [GROUPS, columns],
        pack(
          GROUPS * columns,
          choice.bits,
          (word, part) => zero[Math.floor(word / columns)]![(word % columns) * per + part]! - offset,
        ),
      ),
      'a.q.scales': halves(scale),
      'a.q.g_idx': words(
        [INPUTS],
        Array.from({ length: INPUTS }, (_, i) => groupOf(i)),
      ),
    },
  };
}

function awq(choice: Choice): Made {
  const { level, scale, zero, weights } = levelsAndScales(choice);
  const columns = OUTPUTS / 8;
  const output = (word: number, part: number): number => (word % columns) * 8 + AWQ_ORDER[part]!;
  return {
    weights,
    tensors: {
      'a.q.qweight': words(
        [INPUTS, columns],
        pack(INPUTS * columns, 4, (word, part) => level[output(word, part)]![Math.floor(word / columns)]!),
      ),
      'a.q.qzeros': words(
        [GROUPS, columns],
        pack(GROUPS * columns, 4, (word, part) => zero[Math.floor(word / columns)]![output(word, part)]!),
      ),
      'a.q.scales': halves(scale),
    },
  };
}

async function unpack({ tensors }: Made, quantization: object): Promise<Rows> {
  const stored = await readSafetensors(sourceOf(safetensors(tensors)));
  const config = new Config({ quantization_config: { group_size: GROUP, ...quantization } }, 'config.json');
  const { matrices, parts } = await readPacked(
    config,
    new Map(stored.map((tensor) => [tensor.name, tensor])),
  );
  for (const name of Object.keys(tensors)) expect(parts).toContain(name);
  expect([...matrices.keys()]).toEqual(['a.q.weight']);
  return matrices.get('a.q.weight')!;
}

/** Every value, read in pieces of 7 rows, equals the definition's, bit for bit. */
async function expectExact(rows: Rows, weights: number[][]): Promise<void> {
  expect(rows.shape).toEqual([INPUTS, OUTPUTS]);
  for (let first = 0; first < OUTPUTS; first += 7) {
    const count = Math.min(7, OUTPUTS - first);
    const values = decode(rows.type, await rows.read(first, count));
    expect([...values]).toEqual(weights.slice(first, first + count).flat());
  }
}

const EVEN: Choice = { bits: 4, scale: (r) => 0.01 + r / 50, zero: () => 8 };
const ODD: Choice = { bits: 4, scale: (r) => 0.01 + r / 50, zero: (r) => 1 + Math.floor(r * 15) };
const GPTQ = { quant_method: 'gptq', bits: 4 };

describe('GPTQ', () => {
  it('one zero for all: every value as Q4_1', async () => {
    const made = gptq(EVEN);
    const rows = await unpack(made, GPTQ);
    expect(rows.type).toBe(Q4_1);
    await expectExact(rows, made.weights);
  });

  it('minimums that are no f16: every value as F32', async () => {
    const made = gptq(ODD);
    const rows = await unpack(made, GPTQ);
    expect(rows.type).toBe(F32);
    await expectExact(rows, made.weights);
  });

  it('groups that are not neighbours: every value as F32', async () => {
    const made = gptq({ ...EVEN, groupOf: (i) => (i * 5) % GROUPS });
    const rows = await unpack(made, GPTQ);
    expect(rows.type).toBe(F32);
    await expectExact(rows, made.weights);
  });

  it.each([2, 8])('%i bits', async (bits) => {
    const made = gptq({ ...ODD, bits, zero: () => 2 ** (bits - 1) });
    const rows = await unpack(made, { quant_method: 'gptq', bits });
    expect(rows.type).toBe(F32);
    await expectExact(rows, made.weights);
  });

  it('zeros as they are, in format gptq_v2', async () => {
    const made = gptq({ ...EVEN, zeroOffset: 0 });
    await expectExact(await unpack(made, { ...GPTQ, checkpoint_format: 'gptq_v2' }), made.weights);
  });

  it('refuses groups that have no scales, shapes that do not fit, parts that are missing', async () => {
    const made = gptq(EVEN);
    const damaged = (name: string, tensor?: TestTensor): Made => {
      const others = Object.entries(made.tensors).filter(([other]) => other !== name);
      return { ...made, tensors: Object.fromEntries(tensor ? [...others, [name, tensor]] : others) };
    };
    const far = Array.from({ length: INPUTS }, (_, i) => (i === 7 ? 99 : 0));
    await expect(unpack(damaged('a.q.g_idx', words([INPUTS], far)), GPTQ)).rejects.toThrow(
      /do not fit 128 inputs/,
    );
    await expect(unpack(damaged('a.q.scales', halves([[1]])), GPTQ)).rejects.toThrow(
      /shape is not \[4, 32\]/,
    );
    await expect(unpack(damaged('a.q.qzeros', words([4, 1], [0, 0, 0, 0])), GPTQ)).rejects.toThrow(
      /does not fit 32 outputs/,
    );
    await expect(unpack(damaged('a.q.qzeros'), GPTQ)).rejects.toThrow(/"a.q.qzeros" is missing/);
  });
});

describe('AWQ', () => {
  it.each([
    ['Q4_1 where one zero serves all', EVEN, Q4_1],
    ['F32 where minimums are no f16', ODD, F32],
  ] as const)('every value as %s', async (_, choice, type) => {
    const made = awq(choice);
    const rows = await unpack(made, { quant_method: 'awq', bits: 4, version: 'gemm' });
    expect(rows.type).toBe(type);
    await expectExact(rows, made.weights);
  });
});

it.each([
  { quant_method: 'bitsandbytes', bits: 4 },
  { quant_method: 'gptq', bits: 3 },
  { quant_method: 'awq', bits: 4, version: 'gemv' },
  { quant_method: 'fp8' },
])('refuses $quant_method with $bits bits by name', async (quantization) => {
  const made = gptq(EVEN);
  await expect(unpack(made, quantization)).rejects.toThrow(
    new RegExp(`${quantization.quant_method}.*cannot be unpacked`),
  );
});
