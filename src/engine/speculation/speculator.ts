/** Chooses who proposes, and keeps count. */
import { UsageError } from '../../errors.ts';
import type { Engine } from '../engine.ts';
import type { KvSequence } from '../kv-cache.ts';
import type { SamplingOptions, SpeculationOptions } from '../types.ts';
import { ModelDrafter } from './draft-model.ts';
import { LookupDrafter } from './lookup.ts';
import type { DraftContext, Drafter, Proposal } from './types.ts';

const DEFAULT_MOST = 32;
const MOST = 256;
/** The draft draws with a seed of its own, so that it does not repeat the draws that judge it. */
const SEED_APART = 0x9e3779b9;

/** SpeculationOptions with the draft model as the engine sees it. */
export interface SpeculationPlan extends Omit<SpeculationOptions, 'draft'> {
  draft?: Engine;
}

export class Speculator {
  drafted = 0;
  accepted = 0;
  private readonly drafters: Drafter[];
  private readonly most: number;
  private current: Drafter | undefined;

  constructor(drafters: Drafter[], most: number) {
    this.drafters = drafters;
    this.most = most;
  }

  /** What the first drafter with an idea proposes. */
  async propose(context: DraftContext): Promise<Proposal> {
    const most = Math.min(this.most, context.most);
    this.current = undefined;
    if (most < 1) return { ids: [] };
    for (const drafter of this.drafters) {
      const proposal = await drafter.propose({ ...context, most });
      if (proposal.ids.length === 0) continue;
      this.current = drafter;
      this.drafted += proposal.ids.length;
      return proposal;
    }
    return { ids: [] };
  }

  learn(accepted: number): void {
    this.accepted += accepted;
    this.current?.learn(accepted);
  }
}

/** @throws UsageError for a draftMax out of range */
export function createSpeculator(
  { lookup, draft, draftMax = DEFAULT_MOST }: SpeculationPlan,
  target: Engine,
  sequence: KvSequence,
  sampling: SamplingOptions & { seed: number },
): Speculator {
  if (!Number.isInteger(draftMax) || draftMax < 1 || draftMax > MOST) {
    throw new UsageError(`draftMax must be a whole number from 1 to ${MOST}, not ${draftMax}`);
  }
  const drafters: Drafter[] = [];
  if (lookup) drafters.push(new LookupDrafter());
  if (draft) {
    const seed = sampling.seed ^ SEED_APART;
    drafters.push(new ModelDrafter(draft, target, sequence, { ...sampling, seed: seed >>> 0 }));
  }
  return new Speculator(drafters, draftMax);
}
