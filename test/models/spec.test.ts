import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.ts';
import {
  approximateBytes,
  approximateRam,
  DEFAULT_MODEL,
  findEntry,
  MODELS,
  parseModelSpec,
  smallerModel,
} from '../../src/models/index.ts';
import { nearNames } from '../../src/models/near.ts';
import {
  candidates,
  nextSmaller,
  quantizationName,
  quantizationOf,
  shardOf,
} from '../../src/models/quantization.ts';
import { modelNames } from '../../src/models/spec.ts';

describe('parseModelSpec', () => {
  it('reads names of the list, with and without a quantization', () => {
    expect(parseModelSpec('smollm2-135m')).toMatchObject({ kind: 'name', entry: { name: 'smollm2-135m' } });
    expect(parseModelSpec('Qwen2.5-0.5B:q8_0')).toMatchObject({ kind: 'name', quantization: 'Q8_0' });
    expect(parseModelSpec(undefined)).toMatchObject({ kind: 'name', entry: { name: DEFAULT_MODEL } });
  });

  it('reads hub repositories, quantizations and files', () => {
    expect(parseModelSpec('hf:a/b-GGUF')).toEqual({
      kind: 'hub',
      text: 'hf:a/b-GGUF',
      repository: 'a/b-GGUF',
    });
    expect(parseModelSpec('hf:a/b:q4_k_m')).toMatchObject({ repository: 'a/b', quantization: 'Q4_K_M' });
    expect(parseModelSpec('hf:a/b/Q8_0/x.gguf')).toMatchObject({ repository: 'a/b', file: 'Q8_0/x.gguf' });
    expect(() => parseModelSpec('hf:a')).toThrow(UsageError);
    expect(() => parseModelSpec('hf:a/..')).toThrow(UsageError);
    expect(() => parseModelSpec('hf:a/b:nonsense')).toThrow(UsageError);
  });

  it('reads URLs, and takes a file address of the hub as a hub file', () => {
    expect(parseModelSpec('https://example.org/a.gguf')).toMatchObject({
      kind: 'url',
      url: 'https://example.org/a.gguf',
    });
    for (const verb of ['blob', 'resolve']) {
      const spec = parseModelSpec(`https://huggingface.co/a/b/${verb}/main/c/d.gguf?download=true`);
      expect(spec).toMatchObject({ kind: 'hub', repository: 'a/b', file: 'c/d.gguf' });
    }
  });

  it('takes everything else as a path', () => {
    for (const path of [
      'x.gguf',
      './smollm2-135m',
      'C:\\models\\x.gguf',
      '/tmp/smollm2-135m:Q8_0',
      'nope:Q8_0',
    ]) {
      expect(parseModelSpec(path)).toMatchObject({ kind: 'path', path });
    }
    expect(() => parseModelSpec('  ')).toThrow(UsageError);
  });

  it('fills in the format, and rejects contradictions', () => {
    expect(parseModelSpec('smollm2-135m', { format: 'int4' })).toMatchObject({ quantization: 'INT4' });
    expect(parseModelSpec('smollm2-135m:Q8_0', { format: 'INT8' })).toMatchObject({ quantization: 'Q8_0' });
    expect(parseModelSpec('smollm2-135m:Q4_0', { format: 'INT4' })).toMatchObject({ quantization: 'Q4_0' });
    expect(() => parseModelSpec('smollm2-135m:Q4_0', { format: 'INT8' })).toThrow(UsageError);
    expect(() => parseModelSpec('smollm2-135m', { format: 'INT5' })).toThrow(UsageError);
  });
});

describe('quantizations', () => {
  it('are found in the file names of all publishers', () => {
    expect(quantizationOf('SmolLM2-135M-Instruct.Q4_1.gguf')).toBe('Q4_1');
    expect(quantizationOf('SmolLM2-135M-Instruct-Q4_K_M.gguf')).toBe('Q4_K_M');
    expect(quantizationOf('qwen2.5-0.5b-instruct-q4_k_m.gguf')).toBe('Q4_K_M');
    expect(quantizationOf('qwen2.5-0.5b-instruct-fp16.gguf')).toBe('F16');
    expect(quantizationOf('gemma-3-270m-it-BF16.gguf')).toBe('BF16');
    expect(quantizationOf('x-IQ4_NL.gguf')).toBe('IQ4_NL');
    expect(quantizationOf('Q8_0/llama-Q8_0-00001-of-00002.gguf')).toBe('Q8_0');
    expect(quantizationOf('Qwen3-0.6B-UD-Q4_K_XL.gguf')).toBeUndefined();
    expect(quantizationOf('gemma-3-270m.gguf')).toBeUndefined();
  });

  it('have names in any spelling', () => {
    expect(quantizationName('q5_k_m')).toBe('Q5_K_M');
    expect(quantizationName('fp16')).toBe('F16');
    expect(quantizationName('toString')).toBeUndefined();
  });

  it('answer wishes in order', () => {
    expect(candidates('INT8', ['Q4_1'])).toEqual(['Q8_0']);
    expect(candidates('INT4', ['Q8_0', 'Q4_1']).slice(0, 2)).toEqual(['Q4_1', 'Q4_K_M']);
    expect(candidates('Q6_K', ['Q4_1'])).toEqual(['Q6_K']);
    expect(candidates(undefined, ['Q4_1', 'Q8_0']).slice(0, 3)).toEqual(['Q4_1', 'Q8_0', 'Q4_K_M']);
  });

  it('are ordered by size', () => {
    expect(nextSmaller('Q8_0', ['Q4_0', 'Q6_K', 'Q8_0'])).toBe('Q6_K');
    expect(nextSmaller('Q4_0', ['Q4_0', 'Q6_K'])).toBeUndefined();
    expect(smallerModel('smollm2-135m:Q8_0', 'Q8_0')).toBe('smollm2-135m:Q6_K');
    expect(smallerModel('smollm2-135m', 'Q2_K')).toBeUndefined();
    expect(smallerModel('/some/file.gguf', 'Q8_0')).toBeUndefined();
  });

  it('know shards', () => {
    expect(shardOf('a/x-00002-of-00003.gguf')).toEqual({ stem: 'a/x', index: 2, count: 3 });
    expect(shardOf('x.gguf')).toBeUndefined();
  });
});

describe('the list', () => {
  it('has unique names, known quantizations and plausible numbers', () => {
    expect(new Set(modelNames()).size).toBe(MODELS.length);
    expect(findEntry(DEFAULT_MODEL)).toBeDefined();
    for (const entry of MODELS) {
      expect(entry.name).toMatch(/^[a-z0-9.-]+$/);
      expect(entry.quantizations.every((q) => quantizationName(q) === q)).toBe(true);
      expect(entry.repositories.every((r) => /^[\w.-]+\/[\w.-]+$/.test(r))).toBe(true);
      expect(approximateBytes(entry, 'Q8_0')).toBeGreaterThan(approximateBytes(entry, 'Q4_0'));
      expect(approximateRam(entry)).toBeGreaterThan(entry.approximateBytes);
      if (entry.mirror) {
        expect(entry.mirror.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(entry.quantizations).toContain(entry.mirror.quantization);
      }
    }
  });

  it('suggests near names', () => {
    expect(nearNames('smollm-135m', modelNames())).toContain('smollm2-135m');
    expect(nearNames('mistral', modelNames())).toContain('mistral-7b');
    expect(nearNames('zzzzzz', modelNames())).toEqual([]);
  });
});
