import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORMATS } from '../../src/kernels/formats.ts';
import { memorySink, openGguf, closeGguf, tensorTypeByName, writeGguf } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { createTokenizer } from '../../src/tokenizer/index.ts';
import { dequantizeTwin } from '../kernels/twins/formats.ts';
import { f16ToNumber } from '../kernels/twins/numbers.ts';
import {
  f16,
  parseRandomSpec,
  randomBits,
  randomBlocks,
  randomModel,
  RANDOM_TYPES,
  writeRandomModel,
} from './modules.ts';

const DEVIATION = 1 / Math.sqrt(2048);

describe('random blocks', () => {
  it('are made for every format of the engine but the retired ones', () => {
    const formats = FORMATS.filter(({ interleave }) => interleave === undefined).map(({ name }) => name);
    expect([...RANDOM_TYPES].sort()).toEqual(formats.sort());
  });

  it.each(RANDOM_TYPES)('of %s are finite, centred and of about the deviation asked for', (name) => {
    const type = tensorTypeByName(name)!;
    const format = FORMATS.find((each) => each.name === name)!;
    const blocks = 4000;
    const columns = blocks * type.blockSize;
    const { bytes } = randomBlocks(type, DEVIATION, randomBits(1));
    const part = bytes.subarray(0, blocks * type.bytesPerBlock);
    const weights = dequantizeTwin(format, part, columns, (x) => x);
    const mean = weights.reduce((sum, w) => sum + w, 0) / columns;
    const deviation = Math.sqrt(weights.reduce((sum, w) => sum + (w - mean) ** 2, 0) / columns);
    expect(weights.every(Number.isFinite)).toBe(true);
    // I8's scales are not in its blocks.
    const wanted = name === 'I8' ? 74 : DEVIATION;
    expect(Math.abs(mean)).toBeLessThan(wanted / 8);
    expect(deviation / wanted).toBeGreaterThan(0.7);
    expect(deviation / wanted).toBeLessThan(2);
  });

  it('repeat, a different part for each tensor', () => {
    const piece = randomBlocks(tensorTypeByName('Q8_0')!, DEVIATION, randomBits(1));
    const take = (total: number) => Buffer.concat([...piece.take(total)]);
    const first = take(34 * 100);
    const rest = take(piece.bytes.length);
    expect(first.equals(piece.bytes.subarray(0, first.length))).toBe(true);
    expect(rest.subarray(-first.length).equals(first)).toBe(true);
  });

  it('round numbers to f16', () => {
    for (const value of [1, -1, 0.1, 6.2e-5, 1 / 3, 1000.5, -0.99999]) {
      expect(Math.abs(f16ToNumber(f16(value)) / value - 1)).toBeLessThan(2 ** -11 + 1e-9);
    }
  });
});

describe('random models', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nibble-random-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(['tiny', 'tiny:Q9_9', 'huge:Q4_0', 'tiny:Q4_0:x', ''])('refuses the spec "%s"', (text) => {
    expect(() => parseRandomSpec(text)).toThrow(RangeError);
  });

  it('are the same for the same seed', async () => {
    const bytes = async (seed: number) => {
      const sink = memorySink();
      await writeGguf(sink, await randomModel(parseRandomSpec('tiny:Q4_0'), { seed }));
      return Buffer.from(sink.bytes());
    };
    const first = await bytes(1);
    expect(first.equals(await bytes(1))).toBe(true);
    expect(first.equals(await bytes(2))).toBe(false);
  });

  it('have the size and shape of the real ones', async () => {
    const { tensors } = await randomModel(parseRandomSpec('1.1b:q4_0'));
    const weights = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
    expect(weights).toBe(1_100_048_384);
    expect(tensors).toHaveLength(201);
  });

  it('have a vocabulary that tokenizes', async () => {
    const path = join(folder, 'vocabulary.gguf');
    await writeRandomModel(path, parseRandomSpec('tiny:Q4_0'));
    const file = await openGguf(path, fileSource);
    try {
      const tokens = file.metadata.get('tokenizer.ggml.tokens') as string[];
      expect(new Set(tokens).size).toBe(512);
      const tokenizer = createTokenizer(file.metadata);
      expect(tokenizer.decode(tokenizer.encode('Babe, dada: ünïcode!'))).toContain('Babe, dada: ünïcode!');
    } finally {
      await closeGguf(file);
    }
  });

  it.each(RANDOM_TYPES)('run in %s', async (type) => {
    const path = join(folder, `${type}.gguf`);
    await writeRandomModel(path, parseRandomSpec(`tiny:${type}`));
    const model = await loadModelFile(path, { threads: 1, contextSize: 64, variant: 'simd' });
    try {
      const logits = await model.logits([1, 300, 301, 302]);
      expect(logits).toHaveLength(4 * 512);
      expect(logits.every(Number.isFinite)).toBe(true);
      expect(Math.max(...logits) - Math.min(...logits)).toBeGreaterThan(0.1);
    } finally {
      await model.dispose();
    }
  });
});
