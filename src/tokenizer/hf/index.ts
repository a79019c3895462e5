/**
 * The tokenizer of a Hugging Face checkpoint as GGUF metadata: from `tokenizer.json`, from SentencePiece's
 * `tokenizer.model` or `spiece.model`, or from BERT's `vocab.txt`, and the files beside them.
 */
import type { Typed, WritableValue } from '../../gguf/writable.ts';
import type { GgufValue } from '../../gguf/types.ts';
import { TokenizerError } from '../../errors.ts';
import type { Metadata } from '../metadata.ts';
import { byteLevelDraft } from './byte-level.ts';
import { readAddedTokens } from './added-tokens.ts';
import type { VocabularyDraft } from './draft.ts';
import { parseObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { characterBpeDraft, sentencePieceDraft, unigramDraft } from './pieces.ts';
import { readSentencePiece } from './sentencepiece.ts';
import type { SentencePieceModel } from './sentencepiece.ts';
import { findSpecialIds, writeSpecial } from './special.ts';
import type { SpecialIds, SpecialSources } from './special.ts';
import { isByteLevel, readTokenizerJson, TOKENIZER_JSON } from './tokenizer-json.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import { vocabTxtDraft, wordPieceDraft } from './wordpiece.ts';

/** The files that are looked at, where a checkpoint has them. */
export const TOKENIZER_FILES = [
  TOKENIZER_JSON,
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'vocab.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'config.json',
  'generation_config.json',
] as const;

const SENTENCEPIECE_FILES = ['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model'];

export interface TokenizerConversionOptions {
  /** Rows of the model's embedding, where they are more than the tokens: the rest becomes unused tokens. */
  vocabularySize?: number;
  /** The name of the pre-tokenizer, for `tokenizer.ggml.pre`; default: found out (see detect.ts). */
  pre?: string;
  /** Called with each thing that GGUF cannot hold. */
  onWarning?: (message: string) => void;
}

/** What the converters of the kinds share. */
export interface ConversionContext {
  config: JsonObject;
  pre: string | undefined;
  warn: (message: string) => void;
}

/**
 * The `tokenizer.ggml.*` entries of a GGUF file: kind, pre-tokenizer, tokens, types, scores or merges, special ids.
 * Not the chat template, which is no part of the tokenizer.
 *
 * @param files contents by file name; names other than those of TOKENIZER_FILES are passed over
 * @throws TokenizerError when no file holds a vocabulary, one is damaged, or GGUF has no place for its kind
 */
export function ggufTokenizerMetadata(
  files: ReadonlyMap<string, Uint8Array>,
  options: TokenizerConversionOptions = {},
): Map<string, WritableValue> {
  const object = (file: string): JsonObject => {
    const bytes = files.get(file);
    return bytes === undefined ? {} : parseObject(bytes, file);
  };
  const jsonBytes = files.get(TOKENIZER_JSON);
  const json = jsonBytes === undefined ? undefined : readTokenizerJson(jsonBytes);
  const sources: SpecialSources = {
    config: object('tokenizer_config.json'),
    specialTokensMap: object('special_tokens_map.json'),
    modelConfig: object('config.json'),
    generationConfig: object('generation_config.json'),
    json,
  };
  const context = { config: sources.config, pre: options.pre, warn: options.onWarning ?? (() => undefined) };
  const metadata = new Map<string, WritableValue>();
  const sentencePiece = json && isByteLevel(json) ? undefined : findSentencePiece(files, json);
  const draft = buildDraft(files, { json, sentencePiece }, metadata, context);
  draft.pad(options.vocabularySize ?? 0);
  const kind = metadata.get('tokenizer.ggml.model') as string;
  draft.write(metadata, kind === 'llama' || kind === 't5');
  const ids = findSpecialIds(draft, sources);
  if (sentencePiece) addSentencePieceIds(ids, sentencePiece);
  if (kind === 'bert') enclose(ids, metadata);
  writeSpecial(metadata, draft, ids, sources);
  return metadata;
}

/** The entries as a reader of the file would find them, for `createTokenizer`. */
export function asRead(metadata: ReadonlyMap<string, WritableValue>): Metadata {
  const plain = new Map<string, GgufValue>();
  for (const [key, value] of metadata) {
    const isTyped = typeof value === 'object' && 'type' in value && 'value' in value;
    plain.set(key, isTyped ? ((value as Typed).value as GgufValue) : (value as GgufValue));
  }
  return plain;
}

interface Vocabularies {
  json: TokenizerJson | undefined;
  sentencePiece: SentencePieceModel | undefined;
}

function buildDraft(
  files: ReadonlyMap<string, Uint8Array>,
  { json, sentencePiece }: Vocabularies,
  metadata: Map<string, WritableValue>,
  context: ConversionContext,
): VocabularyDraft {
  // SentencePiece's own file holds the scores from which tokenizer.json was made, so it goes first.
  if (sentencePiece)
    return sentencePieceDraft(sentencePiece, readAddedTokens(files, json), metadata, context);
  if (json) {
    if (json.modelType === 'WordPiece') return wordPieceDraft(json, metadata, context);
    if (json.modelType === 'Unigram') return unigramDraft(json, metadata, context);
    return isByteLevel(json)
      ? byteLevelDraft(json, metadata, context)
      : characterBpeDraft(json, metadata, context);
  }
  const lines = files.get('vocab.txt');
  if (lines) return vocabTxtDraft(new TextDecoder().decode(lines), metadata, context);
  throw new TokenizerError(
    `the checkpoint has no tokenizer: none of ${[TOKENIZER_JSON, ...SENTENCEPIECE_FILES, 'vocab.txt'].join(', ')}`,
  );
}

function findSentencePiece(
  files: ReadonlyMap<string, Uint8Array>,
  json: TokenizerJson | undefined,
): SentencePieceModel | undefined {
  for (const name of SENTENCEPIECE_FILES) {
    const bytes = files.get(name);
    if (bytes === undefined) continue;
    try {
      return readSentencePiece(bytes, name);
    } catch (error) {
      // Some checkpoints have a file of that name in another format beside a tokenizer.json.
      if (json === undefined) throw error;
    }
  }
  return undefined;
}

/** Where the files around it name no tokens, SentencePiece's own ids hold. */
function addSentencePieceIds(ids: SpecialIds, { bos, eos, unknown, pad }: SentencePieceModel): void {
  for (const [role, id] of Object.entries({ bos, eos, unk: unknown, pad })) {
    if (!ids.has(role) && id >= 0) ids.set(role, id);
  }
}

/** BERT's [CLS] and [SEP] open and close a text: GGUF's BOS, EOS and separator. */
function enclose(ids: SpecialIds, metadata: Map<string, WritableValue>): void {
  const first = ids.get('cls') ?? ids.get('bos');
  const last = ids.get('sep') ?? ids.get('eos');
  if (first === undefined || last === undefined) {
    throw new TokenizerError(
      'a WordPiece vocabulary needs the tokens cls_token and sep_token: they are not named',
    );
  }
  for (const [role, id] of [
    ['bos', first],
    ['eos', last],
    ['sep', last],
  ] as const)
    ids.set(role, id);
  metadata.set('tokenizer.ggml.add_sep_token', true);
}
