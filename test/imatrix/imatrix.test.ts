/** Importance matrices: their files, old and new, hostile ones, and their collection. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModelFile } from '../../src/platform/node/load-model.ts';
import { collectImatrix } from '../../tools/imatrix/collect.ts';
import { readImatrix, writeImatrix } from '../../tools/imatrix/file.ts';
import { importanceOfColumns, type Imatrix } from '../../tools/imatrix/imatrix.ts';
import { EXPERTS, QWEN3, someIds, TINY_CHAT } from '../engine/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble imatrix '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const MATRIX: Imatrix = {
  name: 'made-up.gguf',
  entries: new Map([
    ['blk.0.ffn_down.weight', { squares: Float32Array.of(1, 4, 9), counts: Float32Array.of(2) }],
    ['blk.0.ffn_up_exps.weight', { squares: Float32Array.of(3, 6, 0, 0), counts: Float32Array.of(3, 0) }],
  ]),
  datasets: ['a.txt', 'ü.txt'],
  chunks: 7,
  chunkSize: 512,
};

/** The layout of llama-imatrix's old files. */
function oldFile(entries: [string, number, number[]][], tail?: { chunks: number; text: string }): Buffer {
  const i32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  };
  const text = (value: string): Buffer[] => [i32(Buffer.byteLength(value)), Buffer.from(value)];
  return Buffer.concat([
    i32(entries.length),
    ...entries.flatMap(([name, calls, values]) => [
      ...text(name),
      i32(calls),
      i32(values.length),
      Buffer.from(Float32Array.from(values).buffer),
    ]),
    ...(tail ? [i32(tail.chunks), ...text(tail.text)] : []),
  ]);
}

async function read(bytes: Uint8Array): Promise<Imatrix> {
  const path = join(folder, 'file.dat');
  await writeFile(path, bytes);
  return readImatrix(path);
}

describe('files', () => {
  test('what is written is read', async () => {
    const path = join(folder, MATRIX.name);
    await writeImatrix(path, MATRIX);
    expect(await readImatrix(path)).toEqual(MATRIX);
  });

  test('old files, with and without their end', async () => {
    const entries: [string, number, number[]][] = [
      ['blk.0.attn_q.weight', 2, [2, 4]],
      ['blk.1.attn_q.weight', 0, [5, 6]],
    ];
    const whole = await read(oldFile(entries, { chunks: 9, text: 'wiki.txt' }));
    expect([whole.chunks, whole.datasets]).toEqual([9, ['wiki.txt']]);
    const importance = [...whole.entries.values()].map((entry) => [...importanceOfColumns(entry)]);
    expect(importance).toEqual([
      [1, 2],
      [5, 6],
    ]);
    expect((await read(oldFile(entries))).entries).toEqual(whole.entries);
  });

  test('importance is the mean square; an expert that has seen nothing counts 1', () => {
    const [down, experts] = [...MATRIX.entries.values()].map((entry) => [...importanceOfColumns(entry)]);
    expect(down).toEqual([0.5, 2, 4.5]);
    expect(experts).toEqual([1, 2, 1, 1]);
  });

  test('hostile and damaged files are refused', async () => {
    const whole = oldFile([['blk.0.attn_q.weight', 2, [2, 4]]]);
    for (let length = 0; length < whole.length; length++) {
      await expect(read(whole.subarray(0, length))).rejects.toMatchObject({ code: 'ERR_INPUT' });
    }
    const bad = [
      oldFile([['a', 1, [NaN]]]),
      oldFile([['a', 1, [-1]]]),
      oldFile([]),
      Buffer.from('what is this, then?'),
      Buffer.alloc(64, 0xff),
    ];
    for (const bytes of bad) await expect(read(bytes)).rejects.toMatchObject({ code: 'ERR_INPUT' });
    await expect(readImatrix(QWEN3)).rejects.toThrow(/no importance matrix/);
    await expect(readImatrix(join(folder, 'none'))).rejects.toThrow(/no such file/);
  });
});

describe('collection', () => {
  test('adds up squares by column, chunk by chunk from position 0', async () => {
    const model = await loadModelFile(TINY_CHAT, {
      threads: 2,
      variant: 'simd',
      contextSize: 64,
      observe: true,
    });
    try {
      const ids = someIds(40, 1280);
      const done: string[] = [];
      const { entries, chunks } = await collectImatrix(model, ids, {
        chunkSize: 16,
        onChunk: (n, of) => done.push(`${n}/${of}`),
      });
      expect([chunks, done]).toEqual([2, ['1/2', '2/2']]);
      const naive = new Map<string, Float64Array>();
      for (const start of [0, 16]) {
        const part = ids.slice(start, start + 16);
        if (model.tokenizer.addBos) part[0] = model.tokenizer.bos!;
        await model.observe(part, ({ tensors, width, rows }) => {
          for (const name of tensors) {
            const sum = naive.get(name) ?? new Float64Array(width);
            rows.forEach((value, i) => (sum[i % width]! += value * value));
            naive.set(name, sum);
          }
        });
      }
      expect([...entries.keys()].sort()).toEqual([...naive.keys()].sort());
      expect(entries.size).toBeGreaterThan(10);
      for (const [name, { squares, counts }] of entries) {
        expect([...counts]).toEqual([32]);
        expect([...squares]).toEqual([...Float32Array.from(naive.get(name)!)]);
      }
      await expect(collectImatrix(model, ids, { chunkSize: 41 })).rejects.toMatchObject({
        code: 'ERR_USAGE',
      });
    } finally {
      await model.dispose();
    }
  });

  test('of experts: each has the sums and the count of what it has seen', async () => {
    const options = { threads: 2, variant: 'simd', contextSize: 64, observe: true } as const;
    const model = await loadModelFile(EXPERTS, options);
    try {
      const ids = someIds(3);
      const { entries } = await collectImatrix(model, ids, { chunkSize: 3 });
      if (model.tokenizer.addBos) ids[0] = model.tokenizer.bos!;
      const counts = new Map<string, number[]>();
      const squares = new Map<string, Float64Array>();
      await model.observe(
        ids,
        ({ tensors, width, rows, experts }) => {
          if (!experts) return;
          for (const name of tensors) {
            const [seen, sums] = [[0, 0, 0, 0], new Float64Array(4 * width)];
            experts.chosen.forEach((expert, row) => {
              seen[expert]!++;
              for (let k = 0; k < width; k++) sums[expert * width + k]! += rows[row * width + k]! ** 2;
            });
            counts.set(name, seen);
            squares.set(name, sums);
          }
        },
        { experts: true },
      );
      const ofExperts = [...entries].filter(([name]) => name.includes('_exps'));
      expect(ofExperts.map(([name]) => name).sort()).toEqual([...counts.keys()].sort());
      for (const [name, entry] of ofExperts) {
        expect([...entry.counts]).toEqual(counts.get(name));
        expect([...entry.squares]).toEqual([...Float32Array.from(squares.get(name)!)]);
        // Two experts for each of three tokens.
        expect(entry.counts.reduce((a, b) => a + b)).toBe(6);
      }
      // Who has seen nothing counts 1 everywhere, as in llama.cpp.
      const [name, { counts: seen }] = ofExperts.find((entry) => entry[1].counts.includes(0))!;
      const importance = importanceOfColumns(entries.get(name)!);
      const columns = importance.length / 4;
      const idle = seen.indexOf(0);
      const part = importance.subarray(idle * columns, (idle + 1) * columns);
      expect([...new Set(part)]).toEqual([1]);
    } finally {
      await model.dispose();
    }
  });
});
