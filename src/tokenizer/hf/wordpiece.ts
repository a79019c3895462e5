/** WordPiece (BERT, DistilBERT) to `tokenizer.ggml.model` "bert". */
import { TokenizerError } from '../../errors.ts';
import type { WritableValue } from '../../gguf/writable.ts';
import { TYPE, VocabularyDraft } from './draft.ts';
import type { ConversionContext } from './index.ts';
import { TOKENIZER_JSON, vocabularyEntries } from './tokenizer-json.ts';
import type { TokenizerJson } from './tokenizer-json.ts';

const CONTINUES = '##';
const WORD_MARK = '\u2581';

export function wordPieceDraft(
  json: TokenizerJson,
  metadata: Map<string, WritableValue>,
  { warn }: ConversionContext,
): VocabularyDraft {
  const prefix = json.model['continuing_subword_prefix'] ?? CONTINUES;
  if (prefix !== CONTINUES) {
    throw new TokenizerError(`${TOKENIZER_JSON}: model.continuing_subword_prefix is not "##": not supported`);
  }
  const normalizer = json.normalizers.find((part) => part['type'] === 'BertNormalizer');
  const preTokenizer = json.preTokenizers.find((part) => part['type'] === 'BertPreTokenizer');
  if (normalizer === undefined || preTokenizer === undefined) {
    throw new TokenizerError(
      `${TOKENIZER_JSON}: a WordPiece vocabulary without BERT's normalizer and pre-tokenizer is not supported`,
    );
  }
  for (const key of ['clean_text', 'handle_chinese_chars']) {
    if (normalizer[key] === false)
      warn(`${TOKENIZER_JSON}: normalizer.${key} is false, which GGUF cannot say`);
  }
  const lowercase = normalizer['lowercase'] !== false;
  const strips = normalizer['strip_accents'];
  const entries = vocabularyEntries(json.model).sort(([, a], [, b]) => a - b);
  const draft = wordPieceVocabulary(entries, metadata, {
    lowercase,
    stripAccents: typeof strips === 'boolean' ? strips : lowercase,
  });
  for (const { id, text, special } of json.added) {
    draft.set(id, text, special ? TYPE.control : TYPE.userDefined);
  }
  return draft;
}

/** BERT's own `vocab.txt`: a token a line. */
export function vocabTxtDraft(
  text: string,
  metadata: Map<string, WritableValue>,
  { config }: ConversionContext,
): VocabularyDraft {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  const lowercase = config['do_lower_case'] !== false;
  const strips = config['strip_accents'];
  const draft = wordPieceVocabulary(
    lines.map((line, id) => [line, id] as const),
    metadata,
    { lowercase, stripAccents: typeof strips === 'boolean' ? strips : lowercase },
  );
  for (const special of ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']) {
    const id = draft.idOf(special);
    if (id !== undefined) draft.set(id, special, TYPE.control);
  }
  return draft;
}

function wordPieceVocabulary(
  entries: Iterable<readonly [string, number]>,
  metadata: Map<string, WritableValue>,
  { lowercase, stripAccents }: { lowercase: boolean; stripAccents: boolean },
): VocabularyDraft {
  metadata.set('tokenizer.ggml.model', 'bert');
  metadata.set('tokenizer.ggml.pre', 'default');
  metadata.set('tokenizer.ggml.normalizer.lowercase', lowercase);
  metadata.set('tokenizer.ggml.normalizer.strip_accents', stripAccents);
  const draft = new VocabularyDraft();
  for (const [text, id] of entries) draft.set(id, markWords(text), TYPE.normal);
  return draft;
}

/** GGUF marks the pieces that begin a word, BERT those that do not. [CLS] and its kind stay. */
function markWords(text: string): string {
  if (text.startsWith('[') && text.endsWith(']')) return text;
  return text.startsWith(CONTINUES) && text.length > CONTINUES.length
    ? text.slice(CONTINUES.length)
    : WORD_MARK + text;
}
