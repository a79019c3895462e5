/** Generation as a caller sees it: where it stops, what it reports, that it repeats. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import type { GenerationPart } from '../../src/engine/types.ts';
import { UsageError } from '../../src/errors.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { atMost, logSumExp, sameGreedy } from '../oracle/compare.ts';
import { collect, greedyIds, withModel } from '../oracle/models.ts';
import { TIED_SPM, TINY_CHAT } from './fixtures.ts';

interface TinyGolden {
  prompts: { name: string; user: string; text: string; ids: number[] }[];
  held_out_text: { ids: number[] };
  files: Record<
    string,
    {
      held_out_nll: { sum: number; per_token: number[] };
      greedy: Record<string, { ids: number[]; margins: number[]; text: string }>;
    }
  >;
}

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/tiny-chat/golden.json', import.meta.url), 'utf8'),
) as TinyGolden;
const expected = golden.files['tiny-chat.Q8_0.gguf']!;
/** Its greedy answer: `A nibble is four bits, half a byte. It can hold 16 different values.<|im_end|>...` */
const FACT = golden.prompts.find(({ name }) => name === 'fact')!;
const ANSWER = expected.greedy['fact']!.text.split('<|im_end|>')[0]!;
const GREEDY = { temperature: 0 } as const;

let model: ChatModel;
beforeAll(async () => {
  model = (await loadModelFile(TINY_CHAT, { threads: 2, variant: 'simd' })) as ChatModel;
});
afterAll(() => model.dispose());

describe('the embedded model against llama.cpp', () => {
  test('greedy ids, margins below 0.3 apart', async () => {
    for (const { name, ids } of golden.prompts) {
      const { ids: wanted, margins } = expected.greedy[name]!;
      sameGreedy(await greedyIds(model, ids, wanted.length), wanted, margins, 0.15, name);
    }
  });

  test('negative log likelihood of a text', async () => {
    const { ids } = golden.held_out_text;
    const logits = await model.logits(ids);
    const vocabulary = model.info.vocabularySize;
    let sum = 0;
    for (let i = 0; i + 1 < ids.length; i++) {
      const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
      const nll = logSumExp(row) - row[ids[i + 1]!]!;
      sum += nll;
      atMost(Math.abs(nll - expected.held_out_nll.per_token[i]!), 0.25, `error of token ${i + 1}`);
    }
    atMost(Math.abs(sum / expected.held_out_nll.sum - 1), 0.006, 'relative error of the sum');
  });

  test('chat renders the template and ends at the end of the turn', async () => {
    const messages = [{ role: 'user', content: FACT.user }];
    expect(model.render(messages)).toBe(FACT.text);
    const { text, done, ids } = await collect(model.chat(messages, GREEDY));
    expect(text).toBe(ANSWER);
    expect(done.reason).toBe('eos');
    expect(done.timings).toMatchObject({ promptTokens: FACT.ids.length, generatedTokens: ids.length });
  });
});

describe('where it stops', () => {
  test('after maxTokens', async () => {
    for (const maxTokens of [0, 1, 5]) {
      const { ids, done } = await collect(model.generate(FACT.ids, { ...GREEDY, maxTokens }));
      expect(ids).toHaveLength(maxTokens);
      expect(done).toMatchObject({ reason: 'length', timings: { generatedTokens: maxTokens } });
    }
    await expect(collect(model.generate(FACT.ids, { maxTokens: NaN }))).rejects.toThrow(UsageError);
    await expect(collect(model.generate(FACT.ids, { maxTokens: -1 }))).rejects.toThrow(UsageError);
  });

  test('not at the end of the turn with ignoreEos', async () => {
    const { text, done } = await collect(
      model.generate(FACT.ids, { ...GREEDY, ignoreEos: true, maxTokens: 40 }),
    );
    expect(done.reason).toBe('length');
    expect(text.startsWith(ANSWER)).toBe(true);
    expect(text.length).toBeGreaterThan(ANSWER.length);
  });

  test.each([
    // Within a token, over several tokens, at the very start; the earliest of several.
    [['half'], 'A nibble is four bits, '],
    [['bits, half a by'], 'A nibble is four '],
    [['A nib'], ''],
    [['never seen', 'byte. It', 'values'], 'A nibble is four bits, half a '],
  ])('before %j', async (stop, text) => {
    const result = await collect(model.generate(FACT.ids, { ...GREEDY, stop }));
    expect(result.text).toBe(text);
    expect(result.done.reason).toBe('stop');
    // Not a single part showed what had to be taken back.
    let shown = '';
    for (const part of result.parts) {
      shown += part.text;
      expect(ANSWER.startsWith(shown)).toBe(true);
    }
  });

  test('a beginning of a stop string that does not complete is shown in the end', async () => {
    const stop = [`${ANSWER.slice(-8)} and more`];
    const { text, done } = await collect(model.generate(FACT.ids, { ...GREEDY, stop }));
    expect(text).toBe(ANSWER);
    expect(done.reason).toBe('eos');
  });

  test('an empty prompt, ids outside the vocabulary', async () => {
    await expect(collect(model.generate([]))).rejects.toThrow(UsageError);
    for (const id of [-1, 1280, 1.5, NaN, 2 ** 32]) {
      await expect(collect(model.generate([1, id]))).rejects.toThrow(/outside the vocabulary of 1280/);
      await expect(model.logits([id])).rejects.toThrow(UsageError);
    }
    expect(await greedyIds(model, [1279], 1)).toHaveLength(1);
  });
});

describe('what it reports', () => {
  test('every id once, text whole, times that add up', async () => {
    const { parts, ids, done } = await collect(model.generate(FACT.ids, { ...GREEDY, maxTokens: 20 }));
    expect(ids).toEqual(expected.greedy['fact']!.ids.slice(0, 20));
    expect(parts.filter((part) => part.done)).toHaveLength(1);
    const { timings } = done;
    for (const value of Object.values(timings)) expect(value).toBeGreaterThanOrEqual(0);
    expect(timings.timeToFirstTokenMs).toBeLessThanOrEqual(timings.prefillMs + timings.decodeMs);
    expect(timings.decodeTokensPerSecond * timings.decodeMs).toBeCloseTo(19_000, 3);
  });

  test('logprobs belong to the tokens, best first, and sum to at most one', async () => {
    const { parts, ids } = await collect(model.generate(FACT.ids, { ...GREEDY, maxTokens: 8, logprobs: 5 }));
    const logprobs = parts.flatMap((part: GenerationPart) => part.logprobs ?? []);
    expect(logprobs.map(({ id }) => id)).toEqual(ids);
    const rows = await model.logits([...FACT.ids, ...ids]);
    for (const [i, { id, text, logprob, top }] of logprobs.entries()) {
      expect(top).toHaveLength(5);
      expect(top[0]).toEqual({ id, text, logprob });
      expect(text).toBe(model.tokenizer.decode([id], { special: true }));
      const values = top.map((entry) => entry.logprob);
      expect([...values].sort((a, b) => b - a)).toEqual(values);
      expect(values.reduce((sum, value) => sum + Math.exp(value), 0)).toBeLessThan(1 + 1e-6);
      // The same as from the logits of the position before.
      const at = (FACT.ids.length - 1 + i) * model.info.vocabularySize;
      const row = rows.subarray(at, at + model.info.vocabularySize);
      expect(logprob).toBeCloseTo(row[id]! - logSumExp(row), 5);
    }
    const none = await collect(model.generate(FACT.ids, { ...GREEDY, maxTokens: 1, logprobs: 0 }));
    expect(none.parts[0]!.logprobs![0]!.top).toEqual([]);
  });

  test('a seed repeats a text; others give others', async () => {
    const options = { temperature: 2, topK: 0, topP: 1, minP: 0, maxTokens: 30 };
    const say = async (seed: number) =>
      (await collect(model.generate(FACT.ids, { ...options, seed }))).ids.join(' ');
    const texts = await Promise.all([1, 2, 3, 4].map(say));
    expect(new Set(texts).size).toBe(4);
    expect(await say(3)).toBe(texts[2]);
  });

  test('logit bias steers', async () => {
    const [best] = await greedyIds(model, FACT.ids, 1);
    const banned = await greedyIds(model, FACT.ids, 1, { logitBias: new Map([[best!, -Infinity]]) });
    expect(banned[0]).not.toBe(best);
    expect(await greedyIds(model, FACT.ids, 3, { logitBias: new Map([[7, 1000]]) })).toEqual([7, 7, 7]);
  });

  test('characters of several byte tokens come whole', () =>
    withModel(TIED_SPM, { contextSize: 128 }, async (spm) => {
      // Forced to emit the bytes of a euro sign one by one: only the last gives text.
      const bytes = [0xe2, 0x82, 0xac].map((byte) =>
        spm.tokenizer.tokenId(`<0x${byte.toString(16).toUpperCase()}>`)!,
      );
      const sequence = spm.createSequence();
      const ids = [1, 5, 9];
      const texts: string[] = [];
      for (const id of [...bytes, ...bytes.slice(0, 2)]) {
        const logitBias = new Map([[id, 1000]]);
        ids.push(...(await greedyIds(spm, ids, 1, { sequence, logitBias })));
      }
      expect(ids.slice(3)).toEqual([...bytes, ...bytes.slice(0, 2)]);
      const decoder = spm.tokenizer.decoder();
      for (const id of ids.slice(3)) texts.push(decoder.push(id));
      expect(texts).toEqual(['', '', '€', '', '']);
    }));
});
