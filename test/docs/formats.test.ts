import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FORMATS } from '../../src/kernels/formats.ts';

/** The drawings of docs/formats.md against the table of formats; its first table is scripts/readme.mjs's. */
const text = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');
const drawn = FORMATS.filter((format) => format.blockColumns > 1 && !format.interleave);

test.each(drawn.map((format) => [format.name, format] as const))('the drawings of %s', (name, format) => {
  const block = new RegExp(`^${name}, (\\d+) bytes`, 'm').exec(text);
  expect(Number(block?.[1])).toBe(format.blockBytes);
  const group = new RegExp(`^${name} +\\|.*\\| +(\\d+)(?: bytes)? = ([\\d.]+ x )?8 x (\\d+)$`, 'm').exec(
    text,
  );
  expect(Number(group?.[1])).toBe(format.groupBlockBytes);
  expect(Number(group?.[3])).toBe(format.blockBytes);
  const factor = group?.[2] === undefined ? 1 : Number.parseFloat(group[2]);
  expect(factor).toBeCloseTo(format.groupBlockBytes / (8 * format.blockBytes), 3);
});

test('every format that runs is named', () => {
  for (const { name } of FORMATS) expect(text).toContain(name);
});
