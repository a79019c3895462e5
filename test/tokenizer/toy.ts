import type { GgufValue } from '../../src/gguf/types.ts';
import { BYTE_TO_CHAR } from '../../src/tokenizer/byte-alphabet.ts';

/** Small vocabularies made on the spot. */

export const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

type Entry = readonly [text: string, type?: number, score?: number];

/** Byte-level BPE: the 256 bytes, what `merges` make, and `extra` tokens. */
export function toyBpe(merges: readonly string[] = [], extra: readonly Entry[] = []): Map<string, GgufValue> {
  const made = merges.map((merge) => merge.replace(' ', ''));
  const entries: Entry[] = [...BYTE_TO_CHAR, ...new Set(made)].map((text) => [text] as const);
  return metadataOf('gpt2', [...entries, ...extra]).set('tokenizer.ggml.merges', [...merges]);
}

/** SPM: unk, BOS, EOS, the byte tokens, and `extra` tokens. */
export function toySpm(extra: readonly Entry[]): Map<string, GgufValue> {
  const bytes = Array.from({ length: 256 }, (_, byte): Entry => {
    return [`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, TYPE.byte];
  });
  const specials: Entry[] = [
    ['<unk>', TYPE.unknown],
    ['<s>', TYPE.control],
    ['</s>', TYPE.control],
  ];
  const entries = [...specials, ...bytes, ...extra];
  return metadataOf('llama', entries).set(
    'tokenizer.ggml.scores',
    Float32Array.from(entries, ([, , score]) => score ?? 0),
  );
}

/** WordPiece: the tokens as BERT's vocab.txt writes them, with ## before what continues a word; CLS 0, SEP 1, UNK 2. */
export function toyWordPiece(words: readonly string[]): Map<string, GgufValue> {
  const specials = ['[CLS]', '[SEP]', '[UNK]'].map((text): Entry => [text, TYPE.control]);
  const pieces = words.map((text): Entry => [text.startsWith('##') ? text.slice(2) : `\u2581${text}`]);
  return metadataOf('bert', [...specials, ...pieces])
    .set('tokenizer.ggml.bos_token_id', 0)
    .set('tokenizer.ggml.seperator_token_id', 1)
    .set('tokenizer.ggml.unknown_token_id', 2);
}

/** Unigram: `<unk>`, `</s>`, and pieces with their log probabilities. */
export function toyUnigram(extra: readonly Entry[]): Map<string, GgufValue> {
  const entries: Entry[] = [['<unk>', TYPE.unknown], ['</s>', TYPE.control], ...extra];
  return metadataOf('t5', entries)
    .set('tokenizer.ggml.unknown_token_id', 0)
    .set(
      'tokenizer.ggml.scores',
      Float32Array.from(entries, ([, , score]) => score ?? 0),
    );
}

function metadataOf(model: string, entries: readonly Entry[]): Map<string, GgufValue> {
  return new Map<string, GgufValue>([
    ['tokenizer.ggml.model', model],
    ['tokenizer.ggml.tokens', entries.map(([text]) => text)],
    ['tokenizer.ggml.token_type', Int32Array.from(entries, ([, type]) => type ?? TYPE.normal)],
  ]);
}
