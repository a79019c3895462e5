/** Scales of columns and their inverses elsewhere: the model stays the same function. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { architectureOf } from '../../../src/engine/architectures/index.ts';
import { closeGguf, openGguf } from '../../../src/gguf/index.ts';
import { fileSource } from '../../../src/platform/node/file-source.ts';
import { loadModelFile } from '../../../src/platform/node/load-model.ts';
import { checkFoldable, foldOf, Scaling } from '../../../tools/quantize/methods/folds.ts';
import { quantizeFile } from '../../../tools/quantize/quantize.ts';
import { Calibration, type Input } from '../../../tools/calibration/calibration.ts';
import { GEMMA3, GPT2, PHI3, QWEN3, someIds, TIED_SPM } from '../../engine/fixtures.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'nibble folds '));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function inputsOf(path: string): Promise<readonly Input[]> {
  const text = new TextEncoder().encode('abc '.repeat(40));
  await using calibration = await Calibration.open(path, { text, name: 'abc', chunkSize: 8, chunks: 1 });
  return calibration.inputs;
}

async function logitsOf(path: string): Promise<Float32Array> {
  const model = await loadModelFile(path, { threads: 1, variant: 'simd', contextSize: 32, kvType: 'f32' });
  try {
    return await model.logits(someIds(12));
  } finally {
    await model.dispose();
  }
}

test.each([
  // Inputs per layer that can be scaled: of attention, its output, feed-forward, its output.
  ['llama, all heads', TIED_SPM, 4],
  ['qwen3, grouped heads with norms of their own', QWEN3, 4],
  ['gemma3, norms behind the blocks', GEMMA3, 4],
  ['phi3, fused matrices', PHI3, 4],
  ['gpt2, LayerNorm, biases, GELU without a gate', GPT2, 3],
])('%s', async (_, path, perLayer) => {
  const inputs = await inputsOf(path);
  const layers = new Set(inputs.map(({ layer }) => layer)).size;
  const output = join(folder, 'scaled.gguf');
  let scaled = 0;
  await quantizeFile(path, output, {
    type: 'F32',
    threads: 1,
    own: (file) => {
      const scaling = new Scaling();
      const architecture = architectureOf(String(file.metadata.get('general.architecture')));
      for (const input of inputs) {
        const fold = foldOf(file, architecture, input);
        if (!fold) continue;
        scaled++;
        const scales = Float32Array.from(fold.sourceOf, (source) => 0.5 + ((source * 7) % 11) / 5);
        scaling.add(input, fold, scales);
      }
      return scaling;
    },
  });
  expect(scaled).toBe(perLayer * layers);
  const [before, after] = [await logitsOf(path), await logitsOf(output)];
  const largest = before.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = before.reduce((most, value, i) => Math.max(most, Math.abs(value - after[i]!)), 0);
  expect(error).toBeLessThan(1e-5 * largest);
});

test('without the inverses it is another function', async () => {
  const inputs = await inputsOf(QWEN3);
  const output = join(folder, 'half.gguf');
  await quantizeFile(QWEN3, output, {
    type: 'F32',
    threads: 1,
    own: () => ({
      treat: ({ tensor, columns }) =>
        Promise.resolve(
          tensor.name === inputs[0]!.tensors[0] ? { columns: new Float32Array(columns).fill(1.5) } : {},
        ),
    }),
  });
  expect(await logitsOf(output)).not.toEqual(await logitsOf(QWEN3));
});

test('an encoder cannot be folded, and the message names what can', async () => {
  expect(() => checkFoldable(architectureOf('bert'), 'awq')).toThrow(
    /awq does not know bert; it knows llama, /,
  );
  const file = await openGguf(QWEN3, fileSource);
  const experts = { layer: 0, tensors: ['blk.0.ffn_gate_inp.weight'], width: 64 };
  expect(foldOf(file, architectureOf('qwen3'), experts)).toBeUndefined();
  await closeGguf(file);
});
