/** Text to token ids and back. Implementations: bpe.ts, spm.ts. */
export interface EncodeOptions {
  /** Add BOS/EOS where the vocabulary asks for them; default true. */
  addSpecial?: boolean;
  /** Special tokens written in the text become tokens; default false: they stay text. */
  parseSpecial?: boolean;
}

export interface Tokenizer {
  /** Vocabulary kind as in `tokenizer.ggml.model`: gpt2 (BPE), llama (SPM), ... */
  readonly kind: string;
  readonly size: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly addBos: boolean;
  /** Ids that end a turn or the text: eos, eot, eom, and the token texts that llama.cpp treats so. */
  readonly endOfGeneration: ReadonlySet<number>;

  encode(text: string | Uint8Array, options?: EncodeOptions): number[];
  /** Bytes of one token; control tokens are empty unless `special`. */
  piece(id: number, special?: boolean): Uint8Array;
  /** The text of `ids`; invalid UTF-8 becomes U+FFFD. `special`: show control tokens. */
  decode(ids: readonly number[], options?: { special?: boolean }): string;
  /** The token's text as it stands in the vocabulary, or undefined for an id out of range. */
  tokenText(id: number): string | undefined;
  /** The id of a token by its text in the vocabulary. */
  tokenId(text: string): number | undefined;
  /** A streaming decoder that holds back incomplete UTF-8. */
  decoder(options?: { special?: boolean }): StreamDecoder;
}

export interface StreamDecoder {
  /** Text that became complete with this token, possibly ''. */
  push(id: number): string;
  /** What is left; an incomplete character becomes U+FFFD. */
  flush(): string;
}
