import { TokenizerError } from '../errors.ts';
import { buildBpe } from './bpe.ts';
import { idsOnly } from './ids-only.ts';
import { optionalString } from './metadata.ts';
import type { Metadata } from './metadata.ts';
import { findPreTokenizer } from './pre-tokenizers.ts';
import { runAtOnce, runInSlices } from './slices.ts';
import type { Sliced } from './slices.ts';
import { readSpecialTokens } from './special-tokens.ts';
import { buildSpm } from './spm.ts';
import { GgufTokenizer } from './tokenizer.ts';
import type { Tokenizer } from './types.ts';
import { buildUnigram } from './unigram.ts';
import { readVocabulary } from './vocabulary.ts';
import { buildWordPiece } from './wordpiece.ts';

export type {
  DecodeOptions,
  EncodeOptions,
  StreamDecoder,
  StreamDecoderOptions,
  Tokenizer,
} from './types.ts';
export type { Metadata } from './metadata.ts';
export { asRead, ggufTokenizerMetadata, TOKENIZER_FILES } from './hf/index.ts';
export type { TokenizerConversionOptions } from './hf/index.ts';
export { PRE_TOKENIZER_NAMES } from './pre-tokenizers.ts';

/** `tokenizer.ggml.model` -> how to build it. A new vocabulary kind is a row here. */
const KINDS: ReadonlyMap<string, (metadata: Metadata, kind: string) => Sliced<Tokenizer>> = new Map([
  ['gpt2', bpeTokenizer],
  ['llama', spmTokenizer],
  ['bert', wordPieceTokenizer],
  ['t5', unigramTokenizer],
  ['none', idsOnlyTokenizer],
]);

export const TOKENIZER_KINDS: readonly string[] = [...KINDS.keys()];

/**
 * The tokenizer of a GGUF file, from its metadata. Large vocabularies take some hundred milliseconds: where the
 * event loop must not wait that long, use `createTokenizerAsync`.
 */
export function createTokenizer(metadata: Metadata): Tokenizer {
  return runAtOnce(build(metadata));
}

/** The same, built in slices of a few milliseconds between which the event loop runs. */
export function createTokenizerAsync(metadata: Metadata): Promise<Tokenizer> {
  return runInSlices(build(metadata));
}

function* build(metadata: Metadata): Sliced<Tokenizer> {
  const kind = optionalString(metadata, 'tokenizer.ggml.model');
  const supported = `supported: ${TOKENIZER_KINDS.join(', ')}`;
  if (kind === undefined) {
    throw new TokenizerError(`tokenizer.ggml.model is missing: the file has no tokenizer; ${supported}`);
  }
  const builder = KINDS.get(kind);
  if (builder === undefined) {
    throw new TokenizerError(
      `tokenizer.ggml.model: unsupported vocabulary kind ${JSON.stringify(kind)}; ${supported}`,
    );
  }
  return yield* builder(metadata, kind);
}

function* bpeTokenizer(metadata: Metadata, kind: string): Sliced<Tokenizer> {
  const preTokenizer = findPreTokenizer(optionalString(metadata, 'tokenizer.ggml.pre') ?? 'default');
  const vocabulary = yield* readVocabulary(metadata);
  const special = readSpecialTokens(metadata, vocabulary, { addBos: preTokenizer.addBos, addEos: false });
  const model = yield* buildBpe(metadata, vocabulary, preTokenizer);
  return new GgufTokenizer(kind, vocabulary, special, model);
}

function* spmTokenizer(metadata: Metadata, kind: string): Sliced<Tokenizer> {
  const vocabulary = yield* readVocabulary(metadata);
  const defaults = { bos: 1, eos: 2, unknown: 0, addBos: true, addEos: false };
  const special = readSpecialTokens(metadata, vocabulary, defaults);
  const model = yield* buildSpm(metadata, vocabulary, special.unknown);
  return new GgufTokenizer(kind, vocabulary, special, model);
}

// eslint-disable-next-line require-yield
function* idsOnlyTokenizer(metadata: Metadata): Sliced<Tokenizer> {
  return idsOnly(metadata);
}

function* wordPieceTokenizer(metadata: Metadata, kind: string): Sliced<Tokenizer> {
  const vocabulary = yield* readVocabulary(metadata);
  const defaults = { bos: 101, unknown: 100, separator: 102, addBos: true, addEos: false };
  const special = readSpecialTokens(metadata, vocabulary, defaults);
  return new GgufTokenizer(kind, vocabulary, special, buildWordPiece(metadata, vocabulary, special.unknown));
}

function* unigramTokenizer(metadata: Metadata, kind: string): Sliced<Tokenizer> {
  const vocabulary = yield* readVocabulary(metadata);
  const special = readSpecialTokens(metadata, vocabulary, {
    eos: 1,
    unknown: 2,
    addBos: false,
    addEos: true,
  });
  const model = yield* buildUnigram(metadata, vocabulary, special.unknown);
  return new GgufTokenizer(kind, vocabulary, special, model);
}
