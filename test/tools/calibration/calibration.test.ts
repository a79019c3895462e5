/** Calibration in passes that fit in memory, and what stops it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Calibration, Passes, type Input } from '../../../tools/calibration/calibration.ts';
import { quantizeFile } from '../../../tools/quantize/quantize.ts';
import { QWEN3 } from '../../engine/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble calibration '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const TEXT = {
  text: new TextEncoder().encode('abc def '.repeat(60)),
  name: 'abc.txt',
  chunkSize: 16,
  chunks: 3,
};
const input = (layer: number, width: number): Input => ({
  layer,
  width,
  tensors: [`blk.${layer}.w${width}.weight`],
});

test('layers go together as far as they fit, in order, each once', async () => {
  const inputs = [0, 1, 2, 3].flatMap((layer) => [input(layer, 10), input(layer, 20)]);
  inputs.push(input(4, 500));
  const seen: string[] = [];
  const passes = new Passes(
    inputs,
    ({ width }) => width,
    65,
    (some, pass, count) => {
      seen.push(`${pass}/${count}: ${[...new Set(some.map(({ layer }) => layer))].join()}`);
      return Promise.resolve();
    },
  );
  await passes.reach(-1);
  expect(seen).toEqual([]);
  await passes.reach(1);
  await passes.reach(0);
  expect(seen).toEqual(['0/3: 0,1']);
  await passes.reach(4);
  expect(seen).toEqual(['0/3: 0,1', '1/3: 2,3', '2/3: 4']);
});

test('shows the inputs that are asked for, all tokens of them', async () => {
  await using calibration = await Calibration.open(QWEN3, TEXT, { threads: 1 });
  expect(calibration.tokens).toBe(48);
  const [first, second] = calibration.inputs;
  expect(first!.tensors).toEqual(['blk.0.attn_q.weight', 'blk.0.attn_k.weight', 'blk.0.attn_v.weight']);
  expect(second!.tensors).toEqual(['blk.0.attn_output.weight']);
  let tokens = 0;
  let batches = 0;
  await calibration.run(
    [second!],
    (input, { count, width, rows }) => {
      expect([input, width, rows.length]).toEqual([second, second!.width, count * width]);
      tokens += count;
    },
    {
      afterBatch: () => {
        batches++;
        return Promise.resolve();
      },
    },
  );
  expect([tokens, batches]).toEqual([48, 3]);
});

test('activations that become NaN stop it', async () => {
  const output = join(folder, 'infinite.gguf');
  await quantizeFile(QWEN3, output, {
    type: 'F32',
    threads: 1,
    own: () => ({
      treat: ({ tensor, columns }) => {
        const factors = new Float32Array(columns).fill(1e37);
        return Promise.resolve(tensor.name === 'blk.0.ffn_norm.weight' ? { columns: factors } : {});
      },
    }),
  });
  await expect(Calibration.open(output, TEXT, { threads: 1 })).rejects.toThrow(/activations became NaN/);
});
