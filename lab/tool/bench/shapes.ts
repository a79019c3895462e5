/** Shapes to time: one that no cache holds, and the linear layers of a model. */
import { openGguf, closeGguf } from '../../../src/gguf/index.ts';
import { fileSource } from '../../../src/platform/node/file-source.ts';
import type { Shape } from '../problems/index.ts';

export interface NamedShape {
  name: string;
  rows: number;
  columns: number;
}

/** 1 x 4096 x 32000: the output layer of a 7B model. */
export const LARGE: NamedShape = { name: 'large', rows: 32000, columns: 4096 };

/** GGUF types of 4-bit weights: Q4_0 and Q4_1. */
const FOUR_BITS = [2, 3];

/** The distinct shapes of a model's 4-bit matrices, largest first. */
export async function modelShapes(path: string): Promise<NamedShape[]> {
  const file = await openGguf(path, fileSource);
  try {
    const found = new Map<string, NamedShape>();
    for (const { name, type, shape } of file.tensors) {
      if (!FOUR_BITS.includes(type) || shape.length !== 2) continue;
      const [columns, rows] = shape as [number, number];
      const key = `${rows} x ${columns}`;
      const part = name.replace(/^blk\.\d+\./, '').replace(/\.weight$/, '');
      const known = found.get(key)?.name.split(', ') ?? [];
      if (!known.includes(part)) found.set(key, { name: [...known, part].join(', '), rows, columns });
    }
    return [...found.values()].sort((a, b) => b.rows * b.columns - a.rows * a.columns);
  } finally {
    await closeGguf(file);
  }
}

export function withTokens({ rows, columns }: Omit<NamedShape, 'name'>, tokens: number): Shape {
  return { rows, columns, tokens };
}
