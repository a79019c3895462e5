import { TokenizerError } from '../errors.ts';
import { BYTE_TO_CHAR, CHAR_TO_BYTE } from './byte-alphabet.ts';
import { Merger } from './merger.ts';
import type { PairSource } from './merger.ts';
import { optionalStrings } from './metadata.ts';
import type { Metadata } from './metadata.ts';
import { PairTable } from './pair-table.ts';
import type { PreTokenizer } from './pre-tokenizers.ts';
import { splitWords } from './split-words.ts';
import { STEPS_PER_YIELD } from './slices.ts';
import type { Sliced } from './slices.ts';
import type { TextModel } from './types.ts';
import { encodeUtf8, replaceInvalid, writeUtf8 } from './utf8.ts';
import type { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

/**
 * Byte-level BPE, as GPT-2 began it: text is cut into words by a pre-tokenizer, a word's bytes are the first
 * symbols, and the listed merges are applied, the earliest in the list first, leftmost first.
 */
export class BpeModel implements TextModel, PairSource {
  readonly addsSpacePrefix = false;
  readonly cleansSpaces: boolean;
  /** Rank of the merge last found. */
  priority = 0;
  readonly merger = new Merger();
  readonly #vocabulary: Vocabulary;
  readonly #preTokenizer: PreTokenizer;
  readonly #pairs: PairTable;
  /** Merge number -> the token it makes. */
  readonly #merged: Int32Array;
  /** Byte -> the token that is this byte alone, or -1: small vocabularies lack some. */
  readonly #byteIds: Int32Array;
  readonly #cache = new WordCache();
  #bytes = new Uint8Array(256);

  constructor(vocabulary: Vocabulary, preTokenizer: PreTokenizer, pairs: PairTable, merged: Int32Array) {
    this.#vocabulary = vocabulary;
    this.#preTokenizer = preTokenizer;
    this.#pairs = pairs;
    this.#merged = merged;
    this.#byteIds = Int32Array.from(BYTE_TO_CHAR, (char) => vocabulary.idOf.get(char) ?? -1);
    this.cleansSpaces = preTokenizer.cleanSpaces;
  }

  encode(text: string, _atStart: boolean, out: number[]): void {
    splitWords(replaceInvalid(text), this.#preTokenizer.steps, (word) => {
      if (this.#cache.append(word, out)) return;
      const from = out.length;
      this.#encodeWord(word, out);
      this.#cache.store(word, out, from);
    });
  }

  find(left: number, right: number): number {
    const { ids } = this.merger;
    const rank = this.#pairs.get(ids[left]!, ids[right]!);
    if (rank < 0) return -1;
    this.priority = rank;
    return this.#merged[rank]!;
  }

  normalPiece(tokenText: string): Uint8Array {
    const bytes: number[] = [];
    for (const char of tokenText) {
      const byte = CHAR_TO_BYTE[char.codePointAt(0)!] ?? -1;
      // Not of the alphabet: a token added later, which stands for its own text.
      if (byte < 0) bytes.push(...encodeUtf8(char));
      else bytes.push(byte);
    }
    return Uint8Array.from(bytes);
  }

  #encodeWord(word: string, out: number[]): void {
    if (this.#bytes.length < 3 * word.length) this.#bytes = new Uint8Array(6 * word.length);
    const bytes = this.#bytes;
    const count = writeUtf8(word, bytes);
    if (this.#preTokenizer.ignoreMerges && count <= this.#vocabulary.maxLength) {
      let name = '';
      for (let i = 0; i < count; i++) name += BYTE_TO_CHAR[bytes[i]!]!;
      const id = this.#vocabulary.idOf.get(name);
      if (id !== undefined) {
        out.push(id);
        return;
      }
    }
    const { merger } = this;
    merger.reserve(count);
    for (let i = 0; i < count; i++) merger.ids[i] = this.#byteIds[bytes[i]!]!;
    merger.merge(count, this);
    for (let i = 0; i >= 0; i = merger.next[i]!) {
      // llama.cpp, too, drops a byte for which the vocabulary has no token.
      if (merger.ids[i]! >= 0) out.push(merger.ids[i]!);
    }
  }
}

const MERGES = 'tokenizer.ggml.merges';

/** Reads and checks the merges. */
export function* buildBpe(
  metadata: Metadata,
  vocabulary: Vocabulary,
  preTokenizer: PreTokenizer,
): Sliced<BpeModel> {
  const merges = optionalStrings(metadata, MERGES);
  if (merges === undefined) throw new TokenizerError(`${MERGES} is missing: a BPE vocabulary needs it`);
  const { idOf } = vocabulary;
  const pairs = new PairTable(merges.length);
  const merged = new Int32Array(merges.length);
  for (let rank = 0; rank < merges.length; rank++) {
    if (rank % STEPS_PER_YIELD === 0) yield;
    const merge = merges[rank];
    if (typeof merge !== 'string') throw new TokenizerError(`${MERGES}: entry ${rank} is not a string`);
    // Both sides are written in the byte alphabet, which has no space; a space at 0 can only be a side itself.
    const space = merge.indexOf(' ', 1);
    if (space < 0) throw badMerge(rank, merge, 'does not hold two tokens');
    const left = merge.slice(0, space);
    const right = merge.slice(space + 1);
    const leftId = idOf.get(left);
    const rightId = idOf.get(right);
    const id = idOf.get(left + right);
    if (leftId === undefined || rightId === undefined || id === undefined) {
      const missing = leftId === undefined ? left : rightId === undefined ? right : left + right;
      throw badMerge(rank, merge, `names ${JSON.stringify(missing)}, which is not a token`);
    }
    merged[rank] = id;
    pairs.add(leftId, rightId, rank);
  }
  return new BpeModel(vocabulary, preTokenizer, pairs, merged);
}

function badMerge(rank: number, merge: string, fault: string): TokenizerError {
  return new TokenizerError(`${MERGES}: entry ${rank}, ${JSON.stringify(merge)}, ${fault}`);
}
