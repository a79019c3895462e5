/** Prompts that begin alike share pages of the KV cache, across sequences and after they have gone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerationResult, Model, Sequence } from '../../src/engine/types.ts';
import { PagePool, ROOT } from '../../src/engine/page-pool.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';

const MODEL = 'models/tiny-chat/tiny-chat.Q8_0.gguf';
const PAGE = 64;

let model: Model;

beforeAll(async () => {
  model = await loadModelFile(MODEL, { threads: 2, contextSize: 512, prefixCache: true });
});
afterAll(() => model.dispose());

/** Token ids that depend on the seed only. */
const prompt = (seed: number, length: number) =>
  Array.from({ length }, (_, i) => 3 + ((i * 37 + seed * 101 + ((i * seed) % 7)) % 1200));

async function run(ids: number[], sequence?: Sequence): Promise<{ ids: number[]; done: GenerationResult }> {
  const out: number[] = [];
  let done: GenerationResult | undefined;
  for await (const part of model.generate(ids, {
    temperature: 0,
    maxTokens: 12,
    ignoreEos: true,
    sequence,
  })) {
    out.push(...part.ids);
    done = part.done ?? done;
  }
  return { ids: out, done: done! };
}

describe('prefix cache', () => {
  test('a second sequence takes over whole pages and says the same', async () => {
    const ids = prompt(1, 150);
    const first = await run(ids);
    expect(first.done.timings.reusedTokens).toBe(0);
    // The sequence has gone; its two whole pages are kept.
    expect(model.cacheStats()).toEqual({
      promptTokens: 150,
      reusedTokens: 0,
      pages: 8,
      freePages: 6,
      cachedPages: 2,
    });
    const again = await run(ids);
    expect(again.done.timings.reusedTokens).toBe(2 * PAGE);
    expect(again.ids).toEqual(first.ids);
    expect(model.cacheStats()).toMatchObject({ promptTokens: 300, reusedTokens: 2 * PAGE, cachedPages: 2 });
    // Another ending: the pages in common are kept, and the answer is that of a model that never saw the first.
    const other = [...ids.slice(0, 100), ...prompt(9, 60)];
    const shared = await run(other);
    expect(shared.done.timings.reusedTokens).toBe(PAGE);
    const fresh = await loadModelFile(MODEL, { threads: 1, contextSize: 512 });
    try {
      const alone: number[] = [];
      for await (const part of fresh.generate(other, { temperature: 0, maxTokens: 12, ignoreEos: true })) {
        alone.push(...part.ids);
      }
      expect(shared.ids).toEqual(alone);
    } finally {
      await fresh.dispose();
    }
  });

  test('a sequence that is cut inside a shared page leaves it to the others', async () => {
    const ids = prompt(2, 140);
    const one = model.createSequence();
    const two = model.createSequence();
    const before = await run(ids, one);
    await run(ids, two);
    // `two` goes back into its first page, which `one` still holds, and writes on.
    await run([...ids.slice(0, 30), ...prompt(3, 50)], two);
    const after = await run([...ids, ...before.ids], one);
    const wanted = await run([...ids, ...before.ids]);
    expect(after.ids).toEqual(wanted.ids);
    one.dispose();
    two.dispose();
  });

  test('cached pages give way when room is needed', async () => {
    for (let seed = 10; seed < 20; seed++) await run(prompt(seed, 130));
    const whole = await run(prompt(30, 500));
    expect(whole.ids).toHaveLength(12);
    const cut = await run(prompt(10, 130));
    expect(cut.done.timings.reusedTokens).toBe(0);
  });
});

describe('PagePool', () => {
  test('counts holders, finds what is registered, evicts the longest unused', () => {
    const pool = new PagePool(2);
    const a = pool.take()!;
    const node = pool.register(a, ROOT, [1, 2]);
    expect(pool.find(ROOT, [1, 2])).toEqual({ page: a, node });
    expect(pool.isShared(a)).toBe(true);
    pool.give([a]);
    pool.give([a]);
    expect(pool.available).toBe(2);
    const b = pool.take()!;
    expect(b).not.toBe(a);
    expect(pool.find(ROOT, [1, 3])).toBeUndefined();
    // The last free page is the registered one: it is forgotten.
    expect(pool.take()).toBe(a);
    expect(pool.take()).toBeUndefined();
    expect(pool.find(ROOT, [1, 2])).toBeUndefined();
  });
});
