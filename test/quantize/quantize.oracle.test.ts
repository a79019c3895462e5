/** Whole files against llama.cpp's. NIBBLE_ORACLE: imatrix/ and smollm2/; NIBBLE_SMOLLM2: the Q4_1 file. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LoadOptions } from '../../src/engine/types.ts';
import { closeGguf, findNumber, findTensor, openGguf, readTensor, tensorType } from '../../src/gguf/index.ts';
import { fileSource } from '../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { collectImatrix } from '../../tools/imatrix/collect.ts';
import { readImatrix, writeImatrix } from '../../tools/imatrix/file.ts';
import { quantizeFile } from '../../tools/quantize/quantize.ts';

const oracle = process.env['NIBBLE_ORACLE'] ?? '';
const smollm2 = process.env['NIBBLE_SMOLLM2'] ?? '';
const llama = join(oracle, 'models/llama-gqa/llama-gqa.F32.gguf');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble quantize '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function hashes(path: string): Promise<Map<string, [string, string]>> {
  const file = await openGguf(path, fileSource);
  const found = new Map<string, [string, string]>();
  for (const tensor of file.tensors) {
    const hash = createHash('sha256')
      .update(await readTensor(file, tensor))
      .digest('hex');
    found.set(tensor.name, [tensorType(tensor.type).name, hash]);
  }
  await closeGguf(file);
  return found;
}

/** Negative log likelihood of all ids but the first, in nats. */
async function totalNll(path: string, ids: number[], options: LoadOptions): Promise<number> {
  const model = await loadModelFile(path, { contextSize: ids.length, threads: 2, ...options });
  try {
    let total = 0;
    for await (const { start, rows } of model.logitBatches(ids)) {
      const width = model.info.vocabularySize;
      for (let i = 0; i * width < rows.length && start + i + 1 < ids.length; i++) {
        const logits = rows.subarray(i * width, (i + 1) * width);
        const most = logits.reduce((a, b) => Math.max(a, b));
        const sum = logits.reduce((all, logit) => all + Math.exp(logit - most), 0);
        total += most + Math.log(sum) - logits[ids[start + i + 1]!]!;
      }
    }
    return total;
  } finally {
    await model.dispose();
  }
}

describe.skipIf(oracle === '' || smollm2 === '')('SmolLM2 from Q4_1 (NIBBLE_SMOLLM2)', () => {
  test.each(['Q8_0', 'Q4_0', 'Q4_K_M', 'Q2_K'])('%s: every tensor, bit for bit', async (type) => {
    const output = join(folder, `${type}.gguf`);
    await quantizeFile(smollm2, output, { type, allowRequantize: true });
    const tensors = readFileSync(join(oracle, `smollm2/requant.${type}.tensors.json`), 'utf8');
    const wanted = JSON.parse(tensors) as Record<string, [string, string]>;
    expect(Object.fromEntries(await hashes(output))).toEqual(wanted);
    const { text, requantized } = JSON.parse(readFileSync(join(oracle, 'smollm2/golden.json'), 'utf8')) as {
      text: { ids: number[] };
      requantized: Record<string, { total_nll: number; f32act_total_nll: number }>;
    };
    const recorded = requantized[type]!;
    const quick = await totalNll(output, text.ids, {});
    expect(Math.abs(quick / recorded.total_nll - 1)).toBeLessThan(0.01);
    const exact = await totalNll(output, text.ids, { activations: 'f32', kvType: 'f32' });
    expect(Math.abs(exact - recorded.f32act_total_nll)).toBeLessThan(0.05);
    await rm(output);
  });
});

describe.skipIf(oracle === '')('importance matrices (NIBBLE_ORACLE)', () => {
  test.each(['Q4_0', 'Q5_1', 'IQ4_NL'])('%s with importance: every tensor, bit for bit', async (type) => {
    const output = join(folder, `important.${type}.gguf`);
    for (const name of ['llama-gqa.imatrix.gguf', 'llama-gqa.imatrix-in_sum.gguf']) {
      const imatrix = await readImatrix(join(oracle, 'imatrix', name));
      await quantizeFile(llama, output, { type, imatrix });
      expect(await hashes(output)).toEqual(await hashes(join(oracle, `imatrix/llama-imatrix.${type}.gguf`)));
    }
  });

  test('sums of squares of every matmul input', async () => {
    const golden = JSON.parse(readFileSync(join(oracle, 'imatrix/golden.json'), 'utf8')) as {
      chunk_size: number;
      chunk_count: number;
      tokens: number[];
      tensors: Record<string, { n: number; sum2_offset: number; count: number }>;
    };
    const model = await loadModelFile(llama, {
      observe: true,
      activations: 'f32',
      kvType: 'f32',
      threads: 2,
    });
    const collected = await collectImatrix(model, golden.tokens, {
      chunkSize: golden.chunk_size,
      output: true,
    }).finally(() => model.dispose());
    expect(collected.chunks).toBe(golden.chunk_count);
    expect([...collected.entries.keys()].sort()).toEqual(Object.keys(golden.tensors).sort());
    const bytes = readFileSync(join(oracle, 'imatrix/sum2.f32.bin'));
    for (const [name, { n, sum2_offset: offset, count }] of Object.entries(golden.tensors)) {
      const { squares, counts } = collected.entries.get(name)!;
      expect([squares.length, ...counts]).toEqual([n, count]);
      for (let i = 0; i < n; i++) {
        const wanted = bytes.readFloatLE(4 * (offset + i));
        expect(Math.abs(squares[i]! - wanted)).toBeLessThanOrEqual(1e-4 * wanted);
      }
    }
  });

  test('the GGUF file that llama.cpp writes is read and written', async () => {
    const imatrix = await readImatrix(join(oracle, 'imatrix/llama-gqa.imatrix.gguf'));
    expect([...imatrix.entries.values()].every(({ counts }) => counts.length === 1 && counts[0] === 96)).toBe(
      true,
    );
    const copy = join(folder, 'copy.gguf');
    await writeImatrix(copy, imatrix);
    const [a, b] = await Promise.all(
      [copy, join(oracle, 'imatrix/llama-gqa.imatrix.gguf')].map((path) => openGguf(path, fileSource)),
    );
    expect(a!.tensors.map(({ name, shape }) => [name, shape])).toEqual(
      b!.tensors.map(({ name, shape }) => [name, shape]),
    );
    for (const tensor of a!.tensors) {
      expect(await readTensor(a!, tensor)).toEqual(await readTensor(b!, findTensor(b!, tensor.name)!));
    }
    expect(findNumber(a!.metadata, 'imatrix.chunk_count')).toBe(3);
    expect(a!.metadata).toEqual(b!.metadata);
    await Promise.all([closeGguf(a!), closeGguf(b!)]);
  });
});
