/**
 * What has to happen to rows between a checkpoint and GGUF. All but `addOne` only move bytes, so they keep the type.
 */
import { CheckpointError } from '../../src/errors.ts';
import { quote } from '../../src/gguf/cursor.ts';
import { decode } from './encode.ts';
import { bytesPerRow, elementBytes, F32, rowCount, type Rows } from './rows.ts';

/** The same bytes under another shape. */
export function reshape(rows: Rows, shape: readonly number[]): Rows {
  const before = bytesPerRow(rows);
  const after = bytesPerRow({ type: rows.type, shape });
  if (rowCount(shape) * after !== rowCount(rows.shape) * before)
    throw wrongShape(rows, `[${shape.join(', ')}]`);
  return {
    ...rows,
    shape,
    async read(first, count) {
      const start = first * after;
      const end = start + count * after;
      const from = Math.floor(start / before);
      const bytes = await rows.read(from, Math.ceil(end / before) - from);
      return bytes.subarray(start - from * before, end - from * before);
    },
  };
}

/** The same numbers in one dimension. */
export const vector = (rows: Rows): Rows => reshape(rows, [rows.shape[0]! * rowCount(rows.shape)]);

/** `count` rows from row `from`. */
export function sliceRows(rows: Rows, from: number, count: number): Rows {
  if (rows.shape.length !== 2 || from + count > rows.shape[1]!) {
    throw wrongShape(rows, `a matrix of at least ${from + count} rows`);
  }
  const shape = [rows.shape[0]!, count];
  return { ...rows, shape, read: (first, n) => rows.read(from + first, n) };
}

/** Matrices of one shape behind each other, as experts are kept. */
export function stack(parts: readonly Rows[]): Rows {
  const first = parts[0]!;
  for (const part of parts) {
    if (part.shape.join() !== first.shape.join())
      throw wrongShape(part, `[${first.shape.join(', ')}], as its peers`);
  }
  if (parts.some((part) => part.type !== first.type)) return stack(parts.map(toF32));
  const each = rowCount(first.shape);
  return {
    name: first.name,
    type: first.type,
    wasPacked: parts.some((part) => part.wasPacked),
    shape: [...first.shape, parts.length],
    async read(start, count) {
      const size = bytesPerRow(first);
      const bytes = new Uint8Array(count * size);
      for (let done = 0; done < count;) {
        const row = start + done;
        const inside = row % each;
        const n = Math.min(each - inside, count - done);
        bytes.set(await parts[Math.floor(row / each)]!.read(inside, n), done * size);
        done += n;
      }
      return bytes;
    },
  };
}

/**
 * Rows of q or k from the order in which rotary pairs are half a head apart (i, i + n/2), Hugging Face's, to side by
 * side (2i, 2i + 1), as GGUF has them for `llama`. Biases too.
 */
export function interleaveHeads(rows: Rows, heads: number): Rows {
  if (rows.shape.length === 1) {
    return reshape(interleaveHeads(reshape(rows, [1, rows.shape[0]!]), heads), rows.shape);
  }
  const width = rows.shape[1]! / heads;
  if (rows.shape.length !== 2 || width % 2 !== 0) throw wrongShape(rows, `${heads} heads of an even width`);
  const size = bytesPerRow(rows);
  return {
    ...rows,
    async read(first, count) {
      // Whole heads, because a pair needs both halves.
      const from = Math.floor(first / width) * width;
      const to = Math.ceil((first + count) / width) * width;
      const given = await rows.read(from, to - from);
      const bytes = new Uint8Array(count * size);
      for (let i = 0; i < count; i++) {
        const row = first + i - from;
        const inside = row % width;
        const source = row - inside + (inside >> 1) + (inside & 1 ? width / 2 : 0);
        bytes.set(given.subarray(source * size, (source + 1) * size), i * size);
      }
      return bytes;
    },
  };
}

/** Columns become rows (GPT-2 keeps its matrices so). Holds the whole tensor while it is read. */
export function transpose(rows: Rows): Rows {
  if (rows.shape.length !== 2) throw wrongShape(rows, 'a matrix');
  const [columns, height] = rows.shape as [number, number];
  const size = elementBytes(rows);
  const whole = kept(() => rows.read(0, height));
  return {
    ...rows,
    shape: [height, columns],
    async read(first, count) {
      const given = await whole.get();
      const bytes = new Uint8Array(count * height * size);
      for (let i = 0, at = 0; i < count; i++) {
        for (let j = 0; j < height; j++) {
          const from = (j * columns + first + i) * size;
          for (let b = 0; b < size; b++) bytes[at++] = given[from + b]!;
        }
      }
      if (first + count === columns) whole.drop();
      return bytes;
    },
  };
}

/** Norm weights that a checkpoint keeps as w where the model computes with 1 + w (Gemma). */
export function addOne(rows: Rows): Rows {
  return mapValues(rows, (value) => value + 1);
}

/** The same values as f32. */
export function toF32(rows: Rows): Rows {
  return rows.type === F32 ? rows : mapValues(rows, (value) => value);
}

function mapValues(rows: Rows, change: (value: number) => number): Rows {
  return {
    ...rows,
    type: F32,
    read: async (first, count) => {
      const values = decode(rows.type, await rows.read(first, count)).map(change);
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  };
}

/** Bytes made at the first use and given back to the garbage collector after the last. */
export function kept<T>(make: () => Promise<T>): { get: () => Promise<T>; drop: () => void } {
  let value: Promise<T> | undefined;
  return {
    get: () => (value ??= make()),
    drop: () => (value = undefined),
  };
}

function wrongShape(rows: Rows, wanted: string): CheckpointError {
  return new CheckpointError(
    `tensor ${quote(rows.name)}: its shape is [${[...rows.shape].reverse().join(', ')}] and should be ${wanted}`,
  );
}
