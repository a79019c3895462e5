/** The mixes: which tensor becomes what, against llama.cpp's choices. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FILE_TYPES, tensorBytes, type GgufFile, type GgufValue } from '../../src/gguf/index.ts';
import { MIXES } from '../../tools/quantize/mixes.ts';
import { planQuantization, type PlanOptions } from '../../tools/quantize/plan.ts';

type RoleTypes = string | ({ most: string } & Record<string, number[] | string>);

interface Shape {
  layers: number;
  heads: number;
  kvHeads: number;
  tied: boolean;
  experts: number;
}

const RECORDED = JSON.parse(
  readFileSync(new URL('../fixtures/quantize/mixes.json', import.meta.url), 'utf8'),
) as Record<string, Shape & { mixes: Record<string, Record<string, RoleTypes>> }>;

const F32 = 0;

/** A llama's header, as one file without bytes. */
function modelFile(shape: Shape, { columns = 256, type = F32 } = {}): GgufFile {
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', 'llama'],
    ['llama.block_count', shape.layers],
    ['llama.attention.head_count', shape.heads],
    ['llama.attention.head_count_kv', shape.kvHeads],
    ['llama.expert_count', shape.experts],
  ]);
  const tensors: GgufFile['tensors'] = [];
  const add = (name: string, ...sizes: number[]): void => {
    const id = sizes.length > 1 ? type : F32;
    tensors.push({ name, type: id, shape: sizes, shard: 0, offset: 0, byteLength: tensorBytes(id, sizes) });
  };
  const matrix = (name: string, ...more: number[]): void => add(`${name}.weight`, columns, 64, ...more);
  matrix('token_embd');
  add('output_norm.weight', columns);
  if (!shape.tied) matrix('output');
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = (name: string): string => `blk.${layer}.${name}`;
    for (const name of ['attn_norm.weight', 'ffn_norm.weight']) add(at(name), columns);
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) matrix(at(name));
    if (shape.experts === 0) for (const name of ['ffn_gate', 'ffn_up', 'ffn_down']) matrix(at(name));
    else {
      tensors.push({
        ...tensors.at(-1)!,
        name: at('ffn_gate_inp.weight'),
        type: F32,
        byteLength: columns * 256,
      });
      for (const name of ['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps']) matrix(at(name), shape.experts);
    }
  }
  // The order in a file is anybody's: the plan has its own.
  return { version: 3, alignment: 32, metadata, tensors: tensors.reverse(), sources: [], byteLength: 0 };
}

const typesOf = (file: GgufFile, options: PlanOptions): Map<string, string> =>
  new Map(planQuantization(file, options).tensors.map(({ tensor, type }) => [tensor.name, type.name]));

describe.each(Object.entries(RECORDED))('%s', (_, recorded) => {
  test.each(Object.entries(recorded.mixes))('%s: the types of llama.cpp', (name, roles) => {
    const types = typesOf(modelFile(recorded), { type: name });
    let compared = 0;
    for (const [tensor, type] of types) {
      const [, layer, role] = /^(?:blk\.(\d+)\.)?(.*)\.weight$/.exec(tensor)!;
      const wanted = roles[role!];
      if (wanted === undefined) {
        expect(role).toMatch(/norm|gate_inp/);
        expect(type).toBe('F32');
        continue;
      }
      const others = typeof wanted === 'string' ? [] : Object.entries(wanted);
      const other = others.find(([key, at]) => key !== 'most' && (at as number[]).includes(Number(layer)));
      expect([tensor, type]).toEqual([
        tensor,
        other?.[0] ?? (typeof wanted === 'string' ? wanted : wanted.most),
      ]);
      compared++;
    }
    expect(compared).toBeGreaterThan(recorded.layers * 7);
  });
});

describe('wishes', () => {
  const SHAPE: Shape = { layers: 4, heads: 4, kvHeads: 4, tied: false, experts: 0 };
  const file = modelFile(SHAPE);

  test('every mix has a file type, and none is listed twice', () => {
    const names = [...FILE_TYPES.values()].map(({ name }) => name);
    for (const { name } of MIXES) expect(names).toContain(name);
    expect(new Set(MIXES.map(({ name }) => name)).size).toBe(MIXES.length);
  });

  test('--pure, types by pattern, of output and of the embedding', () => {
    const types = typesOf(file, {
      type: 'q4_k_m',
      pure: true,
      tensorTypes: [
        { pattern: /blk\.1\..*ffn_/, type: 'Q8_0' },
        { pattern: /ffn_down/, type: 'Q5_K' },
      ],
      outputTensorType: 'F16',
      tokenEmbeddingType: 'Q8_0',
    });
    expect(types.get('blk.0.attn_v.weight')).toBe('Q4_K');
    expect(types.get('blk.1.ffn_down.weight')).toBe('Q8_0');
    expect(types.get('blk.2.ffn_down.weight')).toBe('Q5_K');
    expect(types.get('output.weight')).toBe('F16');
    expect(types.get('token_embd.weight')).toBe('Q8_0');
    expect(typesOf(file, { type: 'Q4_0', leaveOutputTensor: true }).get('output.weight')).toBe('F32');
    const plain = typesOf(file, { type: 'F16', tensorTypes: [{ pattern: /ffn_down/, type: 'Q6_K' }] });
    expect(plain.get('blk.0.ffn_down.weight')).toBe('Q6_K');
    expect(plain.get('blk.0.ffn_up.weight')).toBe('F16');
  });

  test('types of output and of the embedding that their columns do not allow give way, like others', () => {
    const narrow = modelFile({ ...SHAPE, tied: true }, { columns: 96 });
    const planned = (options: Partial<PlanOptions>) =>
      planQuantization(narrow, { type: 'Q8_0', ...options }).tensors.find(
        ({ tensor }) => tensor.name === 'token_embd.weight',
      );
    expect(planned({ tokenEmbeddingType: 'Q4_K' })).toMatchObject({
      type: { name: 'Q5_0' },
      instead: 'Q4_K',
    });
    // The embedding is the output matrix, too.
    expect(planned({ outputTensorType: 'Q6_K', pure: true })).toMatchObject({ instead: 'Q6_K' });
  });

  test('wishes that nothing answers to are refused', () => {
    const refused = (options: Partial<PlanOptions>, of = file) =>
      expect(() => planQuantization(of, { type: 'Q4_0', ...options }));
    const wish = (pattern: RegExp) => ({ pattern, type: 'Q8_0' });
    refused({ tensorTypes: [wish(/ffn_dwon/)] }).toThrow('ffn_dwon matches the name of no matrix');
    refused({ tensorTypes: [wish(/attn_norm/)] }).toThrow('attn_norm matches the name of no matrix');
    refused({ tensorTypes: [wish(/ffn/), wish(/ffn_down/)] }).toThrow(
      'ffn_down matches the name of no matrix',
    );
    refused({ leaveOutputTensor: true, outputTensorType: 'Q8_0' }).toThrow('contradict each other');
    refused({ leaveOutputTensor: true }, modelFile({ ...SHAPE, tied: true })).toThrow('no output.weight');
  });

  test('an importance matrix changes the first layers of Q4_0, Q5_0 and IQ4_NL', () => {
    const wide = modelFile({ ...SHAPE, layers: 16 });
    const down = (type: string, imatrix: boolean): (string | undefined)[] => {
      const types = typesOf(wide, { type, imatrix });
      return [1, 2].map((layer) => types.get(`blk.${layer}.ffn_down.weight`));
    };
    expect(down('Q4_0', false)).toEqual(['Q4_0', 'Q4_0']);
    expect(down('Q4_0', true)).toEqual(['Q4_1', 'Q4_0']);
    expect(down('Q5_0', true)).toEqual(['Q5_1', 'Q5_0']);
    expect(down('IQ4_NL', false)).toEqual(['Q5_K', 'IQ4_NL']);
    expect(down('IQ4_NL', true)).toEqual(['IQ4_NL', 'IQ4_NL']);
  });

  test.each([
    ['Q2_K', 'Q4_0'],
    ['Q3_K_S', 'Q4_0'],
    ['Q4_K_S', 'Q5_0'],
    ['Q5_K_S', 'Q5_1'],
    ['Q6_K', 'Q8_0'],
    ['IQ4_XS', 'IQ4_NL'],
  ])('%s of 96 columns is %s, of 80 F16', (type, fallback) => {
    const of96 = planQuantization(modelFile(SHAPE, { columns: 96 }), { type, pure: true }).tensors;
    const query = of96.find(({ tensor }) => tensor.name === 'blk.3.attn_q.weight')!;
    expect(query.type.name).toBe(fallback);
    expect(query.instead).toBe(type.replace(/_S$/, ''));
    expect(query.bytes).toBe(tensorBytes(query.type, query.tensor.shape));
    expect(typesOf(modelFile(SHAPE, { columns: 80 }), { type }).get('blk.3.attn_q.weight')).toBe('F16');
  });

  test('what it refuses', () => {
    const quantized = modelFile(SHAPE, { type: 2 });
    expect(() => planQuantization(quantized, { type: 'Q8_0' })).toThrow(/--allow-requantize/);
    expect(typesOf(quantized, { type: 'Q8_0', allowRequantize: true }).get('output.weight')).toBe('Q8_0');
    // What is of the wanted type already is copied.
    expect(() => planQuantization(quantized, { type: 'Q4_0', pure: true })).not.toThrow();
    expect(() => planQuantization(file, { type: 'Q9_X' })).toThrow(/Q9_X is not one of F32, F16/);
    expect(() => planQuantization(file, { type: 'Q4_0', outputTensorType: 'IQ1_S' })).toThrow(
      /IQ1_S is not one of/,
    );
    expect(() => planQuantization(file, { type: 'Q2_K_S' })).toThrow(/--imatrix/);
    expect(typesOf(file, { type: 'Q2_K_S', imatrix: true }).get('blk.3.ffn_up.weight')).toBe('Q2_K');
    file.metadata.delete('general.architecture');
    expect(() => planQuantization(file, { type: 'Q4_0' })).toThrow(/not a model/);
  });
});
