/** Speculative decoding: something cheap proposes tokens, and one step of the model judges all of them. */
import type { Distribution } from '../sampling/speculative.ts';

/** Where a generation stands when it asks for proposals. */
export interface DraftContext {
  /** Prompt and answer, the last token included, which the model's cache does not hold yet. */
  history: readonly number[];
  /** What the model sees: as `history`, or less of it after a context shift. */
  visible: () => readonly number[];
  /** Tokens at most: more have no room in the context, the step or the answer. */
  most: number;
  signal?: AbortSignal;
}

/** Tokens that may follow, in order. */
export interface Proposal {
  ids: number[];
  /** What each was drawn from; undefined: they are certain, as a token that was looked up. */
  drawnFrom?: Distribution[];
}

export interface Drafter {
  /** Proposes up to `most` tokens; none where it has no idea, or not a good one. */
  propose(context: DraftContext): Proposal | Promise<Proposal>;
  /** Told how many tokens of the last proposal were right. */
  learn(accepted: number): void;
}
