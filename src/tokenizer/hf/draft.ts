/** A vocabulary while it is put together from the files of a checkpoint, before it becomes GGUF metadata. */
import { typed, u32 } from '../../gguf/writable.ts';
import type { WritableValue } from '../../gguf/writable.ts';
import { TokenizerError } from '../../errors.ts';

/** `tokenizer.ggml.token_type`. */
export const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

/** Ids may leave gaps, but not so large ones that a few tokens make a huge table. */
const MAX_GAPS = 4096;
/** Beyond any vocabulary: the largest have 262,144 tokens. */
const MAX_SIZE = 1 << 22;

export class VocabularyDraft {
  readonly #tokens: (string | undefined)[] = [];
  readonly #types: number[] = [];
  readonly #scores: number[] = [];
  readonly #idOf = new Map<string, number>();
  #count = 0;

  get size(): number {
    return this.#tokens.length;
  }

  /** Adds a token, or gives another text or type to the one at `id`. Throws TokenizerError on ids out of reach. */
  set(id: number, text: string, type: number, score = 0): void {
    if (!Number.isInteger(id) || id < 0 || id > 2 * this.#count + MAX_GAPS) {
      throw new TokenizerError(`token ${JSON.stringify(text)} has the id ${id}, far from all others`);
    }
    const other = this.#idOf.get(text);
    if (other !== undefined && other !== id) {
      throw new TokenizerError(`tokens ${other} and ${id} are both ${JSON.stringify(text)}`);
    }
    const before = this.#tokens[id];
    if (before === undefined) this.#count++;
    else this.#idOf.delete(before);
    while (this.#tokens.length < id) this.#tokens.push(undefined);
    this.#tokens[id] = text;
    this.#types[id] = type;
    this.#scores[id] = score;
    this.#idOf.set(text, id);
  }

  text(id: number): string | undefined {
    return this.#tokens[id];
  }

  score(id: number): number {
    return this.#scores[id] ?? 0;
  }

  type(id: number): number | undefined {
    return this.#types[id];
  }

  idOf(text: string): number | undefined {
    return this.#idOf.get(text);
  }

  /** Unused tokens for ids without one, up to `size`: the rows that a model's embedding has beyond its vocabulary. */
  pad(size: number): void {
    if (size > MAX_SIZE) throw new TokenizerError(`a vocabulary of ${size} tokens is not plausible`);
    for (let id = 0; id < Math.max(size, this.#tokens.length); id++) {
      if (this.#tokens[id] !== undefined) continue;
      this.#tokens[id] = `[PAD${id}]`;
      this.#types[id] = TYPE.unused;
      this.#scores[id] = 0;
    }
  }

  /** The tables as metadata; `scores` only where the vocabulary kind has them. */
  write(metadata: Map<string, WritableValue>, scores: boolean): void {
    metadata.set('tokenizer.ggml.tokens', typed('string[]', this.#tokens as string[]));
    if (scores) metadata.set('tokenizer.ggml.scores', Float32Array.from(this.#scores));
    metadata.set('tokenizer.ggml.token_type', Int32Array.from(this.#types));
  }
}

/** Writes `tokenizer.ggml.NAME_token_id`. */
export function writeId(metadata: Map<string, WritableValue>, name: string, id: number | undefined): void {
  if (id !== undefined && id >= 0) metadata.set(`tokenizer.ggml.${name}_token_id`, u32(id));
}
