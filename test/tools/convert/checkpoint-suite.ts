/**
 * Checkpoints with what PyTorch computed with them (golden.json beside the weights): converted, loaded, compared.
 * For the oracle's folders and the fixtures alike.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { chooseTemplate, createChatTemplate, specialTokenTexts } from '../../../src/chat/template.ts';
import type { ChatMessage } from '../../../src/engine/types.ts';
import {
  closeGguf,
  copyMetadata,
  openGguf,
  readTensor,
  saveGguf,
  type GgufFile,
} from '../../../src/gguf/index.ts';
import { fileSink } from '../../../src/platform/node/file-sink.ts';
import { fileSource } from '../../../src/platform/node/file-source.ts';
import { createTokenizer } from '../../../src/tokenizer/index.ts';
import { planConversion, type ConvertOptions } from '../../../tools/convert/index.ts';
import { f16ToNumber, numberToF16 } from '../../kernels/twins/numbers.ts';
import { atMost, difference, sameGreedy } from '../../oracle/compare.ts';
import { logitsOf, readF32, type GoldenSequence } from '../../oracle/golden.ts';
import { greedyIds, withModel } from '../../oracle/models.ts';
import { scratch } from './checkpoints.ts';

/** Of logits and hidden states, for F32 files. */
const MAX_ABS = 1e-4;
const CLASSIFIER_MAX_ABS = 5e-5;

interface Golden {
  logits?: string;
  hidden?: string;
  sequences?: (GoldenSequence & {
    mean_pooled?: number[];
    hidden_offset?: number;
    hidden_shape?: [number, number];
  })[];
  tokenizer?: { text: string; ids: number[]; ids_with_special: number[] }[];
  chat?: { messages: ChatMessage[]; add_generation_prompt: boolean; rendered: string; ids: number[] }[];
  cases?: { text: string; ids_with_special: number[]; logits: number[]; probs: number[]; label: string }[];
}

/** Converts a folder and gives back the path of the file. */
export async function convert(folder: string, options: ConvertOptions = {}): Promise<string> {
  const outtype = options.outtype ?? 'f32';
  const output = join(scratch, `${basename(folder)}.${outtype}.gguf`);
  const plan = await planConversion(folder, output, { ...options, outtype });
  try {
    const paths = await plan.write();
    expect(paths).toEqual([output]);
    return output;
  } finally {
    await plan.close();
  }
}

export async function withGguf<T>(path: string, use: (file: GgufFile) => T | Promise<T>): Promise<T> {
  const file = await openGguf(path, fileSource);
  try {
    return await use(file);
  } finally {
    await closeGguf(file);
  }
}

/** Declares the tests of one checkpoint folder. */
export function testCheckpoint(folder: string): void {
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config;
  if (golden.logits !== undefined) test('logits and greedy ids', () => testLogits(folder, golden, config));
  if (golden.hidden !== undefined) test('hidden states and their means', () => testHidden(folder, golden));
  if (golden.cases !== undefined) test('classes', () => testClasses(folder, golden));
  if (golden.tokenizer !== undefined) test('token ids', () => testTokenizer(folder, golden));
  if (golden.chat !== undefined) test('chat template', () => testTemplate(folder, golden));
}

interface Config {
  architectures: string[];
  head_dim: number;
  rope_theta: number;
  quantization_config?: object;
}

async function testLogits(folder: string, golden: Golden, config: Config): Promise<void> {
  const reference = readF32(join(folder, golden.logits!));
  const options = { kvType: 'f32', activations: 'f32' } as const;
  let path = await convert(folder);
  if (config.quantization_config !== undefined) {
    // The reference was computed by a model in f16 that was then widened, so its rotation's frequencies are rounded to
    // f16. Without them the first position, which does not rotate, must agree; with the same rounding everything.
    await withModel(path, options, async (model) => {
      for (const sequence of golden.sequences!) {
        const [, vocabulary] = sequence.logits_shape;
        const first = logitsOf(reference, sequence).subarray(0, vocabulary);
        atMost(
          difference(await model.logits(sequence.tokens.slice(0, 1)), first, vocabulary).maxAbs,
          MAX_ABS,
          'max abs',
        );
      }
    });
    path = await withRoundedRotation(path, config);
  }
  await withModel(path, options, async (model) => {
    for (const [i, sequence] of golden.sequences!.entries()) {
      const expected = logitsOf(reference, sequence);
      const { maxAbs } = difference(await model.logits(sequence.tokens), expected, sequence.logits_shape[1]);
      atMost(maxAbs, MAX_ABS, `max abs of sequence ${i}`);
      const ids = await greedyIds(model, sequence.tokens, sequence.greedy!.length);
      expect(sameGreedy(ids, sequence.greedy!, sequence.margins!, MAX_ABS, `sequence ${i}`)).toBeGreaterThan(
        0,
      );
    }
  });
}

/** The same file with a divisor per pair that makes each frequency the nearest f16. */
async function withRoundedRotation(
  path: string,
  { head_dim: width, rope_theta: theta }: Config,
): Promise<string> {
  const factors = Float32Array.from({ length: width / 2 }, (_, i) => {
    const frequency = Math.fround(1 / theta ** ((2 * i) / width));
    return frequency / f16ToNumber(numberToF16(frequency));
  });
  const output = path.replace('.gguf', '.rounded.gguf');
  await withGguf(path, async (file) => {
    const tensors = file.tensors.map((tensor) => ({ ...tensor, data: () => readTensor(file, tensor) }));
    const rope = { name: 'rope_freqs.weight', type: 0, shape: [width / 2], data: factors };
    await saveGguf(output, fileSink, { metadata: copyMetadata(file), tensors: [...tensors, rope] });
  });
  return output;
}

async function testHidden(folder: string, golden: Golden): Promise<void> {
  const hidden = readF32(join(folder, golden.hidden!));
  await withModel(await convert(folder), {}, async (model) => {
    for (const {
      tokens,
      mean_pooled: mean,
      hidden_offset: offset,
      hidden_shape: shape,
    } of golden.sequences!) {
      const [rows] = await model.embed([tokens], { pooling: 'none', normalize: false });
      const expected = hidden.subarray(offset!, offset! + shape![0] * shape![1]);
      atMost(largest(rows!, expected), MAX_ABS, 'hidden states: max abs');
      const [pooled] = await model.embed([tokens], { normalize: false });
      atMost(largest(pooled!, mean!), MAX_ABS, 'means: max abs');
    }
  });
}

async function testClasses(folder: string, golden: Golden): Promise<void> {
  await withModel(await convert(folder), {}, async (model) => {
    for (const { text, ids_with_special: ids, label, probs, logits } of golden.cases!) {
      expect(model.tokenizer.encode(text, { parseSpecial: true })).toEqual(ids);
      const [found] = await model.classify([text]);
      expect(found!.label).toBe(label);
      // As the model has them, whatever order they are shown in.
      const scores = model.info.labels!.map((name) => found!.scores.find((score) => score.label === name)!);
      atMost(
        largest(
          scores.map((score) => score.logit),
          logits,
        ),
        CLASSIFIER_MAX_ABS,
        'logits: max abs',
      );
      atMost(
        largest(
          scores.map((score) => score.probability),
          probs,
        ),
        CLASSIFIER_MAX_ABS,
        'probabilities: max abs',
      );
    }
  });
}

async function testTokenizer(folder: string, golden: Golden): Promise<void> {
  await withGguf(await convert(folder), ({ metadata, tensors }) => {
    const tokenizer = createTokenizer(metadata);
    expect(tokenizer.size).toBe(tensors.find(({ name }) => name === 'token_embd.weight')!.shape[1]);
    for (const { text, ids, ids_with_special: withSpecial } of golden.tokenizer!) {
      expect(tokenizer.encode(text, { addSpecial: false, parseSpecial: true })).toEqual(ids);
      expect(tokenizer.encode(text, { parseSpecial: true })).toEqual(withSpecial);
    }
  });
}

async function testTemplate(folder: string, golden: Golden): Promise<void> {
  await withGguf(await convert(folder), ({ metadata }) => {
    const tokenizer = createTokenizer(metadata);
    const chosen = chooseTemplate(metadata, tokenizer);
    expect(chosen?.origin).toBe('file');
    const template = createChatTemplate(chosen!.source, specialTokenTexts(tokenizer));
    for (const { messages, add_generation_prompt: addGenerationPrompt, rendered, ids } of golden.chat!) {
      expect(template.render(messages, { addGenerationPrompt })).toBe(rendered);
      expect(tokenizer.encode(rendered, { addSpecial: false, parseSpecial: true })).toEqual(ids);
    }
  });
}

/** Throws on NaN, which compares as nothing. */
function largest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, not ${expected.length}`);
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!);
    if (!(distance <= most)) most = distance;
    if (Number.isNaN(most)) throw new Error(`value ${i} is ${actual[i]}, not ${expected[i]}`);
  }
  return most;
}

export const hasGolden = (folder: string): boolean => existsSync(join(folder, 'golden.json'));
