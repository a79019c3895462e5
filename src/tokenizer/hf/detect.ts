/**
 * Which pre-tokenizer a byte-level `tokenizer.json` has, by llama.cpp's names. GGUF holds the name only, so it has
 * to be found out. Converters elsewhere know checksums of published tokenizers; here it is tried out: the
 * pre-tokenizer of the file cuts a set of probes, and the name is that of the row of the table that cuts all of them
 * alike. So a fine-tune, or a new vocabulary on an old pre-tokenizer, is recognised, and what nothing in the table
 * cuts alike is an error instead of a guess.
 */
import { TokenizerError } from '../../errors.ts';
import { definitionsOf, findPreTokenizer, PRE_TOKENIZER_NAMES } from '../pre-tokenizers.ts';
import { splitWords } from '../split-words.ts';
import type { JsonObject } from './json.ts';
import { translateRegex } from './oniguruma.ts';
import { literalPattern, regexPattern, TOKENIZER_JSON } from './tokenizer-json.ts';

/** Short, so that no expression takes long on any; together they tell all rows of the table apart. */
export const PROBES: readonly string[] = [
  "I'll say IT'S we'VE",
  ' 1 12 123 1234 12345',
  'a1b22c333 x٣٤',
  'camelCase HTTPServer',
  'a.b_c(d)[e]{f}/g//',
  'x+y=z <a> ^~|`$5',
  '"hi",he said... !!',
  'a  b   c \t d  ',
  'x       y',
  'n   12 34',
  "go'stan it'llama",
  'one\ntwo\r\n\n three',
  ' \n  \n\n x\n',
  '!\n?\n\n //\n/ \n',
  'né über ñ naïve Ωm',
  'cafe\u0301 नमस्ते',
  '你好，世界。 日本語です',
  '한국어 ㄱㄴ 테스트',
  "a'b 'c' d' Don'T",
  'x…y“z”—w、v',
  'ǅa ⅷ ² ½ ª',
  '👍🏽 ok 🙂🙂',
  '(!) #tag @me $x',
  '\u00a0\u3000\u0085a\ufeffb',
];

export interface BpeFlags {
  /** `ignore_merges` of the model. */
  ignoreMerges: boolean;
  /** `clean_up_tokenization_spaces` of tokenizer_config.json. */
  cleansSpaces: boolean | undefined;
}

/** Throws TokenizerError where no name fits. */
export function detectPreTokenizer(parts: readonly JsonObject[], flags: BpeFlags): string {
  const steps = parts.flatMap(stepsOf);
  const words = PROBES.map((probe) => cut(probe, steps));
  const fitting = PRE_TOKENIZER_NAMES.filter((name) =>
    definitionsOf(name).some((definition) =>
      PROBES.every((probe, i) => same(cut(probe, definition), words[i]!)),
    ),
  );
  const [best] = fitting.sort((a, b) => disagreement(a, flags) - disagreement(b, flags));
  if (best !== undefined) return best;
  throw new TokenizerError(
    `${TOKENIZER_JSON}: no known pre-tokenizer cuts text as this one does; known: ${[...PRE_TOKENIZER_NAMES].sort().join(', ')}`,
  );
}

/** Names that cut alike differ in other ways; the first in the table's order is the plainest. */
function disagreement(name: string, { ignoreMerges, cleansSpaces }: BpeFlags): number {
  const row = findPreTokenizer(name);
  return (
    (row.ignoreMerges === ignoreMerges ? 0 : 2) +
    (cleansSpaces === undefined || row.cleanSpaces === cleansSpaces ? 0 : 1)
  );
}

function cut(text: string, steps: readonly RegExp[]): string[] {
  const words: string[] = [];
  splitWords(text, steps, (word) => words.push(word));
  return words;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

/** The expressions by which a component cuts; what it does not match stays in one piece. */
function stepsOf(part: JsonObject): RegExp[] {
  switch (part['type']) {
    case 'ByteLevel':
      return part['use_regex'] === false ? [] : [...findPreTokenizer('gpt-2').steps];
    case 'Digits':
      return [part['individual_digits'] === true ? /\p{N}/gu : /\p{N}+/gu];
    case 'Punctuation':
      return [part['behavior'] === 'Contiguous' ? /[\p{P}$+<=>^`|~]+/gu : /[\p{P}$+<=>^`|~]/gu];
    case 'Split':
      return [splitStep(part)];
    default:
      throw new TokenizerError(
        `${TOKENIZER_JSON}: pre-tokenizer ${JSON.stringify(part['type'])} beside a byte-level vocabulary is not supported`,
      );
  }
}

function splitStep(part: JsonObject): RegExp {
  // Tiktoken's expressions match everything: keeping the matches is then the same as setting them apart.
  const keepsMatches = part['behavior'] === 'Removed' && part['invert'] === true;
  if (part['behavior'] !== 'Isolated' && !keepsMatches) {
    throw new TokenizerError(
      `${TOKENIZER_JSON}: a Split with behavior ${JSON.stringify(part['behavior'])} is not supported`,
    );
  }
  const literal = literalPattern(part);
  if (literal !== undefined) return new RegExp(literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'gu');
  const source = regexPattern(part) ?? '';
  const regex = source === '' ? undefined : translateRegex(source);
  if (regex === undefined) {
    throw new TokenizerError(
      `${TOKENIZER_JSON}: the expression ${JSON.stringify(source.slice(0, 200))} is not supported`,
    );
  }
  return regex;
}
