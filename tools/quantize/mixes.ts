/**
 * The mixes that `nibble quantize` makes, as a table: what most tensors become, and which ones get more bits. The
 * choices are llama.cpp's, so that a name means the same file everywhere.
 */

/** Kinds of tensors that a mix treats on their own; attn_qkv and attn_kv_b count as attn_v. */
export type Role = 'output' | 'embedding' | 'attn_v' | 'attn_k' | 'attn_output' | 'ffn_down' | 'other';

/** What a rule may depend on. */
export interface Place {
  /** How many tensors of this role came before, in the order of layers; for experts the layer itself. */
  index: number;
  /** How many layers the model has (attn_v: how many tensors of that role). */
  count: number;
  /** Four or more query heads share a key head. */
  grouped: boolean;
  /** There is an importance matrix. */
  imatrix: boolean;
}

type When = (place: Place) => boolean;

const always: When = () => true;
const firstEighth: When = ({ index, count }) => index < Math.floor(count / 8);
const firstSixteenth: When = ({ index, count }) => index < Math.floor(count / 16);
const before =
  (n: number): When =>
  ({ index }) =>
    index < n;
const grouped: When = (place) => place.grouped;
/** The first and last eighth, and every third in between. */
const moreBits: When = (place) => {
  const { index, count } = place;
  return (
    firstEighth(place) || index >= Math.floor((7 * count) / 8) || (index - Math.floor(count / 8)) % 3 === 2
  );
};

/** The first rule that holds decides; none: the type of most tensors. */
type Rules = readonly (readonly [When, string])[];

export interface Mix {
  /** Name of the file type: src/gguf/file-types.ts. */
  name: string;
  /** Of most tensors. */
  type: string;
  rules: Partial<Record<Role, Rules>>;
  /** attn_output where there are eight experts; undefined: as the others. */
  outputOfEight?: string;
}

function mix(name: string, type: string, rules: Mix['rules'] = {}, outputOfEight?: string): Mix {
  return { name, type, rules, outputOfEight };
}

const BEST: Rules = [[moreBits, 'Q6_K']];

export const MIXES: readonly Mix[] = [
  mix('F32', 'F32'),
  mix('F16', 'F16'),
  mix('BF16', 'BF16'),
  mix('Q8_0', 'Q8_0'),
  mix('Q6_K', 'Q6_K'),
  mix('Q5_K_M', 'Q5_K', { attn_v: BEST, ffn_down: BEST }),
  mix('Q5_K_S', 'Q5_K'),
  mix('Q5_1', 'Q5_1'),
  mix('Q5_0', 'Q5_0', { ffn_down: [[(place) => place.imatrix && firstEighth(place), 'Q5_1']] }),
  mix('Q4_K_M', 'Q4_K', { attn_v: BEST, ffn_down: BEST }, 'Q5_K'),
  mix('Q4_K_S', 'Q4_K', { attn_v: [[before(4), 'Q5_K']], ffn_down: [[firstEighth, 'Q5_K']] }, 'Q5_K'),
  mix('Q4_1', 'Q4_1'),
  mix('Q4_0', 'Q4_0', { ffn_down: [[(place) => place.imatrix && firstEighth(place), 'Q4_1']] }),
  ...['IQ4_NL', 'IQ4_XS'].map((type) =>
    mix(
      type,
      type,
      {
        attn_v: [[grouped, 'Q5_K']],
        ffn_down: [[(place) => !place.imatrix && firstEighth(place), 'Q5_K']],
      },
      'Q5_K',
    ),
  ),
  mix('MXFP4_MOE', 'MXFP4'),
  mix('Q3_K_L', 'Q3_K', {
    attn_v: [[always, 'Q5_K']],
    attn_output: [[always, 'Q5_K']],
    ffn_down: [[always, 'Q5_K']],
  }),
  mix(
    'Q3_K_M',
    'Q3_K',
    {
      attn_v: [
        [before(2), 'Q5_K'],
        [always, 'Q4_K'],
      ],
      attn_output: [[always, 'Q4_K']],
      ffn_down: [
        [firstSixteenth, 'Q5_K'],
        [always, 'Q4_K'],
      ],
    },
    'Q5_K',
  ),
  mix('Q3_K_S', 'Q3_K', {}, 'Q5_K'),
  mix(
    'Q2_K',
    'Q2_K',
    {
      attn_v: [
        [grouped, 'Q4_K'],
        [always, 'Q3_K'],
      ],
      attn_output: [[always, 'Q3_K']],
      ffn_down: [[always, 'Q3_K']],
    },
    'Q5_K',
  ),
  mix('Q2_K_S', 'Q2_K', { attn_v: [[grouped, 'Q4_K']], ffn_down: [[firstEighth, 'Q4_K']] }),
];

/** The mix of this name, upper or lower case. */
export function mixByName(name: string): Mix | undefined {
  return MIXES.find((each) => each.name === name.toUpperCase());
}

/** What a rule of the mix says for a tensor of this role; else what most tensors become. */
export function ruledType(mix: Mix, role: Role, place: Place): string {
  return mix.rules[role]?.find(([when]) => when(place))?.[1] ?? mix.type;
}

/** Instead of a type in blocks of 256 columns, where rows are no multiple of that; in blocks of 32, or F16. */
export const FALLBACKS: Readonly<Record<string, string>> = {
  Q2_K: 'Q4_0',
  Q3_K: 'Q4_0',
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
  IQ4_XS: 'IQ4_NL',
};
