import { SpecialSplitter } from './special-splitter.ts';
import type { SpecialTokens } from './special-tokens.ts';
import { Utf8StreamDecoder } from './stream-decoder.ts';
import type {
  DecodeOptions,
  EncodeOptions,
  StreamDecoder,
  StreamDecoderOptions,
  TextModel,
  Tokenizer,
} from './types.ts';
import { decodeEscaping, decodeUtf8, encodeUtf8, wellFormed } from './utf8.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED } from './vocabulary.ts';
import type { Vocabulary } from './vocabulary.ts';

const NO_BYTES = new Uint8Array(0);
const SPACE = 0x20;

/** What all vocabulary kinds share: special tokens, BOS and EOS, and the way back to text. */
export class GgufTokenizer implements Tokenizer {
  readonly kind: string;
  readonly size: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly endOfGeneration: ReadonlySet<number>;
  readonly #vocabulary: Vocabulary;
  readonly #separator: number | undefined;
  readonly #model: TextModel;
  // Built when first used: most programs need one of the two.
  #userDefined: SpecialSplitter | undefined;
  #allSpecial: SpecialSplitter | undefined;
  readonly #pieces = new Map<number, Uint8Array>();

  constructor(kind: string, vocabulary: Vocabulary, special: SpecialTokens, model: TextModel) {
    this.kind = kind;
    this.size = vocabulary.tokens.length;
    this.bos = special.bos;
    this.eos = special.eos;
    this.addBos = special.addBos;
    this.addEos = special.addEos;
    this.endOfGeneration = special.endOfGeneration;
    this.#vocabulary = vocabulary;
    this.#separator = special.separator;
    this.#model = model;
  }

  encode(text: string | Uint8Array, options: EncodeOptions = {}): number[] {
    const { addSpecial = true, parseSpecial = false } = options;
    const out: number[] = [];
    if (addSpecial && this.addBos && this.bos !== undefined) out.push(this.bos);
    let atStart = true;
    const input = typeof text === 'string' ? wellFormed(text) : decodeEscaping(text);
    for (const part of this.#splitter(parseSpecial).split(input)) {
      if (typeof part === 'number') out.push(part);
      else this.#model.encode(part, atStart, out);
      atStart = typeof part === 'number';
    }
    if (addSpecial && this.#separator !== undefined) out.push(this.#separator);
    else if (addSpecial && this.addEos && this.eos !== undefined) out.push(this.eos);
    return out;
  }

  piece(id: number, special = false): Uint8Array {
    const type = this.#vocabulary.types[id] ?? 0;
    if (!special && type & (CONTROL | UNKNOWN)) return NO_BYTES;
    const text = this.#vocabulary.tokens[id];
    if (text === undefined) return NO_BYTES;
    let bytes = this.#pieces.get(id);
    if (bytes === undefined) this.#pieces.set(id, (bytes = this.#spell(text, type)));
    return bytes;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    const text = decodeUtf8(this.decodeBytes(ids, options));
    return options.cleanSpaces && this.#model.cleansSpaces ? cleanSpaces(text) : text;
  }

  decodeBytes(ids: readonly number[], options: { special?: boolean } = {}): Uint8Array {
    const { special = false } = options;
    let stripsSpace = this.#model.addsSpacePrefix;
    let from = 0;
    let to = ids.length;
    if (!special && this.addBos && to > 0 && ids[0] === this.bos) {
      // llama.cpp: after a BOS the space stays.
      stripsSpace = false;
      from++;
    }
    if (!special && this.addEos && to > from && ids[to - 1] === this.eos) to--;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let i = from; i < to; i++) {
      let piece = this.piece(ids[i]!, special);
      if (i === from && stripsSpace && piece[0] === SPACE) piece = piece.subarray(1);
      pieces.push(piece);
      length += piece.length;
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  tokenText(id: number): string | undefined {
    return this.#vocabulary.tokens[id];
  }

  tokenId(text: string): number | undefined {
    return this.#vocabulary.idOf.get(text);
  }

  decoder(options: StreamDecoderOptions = {}): StreamDecoder {
    const { special = false, fromStart = false } = options;
    // A leading BOS has no bytes here and, as in decodeBytes, keeps the space after it.
    let stripsSpace = fromStart && this.#model.addsSpacePrefix;
    return new Utf8StreamDecoder((id) => {
      const piece = this.piece(id, special);
      const strips = stripsSpace && piece[0] === SPACE;
      stripsSpace = false;
      return strips ? piece.subarray(1) : piece;
    });
  }

  #spell(text: string, type: number): Uint8Array {
    if (type & (CONTROL | UNKNOWN | USER_DEFINED)) return encodeUtf8(text);
    if (type & NORMAL) return this.#model.normalPiece(text);
    if (type & BYTE) return Uint8Array.of(Number.parseInt(text.slice(3, 5), 16));
    return NO_BYTES; // unused, or of no known type
  }

  /** User-defined tokens are found in any text, control tokens only where the caller asks for it. */
  #splitter(parseSpecial: boolean): SpecialSplitter {
    if (parseSpecial) return (this.#allSpecial ??= this.#buildSplitter(CONTROL | UNKNOWN | USER_DEFINED, 0));
    return (this.#userDefined ??= this.#buildSplitter(USER_DEFINED, CONTROL | UNKNOWN));
  }

  #buildSplitter(wanted: number, unwanted: number): SpecialSplitter {
    const { tokens, types } = this.#vocabulary;
    const special: { id: number; text: string; types: number }[] = [];
    types.forEach((type, id) => {
      if (type & wanted && !(type & unwanted)) special.push({ id, text: tokens[id]!, types: type });
    });
    return new SpecialSplitter(special);
  }
}

/** llama.cpp's three passes for vocabularies that come from GPT-2's line. */
function cleanSpaces(text: string): string {
  return text
    .replace(/ (?=[?!.,])/g, '')
    .replace(/ ' /g, "'")
    .replace(/ (?='(?:[sm]|re|ve))/g, '');
}
