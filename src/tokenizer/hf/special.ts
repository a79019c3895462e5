/** Which tokens open and close a text, from the files around the vocabulary. */
import { u32 } from '../../gguf/writable.ts';
import type { WritableValue } from '../../gguf/writable.ts';
import { writeId } from './draft.ts';
import type { VocabularyDraft } from './draft.ts';
import { isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

/** A role in tokenizer_config.json (`bos_token`) and its name in GGUF (`tokenizer.ggml.bos_token_id`). */
const ROLES: readonly (readonly [role: string, name: string])[] = [
  ['bos', 'bos'],
  ['eos', 'eos'],
  ['unk', 'unknown'],
  ['sep', 'seperator'], // GGUF's spelling
  ['pad', 'padding'],
  ['cls', 'cls'],
  ['mask', 'mask'],
];

export interface SpecialSources {
  /** tokenizer_config.json, special_tokens_map.json, then config.json and generation_config.json, where they are. */
  config: JsonObject;
  specialTokensMap: JsonObject;
  modelConfig: JsonObject;
  generationConfig: JsonObject;
  json: TokenizerJson | undefined;
}

export type SpecialIds = Map<string, number>;

/** Role -> id. A token's text in the tokenizer's files counts before an id in the model's. */
export function findSpecialIds(draft: VocabularyDraft, sources: SpecialSources): SpecialIds {
  const ids: SpecialIds = new Map();
  for (const [role] of ROLES) {
    const id =
      idByText(draft, sources.config[`${role}_token`]) ??
      idByText(draft, sources.specialTokensMap[`${role}_token`]) ??
      idOf(draft, sources.modelConfig[`${role}_token_id`]) ??
      idOf(draft, sources.generationConfig[`${role}_token_id`]);
    if (id !== undefined) ids.set(role, id);
  }
  const unknown = sources.json?.model['unk_token'];
  if (!ids.has('unk') && typeof unknown === 'string') {
    const id = draft.idOf(unknown);
    if (id !== undefined) ids.set('unk', id);
  }
  return ids;
}

/** Writes the ids, a second token that ends an answer, and whether BOS and EOS enclose a text. */
export function writeSpecial(
  metadata: Map<string, WritableValue>,
  draft: VocabularyDraft,
  ids: SpecialIds,
  sources: SpecialSources,
): void {
  for (const [role, name] of ROLES) writeId(metadata, name, ids.get(role));
  const end = endOfTurn(draft, ids, sources.generationConfig);
  if (end !== undefined) metadata.set('tokenizer.ggml.eot_token_id', u32(end));
  const template = enclosing(sources.json);
  for (const [role, fromTemplate] of [
    ['bos', template?.first],
    ['eos', template?.last],
  ] as const) {
    const id = ids.get(role);
    const configured = sources.config[`add_${role}_token`];
    const token = role === 'bos' ? (id ?? ids.get('cls')) : (id ?? ids.get('sep'));
    const inTemplate = template && token !== undefined ? fromTemplate === draft.text(token) : undefined;
    const adds = typeof configured === 'boolean' ? configured : inTemplate;
    // Without the token there is nothing to add, and llama.cpp refuses a file that says otherwise.
    if (adds !== undefined) metadata.set(`tokenizer.ggml.add_${role}_token`, adds && id !== undefined);
  }
}

/** generation_config.json often lists several ends, of which tokenizer_config.json names one. */
function endOfTurn(draft: VocabularyDraft, ids: SpecialIds, generation: JsonObject): number | undefined {
  const ends = generation['eos_token_id'];
  if (!Array.isArray(ends)) return undefined;
  const others = (ends as unknown[]).filter((id) => id !== ids.get('eos'));
  return others.length > 0 ? idOf(draft, others[0]) : undefined;
}

/** The tokens that the post-processor puts before and after a single text; undefined where it cannot be told. */
function enclosing(json: TokenizerJson | undefined): { first?: string; last?: string } | undefined {
  if (json === undefined) return undefined;
  for (const part of json.postProcessors) {
    if (part['type'] === 'TemplateProcessing' && Array.isArray(part['single'])) {
      const single = part['single'] as unknown[];
      return { first: templateToken(single[0]), last: templateToken(single.at(-1)) };
    }
    if (part['type'] === 'RobertaProcessing' || part['type'] === 'BertProcessing') {
      const [first, last] = [part['cls'], part['sep']].map((pair) =>
        Array.isArray(pair) ? (pair[0] as unknown) : undefined,
      );
      return { first: stringOr(first), last: stringOr(last) };
    }
  }
  return {};
}

function templateToken(piece: unknown): string | undefined {
  const token = isObject(piece) ? piece['SpecialToken'] : undefined;
  return isObject(token) ? stringOr(token['id']) : undefined;
}

function stringOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A token is written as its text, or as an object that holds the text. */
function idByText(draft: VocabularyDraft, token: unknown): number | undefined {
  const text = isObject(token) ? token['content'] : token;
  return typeof text === 'string' ? draft.idOf(text) : undefined;
}

/** One id, or the first of a list. */
function idOf(draft: VocabularyDraft, value: unknown): number | undefined {
  const id: unknown = Array.isArray(value) ? value[0] : value;
  return typeof id === 'number' && draft.text(id) !== undefined ? id : undefined;
}
