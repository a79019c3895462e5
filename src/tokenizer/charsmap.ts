/**
 * SentencePiece's precompiled normalization (`precompiled_charsmap`): which byte sequences are replaced by which.
 *
 *     u32 bytes of the trie | trie: u32 units | replacements, each ended by a zero byte
 *
 * The trie is a double array, as Darts-clone builds it; a node's child by byte c is at base ^ c:
 *
 *     unit of a node:   31        30 .. 10   9           8          7 .. 0
 *                       is value  offset     offset<<8   has value  the byte that leads here
 *     unit of a value:  1         30 .. 0: where in the replacements it starts
 */
import { TokenizerError } from '../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import { validLength } from './utf8.ts';

const KEY = 'tokenizer.ggml.precompiled_charsmap';
const HEADER_BYTES = 4;
const IS_VALUE = 0x80000000;
const REPLACEMENT_CHARACTER = Uint8Array.of(0xef, 0xbf, 0xbd);

/** What stands in place of some bytes of the input. */
export interface Replacement {
  bytes: Uint8Array;
  /** How many bytes of the input it stands for: at least one. */
  consumed: number;
}

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;

  /** Throws TokenizerError where the sizes inside do not fit. */
  constructor(map: Uint8Array) {
    const view = new DataView(map.buffer, map.byteOffset, map.byteLength);
    const trieBytes = map.length > HEADER_BYTES ? view.getUint32(0, true) : 0;
    if (trieBytes === 0 || trieBytes % 4 !== 0 || HEADER_BYTES + trieBytes >= map.length) {
      throw damaged(`its ${map.length} bytes cannot hold a trie of ${trieBytes}`);
    }
    this.#units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) =>
      view.getUint32(HEADER_BYTES + 4 * i, true),
    );
    this.#replacements = map.subarray(HEADER_BYTES + trieBytes);
  }

  /** The replacement of the longest known sequence at `at`, or undefined. Throws TokenizerError on a damaged map. */
  replace(input: Uint8Array, at: number): Replacement | undefined {
    let consumed = 0;
    let start = 0;
    let node = this.#base(0);
    for (let end = at; end < input.length; end++) {
      const byte = input[end]!;
      node = (node ^ byte) >>> 0;
      const unit = this.#unit(node);
      // The root's own unit leads nowhere: a zero byte is never part of a sequence.
      if (byte === 0 || (unit & (IS_VALUE | 0xff)) >>> 0 !== byte) break;
      node = (node ^ this.#base(node)) >>> 0;
      if (unit & 0x100) {
        consumed = end - at + 1;
        start = this.#unit(node) & ~IS_VALUE;
      }
    }
    return consumed > 0 ? { bytes: this.#replacement(start), consumed } : undefined;
  }

  #base(node: number): number {
    const unit = this.#unit(node);
    return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
  }

  #unit(node: number): number {
    const unit = this.#units[node];
    if (unit === undefined) throw damaged(`its trie has no unit ${node}`);
    return unit;
  }

  #replacement(start: number): Uint8Array {
    const end = this.#replacements.indexOf(0, start);
    if (end < 0) throw damaged(`no replacement starts and ends at byte ${start}`);
    return this.#replacements.subarray(start, end);
  }
}

/** The map of a GGUF file, or undefined where there is none. Throws TokenizerError. */
export function readCharsmap(value: GgufValue | undefined): Charsmap | undefined {
  if (value === undefined) return undefined;
  if (value instanceof Uint8Array) return value.length > 0 ? new Charsmap(value) : undefined;
  if (value instanceof Int8Array)
    return readCharsmap(new Uint8Array(value.buffer, value.byteOffset, value.length));
  throw new TokenizerError(`${KEY} is not an array of bytes`);
}

/** Bytes with each known sequence replaced and each invalid byte made U+FFFD, in order. */
export function* normalized(input: Uint8Array, map: Charsmap | undefined): Generator<Uint8Array, void> {
  for (let at = 0; at < input.length;) {
    const found = map?.replace(input, at);
    const valid = found ? 0 : validLength(input, at);
    if (found) yield found.bytes;
    else yield valid > 0 ? input.subarray(at, at + valid) : REPLACEMENT_CHARACTER;
    at += found?.consumed ?? Math.max(1, valid);
  }
}

function damaged(why: string): TokenizerError {
  return new TokenizerError(`${KEY} is damaged: ${why}`);
}
