import type { StreamDecoder } from './types.ts';

/**
 * Joins the bytes of tokens to text as they come. A character may be spread over several tokens: its first bytes
 * are held back until the rest is there.
 */
export class Utf8StreamDecoder implements StreamDecoder {
  readonly #pieceOf: (id: number) => Uint8Array;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  /** The decoder may hold the first bytes of a character. */
  #holding = false;

  constructor(pieceOf: (id: number) => Uint8Array) {
    this.#pieceOf = pieceOf;
  }

  push(id: number): string {
    const piece = this.#pieceOf(id);
    const text = asciiText(piece);
    // Most pieces: a call of the host's decoder takes ten times as long.
    if (text !== undefined && !this.#holding) return text;
    // A byte of ASCII ends whatever was held.
    this.#holding = text === undefined || text === '';
    return this.#utf8.decode(piece, { stream: true });
  }

  flush(): string {
    this.#holding = false;
    return this.#utf8.decode();
  }
}

function asciiText(bytes: Uint8Array): string | undefined {
  let text = '';
  for (const byte of bytes) {
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
