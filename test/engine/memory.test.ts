/** The need for memory is known, and checked, before any is taken. */
import type * as Memory from '../../src/platform/node/memory.ts';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { collect } from '../oracle/models.ts';
import { runChild } from './children.ts';
import { TINY_CHAT } from './fixtures.ts';

const MB = 2 ** 20;
/** What memoryLimit is to say; undefined: the truth. */
let available: number | undefined;
afterEach(() => {
  available = undefined;
});

vi.mock('../../src/platform/node/memory.ts', async (importActual) => {
  const actual = await importActual<typeof Memory>();
  return {
    ...actual,
    memoryLimit: () =>
      available === undefined ? actual.memoryLimit() : { total: 2 * available, available, source: 'cgroup' },
  };
});

const OPTIONS = { threads: 1, variant: 'simd' } as const;

interface Used {
  estimate: { weights: number; kvCache: number; memories: number; total: number };
  memoryBytes: number;
  fileBytes: number;
  maxRss: number;
}

describe('the estimate', () => {
  test.each([
    { threads: 1, contextSize: 512 },
    { threads: 8, contextSize: 512, kvType: 'f32' },
    { threads: 2, contextSize: 4096, kvType: 'f32' },
  ])('covers what a process takes: %o', async (options) => {
    const { stdout, stderr, code } = await runChild('memory.mjs', TINY_CHAT, JSON.stringify(options));
    expect([stderr, code]).toEqual(['', 0]);
    const { estimate, memoryBytes, fileBytes, maxRss } = JSON.parse(stdout) as Used;
    expect(estimate.memories).toBe(memoryBytes);
    expect(estimate.weights).toBeLessThanOrEqual(1.05 * fileBytes);
    expect(estimate.weights + estimate.kvCache).toBeLessThan(estimate.memories);
    expect(estimate.total).toBeGreaterThanOrEqual(maxRss);
  });
});

describe('too little memory', () => {
  test('is said in numbers, with what to do', async () => {
    available = 60 * MB;
    const error = await loadModelFile(TINY_CHAT, OPTIONS).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ModelError);
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    expect((error as Error).message).toMatch(
      /^the model needs 1\d\d MiB of memory \(weights 2\.\d+ MiB, KV cache .* for 512 tokens\) but only 60\.0 MiB of 120 MiB are free in this container: use .*--fallback/,
    );
  });

  test('with "fallback", smaller contexts and then a q8_0 cache are tried and told', async () => {
    const context = { ...OPTIONS, contextSize: 65536, kvType: 'f32' } as const;
    const needs = (text: string) => Number(/needs (\d+) MiB/.exec(text)![1]);
    available = 1;
    const tried: string[] = [];
    const failed = loadModelFile(TINY_CHAT, {
      ...context,
      fallback: true,
      onFallback: (text) => tried.push(text),
    });
    await expect(failed).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    expect(needs(tried[0]!)).toBeGreaterThan(150);
    expect(tried.map((text) => /trying a context of (\d+) with a (\w+) cache/.exec(text)!.slice(1))).toEqual(
      ['f32', 'q8_0'].flatMap((type) =>
        [32768, 16384, 8192, 4096, 2048, 1024, 512].map((n) => [`${n}`, type]),
      ),
    );

    available = 150 * MB;
    const model = await loadModelFile(TINY_CHAT, { ...context, fallback: true });
    try {
      expect(model.info.contextSize).toBeLessThan(65536);
      expect(model.info.memoryBytes).toBeLessThan(150 * MB);
      await collect(model.generate([1, 2, 3], { maxTokens: 3 }));
    } finally {
      await model.dispose();
    }
  });

  test('a context that no memory can hold is refused, not tried', async () => {
    const huge = loadModelFile(TINY_CHAT, { ...OPTIONS, contextSize: 2 ** 24, kvType: 'f32' });
    await expect(huge).rejects.toThrow(ModelError);
    await expect(loadModelFile(TINY_CHAT, { ...OPTIONS, contextSize: 2 ** 25 })).rejects.toThrow(
      /contextSize/,
    );
  });
});
