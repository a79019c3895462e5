/** Options that are no option: refused by name, before anything is loaded. */
import { expect, test } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import type { ChatMessage, KvType, LoadOptions, Model } from '../../src/engine/types.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { GPT2, TINY_CHAT } from './fixtures.ts';

test.each<[string, LoadOptions]>([
  ['kvType', { kvType: 'F16' as KvType }],
  ['activations', { activations: 'int4' as 'int8' }],
  ['threads', { threads: 0 }],
  ['contextSize', { contextSize: 1.5 }],
  ['batchSize', { batchSize: -1 }],
])('%s', async (name, options) => {
  const loading = loadModelFile(TINY_CHAT, options);
  await expect(loading).rejects.toThrow(UsageError);
  await expect(loading).rejects.toThrow(name);
});

test('onFull and messages', async () => {
  const model: Model = await loadModelFile(TINY_CHAT, { threads: 1 });
  const run = async (parts: AsyncIterable<unknown>) => {
    for await (const part of parts) expect(part).toBeUndefined();
  };
  try {
    await expect(run(model.generate('a', { onFull: 'Shift' as 'shift' }))).rejects.toThrow(/onFull/);
    await expect(run(model.chat('a' as unknown as ChatMessage[]))).rejects.toThrow(/messages/);
  } finally {
    await model.dispose();
  }
});

test('a context that no WebAssembly memory holds falls back to a smaller one', async () => {
  const attempts: string[] = [];
  const options = { threads: 1, contextSize: 2 ** 24, onFallback: (line: string) => attempts.push(line) };
  await expect(loadModelFile(TINY_CHAT, options)).rejects.toThrow(/4 GiB|of memory/);
  const model = await loadModelFile(TINY_CHAT, { ...options, fallback: true });
  expect(model.info.contextSize).toBeLessThan(2 ** 24);
  expect(attempts.length).toBeGreaterThan(0);
  await model.dispose();
});

test('a context beyond the learned positions', async () => {
  const loading = loadModelFile(GPT2, { threads: 1, contextSize: 257 });
  await expect(loading).rejects.toThrow(/257 tokens.*256 positions.*--ctx-size/);
  const model = await loadModelFile(GPT2, { threads: 1 });
  expect(model.info.contextSize).toBe(256);
  await model.dispose();
});
