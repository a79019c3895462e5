import type { StreamDecoder } from './types.ts';

/**
 * Joins the bytes of tokens to text as they come. A character may be spread over several tokens: its first bytes
 * are held back until the rest is there.
 */
export class Utf8StreamDecoder implements StreamDecoder {
  readonly #pieceOf: (id: number) => Uint8Array;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(pieceOf: (id: number) => Uint8Array) {
    this.#pieceOf = pieceOf;
  }

  push(id: number): string {
    return this.#utf8.decode(this.#pieceOf(id), { stream: true });
  }

  flush(): string {
    return this.#utf8.decode();
  }
}
