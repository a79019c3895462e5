/**
 * Rotary position embedding (arXiv:2104.09864): from metadata to inverse frequencies. Angles are computed in
 * f64 and rounded once.
 */
import { ModelError } from '../errors.ts';
import { findNumber, findString, type Metadata } from '../gguf/metadata.ts';
import type { Rope } from './architectures/types.ts';
import { nextTask } from './next-task.ts';

/** base^(-2i/n) for each of the n/2 pairs. */
function inverseFrequencies(rotary: number, base: number): Float64Array {
  return Float64Array.from({ length: rotary / 2 }, (_, i) => base ** ((-2 * i) / rotary));
}

/** Rotation with a base of its own and no scaling: the local layers of Gemma 3. */
export function plainRope(rotary: number, base: number): Rope {
  return { rotary, frequencies: inverseFrequencies(rotary, base), magnitude: 1 };
}

/**
 * The rotation that the file's metadata asks for: plain, linear (positions divided by a factor), yarn, or
 * with a factor per pair (Llama 3.1, LongRoPE).
 *
 * @throws ModelError for a scaling type that is not known
 */
export function ropeFromMetadata(
  metadata: Metadata,
  architecture: string,
  rotary: number,
  factors?: Float32Array,
): Rope {
  const key = (name: string) => `${architecture}.rope.${name}`;
  const base = findNumber(metadata, key('freq_base')) ?? 10000;
  const frequencies = inverseFrequencies(rotary, base);
  if (factors) frequencies.forEach((f, i) => (frequencies[i] = f / factors[i]!));
  const factor =
    findNumber(metadata, key('scaling.factor')) ?? findNumber(metadata, key('scale_linear')) ?? 1;
  const type = findString(metadata, key('scaling.type')) ?? (factor === 1 ? 'none' : 'linear');
  const magnitude = findNumber(metadata, key('scaling.attn_factor')) ?? 1;
  // LongRoPE scales by its factors alone.
  if (type === 'none' || type === 'longrope' || factor === 0 || factor === 1)
    return { rotary, frequencies, magnitude };
  if (type === 'linear') return { rotary, frequencies: frequencies.map((f) => f / factor), magnitude };
  if (type === 'yarn') return yarn(metadata, key, { rotary, frequencies, magnitude }, base, factor);
  throw new ModelError(`rope scaling "${type}" (${key('scaling.type')}) is not supported`);
}

/**
 * YaRN (arXiv:2309.00071): pairs that turn often keep their frequency, pairs that turn less than once in the
 * original context are interpolated, those between are mixed; cos and sin grow with the logarithm of the factor.
 */
function yarn(
  metadata: Metadata,
  key: (name: string) => string,
  { rotary, frequencies, magnitude }: Rope,
  base: number,
  factor: number,
): Rope {
  const original = findNumber(metadata, key('scaling.original_context_length'));
  if (original === undefined) {
    throw new ModelError(`yarn rope scaling needs ${key('scaling.original_context_length')}`);
  }
  const fast = findNumber(metadata, key('scaling.yarn_beta_fast')) ?? 32;
  const slow = findNumber(metadata, key('scaling.yarn_beta_slow')) ?? 1;
  const pairAt = (turns: number) =>
    (rotary * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(pairAt(fast)));
  const high = Math.min(rotary - 1, Math.ceil(pairAt(slow)));
  const mixed = frequencies.map((f, i) => {
    const kept = 1 - Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    return (f / factor) * (1 - kept) + f * kept;
  });
  return { rotary, frequencies: mixed, magnitude: magnitude * (1 + 0.1 * Math.log(factor)) };
}

/** Cosines and sines of positions, computed when first asked for and kept: rows of [cos x n/2, sin x n/2]. */
export class RopeTable {
  readonly rope: Rope;
  private readonly pages = new Map<number, Float32Array>();

  constructor(rope: Rope) {
    this.rope = rope;
  }

  /** Computes the rows of the first positions, letting others run in between: a long prompt comes at once. */
  async prepare(positions: number): Promise<void> {
    for (let position = 0; position < positions; position += 64) {
      this.page(position >> 6);
      await nextTask();
    }
  }

  /** Writes the row of `position` (rotary f32) into `to` at element `offset`. */
  write(position: number, to: Float32Array, offset: number): void {
    const { rotary } = this.rope;
    const start = (position & 63) * rotary;
    to.set(this.page(position >> 6).subarray(start, start + rotary), offset);
  }

  private page(index: number): Float32Array {
    let page = this.pages.get(index);
    if (page) return page;
    const { rotary, frequencies, magnitude } = this.rope;
    const half = rotary / 2;
    page = new Float32Array(64 * rotary);
    for (let p = 0; p < 64; p++) {
      for (let i = 0; i < half; i++) {
        const angle = (index * 64 + p) * frequencies[i]!;
        page[p * rotary + i] = Math.cos(angle) * magnitude;
        page[p * rotary + half + i] = Math.sin(angle) * magnitude;
      }
    }
    this.pages.set(index, page);
    return page;
  }
}
