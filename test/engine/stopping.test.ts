/** Stopping early, in every way there is: what was taken must come back, and the rest must go on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatModel } from '../../src/chat/model.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { collect, greedyIds } from '../oracle/models.ts';
import { someIds, TINY_CHAT } from './fixtures.ts';

const CONTEXT = 512;
const FULL = someIds(CONTEXT, 1280);
const SHORT = someIds(20, 1280);
const FOREVER = { temperature: 0, ignoreEos: true } as const;

let model: ChatModel;
let expected: number[];
beforeAll(async () => {
  model = (await loadModelFile(TINY_CHAT, {
    threads: 2,
    variant: 'simd',
    contextSize: CONTEXT,
    batchSize: 16,
  })) as ChatModel;
  expected = await greedyIds(model, SHORT, 20);
});
afterAll(() => model.dispose());

/** All pages are free, and what is computed is right. */
async function allIsWell(): Promise<void> {
  expect(await greedyIds(model, FULL, 1)).toHaveLength(1);
  expect(await greedyIds(model, SHORT, 20)).toEqual(expected);
}

const aborted: unknown = expect.objectContaining({ name: 'AbortError', code: 'ERR_ABORTED' });

describe('AbortSignal', () => {
  test('aborted before: nothing is computed', async () => {
    const sequence = model.createSequence();
    const signal = AbortSignal.abort();
    await expect(collect(model.generate(SHORT, { signal, sequence }))).rejects.toEqual(aborted);
    await expect(model.logits(SHORT, { signal, sequence })).rejects.toEqual(aborted);
    expect(sequence.tokens).toHaveLength(0);
    sequence.dispose();
    await allIsWell();
  });

  test('during the prefill: stops after the batch, keeps what was computed', async () => {
    const sequence = model.createSequence();
    const controller = new AbortController();
    const running = collect(model.generate(FULL, { sequence, signal: controller.signal }));
    // Until a batch is done; there are 32.
    while (sequence.tokens.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const before = sequence.tokens.length;
    await expect(running).rejects.toEqual(aborted);
    expect(sequence.tokens.length).toBeLessThanOrEqual(before + 16);
    expect(sequence.tokens).toEqual(FULL.slice(0, sequence.tokens.length));
    // The same prompt goes on from there.
    const held = sequence.tokens.length;
    const again = await collect(model.generate(FULL, { ...FOREVER, maxTokens: 1, sequence }));
    expect(again.done.timings.reusedTokens).toBe(held);
    sequence.dispose();
    expect(await greedyIds(model, FULL, 1)).toEqual(again.ids);
    await allIsWell();
  });

  test('during decoding: no token after it, the sequence goes on', async () => {
    const sequence = model.createSequence();
    const controller = new AbortController();
    const ids: number[] = [];
    const run = async () => {
      const generation = model.generate(SHORT, { ...FOREVER, sequence, signal: controller.signal });
      for await (const part of generation) {
        ids.push(...part.ids);
        if (ids.length >= 5) controller.abort();
      }
    };
    await expect(run()).rejects.toEqual(aborted);
    expect(ids).toEqual(expected.slice(0, 5));
    const rest = await collect(model.generate([...SHORT, ...ids], { ...FOREVER, maxTokens: 15, sequence }));
    expect(rest.ids).toEqual(expected.slice(5));
    // Only the token after which it stopped had no step yet.
    expect(rest.done.timings.reusedTokens).toBe(SHORT.length + 4);
    sequence.dispose();
    await allIsWell();
  });

  test('from outside while a step runs: the step is the last', async () => {
    const sequence = model.createSequence();
    const controller = new AbortController();
    const generation = model.generate(SHORT, { ...FOREVER, sequence, signal: controller.signal });
    await generation.next();
    const next = generation.next().then(
      () => true,
      () => false,
    );
    // By then the step has begun, or is over.
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    if (await next) await expect(generation.next()).rejects.toEqual(aborted);
    expect(sequence.tokens.length).toBeLessThanOrEqual(SHORT.length + 2);
    sequence.dispose();
    await allIsWell();
  });

  test('one of several: the others do not notice', async () => {
    const controller = new AbortController();
    const stopped = collect(model.generate(FULL.slice(0, 200), { signal: controller.signal })).catch(
      (error: unknown) => error,
    );
    const others = [1, 2].map(() => greedyIds(model, SHORT, 20));
    setTimeout(() => controller.abort(), 2);
    for (const other of others) expect(await other).toEqual(expected);
    await stopped;
    await allIsWell();
  });

  test('aborted, loading ends with an AbortedError', async () => {
    await expect(loadModelFile(TINY_CHAT, { variant: 'simd', signal: AbortSignal.abort() })).rejects.toEqual(
      aborted,
    );
    const controller = new AbortController();
    const loading = loadModelFile(TINY_CHAT, {
      variant: 'simd',
      threads: 2,
      signal: controller.signal,
      onProgress: ({ stage }) => {
        if (stage === 'load') controller.abort();
      },
    });
    await expect(loading).rejects.toEqual(aborted);
  });
});

describe('leaving the loop', () => {
  test('break, throw and return give everything back', async () => {
    for await (const part of model.generate(SHORT, FOREVER)) if (part.ids.length > 0) break;
    const fail = async () => {
      for await (const part of model.generate(SHORT, FOREVER)) throw new Error(`after ${part.text}`);
    };
    await expect(fail()).rejects.toThrow('after ');
    const generation = model.generate(SHORT, FOREVER);
    await generation.next();
    await generation.return(undefined);
    const never = model.generate(SHORT, FOREVER);
    await never.return(undefined);
    for await (const batch of model.logitBatches(FULL)) if (batch.start >= 16) break;
    await allIsWell();
  });

  test('a hundred generations that end early leak no page', async () => {
    for (let i = 0; i < 50; i++) {
      const controller = new AbortController();
      let parts = 0;
      const generation = model.generate(FULL.slice(0, 60 + i), { ...FOREVER, signal: controller.signal });
      try {
        for await (const part of generation) {
          parts += part.ids.length;
          if (parts < 2 + (i % 7)) continue;
          if (i % 2) break;
          controller.abort();
        }
      } catch (error) {
        expect(error).toEqual(aborted);
      }
      await collect(model.generate([...FULL, 1])).catch(() => undefined);
    }
    await allIsWell();
  });
});

describe('dispose', () => {
  test('while a generation runs: it ends with an error, dispose with success, and again', async () => {
    const other = (await loadModelFile(TINY_CHAT, { threads: 3, variant: 'simd' })) as ChatModel;
    const generation = other.generate(SHORT, FOREVER);
    await generation.next();
    const running = collect(generation).catch((error: unknown) => error);
    const disposals = [other.dispose(), other.dispose()];
    await Promise.all(disposals);
    expect(await running).toMatchObject({ code: 'ERR_WORKER', message: 'the model has been disposed' });
    await other.dispose();
    await expect(other.logits([1])).rejects.toThrow('the model has been disposed');
  });
});
