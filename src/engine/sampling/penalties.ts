/** The samplers that move single logits: biases by the caller, penalties for what was said already. */
import type { Candidates } from './candidates.ts';

/** Adds to the logits; -Infinity bans a token. Ids outside the vocabulary are ignored. */
export function logitBias(c: Candidates, bias: Iterable<readonly [number, number]>): void {
  const { ids, logits } = c;
  for (const [id, value] of bias) {
    const index = c.dense ? (id >= 0 && id < c.size ? id : -1) : ids.subarray(0, c.size).indexOf(id);
    if (index >= 0) logits[index] = logits[index]! + value;
  }
}

export interface PenaltySettings {
  /** How many of the last tokens count; <= 0 is off, Infinity all of them. */
  lastN: number;
  /** 1 is off. Divides positive logits and multiplies the others, so > 1 always makes a repeat less likely. */
  repeat: number;
  /** 0 is off. Subtracted once per occurrence. */
  frequency: number;
  /** 0 is off. Subtracted once from a token that occurred. */
  presence: number;
}

/** `history`: token ids, oldest first; ids outside the vocabulary are ignored. */
export function penalties(c: Candidates, settings: PenaltySettings, history: readonly number[]): void {
  const { lastN, repeat, frequency, presence } = settings;
  if (lastN <= 0 || (repeat === 1 && frequency === 0 && presence === 0)) return;
  const { ids, logits, size } = c;
  const times = new Map<number, number>();
  for (let i = Math.max(0, history.length - lastN); i < history.length; i++) {
    const id = history[i]!;
    times.set(id, (times.get(id) ?? 0) + 1);
  }
  const apply = (index: number, count: number): void => {
    const x = logits[index]!;
    logits[index] = (x <= 0 ? x * repeat : x / repeat) - count * frequency - presence;
  };
  if (c.dense) {
    for (const [id, count] of times) if (id >= 0 && id < size) apply(id, count);
    return;
  }
  for (let i = 0; i < size; i++) {
    const count = times.get(ids[i]!);
    if (count !== undefined) apply(i, count);
  }
}
