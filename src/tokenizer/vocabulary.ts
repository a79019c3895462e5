import { TokenizerError } from '../errors.ts';
import { optionalNumbers, requiredStrings } from './metadata.ts';
import type { Metadata, NumberArray } from './metadata.ts';
import { STEPS_PER_YIELD } from './slices.ts';
import type { Sliced } from './slices.ts';

/** Token types as bits, because a token whose text gives it away as control keeps its type beside it. */
export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 4;
export const USER_DEFINED = 8;
export const UNUSED = 16;
export const BYTE = 32;
/** White space before or after the token belongs to it when it is parsed in a text. */
export const STRIP_LEFT = 64;
export const STRIP_RIGHT = 128;

/** `tokenizer.ggml.token_type` (1 to 6) to bits; 0 and anything else is no type at all, as in llama.cpp. */
const TYPE_BITS = [0, NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE];

/** More would not fit the arithmetic of ids anywhere; the largest vocabularies have 262,144 tokens. */
const MAX_TOKENS = 1 << 24;

export interface Vocabulary {
  readonly tokens: readonly string[];
  readonly idOf: ReadonlyMap<string, number>;
  /** Bits per token. */
  readonly types: Uint8Array;
  readonly scores: NumberArray | undefined;
  /** Length of the longest token in UTF-16 code units. */
  readonly maxLength: number;
}

const TOKENS = 'tokenizer.ggml.tokens';

/** Reads and checks tokens, types and scores. */
export function* readVocabulary(metadata: Metadata): Sliced<Vocabulary> {
  const source = requiredStrings(metadata, TOKENS);
  const size = source.length;
  if (size === 0 || size > MAX_TOKENS) throw new TokenizerError(`${TOKENS} has ${size} entries`);
  const typeNumbers = optionalNumbers(metadata, 'tokenizer.ggml.token_type', size);
  const scores = optionalNumbers(metadata, 'tokenizer.ggml.scores', size);

  const tokens: string[] = [];
  const idOf = new Map<string, number>();
  const types = new Uint8Array(size);
  let maxLength = 0;
  for (let id = 0; id < size; id++) {
    if (id % STEPS_PER_YIELD === 0) yield;
    let text = source[id];
    if (typeof text !== 'string') throw new TokenizerError(`${TOKENS}: entry ${id} is not a string`);
    if (text === '') text = `[EMPTY_${id}]`; // llama.cpp's name for it: an empty text would match everywhere
    const before = idOf.get(text);
    if (before !== undefined) {
      throw new TokenizerError(`${TOKENS}: entries ${before} and ${id} are both ${JSON.stringify(text)}`);
    }
    idOf.set(text, id);
    tokens.push(text);
    types[id] = typeNumbers === undefined ? NORMAL : (TYPE_BITS[typeNumbers[id]!] ?? 0);
    if (scores !== undefined && Number.isNaN(scores[id])) {
      throw new TokenizerError(`tokenizer.ggml.scores: entry ${id} is not a number`);
    }
    if (text.length > maxLength) maxLength = text.length;
  }
  return { tokens, idOf, types, scores, maxLength };
}
