/**
 * SentencePiece's unigram language model ("t5"; Kudo 2018): of all ways to write a text in pieces, the one whose
 * log probabilities add up to the most, found by Viterbi's algorithm. Text is normalized first, by a table of
 * replacements that comes with the vocabulary. What no piece covers is the unknown token, one for each run of it.
 */
import { TokenizerError } from '../errors.ts';
import { normalized, readCharsmap } from './charsmap.ts';
import type { Charsmap } from './charsmap.ts';
import { optionalBoolean } from './metadata.ts';
import type { Metadata } from './metadata.ts';
import { STEPS_PER_YIELD } from './slices.ts';
import type { Sliced } from './slices.ts';
import { TokenTrie } from './token-trie.ts';
import type { TextModel } from './types.ts';
import { decodeUtf8, encodeUnescaping, encodeUtf8 } from './utf8.ts';
import { NORMAL, UNUSED, USER_DEFINED } from './vocabulary.ts';
import type { Vocabulary } from './vocabulary.ts';

const SPACE = 0x20;
/** SentencePiece writes a space as U+2581. */
const SPACE_MARK = '\u2581';
const SPACE_MARK_BYTES = encodeUtf8(SPACE_MARK);
/** How much less likely than the least likely piece an unknown character is, in nats. */
const UNKNOWN_PENALTY = 10;

export interface UnigramOptions {
  charsmap: Charsmap | undefined;
  /** A text begins with a space that is not its own. */
  addsSpacePrefix: boolean;
  /** Runs of spaces become one, and those at the end of a text vanish. */
  removesExtraSpaces: boolean;
  unknown: number;
}

export class UnigramModel implements TextModel {
  readonly cleansSpaces = false;
  readonly addsSpacePrefix: boolean;
  readonly #options: UnigramOptions;
  readonly #trie: TokenTrie;
  /** Log probability per token. */
  readonly #scores: Float64Array;
  readonly #unknownScore: number;

  constructor(trie: TokenTrie, scores: Float64Array, unknownScore: number, options: UnigramOptions) {
    this.#trie = trie;
    this.#scores = scores;
    this.#unknownScore = unknownScore;
    this.#options = options;
    this.addsSpacePrefix = options.addsSpacePrefix;
  }

  encode(text: string, _atStart: boolean, out: number[]): void {
    const clean = this.#normalize(text);
    const { unknown } = this.#options;
    /** Best sum of scores up to each place, the token that ends there and where that token starts. */
    const best = new Float64Array(clean.length + 1).fill(-Infinity);
    const tokens = new Int32Array(clean.length + 1);
    const starts = new Int32Array(clean.length + 1);
    best[0] = 0;
    const offer = (id: number, start: number, end: number, score: number) => {
      if (best[start]! + score <= best[end]!) return;
      best[end] = best[start]! + score;
      tokens[end] = id;
      starts[end] = start;
    };
    for (let at = 0; at < clean.length;) {
      const next = at + (clean.codePointAt(at)! > 0xffff ? 2 : 1);
      let covered = false;
      this.#trie.matches(clean, at, (id, end) => {
        if (end === next) covered = true;
        offer(id, at, end, this.#scores[id]!);
      });
      if (!covered) offer(unknown, at, next, this.#unknownScore);
      at = next;
    }
    const from = out.length;
    for (let end = clean.length; end > 0; end = starts[end]!) {
      const id = tokens[end]!;
      if (id !== unknown || out.length === from || out.at(-1) !== unknown) out.push(id);
    }
    reverseFrom(out, from);
  }

  normalPiece(tokenText: string): Uint8Array {
    return encodeUtf8(tokenText.replaceAll(SPACE_MARK, ' '));
  }

  #normalize(text: string): string {
    const { charsmap, addsSpacePrefix, removesExtraSpaces } = this.#options;
    const bytes: number[] = [];
    let pendingPrefix = addsSpacePrefix;
    let inWord = false;
    for (const part of normalized(encodeUnescaping(text), charsmap)) {
      for (const byte of part) {
        if (byte !== SPACE) {
          // A space comes before each word if runs of them are merged, else before the first only.
          if (!inWord && (pendingPrefix || removesExtraSpaces)) bytes.push(...SPACE_MARK_BYTES);
          if (!inWord) pendingPrefix = false;
          inWord = true;
          bytes.push(byte);
        } else {
          inWord = false;
          if (!removesExtraSpaces) bytes.push(...SPACE_MARK_BYTES);
        }
      }
    }
    return decodeUtf8(Uint8Array.from(bytes));
  }
}

/** Throws TokenizerError where the vocabulary lacks scores or an unknown token, or its table is damaged. */
export function* buildUnigram(
  metadata: Metadata,
  vocabulary: Vocabulary,
  unknown: number | undefined,
): Sliced<UnigramModel> {
  const { tokens, types, scores } = vocabulary;
  if (scores === undefined || unknown === undefined) {
    const missing = scores === undefined ? 'scores' : 'unknown_token_id';
    throw new TokenizerError(`tokenizer.ggml.${missing} is missing: a Unigram vocabulary needs it`);
  }
  let length = 0;
  for (const text of tokens) length += text.length;
  const trie = new TokenTrie(length);
  const used = new Float64Array(tokens.length);
  let lowest = Infinity;
  for (let id = 0; id < tokens.length; id++) {
    if (id % STEPS_PER_YIELD === 0) yield;
    const type = types[id]!;
    if (!(type & (NORMAL | USER_DEFINED | UNUSED))) continue;
    trie.add(tokens[id]!, id);
    // Scores are logarithms, so 0 is certain: a token that the user defined is taken wherever it fits.
    used[id] = type & USER_DEFINED ? 0 : scores[id]!;
    if (type & NORMAL && used[id]! < lowest) lowest = used[id]!;
  }
  return new UnigramModel(trie, used, Math.fround(lowest - UNKNOWN_PENALTY), {
    charsmap: readCharsmap(metadata.get('tokenizer.ggml.precompiled_charsmap')),
    addsSpacePrefix: optionalBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? false,
    removesExtraSpaces: optionalBoolean(metadata, 'tokenizer.ggml.remove_extra_whitespaces') ?? false,
    unknown,
  });
}

function reverseFrom(ids: number[], from: number): void {
  for (let left = from, right = ids.length - 1; left < right; left++, right--) {
    const id = ids[left]!;
    ids[left] = ids[right]!;
    ids[right] = id;
  }
}
