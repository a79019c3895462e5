/** Runs a generation to its end, however it ends, and says how it went. */
import { AbortedError, ContextOverflowError } from '../errors.ts';
import type { GenerationPart, StopReason, Timings } from '../engine/types.ts';
import { rounded } from './text.ts';

export interface Measured {
  text: string;
  /** `context`: the context was full, in the middle; `interrupted`: the user stopped it. */
  reason: StopReason | 'interrupted';
  timings: Timings;
}

/**
 * Hands every part to `onPart`. An abort or a full context after the first token is an end, not an error: what was
 * generated until then counts.
 */
export async function measure(
  parts: AsyncIterable<GenerationPart>,
  onPart: (part: GenerationPart) => void | Promise<void>,
): Promise<Measured> {
  const started = performance.now();
  let first: number | undefined;
  let last = started;
  let text = '';
  let tokens = 0;
  let reason: Measured['reason'] = 'interrupted';
  let timings: Timings | undefined;
  let prompt = { tokens: 0, reused: 0 };
  try {
    for await (const part of parts) {
      last = performance.now();
      if (part.ids.length > 0) first ??= last;
      tokens += part.ids.length;
      text += part.text;
      if (part.done) ({ reason, timings } = part.done);
      prompt = part.prompt ?? prompt;
      await onPart(part);
    }
  } catch (error) {
    if (error instanceof ContextOverflowError && first !== undefined) reason = 'context';
    else if (!isAbort(error)) throw error;
  }
  return { text, reason, timings: timings ?? clocked({ started, first, last, tokens, prompt }) };
}

function isAbort(error: unknown): boolean {
  return error instanceof AbortedError || (error instanceof Error && error.name === 'AbortError');
}

/** What our own clock says where the engine did not come to its end. */
function clocked(seen: {
  started: number;
  first: number | undefined;
  last: number;
  tokens: number;
  prompt: { tokens: number; reused: number };
}): Timings {
  const { started, first, last, tokens, prompt } = seen;
  const timeToFirstTokenMs = (first ?? last) - started;
  const decodeMs = first === undefined ? 0 : last - first;
  return {
    promptTokens: prompt.tokens,
    reusedTokens: prompt.reused,
    generatedTokens: tokens,
    draftedTokens: 0,
    acceptedTokens: 0,
    prefillMs: timeToFirstTokenMs,
    timeToFirstTokenMs,
    decodeMs,
    prefillTokensPerSecond:
      timeToFirstTokenMs > 0 ? ((prompt.tokens - prompt.reused) * 1000) / timeToFirstTokenMs : 0,
    decodeTokensPerSecond: decodeMs > 0 && tokens > 1 ? ((tokens - 1) * 1000) / decodeMs : 0,
  };
}

/** The contract's `timings`, rounded for reading. */
export function timingsJson(timings: Timings): Record<string, number> {
  return Object.fromEntries(Object.entries(timings).map(([name, value]) => [name, rounded(value as number)]));
}

/** `; drafted 40 tokens, 31 accepted (78 %)`; nothing where nothing was drafted. */
export function draftText({ draftedTokens, acceptedTokens }: Timings, before = ''): string {
  if (draftedTokens === 0) return '';
  const share = ((100 * acceptedTokens) / draftedTokens).toFixed(0);
  return `${before}drafted ${draftedTokens} tokens, ${acceptedTokens} accepted (${share} %)`;
}
