/**
 * Prompt lookup (Saxena 2023, https://github.com/apoorvumang/prompt-lookup-decoding): where the last tokens stood
 * before, in the prompt or the answer, what followed them there is proposed again. Pays where an answer copies:
 * editing, summaries, code, extraction.
 *
 * Matches are found as LZ77 coders do: a table of token pairs leads to the latest place of each, and from there a
 * chain to the places before.
 */
import { AcceptanceRate, bestLength } from './length.ts';
import type { DraftContext, Drafter, Proposal } from './types.ts';

/** Tokens that must match at least, and beyond which a match is as good as certain. */
const LEAST_MATCH = 2;
const MOST_MATCH = 16;
/** Places looked at for one proposal, the latest first. */
const MOST_PLACES = 32;
/** Where proposals do not pay any more, every so-manieth is made all the same, to see whether that has changed. */
const PROBE_EVERY = 16;
const PROBE_LENGTH = 2;

/** Longer matches are right more often: a rate for each class of lengths, with what is expected at first. */
const CLASSES: readonly { least: number; expected: number }[] = [
  { least: 16, expected: 0.985 },
  { least: 8, expected: 0.96 },
  { least: 4, expected: 0.92 },
  { least: 3, expected: 0.85 },
  { least: 2, expected: 0.75 },
];

interface Match {
  /** Where the continuation begins. */
  next: number;
  length: number;
}

/** A pair of token ids as one exact number; ids are below 2^26. */
const pairKey = (a: number, b: number) => a * 2 ** 26 + b;

export class LookupDrafter implements Drafter {
  private readonly rates = CLASSES.map(({ expected }) => new AcceptanceRate(expected));
  /** A pair's latest place: the index of its second token. */
  private readonly latest = new Map<number, number>();
  /** For the pair that ends at an index: its place before, or -1. */
  private readonly earlier: number[] = [];
  private rate = this.rates[0]!;
  private proposed = 0;
  private passed = 0;

  propose({ history, most }: DraftContext): Proposal {
    this.proposed = 0;
    const match = this.find(history);
    if (!match) return { ids: [] };
    this.rate = this.rates[CLASSES.findIndex(({ least }) => match.length >= least)]!;
    let length = bestLength(this.rate.value, most);
    if (length === 0 && ++this.passed % PROBE_EVERY === 0) length = Math.min(most, PROBE_LENGTH);
    const ids: number[] = [];
    // A continuation that reaches the end goes on with itself: so a repeated phrase is proposed again and again.
    for (let at = match.next; ids.length < length; at++) {
      ids.push(at < history.length ? history[at]! : ids[at - history.length]!);
    }
    this.proposed = ids.length;
    return { ids };
  }

  learn(accepted: number): void {
    this.rate.learn(this.proposed, accepted);
  }

  /** Adds the pairs that end before index `stop`. */
  private index(history: readonly number[], stop: number): void {
    for (let end = this.earlier.length; end < stop; end++) {
      const key = pairKey(history[end - 1] ?? -1, history[end]!);
      this.earlier.push(this.latest.get(key) ?? -1);
      this.latest.set(key, end);
    }
  }

  /** The longest earlier occurrence of the last tokens, the latest of equals. */
  private find(history: readonly number[]): Match | undefined {
    const end = history.length - 1;
    if (end < LEAST_MATCH) return undefined;
    // Without the last pair: it must not find itself.
    this.index(history, end);
    let best: Match | undefined;
    let place = this.latest.get(pairKey(history[end - 1]!, history[end]!)) ?? -1;
    for (let i = 0; place >= 0 && i < MOST_PLACES; i++, place = this.earlier[place]!) {
      let length = LEAST_MATCH;
      while (length < MOST_MATCH && length <= place && history[place - length] === history[end - length]) {
        length++;
      }
      if (length > (best?.length ?? 0)) best = { next: place + 1, length };
      if (length === MOST_MATCH) break;
    }
    return best;
  }
}
