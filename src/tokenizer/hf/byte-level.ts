/** Byte-level BPE (GPT-2, Llama 3, Qwen, ...) to `tokenizer.ggml.model` "gpt2". */
import { typed } from '../../gguf/writable.ts';
import type { WritableValue } from '../../gguf/writable.ts';
import { TokenizerError } from '../../errors.ts';
import { findPreTokenizer } from '../pre-tokenizers.ts';
import { detectPreTokenizer } from './detect.ts';
import { TYPE, VocabularyDraft } from './draft.ts';
import type { ConversionContext } from './index.ts';
import { mergePairs, TOKENIZER_JSON, vocabularyEntries } from './tokenizer-json.ts';
import type { AddedToken, TokenizerJson } from './tokenizer-json.ts';

export function byteLevelDraft(
  json: TokenizerJson,
  metadata: Map<string, WritableValue>,
  { config, pre, warn }: ConversionContext,
): VocabularyDraft {
  const { model } = json;
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model[key])
      throw new TokenizerError(`${TOKENIZER_JSON}: model.${key} is not supported: GGUF has no place for it`);
  }
  if (json.preTokenizers.some((part) => part['type'] === 'ByteLevel' && part['add_prefix_space'] === true)) {
    warn(`${TOKENIZER_JSON}: add_prefix_space is lost: GGUF's BPE adds no space before a text`);
  }
  const ignoreMerges = model['ignore_merges'] === true;
  const clean = config['clean_up_tokenization_spaces'];
  const cleansSpaces = typeof clean === 'boolean' ? clean : undefined;
  const name = pre ?? detectPreTokenizer(json.preTokenizers, { ignoreMerges, cleansSpaces });
  if (ignoreMerges !== findPreTokenizer(name).ignoreMerges) {
    warn(
      `${TOKENIZER_JSON}: ignore_merges is ${ignoreMerges}, but pre-tokenizer ${name} has it ${!ignoreMerges}`,
    );
  }
  metadata.set('tokenizer.ggml.model', 'gpt2');
  metadata.set('tokenizer.ggml.pre', name);

  const draft = new VocabularyDraft();
  const entries = vocabularyEntries(model).sort(([, a], [, b]) => a - b);
  for (const [text, id] of entries) draft.set(id, text, TYPE.normal);
  addTokens(draft, json.added);
  // A space within a token of a merge would be taken for the one between them; the byte alphabet writes it U+0120.
  const merges = mergePairs(model).map((pair) =>
    pair.map((text) => text.replaceAll(' ', '\u0120')).join(' '),
  );
  metadata.set('tokenizer.ggml.merges', typed('string[]', merges));
  return draft;
}

/** Added tokens keep their text as it is: special ones are hidden, the others shown. */
function addTokens(draft: VocabularyDraft, added: readonly AddedToken[]): void {
  for (const { id, text, special } of [...added].sort((a, b) => a.id - b.id)) {
    draft.set(id, text, special ? TYPE.control : TYPE.userDefined, draft.score(id));
  }
}
