/** Biases of SmoothQuant's int8 exports, which come as [1, out] or [out], some of them as int8 with a scale. */
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import type { Change } from './architectures/types.ts';
import { decode } from './encode.ts';
import { F32, rowCount, type Rows } from './rows.ts';
import { vector } from './transforms.ts';

/** An int8 vector times the scalar tensor `scale`, as f32. */
export function scaledVector(scale: string): Change {
  return (rows, context) => {
    const factor = context.get(scale);
    const flat = vector(rows);
    return {
      ...flat,
      type: F32,
      async read(first, count) {
        const by = await scalar(factor);
        const values = decode(flat.type, await flat.read(first, count)).map((value) => value * by);
        return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      },
    };
  };
}

async function scalar(rows: Rows): Promise<number> {
  if (rows.shape[0] !== 1 || rowCount(rows.shape) !== 1) {
    throw new CheckpointError(`tensor ${quote(rows.name)}: is not a single number`);
  }
  return decode(rows.type, await rows.read(0, 1))[0]!;
}
