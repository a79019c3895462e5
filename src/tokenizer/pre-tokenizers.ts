import { TokenizerError } from '../errors.ts';

/**
 * The table of pre-tokenizers: `tokenizer.ggml.pre` -> how text is cut into words before BPE merges (merges never
 * cross a word). The expressions are those of the models' own definitions, as llama.cpp reads them.
 *
 * A row has one or more steps; each step cuts the pieces of the step before it into matches and what lies
 * between them. Within a step, lookaheads see the end of the piece, not of the text.
 *
 * Spelled for JavaScript: `\s` differs from Unicode's White_Space here (it has U+FEFF and lacks U+0085), and
 * `(?i:...)` needs Node 23. All alternatives start with different characters or are one pass over a class, so
 * no text takes more than a few passes. The `v` flag is for class subtraction.
 */
export interface PreTokenizer {
  readonly steps: readonly RegExp[];
  /** A word that is a token is taken whole, even if merges would not build it. */
  readonly ignoreMerges: boolean;
  /** BOS is added when the file does not say. */
  readonly addBos: boolean;
  /** llama.cpp removes spaces before punctuation when it detokenizes. */
  readonly cleanSpaces: boolean;
}

interface Row {
  names: readonly string[];
  steps: readonly string[];
  ignoreMerges?: boolean;
  addBos?: boolean;
  cleanSpaces?: boolean;
}

const SPACE = '\\p{White_Space}';
const SPACES = `${SPACE}+(?!\\P{White_Space})|${SPACE}+`;
/** English contractions in any case. */
const CONTRACTION = "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])";
const OTHER = `[^${SPACE}\\p{L}\\p{N}]+`;
const LETTERS = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const NEWLINES = `${SPACE}*[\\r\\n]+`;

const GPT2 = `'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?${OTHER}|${SPACES}`;
const llama3 = (digits: string) =>
  `${CONTRACTION}|${LETTERS}|${digits}| ?${OTHER}[\\r\\n]*|${NEWLINES}|${SPACES}`;

/**
 * Words in camelCase fall apart: letters but ASCII small ones, then letters but ASCII capitals. llama.cpp takes
 * no combining marks into words here (the models' own definitions have \p{M}).
 */
const UPPER = '[\\p{L}--[a-z]]';
const LOWER = '[\\p{L}--[A-Z]]';
const cased = (suffix: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${suffix}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${suffix}`;
const caseAware = (suffix: string, digits: string) =>
  `${cased(suffix)}|${digits}| ?${OTHER}[\\r\\n\\/]*|${NEWLINES}|${SPACES}`;

/**
 * Letters of scripts with case, as DeepSeek lists them (not exactly a Unicode property): code points in hex, since
 * several of these letters turn into others under normalization.
 */
const DEEPSEEK_CASED = ranges(
  '41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d 37f 386 ' +
    '388-38a 38c 38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba ' +
    '1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 ' +
    '1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec ' +
    '1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 212a-212d 212f-2134 2139 ' +
    '213c-213f 2145-2149 214e 2183 2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2 2cf3 a640-a66d a680-a69b ' +
    'a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f ' +
    '104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943',
);
const DEEPSEEK_HAN = `[${ranges('4e00-9fa5 800-4e00 ac00-d7ff')}]+`;

/** The first six groups are checked against llama.cpp's own results; the others follow its definitions. */
const ROWS: readonly Row[] = [
  {
    names: ['default'],
    steps: ['[\\p{P}$+<=>^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
    cleanSpaces: true,
  },
  {
    names: ['gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de'].concat(
      ['gigachat', 'a.x-4.0', 'mellum', 'modern-bert', 'exaone4'],
    ),
    steps: [GPT2],
    cleanSpaces: true,
  },
  { names: ['trillion', 'granite-docling'], steps: [GPT2] },
  { names: ['smollm', 'command-r'], steps: ['\\p{N}', GPT2] },
  {
    names: ['starcoder', 'refact', 'codeshell', 'exaone', 'minerva-7b', 'mellum2'],
    steps: ['\\p{N}', GPT2],
    cleanSpaces: true,
  },
  {
    names: [
      'llama-bpe',
      'llama3',
      'llama-v3',
      'falcon3',
      'falcon-h1',
      'pixtral',
      'midm-2.0',
      'lfm2',
      'jina-v5-nano',
    ],
    steps: [llama3('\\p{N}{1,3}')],
    ignoreMerges: true,
    addBos: true,
    cleanSpaces: true,
  },
  {
    names: ['qwen2', 'deepseek-r1-qwen', 'kormo', 'f2llmv2', 'hunyuan', 'solar-open', 'grok-2'],
    steps: [llama3('\\p{N}')],
  },
  { names: ['tekken'], steps: [caseAware('', '\\p{N}')], ignoreMerges: true, addBos: true },

  { names: ['stablelm2', 'megrez'], steps: [llama3('\\p{N}')], cleanSpaces: true },
  { names: ['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'], steps: [llama3('\\p{N}{1,3}')], cleanSpaces: true },
  {
    names: ['qwen35'],
    steps: [
      `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^${SPACE}\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${NEWLINES}|${SPACES}`,
    ],
  },
  {
    names: ['gpt-4o', 'llama4', 'kanana2', 'talkie', 'minimax-m2'],
    steps: [caseAware(`(?:${CONTRACTION})?`, '\\p{N}{1,3}')],
  },
  { names: ['falcon'], steps: ['[\\p{P}$+<=>^~\\|`]+', GPT2, '[0-9][0-9][0-9]'], cleanSpaces: true },
  {
    names: ['deepseek-llm'],
    steps: [
      '[\\r\\n]',
      `${SPACE}?[${DEEPSEEK_CASED}]+`,
      `${SPACE}?[${ranges('21-2f 3a-7e ff01-ff0f ff1a-ff5e 2018-201f 3000-3002')}]+`,
      `(?<!${SPACE})${SPACE}+$`, // the lookbehind: else every start in a long run of spaces is tried
      DEEPSEEK_HAN,
      '\\p{N}+',
    ],
  },
  {
    names: ['deepseek-coder'],
    steps: ['[\\r\\n]', `${SPACE}?\\p{L}+`, `${SPACE}?\\p{P}+`, DEEPSEEK_HAN, '\\p{N}'],
  },
  {
    names: ['deepseek-v3', 'hunyuan-dense', 'joyai-llm'],
    steps: [
      '\\p{N}{1,3}',
      `[${ranges('4e00-9fa5 3040-309f 30a0-30ff')}]+`,
      '[!-\\/:-@\\[-`\\{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*' +
        `|${NEWLINES}|${SPACES}`,
    ],
  },
];

const BY_NAME = new Map(ROWS.flatMap((row) => row.names.map((name) => [name, row] as const)));

export const PRE_TOKENIZER_NAMES: readonly string[] = [...BY_NAME.keys()].sort();

/** The row of `name`. Guessing would give wrong tokens without a sign, so an unknown name is an error. */
export function findPreTokenizer(name: string): PreTokenizer {
  const row = BY_NAME.get(name);
  if (row === undefined) {
    throw new TokenizerError(
      `tokenizer.ggml.pre: unknown pre-tokenizer ${JSON.stringify(name)}; supported: ${PRE_TOKENIZER_NAMES.join(', ')}`,
    );
  }
  return {
    steps: row.steps.map((source) => new RegExp(source, 'gv')),
    ignoreMerges: row.ignoreMerges ?? false,
    addBos: row.addBos ?? false,
    cleanSpaces: row.cleanSpaces ?? false,
  };
}

/** Calls `word` for each piece of `text`, in order. */
export function splitWords(text: string, steps: readonly RegExp[], word: (piece: string) => void): void {
  let pieces: readonly string[] = [text];
  for (const step of steps.slice(0, -1)) {
    const finer: string[] = [];
    for (const piece of pieces) splitOnce(piece, step, (part) => finer.push(part));
    pieces = finer;
  }
  const last = steps.at(-1);
  for (const piece of pieces) {
    if (last === undefined) word(piece);
    else splitOnce(piece, last, word);
  }
}

function splitOnce(text: string, step: RegExp, word: (piece: string) => void): void {
  let end = 0;
  step.lastIndex = 0;
  for (let match = step.exec(text); match !== null; match = step.exec(text)) {
    const start = match.index;
    if (start > end) word(text.slice(end, start));
    word(match[0]);
    end = start + match[0].length;
  }
  if (end < text.length) word(text.slice(end));
}

/** '4e00-9fa5 3005' -> the inside of a character class. */
function ranges(codes: string): string {
  return codes.replace(/[0-9a-f]+/g, (code) => `\\u{${code}}`).replaceAll(' ', '');
}
