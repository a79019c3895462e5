/** SentencePiece's vocabularies, from its own file or from `tokenizer.json`, to "llama" (BPE) or "t5" (Unigram). */
import { TokenizerError } from '../../errors.ts';
import type { WritableValue } from '../../gguf/writable.ts';
import { TYPE, VocabularyDraft } from './draft.ts';
import type { ConversionContext } from './index.ts';
import { asArray, asNumber, asString } from './json.ts';
import type { JsonObject } from './json.ts';
import { scoresOfMerges } from './merge-scores.ts';
import type { SentencePieceModel } from './sentencepiece.ts';
import {
  literalPattern,
  mergePairs,
  regexPattern,
  TOKENIZER_JSON,
  vocabularyEntries,
} from './tokenizer-json.ts';
import type { AddedToken, TokenizerJson } from './tokenizer-json.ts';

const SPACE_MARK = '\u2581';
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

type Metadata = Map<string, WritableValue>;

/** From a SentencePiece file and the tokens that the files beside it add. */
export function sentencePieceDraft(
  model: SentencePieceModel,
  added: readonly AddedToken[],
  metadata: Metadata,
  { config }: ConversionContext,
): VocabularyDraft {
  const isUnigram = model.kind === 'unigram';
  writeKind(metadata, isUnigram ? 't5' : 'llama');
  const configured = config['add_prefix_space'];
  const addsPrefix = typeof configured === 'boolean' ? configured : model.addDummyPrefix;
  metadata.set('tokenizer.ggml.add_space_prefix', addsPrefix);
  if (isUnigram) writeNormalization(metadata, model.removeExtraWhitespaces, model.charsmap);
  const draft = new VocabularyDraft();
  model.pieces.forEach(({ text, score, type }, id) => setPiece(draft, id, text, type, score));
  addPieces(draft, added);
  return draft;
}

/** BPE over characters with byte fallback: SentencePiece's, as `tokenizer.json` writes it. */
export function characterBpeDraft(
  json: TokenizerJson,
  metadata: Metadata,
  { warn }: ConversionContext,
): VocabularyDraft {
  const { model } = json;
  if (!marksSpaces(json)) {
    throw new TokenizerError(
      `${TOKENIZER_JSON}: a BPE model that neither is byte-level nor writes spaces as U+2581 is not supported`,
    );
  }
  writeKind(metadata, 'llama');
  metadata.set('tokenizer.ggml.add_space_prefix', addsSpacePrefix(json));
  const unknown = model['unk_token'];
  const entries = vocabularyEntries(model).sort(([, a], [, b]) => a - b);
  const { scores, differing } = scoresOfMerges(
    new Set(entries.map(([text]) => text)),
    mergePairs(model),
    json.added,
  );
  if (differing > 0) {
    warn(
      `${TOKENIZER_JSON}: ${differing} tokens are not merged as SentencePiece would merge them; ` +
        'GGUF holds scores instead of merges, so some text may be cut differently',
    );
  }
  const draft = new VocabularyDraft();
  for (const [text, id] of entries) {
    const type = text === unknown ? TYPE.unknown : BYTE_TOKEN.test(text) ? TYPE.byte : TYPE.normal;
    setPiece(draft, id, text, type, scores.get(text) ?? 0);
  }
  addPieces(draft, json.added);
  return draft;
}

/** A unigram model as `tokenizer.json` writes it. */
export function unigramDraft(
  json: TokenizerJson,
  metadata: Metadata,
  { warn }: ConversionContext,
): VocabularyDraft {
  const { model } = json;
  if (model['byte_fallback'] === true) {
    warn(
      `${TOKENIZER_JSON}: byte_fallback is lost: GGUF's Unigram writes unknown characters as the unknown token`,
    );
  }
  writeKind(metadata, 't5');
  metadata.set('tokenizer.ggml.add_space_prefix', addsSpacePrefix(json));
  const merges = json.normalizers.some((part) => / ?\{2,\}|\\s\+/.test(regexPattern(part) ?? ''));
  const precompiled = json.normalizers.find((part) => part['type'] === 'Precompiled');
  writeNormalization(metadata, merges, decodeBase64(precompiled?.['precompiled_charsmap']));
  const unknown = model['unk_id'];
  const draft = new VocabularyDraft();
  asArray(model['vocab'], `${TOKENIZER_JSON}: model.vocab`).forEach((entry, id) => {
    const where = `${TOKENIZER_JSON}: model.vocab[${id}]`;
    const [text, score] = asArray(entry, where);
    const type = id === unknown ? TYPE.unknown : TYPE.normal;
    setPiece(draft, id, asString(text, where), type, asNumber(score, where));
  });
  addPieces(draft, json.added);
  return draft;
}

function writeKind(metadata: Metadata, kind: string): void {
  metadata.set('tokenizer.ggml.model', kind);
  metadata.set('tokenizer.ggml.pre', 'default');
}

function writeNormalization(metadata: Metadata, removesExtraSpaces: boolean, charsmap: Uint8Array): void {
  metadata.set('tokenizer.ggml.remove_extra_whitespaces', removesExtraSpaces);
  if (charsmap.length > 0) metadata.set('tokenizer.ggml.precompiled_charsmap', Uint8Array.from(charsmap));
}

function setPiece(draft: VocabularyDraft, id: number, text: string, type: number, score: number): void {
  // User-defined tokens are looked for in the text as it comes, where a space is a space.
  draft.set(id, type === TYPE.userDefined ? text.replaceAll(SPACE_MARK, ' ') : text, type, score);
}

function addPieces(draft: VocabularyDraft, added: readonly AddedToken[]): void {
  for (const { id, text, special } of [...added].sort((a, b) => a.id - b.id)) {
    const before = draft.type(id);
    const keeps = before === TYPE.unknown || before === TYPE.byte;
    const type = keeps ? before : special ? TYPE.control : TYPE.userDefined;
    setPiece(draft, id, text, type, draft.score(id));
  }
}

function marksSpaces(json: TokenizerJson): boolean {
  return (
    json.preTokenizers.some((part) => part['type'] === 'Metaspace') ||
    json.normalizers.some(
      (part) => part['type'] === 'Replace' && literalPattern(part) === ' ' && part['content'] === SPACE_MARK,
    )
  );
}

/** A Prepend normalizer, or a Metaspace pre-tokenizer in any of the forms it has had. */
function addsSpacePrefix(json: TokenizerJson): boolean {
  return (
    json.normalizers.some((part) => part['type'] === 'Prepend' && part['prepend'] === SPACE_MARK) ||
    json.preTokenizers.some((part) => part['type'] === 'Metaspace' && prepends(part))
  );
}

function prepends(part: JsonObject): boolean {
  const scheme = part['prepend_scheme'];
  return scheme === undefined ? part['add_prefix_space'] !== false : scheme !== 'never';
}

function decodeBase64(value: unknown): Uint8Array {
  if (typeof value !== 'string') return new Uint8Array(0);
  try {
    return Uint8Array.from(atob(value), (char) => char.charCodeAt(0));
  } catch (error) {
    throw new TokenizerError(`${TOKENIZER_JSON}: precompiled_charsmap is not valid base64`, { cause: error });
  }
}
