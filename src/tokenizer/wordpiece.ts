/**
 * WordPiece ("bert"): text is cleaned and cut into words at white space, around punctuation and around Chinese
 * characters; each word is then written with the longest pieces that fit, from the left (Schuster and Nakajima
 * 2012; Devlin et al. 2018). A word that no sequence of pieces writes is the unknown token, whole.
 *
 * In a GGUF file, as in llama.cpp, U+2581 marks a piece that starts a word; BERT's own files mark the others, by ##.
 */
import { TokenizerError } from '../errors.ts';
import { optionalBoolean } from './metadata.ts';
import type { Metadata } from './metadata.ts';
import type { TextModel } from './types.ts';
import { encodeUtf8, replaceInvalid } from './utf8.ts';
import type { Vocabulary } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

const WORD_MARK = '\u2581';
/** BERT takes longer words for unknown without looking. It also bounds the search, which is quadratic in a word. */
const MAX_WORD_CHARACTERS = 100;

/** No text: controls, formats (soft hyphen, joiners), private use, lone surrogates, and U+FFFD. Not tab and newlines. */
const INVISIBLE = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu;
/** Chinese characters in BERT's sense, which stand alone: the blocks of unified and compatibility ideographs. */
const IDEOGRAPH =
  '\\u{3400}-\\u{4dbf}\\u{4e00}-\\u{9fff}\\u{f900}-\\u{faff}\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2b73f}' +
  '\\u{2b740}-\\u{2b81f}\\u{2b920}-\\u{2ceaf}\\u{2f800}-\\u{2fa1f}';
/** What stands alone: punctuation, ASCII's symbols, ideographs; and what lies between that is not white space. */
const ALONE = `\\p{P}$+<=>^\`\\|~${IDEOGRAPH}`;
const WORDS = new RegExp(`[${ALONE}]|[^${ALONE}\\p{White_Space}]+`, 'gu');

export interface WordPieceOptions {
  unknown: number;
  /** Text is lower-cased before it is looked up. */
  lowercase: boolean;
  /** Accents are taken off letters before they are looked up. */
  stripAccents: boolean;
}

export class WordPieceModel implements TextModel {
  readonly addsSpacePrefix = false;
  readonly cleansSpaces = true;
  readonly #vocabulary: Vocabulary;
  readonly #options: WordPieceOptions;
  readonly #cache = new WordCache();

  constructor(vocabulary: Vocabulary, options: WordPieceOptions) {
    this.#vocabulary = vocabulary;
    this.#options = options;
  }

  encode(text: string, _atStart: boolean, out: number[]): void {
    for (const [word] of this.#normalize(text).matchAll(WORDS)) {
      if (this.#cache.append(word, out)) continue;
      const from = out.length;
      this.#encodeWord(word, out);
      this.#cache.store(word, out, from);
    }
  }

  normalPiece(tokenText: string): Uint8Array {
    return encodeUtf8(tokenText.replaceAll(WORD_MARK, ' '));
  }

  #normalize(text: string): string {
    let clean = replaceInvalid(text).replace(INVISIBLE, '');
    if (this.#options.stripAccents) clean = clean.normalize('NFD').replace(/\p{Mn}/gu, '');
    // Character by character: the final sigma of a word is lower-cased like any other.
    return this.#options.lowercase ? clean.replace(/\p{Changes_When_Lowercased}/gu, lower) : clean;
  }

  #encodeWord(word: string, out: number[]): void {
    const from = out.length;
    const marked = WORD_MARK + word;
    let start = isTooLong(word) ? -1 : 0;
    while (start >= 0 && start < marked.length) {
      const id = this.#longestPiece(marked, start);
      if (id === undefined) {
        start = -1;
      } else {
        out.push(id);
        start += this.#vocabulary.tokens[id]!.length;
      }
    }
    if (start >= 0) return;
    out.length = from;
    out.push(this.#options.unknown);
  }

  #longestPiece(word: string, start: number): number | undefined {
    const { idOf, maxLength } = this.#vocabulary;
    for (let end = Math.min(word.length, start + maxLength); end > start; end--) {
      const id = idOf.get(word.slice(start, end));
      if (id !== undefined) return id;
    }
    return undefined;
  }
}

/** Throws TokenizerError where the vocabulary has no unknown token. */
export function buildWordPiece(
  metadata: Metadata,
  vocabulary: Vocabulary,
  unknown: number | undefined,
): WordPieceModel {
  if (unknown === undefined) {
    throw new TokenizerError(
      'tokenizer.ggml.unknown_token_id is missing: a WordPiece vocabulary needs an unknown token',
    );
  }
  const lowercase = optionalBoolean(metadata, 'tokenizer.ggml.normalizer.lowercase') ?? true;
  const stripAccents = optionalBoolean(metadata, 'tokenizer.ggml.normalizer.strip_accents') ?? lowercase;
  return new WordPieceModel(vocabulary, { unknown, lowercase, stripAccents });
}

function lower(character: string): string {
  return character.toLowerCase();
}

function isTooLong(word: string): boolean {
  return word.length > MAX_WORD_CHARACTERS && [...word].length > MAX_WORD_CHARACTERS;
}
