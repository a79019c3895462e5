import { TokenizerError } from '../errors.ts';
import { optionalBoolean, optionalId, optionalString } from './metadata.ts';
import type { Metadata } from './metadata.ts';
import { CONTROL, NORMAL, STRIP_LEFT, STRIP_RIGHT, UNKNOWN, USER_DEFINED } from './vocabulary.ts';
import type { Vocabulary } from './vocabulary.ts';

/** What a vocabulary kind or pre-tokenizer assumes where the file is silent. */
export interface SpecialDefaults {
  bos?: number;
  eos?: number;
  unknown?: number;
  /** The token that ends what a vocabulary kind encodes instead of EOS; read only where it is named here. */
  separator?: number;
  addBos: boolean;
  addEos: boolean;
}

export interface SpecialTokens {
  bos: number | undefined;
  eos: number | undefined;
  unknown: number | undefined;
  separator: number | undefined;
  addBos: boolean;
  addEos: boolean;
  endOfGeneration: ReadonlySet<number>;
}

/**
 * Token texts that end a turn or the text in some family of models. Files seldom list all their stop tokens, so
 * llama.cpp goes by the text, and so does this table; such a token counts as control whatever its type says.
 */
const END_TEXTS: readonly string[] = [
  '<|eot_id|>', // Llama 3
  '<|eom_id|>',
  '<|im_end|>', // ChatML
  '<|end|>', // Phi 3
  '<|return|>', // gpt-oss
  '<|call|>',
  '<|flush|>', // Solar
  '<|calls|>',
  '<end_of_turn>', // Gemma 2, 3
  '<|endoftext|>', // GPT-2 and heirs
  '<|end_of_text|>', // Llama 3, Granite
  '</s>',
  '<EOT>',
  '_<EOT>',
  '[EOT]', // Kimi
  '[EOS]',
  '<end_of_utterance>', // SmolVLM
  '<eos>', // Gemma
  '<turn|>', // Gemma 4
  '<|tool_response>',
  '<｜end▁of▁sentence｜>', // DeepSeek
  '[e~[', // MiniMax
];

/**
 * Fill-in-the-middle tokens: key, texts to look for when the file lacks the key, and whether generation ends
 * there (padding, or the start of another file). The token found counts as control.
 */
const FILL_TOKENS: readonly { key: string; texts: readonly string[]; ends: boolean }[] = [
  {
    key: 'fim_pre_token_id',
    texts: [
      '<|fim_prefix|>',
      '<fim-prefix>',
      '<fim_prefix>',
      '<｜fim▁begin｜>',
      '<PRE>',
      '▁<PRE>',
      '<|code_prefix|>',
    ],
    ends: false,
  },
  {
    key: 'fim_suf_token_id',
    texts: [
      '<|fim_suffix|>',
      '<fim-suffix>',
      '<fim_suffix>',
      '<｜fim▁hole｜>',
      '<SUF>',
      '▁<SUF>',
      '<|code_suffix|>',
    ],
    ends: false,
  },
  {
    key: 'fim_mid_token_id',
    texts: [
      '<|fim_middle|>',
      '<fim-middle>',
      '<fim_middle>',
      '<｜fim▁end｜>',
      '<MID>',
      '▁<MID>',
      '<|code_middle|>',
    ],
    ends: false,
  },
  { key: 'fim_pad_token_id', texts: ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'], ends: true },
  {
    key: 'fim_rep_token_id',
    texts: ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'],
    ends: true,
  },
  { key: 'fim_sep_token_id', texts: ['<|file_sep|>'], ends: true },
];

/** gpt-oss: marks inside an answer, which are always shown and always parsed. */
const SHOWN_TEXTS: readonly string[] = ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>'];

const PREFIX = 'tokenizer.ggml.';

/** Reads ids and flags, finds the tokens that end generation, and corrects `vocabulary.types` as llama.cpp does. */
export function readSpecialTokens(
  metadata: Metadata,
  vocabulary: Vocabulary,
  defaults: SpecialDefaults,
): SpecialTokens {
  const { tokens, idOf, types } = vocabulary;
  const read = (name: string, fallback?: number) =>
    optionalId(metadata, PREFIX + name, tokens.length) ??
    (fallback !== undefined && fallback < tokens.length ? fallback : undefined);
  const bos = read('bos_token_id', defaults.bos);
  const eos = read('eos_token_id', defaults.eos);
  const unknown = read('unknown_token_id', defaults.unknown);
  const separator =
    defaults.separator === undefined ? undefined : read('seperator_token_id', defaults.separator); // sic
  const ends = new Set<number>();

  for (const { key, texts, ends: endsGeneration } of FILL_TOKENS) {
    let id = read(key);
    if (id === undefined) {
      id = texts.map((text) => idOf.get(text)).find((found) => found !== undefined);
      if (id !== undefined) types[id]! |= CONTROL;
    }
    if (id !== undefined && endsGeneration) ends.add(id);
  }
  for (const text of END_TEXTS) {
    const id = idOf.get(text);
    if (id === undefined) continue;
    types[id]! |= CONTROL;
    ends.add(id);
  }
  for (const text of SHOWN_TEXTS) {
    const id = idOf.get(text);
    if (id !== undefined) types[id] = USER_DEFINED;
  }
  for (const id of [eos, read('eot_token_id'), read('eom_token_id')]) if (id !== undefined) ends.add(id);
  dropFalseEnds(vocabulary, ends);
  setStripping(metadata, vocabulary);

  return {
    bos,
    eos,
    unknown,
    separator,
    addBos: readAdd(metadata, 'bos', bos, defaults.addBos),
    addEos: readAdd(metadata, 'eos', eos, defaults.addEos),
    endOfGeneration: ends,
  };
}

function readAdd(
  metadata: Metadata,
  name: 'bos' | 'eos',
  id: number | undefined,
  fallback: boolean,
): boolean {
  const key = `${PREFIX}add_${name}_token`;
  const add = optionalBoolean(metadata, key);
  if (add === true && id === undefined) {
    throw new TokenizerError(`${key} is true, but ${PREFIX}${name}_token_id is missing`);
  }
  return add ?? (fallback && id !== undefined);
}

/** Texts that end generation in one family and are something else in a family with these other tokens. */
function dropFalseEnds({ idOf, types }: Vocabulary, ends: Set<number>): void {
  const has = (text: string) => ends.has(idOf.get(text) ?? -1);
  const drop = (text: string, type: number) => {
    const id = idOf.get(text);
    if (id === undefined || !ends.delete(id)) return;
    types[id] = type;
  };
  // gpt-oss and Solar close each message with <|end|> and the answer with other tokens.
  const hasCall = has('<|call|>') || has('<|calls|>');
  if (hasCall && (has('<|return|>') || has('<|flush|>'))) drop('<|end|>', USER_DEFINED);
  // In Gemma 4, </s> is HTML's.
  if (has('<|tool_response>')) drop('</s>', NORMAL);
}

/** Files do not say which tokens swallow white space; llama.cpp knows these models by name. */
function setStripping(metadata: Metadata, { idOf, types }: Vocabulary): void {
  const name = (optionalString(metadata, 'general.name') ?? '').toLowerCase();
  const pre = optionalString(metadata, 'tokenizer.ggml.pre') ?? '';
  const strip = (text: string, bit: number, on: boolean) => {
    const id = idOf.get(text);
    if (id !== undefined) types[id] = on ? types[id]! | bit : types[id]! & ~bit;
  };
  if (/jina-v2-(?:de|es|code)/.test(pre)) {
    strip('<mask>', STRIP_LEFT, true);
  } else if (/phi-?3/.test(name)) {
    for (let id = 0; id < types.length; id++) {
      if (types[id]! & (CONTROL | USER_DEFINED | UNKNOWN)) types[id]! |= STRIP_RIGHT;
    }
    strip('</s>', STRIP_RIGHT, true);
    for (const text of ['<unk>', '<s>', '<|endoftext|>']) strip(text, STRIP_RIGHT, false);
  } else if (name.includes('modern-bert')) {
    strip('[MASK]', STRIP_LEFT, true);
  }
}
