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
  /** The model's own definition, where llama.cpp's cuts some text otherwise: to recognise a checkpoint by. */
  own?: readonly string[];
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
const cased = (suffix: string, upper = UPPER, lower = LOWER) =>
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${suffix}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${suffix}`;
/** The models' own definition: cased letters of all scripts, and combining marks. */
const casedOwn = (suffix: string) =>
  cased(suffix, '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]', '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]');
const CONTRACTION_OR_NOT = `(?:${CONTRACTION})?`;
const caseAware = (words: string, digits: string) =>
  `${words}|${digits}| ?${OTHER}[\\r\\n\\/]*|${NEWLINES}|${SPACES}`;

const FALCON_SIGNS = '[\\p{P}$+<=>^~\\|`]+';
/** What BLOOM's line takes for a word: anything up to a space, a sign of the end of a clause, or a bracket. */
const BLOOM = ` ?[^\\(${SPACE}\\|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c\\)]+`;

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

const DEEPSEEK_LLM: readonly string[] = [
  '[\\r\\n]',
  `${SPACE}?[${DEEPSEEK_CASED}]+`,
  `${SPACE}?[${ranges('21-2f 3a-7e ff01-ff0f ff1a-ff5e 2018-201f 3000-3002')}]+`,
  `(?<!${SPACE})${SPACE}+$`, // the lookbehind: else every start in a long run of spaces is tried
  DEEPSEEK_HAN,
];
const DEEPSEEK_V3_HAN = `[${ranges('4e00-9fa5 3040-309f 30a0-30ff')}]+`;
const DEEPSEEK_V3_WORDS =
  '[!-\\/:-@\\[-`\\{-~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+';

/** The first six groups are checked against llama.cpp's own results; the others follow its definitions. */
const ROWS: readonly Row[] = [
  {
    names: ['default'],
    steps: ['[\\p{P}$+<=>^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
    cleanSpaces: true,
  },
  {
    names: ['gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'jina-es', 'jina-de', 'jina-v2-es', 'jina-v2-de'].concat(
      [
        'jina-v1-en',
        'jina-v2-code',
        'roberta-bpe',
        'gigachat',
        'a.x-4.0',
        'mellum',
        'modern-bert',
        'exaone4',
      ],
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
    names: [
      'qwen2',
      'deepseek-r1-qwen',
      'kormo',
      'f2llmv2',
      'hunyuan',
      'solar-open',
      'grok-2',
      'bailingmoe',
      'bailingmoe2',
      'llada-moe',
    ],
    steps: [llama3('\\p{N}')],
  },
  {
    names: ['tekken'],
    steps: [caseAware(cased(''), '\\p{N}')],
    own: [caseAware(casedOwn(''), '\\p{N}')],
    ignoreMerges: true,
    addBos: true,
  },

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
    steps: [caseAware(cased(CONTRACTION_OR_NOT), '\\p{N}{1,3}')],
    own: [caseAware(casedOwn(CONTRACTION_OR_NOT), '\\p{N}{1,3}')],
  },
  {
    names: ['granite-embed-multi-97m'],
    steps: [
      caseAware(
        cased(CONTRACTION_OR_NOT, '[[\\p{L}\\p{M}]--[a-z]]', '[[\\p{L}\\p{M}]--[A-Z]]'),
        '\\p{N}{1,3}',
      ),
    ],
    ignoreMerges: true,
  },
  {
    names: ['falcon'],
    steps: [FALCON_SIGNS, GPT2, '[0-9][0-9][0-9]'],
    own: [FALCON_SIGNS, GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
    cleanSpaces: true,
  },
  {
    names: ['deepseek-llm'],
    steps: [...DEEPSEEK_LLM, '\\p{N}+'],
    own: [...DEEPSEEK_LLM, '\\p{N}'],
  },
  {
    names: ['deepseek-coder'],
    steps: ['[\\r\\n]', `${SPACE}?\\p{L}+`, `${SPACE}?\\p{P}+`, DEEPSEEK_HAN, '\\p{N}'],
  },
  {
    names: ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'],
    steps: ['\\p{N}{1,3}', DEEPSEEK_V3_HAN, `${DEEPSEEK_V3_WORDS}[\\r\\n]*|${NEWLINES}|${SPACES}`],
  },
  {
    names: ['spark2_5'],
    steps: ['\\p{N}{1,3}', DEEPSEEK_V3_HAN, `${DEEPSEEK_V3_WORDS}|[\\r\\n]|${SPACES}`, '\\p{N}'],
  },
  { names: ['poro-chat'], steps: [BLOOM] },
  { names: ['bloom', 'gpt3-finnish'], steps: [BLOOM], cleanSpaces: true },
  { names: ['viking'], steps: [BLOOM, '\\p{N}'] },
  {
    names: ['jais-2'],
    steps: [
      `${CONTRACTION}|${LETTERS}|\\p{N}{1,3}| ?${OTHER}[\\r\\n]*|${NEWLINES}|` +
        [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `${SPACE}{${n}}(?!\\P{White_Space})|`).join('') +
        `${SPACE}{1,2}(?!\\P{White_Space})|${SPACE}`,
    ],
    cleanSpaces: true,
  },
  {
    names: ['chameleon'],
    steps: [
      '<sentinel:[0-9]+>',
      'IMGIMG[A-I]{1,4}Z',
      '[\\t\\n]|    |  ',
      '\\p{N}',
      '[\\p{P}!-\\/:-@\\[-`\\{-~]',
      GPT2,
    ],
    addBos: true,
  },
  { names: ['seed-coder'], steps: [`${CONTRACTION}|${LETTERS}|\\p{N}| ?${OTHER}|${NEWLINES}|${SPACES}`] },
  { names: ['ufakzeka'], steps: [`${LETTERS}|\\p{N}| ?${OTHER}[\\r\\n]*|${NEWLINES}|${SPACES}`] },
  { names: ['laguna'], steps: ['[^\\n]+|\\n+', llama3('\\p{N}')] },
  { names: ['minicpm5'], steps: ['\\p{N}{1,3}', llama3('\\p{N}+')], ignoreMerges: true, cleanSpaces: true },
  {
    names: ['exaone-moe'],
    steps: [
      `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?${OTHER}[\\r\\n\\/]?|` +
        `${SPACE}*[\\r\\n]|${SPACES}`,
    ],
  },
  {
    names: ['youtu'],
    steps: [
      [
        `[${ranges('ac00-d7a3 3131-318e')}]+`,
        `[${ranges('ff01 2026 201c 201d 2018 2019 2014 ff1a ff1b ff0c 3001-303f fe30-fe4f')}]+`,
        `[${ranges('3105-312f')}]+`,
        DEEPSEEK_V3_HAN,
      ].join('|'),
      caseAware(casedOwn(CONTRACTION_OR_NOT), '\\p{N}'),
    ],
    ignoreMerges: true,
  },
];

const BY_NAME = new Map(ROWS.flatMap((row) => row.names.map((name) => [name, row] as const)));

/** In the order of the table. */
export const PRE_TOKENIZER_NAMES: readonly string[] = [...BY_NAME.keys()];

/** The row of `name`. Guessing would give wrong tokens without a sign, so an unknown name is an error. */
export function findPreTokenizer(name: string): PreTokenizer {
  const row = BY_NAME.get(name);
  if (row === undefined) {
    throw new TokenizerError(
      `tokenizer.ggml.pre: unknown pre-tokenizer ${JSON.stringify(name)}; supported: ${[...PRE_TOKENIZER_NAMES].sort().join(', ')}`,
    );
  }
  return {
    steps: compile(row.steps),
    ignoreMerges: row.ignoreMerges ?? false,
    addBos: row.addBos ?? false,
    cleanSpaces: row.cleanSpaces ?? false,
  };
}

/** What a checkpoint with this pre-tokenizer may be defined by: the table's expressions, and the model's own. */
export function definitionsOf(name: string): (readonly RegExp[])[] {
  const row = BY_NAME.get(name);
  return [row?.steps, row?.own].filter((steps) => steps !== undefined).map(compile);
}

function compile(steps: readonly string[]): RegExp[] {
  return steps.map((source) => new RegExp(source, 'gv'));
}

/** '4e00-9fa5 3005' -> the inside of a character class. */
function ranges(codes: string): string {
  return codes.replace(/[0-9a-f]+/g, (code) => `\\u{${code}}`).replaceAll(' ', '');
}
