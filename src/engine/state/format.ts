/**
 * State files: a sequence's tokens and pages of the KV cache. Little endian:
 *
 *   0   8 bytes "NIBBLEKV" | u32 version | u32 length of the header
 *   16  header (JSON) | tokens, u32 each | pages, `pageBytes` each
 *
 * Header, tokens and every page are followed by their SHA-256, which covers the digest before it too, so that blocks
 * cannot change places. A page holds all layers, in their order, whatever the segments; behind the last token it is zero.
 */
import { StateError } from '../../errors.ts';
import type { KvType } from '../types.ts';

export const DIGEST = 32;
export const PREFIX = 16;
const MAGIC = 'NIBBLEKV';
const VERSION = 1;
const MOST_HEADER = 64 * 2 ** 20;

/** What must be the same for a state to mean anything. */
export interface StateShape {
  /** Of the model's file: see gguf/fingerprint.ts. */
  fingerprint: string;
  kvType: KvType;
  layers: number;
  /** Bytes of a page of 64 positions, all layers. */
  pageBytes: number;
}

export interface StateHeader extends StateShape {
  /** The model, for messages. */
  model: string;
  tokens: number;
  /** What the caller keeps with it; JSON. */
  extra?: unknown;
}

export function writePrefix(headerBytes: number): Uint8Array {
  const bytes = new Uint8Array(PREFIX);
  bytes.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(bytes.buffer);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, headerBytes, true);
  return bytes;
}

/** The header's length. @throws StateError for another kind of file, another version, a length that cannot be */
export function readPrefix(bytes: Uint8Array, name: string): number {
  if (new TextDecoder('latin1').decode(bytes.subarray(0, 8)) !== MAGIC) {
    throw new StateError(`${name}: is not a saved state of nibble`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new StateError(`${name}: has version ${version}, and this nibble reads version ${VERSION}`);
  }
  const length = view.getUint32(12, true);
  if (length === 0 || length > MOST_HEADER) throw damaged(name, `a header of ${length} bytes`);
  return length;
}

export function damaged(name: string, what: string): StateError {
  return new StateError(`${name}: is damaged (${what}); save it again`);
}

/** Checks the types of all fields. */
export function parseHeader(bytes: Uint8Array, name: string): StateHeader {
  let data: unknown;
  try {
    data = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new StateError(`${name}: is damaged (its header is not JSON)`, { cause: error });
  }
  const header = data as Partial<Record<keyof StateHeader, unknown>> | null;
  const texts = ['fingerprint', 'kvType', 'model'] as const;
  const counts = ['layers', 'pageBytes', 'tokens'] as const;
  if (
    typeof header !== 'object' ||
    header === null ||
    texts.some((key) => typeof header[key] !== 'string') ||
    counts.some((key) => !(Number.isSafeInteger(header[key]) && (header[key] as number) >= 0))
  ) {
    throw damaged(name, 'fields are missing from its header');
  }
  return header as StateHeader;
}

/** @throws StateError naming what differs */
export function checkShape(found: StateHeader, wanted: StateShape, name: string): void {
  if (found.fingerprint !== wanted.fingerprint) {
    throw new StateError(
      `${name}: was saved with another model (${found.model}); load that one, or begin a new state`,
    );
  }
  if (found.kvType !== wanted.kvType) {
    throw new StateError(
      `${name}: has a ${found.kvType} cache, this model a ${wanted.kvType} one; use --kv-type ${found.kvType}`,
    );
  }
  if (found.layers !== wanted.layers || found.pageBytes !== wanted.pageBytes) {
    throw new StateError(`${name}: its pages have another layout; save it again with this version of nibble`);
  }
}

/** Digests of blocks in a row. */
export class DigestChain {
  private last = new Uint8Array(DIGEST);

  async next(bytes: Uint8Array): Promise<Uint8Array> {
    const joined = new Uint8Array(DIGEST + bytes.length);
    joined.set(this.last);
    joined.set(bytes, DIGEST);
    this.last = new Uint8Array(await crypto.subtle.digest('SHA-256', joined));
    return this.last;
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
