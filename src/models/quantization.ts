/**
 * Names of quantizations: how they are ordered by size, what `INT4` and `INT8` mean, and how they are found
 * in GGUF file names, where every publisher spells them a little differently
 * (`x-Q4_K_M.gguf`, `x.Q4_K_M.gguf`, `x-q4_k_m.gguf`, `Q4_K_M/x-Q4_K_M-00001-of-00002.gguf`).
 */

/** Nominal bits per weight of the whole file: for ordering and for estimates, small models lie above. */
const BITS: Readonly<Record<string, number>> = {
  F32: 32,
  BF16: 16.01,
  F16: 16,
  Q8_0: 8.5,
  Q6_K: 6.56,
  Q5_1: 6,
  Q5_K_M: 5.69,
  Q5_K_S: 5.54,
  Q5_0: 5.5,
  Q4_1: 5,
  Q4_K_M: 4.85,
  Q4_K_S: 4.58,
  Q4_0: 4.55,
  IQ4_NL: 4.5,
  IQ4_XS: 4.25,
  Q3_K_L: 4.27,
  Q3_K_M: 3.91,
  Q3_K_S: 3.5,
  IQ3_M: 3.66,
  IQ3_S: 3.44,
  IQ3_XS: 3.3,
  IQ3_XXS: 3.06,
  Q2_K: 3.35,
  Q2_K_S: 3.1,
  IQ2_M: 2.7,
  IQ2_S: 2.5,
  IQ2_XS: 2.31,
  IQ2_XXS: 2.06,
  IQ1_M: 1.75,
  IQ1_S: 1.56,
};

/** What is taken, in this order, from a repository when the user named no quantization. */
export const PREFERRED: readonly string[] = [
  'Q4_K_M',
  'Q4_0',
  'Q4_1',
  'Q4_K_S',
  'Q5_K_M',
  'Q6_K',
  'Q8_0',
  'Q5_0',
  'Q5_1',
  'Q5_K_S',
  'Q3_K_M',
  'Q2_K',
  'F16',
  'BF16',
  'F32',
];

const FOUR_BIT: readonly string[] = ['Q4_K_M', 'Q4_0', 'Q4_1', 'Q4_K_S', 'IQ4_NL', 'IQ4_XS'];

/** `q4_k_m` -> `Q4_K_M`, `fp16` -> `F16`; undefined for what is no quantization (`INT4` and `INT8` are not). */
export function quantizationName(text: string): string | undefined {
  const upper = text.toUpperCase().replace(/^FP(16|32)$/, 'F$1');
  return Object.hasOwn(BITS, upper) ? upper : undefined;
}

/** Bits per weight; 0 for an unknown name. */
export function bitsPerWeight(quantization: string): number {
  return BITS[quantization] ?? 0;
}

/**
 * The quantizations that answer a wish, best first. `INT4` is the best 4-bit file that there is, `INT8` is Q8_0,
 * no wish the whole order of preference, anything else exactly itself.
 */
export function candidates(wish: string | undefined, preferred: readonly string[]): string[] {
  if (wish === undefined) return [...new Set([...preferred, ...PREFERRED])];
  if (wish === 'INT4') return [...new Set([...preferred.filter((q) => FOUR_BIT.includes(q)), ...FOUR_BIT])];
  return [wish === 'INT8' ? 'Q8_0' : wish];
}

/** The largest of `available` that is smaller than `quantization`; undefined when that is the smallest. */
export function nextSmaller(quantization: string, available: readonly string[]): string | undefined {
  const limit = bitsPerWeight(quantization);
  return [...available]
    .filter((q) => bitsPerWeight(q) < limit)
    .sort((a, b) => bitsPerWeight(b) - bitsPerWeight(a))[0];
}

const SHARD = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** `x-00002-of-00003.gguf` -> { stem: 'x', index: 2, count: 3 }; undefined for a file in one piece. */
export function shardOf(path: string): { stem: string; index: number; count: number } | undefined {
  const match = SHARD.exec(path);
  if (!match) return undefined;
  return { stem: path.slice(0, match.index), index: Number(match[1]), count: Number(match[2]) };
}

/** The quantization that a file name ends with; undefined when it names none. */
export function quantizationOf(path: string): string | undefined {
  const stem = (shardOf(path)?.stem ?? path.replace(/\.gguf$/i, '')).split('/').at(-1)!;
  const match = /(?:^|[-._])((?:I?Q\d|BF|FP?)(?:\d+|_[A-Z0-9]+)*)$/i.exec(stem);
  return match ? quantizationName(match[1]!) : undefined;
}
