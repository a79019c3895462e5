/** `tokenizer.json` of Hugging Face tokenizers: the parts that GGUF metadata come from, checked. */
import { TokenizerError } from '../../errors.ts';
import { asArray, asNumber, asObject, asString, components, isObject, parseObject } from './json.ts';
import type { JsonObject } from './json.ts';

export const TOKENIZER_JSON = 'tokenizer.json';

export interface AddedToken {
  id: number;
  text: string;
  special: boolean;
}

export interface TokenizerJson {
  model: JsonObject;
  modelType: 'BPE' | 'Unigram' | 'WordPiece';
  added: AddedToken[];
  normalizers: JsonObject[];
  preTokenizers: JsonObject[];
  postProcessors: JsonObject[];
  decoders: JsonObject[];
}

export function readTokenizerJson(bytes: Uint8Array): TokenizerJson {
  const root = parseObject(bytes, TOKENIZER_JSON);
  const model = asObject(root['model'], `${TOKENIZER_JSON}: model`);
  return {
    model,
    modelType: modelType(model),
    added: readAdded(root['added_tokens']),
    normalizers: components(root['normalizer'], 'normalizers', `${TOKENIZER_JSON}: normalizer`),
    preTokenizers: components(root['pre_tokenizer'], 'pretokenizers', `${TOKENIZER_JSON}: pre_tokenizer`),
    postProcessors: components(root['post_processor'], 'processors', `${TOKENIZER_JSON}: post_processor`),
    decoders: components(root['decoder'], 'decoders', `${TOKENIZER_JSON}: decoder`),
  };
}

/** Files before 2021 do not name the type; what they hold tells it. */
function modelType(model: JsonObject): TokenizerJson['modelType'] {
  const type =
    model['type'] ?? ('merges' in model ? 'BPE' : Array.isArray(model['vocab']) ? 'Unigram' : 'WordPiece');
  if (type === 'BPE' || type === 'Unigram' || type === 'WordPiece') return type;
  throw new TokenizerError(
    `${TOKENIZER_JSON}: model.type ${JSON.stringify(type)} is not supported: BPE, Unigram and WordPiece are`,
  );
}

function readAdded(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return [];
  return asArray(value, `${TOKENIZER_JSON}: added_tokens`).map((entry, index) => {
    const where = `${TOKENIZER_JSON}: added_tokens[${index}]`;
    const token = asObject(entry, where);
    return {
      id: asNumber(token['id'], `${where}.id`),
      text: asString(token['content'], `${where}.content`),
      special: token['special'] === true,
    };
  });
}

/** [text, id] of the vocabulary of a BPE or WordPiece model. */
export function vocabularyEntries(model: JsonObject): [string, number][] {
  const vocabulary = asObject(model['vocab'], `${TOKENIZER_JSON}: model.vocab`);
  return Object.entries(vocabulary).map(([text, id]) => [
    text,
    asNumber(id, `${TOKENIZER_JSON}: model.vocab[${JSON.stringify(text)}]`),
  ]);
}

/** The merges as pairs: older files join them by a space, newer ones keep them apart. */
export function mergePairs(model: JsonObject): [string, string][] {
  return asArray(model['merges'] ?? [], `${TOKENIZER_JSON}: model.merges`).map((merge, rank) => {
    const where = `${TOKENIZER_JSON}: model.merges[${rank}]`;
    if (typeof merge === 'string') {
      const space = merge.indexOf(' ', 1);
      if (space < 0) throw new TokenizerError(`${where} does not hold two tokens`);
      return [merge.slice(0, space), merge.slice(space + 1)];
    }
    const pair = asArray(merge, where);
    if (pair.length !== 2) throw new TokenizerError(`${where} does not hold two tokens`);
    return [asString(pair[0], where), asString(pair[1], where)];
  });
}

/** Whether text is turned into GPT-2's byte alphabet, by either of the two components that do it. */
export function isByteLevel(json: TokenizerJson): boolean {
  return [...json.preTokenizers, ...json.normalizers].some((part) => part['type'] === 'ByteLevel');
}

/** The literal string that a Replace or Split component looks for, or undefined. */
export function literalPattern(part: JsonObject): string | undefined {
  const pattern = part['pattern'];
  return isObject(pattern) && typeof pattern['String'] === 'string' ? pattern['String'] : undefined;
}

/** The expression that a Replace or Split component looks for, or undefined. */
export function regexPattern(part: JsonObject): string | undefined {
  const pattern = part['pattern'];
  return isObject(pattern) && typeof pattern['Regex'] === 'string' ? pattern['Regex'] : undefined;
}
