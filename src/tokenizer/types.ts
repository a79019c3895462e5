/** Text to token ids and back. The work is split over vocabulary.ts, bpe.ts, spm.ts, wordpiece.ts, unigram.ts; tokenizer.ts joins them. */
export interface EncodeOptions {
  /** Add BOS/EOS, or BERT's [CLS] and [SEP], where the vocabulary asks for them; default true. */
  addSpecial?: boolean;
  /** Special tokens written in the text become tokens; default false: they stay text. */
  parseSpecial?: boolean;
}

export interface DecodeOptions {
  /** Show control tokens (and keep BOS/EOS); default false. */
  special?: boolean;
  /**
   * Remove spaces before punctuation and contractions in vocabularies for which llama.cpp does so (llama-bpe,
   * gpt-2 and default pre-tokenizers). Default false: the text as the tokens spell it, the same as streamed.
   */
  cleanSpaces?: boolean;
}

export interface StreamDecoderOptions {
  /** Show control tokens; default false. */
  special?: boolean;
  /**
   * The tokens start a text, so the space that SPM vocabularies put before it is dropped, as in `decode`.
   * Default false: they continue something, and a leading space belongs to them.
   */
  fromStart?: boolean;
}

export interface Tokenizer {
  /** Vocabulary kind as in `tokenizer.ggml.model`: gpt2 (BPE), llama (SPM), bert (WordPiece), t5 (Unigram). */
  readonly kind: string;
  readonly size: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Ids that end a turn or the text: eos, eot, eom, and the token texts that llama.cpp treats so. */
  readonly endOfGeneration: ReadonlySet<number>;

  /** Bytes need not be valid UTF-8: each vocabulary kind treats bad bytes as llama.cpp does. */
  encode(text: string | Uint8Array, options?: EncodeOptions): number[];
  /** Bytes of one token, shared: do not write to them. Control tokens are empty unless `special`. */
  piece(id: number, special?: boolean): Uint8Array;
  /**
   * The text of `ids`; invalid UTF-8 becomes U+FFFD. As in llama.cpp, the space that SPM vocabularies put before a
   * text is dropped, but not after a BOS: encode with `addSpecial: false` to get the same text back.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** As `decode`, but the bytes as they are (never cleaned of spaces). */
  decodeBytes(ids: readonly number[], options?: { special?: boolean }): Uint8Array;
  /** The token's text as it stands in the vocabulary, or undefined for an id out of range. */
  tokenText(id: number): string | undefined;
  /** The id of a token by its text in the vocabulary. */
  tokenId(text: string): number | undefined;
  /** A streaming decoder that holds back incomplete UTF-8. */
  decoder(options?: StreamDecoderOptions): StreamDecoder;
}

export interface StreamDecoder {
  /** Text that became complete with this token, possibly ''. */
  push(id: number): string;
  /** What is left; an incomplete character becomes U+FFFD. */
  flush(): string;
}

/**
 * How one vocabulary kind turns plain text into ids: the seam between tokenizer.ts, which knows special tokens,
 * BOS and decoding, and the algorithms. A new kind is a new TextModel and a row in index.ts.
 */
export interface TextModel {
  /**
   * Appends the ids of a piece of text without special tokens to `out`. `atStart`: no text stands before it, only
   * special tokens or nothing. Bytes that are not valid UTF-8 are escaped in the string (see utf8.ts).
   */
  encode(text: string, atStart: boolean, out: number[]): void;
  /** The bytes that the text of a normal token stands for. */
  normalPiece(tokenText: string): Uint8Array;
  /** A single space at the start of the whole text is the tokenizer's own: decoding drops it. */
  readonly addsSpacePrefix: boolean;
  /** llama.cpp cleans spaces when it detokenizes this vocabulary. */
  readonly cleansSpaces: boolean;
}
