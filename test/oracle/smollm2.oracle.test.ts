/**
 * The real model: SmolLM2-135M-Instruct Q4_1 against llama.cpp. NIBBLE_ORACLE is the oracle's directory,
 * NIBBLE_SMOLLM2 the model file; without it, the model store is asked (nothing is downloaded).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodePrompt } from '../../src/chat/prompt.ts';
import type { ChatModel } from '../../src/chat/model.ts';
import type { ChatMessage } from '../../src/engine/types.ts';
import { atMost, logSumExp, sameGreedy } from './compare.ts';
import { readF32, readI32, type Greedy } from './golden.ts';
import { greedyIds, withModel } from './models.ts';
import { findModel } from './real-model.ts';
import { TESTED_VARIANTS } from './variants.ts';

const oracle = process.env['NIBBLE_ORACLE'];
const folder = join(oracle ?? '', 'smollm2');

interface TextGolden {
  top20_ids: string;
  top20_logits: string;
  logsumexp: string;
  shape: [number, number];
  total_nll: number;
}

interface SmolGolden {
  model: { file: string; sha256: string };
  chat: (Greedy & {
    messages: ChatMessage[];
    rendered: string;
    ids: number[];
    f32act_greedy: number[];
    f32act_margins: number[];
  })[];
  text_greedy: { prompt_ids: number[]; f32act_greedy: number[]; f32act_margins: number[] };
  text: { text: string; ids: number[]; native: TextGolden; f32act: TextGolden };
}

interface TextResult {
  nll: number;
  /** Of the reference's 20 best. */
  topMaxAbs: number;
  /** Over the 20 best and all others taken together: at most the whole divergence. */
  meanKl: number;
}

/** The text's logits against what the reference keeps of them. */
async function compareText(
  model: ChatModel,
  ids: readonly number[],
  golden: TextGolden,
): Promise<TextResult> {
  const vocabulary = model.info.vocabularySize;
  const [rows, best] = golden.shape;
  const topIds = readI32(join(folder, golden.top20_ids));
  const topLogits = readF32(join(folder, golden.top20_logits));
  const sums = readF32(join(folder, golden.logsumexp));
  expect([ids.length, topIds.length, topLogits.length, sums.length]).toEqual([
    rows,
    rows * best,
    rows * best,
    rows,
  ]);
  const result = { nll: 0, topMaxAbs: 0, meanKl: 0 };
  for await (const { start, rows: logits } of model.logitBatches(ids)) {
    for (let r = 0; r * vocabulary < logits.length; r++) {
      const i = start + r;
      const row = logits.subarray(r * vocabulary, (r + 1) * vocabulary);
      const sum = logSumExp(row);
      if (i + 1 < ids.length) result.nll += sum - row[ids[i + 1]!]!;
      let kl = 0,
        restP = 1,
        restQ = 1;
      for (let j = i * best; j < (i + 1) * best; j++) {
        const actual = row[topIds[j]!]!;
        result.topMaxAbs = Math.max(result.topMaxAbs, Math.abs(actual - topLogits[j]!));
        const p = Math.exp(topLogits[j]! - sums[i]!),
          q = Math.exp(actual - sum);
        kl += p * Math.log(p / q);
        restP -= p;
        restQ -= q;
      }
      if (restP > 1e-6 && restQ > 1e-6) kl += restP * Math.log(restP / restQ);
      result.meanKl += kl / rows;
    }
  }
  if (process.env['NIBBLE_FIGURES']) {
    const { variant, activations, kvType } = model.info;
    process.stdout.write(
      `smollm2 ${variant} ${activations} ${kvType} KV: NLL ${result.nll} (${golden.total_nll}), ` +
        `top 20 ${result.topMaxAbs}, mean KL ${result.meanKl}\n`,
    );
  }
  return result;
}

function testModel(path: string, golden: SmolGolden): void {
  const { text, chat, text_greedy: textGreedy } = golden;
  describe.each(TESTED_VARIANTS)('with $variant', ({ variant, excluded }) => {
    if (excluded !== undefined) {
      test.skip(`not here (${excluded})`, () => undefined);
      return;
    }
    test.each(['f32', 'f16'] as const)('int8 activations, %s KV: NLL and KL', (kvType) =>
      withModel(path, { variant, kvType, contextSize: 512 }, async (model) => {
        const { nll, meanKl } = await compareText(model, text.ids, text.native);
        atMost(Math.abs(nll / text.native.total_nll - 1), 0.006, 'relative error of the NLL');
        atMost(meanKl, 0.01, 'mean KL');
      }),
    );
    test('f32 activations, f32 KV: NLL, best logits, greedy ids', { timeout: 600_000 }, () =>
      withModel(path, { variant, kvType: 'f32', activations: 'f32', contextSize: 512 }, async (model) => {
        const { nll, topMaxAbs } = await compareText(model, text.ids, text.f32act);
        atMost(Math.abs(nll - text.f32act.total_nll), 0.05, 'error of the NLL');
        atMost(topMaxAbs, 5e-3, 'max abs of the 20 best');
        const prompts = [...chat, { ...textGreedy, ids: textGreedy.prompt_ids }];
        // Exact arithmetic is slow: all prompts with one variant, one with the others.
        for (const prompt of variant === 'simd' ? prompts : prompts.slice(0, 1)) {
          const { ids, f32act_greedy: expected, f32act_margins: margins } = prompt;
          const actual = await greedyIds(model, ids, expected.length);
          expect(sameGreedy(actual, expected, margins, 5e-3, 'greedy')).toBe(expected.length);
        }
      }),
    );
    test('f32 activations, f16 KV', () =>
      withModel(path, { variant, kvType: 'f16', activations: 'f32', contextSize: 512 }, async (model) => {
        const { nll, topMaxAbs } = await compareText(model, text.ids, text.f32act);
        atMost(Math.abs(nll - text.f32act.total_nll), 0.05, 'error of the NLL');
        atMost(topMaxAbs, 0.1, 'max abs of the 20 best');
      }));
  });

  test('tokens and chat prompts', () =>
    withModel(path, { contextSize: 64 }, (model) => {
      expect(model.tokenizer.encode(text.text)).toEqual(text.ids);
      for (const { messages, rendered, ids } of chat) {
        expect(model.render(messages)).toBe(rendered);
        expect(encodePrompt(model.tokenizer, rendered)).toEqual(ids);
      }
      return Promise.resolve();
    }));
}

if (oracle === undefined) {
  test.skip('SmolLM2 against the oracle: NIBBLE_ORACLE is not set', () => undefined);
} else {
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as SmolGolden;
  const found = await findModel('NIBBLE_SMOLLM2', 'smollm2-135m:Q4_1', golden.model.sha256);
  if ('missing' in found) test.skip(`SmolLM2 against the oracle: ${found.missing}`, () => undefined);
  else describe('SmolLM2-135M-Instruct Q4_1', () => testModel(found.path, golden));
}
