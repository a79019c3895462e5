/** Proposals of a smaller model with the same vocabulary. */
import { ContextOverflowError } from '../../errors.ts';
import type { Engine } from '../engine.ts';
import type { KvSequence } from '../kv-cache.ts';
import type { OutputRow } from '../output-row.ts';
import { createSampler, type Sampler } from '../sampler.ts';
import type { Distribution } from '../sampling/speculative.ts';
import type { SamplingOptions } from '../types.ts';
import { AcceptanceRate, bestLength } from './length.ts';
import type { DraftContext, Drafter, Proposal } from './types.ts';

/** How often a draft model is right before anything has been seen: between a bad match and a good one. */
const EXPECTED = 0.75;

export class ModelDrafter implements Drafter {
  private readonly draft: Engine;
  private readonly vocabulary: number;
  private readonly sequence: KvSequence;
  private readonly sampler: Sampler;
  private readonly cost: number;
  private readonly rate = new AcceptanceRate(EXPECTED);
  private proposed = 0;

  /**
   * @param target the model that judges; the draft's cache of its sequence stays with that sequence
   * @param seed of the draft's own draws
   */
  constructor(
    draft: Engine,
    target: Engine,
    sequence: KvSequence,
    { seed, ...sampling }: SamplingOptions & { seed: number },
  ) {
    this.draft = draft;
    this.vocabulary = target.vocabulary;
    this.sequence = draft.companionOf(sequence);
    this.cost = draft.info.bytesPerToken / target.info.bytesPerToken;
    const known = [...(sampling.logitBias ?? [])].filter(([id]) => id < draft.vocabulary);
    this.sampler = createSampler({ ...sampling, logitBias: new Map(known), seed }, draft.vocabulary);
  }

  async propose({ history, visible, most, signal }: DraftContext): Promise<Proposal> {
    this.proposed = 0;
    const text = visible();
    const room = this.sequence.limit - text.length + 1;
    // Asked for by name, it always gets its chance.
    const length = Math.min(room, most, Math.max(1, bestLength(this.rate.value, most, this.cost)));
    // Padding of a vocabulary stands for nothing in the other.
    if (length < 1 || text.some((id) => id >= this.draft.vocabulary)) return { ids: [] };
    const ids: number[] = [];
    const drawnFrom: Distribution[] = [];
    const seen = [...history];
    const draw = (logits: OutputRow): boolean => {
      const { id, distribution } = this.sampler.propose(logits, seen);
      if (id >= this.vocabulary) return false;
      ids.push(id);
      seen.push(id);
      if (distribution) drawnFrom.push(distribution);
      return true;
    };
    try {
      let { result: more } = await this.draft.prefill(this.sequence, text, draw, signal);
      while (more && ids.length < length) {
        more = await this.draft.extend(
          this.sequence,
          ids.slice(-1),
          'last',
          (rows) => draw(rows[0]!),
          signal,
        );
      }
    } catch (error) {
      // Other sequences of the draft model need its cache: without proposals it only goes more slowly.
      if (!(error instanceof ContextOverflowError)) throw error;
    }
    this.proposed = ids.length;
    return this.sampler.greedy ? { ids } : { ids, drawnFrom };
  }

  learn(accepted: number): void {
    this.rate.learn(this.proposed, accepted);
  }
}
