/**
 * Draws the next token from logits: the front of sampling/. The chain and its defaults are those of llama.cpp's
 * command line (sampling/options.ts), so known settings give known text.
 */
import { UsageError } from '../errors.ts';
import { PEAK_SPAN } from '../kernels/record.ts';
import { nextTask } from './next-task.ts';
import type { OutputRow } from './output-row.ts';
import type { Candidates } from './sampling/candidates.ts';
import { workspace } from './sampling/candidates.ts';
import { applyChain, draw } from './sampling/chain.ts';
import { checkFinite } from './sampling/finite.ts';
import { type Logprobs, logprobsOf } from './sampling/logprobs.ts';
import { type SamplerOptions, biasSteps, defaultChain, resolveSampling } from './sampling/options.ts';
import { peaksOf } from './sampling/peaks.ts';
import { createPreselection } from './sampling/preselection.ts';
import { randomSeed, seededRandom } from './sampling/random.ts';
import { loadLargest } from './sampling/select.ts';
import { acceptOrDraw, distributionOf, type Distribution, type Verdict } from './sampling/speculative.ts';

export { SAMPLING_DEFAULTS, type SamplerOptions } from './sampling/options.ts';
export type { Logprobs } from './sampling/logprobs.ts';

export interface Sampled {
  id: number;
  /** In the distribution that was drawn from, after truncation and temperature; 1 when greedy. */
  probability: number;
}

export interface Sampler {
  /** The seed in use: repeats the draws when given as an option. */
  readonly seed: number;
  /** Always the likeliest token: no randomness. */
  readonly greedy: boolean;
  /**
   * Draws one token. Synchronous; `logits` is only read.
   * @param logits raw, [vocabularySize]; with `peaks`, only the groups that can matter are looked at: the same token
   * @param history token ids of prompt and answer, oldest first: what the penalties look at
   * @throws ModelError on NaN or infinite logits, and where biases ban every token
   */
  sample(logits: OutputRow, history: readonly number[]): Sampled;
  /** As `sample`, with the distribution that the token was drawn from, where it is not certain. */
  propose(logits: OutputRow, history: readonly number[]): { id: number; distribution?: Distribution };
  /**
   * As `sample`, by way of a token that something cheaper has proposed: what comes out is distributed the same, and
   * is the proposed one as often as can be. Without `drawnFrom` the proposal is certain: then the very same token
   * is drawn as by `sample`.
   */
  judge(logits: OutputRow, history: readonly number[], proposed: number, drawnFrom?: Distribution): Verdict;
  /** Log probabilities from the raw logits: of `id`, and of the `n` likeliest tokens. */
  logprobs(logits: Float32Array, id: number, n: number): Logprobs;
}

/**
 * A sampler's only state is its random generator: one per generation, so that a seed repeats it.
 * Temperature <= 0 is greedy: biases and penalties apply, then the largest logit wins (the lowest id of equals).
 * @throws UsageError naming an option that is out of range
 */
export function createSampler(options: SamplerOptions, vocabularySize: number): Sampler {
  if (!Number.isInteger(vocabularySize) || vocabularySize < 1) {
    throw new UsageError(`the vocabulary size must be a positive integer, not ${vocabularySize}`);
  }
  const resolved = resolveSampling(options, vocabularySize);
  const seed = options.seed === undefined || options.seed === -1 ? randomSeed() : options.seed;
  const random = seededRandom(seed);
  const greedy = resolved.temperature <= 0;
  const chain = greedy ? biasSteps(resolved) : defaultChain(resolved);
  const changedBy = greedy ? undefined : createPreselection(resolved, vocabularySize);

  const check = ({ values, peaks }: OutputRow): void => {
    if (values.length !== vocabularySize) {
      throw new UsageError(`${values.length} logits for a vocabulary of ${vocabularySize}`);
    }
    const groups = Math.ceil(vocabularySize / PEAK_SPAN);
    if (peaks && peaks.length !== groups) {
      throw new UsageError(`${peaks.length} peaks for ${groups} groups of logits`);
    }
  };

  const sampleGreedy = (logits: OutputRow, history: readonly number[]): Sampled => {
    // One pass that checks all logits, too; the first of equals is kept.
    if (chain.length === 0) {
      return { id: loadLargest(workspace(vocabularySize), logits, 1, []).ids[0]!, probability: 1 };
    }
    const c = loadAndApply(logits, history);
    const best = c.best();
    if (c.logits[best] === -Infinity) c.weigh(); // refuses: all are banned
    return { id: c.ids[best]!, probability: 1 };
  };

  const loadAndApply = (logits: OutputRow, history: readonly number[]): Candidates => {
    const c = workspace(vocabularySize);
    const changed = changedBy?.(history);
    if (changed) loadLargest(c, logits, resolved.topK, changed);
    else {
      checkFinite(logits.values);
      c.load(logits.values);
    }
    applyChain(c, chain, history);
    return c;
  };

  const sample = (logits: OutputRow, history: readonly number[]): Sampled => {
    check(logits);
    if (greedy) return sampleGreedy(logits, history);
    return draw(loadAndApply(logits, history), random.next());
  };

  return {
    seed,
    greedy,
    sample,
    propose(logits, history) {
      if (greedy) return sample(logits, history);
      check(logits);
      const c = loadAndApply(logits, history);
      return { distribution: distributionOf(c), id: draw(c, random.next()).id };
    },
    judge(logits, history, proposed, drawnFrom) {
      if (greedy || !drawnFrom) {
        const { id } = sample(logits, history);
        return { id, accepted: id === proposed };
      }
      check(logits);
      return acceptOrDraw(loadAndApply(logits, history), proposed, drawnFrom, random);
    },
    logprobs: logprobsOf,
  };
}

/** Values and rounds that make V8 compile the loops below; each round stays under a few milliseconds. */
const WARM_VALUES = 8192;
const WARM_ROUNDS = 24;

/**
 * Draws from made-up logits, so that the first real token does not pay for code that has not been compiled yet: over
 * 262k entries that would block the caller for more than 20 ms. Others run between the rounds.
 */
export async function warmUpSampler(): Promise<void> {
  const values = Float32Array.from({ length: WARM_VALUES }, (_, i) => ((i * 2654435761) % 1000) / 100);
  const logits = { values, peaks: peaksOf(values) };
  for (let round = 0; round < WARM_ROUNDS; round++) {
    createSampler({ seed: round, temperature: round % 4 === 0 ? 0 : 0.8 }, WARM_VALUES).sample(
      logits,
      [1, 2],
    );
    await nextTask();
  }
}
