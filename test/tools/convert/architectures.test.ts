/**
 * Checkpoints of the kinds that no golden folder covers, as transformers 5.23 saves them: names, shapes and
 * config.json are recorded, values are made here. Expected is what convert made of them when the logits of such
 * checkpoints were compared with transformers' own (all within 1e-4).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readTensor, typeLabel, type GgufFile, type GgufValue } from '../../../src/gguf/index.ts';
import { random } from '../../kernels/twins/numbers.ts';
import { convert, withGguf } from './checkpoint-suite.ts';
import { floats, product, writeCheckpoint, type TestTensor } from './checkpoints.ts';

interface Recorded {
  name: string;
  config: { architectures: string[] };
  /** Shape by name in the checkpoint. */
  tensors: Record<string, number[]>;
  /** Below `<architecture>.`, and general.architecture. */
  metadata: Record<string, GgufValue>;
  /** Of names, types, shapes and bytes, in the file's order. */
  sha256: string;
}

const RECORDED = new URL('../../fixtures/checkpoints/shapes.json', import.meta.url);
const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Recorded[];

function valuesFor(tensors: Recorded['tensors']): Record<string, TestTensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, shape], seed) => {
      const source = random(seed);
      return [
        name,
        floats(
          shape,
          Array.from({ length: product(shape) }, () => source.uniform() - 0.5),
        ),
      ];
    }),
  );
}

async function digest(file: GgufFile): Promise<string> {
  const hash = createHash('sha256');
  for (const tensor of file.tensors) {
    hash.update(`${tensor.name} ${typeLabel(tensor.type)} ${tensor.shape.join('x')}\n`);
    hash.update(await readTensor(file, tensor));
  }
  return hash.digest('hex');
}

function modelMetadata({ metadata }: GgufFile): Record<string, GgufValue> {
  const architecture = String(metadata.get('general.architecture'));
  const own = [...metadata].filter(([key]) => key.startsWith(`${architecture}.`));
  return Object.fromEntries([['general.architecture', architecture], ...own]);
}

test.each(recorded)('$name', async ({ config, tensors, metadata, sha256 }) => {
  const path = await convert(writeCheckpoint(config, valuesFor(tensors)));
  await withGguf(path, async (file) => {
    expect(modelMetadata(file)).toEqual(metadata);
    expect(await digest(file)).toBe(sha256);
  });
});
