/** Pages of the KV cache as files hold them: all segments' layers in a row, nothing behind the last token. */
import { PAGE } from '../../kernels/control.ts';
import type { RunningSegment } from '../runner.ts';
import { tileBytes } from '../layout/pages.ts';
import type { KvType } from '../types.ts';

export interface PageGeometry {
  kvType: KvType;
  headWidth: number;
  valueWidth: number;
}

export class PageStore {
  /** Of a page, all segments together. */
  readonly bytes: number;
  private readonly segments: readonly RunningSegment[];
  private readonly geometry: PageGeometry;

  constructor(segments: readonly RunningSegment[], geometry: PageGeometry) {
    this.segments = segments;
    this.geometry = geometry;
    this.bytes = segments.reduce((sum, { layout }) => sum + layout.kv.pageBytes, 0);
  }

  /** A copy of a page, of which the first `used` positions count; the others are zero. */
  read(page: number, used: number): Uint8Array {
    const copy = new Uint8Array(this.bytes);
    this.parts(page, (part, at) => copy.set(part, at));
    if (used < PAGE) this.clear(copy, used);
    return copy;
  }

  write(page: number, bytes: Uint8Array): void {
    this.parts(page, (part, at) => part.set(bytes.subarray(at, at + part.length)));
  }

  private parts(page: number, use: (part: Uint8Array, at: number) => void): void {
    let at = 0;
    for (const { memory, layout } of this.segments) {
      const { address, pageBytes } = layout.kv;
      use(new Uint8Array(memory.buffer, address + page * pageBytes, pageBytes), at);
      at += pageBytes;
    }
  }

  /** Zeroes positions from `used` on: another conversation may have left them. Layouts: assembly/ops/kv-cache.ts. */
  private clear(copy: Uint8Array, used: number): void {
    const { kvType, headWidth, valueWidth } = this.geometry;
    let base = 0;
    for (const { layout } of this.segments) {
      const { pageBytes, layers } = layout.kv;
      const places = [...layers.values()];
      places.forEach(({ keys, values }, i) => {
        const end = places[i + 1]?.keys ?? pageBytes;
        const keyTile = tileBytes(kvType, headWidth);
        const valueTile = tileBytes(kvType, valueWidth);
        for (let at = keys; at < values; at += keyTile) {
          clearTile(copy, base + at, kvType, headWidth, used, 'keys');
        }
        for (let at = values; at < end; at += valueTile) {
          clearTile(copy, base + at, kvType, valueWidth, used, 'values');
        }
      });
      base += pageBytes;
    }
  }
}

const ELEMENT: Record<KvType, number> = { f32: 4, f16: 2, q8_0: 1 };

function clearTile(
  bytes: Uint8Array,
  at: number,
  kvType: KvType,
  width: number,
  used: number,
  kind: 'keys' | 'values',
): void {
  const tables = [{ at, rows: width, size: ELEMENT[kvType] }];
  if (kvType === 'q8_0') tables.push({ at: at + width * PAGE, rows: Math.ceil(width / 32), size: 4 });
  for (const { at, rows, size } of tables) {
    if (kind === 'values') {
      bytes.fill(0, at + used * rows * size, at + PAGE * rows * size);
    } else {
      for (let row = 0; row < rows; row++) {
        bytes.fill(0, at + (row * PAGE + used) * size, at + (row + 1) * PAGE * size);
      }
    }
  }
}
