/** Speculative decoding changes how fast tokens come, never which: against the same generation without it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import type { GenerateOptions, SpeculationOptions } from '../../src/engine/types.ts';
import { ContextOverflowError, UsageError } from '../../src/errors.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { collect, withModel, type Generated } from '../oracle/models.ts';
import { QWEN3, someIds, TINY_CHAT, TINY_CHAT_Q4_0 } from './fixtures.ts';

let model: ChatModel;
let draft: ChatModel;
beforeAll(async () => {
  model = (await loadModelFile(TINY_CHAT, { threads: 2, contextSize: 4096 })) as ChatModel;
  draft = (await loadModelFile(TINY_CHAT_Q4_0, { threads: 1, contextSize: 4096 })) as ChatModel;
});
afterAll(() => Promise.all([model.dispose(), draft.dispose()]));

/** A text that says things twice, as one that is being edited. */
const repeated = () => {
  const ids = model.tokenizer.encode('A nibble is four bits, half a byte. It can hold 16 different values. ');
  return [...ids, ...ids.slice(1), ...ids.slice(1, 12)];
};
const PROMPTS: [string, () => number[]][] = [
  ['a text that repeats itself', repeated],
  ['ids without meaning', () => someIds(70, 1200)],
  ['one token', () => [5]],
];

type Kind = 'lookup' | 'draft' | 'both';
const KINDS: Kind[] = ['lookup', 'draft', 'both'];
const speculation = (kind: Kind, draftMax?: number): SpeculationOptions => ({
  lookup: kind !== 'draft',
  draft: kind === 'lookup' ? undefined : draft,
  draftMax,
});

const GREEDY: GenerateOptions = { temperature: 0, maxTokens: 60, ignoreEos: true };
const run = (ids: number[], options: GenerateOptions): Promise<Generated> =>
  collect(model.generate(ids, options));

function sameAnswer(actual: Generated, expected: Generated): void {
  expect(actual.ids).toEqual(expected.ids);
  expect(actual.text).toBe(expected.text);
  expect(actual.done.reason).toBe(expected.done.reason);
}

describe.each(KINDS)('greedy answers with %s are the same', (kind) => {
  test.each(PROMPTS)('%s', async (_, prompt) => {
    const expected = await run(prompt(), GREEDY);
    expect(expected.done.timings.draftedTokens).toBe(0);
    for (const draftMax of [1, 2, 5, undefined]) {
      const actual = await run(prompt(), { ...GREEDY, speculation: speculation(kind, draftMax) });
      sameAnswer(actual, expected);
      const { draftedTokens, acceptedTokens } = actual.done.timings;
      expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
      if (kind !== 'lookup') expect(draftedTokens).toBeGreaterThan(0);
    }
  });

  test('log probabilities, stop texts and penalties', async () => {
    const chat = model.render([{ role: 'user', content: 'What is a nibble?' }]);
    const ids = model.tokenizer.encode(chat, { parseSpecial: true });
    for (const options of [
      { maxTokens: 40, logprobs: 2 },
      { maxTokens: 40, stop: ['byte', 'half a b'] },
      { maxTokens: 40, stop: [', half a'] },
      { maxTokens: 80, repeatPenalty: 1.3, frequencyPenalty: 0.2, repeatLastN: 20 },
      { maxTokens: 7 },
      { maxTokens: 1 },
      { maxTokens: 0 },
    ] as GenerateOptions[]) {
      const expected = await run(ids, { temperature: 0, ...options });
      const actual = await run(ids, { temperature: 0, ...options, speculation: speculation(kind) });
      sameAnswer(actual, expected);
      const logprobs = (all: Generated) => all.parts.flatMap((part) => part.logprobs ?? []);
      expect(logprobs(actual)).toEqual(logprobs(expected));
    }
  });

  test('the sequence holds what it would have held', async () => {
    for (const options of [{ maxTokens: 23 }, { stop: ['16'] }, { ignoreEos: false }]) {
      const held = async (extra: GenerateOptions) => {
        const sequence = model.createSequence();
        try {
          const first = await run(repeated(), { ...GREEDY, ...options, ...extra, sequence });
          const tokens = [...sequence.tokens];
          const more = await run([...tokens, 9, 10], { ...GREEDY, maxTokens: 20, ...extra, sequence });
          return { first: first.ids, tokens, more: more.ids, reused: more.done.timings.reusedTokens };
        } finally {
          sequence.dispose();
        }
      };
      expect(await held({ speculation: speculation(kind) })).toEqual(await held({}));
    }
  });

  test('a caller who leaves in the middle', async () => {
    const held = async (extra: GenerateOptions) => {
      const sequence = model.createSequence();
      let seen = 0;
      for await (const part of model.generate(repeated(), { ...GREEDY, ...extra, sequence })) {
        if ((seen += part.ids.length) >= 9) break;
      }
      const tokens = [...sequence.tokens];
      sequence.dispose();
      return tokens;
    };
    expect(await held({ speculation: speculation(kind) })).toEqual(await held({}));
  });
});

describe('a full context', () => {
  const prompt = someIds(40, 1200);
  const small = { threads: 2, contextSize: 64 };

  test.each(KINDS)('ends the answer at the same token: %s', async (kind) => {
    await withModel(TINY_CHAT, small, async (tiny) => {
      const until = async (options: GenerateOptions) => {
        const ids: number[] = [];
        const generation = async () => {
          for await (const part of tiny.generate(prompt, { ...GREEDY, ...options })) ids.push(...part.ids);
        };
        await expect(generation()).rejects.toBeInstanceOf(ContextOverflowError);
        return ids;
      };
      const plain = await until({});
      expect(plain).toHaveLength(25);
      expect(await until({ speculation: speculation(kind) })).toEqual(plain);
    });
  });

  test.each(KINDS)('shifts at the same token: %s', async (kind) => {
    await withModel(TINY_CHAT, small, async (tiny) => {
      const options: GenerateOptions = { ...GREEDY, maxTokens: 90, onFull: 'shift' };
      const plain = await collect(tiny.generate(prompt, options));
      const fast = await collect(tiny.generate(prompt, { ...options, speculation: speculation(kind) }));
      expect(fast.ids).toEqual(plain.ids);
    });
  });
});

describe('sampling', () => {
  const options: GenerateOptions = { seed: 7, temperature: 1.2, topK: 0, maxTokens: 50, ignoreEos: true };

  test('what is looked up is certain: the same seed gives the same answer', async () => {
    for (const seed of [1, 2, 3]) {
      const expected = await run(repeated(), { ...options, seed });
      sameAnswer(await run(repeated(), { ...options, seed, speculation: speculation('lookup') }), expected);
    }
  });

  test('with a draft model a seed repeats the answer', async () => {
    const one = await run(repeated(), { ...options, speculation: speculation('draft') });
    const two = await run(repeated(), { ...options, speculation: speculation('draft') });
    expect(two.ids).toEqual(one.ids);
    expect(one.done.timings.acceptedTokens).toBeGreaterThan(0);
  });

  test('a model that drafts for itself is always right', async () => {
    const { done } = await run(repeated(), { ...options, speculation: { draft: model } });
    expect(done.timings.draftedTokens).toBeGreaterThan(20);
    expect(done.timings.acceptedTokens).toBe(done.timings.draftedTokens);
  });
});

test('where the answer copies, most of it is looked up', async () => {
  const ids = repeated();
  const { ids: answer } = await run(ids, GREEDY);
  // The model has said it before, and its greedy answer is biased to say it again.
  const logitBias = new Map(answer.map((id) => [id, 3]));
  const options: GenerateOptions = { ...GREEDY, maxTokens: 200, logitBias };
  const expected = await run(ids, options);
  const actual = await run(ids, { ...options, speculation: { lookup: true } });
  sameAnswer(actual, expected);
  expect(actual.done.timings.acceptedTokens).toBeGreaterThan(60);
});

test('several sequences at a time, with and without', async () => {
  const prompts = PROMPTS.map(([, prompt]) => prompt());
  const alone = await Promise.all(prompts.map((ids) => run(ids, GREEDY)));
  const together = await Promise.all(
    [...KINDS, undefined].flatMap((kind) =>
      prompts.map((ids) => run(ids, { ...GREEDY, ...(kind && { speculation: speculation(kind) }) })),
    ),
  );
  together.forEach((answer, i) => expect(answer.ids).toEqual(alone[i % prompts.length]!.ids));
});

describe('what cannot be', () => {
  test('a draft with another vocabulary', async () => {
    await withModel(QWEN3, {}, async (other) => {
      await expect(async () => run([1], { speculation: { draft: other } })).rejects.toThrow(UsageError);
      await expect(async () => run([1], { speculation: { draft: other } })).rejects.toThrow(/vocabulary/);
    });
  });
  test.each([0, 1.5, 257, NaN])('draftMax %s', async (draftMax) => {
    await expect(run([1], { speculation: { lookup: true, draftMax } })).rejects.toThrow(/draftMax/);
  });
});
