/**
 * Finds stop strings in streamed text, also where one spans several pieces, and holds back what may still turn
 * out to be the beginning of one. The result does not depend on where the pieces are cut: the match that is
 * complete first wins; of those that end together, the longest.
 */
import { UsageError } from '../errors.ts';

export interface StopMatcher {
  /** The stop string that was found, or undefined. After a hit, pushes return ''. */
  readonly stopped: string | undefined;
  /** Text held back: a possible beginning of a stop string. */
  readonly held: string;
  /** Adds text; returns what is safe to show. A stop string itself is never returned. */
  push(piece: string): string;
  /** At the end of generation: what was held back, since no stop string can complete any more. */
  flush(): string;
}

/** @throws UsageError when a stop string is empty (it would match everywhere) */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  for (const stop of stops) {
    if (typeof stop !== 'string' || stop === '') {
      throw new UsageError(`stop must be a list of non-empty strings, not ${JSON.stringify(stop)}`);
    }
  }
  let held = '';
  let stopped: string | undefined;

  return {
    get stopped() {
      return stopped;
    },
    get held() {
      return held;
    },
    push(piece) {
      if (stopped !== undefined) return '';
      const text = held + piece;
      const hit = firstMatch(text, stops);
      if (hit) {
        stopped = hit.stop;
        held = '';
        return text.slice(0, hit.start);
      }
      const safe = text.length - longestPartial(text, stops);
      held = text.slice(safe);
      return text.slice(0, safe);
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

function firstMatch(text: string, stops: readonly string[]): { start: number; stop: string } | undefined {
  let found: { start: number; stop: string } | undefined;
  let end = Infinity;
  for (const stop of stops) {
    const start = text.indexOf(stop);
    if (start < 0) continue;
    if (start + stop.length < end || (start + stop.length === end && start < found!.start)) {
      found = { start, stop };
      end = start + stop.length;
    }
  }
  return found;
}

/** Length of the longest end of `text` that is a proper beginning of a stop string. */
function longestPartial(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let n = Math.min(stop.length - 1, text.length); n > longest; n--) {
      if (stop.startsWith(text.slice(-n))) {
        longest = n;
        break;
      }
    }
  }
  return longest;
}
