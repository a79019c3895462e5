import { TokenizerError } from '../errors.ts';
import { Merger } from './merger.ts';
import type { PairSource } from './merger.ts';
import { optionalBoolean } from './metadata.ts';
import type { Metadata } from './metadata.ts';
import { STEPS_PER_YIELD } from './slices.ts';
import type { Sliced } from './slices.ts';
import type { TextModel } from './types.ts';
import { decodeUtf8, encodeUnescaping, encodeUtf8, hasEscapedBytes, validLength } from './utf8.ts';
import type { NumberArray } from './metadata.ts';
import type { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

/** SentencePiece writes a space as U+2581. */
const SPACE_MARK = '\u2581';
const SPACE_MARK_CODE = 0x2581;

/**
 * SentencePiece's BPE ("llama"): the whole text is one word, characters are the first symbols, and of all
 * neighbours that together make a token, those with the best score merge first. What is left and no token is
 * written in byte tokens.
 */
export class SpmModel implements TextModel, PairSource {
  readonly cleansSpaces = false;
  readonly addsSpacePrefix: boolean;
  /** Score of the token last found, negated. */
  priority = 0;
  readonly merger = new Merger();
  readonly #vocabulary: Vocabulary;
  readonly #scores: NumberArray;
  /** Byte -> its token; the unknown token, or -1, where there is none. */
  readonly #byteIds: Int32Array;
  readonly #splitsWords: boolean;
  readonly #cache = new WordCache();
  #text = '';

  constructor(vocabulary: Vocabulary, scores: NumberArray, options: SpmOptions) {
    this.#vocabulary = vocabulary;
    this.#scores = scores;
    this.addsSpacePrefix = options.addsSpacePrefix;
    this.#splitsWords = options.splitsWords;
    this.#byteIds = new Int32Array(256);
    for (let byte = 0; byte < 256; byte++) {
      const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
      const plain = byte < 0x80 ? vocabulary.idOf.get(String.fromCharCode(byte)) : undefined;
      this.#byteIds[byte] = vocabulary.idOf.get(name) ?? plain ?? options.unknown ?? -1;
    }
  }

  encode(text: string, atStart: boolean, out: number[]): void {
    const prefixed = this.addsSpacePrefix && atStart ? ' ' + text : text;
    const marked = prefixed.replaceAll(' ', SPACE_MARK);
    if (hasEscapedBytes(marked)) this.#encodeBroken(encodeUnescaping(marked), out);
    else this.#encodeClean(marked, out);
  }

  normalPiece(tokenText: string): Uint8Array {
    return encodeUtf8(tokenText.replaceAll(SPACE_MARK, ' '));
  }

  find(left: number, right: number): number {
    const start = this.merger.starts[left]!;
    const end = this.merger.ends[right]!;
    // Without this limit, looking up ever longer pieces of a long line would take quadratic time.
    if (end - start > this.#vocabulary.maxLength) return -1;
    const id = this.#vocabulary.idOf.get(this.#text.slice(start, end));
    if (id === undefined) return -1;
    this.priority = -this.#scores[id]!;
    return id;
  }

  #encodeClean(text: string, out: number[]): void {
    if (!this.#splitsWords) {
      this.#encodeWord(text, out);
      return;
    }
    let start = 0;
    for (let i = 1; i <= text.length; i++) {
      const isStart = text.charCodeAt(i) === SPACE_MARK_CODE && text.charCodeAt(i - 1) !== SPACE_MARK_CODE;
      if (!isStart && i < text.length) continue;
      const word = text.slice(start, i);
      start = i;
      if (this.#cache.append(word, out)) continue;
      const from = out.length;
      this.#encodeWord(word, out);
      this.#cache.store(word, out, from);
    }
  }

  #encodeWord(text: string, out: number[]): void {
    const { merger } = this;
    const { idOf } = this.#vocabulary;
    this.#text = text;
    merger.reserve(text.length);
    let count = 0;
    for (let start = 0; start < text.length; count++) {
      const end = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
      merger.ids[count] = idOf.get(text.slice(start, end)) ?? -1;
      merger.starts[count] = start;
      merger.ends[count] = end;
      start = end;
    }
    merger.merge(count, this);
    for (let i = count > 0 ? 0 : -1; i >= 0; i = merger.next[i]!) {
      const id = merger.ids[i]!;
      if (id >= 0) out.push(id);
      else this.#pushBytes(encodeUtf8(text.slice(merger.starts[i]!, merger.ends[i]!)), out);
    }
    this.#text = '';
  }

  #pushBytes(bytes: Uint8Array, out: number[]): void {
    for (const byte of bytes) {
      const id = this.#byteIds[byte]!;
      if (id >= 0) out.push(id);
    }
  }

  /**
   * Text with invalid UTF-8. llama.cpp takes as many bytes for a character as its first byte announces, whatever they
   * are; if that is no character, it is in no token, so it becomes byte tokens and the text around it is apart.
   */
  #encodeBroken(bytes: Uint8Array, out: number[]): void {
    let start = 0;
    let at = 0;
    while (at < bytes.length) {
      const lead = bytes[at]!;
      const announced = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      const length = Math.min(announced, bytes.length - at);
      if (validLength(bytes, at) !== length) {
        if (at > start) this.#encodeClean(decodeUtf8(bytes.subarray(start, at)), out);
        this.#pushBytes(bytes.subarray(at, at + length), out);
        start = at + length;
      }
      at += length;
    }
    if (at > start) this.#encodeClean(decodeUtf8(bytes.subarray(start, at)), out);
  }
}

interface SpmOptions {
  addsSpacePrefix: boolean;
  unknown: number | undefined;
  /**
   * No token has a space mark after another character, so merges never cross from one word into the next, and
   * text can be encoded, and remembered, word by word. True for the usual vocabularies.
   */
  splitsWords: boolean;
}

export function* buildSpm(
  metadata: Metadata,
  vocabulary: Vocabulary,
  unknown: number | undefined,
): Sliced<SpmModel> {
  const { scores, tokens } = vocabulary;
  if (scores === undefined)
    throw new TokenizerError('tokenizer.ggml.scores is missing: an SPM vocabulary needs it');
  let splitsWords = true;
  for (let id = 0; id < tokens.length && splitsWords; id++) {
    if (id % STEPS_PER_YIELD === 0) yield;
    if (/[^\u2581]\u2581/.test(tokens[id]!)) splitsWords = false;
  }
  const addsSpacePrefix = optionalBoolean(metadata, 'tokenizer.ggml.add_space_prefix') ?? true;
  return new SpmModel(vocabulary, scores, { addsSpacePrefix, unknown, splitsWords });
}
