/** Metadata and tensors of a GGUF file, as text and as JSON. */
import {
  fileTypeName,
  findCount,
  typeLabel,
  type GgufFile,
  type GgufTensor,
  type GgufValue,
} from '../../gguf/index.ts';
import { plainTable } from '../table.ts';

const SHOWN_ITEMS = 5;
const SHOWN_CHARS = 100;

/** The shortest number with the same f32: 1e-5 rather than 0.000009999999747378752. */
function shortest(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

/** For JSON: arrays cut to their first elements, with their length; 64-bit integers as text. */
export function jsonValue(value: GgufValue): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && Math.fround(value) === value) return shortest(value);
  if (typeof value !== 'object') return value;
  const items = Array.from(value.slice(0, SHOWN_ITEMS) as ArrayLike<GgufValue>, jsonValue);
  return { length: value.length, first: items };
}

function textValue(value: GgufValue): string {
  if (typeof value === 'string') return shortened(JSON.stringify(value));
  if (typeof value !== 'object') return String(jsonValue(value));
  const items = Array.from(value.slice(0, SHOWN_ITEMS) as ArrayLike<GgufValue>, textValue);
  const more = value.length > SHOWN_ITEMS ? `, ... ${value.length} in all` : '';
  return `[${items.join(', ')}${more}]`;
}

function shortened(text: string): string {
  const chars = [...text];
  if (chars.length <= SHOWN_CHARS) return text;
  return `${chars.slice(0, SHOWN_CHARS).join('')}... ${chars.length} characters`;
}

export function metadataTable({ metadata, valueTypes }: GgufFile): string {
  return plainTable(
    [{ title: 'KEY' }, { title: 'TYPE' }, { title: 'VALUE' }],
    [...metadata].map(([key, value]) => [key, valueTypes?.get(key) ?? '', textValue(value)]),
  );
}

export function tensorTable(tensors: readonly GgufTensor[]): string {
  return plainTable(
    [
      { title: 'TENSOR' },
      { title: 'SHAPE', align: 'right' },
      { title: 'TYPE' },
      { title: 'BYTES', align: 'right' },
      { title: 'OFFSET', align: 'right' },
    ],
    tensors.map((tensor) => [
      tensor.name,
      tensor.shape.join(' x '),
      typeLabel(tensor.type),
      String(tensor.byteLength),
      String(tensor.offset),
    ]),
  );
}

/** Weight types with their bytes, largest first. */
export function typeTotals(
  tensors: readonly GgufTensor[],
): { type: string; bytes: number; tensors: number }[] {
  const totals = new Map<string, { type: string; bytes: number; tensors: number }>();
  for (const { type, byteLength } of tensors) {
    const name = typeLabel(type);
    const total = totals.get(name) ?? { type: name, bytes: 0, tensors: 0 };
    total.bytes += byteLength;
    total.tensors++;
    totals.set(name, total);
  }
  return [...totals.values()].sort((a, b) => b.bytes - a.bytes);
}

export function parameterCount(tensors: readonly GgufTensor[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

export function fileTypeOf({ metadata }: GgufFile): string | undefined {
  const id = findCount(metadata, 'general.file_type');
  return id === undefined ? undefined : fileTypeName(id);
}
