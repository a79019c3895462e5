/** Sequences: their own place in a shared cache, reuse of what is there, and what happens when it is full. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import type { ChatMessage, GenerateOptions, Sequence } from '../../src/engine/types.ts';
import { ContextOverflowError, ModelError, UsageError } from '../../src/errors.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { sameBits } from '../oracle/compare.ts';
import { collect, greedyIds, withModel } from '../oracle/models.ts';
import { someIds, TINY_CHAT, TINY_CHAT_Q4_0 } from './fixtures.ts';

const CONTEXT = 256;
/** Short enough for a question and its answer to fit into one page of 64. */
const GREEDY: GenerateOptions = { temperature: 0, maxTokens: 24 };
const question = (content: string): ChatMessage[] => [{ role: 'user', content }];

let model: ChatModel;
beforeAll(async () => {
  model = (await loadModelFile(TINY_CHAT, {
    threads: 2,
    variant: 'simd',
    contextSize: CONTEXT,
    batchSize: 32,
  })) as ChatModel;
});
afterAll(() => model.dispose());

/** Of the test that runs: a failing one must not leave the cache full. */
const open: Sequence[] = [];
const createSequence = () => {
  const sequence = model.createSequence();
  open.push(sequence);
  return sequence;
};
afterEach(() => open.splice(0).forEach((sequence) => sequence.dispose()));

describe('several at once', () => {
  test('generations side by side give what each gives alone', async () => {
    const questions = ['What is a nibble?', 'What is 8 + 9?', 'What are the days of the week?'];
    const alone: string[] = [];
    for (const text of questions) alone.push((await collect(model.chat(question(text), GREEDY))).text);
    const together = await Promise.all(questions.map((text) => collect(model.chat(question(text), GREEDY))));
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(alone.every((text) => text.length > 0)).toBe(true);
  });

  test('pages of different sequences interleave', async () => {
    const ids = [someIds(90, 1280), someIds(100, 1000)];
    const alone = [await model.logits(ids[0]!), await model.logits(ids[1]!)];
    // Batch by batch in turn, so that pages are taken alternately.
    const sequences = ids.map(() => createSequence());
    const batches = ids.map((each, i) => model.logitBatches(each, { sequence: sequences[i]! }));
    const rows: Float32Array[][] = [[], []];
    for (let unfinished = 2; unfinished > 0;) {
      for (const [i, each] of batches.entries()) {
        const next = await each.next();
        if (next.done) unfinished--;
        else rows[i]!.push(next.value.rows);
      }
    }
    rows.forEach((parts, i) => {
      const all = new Float32Array(alone[i]!.length);
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      sameBits(all, alone[i]!);
    });
  });

  test('logits from a position on: what the sequence holds of the tokens before is kept', async () => {
    const ids = someIds(100, 1280);
    const ending = [7, 8, 9, 10];
    const other = [...ids.slice(0, 90), ...ending];
    const width = model.info.vocabularySize;
    const sequence = createSequence();
    for (const [text, from] of [
      [ids, 90],
      [other, 89],
      [other, 94],
      [other, 0],
    ] as const) {
      const whole = await model.logits(text);
      let next = from;
      for await (const { start, rows } of model.logitBatches(text, { sequence, from })) {
        expect(start).toBe(next);
        sameBits(rows, whole.subarray(start * width, start * width + rows.length));
        next += rows.length / width;
      }
      expect(next).toBe(text.length);
    }
    expect(sequence.tokens).toEqual(other);
    const bad = model.logitBatches(ids, { from: 101 });
    await expect(bad.next()).rejects.toThrow(/from must be a whole number from 0 to 100, not 101/);
  });

  test('one call at a time on a sequence', async () => {
    const sequence = createSequence();
    const first = model.generate([1, 2, 3], { ...GREEDY, sequence });
    await first.next();
    await expect(model.generate([1], { sequence }).next()).rejects.toThrow(/in use/);
    await expect(model.logits([1], { sequence })).rejects.toThrow(/in use/);
    expect(() => sequence.clear()).toThrow(ModelError);
    await first.return(undefined);
    await collect(model.generate([1, 2, 3], { ...GREEDY, sequence }));
    sequence.dispose();
    await expect(model.generate([1], { sequence }).next()).rejects.toThrow(/disposed/);
  });

  test('a sequence of another model is refused', () =>
    withModel(TINY_CHAT_Q4_0, { contextSize: 64 }, async (other) => {
      const sequence = other.createSequence();
      await expect(model.generate([1], { sequence }).next()).rejects.toThrow(UsageError);
      sequence.dispose();
    }));

  test('disposed of while in use: the pages come back when the call ends', async () => {
    const sequence = createSequence();
    const generation = model.generate(someIds(CONTEXT - 10, 1280), { ...GREEDY, sequence });
    await generation.next();
    sequence.dispose();
    await generation.return(undefined);
    await model.logits(someIds(CONTEXT, 1280));
  });
});

describe('prefix reuse', () => {
  test('a second turn computes only what is new, and says the same as a fresh run', async () => {
    const sequence = createSequence();
    const options = { ...GREEDY, sequence };
    const turns = question('What is a nibble?');
    const first = await collect(model.chat(turns, options));
    expect(first.done.timings.reusedTokens).toBe(0);
    turns.push({ role: 'assistant', content: first.text }, { role: 'user', content: 'What is 8 + 9?' });
    const held = sequence.tokens.length;
    const second = await collect(model.chat(turns, options));
    const { promptTokens, reusedTokens } = second.done.timings;
    // All of the first turn but the token that ended it, which needed no step.
    expect(reusedTokens).toBe(held);
    expect(reusedTokens).toBeGreaterThan(first.done.timings.promptTokens);
    expect(promptTokens - reusedTokens).toBeLessThan(30);
    const fresh = await collect(model.chat(turns, GREEDY));
    expect(fresh.done.timings.reusedTokens).toBe(0);
    expect(second.ids).toEqual(fresh.ids);
  });

  test('the same prompt again computes one token', async () => {
    const sequence = createSequence();
    const ids = someIds(70, 1280);
    const first = await collect(model.generate(ids, { ...GREEDY, maxTokens: 3, sequence }));
    const again = await collect(model.generate(ids, { ...GREEDY, maxTokens: 3, sequence }));
    expect(again.done.timings).toMatchObject({ promptTokens: 70, reusedTokens: 69 });
    expect(again.ids).toEqual(first.ids);
  });

  test('a prompt that departs early forgets the rest', async () => {
    const sequence = createSequence();
    const ids = someIds(130, 1280);
    await collect(model.generate(ids, { ...GREEDY, maxTokens: 1, sequence }));
    const other = [...ids.slice(0, 40), 5, 6, 7];
    const reused = await collect(model.generate(other, { ...GREEDY, sequence }));
    expect(reused.done.timings.reusedTokens).toBe(40);
    expect(reused.ids).toEqual((await collect(model.generate(other, GREEDY))).ids);
    sequence.clear();
    expect(sequence.tokens).toHaveLength(0);
  });
});

describe('a full context', () => {
  test('a prompt that is too long is refused before anything is computed', async () => {
    const sequence = createSequence();
    const long = someIds(CONTEXT + 1, 1280);
    const error = await collect(model.generate(long, { sequence })).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ContextOverflowError);
    expect((error as ContextOverflowError).code).toBe('ERR_CONTEXT_OVERFLOW');
    expect((error as Error).message).toMatch(/257 tokens.*256/);
    expect(sequence.tokens).toHaveLength(0);
    await expect(model.logits(long)).rejects.toThrow(ContextOverflowError);
    expect(await greedyIds(model, long.slice(1), 1)).toHaveLength(1);
  });

  test('a generation that reaches the end fails there, with all text shown', async () => {
    const sequence = createSequence();
    const ids: number[] = [];
    const run = async () => {
      for await (const part of model.generate(someIds(250, 1280), {
        temperature: 0,
        ignoreEos: true,
        sequence,
      }))
        ids.push(...part.ids);
    };
    await expect(run()).rejects.toThrow(ContextOverflowError);
    // Positions 250 .. 255 were filled; the last token drawn needs none.
    expect(ids).toHaveLength(7);
    expect(sequence.tokens).toHaveLength(CONTEXT);
  });

  test('"shift" drops the oldest half and goes on as if it had never been', async () => {
    const prompt = someIds(250, 1280);
    const options = { temperature: 0, ignoreEos: true, onFull: 'shift' } as const;
    const { ids, done } = await collect(model.generate(prompt, { ...options, maxTokens: 300 }));
    expect(ids).toHaveLength(300);
    expect(done.reason).toBe('length');
    const all = [...prompt, ...ids];
    // The context was full with all[0 .. 255]; 0 and 129 .. 256 were kept.
    const kept = [all[0]!, ...all.slice(CONTEXT / 2 + 1, CONTEXT + 1)];
    expect(ids.slice(7, 107)).toEqual(await greedyIds(model, kept, 100));
  });

  test('"shift" also makes room where other sequences hold the pages', async () => {
    const keeper = createSequence();
    await collect(model.generate(someIds(CONTEXT - 64, 1280), { ...GREEDY, maxTokens: 1, sequence: keeper }));
    const options = { temperature: 0, ignoreEos: true, maxTokens: 100 };
    const prompt = someIds(40, 1280);
    await expect(collect(model.generate(prompt, options))).rejects.toThrow(/shared by all sequences/);
    const { ids } = await collect(model.generate(prompt, { ...options, onFull: 'shift' }));
    expect(ids).toHaveLength(100);
    const all = [...prompt, ...ids];
    const kept = [all[0]!, ...all.slice(33, 65)];
    expect(ids.slice(25, 50)).toEqual(await greedyIds(model, kept, 25));
  });

  test('sequences share the pages; a dispose makes room', async () => {
    const keeper = createSequence();
    await collect(model.generate(someIds(CONTEXT - 64, 1280), { ...GREEDY, maxTokens: 1, sequence: keeper }));
    const error = await greedyIds(model, someIds(65, 1280), 1).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ContextOverflowError);
    expect((error as Error).message).toMatch(/shared by all sequences/);
    expect(await greedyIds(model, someIds(64, 1280), 1)).toHaveLength(1);
    keeper.dispose();
    expect(await greedyIds(model, someIds(CONTEXT, 1280), 1)).toHaveLength(1);
  });
});
