/** loadModel's way from a name to a model that fits; store and engine are stand-ins. */
import { expect, test, vi } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { loadModel } from '../../src/index.ts';
import { MODELS, type ResolvedModel, type ResolveOptions } from '../../src/models/index.ts';

const entry = MODELS.find((model) => model.name === 'qwen3-0.6b')!;
const tried: string[] = [];
let fits = '';

vi.mock('../../src/models/resolve.ts', () => ({
  resolveModel: (spec: string, options: ResolveOptions): Promise<ResolvedModel> => {
    const quantization = spec.split(':')[1] ?? options.format ?? 'Q4_K_M';
    options.onProgress?.({
      stage: 'download',
      bytes: 1,
      totalBytes: 2,
      bytesPerSecond: 3,
      etaSeconds: 4,
      source: 'hub',
    });
    const resolved = {
      paths: [quantization],
      name: spec,
      entry,
      quantization,
      source: 'hub' as const,
      bytes: 2,
    };
    return Promise.resolve(resolved);
  },
}));
vi.mock('../../src/platform/node/load-model.ts', () => ({
  loadModelFile: ([path]: string[]) => {
    tried.push(path!);
    if (path === fits) return Promise.resolve({ path });
    return Promise.reject(new ModelError('too large', { code: 'ERR_OUT_OF_MEMORY' }));
  },
}));

test('fallback goes through smaller quantizations and tells of each; without it the error comes at once', async () => {
  fits = 'Q2_K';
  const told: string[] = [];
  const progress: number[] = [];
  const found: string[] = [];
  await loadModel('qwen3-0.6b', {
    fallback: true,
    onFallback: (line) => told.push(line),
    onProgress: ({ bytes, totalBytes }) => progress.push(bytes, totalBytes),
    onResolved: ({ name }) => found.push(name),
  });
  expect(tried[0]).toBe('Q4_K_M');
  expect(tried.at(-1)).toBe('Q2_K');
  expect(tried.length).toBe(told.length + 1);
  expect(told[0]).toMatch(/^too large; trying qwen3-0\.6b:/);
  expect(found).toHaveLength(tried.length);
  expect(progress.slice(0, 2)).toEqual([1, 2]);

  tried.length = 0;
  await expect(loadModel('qwen3-0.6b', { format: 'Q8_0' })).rejects.toThrow('too large');
  expect(tried).toEqual(['Q8_0']);
});

test('when nothing is small enough the last error is the answer', async () => {
  fits = 'none';
  tried.length = 0;
  await expect(loadModel('qwen3-0.6b', { fallback: true })).rejects.toThrow('too large');
  expect(new Set(tried).size).toBe(tried.length);
});
