/** Pages of the KV cache: assembly/ops/kv-cache.ts draws them. */
import { PAGE } from '../../kernels/control.ts';
import { KV_F16, KV_F32, KV_Q8_0 } from '../../kernels/record.ts';
import type { ModelSpec } from '../architectures/types.ts';
import type { SegmentProgram } from '../program.ts';
import type { KvType } from '../types.ts';
import type { Addresses } from './addresses.ts';
import type { KvPlaces, LayoutOptions } from './types.ts';

export const KV_CODES: Record<KvType, number> = { f32: KV_F32, f16: KV_F16, q8_0: KV_Q8_0 };

/** Bytes of one head's keys or values in a page: tileBytes in assembly/ops/kv-cache.ts. */
export function tileBytes(kvType: KvType, width: number): number {
  if (kvType === 'f32') return width * PAGE * 4;
  if (kvType === 'f16') return width * PAGE * 2;
  return width * PAGE + Math.ceil(width / 32) * PAGE * 4;
}

/** A segment's pages: of each layer the keys, then the values; with latent attention they are the keys' first channels. */
export function placePages(
  addresses: Addresses,
  spec: ModelSpec,
  program: SegmentProgram,
  { kvType, pages }: LayoutOptions,
): KvPlaces {
  const valueBytes = spec.latent ? 0 : tileBytes(kvType, spec.valueWidth);
  const layers: KvPlaces['layers'] = new Map();
  let pageBytes = 0;
  for (const layer of spec.layers.slice(program.first, program.last)) {
    const values = pageBytes + layer.kvHeads * tileBytes(kvType, spec.headWidth);
    layers.set(layer.index, { keys: pageBytes, values });
    pageBytes = values + layer.kvHeads * valueBytes;
  }
  return { address: addresses.take(pageBytes * pages, 4096), pageBytes, layers };
}
